"""Fixtures for tests of sources."""

from collections.abc import AsyncGenerator

import pytest

from custom_components.ha_ingestor.coordinators.environment import DATA_BASE_URLS
from custom_components.ha_ingestor.sources.catalog import SOURCES
from homeassistant.core import HomeAssistant
from tests.sources.kit import ProviderServer


@pytest.fixture
async def provider(hass: HomeAssistant) -> AsyncGenerator[ProviderServer]:
    """A server that every source asks instead of its own provider."""
    server = ProviderServer()
    await server.start()
    hass.data[DATA_BASE_URLS] = dict.fromkeys(SOURCES, server.url)
    yield server
    await server.stop()

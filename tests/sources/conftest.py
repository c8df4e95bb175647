"""Fixtures for tests of sources."""

from collections.abc import AsyncGenerator
import sys

import pytest

from custom_components.ha_ingestor.coordinators.environment import DATA_BASE_URLS
from custom_components.ha_ingestor.sources.catalog import SOURCES
from homeassistant.core import HomeAssistant
from tests.sources.kit import ProviderServer
from tests.sources.meter_libraries import create_libraries
from tests.sources.scripted import Script, register


@pytest.fixture
async def provider(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[ProviderServer]:
    """A server that every source asks instead of its own provider."""
    server = ProviderServer()
    await server.start()
    hass.data[DATA_BASE_URLS] = dict.fromkeys(SOURCES, server.url)
    for name, module in create_libraries(server.url).items():
        monkeypatch.setitem(sys.modules, name, module)
    yield server
    await server.stop()


@pytest.fixture
async def berlin(hass: HomeAssistant) -> None:
    """A home in Germany."""
    await hass.config.async_update(
        time_zone="Europe/Berlin", currency="EUR", country="DE"
    )


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """A provider that does what the test says."""
    return register(monkeypatch)

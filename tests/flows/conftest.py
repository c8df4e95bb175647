"""Fixtures of the tests of the flows."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import AsyncMock, MagicMock, patch

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.const import DOMAIN
from homeassistant.core import HomeAssistant
from tests.flows.kit import SERVER, SUCCESS
from tests.flows.options_kit import ENTRY_DATA
from tests.flows.texts import check_flow_texts

FLOW = "custom_components.ha_ingestor.config_flow"


@pytest.fixture(autouse=True)
def _checked_texts() -> Iterator[None]:
    with check_flow_texts():
        yield


@pytest.fixture(autouse=True)
def setup_entry() -> Iterator[AsyncMock]:
    """Keep new hubs from starting: what matters here is what is stored."""
    with patch(
        "custom_components.ha_ingestor.async_setup_entry",
        AsyncMock(return_value=True),
    ) as mock:
        yield mock


@pytest.fixture
def probe() -> Iterator[MagicMock]:
    """Answer for the connection test; it succeeds unless told otherwise."""
    with patch(f"{FLOW}.probe_target", autospec=True, return_value=SUCCESS) as mock:
        yield mock


@pytest.fixture
def detect() -> Iterator[MagicMock]:
    with patch(f"{FLOW}.detect", autospec=True, return_value=SERVER) as mock:
        yield mock


@pytest.fixture
def options() -> dict[str, Any]:
    """Options that the hub of the tests of the options flow already has."""
    return {}


@pytest.fixture
async def entry(
    hass: HomeAssistant, setup_entry: AsyncMock, options: dict[str, Any]
) -> MockConfigEntry:
    """A hub whose set-up does nothing: what matters here is what is stored."""
    entry = MockConfigEntry(domain=DOMAIN, data=ENTRY_DATA, options=options)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    return entry

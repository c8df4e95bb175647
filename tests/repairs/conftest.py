"""Fixtures for repairs: a hub that writes only what a test fires itself."""

from typing import Any

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component


@pytest.fixture
def options() -> dict[str, Any]:
    """Only what these tests fire themselves."""
    return {
        "flush_interval_s": 0.1,
        "include_entities": ["sensor.a"],
        "event_kinds": ["states"],
        "context_fields": [],
    }


@pytest.fixture(autouse=True)
async def _repairs(hass: HomeAssistant) -> None:
    """Home Assistant's own part."""
    assert await async_setup_component(hass, "repairs", {})

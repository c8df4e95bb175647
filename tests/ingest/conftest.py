"""Fixtures for capture: a listener with a list behind it."""

from collections.abc import Iterator
from typing import Any

import pytest

from homeassistant.core import HomeAssistant
from tests.ingest.kit import Capture


@pytest.fixture
def hub_options() -> dict[str, Any]:
    """What the user has chosen, as entry.options; tests parametrize it."""
    return {}


@pytest.fixture
def idle_capture(hass: HomeAssistant, hub_options: dict[str, Any]) -> Capture:
    """A listener that is not attached yet."""
    return Capture(hass, hub_options)


@pytest.fixture
def capture(idle_capture: Capture) -> Iterator[Capture]:
    """A listener at work."""
    idle_capture.start()
    yield idle_capture
    idle_capture.listener.async_stop()

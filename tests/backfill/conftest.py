"""Fixtures for backfill: the real recorder of Home Assistant beside the real hub."""

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import (
    RecorderInstanceContextManager,
)

from devlib.influxd import InfluxServer
from homeassistant.components.recorder import Recorder
from homeassistant.core import HomeAssistant
from tests.backfill.kit import House


@pytest.fixture
def mock_recorder_before_hass(
    async_test_recorder: RecorderInstanceContextManager,
) -> None:
    """Prepare the recorder's database before there is a Home Assistant."""


@pytest.fixture
def house(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    hub: MockConfigEntry,
    influxdb: InfluxServer,
) -> House:
    """A Home Assistant that records, with a hub."""
    return House(hass, hub, influxdb)

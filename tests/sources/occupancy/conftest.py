"""Fixtures for tests of people's calendars."""

from collections.abc import AsyncGenerator

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
)

from homeassistant.components.calendar.const import DATA_COMPONENT
from homeassistant.core import HomeAssistant
from tests.sources.calendars import (
    StandInCalendar,
    add_calendars,
)


@pytest.fixture
async def berlin(hass: HomeAssistant, hub: MockConfigEntry) -> MockConfigEntry:
    """A hub whose days begin at midnight in Berlin."""
    await hass.config.async_set_time_zone("Europe/Berlin")
    return hub


@pytest.fixture
async def calendar(
    hass: HomeAssistant, berlin: MockConfigEntry
) -> AsyncGenerator[StandInCalendar]:
    """Anna's calendar."""
    [calendar] = await add_calendars(hass, ["anna"])
    yield calendar
    # Home Assistant's own timers for its events end with it.
    await hass.data[DATA_COMPONENT].async_remove_entity(calendar.entity_id)

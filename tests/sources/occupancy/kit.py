"""What tests of people's calendars have in common."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
from pytest_homeassistant_custom_component.common import (
    async_fire_time_changed,
)

from homeassistant.core import HomeAssistant, State
from homeassistant.util import dt as dt_util

BERLIN = ZoneInfo("Europe/Berlin")


HOME = "binary_sensor.calendar_anna_currently_home"


WFH = "binary_sensor.calendar_anna_working_from_home_today"


PREPARE = "binary_sensor.calendar_anna_time_to_prepare"


ARRIVAL = "sensor.calendar_anna_next_arrival"


PREPARE_BY = "sensor.calendar_anna_prepare_by"


AWAY = "sensor.calendar_anna_expected_away_duration"


CONFIDENCE = "sensor.calendar_anna_confidence"


PLANNED = "sensor.calendar_anna_planned_presence"


def at(text: str) -> datetime:
    """A moment in Berlin."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


def state_of(hass: HomeAssistant, entity_id: str) -> State:
    state = hass.states.get(entity_id)
    assert state is not None
    return state


def show(hass: HomeAssistant, *entity_ids: str) -> list[str]:
    """States; times as a clock in Berlin shows them."""
    shown = []
    for entity_id in entity_ids:
        text = state_of(hass, entity_id).state
        moment = dt_util.parse_datetime(text)
        shown.append(f"{moment.astimezone(BERLIN):%d %H:%M}" if moment else text)
    return shown


async def move(hass: HomeAssistant, freezer: FrozenDateTimeFactory, text: str) -> None:
    """Let time pass until a moment in Berlin; what is due then happens."""
    freezer.move_to(at(text))
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)

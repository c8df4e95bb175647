"""Calendars that stand in for those of other integrations, and people who have some."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, override

from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.sources.occupancy.calendars import CALENDAR
from homeassistant.components.calendar import CalendarEntity, CalendarEvent
from homeassistant.components.calendar.const import DATA_COMPONENT
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from tests.sources.homes import create_source_entry

SECRET: Final = "Dr. Miller, oncology"
# What the form suggests.
ARGUMENTS: Final[Mapping[str, Any]] = {
    argument.key: argument.default(None)
    if callable(argument.default)
    else argument.default
    for argument in CALENDAR.arguments
    if argument.default is not None
}
SETTINGS: Final[Mapping[str, Any]] = {
    "travel_minutes": 30,
    "prepare_minutes": 15,
    "work_start": "09:00:00",
    "work_end": "17:00:00",
    "home_otherwise": False,
}


class StandInCalendar(CalendarEntity):
    """A calendar with the events that a test gives it.

    Attributes:
        error: Raised instead of an answer, if it is set.
        is_silent: Whether it never answers.
        asked_count: How often it was asked for its events.
    """

    _attr_should_poll = False

    def __init__(self, object_id: str) -> None:
        self.entity_id = f"calendar.{object_id}"
        self._attr_name = object_id.title()
        self.events: list[CalendarEvent] = []
        self.error: Exception | None = None
        self.is_silent = False
        self.asked_count = 0

    @property
    @override
    def event(self) -> CalendarEvent | None:
        """The next event: Home Assistant shows its title, we must not."""
        now = dt_util.now()
        coming = [item for item in self.events if item.end_datetime_local > now]
        return min(coming, key=lambda item: item.start_datetime_local, default=None)

    @override
    async def async_get_events(
        self, hass: HomeAssistant, start_date: datetime, end_date: datetime
    ) -> list[CalendarEvent]:
        self.asked_count += 1
        if self.is_silent:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return [
            item
            for item in self.events
            if item.start_datetime_local < end_date
            and item.end_datetime_local > start_date
        ]

    def put(self, *events: tuple[str, str, str]) -> None:
        """Hold these events from now on: start, end, title; local times or dates."""
        self.events = [create_event(*event) for event in events]


def create_event(start: str, end: str, title: str, **more: Any) -> CalendarEvent:
    return CalendarEvent(start=_parse(start), end=_parse(end), summary=title, **more)


def _parse(text: str) -> date | datetime:
    if len(text) == len("2026-11-23"):
        return date.fromisoformat(text)
    return datetime.fromisoformat(text).replace(tzinfo=dt_util.get_default_time_zone())


async def add_calendars(
    hass: HomeAssistant, object_ids: Sequence[str]
) -> list[StandInCalendar]:
    """Set up calendars as an integration of Home Assistant would."""
    assert await async_setup_component(hass, "calendar", {})
    calendars = [StandInCalendar(object_id) for object_id in object_ids]
    await hass.data[DATA_COMPONENT].async_add_entities(calendars)
    await hass.async_block_till_done()
    return calendars


def create_person(
    name: str,
    *,
    calendars: Sequence[str] = ("calendar.anna",),
    settings: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> ConfigSubentry:
    """A person's calendars, as the flow stores them."""
    return create_source_entry(
        f"id_{name.lower()}",
        f"Calendar {name}",
        kind="occupancy",
        provider="calendar",
        arguments={**ARGUMENTS, "calendars": list(calendars), **arguments},
        settings={**SETTINGS, **(settings or {})},
    )


def set_person(hass: HomeAssistant, name: str, state: str, **more: Any) -> None:
    """Let a person be somewhere."""
    hass.states.async_set(
        f"person.{name.lower()}", state, {"friendly_name": name, **more}
    )


async def refresh(hass: HomeAssistant, hub: MockConfigEntry) -> None:
    """Let the next poll of all sources be due."""
    for source in hub.runtime_data.sources.coordinators:
        await source.async_refresh()
    await hass.async_block_till_done()


def broken() -> HomeAssistantError:
    return HomeAssistantError("Sign in again")

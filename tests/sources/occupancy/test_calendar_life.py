"""Calendars that change, fail, come late and go."""

from datetime import UTC, timedelta
import json
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
)

from custom_components.ha_ingestor.const import DOMAIN
from devlib.influxd import InfluxServer
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.util import dt as dt_util
from tests.sources.calendars import (
    SECRET,
    StandInCalendar,
    add_calendars,
    broken,
    create_event,
    create_person,
    refresh,
    set_person,
)
from tests.sources.homes import add, get_source
from tests.sources.occupancy.kit import ARRIVAL, HOME, WFH, at, move, show, state_of


async def test_a_calendar_that_changes_is_asked_again(
    hass: HomeAssistant,
    berlin: MockConfigEntry,
    calendar: StandInCalendar,
    freezer: FrozenDateTimeFactory,
) -> None:
    freezer.move_to(at("2026-12-07T12:00"))
    await add(hass, berlin, create_person("Anna"))
    assert show(hass, WFH) == ["off"]
    asked_count = calendar.asked_count

    calendar.put(("2026-12-07", "2026-12-08", "WFH"))
    calendar.async_write_ha_state()
    await hass.async_block_till_done(wait_background_tasks=True)

    assert show(hass, WFH, HOME) == ["on", "on"]
    assert calendar.asked_count == asked_count + 1


async def test_what_is_written(
    hass: HomeAssistant,
    berlin: MockConfigEntry,
    calendar: StandInCalendar,
    influxdb: InfluxServer,
) -> None:
    now = dt_util.now().replace(microsecond=0)
    event = create_event("2026-01-01", "2026-01-02", f"Trip to {SECRET}")
    event.start, event.end = now - timedelta(hours=1), now + timedelta(hours=1)
    calendar.events = [event]
    set_person(hass, "Anna", "not_home")
    await add(hass, berlin, create_person("Anna", person="person.anna"))
    set_person(hass, "Anna", "home")
    await hass.async_block_till_done()
    hass.states.async_set("sensor.kitchen", "1")
    await hass.services.async_call(DOMAIN, "flush", blocking=True)

    columns = (
        "currently_home, wfh_today, next_arrival, prepare_time, travel_time_minutes,"
        ' away_duration_hours, confidence, source, "user"'
    )
    rows = influxdb.rows(f"SELECT {columns} FROM occupancy_prediction", "test")
    arrival = (now + timedelta(hours=1.5)).astimezone(UTC)
    assert [row[1:] for row in rows] == [
        [
            False,
            False,
            arrival.isoformat(),
            (arrival - timedelta(minutes=15)).isoformat(),
            30.0,
            3.0,
            None,
            "calendar",
            "anna",
        ],
        [True, False, None, None, 30.0, None, None, "calendar", "anna"],
    ]
    events = influxdb.rows(
        "SELECT anyone_home FROM home_assistant_events"
        " WHERE entity_id = 'sensor.kitchen'",
        "test",
    )
    assert [row[1] for row in events] == [True]


async def test_nobody_learns_what_the_event_was(
    hass: HomeAssistant,
    berlin: MockConfigEntry,
    calendar: StandInCalendar,
    hass_storage: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = dt_util.now()
    words = {"description": SECRET, "location": SECRET}
    event = create_event("2026-01-01", "2026-01-02", f"Trip: {SECRET}", **words)
    event.start, event.end = now - timedelta(hours=1), now + timedelta(hours=1)
    calendar.events = [event]
    await add(hass, berlin, create_person("Anna"))
    calendar.error = ValueError(f"Cannot read {SECRET}")
    await refresh(hass, berlin)
    source = get_source(berlin, "id_anna")
    assert source.last_error == "calendar.anna fails with ValueError"
    states = [
        state.as_dict() for state in hass.states.async_all(("sensor", "binary_sensor"))
    ]
    await hass.config_entries.async_unload(berlin.entry_id)

    stored = json.dumps(hass_storage[f"{DOMAIN}/source_id_anna"])
    assert '"away"' in stored
    own_words = [
        record.getMessage() for record in caplog.records if DOMAIN in record.name
    ]
    assert "Miller" not in f"{stored}{states}{own_words}{source.data}"


async def test_calendars_that_fail_leave_what_is_known(
    hass: HomeAssistant,
    berlin: MockConfigEntry,
    calendar: StandInCalendar,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    freezer.move_to(at("2026-12-07T12:00"))
    calendar.put(("2026-12-07", "2026-12-10", "Vacation"))
    set_person(hass, "Anna", "not_home")
    await add(hass, berlin, create_person("Anna", person="person.anna"))
    calendar.error = broken()

    await refresh(hass, berlin)
    assert show(hass, HOME, ARRIVAL) == ["off", "10 00:30"]
    assert state_of(hass, ARRIVAL).attributes["stale"] is True
    assert caplog.text.count("Error fetching Calendar Anna (Test) data") == 1

    await move(hass, freezer, "2026-12-07T18:01")
    assert show(hass, HOME, ARRIVAL, WFH) == ["off", "unknown", "unknown"]

    calendar.error = None
    await refresh(hass, berlin)
    assert show(hass, HOME, ARRIVAL) == ["off", "10 00:30"]
    assert state_of(hass, ARRIVAL).attributes["stale"] is False


async def test_calendars_that_fail_tell_nothing_without_a_person(
    hass: HomeAssistant,
    berlin: MockConfigEntry,
    calendar: StandInCalendar,
    freezer: FrozenDateTimeFactory,
) -> None:
    freezer.move_to(at("2026-12-07T12:00"))
    calendar.put(("2026-12-07", "2026-12-10", "Vacation"))
    await add(hass, berlin, create_person("Anna"))
    calendar.error = broken()
    await refresh(hass, berlin)
    assert show(hass, HOME) == ["off"]

    await move(hass, freezer, "2026-12-07T18:01")

    assert show(hass, HOME, ARRIVAL) == ["unavailable", "unavailable"]


async def test_calendars_that_come_late_are_waited_for(
    hass: HomeAssistant, berlin: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    hass.set_state(CoreState.starting)
    await add(hass, berlin, create_person("Anna"))
    assert show(hass, HOME) == ["unavailable"]

    [calendar] = await add_calendars(hass, ["anna"])
    await hass.async_block_till_done(wait_background_tasks=True)
    assert show(hass, HOME) == ["unknown"]
    assert calendar.asked_count == 1

    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert calendar.asked_count == 2
    assert get_source(berlin, "id_anna").success_rate.percent == 100
    assert "Error fetching" not in caplog.text


async def test_calendars_that_never_come_are_reported(
    hass: HomeAssistant, berlin: MockConfigEntry
) -> None:
    hass.set_state(CoreState.starting)
    await add(hass, berlin, create_person("Anna"))

    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await hass.async_block_till_done(wait_background_tasks=True)

    rate = state_of(hass, "sensor.calendar_anna_success_rate")
    assert rate.state == "0.0"
    assert rate.attributes["last_error"] == "calendar.anna is not available"


async def test_a_calendar_that_goes_is_not_asked(
    hass: HomeAssistant, berlin: MockConfigEntry, calendar: StandInCalendar
) -> None:
    await add(hass, berlin, create_person("Anna"))

    await calendar.async_remove()
    await hass.async_block_till_done(wait_background_tasks=True)

    assert calendar.asked_count == 1
    assert show(hass, HOME) == ["unknown"]
    assert get_source(berlin, "id_anna").last_error is None

"""People's calendars in a running Home Assistant."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
import json
from typing import Any
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.models import ContextField
from devlib.influxd import InfluxServer
from homeassistant.components.calendar.const import DATA_COMPONENT
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED, EVENT_STATE_CHANGED
from homeassistant.core import CoreState, HomeAssistant, State
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

BERLIN = ZoneInfo("Europe/Berlin")
HOME = "binary_sensor.calendar_anna_currently_home"
WFH = "binary_sensor.calendar_anna_working_from_home_today"
PREPARE = "binary_sensor.calendar_anna_time_to_prepare"
ARRIVAL = "sensor.calendar_anna_next_arrival"
PREPARE_BY = "sensor.calendar_anna_prepare_by"
AWAY = "sensor.calendar_anna_expected_away_duration"
CONFIDENCE = "sensor.calendar_anna_confidence"
PLANNED = "sensor.calendar_anna_planned_presence"


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


async def test_a_day_at_work(
    hass: HomeAssistant,
    berlin: MockConfigEntry,
    calendar: StandInCalendar,
    freezer: FrozenDateTimeFactory,
) -> None:
    freezer.move_to(at("2026-12-07T07:00"))
    set_person(hass, "Anna", "home")
    calendar.put(
        ("2026-12-07", "2026-12-08", "Office"),
        ("2026-12-08", "2026-12-09", "WFH"),
    )
    await add(hass, berlin, create_person("Anna", person="person.anna"))

    assert show(hass, HOME, WFH, PLANNED) == ["on", "off", "unknown"]
    assert show(hass, ARRIVAL, PREPARE_BY, AWAY) == ["07 17:30", "07 17:15", "9.0"]
    assert state_of(hass, HOME).attributes["origin"] == "tracker"
    assert state_of(hass, HOME).attributes["device_class"] == "presence"

    await move(hass, freezer, "2026-12-07T08:45")
    set_person(hass, "Anna", "not_home")
    await hass.async_block_till_done()
    assert show(hass, HOME, PLANNED, ARRIVAL) == ["off", "away", "07 17:30"]

    await move(hass, freezer, "2026-12-07T09:00")
    assert show(hass, PLANNED, PREPARE) == ["office", "off"]

    await move(hass, freezer, "2026-12-07T17:15")
    assert show(hass, PLANNED, PREPARE, ARRIVAL) == ["away", "on", "07 17:30"]

    set_person(hass, "Anna", "home")
    await hass.async_block_till_done()
    assert show(hass, HOME, PREPARE, ARRIVAL) == ["on", "off", "unknown"]

    await move(hass, freezer, "2026-12-08T00:00")
    assert show(hass, WFH, PLANNED) == ["on", "unknown"]
    attributes = state_of(hass, WFH).attributes
    assert [attributes["start"], attributes["end"]] == [
        at("2026-12-08T09:00"),
        at("2026-12-08T17:00"),
    ]

    await move(hass, freezer, "2026-12-08T09:00")
    assert show(hass, PLANNED) == ["work_from_home"]


@pytest.mark.parametrize(
    ("now", "event", "expected"),
    [
        pytest.param(
            "2026-10-25T01:00",
            ("2026-10-24T23:00", "2026-10-25T06:00", "Trip"),
            ["off", "25 06:30", "9.0"],
            id="night-of-25-hours",
        ),
        pytest.param(
            "2027-03-28T01:00",
            ("2027-03-27T23:00", "2027-03-28T06:00", "Trip"),
            ["off", "28 06:30", "7.0"],
            id="night-of-23-hours",
        ),
        pytest.param(
            "2026-10-25T12:00",
            ("2026-10-25", "2026-10-26", "Vacation"),
            ["off", "26 00:30", "26.0"],
            id="day-of-25-hours",
        ),
        pytest.param(
            "2026-12-07T23:30",
            ("2026-12-07T20:00", "2026-12-08T01:00", "Trip"),
            ["off", "08 01:30", "6.0"],
            id="across-midnight",
        ),
        pytest.param(
            "2026-12-07T12:00",
            ("2026-12-07T11:00", "2026-12-07T13:00", "At home: plumber"),
            ["on", "unknown", "unknown"],
            id="at-home",
        ),
        pytest.param(
            "2026-12-07T12:00",
            ("2026-12-09T11:00", "2026-12-09T13:00", "Trip"),
            ["unknown", "09 13:30", "3.0"],
            id="nothing-now",
        ),
    ],
)
async def test_calendars_alone(
    hass: HomeAssistant,
    berlin: MockConfigEntry,
    calendar: StandInCalendar,
    freezer: FrozenDateTimeFactory,
    now: str,
    event: tuple[str, str, str],
    expected: list[str],
) -> None:
    """Without a person the calendars are believed; without an event, nothing is."""
    freezer.move_to(at(now))
    calendar.put(event)
    await add(hass, berlin, create_person("Anna"))

    assert show(hass, HOME, ARRIVAL, AWAY) == expected
    assert show(hass, CONFIDENCE) == ["unknown"]


@pytest.mark.parametrize(
    ("arguments", "states", "expected"),
    [
        ({"person": "person.anna"}, {"person.anna": "home"}, "on"),
        ({"person": "person.anna"}, {"person.anna": "Work"}, "off"),
        ({"person": "person.anna"}, {"person.anna": "unknown"}, "off"),
        ({"person": "person.anna"}, {"person.anna": "unavailable"}, "off"),
        ({"person": "person.anna"}, {}, "off"),
        ({"person": "device_tracker.phone"}, {"device_tracker.phone": "home"}, "on"),
        (
            {"person": "person.anna", "zone": "zone.cabin"},
            {"person.anna": "home"},
            "off",
        ),
        (
            {"person": "person.anna", "zone": "zone.cabin"},
            {"person.anna": ("Garage", {"in_zones": ["zone.garage", "zone.cabin"]})},
            "on",
        ),
        (
            {"person": "person.anna"},
            {"person.anna": ("Garage", {"in_zones": ["zone.garage", "zone.home"]})},
            "on",
        ),
        (
            {"person": "device_tracker.phone", "zone": "zone.cabin"},
            {
                "device_tracker.phone": "Cabin",
                "zone.cabin": ("1", {"friendly_name": "Cabin"}),
            },
            "on",
        ),
        ({"zone": "zone.cabin"}, {"zone.cabin": "2"}, "on"),
        ({"zone": "zone.cabin"}, {"zone.cabin": "0"}, "off"),
        ({"zone": "zone.cabin"}, {"zone.cabin": "many"}, "off"),
    ],
)
async def test_where_somebody_really_is(
    hass: HomeAssistant,
    berlin: MockConfigEntry,
    calendar: StandInCalendar,
    freezer: FrozenDateTimeFactory,
    arguments: dict[str, Any],
    states: dict[str, Any],
    expected: str,
) -> None:
    freezer.move_to(at("2026-12-07T12:00"))
    calendar.put(("2026-12-07", "2026-12-08", "Vacation"))
    for entity_id, state in states.items():
        text, attributes = state if isinstance(state, tuple) else (state, {})
        hass.states.async_set(entity_id, text, attributes)

    await add(hass, berlin, create_person("Anna", **arguments))

    assert show(hass, HOME) == [expected]


@pytest.mark.parametrize(
    ("state", "unit", "expected"),
    [
        ("45", "min", "07 13:45"),
        ("0.5", "h", "07 13:30"),
        ("5400", "s", "07 14:30"),
        ("20", None, "07 13:20"),
        ("20", "km", "07 13:10"),
        ("unavailable", "min", "07 13:10"),
        ("-5", "min", "07 13:10"),
        ("nan", "min", "07 13:10"),
        ("5000", "min", "07 13:10"),
        ("soon", "min", "07 13:10"),
    ],
)
async def test_the_way_home(
    hass: HomeAssistant,
    berlin: MockConfigEntry,
    calendar: StandInCalendar,
    freezer: FrozenDateTimeFactory,
    state: str,
    unit: str | None,
    expected: str,
) -> None:
    freezer.move_to(at("2026-12-07T12:00"))
    calendar.put(("2026-12-07T10:00", "2026-12-07T13:00", "Trip"))
    settings = {"travel_minutes": 10, "travel_entity": "sensor.way_home"}
    await add(hass, berlin, create_person("Anna", settings=settings))
    asked_count = calendar.asked_count

    hass.states.async_set("sensor.way_home", state, {"unit_of_measurement": unit})
    await hass.async_block_till_done()

    assert show(hass, ARRIVAL) == [expected]
    assert calendar.asked_count == asked_count


async def test_a_phone_that_moves_makes_no_noise(
    hass: HomeAssistant, berlin: MockConfigEntry, calendar: StandInCalendar
) -> None:
    set_person(hass, "Anna", "not_home", latitude=1.0)
    await add(hass, berlin, create_person("Anna", person="person.anna"))
    asked_count = calendar.asked_count
    changes: list[str] = []
    hass.bus.async_listen(
        EVENT_STATE_CHANGED, lambda event: changes.append(event.data["entity_id"])
    )

    set_person(hass, "Anna", "not_home", latitude=2.0)
    await hass.async_block_till_done()
    assert changes == ["person.anna"]

    set_person(hass, "Anna", "home", latitude=3.0)
    await hass.async_block_till_done()
    assert HOME in changes
    assert show(hass, HOME) == ["on"]
    assert calendar.asked_count == asked_count


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


async def sample(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    week: int,
    states: list[str],
) -> None:
    """Poll in the quarters of an hour of a Monday, with Anna here or there."""
    for quarter, state in enumerate(states):
        moment = at("2026-12-07T10:01") + timedelta(weeks=week, minutes=15 * quarter)
        freezer.move_to(moment)
        set_person(hass, "Anna", state)
        await hass.async_block_till_done()
        await refresh(hass, hub)


async def test_confidence_is_learned_and_kept(
    hass: HomeAssistant,
    berlin: MockConfigEntry,
    calendar: StandInCalendar,
    freezer: FrozenDateTimeFactory,
) -> None:
    """The calendar says at home on Mondays at ten; it is right 14 times of 16."""
    freezer.move_to(at("2026-12-07T10:00"))
    await hass.async_block_till_done()
    calendar.events = [
        create_event(f"{day:%Y-%m-%d}", f"{day + timedelta(days=1):%Y-%m-%d}", "WFH")
        for day in (at("2026-12-07T12:00") + timedelta(weeks=week) for week in range(6))
    ]
    set_person(hass, "Anna", "unknown")
    await add(hass, berlin, create_person("Anna", person="person.anna"))
    right, wrong = ["home"] * 4, ["home", "home", "not_home", "not_home"]
    for week, states in enumerate([right, wrong, right]):
        await sample(hass, berlin, freezer, week, states)
    assert show(hass, CONFIDENCE) == ["unknown"]

    await sample(hass, berlin, freezer, 3, right)

    assert show(hass, CONFIDENCE) == ["87.5"]
    attributes = state_of(hass, CONFIDENCE).attributes
    assert [attributes[key] for key in ("samples", "days", "basis")] == [
        16,
        4,
        "weekday_and_hour",
    ]

    await hass.config_entries.async_reload(berlin.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert show(hass, CONFIDENCE) == ["87.5"]

    [other] = await add_calendars(hass, ["ben"])
    subentry = berlin.subentries["id_anna"]
    changed = create_person("Anna", calendars=[other.entity_id], person="person.anna")
    hass.config_entries.async_update_subentry(berlin, subentry, data=changed.data)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert show(hass, CONFIDENCE) == ["unknown"]
    source = get_source(berlin, "id_anna")
    assert source.save_state()["record"]["slots"] == {}


async def test_settings_are_followed_at_once(
    hass: HomeAssistant,
    berlin: MockConfigEntry,
    calendar: StandInCalendar,
    freezer: FrozenDateTimeFactory,
) -> None:
    freezer.move_to(at("2026-12-07T08:30"))
    calendar.put(("2026-12-07", "2026-12-08", "WFH"))
    await add(hass, berlin, create_person("Anna"))
    asked_count = calendar.asked_count
    assert show(hass, PLANNED) == ["unknown"]

    changed = create_person(
        "Anna", settings={"work_start": "08:00", "travel_entity": "sensor.way_home"}
    )
    subentry = berlin.subentries["id_anna"]
    hass.config_entries.async_update_subentry(berlin, subentry, data=changed.data)
    await hass.async_block_till_done(wait_background_tasks=True)

    assert show(hass, PLANNED) == ["work_from_home"]
    hass.states.async_set("sensor.way_home", "12", {"unit_of_measurement": "min"})
    await hass.async_block_till_done()
    assert get_source(berlin, "id_anna").data.travel_minutes == 12
    assert calendar.asked_count == asked_count


async def test_two_people(hass: HomeAssistant, berlin: MockConfigEntry) -> None:
    await add_calendars(hass, ["anna", "ben"])
    set_person(hass, "Anna", "not_home")
    set_person(hass, "Ben", "home")
    await add(
        hass,
        berlin,
        create_person("Anna", person="person.anna"),
        create_person("Ben", calendars=["calendar.ben"], person="person.ben"),
    )
    fed = berlin.runtime_data.sources
    ben = "binary_sensor.calendar_ben_currently_home"
    assert show(hass, HOME, ben) == ["off", "on"]
    assert fed._fed[ContextField.ANYONE_HOME] is True

    set_person(hass, "Ben", "not_home")
    await hass.async_block_till_done()
    assert fed._fed[ContextField.ANYONE_HOME] is False

    set_person(hass, "Ben", "unknown")
    await hass.async_block_till_done()
    assert show(hass, ben) == ["unknown"]
    assert fed._fed[ContextField.ANYONE_HOME] is False

    set_person(hass, "Anna", "unknown")
    await hass.async_block_till_done()
    assert fed._fed[ContextField.ANYONE_HOME] is None


async def test_one_of_two_people_can_be_chosen(
    hass: HomeAssistant, berlin: MockConfigEntry
) -> None:
    await add_calendars(hass, ["anna", "ben"])
    set_person(hass, "Anna", "not_home")
    set_person(hass, "Ben", "home")
    await add(
        hass,
        berlin,
        create_person("Anna", person="person.anna"),
        create_person("Ben", calendars=["calendar.ben"], person="person.ben"),
    )

    options = {**berlin.options, "occupancy_source": "id_anna"}
    hass.config_entries.async_update_entry(berlin, options=options)
    await hass.async_block_till_done(wait_background_tasks=True)

    fed = berlin.runtime_data.sources._fed
    assert fed[ContextField.ANYONE_HOME] is False

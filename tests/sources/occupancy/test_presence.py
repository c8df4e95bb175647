"""People's calendars in a running Home Assistant: where they are and come from."""

from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
)

from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import HomeAssistant
from tests.sources.calendars import (
    StandInCalendar,
    create_person,
    set_person,
)
from tests.sources.homes import add
from tests.sources.occupancy.kit import (
    ARRIVAL,
    AWAY,
    CONFIDENCE,
    HOME,
    PLANNED,
    PREPARE,
    PREPARE_BY,
    WFH,
    at,
    move,
    show,
    state_of,
)


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

"""The check of `scripts/develop --once` finds what is wrong with outside data."""

from collections.abc import Callable
from datetime import datetime
from math import floor
from typing import Any

import pytest

from devlib.home_check import (
    DemoCalendar,
    MeterReadings,
    expect_occupancy,
    find_wrong_circuits,
    find_wrong_meter,
    find_wrong_occupancy,
)
from devlib.providers import air_at
from devlib.source_check import find_wrong_air
from devlib.stored import StoredPoint


def event(summary: str, day: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "start": {"dateTime": f"2026-11-{day}T09:00:00+01:00"},
        "end": {"dateTime": f"2026-11-{day}T17:00:00+01:00"},
    }


CALENDAR = DemoCalendar.from_events([event("Office", "20"), event("WFH", "21")])


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}:00+01:00")


def to_ns(text: str) -> int:
    return int(at(text).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("moment", "is_home", "planned", "arrival", "is_home_day"),
    [
        pytest.param("20T08:00", True, None, "16:30", False, id="before-leaving"),
        pytest.param("20T08:00", False, None, None, False, id="out-without-a-plan"),
        pytest.param("20T08:45", False, "away", "16:30", False, id="on-the-way"),
        pytest.param("20T12:00", False, "office", "16:30", False, id="at-work"),
        pytest.param("20T12:00", True, "office", None, False, id="at-home-instead"),
        pytest.param("20T12:00", None, "office", "16:30", False, id="nobody-knows"),
        pytest.param("20T18:00", False, None, None, False, id="late"),
        pytest.param("21T12:00", True, "work_from_home", None, True, id="home-day"),
    ],
)
def test_what_the_calendar_means(
    moment: str,
    is_home: bool | None,
    planned: str | None,
    arrival: str | None,
    is_home_day: bool,
) -> None:
    expected = expect_occupancy(CALENDAR, at(moment), is_home=is_home)

    assert expected["planned_presence"] == planned
    assert expected["working_from_home"] is is_home_day
    assert expected["next_arrival"] == (arrival and f"2026-11-20T{arrival}:00+00:00")
    assert expected["away_duration"] == (9.0 if arrival else None)


def create_occupancy() -> list[StoredPoint]:
    return [
        {
            "time": to_ns("20T12:00"),
            "source": "calendar",
            "user": "demo",
            "currently_home": False,
            "wfh_today": False,
            "next_arrival": "2026-11-20T16:30:00+00:00",
            "prepare_time": "2026-11-20T16:15:00+00:00",
            "away_duration_hours": 9,
            "travel_time_minutes": 30,
        }
    ]


def create_air() -> list[StoredPoint]:
    air = air_at(at("20T12:00"))
    point = {"time": to_ns("20T12:00"), "scale": "european"}
    return [
        {
            **point,
            "parameter": "pm25",
            "concentration": air["pm2_5"],
            "aqi": floor(air["european_aqi_pm2_5"] + 0.5),
        },
        {**point, "parameter": "co", "concentration": air["carbon_monoxide"]},
        {**point, "parameter": "aqi", "aqi": floor(air["european_aqi"] + 0.5)},
    ]


def test_half_of_an_index_is_rounded_up() -> None:
    # At 09:00 UTC the index of this pollutant is 20.5.
    assert air_at(at("20T10:00"))["european_aqi_pm10"] == 20.5
    point = {
        "time": to_ns("20T10:00"),
        "scale": "european",
        "parameter": "pm10",
        "concentration": air_at(at("20T10:00"))["pm10"],
    }
    assert list(find_wrong_air([{**point, "aqi": 21}])) == []
    assert list(find_wrong_air([{**point, "aqi": 20}])) != []


def reading(text: str, value: float) -> StoredPoint:
    return {"time": to_ns(text), "state": str(value), "value": value}


READINGS = MeterReadings(
    power={
        "appliances": [reading("20T12:00", 300.0), reading("20T12:10", 500.0)],
        "lights": [reading("20T12:00", 100.0)],
    },
    energy={
        # The last step is one that no home can make.
        "appliances": [
            reading("20T12:00", 1000.0),
            reading("20T12:05", 1500.0),
            reading("20T12:10", 99_000.0),
        ],
        "lights": [reading("20T12:00", 10.0), reading("20T12:10", 260.0)],
    },
)


def create_meter() -> list[StoredPoint]:
    point = {"meter_type": "meter_entities"}
    return [
        {**point, "time": to_ns("20T12:00"), "total_power_w": 400, "daily_kwh": 0},
        {**point, "time": to_ns("20T12:05"), "total_power_w": 400, "daily_kwh": 0.5},
        {**point, "time": to_ns("20T12:10"), "total_power_w": 600, "daily_kwh": 0.75},
    ]


def create_circuits() -> list[StoredPoint]:
    return [
        {
            "time": to_ns("20T12:00"),
            "circuit_name": "Electricity meter Lights power",
            "power_w": 100,
            "percentage": 25,
        }
    ]


def check_occupancy(points: list[StoredPoint]) -> list[StoredPoint]:
    tracker = [{"time": to_ns("20T08:00"), "state": "not_home"}]
    return list(find_wrong_occupancy(points, tracker, CALENDAR))


CHECKS = [
    pytest.param(create_occupancy, check_occupancy, id="occupancy"),
    pytest.param(create_air, lambda points: list(find_wrong_air(points)), id="air"),
    pytest.param(
        create_meter,
        lambda points: list(find_wrong_meter(points, READINGS)),
        id="meter",
    ),
    pytest.param(
        create_circuits,
        lambda points: list(find_wrong_circuits(points, READINGS)),
        id="circuits",
    ),
]
# What only says when a point is, or which of several it is.
NAMES = {"time", "parameter", "circuit_name"}


@pytest.mark.parametrize(("create", "check"), CHECKS)
def test_what_is_right_is_found_right(
    create: Callable[[], list[StoredPoint]],
    check: Callable[[list[StoredPoint]], list[StoredPoint]],
) -> None:
    assert check(create()) == []


@pytest.mark.parametrize(("create", "check"), CHECKS)
def test_every_wrong_value_is_found(
    create: Callable[[], list[StoredPoint]],
    check: Callable[[list[StoredPoint]], list[StoredPoint]],
) -> None:
    missed = []
    for index, point in enumerate(create()):
        for key in point.keys() - NAMES:
            points = create()
            points[index][key] = "wrong"
            if check(points) != [points[index]]:
                missed.append((index, key))

    assert missed == []


def test_a_change_of_the_tracker_is_both_before_and_after() -> None:
    [point] = create_occupancy()
    came = [
        {"time": to_ns("20T08:00"), "state": "not_home"},
        {"time": point["time"] - 1_000_000, "state": "home"},
    ]
    home = {"currently_home": True, "away_duration_hours": None}
    times = {"next_arrival": None, "prepare_time": None}
    both = [point, {**point, **home, **times}]

    assert list(find_wrong_occupancy(both, came, CALENDAR)) == []
    came[1]["time"] -= 60 * 1_000_000_000
    assert list(find_wrong_occupancy(both, came, CALENDAR)) == [point]

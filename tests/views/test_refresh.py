"""Views are made of what is proven, again where that changes, and nothing is lost."""

from collections.abc import Callable
import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from custom_components.ha_ingestor.const import MEASUREMENT_CARBON, MEASUREMENT_METER
from custom_components.ha_ingestor.errors import (
    RetentionCancelledError,
    StoreUnavailableError,
)
from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.checkpoint import Checkpoint
from custom_components.ha_ingestor.retention.ledger import Ledger, Removal
from custom_components.ha_ingestor.retention.ledgers import (
    DAILY_LEDGER,
    EVENTS_LEDGER,
    HOURLY_LEDGER,
)
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.transfer import write_points
from custom_components.ha_ingestor.retention.windows import NS_PER_DAY, Resolution
from custom_components.ha_ingestor.retention.work import Work
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.query import Row
from custom_components.ha_ingestor.views.chunk import hourly
from custom_components.ha_ingestor.views.definition import ledger_of
from devlib.influxd import InfluxServer
from tests.retention.kit import COUNTER, MINUTE, POWER, SWITCH, UTC, row
from tests.retention.server_kit import put, target_of
from tests.views.views_kit import HOUR, House, local, motion, work

DAY = local(2026, 3, 10)
NEXT = local(2026, 3, 11)
OVEN = {**POWER, "entity_id": "sensor.oven", "device": "Oven", "area": "Kitchen"}
GRID = {**COUNTER, "entity_id": "sensor.grid", "device": "Meter", "area": "Cellar"}
ROOMS = "hourly_room_activity"
COSTS = "energy_cost_hourly"
ENERGY = "daily_energy_by_device"


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


def a_day(start_ns: int = DAY) -> list[Row]:
    """A kilowatt for two hours, a meter, a lamp, somebody in the hall."""
    return [
        row(
            start_ns + HOUR, 1000.0, OVEN, electricity_price=0.5, carbon_intensity=80.0
        ),
        row(start_ns + 2 * HOUR, 1000.0, OVEN, electricity_price=0.25),
        row(start_ns + 3 * HOUR, 0.0, OVEN),
        row(start_ns + HOUR, 7.0, GRID, electricity_price=0.5),
        row(start_ns + 90 * MINUTE, 8.0, GRID, electricity_price=0.5),
        row(start_ns + 2 * HOUR + MINUTE, 10.0, GRID, electricity_price=0.25),
        row(start_ns + HOUR, "on", {**SWITCH, "area": "Kitchen"}),
        row(start_ns + 4 * HOUR, "off", {**SWITCH, "area": "Kitchen"}),
        row(start_ns + HOUR, "on", motion("hall")),
        row(start_ns + HOUR + 15 * MINUTE, "off", motion("hall")),
    ]


def only(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    """Return the one row that has these values."""
    [found] = [r for r in rows if wanted.items() <= r.items()]
    return found


def filled(house: House, days: int = 1) -> House:
    """Give a home some days of rows, proven in all tiers."""
    for day in range(days):
        house.put(a_day(DAY + day * NS_PER_DAY))
    house.aggregate(DAY, DAY + days * NS_PER_DAY)
    return house


def remove(
    house: House, ledger: Ledger, resolution: Resolution, entity_id: str
) -> None:
    """Record that the rows of an entity have been deleted, as by its own age."""
    first_ns = DAY - DAY % NS_PER_DAY
    house.verify(ledger, (first_ns - NS_PER_DAY, NEXT + 2 * NS_PER_DAY), resolution)
    for day_ns in (first_ns, first_ns + NS_PER_DAY):
        removal = Removal(
            ledger=ledger,
            start_ns=day_ns,
            end_ns=day_ns + NS_PER_DAY,
            entity_ids=(entity_id,),
            parts={},
        )
        house.checkpoint.begin_removal(removal)
        house.checkpoint.finish_removal(removal)


def test_energy_of_a_day(house: House) -> None:
    filled(house).views.refresh(work())

    rows = house.stored(ENERGY)
    assert only(rows, entity_id="sensor.oven") == {
        "time": DAY,
        "entity_id": "sensor.oven",
        "device": "Oven",
        "area": "Kitchen",
        "date": "2026-03-10",
        "total_kwh": 2,
        "avg_power_w": pytest.approx(2000 / 23),
        "peak_power_w": 1000,
        "cost": 0.75,
        "carbon_g": 80,
        "measured_hours": 23,
    }
    grid = only(rows, entity_id="sensor.grid")
    assert (grid["total_kwh"], grid["cost"]) == (3, 1.5)
    assert grid["avg_power_w"] == pytest.approx(3000 / 23)
    # A counter tells how much, not how fast.
    assert "peak_power_w" not in grid
    assert len(rows) == 2


def test_units_of_power_are_watts(house: House) -> None:
    tags = {**OVEN, "unit": "kW"}
    house.put([row(DAY, 1.5, tags), row(DAY + HOUR, 0.5, tags)])
    house.aggregate(DAY, NEXT)

    house.views.refresh(work())

    [found] = house.stored(ENERGY)
    assert found["peak_power_w"] == 1500
    assert found["avg_power_w"] == pytest.approx((1500 + 23 * 500) / 24)


def test_run_time_of_a_day(house: House) -> None:
    filled(house).views.refresh(work())

    rows = house.stored("device_runtime_daily")
    assert only(rows, entity_id="switch.fan") == {
        "time": DAY,
        "entity_id": "switch.fan",
        "area": "Kitchen",
        "date": "2026-03-10",
        "on_seconds": 3 * 3600,
        "state_changes": 1,
    }
    assert {r["entity_id"] for r in rows} == {"switch.fan", "binary_sensor.hall"}


def test_rooms_of_a_day(house: House) -> None:
    filled(house).views.refresh(work())

    rows = house.stored(ROOMS)
    assert rows[0] == {
        "time": DAY + HOUR,
        "area": "Hall",
        "hour": 1,
        "weekday": 1,
        "motion_count": 1,
        "occupancy_rate": 0.25,
        "sensor_count": 1,
    }
    assert [(r["motion_count"], r["occupancy_rate"]) for r in rows[1:]] == [(0, 0)] * 22


def test_a_restart_is_not_counted_as_presence(house: House) -> None:
    """A crash: the last sign of life, then a start without a stop."""
    house.put(
        [
            row(DAY + HOUR, "on", motion("hall")),
            row(DAY + HOUR + 10 * MINUTE, 20.0, OVEN),
            row(DAY + HOUR + 40 * MINUTE, "on", motion("hall")),
        ]
    )
    start = Point(
        measurement="home_assistant_activity",
        tags={"event_type": "homeassistant_start"},
        fields={"name": "x"},
        time_ns=DAY + HOUR + 39 * MINUTE,
    )
    put(house.influxdb, [start])
    house.aggregate(DAY, DAY + 2 * HOUR)

    house.views.refresh(work(), [ROOMS])

    [found] = house.stored(ROOMS)
    assert found["occupancy_rate"] == pytest.approx(0.5)
    assert found["motion_count"] == 1


def test_costs_of_hours(house: House) -> None:
    house.home_entities = ("sensor.grid",)
    filled(house).views.refresh(work())

    rows = [r for r in house.stored(COSTS) if r["time"] == DAY + HOUR]
    # Of the home only: of each entity there are days, and the history.
    assert rows == [
        {"time": DAY + HOUR, "scope": "home", "hour": 1, "kwh": 1, "cost": 0.5}
    ]


def test_carbon_of_hours(house: House) -> None:
    house.home_entities = ("sensor.oven",)
    filled(house).views.refresh(work())

    rows = [r for r in house.stored(COSTS) if r["time"] == DAY + HOUR]
    assert rows == [
        {
            "time": DAY + HOUR,
            "scope": "home",
            "hour": 1,
            "kwh": 1,
            "cost": 0.5,
            "carbon_g": 80,
        }
    ]


def test_several_meters_are_one_home(house: House) -> None:
    house.home_entities = ("sensor.grid", "sensor.oven", "sensor.gone")
    filled(house).views.refresh(work())

    homes = house.stored(COSTS)
    assert sum(r["kwh"] for r in homes) == 5
    assert sum(r.get("cost", 0) for r in homes) == 2.25
    months = house.stored("monthly_energy_cost")
    assert {r["hour_of_day"]: r["kwh"] for r in months if r["kwh"]} == {
        "01": 2,
        "02": 3,
    }
    assert len(months) == 23


def test_without_the_dashboard_the_smart_meter_counts(house: House) -> None:
    filled(house)
    tags = {"meter_type": "emporia", "meter_id": "7"}
    hours = [
        (DAY + i * HOUR, {"first_value": 4.0 + i, "last_value": 5.0 + i})
        for i in (0, 1)
    ]
    # The meter's day begins anew.
    hours.append((DAY + 2 * HOUR, {"first_value": 6.0, "last_value": 0.5}))
    for field, scale in (
        ("daily_kwh", 1.0),
        ("cost_today", 0.5),
        ("total_power_w", 9.0),
    ):
        house.source(
            MEASUREMENT_METER,
            {**tags, "field": field},
            Tier.HOURLY,
            [
                (at, {name: value * scale for name, value in fields.items()})
                for at, fields in hours
            ],
        )

    house.views.refresh(work())

    homes = house.stored(COSTS)
    assert [(r["kwh"], r["cost"]) for r in homes] == [(1, 0.5), (1, 0.5), (0.5, 0.25)]


def test_home_rows_stay_while_nobody_knows_the_meters(house: House) -> None:
    house.home_entities = ("sensor.grid",)
    filled(house).views.refresh(work())
    before = house.stored(COSTS)

    house.home_entities = None
    house.views.refresh(work(), [COSTS], is_full=True)
    assert house.stored(COSTS) == before

    # A new meter has not measured what the old one has.
    house.home_entities = ("sensor.new_grid",)
    house.views.refresh(work(), [COSTS], is_full=True)
    assert house.stored(COSTS) == before


def test_carbon_of_a_day(house: House) -> None:
    tags = {"region": 'GB "N"', "provider": "uk ☀"}
    for field, values in (
        ("carbon_intensity_gco2_kwh", (120.0, 60.0, 300.0)),
        ("renewable_percentage", (40.0, 10.0, 90.0)),
        ("fossil_percentage", (1.0, 1.0, 1.0)),
    ):
        house.source(
            MEASUREMENT_CARBON,
            {**tags, "field": field},
            Tier.DAILY,
            [
                (
                    DAY + day * NS_PER_DAY,
                    {
                        "avg_value": values[0] + day,
                        "min_value": values[1],
                        "max_value": values[2] + day,
                        "covered_seconds": 86_400.0 / (day + 1),
                    },
                )
                for day in range(2)
            ],
        )
    house.verify(
        hourly(MEASUREMENT_CARBON), (DAY, DAY + 2 * NS_PER_DAY), Resolution.DAY
    )

    house.views.refresh(work())

    assert house.stored("daily_carbon_summary")[0] == {
        "time": DAY,
        **tags,
        "date": "2026-03-10",
        "average": 120,
        "minimum": 60,
        "maximum": 300,
        "average_renewable": 40,
        "measured_hours": 24,
    }
    assert house.stored("monthly_carbon_summary") == [
        {
            "time": local(2026, 3, 1),
            **tags,
            "month": "2026-03",
            "average": pytest.approx(120 + 1 / 3),
            "minimum": 60,
            "maximum": 301,
            "average_renewable": pytest.approx(40 + 1 / 3),
            "measured_hours": 36,
        }
    ]


def test_names_may_be_anything(house: House) -> None:
    names = {"device": 'Ofen "groß", = 🔥', "area": "Küche 'süd', 2=3 \\o"}
    house.put([row(DAY, 100.0, {**OVEN, **names})])
    house.put([row(DAY, "on", motion("x", area=names["area"]))])
    house.aggregate(DAY, NEXT)

    house.views.refresh(work())
    again = house.views.refresh(work(), is_full=True)

    [found] = house.stored(ENERGY)
    assert {key: found[key] for key in names} == names
    assert house.stored(ROOMS)[0]["area"] == names["area"]
    assert again.chunks > 0
    assert (again.rows_written, again.rows_removed) == (0, 0)


@pytest.mark.parametrize(
    ("date", "hours"),
    [
        pytest.param((2026, 3, 29), 23, id="spring"),
        pytest.param((2026, 10, 25), 25, id="autumn"),
    ],
)
def test_days_on_which_the_clock_is_set(
    house: House, date: tuple[int, int, int], hours: int
) -> None:
    start = local(*date)
    house.home_entities = ("sensor.oven",)
    house.put([row(start, 1000.0, OVEN), row(start, "on", motion("hall"))])
    house.aggregate(start, start + hours * HOUR)

    house.views.refresh(work())

    [energy] = house.stored(ENERGY)
    assert (energy["total_kwh"], energy["date"]) == (
        hours,
        dt.date(*date).isoformat(),
    )
    rooms = house.stored(ROOMS)
    assert len(rooms) == hours
    assert {r["occupancy_rate"] for r in rooms} == {1}
    # The hour of the day that is there twice, or not at all.
    counts = [sum(r["hour"] == hour for r in rooms) for hour in range(24)]
    assert counts[2] == hours - 23
    monthly = house.stored("monthly_energy_cost")
    assert sum(r["kwh"] for r in monthly) == hours
    assert only(monthly, hour_of_day="03")["hours"] == 1
    [month] = house.stored("monthly_room_activity")
    assert (month["hours"], month["hour_03"], month["occupancy_rate"]) == (hours, 1, 1)
    assert ("hour_02" in month) is (hours > 23)


def test_a_zone_with_a_half_hour(
    influxdb: InfluxServer, stores: TierStores, checkpoint: Checkpoint
) -> None:
    zone = ZoneInfo("Asia/Kolkata")
    house = House(influxdb, stores, checkpoint, zone=zone)
    start = local(2026, 3, 10, zone=zone)
    house.put([row(start + 10 * MINUTE, "on", motion("hall"))])
    house.aggregate(start, start + NS_PER_DAY)

    house.views.refresh(work())

    rooms = house.stored(ROOMS)
    assert rooms[0]["time"] == start
    assert rooms[0]["occupancy_rate"] == pytest.approx(5 / 6)
    assert [r["hour"] for r in rooms] == list(range(24))


def test_a_second_refresh_finds_nothing_to_do(house: House) -> None:
    house.home_entities = ("sensor.grid",)
    first = filled(house, 2).views.refresh(work())
    before = {name: house.stored(name) for name in house.views.names}

    second = house.views.refresh(work())
    full = house.views.refresh(work(), is_full=True)

    assert first.chunks > 0
    assert first.rows_written > 0
    assert (second.chunks, second.rows_read, second.rows_written) == (0, 0, 0)
    assert full.chunks == first.chunks
    assert (full.rows_written, full.rows_removed, full.problems) == (0, 0, ())
    assert {name: house.stored(name) for name in house.views.names} == before


def test_only_what_is_proven_is_made(house: House) -> None:
    house.home_entities = ("sensor.grid",)
    house.put(a_day())
    assert house.views.open_count() == 0
    house.aggregate(DAY, DAY + 2 * HOUR)

    house.views.refresh(work())

    # Hours have closed; the day has not.
    assert {r["time"] for r in house.stored(COSTS)} == {DAY + HOUR}
    assert house.stored(ENERGY) == []

    house.aggregate(DAY, NEXT)
    house.views.refresh(work())
    assert len(house.stored(ENERGY)) == 2
    assert len({r["time"] for r in house.stored(COSTS)}) == 23


def test_late_rows_are_taken_into_account(house: House) -> None:
    filled(house, 2).views.refresh(work())
    late = [
        row(DAY + 5 * HOUR, 500.0, OVEN),
        row(DAY + 6 * HOUR, 0.0, OVEN),
        row(DAY + 5 * HOUR, "on", motion("hall")),
        row(DAY + 5 * HOUR + 30 * MINUTE, "off", motion("hall")),
    ]
    house.put(late)
    house.checkpoint.mark_dirty(EVENTS_LEDGER, (DAY + 5 * HOUR, DAY + 6 * HOUR))
    assert house.views.refresh(work()).chunks == 0
    house.aggregate(DAY, NEXT)

    result = house.views.refresh(work())

    assert result.chunks > 0
    days = house.stored(ENERGY)
    assert only(days, entity_id="sensor.oven", time=DAY)["total_kwh"] == 2.5
    assert only(house.stored(ROOMS), time=DAY + 5 * HOUR)["occupancy_rate"] == 0.5
    month = only(house.stored("monthly_energy_by_device"), entity_id="sensor.oven")
    assert (month["total_kwh"], month["measured_hours"]) == (4.5, 47)
    assert house.views.open_count() == 0


def test_months_grow_with_their_days(house: House) -> None:
    house.home_entities = ("sensor.oven",)
    filled(house)
    house.views.refresh(work())
    filled(house, 3)

    house.views.refresh(work())

    [start] = {r["time"] for r in house.stored("monthly_energy_by_device")}
    assert start == local(2026, 3, 1)
    month = only(house.stored("monthly_energy_by_device"), entity_id="sensor.oven")
    assert month == {
        "time": start,
        "entity_id": "sensor.oven",
        "device": "Oven",
        "area": "Kitchen",
        "month": "2026-03",
        "total_kwh": 6,
        "cost": 2.25,
        "carbon_g": 240,
        "peak_power_w": 1000,
        "avg_power_w": pytest.approx(6000 / 71),
        "measured_hours": 71,
    }
    costs = house.stored("monthly_energy_cost")
    assert only(costs, hour_of_day="01") == {
        "time": start,
        "scope": "home",
        "hour_of_day": "01",
        "month": "2026-03",
        "hours": 3,
        "kwh": 3,
        "cost": 1.5,
        "carbon_g": 240,
    }
    assert (len(costs), sum(r["hours"] for r in costs)) == (24, 71)
    assert house.stored("monthly_room_activity") == [
        {
            "time": start,
            "area": "Hall",
            "month": "2026-03",
            "hours": 71,
            "motion_count": 3,
            "occupancy_rate": pytest.approx(0.75 / 71),
            "sensor_count": 1,
            **{f"hour_{hour:02}": 0 for hour in range(24)},
            "hour_01": 0.25,
        }
    ]
    fan = only(house.stored("monthly_device_runtime"), entity_id="switch.fan")
    assert (fan["on_seconds"], fan["state_changes"], fan["days"]) == (9 * 3600, 5, 3)


def test_two_months(house: House) -> None:
    start = local(2026, 3, 31)
    house.put([row(start, 1000.0, OVEN)])
    house.aggregate(start, local(2026, 4, 2))

    house.views.refresh(work())

    assert [
        (r["time"], r["month"], r["total_kwh"])
        for r in house.stored("monthly_energy_by_device")
    ] == [(local(2026, 3, 1), "2026-03", 24), (local(2026, 4, 1), "2026-04", 24)]


def test_rows_that_should_not_be_there_go(house: House) -> None:
    filled(house).views.refresh(work())
    stray = {"entity_id": "sensor.stray"}
    points = [
        Point(measurement=ENERGY, tags=stray, fields={"total_kwh": 9.0}, time_ns=at_ns)
        # At the second instant there was nothing to make a row from.
        for at_ns in (DAY, DAY + HOUR)
    ]
    write_points(house.stores.client(Tier.DAILY), points)

    result = house.views.refresh(work(), [ENERGY], is_full=True)

    assert result.rows_removed == 1
    strays = [r for r in house.stored(ENERGY) if r["entity_id"] == "sensor.stray"]
    assert [r["time"] for r in strays] == [DAY + HOUR]
    assert len(house.stored(ENERGY)) == 3


def test_where_nothing_can_be_deleted_rows_stay(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(house).views.refresh(work())
    point = Point(
        measurement=ENERGY,
        tags={"entity_id": "sensor.stray"},
        fields={"total_kwh": 9.0},
        time_ns=DAY,
    )
    write_points(house.stores.client(Tier.DAILY), [point])
    monkeypatch.setattr(InfluxClient, "has_delete", False)

    result = house.views.refresh(work(), [ENERGY], is_full=True)

    assert (result.rows_removed, result.problems) == (0, ())
    assert len(house.stored(ENERGY)) == 3


def test_an_entity_whose_source_is_gone_keeps_its_rows(house: House) -> None:
    """Rows of one entity may be kept for a shorter time than others."""
    house.home_entities = ("sensor.grid", "sensor.oven")
    filled(house).views.refresh(work())
    before = house.stored(COSTS)
    house.influxdb.query(
        "DELETE FROM hourly_aggregates WHERE entity_id = 'sensor.oven'", "test_hourly"
    )
    remove(house, HOURLY_LEDGER, Resolution.DAY, "sensor.oven")

    house.views.refresh(work(), [COSTS], is_full=True)

    assert house.stored(COSTS) == before


def test_what_is_deleted_is_never_made_from_less(house: House) -> None:
    filled(house, 2).views.refresh(work())
    before = house.stored(ROOMS)
    first_utc_day = NEXT - NEXT % NS_PER_DAY
    house.influxdb.query(
        f"DELETE FROM home_assistant_events WHERE time < {first_utc_day}", "test"
    )
    house.checkpoint.forget(EVENTS_LEDGER, (0, first_utc_day))

    result = house.views.refresh(work(), [ROOMS], is_full=True)

    assert result.problems == ()
    assert house.stored(ROOMS) == before


def test_rows_that_are_missing_without_a_reason_are_told(house: House) -> None:
    filled(house).views.refresh(work())
    before = house.stored(ROOMS)
    house.influxdb.query(
        "DELETE FROM home_assistant_events"
        f" WHERE entity_id = 'binary_sensor.hall' AND time = {DAY + HOUR}",
        "test",
    )

    result = house.views.refresh(work(), [ROOMS], is_full=True)

    [problem] = result.problems
    assert problem == (
        "hourly_room_activity: binary_sensor.hall at 2026-03-10T00:00:00+00:00:"
        " rows are missing"
    )
    assert house.stored(ROOMS) == before
    [ledger] = house.views.guards(EVENTS_LEDGER)
    assert not house.checkpoint.is_verified(ledger, (DAY, NEXT))

    house.put(a_day()[-2:])
    assert house.views.refresh(work(), [ROOMS]).problems == ()
    assert house.checkpoint.is_verified(ledger, (DAY, NEXT))


def test_a_sensor_whose_raw_rows_went_earlier_keeps_its_hours(house: House) -> None:
    filled(house).views.refresh(work())
    before = house.stored(ROOMS)
    house.influxdb.query(
        "DELETE FROM home_assistant_events WHERE entity_id = 'binary_sensor.hall'",
        "test",
    )
    remove(house, EVENTS_LEDGER, Resolution.HOUR, "binary_sensor.hall")

    result = house.views.refresh(work(), [ROOMS], is_full=True)

    assert result.problems == ()
    assert house.stored(ROOMS) == before
    assert house.views.open_count([ROOMS]) == 0


def test_a_row_that_cannot_be_stored_is_told(house: House) -> None:
    put(
        house.influxdb,
        [
            Point(
                measurement=ENERGY,
                tags={"entity_id": "sensor.oven"},
                fields={"total_kwh": "text"},
                time_ns=DAY + HOUR,
            )
        ],
        "test_daily",
    )

    result = filled(house).views.refresh(work())

    assert len(result.problems) == 1
    assert result.problems[0].startswith("daily_energy_by_device: ")
    assert len(house.stored("device_runtime_daily")) == 2
    assert house.views.open_count([ENERGY]) == 1


class Faulty(InfluxClient):
    """Goes away after so many requests."""

    left: int | None = None

    def _count(self) -> None:
        if Faulty.left is not None:
            Faulty.left -= 1
            if Faulty.left < 0:
                raise RetentionCancelledError("killed")

    def query(self, *arguments: Any, **options: Any) -> Any:
        self._count()
        return super().query(*arguments, **options)

    def write(self, *arguments: Any, **options: Any) -> Any:
        self._count()
        return super().write(*arguments, **options)


def test_killed_anywhere_the_next_run_ends_it(
    influxdb: InfluxServer,
    checkpoint: Checkpoint,
    stores: TierStores,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected_house = filled(House(influxdb, stores, checkpoint), 2)
    expected_house.views.refresh(work())
    expected = {
        name: expected_house.stored(name) for name in expected_house.views.names
    }
    influxdb.query('DROP DATABASE "test_daily"')
    stores.ensure()
    again = Checkpoint(tmp_path / "again.db")
    again.open()
    faulty = TierStores(target_of(influxdb), make_client=Faulty)
    house = filled(House(influxdb, faulty, again), 2)
    runs = 0

    def run_until_killed(requests: int) -> bool:
        nonlocal runs
        runs += 1
        monkeypatch.setattr(Faulty, "left", requests)
        try:
            house.views.refresh(work())
        except RetentionCancelledError:
            return False
        return True

    # Each run gets a little further than the one before.
    assert any(run_until_killed(requests) for requests in range(3, 400, 3))
    monkeypatch.setattr(Faulty, "left", None)

    assert runs > 5
    assert house.views.refresh(work()).chunks == 0
    assert {name: house.stored(name) for name in house.views.names} == expected
    again.close()
    faulty.close()


@pytest.mark.parametrize("stop_at", [1, 3, 6])
def test_a_cancelled_run_is_gone_on_with(house: House, stop_at: int) -> None:
    filled(house, 2)
    seen: list[tuple[float, str]] = []

    def on_progress(progress: float, doing: str) -> None:
        seen.append((progress, doing))
        if len(seen) == stop_at:
            run.cancel()

    run = Work(share=1.0, on_progress=on_progress)
    with pytest.raises(RetentionCancelledError):
        house.views.refresh(run)
    assert len(seen) == stop_at

    progress: list[float] = []
    house.views.refresh(
        Work(share=1.0, on_progress=lambda done, _: progress.append(done))
    )

    assert house.views.open_count() == 0
    assert progress == sorted(progress)
    assert progress[-1] == 1.0


def test_a_server_that_is_away_ends_the_run(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(house)

    def fail(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(InfluxClient, "write", fail)
        with pytest.raises(StoreUnavailableError):
            house.views.refresh(work())

    assert house.views.refresh(work()).problems == ()
    assert house.views.open_count() == 0


def test_without_proof_of_the_hours_days_are_enough(
    house: House, tmp_path: Path
) -> None:
    """A record that was lost is made again only as far as raw rows go."""
    filled(house).views.refresh(work())
    before = house.stored(COSTS)
    fresh = Checkpoint(tmp_path / "fresh.db")
    fresh.open()
    other = House(house.influxdb, house.stores, fresh)
    other.verify(HOURLY_LEDGER, (DAY, NEXT), Resolution.DAY)

    other.views.refresh(work())

    [guard] = other.views.guards(HOURLY_LEDGER)
    assert fresh.is_verified(guard, (DAY, NEXT))
    assert other.stored(COSTS) == before
    fresh.close()


def test_feeds_and_guards(house: House) -> None:
    feeds: Callable[..., set[str]] = lambda ledger: {  # noqa: E731
        fed.measurement for fed in house.views.feeds(ledger)
    }
    assert feeds(EVENTS_LEDGER) == {f"view_{ROOMS}", f"view_{COSTS}"}
    assert feeds(HOURLY_LEDGER) == {
        f"view_{ENERGY}",
        "view_device_runtime_daily",
        f"view_{COSTS}",
    }
    assert feeds(ledger_of(ENERGY)) == {"view_monthly_energy_by_device"}
    assert feeds(DAILY_LEDGER) == set()
    assert house.views.guards(EVENTS_LEDGER) == (ledger_of(ROOMS),)
    assert house.views.guards(HOURLY_LEDGER) == (ledger_of(COSTS),)
    assert house.views.guards(DAILY_LEDGER) == ()


def test_days_of_another_time_zone_keep_their_date(
    house: House, influxdb: InfluxServer, stores: TierStores, checkpoint: Checkpoint
) -> None:
    filled(house)

    House(influxdb, stores, checkpoint, zone=UTC).views.refresh(work(), [ENERGY])

    assert {r["date"] for r in house.stored(ENERGY)} == {"2026-03-10"}
    assert {r["time"] for r in house.stored(ENERGY)} == {DAY}

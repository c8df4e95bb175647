"""Rows that something else has deleted keep their day until a person has decided."""

from collections.abc import Iterator
import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.checkpoint import Checkpoint
from custom_components.ha_ingestor.retention.deletion import Deletion
from custom_components.ha_ingestor.retention.downsample import Downsampler
from custom_components.ha_ingestor.retention.ledger import Ledger
from custom_components.ha_ingestor.retention.missing import (
    MAX_LINES,
    MissingRows,
    describe_missing,
)
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.windows import NS_PER_DAY
from devlib.influxd import InfluxServer
from tests.retention.ledger_kit import read_places
from tests.retention.life_kit import (
    NOW,
    Impatient,
    make_home,
    make_maintenance,
    make_stores,
    open_checkpoint,
    rows_of_home,
)
from tests.retention.server_kit import DAY, HOUR, HOURLY, RAW, event, put, stored

CARBON = "carbon_intensity"
AIR = "air_quality"
# At first there are raw rows from the one on, and hourly rows from the other.
RAW_DAY = DAY + 5 * NS_PER_DAY
HOURLY_DAY = DAY + 3 * NS_PER_DAY


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@pytest.fixture
def stores(influxdb: InfluxServer) -> Iterator[TierStores]:
    make_home(influxdb, [*rows_of_home(NOW + NS_PER_DAY), *_of_sources()])
    stores = make_stores(influxdb.port)
    yield stores
    stores.close()
    influxdb.query('DROP DATABASE "test_hourly"; DROP DATABASE "test_daily"')


@pytest.fixture
def checkpoint(tmp_path: Path) -> Iterator[Checkpoint]:
    checkpoint = open_checkpoint(tmp_path)
    yield checkpoint
    checkpoint.close()


def _of_sources() -> Iterator[Point]:
    for at_ns in range(DAY, NOW, HOUR // 2):
        number = (at_ns - DAY) // HOUR
        yield Point(
            measurement=CARBON,
            tags={"region": "DE"},
            fields={"carbon_intensity_gco2_kwh": 200.0 + number % 7},
            time_ns=at_ns,
        )
        # Its category follows the value, and names no series.
        yield Point(
            measurement=AIR,
            tags={"location": "home", "category": f"c{number % 2}"},
            fields={"aqi": float(number % 2)},
            time_ns=at_ns,
        )


def drop(
    server: InfluxServer, measurement: str, store: str, start_ns: int, where: str = ""
) -> None:
    """Delete six hours of a measurement, as a person does."""
    server.query(
        f'DELETE FROM "{measurement}" WHERE time >= {start_ns}'
        f" AND time < {start_ns + 6 * HOUR}{where}",
        store,
    )


def days_of(server: InfluxServer, measurement: str, store: str) -> set[int]:
    return {
        (row["time"] - DAY) // NS_PER_DAY for row in stored(server, measurement, store)
    }


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_what_is_missing_is_told_and_goes_once_it_is_accepted(
    influxdb: InfluxServer, stores: TierStores, checkpoint: Checkpoint, zone: str
) -> None:
    now_ns = NOW
    made = make_maintenance(
        stores, checkpoint, zone=ZoneInfo(zone), now_ns=lambda: now_ns
    )
    assert made.run_all().missing == ()
    of_one = " AND entity_id = 'sensor.s0'"
    drop(influxdb, RAW.measurement, "test", RAW_DAY, of_one)
    drop(influxdb, CARBON, "test", RAW_DAY)
    drop(influxdb, AIR, "test", RAW_DAY)
    drop(influxdb, HOURLY.measurement, "test_hourly", HOURLY_DAY, of_one)
    drop(influxdb, CARBON, "test_hourly", HOURLY_DAY)
    now_ns += NS_PER_DAY
    days = {
        "air_quality of 2026-03-06 (raw)",
        "carbon_intensity of 2026-03-06 (raw)",
        "home_assistant_events of 2026-03-06 (raw)",
        "carbon_intensity of 2026-03-04 (hourly)",
        "hourly_aggregates of 2026-03-04 (hourly)",
    }

    for _ in range(2):
        report = made.run_all()
        assert set(report.missing) == days
        assert 5 in days_of(influxdb, RAW.measurement, "test")
        assert 3 in days_of(influxdb, HOURLY.measurement, "test_hourly")
        told = [line for line in report.problems if "something else has" in line]
        assert len(told) >= len(days)
    places = read_places(influxdb)

    report = made.run_all(has_accepted=True)

    assert (report.missing, report.problems) == ((), ())
    assert report.accepted == len(days)
    for measurement, store, day in (
        (RAW.measurement, "test", 5),
        (CARBON, "test", 5),
        (AIR, "test", 5),
        (HOURLY.measurement, "test_hourly", 3),
        (CARBON, "test_hourly", 3),
    ):
        assert day not in days_of(influxdb, measurement, store)
    assert read_places(influxdb).daily == places.daily
    report = made.run_all()
    assert (report.missing, report.problems, report.accepted) == ((), (), 0)


def test_a_row_that_is_in_no_aggregate_keeps_its_day(
    influxdb: InfluxServer, stores: TierStores, checkpoint: Checkpoint
) -> None:
    made = make_maintenance(stores, checkpoint)
    made.run_all()
    drop(influxdb, RAW.measurement, "test", RAW_DAY, " AND entity_id = 'sensor.s0'")
    late = event("sensor.late", RAW_DAY + HOUR + 1)
    put(influxdb, [late])

    report = made.run_all(has_accepted=True)

    assert report.accepted == 0
    assert report.missing == ("home_assistant_events of 2026-03-06 (raw)",)
    (problem,) = report.problems
    assert problem.endswith(
        "it cannot be accepted: it has rows that are not part of what was aggregated"
    )
    assert late.time_ns in read_places(influxdb).raw["sensor.late"]


def _six_hours(influxdb: InfluxServer) -> None:
    """Have rows of the first hours of a day only."""
    make_home(
        influxdb,
        [
            event(entity_id, DAY + hour * HOUR + i)
            for entity_id in ("sensor.a", "sensor.b")
            for hour in range(6)
            for i in range(4)
        ],
    )


@pytest.fixture
def rows(
    influxdb: InfluxServer, stores: TierStores, checkpoint: Checkpoint
) -> MissingRows:
    """What looks at a day that is aggregated, and of which rows are missing."""
    _six_hours(influxdb)
    Downsampler(stores, checkpoint, zone=dt.UTC, work=Impatient()).hours(
        until_ns=DAY + 2 * NS_PER_DAY
    )
    influxdb.query(f"DELETE FROM {RAW.measurement} WHERE time = {DAY + 1}", "test")
    return MissingRows(stores, checkpoint, work=Impatient())


def test_a_day_counts_with_what_is_there(
    rows: MissingRows, stores: TierStores, checkpoint: Checkpoint
) -> None:
    assert rows.accept(RAW, DAY) is None

    proof = Deletion(stores, checkpoint).prove(RAW, DAY)
    assert proof.total == 2 * 2 * (6 * 4 - 1)


def test_rows_where_there_were_none(
    rows: MissingRows, influxdb: InfluxServer, checkpoint: Checkpoint
) -> None:
    put(influxdb, [event("sensor.a", DAY + 20 * HOUR)])
    before = checkpoint.segments(RAW, (DAY, DAY + NS_PER_DAY))

    assert rows.accept(RAW, DAY) == "it has rows where there were none"
    assert checkpoint.segments(RAW, (DAY, DAY + NS_PER_DAY)) == before


def test_a_day_that_is_open(
    rows: MissingRows, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = MissingRows._read_made

    def soil(self: MissingRows, *args: Any) -> Any:
        checkpoint.mark_dirty(RAW, (DAY, DAY + 1))
        return read(self, *args)

    monkeypatch.setattr(MissingRows, "_read_made", soil)

    # At first only from the moment on at which its rows have been read.
    for _ in range(2):
        assert rows.accept(RAW, DAY) == "a part of it is not aggregated yet"


def test_a_day_that_is_being_deleted(
    rows: MissingRows, stores: TierStores, checkpoint: Checkpoint
) -> None:
    assert rows.accept(RAW, DAY) is None
    proof = Deletion(stores, checkpoint).prove(RAW, DAY, entity_ids=["sensor.a"])
    checkpoint.begin_removal(proof.removal)

    assert rows.accept(RAW, DAY) == "it is being deleted"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param('DELETE FROM "hourly_aggregates"', id="no-aggregates"),
        pytest.param(
            f'DELETE FROM "hourly_aggregates" WHERE time = {DAY} AND'
            " entity_id = 'sensor.b'",
            id="not-all-aggregates",
        ),
    ],
)
def test_without_aggregates_nothing_is_accepted(
    rows: MissingRows, influxdb: InfluxServer, change: str
) -> None:
    influxdb.query(change, "test_hourly")

    assert rows.accept(RAW, DAY) == (
        "it has rows that are not part of what was aggregated"
    )


def test_days_in_words() -> None:
    other = Ledger(tier=Tier.RAW, measurement="a")
    days = [(RAW, DAY), (RAW, DAY + NS_PER_DAY), (RAW, DAY + 3 * NS_PER_DAY)]

    assert describe_missing([*days, (other, DAY)]) == (
        "a of 2026-03-01 (raw)",
        "home_assistant_events of 2026-03-01 to 2026-03-02 (raw)",
        "home_assistant_events of 2026-03-04 (raw)",
    )

    many = describe_missing((RAW, DAY + 2 * i * NS_PER_DAY) for i in range(30))
    assert len(many) == MAX_LINES
    assert many[-1] == "and 11 more"

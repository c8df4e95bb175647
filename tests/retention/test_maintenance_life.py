"""Rows go from tier to tier, and each is in one of them; on a real InfluxDB 1.x."""

from collections.abc import Iterator
import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.checkpoint import Checkpoint
from custom_components.ha_ingestor.retention.ledger import Ledger
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.retention.tiers import Override, Tier
from custom_components.ha_ingestor.retention.windows import NS_PER_DAY
from custom_components.ha_ingestor.retention.work import Work
from custom_components.ha_ingestor.views.manager import ViewManager
from custom_components.ha_ingestor.views.refresh import RefreshResult
from devlib.influxd import InfluxServer
from tests.retention.ledger_kit import misplaced, read_places
from tests.retention.life_kit import (
    DAYS,
    NOW,
    make_home,
    make_maintenance,
    make_stores,
    open_checkpoint,
    rows_of_home,
)
from tests.retention.server_kit import DAY, HOUR, RAW, event, put

LAST_DAY = DAY + DAYS * NS_PER_DAY


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@pytest.fixture
def written(influxdb: InfluxServer) -> Iterator[list[Point]]:
    points = rows_of_home()
    make_home(influxdb, points)
    yield points
    influxdb.query('DROP DATABASE "test_hourly"; DROP DATABASE "test_daily"')


@pytest.fixture
def stores(influxdb: InfluxServer) -> Iterator[TierStores]:
    stores = make_stores(influxdb.port)
    yield stores
    stores.close()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Iterator[Checkpoint]:
    checkpoint = open_checkpoint(tmp_path)
    yield checkpoint
    checkpoint.close()


def count_of_days(points: list[Point]) -> int:
    """How many rows are of days that are over."""
    return sum(point.time_ns < LAST_DAY for point in points)


def days_with(places: dict[str, set[int]]) -> set[int]:
    return {(at_ns - DAY) // NS_PER_DAY for times in places.values() for at_ns in times}


def hours_with(places: dict[tuple[str, int], int]) -> set[int]:
    return {(at_ns - DAY) // NS_PER_DAY for _, at_ns in places}


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_rows_go_from_tier_to_tier(
    influxdb: InfluxServer,
    stores: TierStores,
    checkpoint: Checkpoint,
    written: list[Point],
    zone: str,
) -> None:
    home = ZoneInfo(zone)
    made = make_maintenance(stores, checkpoint, zone=home)

    report = made.run_all()

    assert report.problems == ()
    assert misplaced(influxdb, written, zone=home) == []
    places = read_places(influxdb)
    assert days_with(places.raw) == {5, 6, 7}
    assert min(hours_with(places.hourly)) == 3
    assert sum(places.daily.values()) > 0
    # Once more, there is nothing to do.
    again = made.run_all()
    assert [one.windows for one in again.downsampled] == [0, 0]
    assert [one.days for one in again.expired] == [0, 0]
    assert read_places(influxdb) == places


def test_nothing_is_deleted_between_the_nights(
    influxdb: InfluxServer,
    stores: TierStores,
    checkpoint: Checkpoint,
    written: list[Point],
) -> None:
    report = make_maintenance(stores, checkpoint).aggregate()

    assert report.expired == ()
    places = read_places(influxdb)
    assert days_with(places.raw) == set(range(DAYS + 1))
    assert sum(places.daily.values()) == count_of_days(written)
    hours = sum(n for (_, at_ns), n in places.hourly.items() if at_ns < LAST_DAY)
    assert hours == count_of_days(written)


def test_a_dry_run_tells_what_would_go(
    influxdb: InfluxServer,
    stores: TierStores,
    checkpoint: Checkpoint,
    written: list[Point],
) -> None:
    made = make_maintenance(stores, checkpoint)
    dry = made.downsample_hourly(is_dry_run=True)
    assert read_places(influxdb).hourly == {}
    assert checkpoint.verified(RAW) == []

    real = made.downsample_hourly()

    assert [one.windows for one in dry.downsampled] == [
        one.windows for one in real.downsampled
    ]
    assert [(one.days, one.values_deleted) for one in dry.expired] == [
        (one.days, one.values_deleted) for one in real.expired
    ]
    assert misplaced(influxdb, written) == []


def test_late_rows_are_found_without_being_told_of(
    influxdb: InfluxServer,
    stores: TierStores,
    checkpoint: Checkpoint,
    written: list[Point],
) -> None:
    made = make_maintenance(stores, checkpoint)
    made.run_all()
    here = [event("sensor.s0", DAY + 5 * NS_PER_DAY + 3 * HOUR + 1)]
    gone = [event("sensor.s0", DAY + NS_PER_DAY + 3 * HOUR + i) for i in range(4)]
    put(influxdb, [*here, *gone])

    report = made.run_all()

    assert report.problems == ()
    assert [one.late_rows for one in report.expired] == [4, 0]
    assert misplaced(influxdb, [*written, *here, *gone]) == []
    places = read_places(influxdb)
    assert places.late == {"sensor.s0": {point.time_ns for point in gone}}
    assert sum(places.daily.values()) == count_of_days(written) + 1


def test_entities_with_ages_of_their_own(
    influxdb: InfluxServer,
    stores: TierStores,
    checkpoint: Checkpoint,
    written: list[Point],
) -> None:
    stores.overrides = (
        Override(target="switch", ages={Tier.RAW: None, Tier.HOURLY: None}),
        Override(target="sensor.s0", ages={Tier.RAW: dt.timedelta(days=4)}),
    )
    made = make_maintenance(stores, checkpoint)

    assert made.run_all().problems == ()

    assert misplaced(influxdb, written) == []
    places = read_places(influxdb)
    assert days_with({"": places.raw["sensor.s1"]}) == {5, 6, 7}
    assert days_with({"": places.raw["sensor.s0"]}) == {3, 4, 5, 6, 7}
    assert days_with({"": places.raw["switch.s2"]}) == set(range(DAYS + 1))
    late = [event("sensor.s1", DAY + 4 * NS_PER_DAY + 3 * HOUR + 1)]
    put(influxdb, late)

    assert made.run_all().problems == ()

    # Its own rows of that hour are gone, those of others are not.
    assert misplaced(influxdb, [*written, *late]) == []
    assert read_places(influxdb).late == {"sensor.s1": {late[0].time_ns}}
    assert made.run_all().problems == ()


def test_a_view_that_is_not_ready_keeps_the_rows(
    influxdb: InfluxServer,
    stores: TierStores,
    checkpoint: Checkpoint,
    written: list[Point],
) -> None:
    view = Ledger(tier=Tier.RAW, measurement="view_rooms")

    def of_raw(ledger: Ledger) -> tuple[Ledger, ...]:
        return (view,) if ledger == RAW else ()

    def refresh() -> RefreshResult:
        for start_ns in range(DAY, DAY + DAYS * NS_PER_DAY, HOUR):
            checkpoint.add_verified(
                view, (start_ns, start_ns + HOUR), counts={}, mark=1_000
            )
        return RefreshResult(rows_written=1)

    made = make_maintenance(stores, checkpoint, feeds=of_raw, guards=of_raw)
    report = made.downsample_hourly()
    assert len(report.problems) == 1
    assert "view_rooms has not been made from it yet" in report.problems[0]
    assert len(read_places(influxdb).raw) == 3

    report = make_maintenance(
        stores, checkpoint, feeds=of_raw, guards=of_raw, refresh_views=refresh
    ).downsample_hourly()

    assert report.problems == ()
    assert report.refreshed == 1
    assert days_with(read_places(influxdb).raw) == {5, 6, 7}


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_the_views_of_a_hub_keep_nothing_for_ever(
    influxdb: InfluxServer,
    stores: TierStores,
    checkpoint: Checkpoint,
    written: list[Point],
    zone: str,
) -> None:
    home = ZoneInfo(zone)
    told: list[float] = []
    work = Work(on_progress=lambda share, _: told.append(share), share=1)
    views = ViewManager(stores, checkpoint, zone=home)
    made = make_maintenance(
        stores,
        checkpoint,
        zone=home,
        work=work,
        feeds=views.feeds,
        guards=views.guards,
        refresh_views=lambda: views.refresh(work),
    )

    report = made.run_all()

    assert report.problems == ()
    assert report.refreshed > 0
    assert misplaced(influxdb, written, zone=home) == []
    assert days_with(read_places(influxdb).raw) == {5, 6, 7}
    assert told == sorted(told)
    assert made.run_all().refreshed == 0


def test_a_clock_that_steps_between_the_runs(
    influxdb: InfluxServer,
    stores: TierStores,
    checkpoint: Checkpoint,
    written: list[Point],
) -> None:
    clock = [NOW]
    made = make_maintenance(stores, checkpoint, now_ns=lambda: clock[0])
    seen: list[set[int]] = []
    for step in (NOW - 30 * NS_PER_DAY, NOW - 3 * NS_PER_DAY, NOW + 400 * NS_PER_DAY):
        clock[0] = step
        made.downsample_daily()
        made.downsample_hourly()
        seen.append(days_with(read_places(influxdb).raw))
        assert misplaced(influxdb, written) == []
    clock[0] = NOW
    made.run_all()

    assert seen == [set(range(DAYS + 1)), set(range(2, DAYS + 1)), {4, 5, 6, 7}]
    assert misplaced(influxdb, written) == []
    assert days_with(read_places(influxdb).raw) == {5, 6, 7}
    assert made.run_all().problems == ()

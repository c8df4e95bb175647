"""Old rows leave on 2.x as on 1.x; on 3.x the server's own retention is managed.

Contract from source, not verified on a server.
"""

from collections.abc import Iterator
import datetime as dt
from pathlib import Path

import pytest

from custom_components.ha_ingestor.errors import StoreQueryError
from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention import managed, recount
from custom_components.ha_ingestor.retention.checkpoint import Checkpoint
from custom_components.ha_ingestor.retention.expiry import Expiry
from custom_components.ha_ingestor.retention.ledger import Ledger
from custom_components.ha_ingestor.retention.managed import Guards
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.retention.tiers import Age, Ages, Tier
from custom_components.ha_ingestor.retention.windows import NS_PER_DAY
from custom_components.ha_ingestor.retention.work import Work
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from custom_components.ha_ingestor.store.line_protocol import format_point
from tests.retention.server_kit import DAY, HOUR, HOURLY, RAW, event
from tests.stand_ins.influxdb_v2 import ADMIN_TOKEN as V2_TOKEN, InfluxDb2StandIn
from tests.stand_ins.influxdb_v3 import ADMIN_TOKEN as V3_TOKEN, InfluxDb3StandIn

TWO_DAYS = dt.timedelta(days=2)
STORES = ("home", "home_hourly", "home_daily")


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@pytest.fixture
def checkpoint(tmp_path: Path) -> Iterator[Checkpoint]:
    checkpoint = Checkpoint(tmp_path / "retention.db")
    checkpoint.open()
    yield checkpoint
    checkpoint.close()


@pytest.fixture
def v2() -> Iterator[tuple[InfluxDb2StandIn, TierStores]]:
    with InfluxDb2StandIn(buckets=STORES) as server:
        stores = TierStores(
            Target(
                api_version=ApiVersion.V2,
                host="127.0.0.1",
                port=server.port,
                token=V2_TOKEN,
                organization="home",
                store="home",
            ),
            ages=Ages(raw=TWO_DAYS),
        )
        fill(stores)
        yield server, stores
        stores.close()


@pytest.fixture
def v3() -> Iterator[tuple[InfluxDb3StandIn, TierStores]]:
    with InfluxDb3StandIn(databases=STORES) as server:
        stores = TierStores(
            Target(
                api_version=ApiVersion.V3,
                host="127.0.0.1",
                port=server.port,
                token=V3_TOKEN,
                store="home",
            ),
            ages=Ages(raw=TWO_DAYS),
        )
        fill(stores)
        yield server, stores
        stores.close()


def day(number: int) -> int:
    return DAY + number * NS_PER_DAY


def write(stores: TierStores, points: list[Point]) -> None:
    text = "".join(f"{format_point(point)}\n" for point in points)
    stores.client(Tier.RAW).write(text.encode(), is_gzip=False)


def fill(stores: TierStores) -> None:
    """Six days with a row every six hours."""
    write(stores, [event("sensor.a", day(0) + n * 6 * HOUR) for n in range(24)])


def verify(
    checkpoint: Checkpoint, first: int, days: int = 1, ledger: Ledger = RAW
) -> None:
    """Record hours of some days as verified; each has a row of two values at most.

    Not by reading: a stand-in takes its time to answer.
    """
    for number in range(first * 24, (first + days) * 24):
        start_ns = DAY + number * HOUR
        count = 0 if number % 6 else 2
        checkpoint.add_verified(
            ledger,
            (start_ns, start_ns + HOUR),
            counts={start_ns - start_ns % NS_PER_DAY: count},
            mark=checkpoint.dirty_mark(),
        )


def expiry_of(
    stores: TierStores,
    checkpoint: Checkpoint,
    *,
    now_ns: int = day(5) + 2 * HOUR,
    activity_age: Age = TWO_DAYS,
    guards: Guards = lambda _: (),
) -> Expiry:
    return Expiry(
        stores,
        checkpoint,
        zone=dt.UTC,
        work=Work(share=1),
        now_ns=lambda: now_ns,
        activity_age=activity_age,
        guards=guards,
    )


def test_days_go_on_2(
    v2: tuple[InfluxDb2StandIn, TierStores], checkpoint: Checkpoint
) -> None:
    server, stores = v2
    verify(checkpoint, 0, 5)
    expiry = expiry_of(stores, checkpoint)
    assert expiry.recount() == []

    result = expiry.raw()

    assert (result.days, result.values_deleted, result.kept) == (3, 3 * 4 * 2, ())
    assert min(row.time_ns for row in server.buckets["home"].rows) == day(3)
    assert checkpoint.removed(RAW, (0, day(9))) == [(day(0), day(3))]


def retentions(server: InfluxDb3StandIn) -> list[str]:
    return [update["retention_period"] for update in server.updates]


def test_3_is_told_how_long_to_keep_rows(
    v3: tuple[InfluxDb3StandIn, TierStores], checkpoint: Checkpoint
) -> None:
    server, stores = v3
    verify(checkpoint, 0, 5)

    result = expiry_of(stores, checkpoint).raw()

    assert result.days == 0
    assert result.storage_note == (
        "The server itself deletes rows of home after 4 days"
    )
    assert retentions(server) == ["96h"]
    assert len(server.databases["home"].rows) == 24


def test_3_keeps_what_is_not_in_the_next_tier(
    v3: tuple[InfluxDb3StandIn, TierStores], checkpoint: Checkpoint
) -> None:
    server, stores = v3
    verify(checkpoint, 1, 4)

    expiry_of(stores, checkpoint).raw()
    verify(checkpoint, 0, 1)
    view = Ledger(tier=Tier.RAW, measurement="view_rooms")
    verify(checkpoint, 0, 1, view)
    expiry_of(stores, checkpoint, guards=lambda _: (view,)).raw()
    verify(checkpoint, 1, 4, view)
    expiry_of(stores, checkpoint, guards=lambda _: (view,)).raw()

    # The sixth day's age, and two days to be late: of all, without the first, none.
    assert retentions(server) == [f"{days * 24}h" for days in (8, 7, 4)]


def test_activity_of_3_is_kept_as_long_as_was_asked_for(
    v3: tuple[InfluxDb3StandIn, TierStores], checkpoint: Checkpoint
) -> None:
    server, stores = v3
    verify(checkpoint, 0, 5)

    expiry_of(stores, checkpoint, activity_age=dt.timedelta(days=30)).raw()

    assert retentions(server) == [f"{32 * 24}h"]


def test_hourly_rows_of_3(
    v3: tuple[InfluxDb3StandIn, TierStores], checkpoint: Checkpoint
) -> None:
    server, stores = v3
    text = f"hourly_aggregates,entity_id=sensor.a row_count=1 {day(0)}\n"
    stores.client(Tier.HOURLY).write(text.encode(), is_gzip=False)

    result = expiry_of(stores, checkpoint, now_ns=day(200)).hourly()

    assert result.storage_note == (
        "The server itself deletes rows of home_hourly after 202 days"
    )
    assert server.updates[0]["db"] == "home_hourly"


def test_3_that_cannot_even_do_that(
    v3: tuple[InfluxDb3StandIn, TierStores], checkpoint: Checkpoint
) -> None:
    server, stores = v3
    server.has_updates = False

    result = expiry_of(stores, checkpoint).raw()

    assert result.storage_note is not None
    assert "can neither delete rows nor change" in result.storage_note
    assert result.kept == ()


def test_a_dry_run_on_3_changes_nothing(
    v3: tuple[InfluxDb3StandIn, TierStores], checkpoint: Checkpoint
) -> None:
    server, stores = v3
    verify(checkpoint, 0, 5)

    result = expiry_of(stores, checkpoint).raw(is_dry_run=True)

    assert result.storage_note is not None
    assert "after 4 days" in result.storage_note
    assert server.updates == []
    stores.ages = Ages(raw=None, hourly=None, daily=None)
    for_ever = expiry_of(stores, checkpoint).raw(is_dry_run=True)
    assert for_ever.storage_note == "The server keeps all rows of home"


def test_days_that_3_has_dropped_are_forgotten(
    v3: tuple[InfluxDb3StandIn, TierStores], checkpoint: Checkpoint
) -> None:
    server, stores = v3
    verify(checkpoint, 0, 5)
    points = server.databases["home"]
    points.rows = [row for row in points.rows if row.time_ns >= day(2)]

    expiry_of(stores, checkpoint).raw()

    assert checkpoint.removed(RAW, (0, day(9))) == [(day(0), day(2))]
    again = expiry_of(stores, checkpoint)
    assert again.recount() == []
    assert again.problems == []
    stores.ages = Ages(raw=None, hourly=None, daily=None)
    again.raw()
    assert checkpoint.removed(RAW, (0, day(9))) == [(day(0), day(2))]


def test_3_cannot_look_through_all_of_its_files(
    v3: tuple[InfluxDb3StandIn, TierStores],
    checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, stores = v3

    def refuse(*_: object) -> int:
        raise StoreQueryError("Query would exceed file limit of 432 parquet files")

    monkeypatch.setattr(managed, "oldest_row", refuse)
    # Nothing is known: nothing goes.
    note = expiry_of(stores, checkpoint).raw().storage_note
    assert note is not None
    assert "after 20521 days" in note
    verify(checkpoint, 0, 5)
    expiry_of(stores, checkpoint).raw()
    assert retentions(server)[-1] == "96h"


def test_a_recount_asks_for_less_where_it_is_too_much(
    v3: tuple[InfluxDb3StandIn, TierStores],
    checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, stores = v3
    verify(checkpoint, 0, 5)
    write(stores, [event("sensor.a", day(3) + HOUR)])
    count = recount.count_values_by_day
    limit_ns = 2 * NS_PER_DAY

    def refuse(*args: object, start_ns: int, end_ns: int) -> dict[int, int]:
        if end_ns - start_ns > limit_ns:
            raise StoreQueryError("Query would exceed file limit of 432 parquet files")
        return count(*args, start_ns=start_ns, end_ns=end_ns)  # type: ignore[arg-type]

    monkeypatch.setattr(recount, "count_values_by_day", refuse)

    # All that lies between two windows with rows is one.
    assert expiry_of(stores, checkpoint).recount() == [
        (day(3) + HOUR, day(3) + 6 * HOUR)
    ]
    limit_ns = 0
    with pytest.raises(StoreQueryError):
        expiry_of(stores, checkpoint).recount()


def test_no_hours_no_harm(
    v3: tuple[InfluxDb3StandIn, TierStores], checkpoint: Checkpoint
) -> None:
    _, stores = v3

    assert expiry_of(stores, checkpoint).recount(Tier.HOURLY) == []
    assert checkpoint.verified(HOURLY) == []

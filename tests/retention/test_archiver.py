"""Whole runs of the archive, from a real InfluxDB 1.x to a real S3 API."""

from collections.abc import Iterator
import datetime as dt
from pathlib import Path
from typing import Any, override
from zoneinfo import ZoneInfo

import pytest

from custom_components.ha_ingestor.errors import (
    ArchiveMismatchError,
    ArchiveUnavailableError,
    RetentionCancelledError,
    RetentionLeftoverError,
)
from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.archive_ledgers import (
    archive_feeds,
    archive_guards,
    archive_ledger,
)
from custom_components.ha_ingestor.retention.archive_list import list_archived, measure
from custom_components.ha_ingestor.retention.archive_read import read_archive
from custom_components.ha_ingestor.retention.checkpoint import Checkpoint
from custom_components.ha_ingestor.retention.deletion import Deletion
from custom_components.ha_ingestor.retention.digest import digest_of
from custom_components.ha_ingestor.retention.expiry import Expiry
from custom_components.ha_ingestor.retention.keys import Month
from custom_components.ha_ingestor.retention.ledger import Ledger
from custom_components.ha_ingestor.retention.s3 import S3Bucket
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.retention.stream import RowStream
from custom_components.ha_ingestor.retention.tiers import (
    CAPABILITIES,
    Ages,
    Capabilities,
    Tier,
)
from custom_components.ha_ingestor.retention.transfer import point_of
from custom_components.ha_ingestor.retention.windows import NS_PER_DAY, to_datetime
from custom_components.ha_ingestor.retention.work import Work
from custom_components.ha_ingestor.store.influx.target import ApiVersion
from devlib.influxd import InfluxServer
from tests.faults.proxy import FaultProxy, close_before_answer
from tests.retention.archive_kit import only, s3_error
from tests.retention.archiver_kit import (
    AGES,
    BERLIN,
    FIRST,
    LAST,
    NOW_NS,
    archiver,
    daily_rows,
    days_between,
    place,
    start_of,
)
from tests.retention.server_kit import day_of_events, event, put, stored, target_of
from tests.retention.test_deletion import verify

DAILY = Ledger(tier=Tier.DAILY, measurement="daily_aggregates")
ALL = (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2027, 1, 1, tzinfo=dt.UTC))


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@pytest.fixture
def stores(influxdb: InfluxServer) -> Iterator[TierStores]:
    stores = TierStores(target_of(influxdb), ages=AGES)
    stores.ensure()
    yield stores
    stores.close()
    influxdb.query('DROP DATABASE "test_hourly"; DROP DATABASE "test_daily"')


@pytest.fixture
def checkpoint(tmp_path: Path) -> Iterator[Checkpoint]:
    checkpoint = Checkpoint(tmp_path / "retention.db")
    checkpoint.open()
    yield checkpoint
    checkpoint.close()


@pytest.fixture
def rows(influxdb: InfluxServer, stores: TierStores) -> list[Point]:
    """Six weeks of daily rows."""
    points = daily_rows(days_between())
    put(influxdb, points, "test_daily")
    return points


def in_store(stores: TierStores, *names: str) -> list[Point]:
    """Return what is in the daily store."""
    return [
        point_of(row, name)
        for name in names or ("daily_aggregates", "carbon_intensity")
        for piece in RowStream(stores.client(Tier.DAILY), name).read(
            0, NOW_NS + NS_PER_DAY
        )
        for row in piece.rows
    ]


def archived(bucket: S3Bucket, folder: Path, tier: Tier = Tier.DAILY) -> list[Point]:
    return list(read_archive(place(bucket, folder).job(tier), *ALL))


def dates_of(points: list[Point]) -> set[dt.date]:
    return {to_datetime(point.time_ns).astimezone(BERLIN).date() for point in points}


def test_what_is_due_is_archived_and_deleted(
    stores: TierStores,
    checkpoint: Checkpoint,
    bucket: S3Bucket,
    tmp_path: Path,
    rows: list[Point],
    influxdb: InfluxServer,
) -> None:
    where = place(bucket, tmp_path)
    others = [
        Point(
            measurement=name,
            tags={"area": "Kitchen"},
            fields={"energy_kwh": 1.0},
            time_ns=rows[0].time_ns,
        )
        for name in ("daily_energy_by_device", "retention_metrics", "late_events")
    ]
    put(influxdb, others, "test_daily")

    result = archiver(stores, checkpoint, where).run()

    # Views and what is kept beside them stay where they are, however old they are.
    names = [point.measurement for point in others]
    assert digest_of(in_store(stores, *names)) == digest_of(others)
    # The row of April 5th is at 22:00 UTC of the 4th, whose last instant is old enough.
    due = [point for point in rows if point.time_ns < start_of(dt.date(2026, 4, 6))]
    assert result.kept == []
    assert digest_of(archived(bucket, tmp_path)) == digest_of(due)
    assert dates_of(in_store(stores)) == set(days_between(dt.date(2026, 4, 6), LAST))
    assert result.days == len(days_between(FIRST, dt.date(2026, 4, 5)))
    assert result.rows == len(due)
    assert result.values_deleted == sum(len(point.fields) for point in due)
    files = list_archived(where, [Tier.DAILY])
    assert [str(file.month) for file in files if file.month] == ["2026-03"]
    assert result.files == result.days + 1
    notes = stored(influxdb, "archive_metadata", "test_daily")
    assert [note["s3_key"] for note in notes] == [
        file.entry.key for file in files if file.day
    ]
    assert {note["record_count"] for note in notes} == {4}
    assert [note["sha256"] for note in notes] == [
        file.entry.sha256 for file in files if file.day
    ]
    size = measure(where)
    assert (size.file_count, size.oldest) == (result.days, FIRST)
    assert size.newest == dt.date(2026, 4, 5)
    assert size.size_bytes >= result.size_bytes


def test_a_second_run_changes_nothing(
    stores: TierStores,
    checkpoint: Checkpoint,
    bucket: S3Bucket,
    tmp_path: Path,
    rows: list[Point],
) -> None:
    where = place(bucket, tmp_path)
    archiver(stores, checkpoint, where).run()
    before = list_archived(where, [Tier.DAILY])
    left = digest_of(in_store(stores))

    result = archiver(stores, checkpoint, where).run()

    # One day reaches into a UTC day that is not old enough, and so has no rows left.
    assert (result.files, result.values_deleted) == (0, 0)
    assert list_archived(where, [Tier.DAILY]) == before
    assert digest_of(in_store(stores)) == left


@pytest.mark.parametrize(
    "zone", ["Pacific/Kiritimati", "America/St_Johns", "Pacific/Pago_Pago", "UTC"]
)
def test_every_row_is_in_one_place_at_least_in_every_time_zone(
    stores: TierStores,
    checkpoint: Checkpoint,
    bucket: S3Bucket,
    tmp_path: Path,
    influxdb: InfluxServer,
    zone: str,
) -> None:
    home = ZoneInfo(zone)
    points = daily_rows(days_between(dt.date(2026, 3, 28)), zone=home, entities=1)
    put(influxdb, points, "test_daily")

    result = archiver(stores, checkpoint, place(bucket, tmp_path), zone=home).run()

    left = in_store(stores)
    limit_ns = NOW_NS - 30 * NS_PER_DAY
    assert result.kept == []
    assert {point.time_ns for point in left} == {
        point.time_ns
        for point in points
        if point.time_ns // NS_PER_DAY * NS_PER_DAY + NS_PER_DAY > limit_ns
    }
    both = {point.time_ns for point in [*left, *archived(bucket, tmp_path)]}
    assert both == {point.time_ns for point in points}


def test_nothing_is_due_without_an_age(
    stores: TierStores,
    checkpoint: Checkpoint,
    bucket: S3Bucket,
    tmp_path: Path,
    rows: list[Point],
) -> None:
    stores.ages = Ages(daily=None)

    result = archiver(stores, checkpoint, place(bucket, tmp_path)).run()

    assert (result.days, result.values_deleted) == (0, 0)
    assert len(in_store(stores)) == len(rows)


def test_an_empty_store_has_nothing_due(
    stores: TierStores, checkpoint: Checkpoint, bucket: S3Bucket, tmp_path: Path
) -> None:
    result = archiver(
        stores, checkpoint, place(bucket, tmp_path), tiers=tuple(Tier)[:3]
    ).run()

    assert result.days == 0


def test_a_dry_run_only_counts(
    stores: TierStores,
    checkpoint: Checkpoint,
    bucket: S3Bucket,
    tmp_path: Path,
    rows: list[Point],
) -> None:
    where = place(bucket, tmp_path)

    result = archiver(stores, checkpoint, where).run(is_dry_run=True)

    assert result.days == len(days_between(FIRST, dt.date(2026, 4, 5)))
    assert result.values_due == sum(
        len(point.fields)
        for point in rows
        if point.time_ns < start_of(dt.date(2026, 4, 6))
    )
    assert (result.files, result.values_deleted) == (0, 0)
    assert len(in_store(stores)) == len(rows)
    assert measure(where).file_count == 0
    assert checkpoint.verified(DAILY) == []


def test_dates_bound_a_run(
    stores: TierStores,
    checkpoint: Checkpoint,
    bucket: S3Bucket,
    tmp_path: Path,
    rows: list[Point],
) -> None:
    where = place(bucket, tmp_path)
    start, end = dt.date(2026, 3, 28), dt.date(2026, 3, 30)

    archiver(stores, checkpoint, where).run(start=start, end=end)

    files = list_archived(where, [Tier.DAILY])
    # A month of which only some days were looked at is not complete.
    assert [file.day for file in files] == days_between(start, end)
    # March 28th is at 23:00 UTC of the 27th, which belongs to March 27th as well.
    gone = set(days_between(dt.date(2026, 3, 29), end))
    assert dates_of(in_store(stores)) == set(days_between()) - gone

    archiver(stores, checkpoint, where).run()

    assert dates_of(in_store(stores)) == set(days_between(dt.date(2026, 4, 6), LAST))
    assert digest_of([*in_store(stores), *archived(bucket, tmp_path)]) == (
        digest_of(rows)
    )


def test_a_row_that_was_made_again_is_archived_again(
    stores: TierStores,
    checkpoint: Checkpoint,
    bucket: S3Bucket,
    tmp_path: Path,
    rows: list[Point],
    influxdb: InfluxServer,
) -> None:
    where = place(bucket, tmp_path)
    archiver(stores, checkpoint, where).run(end=dt.date(2026, 3, 30))
    late = daily_rows([dt.date(2026, 3, 28)], entities=1)
    newer = [
        Point(
            measurement=point.measurement,
            tags=point.tags,
            fields={"avg_value": -1.5},
            time_ns=point.time_ns,
        )
        for point in late
    ]
    put(influxdb, newer, "test_daily")

    result = archiver(stores, checkpoint, where).run()

    assert result.kept == []
    assert dt.date(2026, 3, 28) not in dates_of(in_store(stores))
    of_day = {
        (point.measurement, point.tags.get("entity_id")): point.fields
        for point in archived(bucket, tmp_path)
        if point.time_ns == start_of(dt.date(2026, 3, 28))
    }
    # New fields go before old ones, and no row that the file had is gone.
    assert len(of_day) == 4
    assert of_day["carbon_intensity", None] == {"avg_value": -1.5}
    assert of_day["daily_aggregates", "sensor.s0"]["avg_value"] == -1.5
    assert of_day["daily_aggregates", "sensor.s0"]["sample_count"] == 0.0
    # The roll-up is of the days as they are now.
    (march,) = [
        file.entry
        for file in list_archived(where, [Tier.DAILY])
        if file.month == Month(year=2026, month=3)
    ]
    assert march.row_count == 6 * 4


def test_rows_that_change_on_the_way_stay(
    stores: TierStores,
    checkpoint: Checkpoint,
    bucket: S3Bucket,
    tmp_path: Path,
    rows: list[Point],
    influxdb: InfluxServer,
) -> None:
    where = place(bucket, tmp_path)
    changed = daily_rows([dt.date(2026, 3, 28)], entities=1)[0]

    def change(progress: float, doing: str) -> None:
        if doing == "daily 2026-03-29":
            # After its file was verified, before its rows are deleted.
            put(
                influxdb,
                [
                    Point(
                        measurement="daily_aggregates",
                        tags={"entity_id": "sensor.new"},
                        fields={"avg_value": 1.0},
                        time_ns=changed.time_ns,
                    )
                ],
                "test_daily",
            )

    result = archiver(
        stores, checkpoint, where, of=Work(share=1.0, on_progress=change)
    ).run()

    assert [text for text in result.kept if "2026-03-27" in text] == result.kept
    assert len(result.kept) == 1
    assert dt.date(2026, 3, 28) in dates_of(in_store(stores))

    again = archiver(stores, checkpoint, where).run()

    assert again.kept == []
    assert dt.date(2026, 3, 28) not in dates_of(in_store(stores))
    assert "sensor.new" in {
        point.tags.get("entity_id") for point in archived(bucket, tmp_path)
    }


def test_a_service_that_refuses_leaves_all_rows(
    stores: TierStores,
    checkpoint: Checkpoint,
    far_bucket: S3Bucket,
    proxy: FaultProxy,
    tmp_path: Path,
    rows: list[Point],
) -> None:
    proxy.fault = only("PUT", s3_error(503, "SlowDown"), key="data_2026-04-02")
    where = place(far_bucket, tmp_path)

    with pytest.raises(ArchiveUnavailableError):
        archiver(stores, checkpoint, where).run()

    kept = in_store(stores)
    # The month before is done, all but its last UTC day.
    assert dates_of(kept) >= set(days_between(dt.date(2026, 4, 2)))
    assert list((tmp_path / "work").glob("*")) == []
    proxy.fault = None
    archiver(stores, checkpoint, where).run()
    assert digest_of([*in_store(stores), *archived(far_bucket, tmp_path)]) == (
        digest_of(rows)
    )


def test_a_roll_up_that_was_cut_off_is_made_up_for(
    stores: TierStores,
    checkpoint: Checkpoint,
    far_bucket: S3Bucket,
    proxy: FaultProxy,
    tmp_path: Path,
    rows: list[Point],
) -> None:
    where = place(far_bucket, tmp_path)
    proxy.fault = only("PUT", close_before_answer, key="data_2026-03.parquet")
    with pytest.raises(ArchiveUnavailableError):
        archiver(stores, checkpoint, where).run()
    assert dates_of(in_store(stores)) >= set(days_between())

    proxy.fault = None
    archiver(stores, checkpoint, where).run()

    months = [
        str(file.month) for file in list_archived(where, [Tier.DAILY]) if file.month
    ]
    assert months == ["2026-03"]


def test_a_damaged_file_keeps_its_own_days_only(
    stores: TierStores,
    checkpoint: Checkpoint,
    bucket: S3Bucket,
    tmp_path: Path,
    rows: list[Point],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    where = place(bucket, tmp_path)
    upload = S3Bucket.upload

    def refuse(self: S3Bucket, key: str, *args: Any, **kwargs: Any) -> None:
        if "data_2026-03-28" in key:
            raise ArchiveMismatchError("The service has received something else")
        upload(self, key, *args, **kwargs)

    monkeypatch.setattr(S3Bucket, "upload", refuse)

    result = archiver(stores, checkpoint, where).run()

    assert result.kept == ["daily 2026-03-28: The service has received something else"]
    # Its row lies in the UTC day of which March 27th has the rest.
    assert dates_of(in_store(stores)) == {
        dt.date(2026, 3, 28),
        dt.date(2026, 3, 29),
        *days_between(dt.date(2026, 4, 6), LAST),
    }
    months = [
        str(file.month) for file in list_archived(where, [Tier.DAILY]) if file.month
    ]
    assert months == []
    monkeypatch.undo()
    assert archiver(stores, checkpoint, where).run().kept == []
    assert digest_of([*in_store(stores), *archived(bucket, tmp_path)]) == (
        digest_of(rows)
    )


def test_a_roll_up_that_fails_later_keeps_nothing_else(
    stores: TierStores,
    checkpoint: Checkpoint,
    bucket: S3Bucket,
    tmp_path: Path,
    rows: list[Point],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    where = place(bucket, tmp_path)
    archiver(stores, checkpoint, where).run(end=dt.date(2026, 3, 30))
    archiver(stores, checkpoint, where).run(start=dt.date(2026, 3, 31))
    (march,) = [file for file in list_archived(where, [Tier.DAILY]) if file.month]
    bucket.delete(march.entry.key)
    bucket.delete(where.keys(Tier.DAILY).manifest(2026))

    def refuse(job: object, month: Month) -> None:
        raise ArchiveMismatchError("The roll-up does not hold what its days hold")

    def remain(self: Deletion) -> int:
        raise RetentionLeftoverError("Values are still there", count=1)

    with monkeypatch.context() as patched:
        patched.setattr(
            "custom_components.ha_ingestor.retention.archiver.roll_up_month", refuse
        )
        patched.setattr(Deletion, "resume", remain)
        result = archiver(stores, checkpoint, where).run(start=dt.date(2026, 4, 3))

    assert result.kept == [
        "Values are still there",
        "daily 2026-03: The roll-up does not hold what its days hold",
    ]
    assert archiver(stores, checkpoint, where).run().kept == []
    files = list_archived(where, [Tier.DAILY])
    assert [str(file.month) for file in files if file.month] == ["2026-03"]


def test_a_cancelled_run_is_gone_on_with(
    stores: TierStores,
    checkpoint: Checkpoint,
    bucket: S3Bucket,
    tmp_path: Path,
    rows: list[Point],
) -> None:
    seen: list[tuple[float, str]] = []

    def stop(progress: float, doing: str) -> None:
        seen.append((progress, doing))
        if doing == "daily 2026-03-30":
            run.cancel()

    run = Work(share=1.0, on_progress=stop)
    with pytest.raises(RetentionCancelledError):
        archiver(stores, checkpoint, place(bucket, tmp_path), of=run).run()

    assert [progress for progress, _ in seen] == sorted(p for p, _ in seen)
    archiver(stores, checkpoint, place(bucket, tmp_path)).run()
    assert digest_of([*in_store(stores), *archived(bucket, tmp_path)]) == (
        digest_of(rows)
    )


def test_the_home_moves_to_another_time_zone(
    stores: TierStores,
    checkpoint: Checkpoint,
    bucket: S3Bucket,
    tmp_path: Path,
    rows: list[Point],
    influxdb: InfluxServer,
) -> None:
    where = place(bucket, tmp_path)
    archiver(stores, checkpoint, where).run(end=dt.date(2026, 3, 30))
    away = ZoneInfo("America/New_York")
    more = daily_rows(days_between(dt.date(2026, 3, 28)), zone=away, entities=1)
    put(influxdb, more, "test_daily")

    result = archiver(stores, checkpoint, where, zone=away).run()

    assert result.kept == []
    everything = [*in_store(stores), *archived(bucket, tmp_path)]
    assert digest_of(everything) == digest_of([*rows, *more])


def test_chosen_tiers_are_copied_and_guarded(
    stores: TierStores,
    checkpoint: Checkpoint,
    bucket: S3Bucket,
    tmp_path: Path,
    influxdb: InfluxServer,
) -> None:
    day_ns = start_of(dt.date(2026, 5, 1), dt.UTC)
    events = [
        point
        for number in range(5)
        for point in day_of_events(["sensor.a"], day_ns + number * NS_PER_DAY)
        if point.time_ns < NOW_NS
    ]
    put(influxdb, events)
    raw = Ledger(tier=Tier.RAW, measurement="home_assistant_events")
    tiers = (Tier.RAW,)
    (guard,) = archive_guards(tiers, raw)

    result = archiver(
        stores,
        checkpoint,
        place(bucket, tmp_path),
        tiers=tiers,
        settled_until_ns=lambda: NOW_NS - 2 * NS_PER_DAY,
    ).run()

    # Local days to May 2nd: what came later may still wait in the buffer.
    last_ns = start_of(dt.date(2026, 5, 3))
    assert digest_of(archived(bucket, tmp_path, Tier.RAW)) == digest_of(
        point for point in events if point.time_ns < last_ns
    )
    assert result.values_deleted == 0
    assert len(stored(influxdb, "home_assistant_events", "test")) == len(events)
    assert checkpoint.is_verified(guard, (day_ns, last_ns))
    assert not checkpoint.is_verified(guard, (day_ns, last_ns + 1))

    # A late row opens its hour again, and with it the day in the archive.
    late = day_of_events(["sensor.late"], day_ns)
    put(influxdb, late)
    for fed in archive_feeds(tiers, raw):
        checkpoint.mark_dirty(fed, (day_ns, day_ns + NS_PER_DAY))
    assert not checkpoint.is_verified(guard, (day_ns, last_ns))
    again = archiver(
        stores,
        checkpoint,
        place(bucket, tmp_path),
        tiers=tiers,
        settled_until_ns=lambda: NOW_NS - 2 * NS_PER_DAY,
    ).run()
    assert again.days == 2
    assert checkpoint.is_verified(guard, (day_ns, last_ns))
    assert digest_of(archived(bucket, tmp_path, Tier.RAW)) == digest_of(
        point for point in [*events, *late] if point.time_ns < last_ns
    )


def test_raw_rows_wait_for_the_archive(
    stores: TierStores,
    checkpoint: Checkpoint,
    bucket: S3Bucket,
    tmp_path: Path,
    influxdb: InfluxServer,
) -> None:
    day_ns = start_of(dt.date(2026, 4, 20), dt.UTC)
    events = day_of_events(["sensor.a"], day_ns)
    # Rows of three days bear out what time it is.
    newer = [event("sensor.b", NOW_NS - number * NS_PER_DAY) for number in range(1, 5)]
    put(influxdb, [*events, *newer])
    verify(stores, checkpoint, day_ns, day_ns + NS_PER_DAY)
    expiry = Expiry(
        stores,
        checkpoint,
        zone=BERLIN,
        work=Work(share=1.0),
        now_ns=lambda: NOW_NS,
        activity_age=None,
        guards=lambda ledger: archive_guards((Tier.RAW,), ledger),
    )

    waiting = expiry.raw()

    assert waiting.values_deleted == 0
    assert "archive_home_assistant_events" in waiting.kept[0]
    where = place(bucket, tmp_path)
    archiver(stores, checkpoint, where, tiers=(Tier.RAW,)).run()

    assert expiry.raw().values_deleted == sum(len(point.fields) for point in events)
    left = stored(influxdb, "home_assistant_events", "test")
    assert {row["entity_id"] for row in left} == {"sensor.b"}
    copied = archived(bucket, tmp_path, Tier.RAW)
    assert digest_of(
        point for point in copied if point.tags["entity_id"] == "sensor.a"
    ) == digest_of(events)


def test_ledgers_of_the_archive() -> None:
    raw = Ledger(tier=Tier.RAW, measurement="home_assistant_events")
    hourly = Ledger(tier=Tier.HOURLY, measurement="hourly_aggregates")
    both = (Tier.RAW, Tier.HOURLY)

    assert archive_guards((), raw) == ()
    assert archive_guards(both, DAILY) == ()
    assert archive_guards(both, Ledger(tier=Tier.RAW, measurement="x")) == ()
    assert archive_guards(both, hourly) == (
        archive_ledger(Tier.HOURLY, "hourly_aggregates"),
    )
    assert archive_feeds((), raw) == ()
    assert archive_feeds(both, raw) == (
        archive_ledger(Tier.RAW, "home_assistant_events"),
        archive_ledger(Tier.HOURLY, "hourly_aggregates"),
    )
    assert archive_feeds((), hourly) == (DAILY,)
    assert archive_feeds(both, DAILY) == ()
    carbon = Ledger(tier=Tier.HOURLY, measurement="carbon_intensity")
    assert archive_feeds((), carbon) == (
        Ledger(tier=Tier.DAILY, measurement="carbon_intensity"),
    )


class LastingStores(TierStores):
    """Stores of a server that cannot delete rows."""

    @property
    @override
    def capabilities(self) -> Capabilities:
        return CAPABILITIES[ApiVersion.V3]


def test_a_server_that_cannot_delete_keeps_its_rows(
    stores: TierStores,
    checkpoint: Checkpoint,
    bucket: S3Bucket,
    tmp_path: Path,
    rows: list[Point],
) -> None:
    lasting = LastingStores(stores.target, ages=AGES)
    where = place(bucket, tmp_path)

    result = archiver(lasting, checkpoint, where).run()

    assert result.storage_note is not None
    assert (result.values_deleted, result.kept) == (0, [])
    assert len(in_store(stores)) == len(rows)
    assert dates_of(archived(bucket, tmp_path)) == set(
        days_between(FIRST, dt.date(2026, 4, 5))
    )
    # What is in the archive is not looked at again every week.
    assert archiver(lasting, checkpoint, where).run().days == 0
    lasting.close()

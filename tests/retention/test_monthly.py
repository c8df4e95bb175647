"""A month in one file, and points back out of the archive."""

from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest

from custom_components.ha_ingestor.errors import (
    ArchiveCancelledError,
    ArchiveMismatchError,
)
from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.archive import (
    ArchiveJob,
    DaySource,
    archive_day,
)
from custom_components.ha_ingestor.retention.archive_read import (
    find_days,
    read_archive,
)
from custom_components.ha_ingestor.retention.digest import digest_of
from custom_components.ha_ingestor.retention.files import checksums_of
from custom_components.ha_ingestor.retention.keys import Month
from custom_components.ha_ingestor.retention.monthly import roll_up_month
from custom_components.ha_ingestor.retention.parquet_read import (
    read_footer,
    read_points,
)
from custom_components.ha_ingestor.retention.s3 import S3Bucket
from tests.retention.archive_kit import KEYS, day_points, job, point

MARCH = Month(year=2025, month=3)
DAY_NS = 86_400 * 10**9


def start_of(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 10**9


def points_of(day: date) -> list[Point]:
    extra = point(start_of(day) + 5_000, entity_id="sensor.day", **{f"d{day.day}": 1.0})
    return [*day_points(start_ns=start_of(day)), extra]


def bring(work: ArchiveJob, day: date, points: list[Point]) -> None:
    start_ns = start_of(day)
    archive_day(
        work,
        DaySource(
            day=day,
            start_ns=start_ns,
            end_ns=start_ns + DAY_NS,
            read=lambda: iter(points),
        ),
    )


DAYS = [date(2025, 2, 28), date(2025, 3, 1), date(2025, 3, 2), date(2025, 3, 31)]


@pytest.fixture
def work(bucket: S3Bucket, tmp_path: Path) -> ArchiveJob:
    made = job(bucket, tmp_path)
    for day in DAYS:
        bring(made, day, points_of(day))
    return made


def month_points(bucket: S3Bucket) -> list[Point]:
    sink = BytesIO()
    bucket.download(KEYS.month(MARCH), sink, max_bytes=10_000_000)
    return list(read_points(sink))


def test_a_month_holds_what_its_days_hold(work: ArchiveJob, bucket: S3Bucket) -> None:
    entry, is_new = roll_up_month(work, MARCH)

    assert is_new is True
    assert entry is not None
    assert (entry.row_count, entry.start_at, entry.end_at) == (
        63,
        datetime(2025, 3, 1, tzinfo=UTC),
        datetime(2025, 4, 1, tzinfo=UTC),
    )
    assert month_points(bucket) == [each for day in DAYS[1:] for each in points_of(day)]
    assert work.manifests.find(2025, KEYS.month(MARCH)) == entry


def test_a_month_says_what_it_is(work: ArchiveJob, bucket: S3Bucket) -> None:
    roll_up_month(work, MARCH)

    sink = BytesIO()
    bucket.download(KEYS.month(MARCH), sink, max_bytes=10_000_000)
    footer = read_footer(sink)
    assert footer.labels["month"] == "2025-03"
    assert footer.labels["tier"] == "daily"
    assert footer.units == {"avg_value": "W"}


def test_the_days_stay(work: ArchiveJob, bucket: S3Bucket) -> None:
    before = list(bucket.list_all(KEYS.days_root))

    roll_up_month(work, MARCH)

    after = bucket.list_all(KEYS.days_root)
    assert [found for found in after if found.key.endswith(".parquet")] == [
        found for found in before if found.key.endswith(".parquet")
    ]


def test_it_is_made_again_only_when_its_days_change(work: ArchiveJob) -> None:
    first, _ = roll_up_month(work, MARCH)

    assert roll_up_month(work, MARCH) == (first, False)
    bring(work, date(2025, 3, 3), points_of(date(2025, 3, 3)))
    second, is_new = roll_up_month(work, MARCH)
    assert is_new is True
    assert second is not None
    assert second.row_count == 84


def test_a_damaged_month_is_made_again(work: ArchiveJob, bucket: S3Bucket) -> None:
    roll_up_month(work, MARCH)
    file = BytesIO(b"damaged")
    bucket.upload(KEYS.month(MARCH), file, checksums_of(file))

    assert roll_up_month(work, MARCH)[1] is True
    assert len(month_points(bucket)) == 63


def test_a_damaged_day_makes_no_month(work: ArchiveJob, bucket: S3Bucket) -> None:
    file = BytesIO(b"damaged")
    bucket.upload(KEYS.day(DAYS[1]), file, checksums_of(file))

    with pytest.raises(ArchiveMismatchError):
        roll_up_month(work, MARCH)

    assert list(bucket.list_all(KEYS.months_root(2025))) == []


def test_a_month_without_days_has_no_file(work: ArchiveJob) -> None:
    assert roll_up_month(work, Month(year=2025, month=7)) == (None, False)


def test_a_month_is_found_again_without_its_manifest(
    work: ArchiveJob, bucket: S3Bucket
) -> None:
    entry, _ = roll_up_month(work, MARCH)
    bucket.delete(KEYS.manifest(2025))

    found = work.manifests.find(2025, KEYS.month(MARCH))

    again, is_new = roll_up_month(work, MARCH)
    assert is_new is False
    assert entry is not None
    assert found is not None
    assert again is not None
    assert (found.md5, found.parts) == ("", entry.parts)
    assert again.is_same(entry)


# ----------------------------------------------------------------------- reading back
def test_what_is_read_back_is_what_was_archived(work: ArchiveJob) -> None:
    found = read_archive(
        work, datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    )

    everything = [each for day in DAYS for each in points_of(day)]
    assert digest_of(found) == digest_of(everything)


def test_only_what_was_asked_for_is_read(work: ArchiveJob) -> None:
    start = datetime(2025, 3, 1, tzinfo=UTC) + timedelta(microseconds=1)

    found = list(
        read_archive(work, start, start + timedelta(days=1), entity_ids=["sensor.day"])
    )

    assert [each.time_ns for each in found] == [start_of(DAYS[1]) + 5_000]


def test_days_are_found_across_years(bucket: S3Bucket, tmp_path: Path) -> None:
    work = job(bucket, tmp_path)
    days = [date(2024, 12, 31), date(2025, 1, 1)]
    for day in days:
        bring(work, day, points_of(day))
    at = datetime(2025, 1, 1, tzinfo=UTC)

    found = find_days(work, at - timedelta(seconds=1), at + timedelta(seconds=1))

    assert [entry.key for entry in found] == [KEYS.day(day) for day in days]


def test_a_damaged_file_gives_no_points(work: ArchiveJob, bucket: S3Bucket) -> None:
    sink = BytesIO()
    bucket.download(KEYS.day(DAYS[0]), sink, max_bytes=10_000_000)
    damaged = bytearray(sink.getvalue())
    damaged[len(damaged) // 3] ^= 1
    file = BytesIO(bytes(damaged))
    bucket.upload(KEYS.day(DAYS[0]), file, checksums_of(file))
    at = datetime(2025, 2, 28, tzinfo=UTC)

    found = read_archive(work, at, at + timedelta(days=1))

    with pytest.raises(ArchiveMismatchError):
        next(found)


def test_reading_stops_when_it_is_asked_to(bucket: S3Bucket, tmp_path: Path) -> None:
    bring(job(bucket, tmp_path), DAYS[0], points_of(DAYS[0]))
    work = job(bucket, tmp_path, is_cancelled=lambda: True)
    at = datetime(2025, 2, 28, tzinfo=UTC)

    with pytest.raises(ArchiveCancelledError):
        list(read_archive(work, at, at + timedelta(days=1)))

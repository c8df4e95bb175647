"""A day to the archive, verified before it is reported deletable."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from custom_components.ha_ingestor.errors import (
    ArchiveCancelledError,
    ArchiveFormatError,
    ArchiveMismatchError,
    StoreUnavailableError,
)
from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention import archive as archive_module
from custom_components.ha_ingestor.retention.archive import (
    archive_day,
    verify,
)
from custom_components.ha_ingestor.retention.digest import digest_of
from custom_components.ha_ingestor.retention.files import checksums_of
from custom_components.ha_ingestor.retention.manifest import ManifestStore
from custom_components.ha_ingestor.retention.parquet import Compression
from custom_components.ha_ingestor.retention.parquet_read import (
    read_footer,
    read_points,
)
from custom_components.ha_ingestor.retention.s3 import S3Bucket
from devlib.s3_server import S3Server
from tests.faults.proxy import FaultProxy, FaultyConnection
from tests.retention.archive_kit import (
    DAY_END_NS,
    DAY_KEY,
    DAY_START_NS,
    KEYS,
    NOW,
    Source,
    day_points,
    job,
    only,
    point,
    target,
    through,
)

MANIFEST_KEY = KEYS.manifest(2025)


def get(bucket: S3Bucket, key: str = DAY_KEY) -> bytes:
    sink = BytesIO()
    bucket.download(key, sink, max_bytes=10_000_000)
    return sink.getvalue()


def put(bucket: S3Bucket, data: bytes, key: str = DAY_KEY) -> None:
    file = BytesIO(data)
    bucket.upload(key, file, checksums_of(file))


def archived(bucket: S3Bucket) -> str:
    return digest_of(read_points(BytesIO(get(bucket))))


# ---------------------------------------------------------------------- the usual day
def test_a_day_is_archived_recorded_and_deletable(
    bucket: S3Bucket, tmp_path: Path
) -> None:
    source = Source(day_points())

    done = archive_day(job(bucket, tmp_path), source.day())

    assert (done.deletable_count, done.was_uploaded) == (20, True)
    assert list(read_points(BytesIO(get(bucket)))) == source.points
    assert done.entry is not None
    assert done.entry.archived_at == NOW
    assert job(bucket, tmp_path).manifests.find(2025, DAY_KEY) == done.entry
    assert bucket.head(DAY_KEY).storage_class == "GLACIER_IR"
    assert list((tmp_path / "work").iterdir()) == []


def test_a_file_says_what_it_is(bucket: S3Bucket, tmp_path: Path) -> None:
    archive_day(
        job(bucket, tmp_path, labels={"time_zone": "Europe/Berlin"}),
        Source(day_points()).day(),
    )

    footer = read_footer(BytesIO(get(bucket)))
    assert footer.labels == {
        "format": "1",
        "hub": "01HUB",
        "tier": "daily",
        "date": "2025-03-30",
        "start": "2025-03-29T23:00:00+00:00",
        "end": "2025-03-30T22:00:00+00:00",
        "digest": digest_of(day_points()),
        "time_zone": "Europe/Berlin",
    }
    assert footer.units == {"avg_value": "W"}


@pytest.mark.parametrize("compression", Compression)
def test_a_second_run_changes_nothing(
    bucket: S3Bucket, tmp_path: Path, compression: Compression
) -> None:
    work = job(bucket, tmp_path, compression=compression)
    first = archive_day(work, Source(day_points()).day())
    before = list(bucket.list_all(""))

    second = archive_day(work, Source(day_points()[::-1]).day())

    assert second.entry == first.entry
    assert (second.deletable_count, second.was_uploaded) == (20, False)
    assert list(bucket.list_all("")) == before


def test_a_day_without_rows_has_no_file(bucket: S3Bucket, tmp_path: Path) -> None:
    done = archive_day(job(bucket, tmp_path), Source([]).day())

    assert done.entry is None
    assert (done.deletable_count, done.was_uploaded) == (0, False)
    assert list(bucket.list_all("")) == []


def test_a_day_whose_rows_are_gone_keeps_its_file(
    bucket: S3Bucket, tmp_path: Path
) -> None:
    work = job(bucket, tmp_path)
    first = archive_day(work, Source(day_points()).day())

    done = archive_day(work, Source([]).day())

    assert (done.entry, done.deletable_count) == (first.entry, 0)
    assert archived(bucket) == digest_of(day_points())


@pytest.mark.parametrize("count", [1, 19])
def test_a_day_that_is_half_deleted_never_replaces_the_whole(
    bucket: S3Bucket, tmp_path: Path, count: int
) -> None:
    work = job(bucket, tmp_path)
    first = archive_day(work, Source(day_points()).day())

    done = archive_day(work, Source(day_points()[:count]).day())

    assert done.entry == first.entry
    assert (done.deletable_count, done.was_uploaded) == (count, False)
    assert archived(bucket) == digest_of(day_points())


def test_late_rows_are_added(bucket: S3Bucket, tmp_path: Path) -> None:
    work = job(bucket, tmp_path)
    archive_day(work, Source(day_points()).day())
    late = point(DAY_END_NS - 1_000, entity_id="sensor.late", energy=1.0)
    changed = point(
        DAY_START_NS, entity_id="sensor.s0", avg_value=7.0, ends_unknown=False
    )

    done = archive_day(work, Source([late, changed]).day())

    expected = [changed, *day_points()[1:], late]
    assert (done.deletable_count, done.was_uploaded) == (2, True)
    assert archived(bucket) == digest_of(expected)
    entry = work.manifests.find(2025, DAY_KEY)
    assert entry is not None
    assert entry.row_count == 21


# ------------------------------------------------------------- what must stop a delete
def test_rows_that_come_in_meanwhile_stop_the_deletion(
    bucket: S3Bucket, tmp_path: Path
) -> None:
    source = Source(day_points())

    def come_in(number: int) -> None:
        if number == 3:
            source.points.append(point(entity_id="sensor.late"))

    source.on_read = come_in

    with pytest.raises(ArchiveMismatchError, match="changed"):
        archive_day(job(bucket, tmp_path), source.day())

    source.on_read = lambda number: None
    done = archive_day(job(bucket, tmp_path), source.day())
    assert done.deletable_count == 21
    assert archived(bucket) == digest_of(source.points)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda points: points.pop(), id="gone"),
        pytest.param(lambda points: points.append(point(new=1.0)), id="column"),
        pytest.param(
            lambda points: points.append(point(avg_value=9.0, entity_id="sensor.x")),
            id="row",
        ),
    ],
)
def test_rows_that_change_before_the_upload_are_not_uploaded(
    bucket: S3Bucket, tmp_path: Path, change: Callable[[list[Point]], object]
) -> None:
    source = Source(day_points())
    source.on_read = lambda number: change(source.points) if number == 2 else None

    with pytest.raises((ArchiveMismatchError, ArchiveFormatError)):
        archive_day(job(bucket, tmp_path), source.day())

    assert list(bucket.list_all("")) == []


@pytest.mark.parametrize("time_ns", [DAY_START_NS - 1_000, DAY_END_NS])
def test_a_row_of_another_day_is_refused(
    bucket: S3Bucket, tmp_path: Path, time_ns: int
) -> None:
    with pytest.raises(ArchiveMismatchError, match="not of the day"):
        archive_day(job(bucket, tmp_path), Source([point(time_ns)]).day())


def test_an_error_of_the_source_goes_through(bucket: S3Bucket, tmp_path: Path) -> None:
    source = Source(day_points())

    def fail(number: int) -> None:
        if number == 2:
            raise StoreUnavailableError("gone")

    source.on_read = fail

    with pytest.raises(StoreUnavailableError):
        archive_day(job(bucket, tmp_path), source.day())

    assert list(bucket.list_all("")) == []
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("after", range(5))
def test_a_job_stops_when_it_is_asked_to(
    bucket: S3Bucket, tmp_path: Path, after: int
) -> None:
    asked = iter([False] * after)

    with pytest.raises(ArchiveCancelledError):
        archive_day(
            job(bucket, tmp_path, is_cancelled=lambda: next(asked, True)),
            Source(day_points()).day(),
        )

    done = archive_day(job(bucket, tmp_path), Source(day_points()).day())
    assert done.deletable_count == 20


# ------------------------------------------------------------------------ verification
def test_verification_reads_the_whole_where_there_is_no_md5(
    bucket: S3Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with keys of one's own, where the service's checksum is another."""
    work = job(bucket, tmp_path)
    entry = archive_day(work, Source(day_points()).day()).entry
    assert entry is not None
    reads: list[int] = []
    original = S3Bucket.download

    def download(self: S3Bucket, *args: object, **values: object) -> object:
        reads.append(1)
        return original(self, *args, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(S3Bucket, "download", download)

    verify(bucket, entry)
    assert reads == []
    verify(bucket, replace(entry, md5="another"))
    assert reads == [1]
    with pytest.raises(ArchiveMismatchError):
        verify(bucket, replace(entry, md5="another", sha256="f" * 64))


@pytest.mark.parametrize(
    "change", [{"size_bytes": 1}, {"row_count": 1}, {"digest": "1-0"}, {"key": "x"}]
)
def test_verification_finds_every_difference(
    bucket: S3Bucket, tmp_path: Path, change: dict[str, object]
) -> None:
    entry = archive_day(job(bucket, tmp_path), Source(day_points()).day()).entry
    assert entry is not None

    with pytest.raises(ArchiveMismatchError):
        verify(bucket, replace(entry, **change))  # type: ignore[arg-type]


def test_what_the_disk_has_changed_is_not_uploaded(
    bucket: S3Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "read_file", lambda path: iter(day_points(19)))

    with pytest.raises(ArchiveMismatchError):
        archive_day(job(bucket, tmp_path), Source(day_points()).day())

    assert list(bucket.list_all("")) == []


def test_another_hub_in_the_same_bucket_is_not_touched(
    s3: S3Server, bucket: S3Bucket, tmp_path: Path
) -> None:
    other = replace(KEYS, hub="02HUB")
    archive_day(job(bucket, tmp_path), Source(day_points()).day())
    second = S3Bucket(target(s3.url))

    archive_day(
        job(second, tmp_path, keys=other, manifests=ManifestStore(second, other)),
        Source(day_points(3)).day(),
    )

    assert archived(bucket) == digest_of(day_points())
    second.close()


# ---------------------------------------------------------------- services that differ
def test_a_service_that_keeps_no_metadata_serves_as_well(
    far_bucket: S3Bucket, proxy: FaultProxy, tmp_path: Path
) -> None:
    def forget_metadata(connection: FaultyConnection) -> None:
        connection.raw = b"\r\n".join(
            line
            for line in connection.raw.split(b"\r\n")
            if not line.lower().startswith(b"x-amz-meta-")
        )
        through(connection)

    proxy.fault = only("PUT", forget_metadata)
    work = job(far_bucket, tmp_path)
    archive_day(work, Source(day_points()).day())
    assert far_bucket.head(DAY_KEY).sha256 is None
    far_bucket.delete(MANIFEST_KEY)

    done = archive_day(work, Source(day_points()[5:9]).day())

    assert (done.deletable_count, done.was_uploaded) == (4, False)
    assert archived(far_bucket) == digest_of(day_points())


def test_a_crash_before_the_record_of_more_rows_is_mended(
    bucket: S3Bucket, tmp_path: Path
) -> None:
    work = job(bucket, tmp_path)
    archive_day(work, Source(day_points()[:10]).day())
    manifest = get(bucket, MANIFEST_KEY)
    archive_day(work, Source(day_points()).day())
    put(bucket, manifest, MANIFEST_KEY)

    done = archive_day(work, Source(day_points()[:5]).day())

    assert (done.deletable_count, done.was_uploaded) == (5, False)
    entry = work.manifests.find(2025, DAY_KEY)
    assert entry is not None
    assert (entry, entry.row_count) == (done.entry, 20)

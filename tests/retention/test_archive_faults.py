"""Whatever breaks on the way to the archive, the next run ends the work."""

from dataclasses import replace
from io import BytesIO
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys

import pytest

from custom_components.ha_ingestor.errors import (
    ArchiveBucketMissingError,
    ArchiveDiskError,
    ArchiveError,
    ArchiveMismatchError,
    ArchivePermissionError,
    ArchiveUnavailableError,
)
from custom_components.ha_ingestor.retention.archive import (
    archive_day,
    remove_leftovers,
)
from custom_components.ha_ingestor.retention.digest import digest_of
from custom_components.ha_ingestor.retention.files import checksums_of
from custom_components.ha_ingestor.retention.parquet_read import (
    read_points,
)
from custom_components.ha_ingestor.retention.s3 import S3Bucket
from devlib.s3_server import S3Server
from tests.faults import proxy as faults
from tests.faults.proxy import Fault, FaultProxy
from tests.retention.archive_kit import (
    DAY_KEY,
    KEYS,
    Source,
    cut_body,
    day_points,
    half_upload,
    job,
    only,
    s3_error,
    turn_bit,
    turn_bit_of_upload,
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


FAULTS = [
    pytest.param("GET", faults.reset, ArchiveUnavailableError, id="get-reset"),
    pytest.param("HEAD", faults.reset, ArchiveUnavailableError, id="head-reset"),
    pytest.param("PUT", faults.reset, ArchiveUnavailableError, id="put-reset"),
    pytest.param("PUT", faults.hang, ArchiveUnavailableError, id="put-hang"),
    pytest.param(
        "PUT", s3_error(403, "AccessDenied"), ArchivePermissionError, id="put-403"
    ),
    pytest.param(
        "GET", s3_error(403, "AccessDenied"), ArchivePermissionError, id="get-403"
    ),
    pytest.param(
        "PUT", s3_error(404, "NoSuchBucket"), ArchiveBucketMissingError, id="put-404"
    ),
    pytest.param(
        "PUT", s3_error(503, "SlowDown"), ArchiveUnavailableError, id="put-503"
    ),
    pytest.param("HEAD", s3_error(503, ""), ArchiveUnavailableError, id="head-503"),
    pytest.param("PUT", half_upload, ArchiveMismatchError, id="half-upload"),
    pytest.param("PUT", turn_bit_of_upload, ArchiveMismatchError, id="turned-bit"),
    pytest.param(
        "PUT", faults.close_before_answer, ArchiveUnavailableError, id="answer-lost"
    ),
]


@pytest.mark.parametrize("key", ["data_", "_manifest"])
@pytest.mark.parametrize(("method", "fault", "expected"), FAULTS)
def test_a_fault_leaves_the_rows_and_the_next_run_finishes(
    far_bucket: S3Bucket,
    proxy: FaultProxy,
    tmp_path: Path,
    method: str,
    fault: Fault,
    expected: type[ArchiveError],
    key: str,
) -> None:
    # The manifest is never asked for by HEAD.
    proxy.fault = only(method, fault, key="data_" if method == "HEAD" else key)

    with pytest.raises(ArchiveError) as raised:
        archive_day(job(far_bucket, tmp_path), Source(day_points()).day())

    assert type(raised.value) is expected
    assert list((tmp_path / "work").glob("*")) == []
    proxy.fault = None
    done = archive_day(job(far_bucket, tmp_path), Source(day_points()).day())
    assert done.deletable_count == 20
    assert archived(far_bucket) == digest_of(day_points())
    assert job(far_bucket, tmp_path).manifests.find(2025, DAY_KEY) == done.entry


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param(cut_body, ArchiveUnavailableError, id="cut"),
        pytest.param(turn_bit, ArchiveMismatchError, id="turned-bit"),
    ],
)
def test_an_old_file_that_cannot_be_read_is_not_replaced_by_less(
    far_bucket: S3Bucket,
    bucket: S3Bucket,
    proxy: FaultProxy,
    tmp_path: Path,
    fault: Fault,
    expected: type[ArchiveError],
) -> None:
    archive_day(job(bucket, tmp_path), Source(day_points(2_000)).day())
    before = list(bucket.list_all(""))
    whole = only("GET", fault, key="data_")

    def meet(connection: faults.FaultyConnection) -> None:
        # The footer is read by ranges, which is not what this is about.
        is_range = b"\r\nrange:" in connection.raw.lower()
        (only("NONE", fault) if is_range else whole)(connection)

    proxy.fault = meet

    with pytest.raises(ArchiveError) as raised:
        archive_day(job(far_bucket, tmp_path), Source(day_points(10)).day())

    assert type(raised.value) is expected
    assert list(bucket.list_all("")) == before


def test_a_damaged_file_is_written_again_by_a_source_that_has_it_all(
    bucket: S3Bucket, tmp_path: Path
) -> None:
    work = job(bucket, tmp_path)
    archive_day(work, Source(day_points()).day())
    damaged = bytearray(get(bucket))
    damaged[10] ^= 1
    put(bucket, bytes(damaged))

    done = archive_day(work, Source(day_points()).day())

    assert (done.deletable_count, done.was_uploaded) == (20, True)
    assert archived(bucket) == digest_of(day_points())


def test_a_cut_file_is_written_again_by_a_source_that_has_it_all(
    bucket: S3Bucket, tmp_path: Path
) -> None:
    work = job(bucket, tmp_path)
    archive_day(work, Source(day_points()).day())
    put(bucket, get(bucket)[:-100])

    done = archive_day(work, Source(day_points()).day())

    assert done.was_uploaded is True
    assert archived(bucket) == digest_of(day_points())


def names_of(bucket: S3Bucket) -> list[str]:
    return [
        found.key.rpartition("/")[2] for found in bucket.list_all(KEYS.year_root(2025))
    ]


def test_a_strange_file_in_the_way_is_set_aside(
    bucket: S3Bucket, tmp_path: Path
) -> None:
    put(bucket, b"not ours")

    done = archive_day(job(bucket, tmp_path), Source(day_points()).day())

    assert done.was_uploaded is True
    assert names_of(bucket) == [
        "_damaged_93e6edeb_data_2025-03-30.parquet",
        "_manifest.json",
        "data_2025-03-30.parquet",
    ]
    aside = f"{KEYS.year_root(2025)}_damaged_93e6edeb_data_2025-03-30.parquet"
    assert get(bucket, aside) == b"not ours"


def test_a_damaged_file_that_was_never_verified_is_set_aside(
    bucket: S3Bucket, tmp_path: Path
) -> None:
    archive_day(job(bucket, tmp_path), Source(day_points(5)).day())
    data = get(bucket)
    bucket.delete(MANIFEST_KEY)
    damaged = bytearray(data)
    damaged[10] ^= 1
    file = BytesIO(bytes(damaged))
    # As an upload that was damaged on its way to a service that does not compare.
    bucket.upload(
        DAY_KEY,
        file,
        replace(checksums_of(file), sha256=checksums_of(BytesIO(data)).sha256),
    )

    done = archive_day(job(bucket, tmp_path), Source(day_points()).day())

    assert (done.deletable_count, done.was_uploaded) == (20, True)
    assert archived(bucket) == digest_of(day_points())
    assert len(names_of(bucket)) == 3


def test_a_damaged_file_that_was_verified_stops_a_source_that_has_less(
    bucket: S3Bucket, tmp_path: Path
) -> None:
    archive_day(job(bucket, tmp_path), Source(day_points()).day())
    damaged = bytearray(get(bucket))
    damaged[10] ^= 1
    put(bucket, bytes(damaged))

    with pytest.raises(ArchiveMismatchError):
        archive_day(job(bucket, tmp_path), Source(day_points(5)).day())

    assert get(bucket) == bytes(damaged)


def test_a_file_without_a_record_is_recorded(bucket: S3Bucket, tmp_path: Path) -> None:
    work = job(bucket, tmp_path)
    first = archive_day(work, Source(day_points()).day())
    bucket.delete(MANIFEST_KEY)

    done = archive_day(work, Source(day_points(5)).day())

    assert (done.deletable_count, done.was_uploaded) == (5, False)
    assert done.entry is not None
    assert first.entry is not None
    assert done.entry.is_same(first.entry)
    assert archived(bucket) == digest_of(day_points())


# ------------------------------------------------------------------- disks and crashes
def test_a_folder_that_cannot_be_made_is_reported(
    bucket: S3Bucket, tmp_path: Path
) -> None:
    (tmp_path / "work").write_text("a file")

    with pytest.raises(ArchiveDiskError):
        archive_day(job(bucket, tmp_path), Source(day_points()).day())


def test_a_folder_that_vanishes_is_reported(bucket: S3Bucket, tmp_path: Path) -> None:
    source = Source(day_points())
    source.on_read = lambda number: (
        shutil.rmtree(tmp_path / "work") if number == 2 else None
    )

    with pytest.raises(ArchiveDiskError):
        archive_day(job(bucket, tmp_path), source.day())

    assert list(bucket.list_all("")) == []


KILLED = """
import os, signal, sys
from pathlib import Path
import tests.retention.archive_kit as kit
from custom_components.ha_ingestor.retention.archive import archive_day
from custom_components.ha_ingestor.retention.s3 import S3Bucket

class Dying(S3Bucket):
    left = int(sys.argv[3])

    def __getattribute__(self, name):
        if name in {"upload", "head", "read_range", "download", "list_all"}:
            if Dying.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            Dying.left -= 1
        return super().__getattribute__(name)

bucket = Dying(kit.target(sys.argv[1]))
source = kit.Source(kit.day_points())
archive_day(kit.job(bucket, Path(sys.argv[2])), source.day())
print("done")
"""


@pytest.mark.parametrize("request_number", range(13))
def test_a_kill_at_any_request_loses_nothing(
    s3: S3Server, bucket: S3Bucket, tmp_path: Path, request_number: int
) -> None:
    root = Path(__file__).parent.parent.parent
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, s3.url, str(tmp_path), str(request_number)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}:{root}/scripts"},
        capture_output=True,
        text=True,
        check=False,
    )
    remove_leftovers(tmp_path / "work")

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert list((tmp_path / "work").glob("*")) == []
    done = archive_day(job(bucket, tmp_path), Source(day_points()).day())
    assert done.deletable_count == 20
    assert archived(bucket) == digest_of(day_points())
    assert job(bucket, tmp_path).manifests.find(2025, DAY_KEY) == done.entry

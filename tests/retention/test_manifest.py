"""The list of what a year of an archive has."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
import json
from typing import Any

import pytest

from custom_components.ha_ingestor.errors import (
    ArchiveBucketMissingError,
    ArchiveFormatError,
    ArchiveMismatchError,
    ArchiveNewerError,
    ArchiveUnavailableError,
)
from custom_components.ha_ingestor.retention import parquet
from custom_components.ha_ingestor.retention.digest import digest_of
from custom_components.ha_ingestor.retention.files import checksums_of
from custom_components.ha_ingestor.retention.manifest import (
    ArchiveEntry,
    Manifest,
    ManifestStore,
    parse_manifest,
)
from custom_components.ha_ingestor.retention.s3 import S3Bucket
from tests.faults import proxy as faults
from tests.faults.proxy import FaultProxy
from tests.retention.archive_kit import (
    DAY_KEY,
    KEYS,
    day_points,
    encode,
    only,
    s3_error,
    turn_bit,
    turn_bit_of_upload,
)

MANIFEST_KEY = KEYS.manifest(2025)
ENTRY = ArchiveEntry(
    key=DAY_KEY,
    start_at=datetime(2025, 3, 29, 23, tzinfo=UTC),
    end_at=datetime(2025, 3, 30, 22, tzinfo=UTC),
    row_count=20,
    size_bytes=1_234,
    md5="0" * 32,
    sha256="1" * 64,
    digest="20-ff",
    archived_at=datetime(2026, 4, 5, 1, tzinfo=UTC),
)
MANIFEST = Manifest(hub="01HUB", tier="daily", year=2025).with_entry(ENTRY)


def put(bucket: S3Bucket, key: str, data: bytes) -> None:
    file = BytesIO(data)
    bucket.upload(key, file, checksums_of(file))


def get(bucket: S3Bucket, key: str) -> bytes:
    sink = BytesIO()
    bucket.download(key, sink, max_bytes=1_000_000)
    return sink.getvalue()


def stored_day(bucket: S3Bucket) -> bytes:
    points = day_points()
    data = encode(
        points,
        labels={
            "start": ENTRY.start_at.isoformat(),
            "end": ENTRY.end_at.isoformat(),
            "digest": digest_of(points),
        },
    )
    put(bucket, DAY_KEY, data)
    return data


def test_a_manifest_comes_back_as_it_was() -> None:
    assert parse_manifest(MANIFEST.dump()) == MANIFEST


def test_the_same_entry_changes_nothing() -> None:
    later = ArchiveEntry.from_json(
        ENTRY.as_json()
        | {"archived_at": (ENTRY.archived_at + timedelta(days=1)).isoformat()}
    )

    assert MANIFEST.with_entry(later) is MANIFEST


def test_another_entry_replaces_that_of_its_file() -> None:
    new = ArchiveEntry.from_json(ENTRY.as_json() | {"row_count": 21})

    assert MANIFEST.with_entry(new).entries == {DAY_KEY: new}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"null",
        b"[" * 100_000,
        json.dumps({"format": "1"}).encode(),
        json.dumps(
            {"format": 1, "hub": "h", "tier": "t", "year": 2025, "files": [{}]}
        ).encode(),
        MANIFEST.dump().replace(b"+00:00", b""),
        MANIFEST.dump().replace(b"1234", b'"1234"'),
        MANIFEST.dump().replace(b"1234", b"true"),
        MANIFEST.dump()[:-20],
    ],
)
def test_what_is_no_manifest_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(ArchiveFormatError):
        parse_manifest(data)


def test_one_of_a_newer_version_is_left_alone(bucket: S3Bucket) -> None:
    newer = MANIFEST.dump().replace(b'"format": 1', b'"format": 2')
    put(bucket, MANIFEST_KEY, newer)

    with pytest.raises(ArchiveNewerError):
        ManifestStore(bucket, KEYS).record(2025, ENTRY)

    assert get(bucket, MANIFEST_KEY) == newer


def test_an_entry_is_recorded_once(bucket: S3Bucket) -> None:
    store = ManifestStore(bucket, KEYS)

    store.record(2025, ENTRY)
    first = bucket.head(MANIFEST_KEY)
    store.record(2025, ENTRY)

    assert bucket.head(MANIFEST_KEY) == first
    assert store.load(2025) == MANIFEST
    assert store.find(2025, DAY_KEY) == ENTRY
    assert store.find(2024, DAY_KEY) is None


def test_it_is_no_table_to_be_charged_for_reading(bucket: S3Bucket) -> None:
    ManifestStore(bucket, KEYS).record(2025, ENTRY)

    assert bucket.head(MANIFEST_KEY).storage_class == ""


@pytest.mark.parametrize(
    "damage", [None, b"{damaged", b"x" * 5_000_000], ids=["missing", "cut", "large"]
)
def test_it_is_made_again_from_the_files(
    bucket: S3Bucket, damage: bytes | None
) -> None:
    data = stored_day(bucket)
    put(bucket, f"{KEYS.year_root(2025)}notes.txt", b"mine")
    put(bucket, KEYS.day(ENTRY.start_at.date()), b"PAR1 is not in here")
    for content in filter(None, [damage]):
        put(bucket, MANIFEST_KEY, content)

    entries = ManifestStore(bucket, KEYS).load(2025).entries

    sums = checksums_of(BytesIO(data))
    assert list(entries) == [DAY_KEY]
    found = entries[DAY_KEY]
    assert (found.row_count, found.start_at) == (20, ENTRY.start_at)
    assert (found.size_bytes, found.md5, found.sha256) == (
        sums.size_bytes,
        "",
        sums.sha256,
    )


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"PAR1", id="short"),
        pytest.param(b"PAR1\xff\xff\xff\x7fPAR1", id="longer-footer-than-file"),
        pytest.param(None, id="without-labels"),
    ],
)
def test_files_of_others_are_passed_over(
    bucket: S3Bucket, data: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """They lie where those of a day would; they are not touched either."""
    stored_day(bucket)
    key = KEYS.day(ENTRY.start_at.date())
    content = encode(day_points(), labels={}) if data is None else data
    put(bucket, key, content)

    assert list(ManifestStore(bucket, KEYS).load(2025).entries) == [DAY_KEY]
    assert f"{key} is none of the archive" in caplog.text
    assert get(bucket, key) == content


def test_a_file_of_a_newer_version_is_not_left_out(
    bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manifest without it would have its rows archived over it."""
    with monkeypatch.context() as patch:
        patch.setattr(parquet, "FORMAT", 2)
        stored_day(bucket)

    with pytest.raises(ArchiveNewerError):
        ManifestStore(bucket, KEYS).record(2025, ENTRY)


def test_a_bucket_that_is_missing_is_no_empty_archive(
    far_bucket: S3Bucket, proxy: FaultProxy
) -> None:
    proxy.fault = only("GET", s3_error(404, "NoSuchBucket"), key="_manifest")

    with pytest.raises(ArchiveBucketMissingError):
        ManifestStore(far_bucket, KEYS).load(2025)


def test_the_first_record_writes_a_manifest(bucket: S3Bucket) -> None:
    stored_day(bucket)
    store = ManifestStore(bucket, KEYS)
    entry = store.rebuild(2025).entries[DAY_KEY]

    store.record(2025, entry)

    assert parse_manifest(get(bucket, MANIFEST_KEY)).entries == {DAY_KEY: entry}


@pytest.mark.parametrize("fault", [turn_bit, turn_bit_of_upload])
def test_a_manifest_that_did_not_arrive_is_noticed(
    far_bucket: S3Bucket, proxy: FaultProxy, fault: Any
) -> None:
    method = {turn_bit: "GET", turn_bit_of_upload: "PUT"}[fault]
    proxy.fault = only(method, fault, key="_manifest")

    with pytest.raises(ArchiveMismatchError):
        ManifestStore(far_bucket, KEYS).record(2025, ENTRY)


def test_without_an_answer_nothing_is_made_up(
    far_bucket: S3Bucket, proxy: FaultProxy
) -> None:
    proxy.fault = faults.reset

    with pytest.raises(ArchiveUnavailableError):
        ManifestStore(far_bucket, KEYS).load(2025)

"""One bucket, against a real S3 API over HTTP."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from custom_components.ha_ingestor.errors import (
    ArchiveAuthError,
    ArchiveBucketMissingError,
    ArchiveDiskError,
    ArchiveMismatchError,
    ArchiveMissingError,
    ArchiveUnsupportedError,
)
from custom_components.ha_ingestor.retention import s3 as s3_module
from custom_components.ha_ingestor.retention.files import checksums_of
from custom_components.ha_ingestor.retention.s3 import S3Bucket
from devlib.s3_server import S3Server
from tests.retention.archive_kit import (
    BUCKET,
    target,
)

KEY = "homes/data.parquet"
DATA = bytes(range(256)) * 4_000


def put(bucket: S3Bucket, data: bytes = DATA, key: str = KEY) -> None:
    file = BytesIO(data)
    bucket.upload(key, file, checksums_of(file))


def get(bucket: S3Bucket, key: str = KEY) -> bytes:
    sink = BytesIO()
    bucket.download(key, sink, max_bytes=10_000_000)
    return sink.getvalue()


# ----------------------------------------------------------------- what a bucket does
def test_a_file_comes_back_as_it_was(bucket: S3Bucket) -> None:
    put(bucket)

    sums = checksums_of(BytesIO(DATA))
    sink = BytesIO()
    assert bucket.download(KEY, sink, max_bytes=len(DATA)) == sums
    assert sink.getvalue() == DATA
    found = bucket.head(KEY)
    assert (found.size_bytes, found.etag, found.sha256) == (
        len(DATA),
        sums.md5,
        sums.sha256,
    )


@pytest.mark.parametrize(
    ("of_target", "of_upload", "expected"),
    [
        ("GLACIER_IR", None, "GLACIER_IR"),
        ("STANDARD_IA", None, "STANDARD_IA"),
        ("", None, ""),
        ("GLACIER_IR", "", ""),
    ],
)
def test_a_file_gets_its_storage_class(
    s3: S3Server, of_target: str, of_upload: str | None, expected: str
) -> None:
    bucket = S3Bucket(target(s3.url, storage_class=of_target))
    file = BytesIO(DATA)

    bucket.upload(KEY, file, checksums_of(file), storage_class=of_upload)

    assert bucket.head(KEY).storage_class == expected
    bucket.close()


def test_a_part_of_a_file_can_be_read(bucket: S3Bucket) -> None:
    put(bucket)

    assert bucket.read_range(KEY, len(DATA) - 8, 8) == DATA[-8:]
    assert bucket.read_range(KEY, 0, 3) == DATA[:3]
    with pytest.raises(ArchiveMismatchError, match="shorter"):
        bucket.read_range(KEY, len(DATA) - 8, 9)


def test_files_are_listed_page_by_page(bucket: S3Bucket) -> None:
    names = [f"homes/{number:02d}" for number in range(7)]
    for name in names:
        put(bucket, b"x", name)
    put(bucket, b"x", "other")

    first = bucket.list_page("homes/", limit=3)
    second = bucket.list_page("homes/", limit=3, token=first.next_token)
    last = bucket.list_page("homes/", limit=3, token=second.next_token)

    assert [
        found.key for page in (first, second, last) for found in page.objects
    ] == names
    assert last.next_token is None
    assert [found.size_bytes for found in last.objects] == [1]


def test_a_long_list_is_read_to_its_end(
    bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_module, "_PAGE_COUNT", 2)
    names = [f"homes/{number:02d}" for number in range(5)]
    for name in names:
        put(bucket, b"x", name)

    listed = [found.key for found in bucket.list_all("homes/")]

    assert listed == names


def test_what_is_not_there_is_missing(bucket: S3Bucket) -> None:
    bucket.delete(KEY)

    with pytest.raises(ArchiveMissingError) as missing:
        bucket.head(KEY)
    assert type(missing.value) is ArchiveMissingError
    with pytest.raises(ArchiveMissingError):
        get(bucket)
    with pytest.raises(ArchiveMissingError):
        bucket.read_range(KEY, 0, 1)
    assert list(bucket.list_all("homes/")) == []


def test_a_bucket_that_is_not_there_is_told_from_a_file(s3: S3Server) -> None:
    bucket = S3Bucket(target(s3.url, bucket="not-mine"))

    with pytest.raises(ArchiveBucketMissingError):
        put(bucket)
    with pytest.raises(ArchiveBucketMissingError):
        bucket.list_page("homes/")
    bucket.close()


def test_a_download_is_bounded(bucket: S3Bucket) -> None:
    put(bucket)

    with pytest.raises(ArchiveMismatchError, match="more than 1000 bytes"):
        bucket.download(KEY, BytesIO(), max_bytes=1_000)


def test_a_full_disk_is_no_fault_of_the_network(bucket: S3Bucket) -> None:
    put(bucket)

    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(ArchiveDiskError),
    ):
        bucket.download(KEY, full, max_bytes=len(DATA))


def test_a_file_too_large_for_one_request_is_refused(
    bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_module, "_MAX_UPLOAD_BYTES", 10)

    with pytest.raises(ArchiveUnsupportedError):
        put(bucket)


def test_it_can_be_used_after_it_was_closed(bucket: S3Bucket) -> None:
    put(bucket)
    bucket.close()

    assert get(bucket) == DATA


def test_keys_of_the_environment_are_used_where_none_are_given(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "fromtheenvironment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    bucket = S3Bucket(
        target(s3.url, access_key_id="", secret_access_key="", session_token="")
    )

    put(bucket)

    credentials = bucket.client._request_signer._credentials
    assert credentials.access_key == "fromtheenvironment"
    bucket.close()


def test_no_keys_at_all_are_reported(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    bucket = S3Bucket(
        target(s3.url, access_key_id="", secret_access_key="", session_token="")
    )

    with pytest.raises(ArchiveAuthError, match="NoCredentialsError"):
        put(bucket)
    bucket.close()


@pytest.mark.parametrize(
    ("style", "region", "url"),
    [
        (True, "", "https://s3.amazonaws.com/home-archive/k"),
        (False, "eu-central-1", "https://home-archive.s3.eu-central-1.amazonaws.com/k"),
    ],
)
def test_style_and_region_make_the_address(
    *, style: bool, region: str, url: str
) -> None:
    bucket = S3Bucket(target("", is_path_style=style, region=region))

    class Sent(Exception):  # noqa: N818 - nothing is wrong
        pass

    def stop(request: Any, **_: Any) -> None:
        raise Sent(request.url)

    bucket.client.meta.events.register("before-send.s3", stop)
    with pytest.raises(Sent) as sent:
        bucket.client.get_object(Bucket=BUCKET, Key="k")

    assert str(sent.value) == url
    bucket.close()

"""What a bucket, or the network to it, can do wrong."""

from collections.abc import Callable
from io import BytesIO
import traceback

from botocore.exceptions import ChecksumError, PartialCredentialsError
from botocore.parsers import ResponseParserError
import pytest
from urllib3.exceptions import ReadTimeoutError

from custom_components.ha_ingestor.errors import (
    ArchiveAuthError,
    ArchiveBucketMissingError,
    ArchiveError,
    ArchiveFrozenError,
    ArchiveMismatchError,
    ArchiveMissingError,
    ArchivePermissionError,
    ArchiveProtocolError,
    ArchiveTargetError,
    ArchiveUnavailableError,
    ArchiveUnsupportedError,
)
from custom_components.ha_ingestor.retention import s3 as s3_module
from custom_components.ha_ingestor.retention.files import checksums_of
from custom_components.ha_ingestor.retention.s3 import S3Bucket
from custom_components.ha_ingestor.retention.s3_errors import mapped
from devlib.s3_server import S3Server
from tests.faults import proxy as faults
from tests.faults.proxy import Fault, FaultProxy
from tests.retention.archive_kit import (
    KEY_ID,
    SECRET,
    TOKEN,
    check_md5,
    cut_body,
    half_upload,
    only,
    page_for_all,
    s3_error,
    slow_body,
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


# ------------------------------------------------------------------ what can be wrong
@pytest.mark.parametrize(
    "changes",
    [
        {"endpoint_url": "s3.example.com"},
        {"endpoint_url": "ftp://s3.example.com"},
        {"endpoint_url": "https://"},
        {"endpoint_url": "https://s3.example.com:port"},
        {"endpoint_url": "https://user:pass@s3.example.com"},
        {"endpoint_url": "https://s3.example.com/?key=1"},
        {"secret_access_key": ""},
        {"access_key_id": ""},
    ],
)
def test_a_wrong_target_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ArchiveTargetError):
        target(changes.pop("endpoint_url", "https://s3.example.com"), **changes)


def test_a_name_that_is_none_of_a_bucket_is_refused(s3: S3Server) -> None:
    bucket = S3Bucket(target(s3.url, bucket="not a bucket/"))

    with pytest.raises(ArchiveTargetError):
        put(bucket)
    bucket.close()


REFUSALS = [
    pytest.param(s3_error(403, "AccessDenied"), ArchivePermissionError, id="403"),
    pytest.param(s3_error(403, "InvalidAccessKeyId"), ArchiveAuthError, id="key"),
    pytest.param(s3_error(403, "SignatureDoesNotMatch"), ArchiveAuthError, id="secret"),
    pytest.param(s3_error(400, "ExpiredToken"), ArchiveAuthError, id="expired"),
    pytest.param(s3_error(401, "Whatever"), ArchiveAuthError, id="401"),
    pytest.param(
        s3_error(403, "RequestTimeTooSkewed"), ArchiveUnavailableError, id="clock"
    ),
    pytest.param(s3_error(404, "NoSuchKey"), ArchiveMissingError, id="404"),
    pytest.param(
        s3_error(404, "NoSuchBucket"), ArchiveBucketMissingError, id="404-bucket"
    ),
    pytest.param(
        s3_error(400, "AuthorizationHeaderMalformed"), ArchiveTargetError, id="region"
    ),
    pytest.param(
        s3_error(400, "InvalidStorageClass"), ArchiveUnsupportedError, id="class"
    ),
    pytest.param(s3_error(501, "NotImplemented"), ArchiveUnsupportedError, id="501"),
    pytest.param(s3_error(403, "InvalidObjectState"), ArchiveFrozenError, id="frozen"),
    pytest.param(s3_error(400, "BadDigest"), ArchiveMismatchError, id="digest"),
    pytest.param(s3_error(418, "Teapot"), ArchiveProtocolError, id="unknown"),
    pytest.param(s3_error(503, "SlowDown"), ArchiveUnavailableError, id="503"),
    pytest.param(s3_error(500, "InternalError"), ArchiveUnavailableError, id="500"),
    pytest.param(s3_error(429, "TooMany"), ArchiveUnavailableError, id="429"),
    pytest.param(faults.page(502), ArchiveUnavailableError, id="proxy-page"),
    pytest.param(faults.reset, ArchiveUnavailableError, id="reset"),
    pytest.param(faults.hang, ArchiveUnavailableError, id="hang"),
    pytest.param(faults.garbage, ArchiveUnavailableError, id="garbage"),
]


@pytest.mark.parametrize(("fault", "expected"), REFUSALS)
def test_a_refused_download_is_reported_and_heals(
    far_bucket: S3Bucket,
    proxy: FaultProxy,
    fault: Fault,
    expected: type[ArchiveError],
) -> None:
    put(far_bucket)
    proxy.fault = fault

    with pytest.raises(ArchiveError) as raised:
        get(far_bucket)

    assert type(raised.value) is expected
    proxy.fault = None
    assert get(far_bucket) == DATA


@pytest.mark.parametrize(("fault", "expected"), REFUSALS)
def test_a_refused_upload_is_reported_and_heals(
    far_bucket: S3Bucket,
    proxy: FaultProxy,
    fault: Fault,
    expected: type[ArchiveError],
) -> None:
    proxy.fault = fault

    with pytest.raises(ArchiveError) as raised:
        put(far_bucket)

    assert type(raised.value) is expected
    proxy.fault = None
    put(far_bucket)
    assert get(far_bucket) == DATA


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, ArchiveAuthError),
        (403, ArchivePermissionError),
        (404, ArchiveMissingError),
        (503, ArchiveUnavailableError),
    ],
)
def test_a_status_is_enough_where_there_is_no_body(
    far_bucket: S3Bucket, proxy: FaultProxy, status: int, expected: type[ArchiveError]
) -> None:
    proxy.fault = s3_error(status, "NotSent")

    with pytest.raises(ArchiveError) as raised:
        far_bucket.head(KEY)

    assert type(raised.value) is expected


def test_the_missing_permission_is_named(
    far_bucket: S3Bucket, proxy: FaultProxy
) -> None:
    proxy.fault = s3_error(403, "AccessDenied")

    with pytest.raises(ArchivePermissionError) as raised:
        far_bucket.list_page("")

    assert raised.value.action == "s3:ListBucket"


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda bucket: bucket.list_page(""), id="list"),
        pytest.param(lambda bucket: bucket.head(KEY), id="head"),
        pytest.param(put, id="upload"),
    ],
)
def test_a_page_that_says_yes_to_everything_is_no_s3(
    far_bucket: S3Bucket, proxy: FaultProxy, ask: Callable[[S3Bucket], object]
) -> None:
    proxy.fault = page_for_all

    with pytest.raises(ArchiveProtocolError):
        ask(far_bucket)


def test_a_cut_download_is_no_file(far_bucket: S3Bucket, proxy: FaultProxy) -> None:
    put(far_bucket)
    proxy.fault = only("GET", cut_body)

    with pytest.raises(ArchiveUnavailableError):
        get(far_bucket)


def test_a_download_that_never_ends_is_given_up(
    far_bucket: S3Bucket, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(far_bucket, DATA[:2_000])
    monkeypatch.setattr(s3_module, "CHUNK_BYTES", 16)
    far_bucket._limits = s3_module.S3Limits(download_timeout_s=0.2)
    proxy.fault = only("GET", slow_body)

    with pytest.raises(ArchiveUnavailableError, match="too long"):
        get(far_bucket)


def test_a_slow_server_is_waited_for(far_bucket: S3Bucket, proxy: FaultProxy) -> None:
    put(far_bucket, DATA[:1_500])
    proxy.fault = slow_body

    assert get(far_bucket) == DATA[:1_500]


def test_a_server_that_ignores_ranges_is_understood(
    far_bucket: S3Bucket, proxy: FaultProxy
) -> None:
    put(far_bucket)

    def forget_range(connection: faults.FaultyConnection) -> None:
        connection.raw = b"\r\n".join(
            line
            for line in connection.raw.split(b"\r\n")
            if not line.lower().startswith(b"range:")
        )
        connection.answer(connection.ask_upstream())

    proxy.fault = only("GET", forget_range)

    assert far_bucket.read_range(KEY, 1_000, 10) == DATA[1_000:1_010]


def test_a_damaged_upload_is_refused_by_the_server(
    far_bucket: S3Bucket, proxy: FaultProxy
) -> None:
    put(far_bucket, b"before")
    proxy.fault = only("PUT", check_md5)

    with pytest.raises(ArchiveMismatchError):
        put(far_bucket)

    proxy.fault = None
    assert get(far_bucket) == b"before"


def test_half_an_upload_is_found_by_its_size(
    far_bucket: S3Bucket, proxy: FaultProxy
) -> None:
    proxy.fault = only("PUT", half_upload)
    put(far_bucket)

    assert far_bucket.head(KEY).size_bytes == len(DATA) // 2


def test_an_upload_whose_answer_is_lost_is_repeated(
    far_bucket: S3Bucket, proxy: FaultProxy
) -> None:
    lost: list[int] = []

    def lose_once(connection: faults.FaultyConnection) -> None:
        answer = connection.ask_upstream()
        # Counted first: with its answer the client goes on.
        lost.append(1)
        if len(lost) > 1:
            connection.answer(answer)

    proxy.fault = only("PUT", lose_once)

    put(far_bucket)

    assert len(lost) == 2
    assert get(far_bucket) == DATA


def test_a_closed_port_is_unavailable(s3: S3Server) -> None:
    bucket = S3Bucket(target("http://127.0.0.1:9"), s3_module.S3Limits(try_count=1))

    with pytest.raises(ArchiveUnavailableError):
        put(bucket)


# ---------------------------------------------------------------------------- secrets
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            s3_error(403, f"Bad{KEY_ID}", f"{KEY_ID} {SECRET} {TOKEN}"), id="words"
        ),
        pytest.param(s3_error(403, f"a {SECRET}", SECRET), id="code"),
        pytest.param(faults.reset, id="connection"),
        pytest.param(faults.garbage, id="garbage"),
    ],
)
def test_no_secret_is_in_an_error(
    far_bucket: S3Bucket, proxy: FaultProxy, fault: Fault
) -> None:
    proxy.fault = fault

    with pytest.raises(ArchiveError) as raised:
        get(far_bucket)

    # Code lines of libraries are shown in it, but no value.
    shown = "".join(traceback.format_exception(raised.value))
    assert SECRET not in shown
    assert TOKEN not in shown


def test_no_secret_is_in_a_target() -> None:
    shown = repr(target("https://s3.example.com"))

    assert SECRET not in shown
    assert TOKEN not in shown
    assert KEY_ID not in shown


# ------------------------------------------------------------------- what is not asked
@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ConnectionResetError("x"), ArchiveUnavailableError),
        (ReadTimeoutError(None, "", "x"), ArchiveUnavailableError),  # type: ignore[arg-type]
        (ValueError("x"), ArchiveTargetError),
        (
            ChecksumError(
                checksum_type="crc32", expected_checksum=1, actual_checksum=2
            ),
            ArchiveMismatchError,
        ),
        (ResponseParserError("x"), ArchiveProtocolError),
        (PartialCredentialsError(provider="env", cred_var="key"), ArchiveAuthError),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_whatever_a_library_raises_is_mapped(
    raised: Exception, expected: type[ArchiveError]
) -> None:
    with pytest.raises(ArchiveError) as mapped_error, mapped("s3:GetObject"):
        raise raised

    assert type(mapped_error.value) is expected


def test_an_error_of_ours_is_left_as_it_is() -> None:
    with pytest.raises(ArchiveFrozenError), mapped("s3:GetObject"):
        raise ArchiveFrozenError("x")


def test_half_an_answer_in_xml_is_reported(
    far_bucket: S3Bucket, proxy: FaultProxy
) -> None:
    def half(connection: faults.FaultyConnection) -> None:
        body = b"<ListBucketResult><IsTruncated>false"
        connection.answer(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
        )

    proxy.fault = half

    # boto3 takes it for a fault of the server, and tries again.
    with pytest.raises(ArchiveUnavailableError):
        far_bucket.list_page("")

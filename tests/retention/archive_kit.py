"""What tests of the archive share: points, jobs and faults of an S3 service."""

from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from hashlib import md5
from io import BytesIO
from pathlib import Path
import re
from typing import Any, Final

from custom_components.ha_ingestor.models import FieldValue, Point
from custom_components.ha_ingestor.retention.archive import ArchiveJob, DaySource
from custom_components.ha_ingestor.retention.files import ArchiveFiles
from custom_components.ha_ingestor.retention.keys import ArchiveKeys
from custom_components.ha_ingestor.retention.layout import LayoutBuilder
from custom_components.ha_ingestor.retention.manifest import ManifestStore
from custom_components.ha_ingestor.retention.parquet import Compression, write_points
from custom_components.ha_ingestor.retention.s3 import S3Target
from tests.faults.proxy import Fault, FaultyConnection

BUCKET: Final = "home-archive"
SECRET: Final = "verySecretKeyOfTheUser/+="
TOKEN: Final = "sessionTokenOfTheUser"
KEY_ID: Final = "AKIAKEYOFTHEUSER"

DAY: Final = date(2025, 3, 30)
# In Berlin it has 23 hours.
DAY_START_NS: Final = int(datetime(2025, 3, 29, 23, tzinfo=UTC).timestamp()) * 10**9
DAY_END_NS: Final = DAY_START_NS + 23 * 3_600 * 10**9
KEYS: Final = ArchiveKeys(prefix="homes/mine", hub="01HUB", tier="daily")
DAY_KEY: Final = "homes/mine/01HUB/daily/archives/2025/data_2025-03-30.parquet"
NOW: Final = datetime(2026, 4, 5, 1, tzinfo=UTC)


def target(url: str, **changes: Any) -> S3Target:
    """Return the bucket of the tests on a server."""
    values: dict[str, Any] = {
        "bucket": BUCKET,
        "endpoint_url": url,
        "is_path_style": True,
        "access_key_id": KEY_ID,
        "secret_access_key": SECRET,
        "session_token": TOKEN,
    }
    return S3Target(**(values | changes))


def point(
    time_ns: int = DAY_START_NS,
    *,
    measurement: str = "daily_aggregates",
    entity_id: str = "sensor.power",
    tags: dict[str, str] | None = None,
    **fields: FieldValue,
) -> Point:
    """Return a point."""
    return Point(
        measurement=measurement,
        tags={"entity_id": entity_id, **(tags or {})},
        fields=fields or {"avg_value": 1.5},
        time_ns=time_ns,
    )


def day_points(count: int = 20, *, start_ns: int = DAY_START_NS) -> list[Point]:
    """Return points of a day: numbers, text, truth, and some of each missing."""
    return [
        point(
            start_ns + number * 1_000_000,
            entity_id=f"sensor.s{number % 7}",
            tags={"unit": "°C"} if number % 2 else {},
            avg_value=number / 3,
            **({"top_state": f"state {number}"} if number % 3 else {}),
            **({"ends_unknown": bool(number % 4)} if number % 5 else {}),
        )
        for number in range(count)
    ]


def encode(points: Sequence[Point], **arguments: Any) -> bytes:
    """Return points as a Parquet file."""
    builder = LayoutBuilder()
    for each in points:
        builder.add(each)
    sink = BytesIO()
    values: dict[str, Any] = {
        "layout": builder.build(),
        "labels": {"tier": "daily"},
        "units": {},
        "compression": Compression.GZIP,
    }
    write_points(points, sink, **(values | arguments))
    return sink.getvalue()


class Source:
    """Rows of a day that can change between two readings.

    Attributes:
        points: What it has.
        reads: How often it was read.
        on_read: Called at the beginning of each reading with its number.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        self.points = list(points)
        self.reads = 0
        self.on_read: Callable[[int], None] = lambda number: None

    def read(self) -> Iterator[Point]:
        self.reads += 1
        self.on_read(self.reads)
        yield from list(self.points)

    def day(self) -> DaySource:
        """Return it as a job wants it."""
        return DaySource(
            day=DAY, start_ns=DAY_START_NS, end_ns=DAY_END_NS, read=self.read
        )


def job(files: ArchiveFiles, folder: Path, **changes: Any) -> ArchiveJob:
    """Return a job of the tests."""
    values: dict[str, Any] = {
        "files": files,
        "manifests": ManifestStore(files, KEYS),
        "keys": KEYS,
        "folder": folder / "work",
        "units": {"avg_value": "W"},
        "utcnow": lambda: NOW,
    }
    return ArchiveJob(**(values | changes))


# --------------------------------------------------------------------------- faults
def through(connection: FaultyConnection) -> None:
    """Let a request pass."""
    connection.answer(connection.ask_upstream())


def only(method: str, fault: Fault, *, key: str = "") -> Fault:
    """Meet a fault with requests of one method for keys that contain something."""

    def choose(connection: FaultyConnection) -> None:
        first = connection.raw.split(b"\r\n", 1)[0].decode()
        found = re.match(r"(\S+) (\S+)", first)
        assert found is not None
        is_meant = found[1] == method and key in found[2]
        (fault if is_meant else through)(connection)

    return choose


def s3_error(status: int, code: str, message: str = "Sorry") -> Fault:
    """Answer as S3 does to a request that it refuses."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message>"
        "<RequestId>4442587FB7D0A2F9</RequestId></Error>"
    ).encode()

    def fault(connection: FaultyConnection) -> None:
        # An answer to HEAD has no body.
        sent = b"" if connection.raw.startswith(b"HEAD ") else body
        connection.answer(
            b"HTTP/1.1 %d Fault\r\nContent-Type: application/xml\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n%s"
            % (status, len(sent), sent)
        )

    return fault


def page_for_all(connection: FaultyConnection) -> None:
    """Answer as a captive portal does, whatever is asked."""
    body = b"<html><body>Please log in</body></html>"
    sent = b"" if connection.raw.startswith(b"HEAD ") else body
    connection.answer(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), sent)
    )


def cut_body(connection: FaultyConnection) -> None:
    """Let the head of an answer through, and half of its body."""
    head, _, body = connection.ask_upstream().partition(b"\r\n\r\n")
    connection.answer(head + b"\r\n\r\n" + body[: len(body) // 2])


def turn_bit(connection: FaultyConnection) -> None:
    """Change one bit of the body that is answered."""
    head, _, body = connection.ask_upstream().partition(b"\r\n\r\n")
    changed = bytearray(body)
    changed[len(changed) // 2] ^= 1
    connection.answer(head + b"\r\n\r\n" + bytes(changed))


def turn_bit_of_upload(connection: FaultyConnection) -> None:
    """Change one bit of the body on its way to the server."""
    head, _, body = connection.raw.partition(b"\r\n\r\n")
    changed = bytearray(body)
    changed[len(changed) // 2] ^= 1
    connection.raw = head + b"\r\n\r\n" + bytes(changed)
    connection.answer(connection.ask_upstream())


def check_md5(connection: FaultyConnection) -> None:
    """Refuse a damaged upload as S3 does; moto's server takes no notice.

    Source: API reference of S3, PutObject, Content-MD5 and the error BadDigest.
    """
    head, _, body = connection.raw.partition(b"\r\n\r\n")
    found = re.search(rb"(?im)^content-md5: *(\S+)\r?$", head)
    assert found is not None
    damaged = bytearray(body)
    damaged[0] ^= 1
    is_same = b64decode(found[1]) == md5(damaged, usedforsecurity=False).digest()
    (through if is_same else s3_error(400, "BadDigest"))(connection)


def slow_body(connection: FaultyConnection) -> None:
    """Let the head of an answer through at once, and its body in small pieces."""
    head, _, body = connection.ask_upstream().partition(b"\r\n\r\n")
    connection.answer(head + b"\r\n\r\n")
    for start in range(0, len(body), 100):
        if connection.server.proxy.closing.wait(0.05):
            return
        connection.answer(body[start : start + 100])


def half_upload(connection: FaultyConnection) -> None:
    """Give the server half of the body under a length of its own."""
    head, _, body = connection.raw.partition(b"\r\n\r\n")
    half = body[: len(body) // 2]
    lines = [
        b"Content-Length: %d" % len(half)
        if line.lower().startswith(b"content-length")
        else line
        for line in head.split(b"\r\n")
        # As a service does that takes no notice of it.
        if not line.lower().startswith(b"content-md5")
    ]
    connection.raw = b"\r\n".join(lines) + b"\r\n\r\n" + half
    connection.answer(connection.ask_upstream())

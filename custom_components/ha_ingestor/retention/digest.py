"""Whether two sets of points are the same, to the bit and whatever their order."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
import struct
from typing import Final

from ..models import FieldValue, Point

_BYTES: Final = 16
_MODULUS: Final = 1 << (8 * _BYTES)
_FLOAT: Final = struct.Struct("<d")
_TIME: Final = struct.Struct("<q")


def _text(text: str) -> bytes:
    # With its length, so that no two lists of texts look alike. A lone surrogate is
    # no Unicode, but whoever stores the point is the one to say so.
    data = text.encode("utf-8", "surrogatepass")
    return b"%d:%b" % (len(data), data)


def _value(value: FieldValue) -> bytes:
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, str):
        return b"s" + _text(value)
    return b"d" + _FLOAT.pack(value)


def point_hash(point: Point) -> int:
    """Return a number that differs if anything about a point does."""
    parts = [_TIME.pack(point.time_ns), _text(point.measurement)]
    for key in sorted(point.tags):
        parts += (b"T", _text(key), _text(point.tags[key]))
    for key in sorted(point.fields):
        parts += (b"F", _text(key), _value(point.fields[key]))
    return int.from_bytes(blake2b(b"".join(parts), digest_size=_BYTES).digest())


class Digest:
    """Sums up points as they pass; for one thread.

    Sums of hashes do not depend on the order, and unlike exclusive-or they tell two
    of a kind from none.

    Attributes:
        count: Points so far.
        first_ns, last_ns: Earliest and latest time; None before the first point.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.count = 0
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self._sum = 0

    def add(self, point: Point) -> None:
        """Take a point in."""
        self.count += 1
        self._sum = (self._sum + point_hash(point)) % _MODULUS
        time_ns = point.time_ns
        if self.first_ns is None or time_ns < self.first_ns:
            self.first_ns = time_ns
        if self.last_ns is None or time_ns > self.last_ns:
            self.last_ns = time_ns

    def watch(self, points: Iterable[Point]) -> Iterator[Point]:
        """Pass points on, taking each in."""
        for point in points:
            self.add(point)
            yield point

    @property
    def text(self) -> str:
        """What to store: count and sum."""
        return _to_text(self.count, self._sum)


def _to_text(count: int, total: int) -> str:
    return f"{count}-{total % _MODULUS:0{2 * _BYTES}x}"


def combine(texts: Iterable[str]) -> str:
    """Return the digest of several sets together, given those of each.

    Raises:
        ValueError: One is no digest.
    """
    pairs = [text.split("-") for text in texts]
    return _to_text(
        sum(int(count) for count, _ in pairs), sum(int(total, 16) for _, total in pairs)
    )


def digest_of(points: Iterable[Point]) -> str:
    """Return the digest of points."""
    digest = Digest()
    for point in points:
        digest.add(point)
    return digest.text

"""The contract of the durable queue between encoder and sender."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

# Takes a list of records over; bounded, and never blocks for long.
type RecordSink = Callable[[list[Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Points claimed together; they stay in the buffer until the batch ends.

    Attributes:
        row_ids: Rows of the buffer that the batch is made of, oldest first.
        body: Line protocol, gzip-compressed.
        point_count: Lines in the body.
        oldest_ns: When the oldest row was added; Unix time.
    """

    row_ids: Sequence[int]
    body: bytes
    point_count: int
    oldest_ns: int


class ReasonClass(StrEnum):
    """Why points are set aside: what a person can do about it differs."""

    TYPE_CONFLICT = "type_conflict"  # the field holds another type already
    UNPARSABLE = "unparsable"  # the server cannot read the line
    TOO_LARGE = "too_large"  # a single line is more than the server takes
    BEYOND_RETENTION = "beyond_retention"  # older than what the store keeps
    NOT_ENCODABLE = "not_encodable"  # no line could be made of the event
    REFUSED = "refused"  # for any other reason, in the server's words


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A line that no server will take, with the reason.

    Attributes:
        line: Line protocol.
        reason: The server's words, or ours where it never got there.
        reason_class: What kind of reason that is.
    """

    line: bytes
    reason: str
    reason_class: ReasonClass


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferSize:
    """How much waits."""

    point_count: int
    byte_count: int
    oldest_ns: int | None


class Buffer(Protocol):
    """Durable, bounded, first in first out.

    `add` and the claiming side may run on two threads, one each.
    """

    def add(self, lines: bytes, point_count: int, newest_ns: int) -> int:
        """Store lines durably; returns how many older points had to go for them."""

    def begin_batch(
        self, max_points: int, max_bytes: int, *, is_newest_first: bool = False
    ) -> Batch | None:
        """Claim points; the same ones again until the batch has ended or is kept."""

    def end_batch(self, batch: Batch, dead_letters: Iterable[DeadLetter] = ()) -> int:
        """Remove a batch; returns how many old dead letters had to go."""

    def keep_batch(self, batch: Batch) -> None:
        """Give a claimed batch back, to be claimed again later."""

    def size(self) -> BufferSize:
        """Return how much waits."""

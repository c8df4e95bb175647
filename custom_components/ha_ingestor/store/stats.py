"""Counters of a pipeline, in the words that people see.

Each counter has one thread that writes it; reading an int from another thread is
safe and at worst a moment old.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
import statistics
from typing import Final

# Enough for a minute at one request a second.
_LATENCY_SAMPLE_COUNT: Final = 60


class LinkState(StrEnum):
    """How the last try to write ended."""

    UNTRIED = "untried"
    CONNECTED = "connected"
    UNREACHABLE = "unreachable"
    AUTH_FAILED = "auth_failed"
    FORBIDDEN = "forbidden"
    MISSING = "missing"
    PROTOCOL = "protocol"


@dataclass(slots=True)
class PipelineStats:
    """Run state of one hub's pipeline.

    Attributes:
        captured: Events taken from the bus.
        filtered: Events that the user's rules leave out.
        sampled: Changes that a sampling rule has left out.
        written: Points that the server has accepted.
        rejected: Points that the server refused, set aside as dead letters.
        dropped: Points lost because a bound was reached.
        repaired: Values changed by a rule of normalisation.
        last_error: The latest failure in words, None after a success.
        buffer_error: Why the disk takes nothing at the moment, None if it does.
        is_disk_full: Whether that is because it has no room.
    """

    captured: int = 0
    filtered: int = 0
    sampled: int = 0
    written: int = 0
    rejected: int = 0
    dropped_by_encoder: int = 0
    dropped_by_sender: int = 0
    dropped_before_encoding: int = 0
    rejected_by_encoder: int = 0
    repaired: int = 0
    link: LinkState = LinkState.UNTRIED
    last_error: str | None = None
    buffer_error: str | None = None
    is_disk_full: bool = False
    write_latencies_s: deque[float] = field(
        default_factory=lambda: deque(maxlen=_LATENCY_SAMPLE_COUNT)
    )

    @property
    def dropped(self) -> int:
        """Points lost because a bound was reached."""
        return (
            self.dropped_by_encoder
            + self.dropped_by_sender
            + self.dropped_before_encoding
        )

    def totals(self) -> dict[str, int]:
        """Return what is kept across restarts."""
        return {
            "written": self.written,
            "rejected": self.rejected,
            "rejected_by_encoder": self.rejected_by_encoder,
            "dropped_by_encoder": self.dropped_by_encoder,
            "dropped_by_sender": self.dropped_by_sender,
            "dropped_before_encoding": self.dropped_before_encoding,
            "repaired": self.repaired,
            "captured": self.captured,
            "filtered": self.filtered,
            "sampled": self.sampled,
        }

    def restore(self, totals: Mapping[str, int]) -> None:
        """Go on counting from what a former run has saved."""
        for name in self.totals():
            setattr(self, name, totals.get(name, 0))

    @property
    def rejected_total(self) -> int:
        """Points set aside, whoever refused them."""
        return self.rejected + self.rejected_by_encoder

    @property
    def write_latency_s(self) -> float | None:
        """Median time of the last requests, seconds; None before the first."""
        samples = list(self.write_latencies_s)
        return statistics.median(samples) if samples else None

"""Where one tier's rows end and another's begin, for a block of days.

What the checkpoint says decides first: a window that is verified is taken from the
tier that it was verified in, one that is not is computed from finer rows, as long as
those are there. What it does not know, since its file was lost or a server has
dropped rows by itself, the rows decide: of two windows the one that was made from
more raw rows is believed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
import datetime as dt
from typing import Final

from ..retention.carry import MAX_CARRY
from ..retention.checkpoint import Checkpoint
from ..retention.ledgers import DAILY_LEDGER, EVENTS_LEDGER, HOURLY_LEDGER
from ..retention.spans import Span, merge, overlap, subtract
from ..retention.windows import (
    Resolution,
    Window,
    day_window,
    duration_ns,
    window_at,
)

_MAX_CARRY_NS: Final = duration_ns(MAX_CARRY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Some local days, one after another.

    Attributes:
        number: Its place in the answer.
    """

    number: int
    days: Sequence[Window]

    @property
    def span(self) -> Span:
        """From the begin of the first day to the end of the last."""
        return self.days[0].start_ns, self.days[-1].end_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Seams:
    """What the checkpoint says about a block, and about an entity in it.

    Attributes:
        open_hours: Not aggregated yet, or to be aggregated again.
        open_days: The same of days.
        raw_gone, hourly_gone, daily_gone: Spans without rows of the entity.
    """

    open_hours: Sequence[Span]
    open_days: Sequence[Span]
    raw_gone: Sequence[Span]
    hourly_gone: Sequence[Span]
    daily_gone: Sequence[Span]

    def is_open(self, day: Window) -> bool:
        """Whether a day has to be made of its hours."""
        span = [(day.start_ns, day.end_ns)]
        return bool(overlap(self.open_hours, span) or overlap(self.open_days, span))

    def has_hours(self, day: Window) -> bool:
        """Whether the hourly rows of a day are there."""
        return not overlap(self.hourly_gone, [(day.start_ns, day.end_ns)])

    def has_daily(self, day: Window) -> bool:
        """Whether the row of a day is not in the archive alone."""
        return not overlap(self.daily_gone, [(day.start_ns, day.end_ns)])

    def to_compute(
        self, day: Window, *, zone: dt.tzinfo, now_ns: int, is_finer: bool
    ) -> list[Span]:
        """List the spans of a day that are to be computed from raw rows.

        Args:
            is_finer: Windows shorter than an hour, or changes, are asked for.

        Returns:
            Spans of whole hours; the last one ends now if its hour is not over.
        """
        end_ns = min(day.end_ns, now_ns)
        wanted: Iterable[Span] = [(day.start_ns, end_ns)]
        if not is_finer:
            wanted = _whole_hours(overlap(self.open_hours, [*wanted]), zone, end_ns)
        return _whole_hours(subtract(wanted, self.raw_gone), zone, end_ns)


def read_seams(checkpoint: Checkpoint, span: Span) -> Seams:
    """Read what is true of all entities.

    Raises:
        CheckpointError: It cannot be read.
    """
    # What a late row says holds in the hours after it, too.
    changed = [
        (dirty.start_ns, dirty.end_ns + _MAX_CARRY_NS)
        for dirty in checkpoint.dirty(EVENTS_LEDGER)
    ]
    return Seams(
        open_hours=merge(
            [*checkpoint.unverified(EVENTS_LEDGER, span), *overlap(changed, [span])]
        ),
        open_days=checkpoint.unverified(HOURLY_LEDGER, span),
        raw_gone=(),
        hourly_gone=(),
        daily_gone=(),
    )


def seams_of(checkpoint: Checkpoint, seams: Seams, span: Span, entity_id: str) -> Seams:
    """Return them with what is true of one entity.

    Raises:
        CheckpointError: It cannot be read.
    """
    return Seams(
        open_hours=seams.open_hours,
        open_days=seams.open_days,
        raw_gone=checkpoint.removed(EVENTS_LEDGER, span, entity_id),
        hourly_gone=checkpoint.removed(HOURLY_LEDGER, span, entity_id),
        daily_gone=checkpoint.removed(DAILY_LEDGER, span, entity_id),
    )


def blocks_of(
    start_ns: int, end_ns: int, *, zone: dt.tzinfo, day_count: int, first: int
) -> Iterator[Block]:
    """Cut a range into blocks of local days.

    They depend on the range alone, so that each page of an answer finds the same.

    Args:
        first: Number of the first block to give.
    """
    last_day = window_at(Resolution.DAY, end_ns - 1, zone)
    # The day that an instant lies in may have begun on the date before.
    day = window_at(Resolution.DAY, start_ns, zone).start_at.astimezone(zone).date()
    last = last_day.end_at.astimezone(zone).date()
    date, number = day + dt.timedelta(days=first * day_count), first
    while date <= last:
        days = [
            window
            for offset in range(day_count)
            if (window := day_window(date + dt.timedelta(days=offset), zone))
            and window.start_ns <= last_day.start_ns
            and window.end_ns > start_ns
        ]
        # There are dates without a day.
        if days:
            yield Block(number=number, days=days)
        date, number = date + dt.timedelta(days=day_count), number + 1


def _whole_hours(spans: Sequence[Span], zone: dt.tzinfo, end_ns: int) -> list[Span]:
    """Widen spans to whole hours; what is not over ends at `end_ns`."""
    return merge(
        (
            window_at(Resolution.HOUR, start_ns, zone).start_ns,
            min(window_at(Resolution.HOUR, last_ns - 1, zone).end_ns, end_ns),
        )
        for start_ns, last_ns in spans
    )

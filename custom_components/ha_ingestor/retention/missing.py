"""Days with fewer rows than were verified: something else has deleted some.

What has been deleted is in the aggregates, as far as it was there when they were
made. But a day whose rows cannot be counted against them is never deleted by age. A
person who says that this is meant lets what is left be taken for all there is, if
each entity's aggregates were made from as many rows as it has now, or more.
Blocking, for threads.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
import itertools
from typing import Final

from ..errors import RetentionUnverifiedError
from ..store.query import Row
from .checkpoint import Checkpoint
from .kept import describe_days
from .ledger import Ledger, Segment
from .ledgers import DAILY_LEDGER, ENTITY_LEDGERS, HOURLY_LEDGER
from .rows import COVERED, ROW_COUNT, to_whole_ns
from .series import FIELD, series_tags
from .spans import Span, overlap
from .stores import TierStores
from .stream import GroupKey, RowStream
from .tiers import Tier
from .windows import NS_PER_DAY
from .work import Work

# A UTC day of a ledger.
type LedgerDay = tuple[Ledger, int]

# What is told: a person needs the first ones.
MAX_LINES: Final = 20
_ENTITY_ID: Final = "entity_id"
_NEXT: Final = {Tier.RAW: HOURLY_LEDGER, Tier.HOURLY: DAILY_LEDGER}

_IS_OPEN: Final = "a part of it is not aggregated yet"
_IS_GOING: Final = "it is being deleted"
_HAS_NEW: Final = "it has rows where there were none"
_HAS_MORE: Final = "it has rows that are not part of what was aggregated"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Amount:
    """How much a window was made from.

    Attributes:
        covered_ns: 0 where it is made from rows of events.
    """

    rows: int = 0
    covered_ns: int = 0

    def __add__(self, other: _Amount) -> _Amount:
        return _Amount(
            rows=self.rows + other.rows, covered_ns=self.covered_ns + other.covered_ns
        )

    def holds(self, other: _Amount) -> bool:
        return self.rows >= other.rows and self.covered_ns >= other.covered_ns


# What names the aggregates of one thing, and the start of a window.
type _Place = tuple[GroupKey, int]


@dataclass(slots=True)
class _Present:
    """What is there of a day and of the windows that have a part in it."""

    values: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    amounts: defaultdict[_Place, _Amount] = field(
        default_factory=lambda: defaultdict(_Amount)
    )
    has_new: bool = False


class MissingRows:
    """Takes what is left of days for all there is; on one thread at a time."""

    def __init__(
        self, stores: TierStores, checkpoint: Checkpoint, *, work: Work
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._stores = stores
        self._checkpoint = checkpoint
        self._work = work

    def accept(self, ledger: Ledger, day_ns: int) -> str | None:
        """Record that a day has the rows that are there now; none is changed.

        Args:
            ledger: Of raw or hourly rows.
            day_ns: Start of the UTC day.

        Returns:
            Why that cannot be; None if it is done.

        Raises:
            RetentionCancelledError: The run is to stop.
            StoreError: See `InfluxClient.query`.
        """
        day = (day_ns, day_ns + NS_PER_DAY)
        if self._checkpoint.unverified(ledger, day):
            return _IS_OPEN
        if any(
            one.ledger == ledger and overlap([(one.start_ns, one.end_ns)], [day])
            for one in self._checkpoint.removals()
        ):
            return _IS_GOING
        segments = self._checkpoint.segments(ledger, day)
        present = self._read_present(ledger, day, segments)
        if present.has_new:
            return _HAS_NEW
        made = self._read_made(ledger, _reach(day, segments))
        if not all(
            made.get(place, _Amount()).holds(amount)
            for place, amount in present.amounts.items()
        ):
            return _HAS_MORE
        try:
            self._checkpoint.accept_counts(
                ledger,
                day,
                {one.start_ns: present.values[one.start_ns] for one in segments},
            )
        except RetentionUnverifiedError:
            return _IS_OPEN
        return None

    def _read_present(
        self, ledger: Ledger, day: Span, segments: Sequence[Segment]
    ) -> _Present:
        present = _Present()
        starts = [one.start_ns for one in segments]
        windows = sorted({one.window for one in segments})
        window_starts = [start_ns for start_ns, _ in windows]
        stream = self._stream(ledger, self._identity(ledger))
        for piece in stream.read(*_reach(day, segments)):
            self._work.check()
            for row in piece.rows:
                number = bisect_right(starts, row.time_ns) - 1
                is_inside = number >= 0 and row.time_ns < segments[number].end_ns
                if is_inside:
                    present.values[starts[number]] += len(row.fields)
                elif day[0] <= row.time_ns < day[1]:
                    present.has_new = True
                    return present
                number = bisect_right(window_starts, row.time_ns) - 1
                if number < 0 or row.time_ns >= windows[number][1]:
                    continue
                for key, amount in _amounts(ledger, piece.key, row):
                    present.amounts[key, window_starts[number]] += amount
        return present

    def _read_made(self, ledger: Ledger, span: Span) -> Mapping[_Place, _Amount]:
        """Read from how much the windows were made that begin in a span."""
        target = _target_of(ledger)
        identity = self._identity(ledger)
        if ledger not in ENTITY_LEDGERS and identity is not None:
            identity = tuple({*identity, FIELD})
        found: dict[_Place, _Amount] = {}
        for piece in self._stream(target, identity).read(*span):
            self._work.check()
            for row in piece.rows:
                place = (piece.key, row.time_ns)
                amount = _amount_of(row)
                if ledger.tier is Tier.RAW:
                    # Rows of events are only counted.
                    amount = _Amount(rows=amount.rows)
                # Of two rows of one window the one of more is the newer.
                if place not in found or found[place].rows < amount.rows:
                    found[place] = amount
        return found

    def _identity(self, ledger: Ledger) -> tuple[str, ...] | None:
        """Return the tags that name a series; None for all that it has."""
        if ledger in ENTITY_LEDGERS:
            return (_ENTITY_ID,)
        return series_tags(self._stores.client(ledger.tier), ledger.measurement)

    def _stream(self, ledger: Ledger, by: tuple[str, ...] | None) -> RowStream:
        return RowStream(
            self._stores.client(ledger.tier),
            ledger.measurement,
            by=by,
            pause=self._work.pause,
        )


def describe_missing(days: Iterable[LedgerDay]) -> tuple[str, ...]:
    """Return days as a person reads them, the first ones; those in a row are one."""
    lines = [
        f"{ledger.measurement} of {words} ({ledger.tier})"
        for ledger, of_ledger in itertools.groupby(sorted(days), key=lambda one: one[0])
        for words in describe_days([day_ns for _, day_ns in of_ledger])
    ]
    if len(lines) > MAX_LINES:
        lines[MAX_LINES - 1 :] = [f"and {len(lines) - MAX_LINES + 1} more"]
    return tuple(lines)


def _target_of(ledger: Ledger) -> Ledger:
    target = _NEXT[ledger.tier]
    if ledger in ENTITY_LEDGERS:
        return target
    return Ledger(tier=target.tier, measurement=ledger.measurement)


def _reach(day: Span, segments: Sequence[Segment]) -> Span:
    """Return a day with all of the windows that have a part in it."""
    return (
        min([day[0], *(one.window[0] for one in segments)]),
        max([day[1], *(one.window[1] for one in segments)]),
    )


def _amounts(
    ledger: Ledger, key: GroupKey, row: Row
) -> Iterable[tuple[GroupKey, _Amount]]:
    """List what a row adds to which aggregates."""
    if ledger.tier is not Tier.RAW:
        return [(key, _amount_of(row))]
    if ledger in ENTITY_LEDGERS:
        return [(key, _Amount(rows=1))]
    # Each field of a source is a series of its own.
    return [
        (tuple(sorted([*key, (FIELD, name)])), _Amount(rows=1)) for name in row.fields
    ]


def _amount_of(row: Row) -> _Amount:
    rows, covered = row.fields.get(ROW_COUNT), row.fields.get(COVERED)
    return _Amount(
        rows=round(rows) if isinstance(rows, float) else 0,
        covered_ns=to_whole_ns(covered) if isinstance(covered, float) else 0,
    )

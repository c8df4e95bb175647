"""One series through windows that follow each other."""

from collections.abc import Sequence
from typing import Final

from ..store.query import Row
from .aggregate import GAPS, Aggregator
from .carry import Carry
from .ledger import by_day
from .rows import Aggregate
from .windows import Window

_NEVER_NS: Final = (1 << 63) - 1


class Track:
    """Takes the rows of one series, oldest first, and gives its aggregates.

    No thread of its own: one thread at a time.

    Attributes:
        aggregates: Of the windows that are finished; one of which nothing is known
            has none.
    """

    __slots__ = (
        "_aggregator",
        "_forgets",
        "_index",
        "_interruptions",
        "_is_active",
        "_limit_ns",
        "_next",
        "_windows",
        "aggregates",
    )

    def __init__(
        self,
        windows: Sequence[Window],
        *,
        carry: Carry | None,
        interruptions: Sequence[int] = (),
        forgets: bool = False,
    ) -> None:
        """Start with what held before.

        Args:
            windows: Each begins where the one before ends.
            interruptions: Instants after which nothing is known until the next row,
                oldest first.
            forgets: Whether a window hands over only what holds at its end.
        """
        self.aggregates: list[Aggregate] = []
        self._windows = windows
        self._index = 0
        self._interruptions = [
            at_ns for at_ns in interruptions if at_ns >= windows[0].start_ns
        ]
        self._next = 0
        self._forgets = forgets
        self._is_active = carry is not None
        self._aggregator = Aggregator(windows[0], carry=carry)
        self._limit_ns = 0
        self._find_limit()

    def add(self, row: Row) -> None:
        """Take the next row."""
        if row.time_ns >= self._limit_ns:
            self._advance(row.time_ns)
        self._is_active = True
        self._aggregator.add(row)

    def add_gap(self, row: Row) -> None:
        """Say that nothing is known from now on, if something was."""
        if row.time_ns >= self._limit_ns:
            self._advance(row.time_ns)
        if self._is_active:
            self._aggregator.add(row)

    def finish(self) -> Carry | None:
        """Finish all windows; return what the last one hands over."""
        self._advance(self._windows[-1].end_ns - 1)
        # An interruption at the very last instant comes after its rows.
        self._interrupt_before(self._windows[-1].end_ns)
        return self._close()

    def _advance(self, time_ns: int) -> None:
        """Go on until an instant lies in the present window."""
        while True:
            window = self._windows[self._index]
            self._interrupt_before(min(time_ns, window.end_ns))
            if time_ns < window.end_ns:
                break
            carry = self._close()
            self._index += 1
            self._is_active = carry is not None
            self._aggregator = Aggregator(self._windows[self._index], carry=carry)
        self._find_limit()

    def _interrupt_before(self, time_ns: int) -> None:
        while self._next_interruption() < time_ns:
            self._aggregator.interrupt(self._next_interruption())
            self._next += 1

    def _next_interruption(self) -> int:
        if self._next < len(self._interruptions):
            return self._interruptions[self._next]
        return _NEVER_NS

    def _find_limit(self) -> None:
        """Find the first instant at which more is to be done than to take a row."""
        end_ns = self._windows[self._index].end_ns
        # A row at the very instant was there before.
        self._limit_ns = min(end_ns, self._next_interruption() + 1)

    def _close(self) -> Carry | None:
        found = self._aggregator.finish()
        if found is not None:
            self.aggregates.append(found)
        carry = self._aggregator.carry_out()
        if self._forgets and carry is not None:
            return hold_only(carry, self._aggregator.window.end_ns)
        return carry


def hold_only(carry: Carry, at_ns: int) -> Carry | None:
    """Return what is handed over if it still holds; else nothing."""
    is_known = carry.row.fields.get("state") not in GAPS
    return carry if is_known and carry.expires_ns > at_ns else None


class ValueCounts:
    """Counts the field values of rows, per window and UTC day.

    Attributes:
        rows: How many rows were counted.
    """

    __slots__ = ("_counts", "_end_ns", "_index", "_parts", "_start_ns", "rows")

    def __init__(self, windows: Sequence[Window]) -> None:
        """Start with none."""
        self._parts = [
            (window.start_ns, day_ns, part)
            for window in windows
            for day_ns, part in by_day((window.start_ns, window.end_ns))
        ]
        self._counts = [0] * len(self._parts)
        self._index = 0
        self._start_ns, self._end_ns = self._parts[0][2]
        self.rows = 0

    def add(self, row: Row) -> None:
        """Count a row; faster where it comes soon after the one before."""
        if not self._start_ns <= row.time_ns < self._end_ns:
            self._seek(row.time_ns)
        self.rows += 1
        self._counts[self._index] += len(row.fields)

    def of(self, window: Window) -> dict[int, int]:
        """Return the counts of a window: start of the UTC day to its values."""
        return {
            day_ns: count
            for (start_ns, day_ns, _), count in zip(
                self._parts, self._counts, strict=True
            )
            if start_ns == window.start_ns and count
        }

    def _seek(self, time_ns: int) -> None:
        if time_ns < self._start_ns:
            self._index = 0
        while time_ns >= self._parts[self._index][2][1]:
            self._index += 1
        self._start_ns, self._end_ns = self._parts[self._index][2]

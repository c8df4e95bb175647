"""One run over the local days of one hourly measurement."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
import datetime as dt
import itertools
from typing import Final

from ..models import Point
from ..store.influx.client import InfluxClient
from ..store.query import Row
from .carries import hour_of
from .checkpoint import Checkpoint
from .empty import EmptyTimes
from .hourly import ROWS_AT_ONCE
from .ledger import Ledger
from .made import Made, MadeWindows
from .open_windows import OpenWindows
from .rollup import RollUp
from .rows import Aggregate
from .spans import Span, merge, overlap
from .stream import RowStream, by_group
from .track import ValueCounts
from .windows import Resolution, Window, window_at, windows_between
from .work import Work

# Days made at once: what is read is rolled up as it comes, what is written stays in
# memory, and is compared.
_DAYS_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DaysTask:
    """What is to be done.

    Attributes:
        raw_ledger: That of the rows that the hours were made from.
        oldest_raw_ns: Time of the oldest of them; None if there are none.
        by: Tags that name a series; None for all that it has.
    """

    ledger: Ledger
    target: Ledger
    raw_ledger: Ledger
    open: OpenWindows
    oldest_raw_ns: int | None
    by: tuple[str, ...] | None


class DaysRun:
    """Makes the open days of one ledger; on one thread at a time.

    Attributes:
        rows_read: Of the hourly store.
    """

    def __init__(
        self,
        task: DaysTask,
        made: MadeWindows,
        checkpoint: Checkpoint,
        hourly: InfluxClient,
        *,
        zone: dt.tzinfo,
        work: Work,
        on_done: Callable[[Sequence[Window]], object],
    ) -> None:
        """Prepare; nothing is sent yet."""
        self.rows_read = 0
        self._task = task
        self._made = made
        self._checkpoint = checkpoint
        self._hourly = hourly
        self._zone = zone
        self._work = work
        self._on_done = on_done

    def run(self) -> None:
        """Make all whose hours are proven.

        Raises:
            StoreError: What was recorded before is whole.
        """
        self._made.tell_gone(self._hourly, self._task.open)
        days = self._ready()
        empty = EmptyTimes(
            self._hourly,
            self._checkpoint,
            self._task.ledger,
            never=self._task.open.never,
            until_ns=days[-1].end_ns if days else 0,
            work=self._work,
        )
        is_empty = False
        for some in _in_rows(days):
            if is_empty and empty.take(some):
                self._made.windows += len(some)
            else:
                empty.record()
                is_empty = not self._make_days(some)
            self._on_done(some)
        empty.record()

    def _make_days(self, days: Sequence[Window]) -> int:
        """Make some days; return how many rows they have."""
        # Before the rows are read: what becomes dirty meanwhile stays so.
        mark = self._checkpoint.dirty_mark()
        made = self._make(days, mark)
        self.rows_read += made.counts.rows
        self._made.record(made, self._made.store(made))
        return made.counts.rows

    def _ready(self) -> list[Window]:
        """List the days of which no hour is still to come."""
        task = self._task
        days = task.open.windows
        if not days:
            return []
        span = (days[0].start_ns, days[-1].end_ns)
        missing = self._missing(span)
        return [
            day for day in days if not overlap(missing, [(day.start_ns, day.end_ns)])
        ]

    def _missing(self, span: Span) -> list[Span]:
        """List what of a span has raw rows that are not in their hours."""
        task = self._task
        if task.oldest_raw_ns is None:
            return []
        # Before the first row there is nothing to wait for.
        first_ns = window_at(Resolution.HOUR, task.oldest_raw_ns, self._zone).start_ns
        if first_ns >= span[1]:
            return []
        known = max(span[0], first_ns), span[1]
        return merge(self._checkpoint.unverified(task.raw_ledger, known))

    def _make(self, days: Sequence[Window], mark: int) -> Made:
        counts = ValueCounts(days)
        points: list[Point] = []
        stream = RowStream(
            self._hourly,
            self._task.ledger.measurement,
            by=self._task.by,
            pause=self._work.pause,
        )
        for _, rows in by_group(stream.read(days[0].start_ns, days[-1].end_ns)):
            hours = [hour_of(row) for row in self._counted(rows, counts)]
            for day in days:
                points += self._roll_up(day, hours)
            self._work.check()
        return Made(windows=days, points=points, counts=counts, mark=mark)

    def _counted(self, rows: Iterator[Row], counts: ValueCounts) -> Iterator[Row]:
        for batch in itertools.batched(rows, ROWS_AT_ONCE, strict=False):
            for row in batch:
                counts.add(row)
                yield row
            self._work.check()

    def _roll_up(self, day: Window, hours: Iterable[Aggregate]) -> Iterator[Point]:
        own = [
            hour for hour in hours if day.start_ns <= hour.window.start_ns < day.end_ns
        ]
        if not own:
            return
        roll_up = RollUp(day)
        for hour in self._fitting(day, own):
            roll_up.add(hour)
        if (found := roll_up.finish()) is not None:
            yield replace(found.to_point(), measurement=self._task.target.measurement)

    def _fitting(self, day: Window, hours: Sequence[Aggregate]) -> list[Aggregate]:
        """Leave out hours that overlap those of the home's present time zone.

        They were made when it had another one.
        """
        ends = {
            window.start_ns: window.end_ns
            for window in windows_between(
                Resolution.HOUR, day.start_ns, day.end_ns, self._zone
            )
        }
        right = [
            hour
            for hour in hours
            if ends.get(hour.window.start_ns) == hour.window.end_ns
        ]
        if len(right) == len(hours):
            return right
        taken = [(hour.window.start_ns, hour.window.end_ns) for hour in right]
        for hour in hours:
            span = (hour.window.start_ns, hour.window.end_ns)
            if (
                hour not in right
                and span[1] <= day.end_ns
                and not overlap([span], taken)
            ):
                right.append(hour)
                taken.append(span)
        return sorted(right, key=lambda hour: hour.window.start_ns)


def _in_rows(days: Sequence[Window]) -> Iterator[list[Window]]:
    """Put days together that follow each other."""
    run: list[Window] = []
    for day in days:
        if run and (len(run) >= _DAYS_AT_ONCE or run[-1].end_ns != day.start_ns):
            yield run
            run = []
        run.append(day)
    if run:
        yield run

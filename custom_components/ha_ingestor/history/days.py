"""The rows of one entity on one local day, each window of it from one tier.

| asked for | first choice | then |
|---|---|---|
| changes, 5 minutes | raw rows | hourly rows, daily rows |
| hours | hourly rows; open ones computed from raw rows | daily rows |
| days | daily rows; open ones made of their hours | the archive |

Where no tier has anything, imported hourly means stand in. Blocking, for threads.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
import datetime as dt

from ..models import FieldValue
from ..retention.rollup import RollUp
from ..retention.rows import (
    AVG,
    FIRST,
    LAST,
    ROW_COUNT,
    SAMPLE_COUNT,
    Aggregate,
)
from ..retention.spans import Span
from ..retention.windows import Window
from ..store.query import Row
from .computed import HOUR_NS, RawRows
from .query import Detail, HistorySource, step_ns
from .seams import Seams
from .stored import ByStart


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One window of an answer, or one change.

    Attributes:
        row: The change; None for a window.
        aggregate: What is known of the window; None for a change.
    """

    source: HistorySource
    start_ns: int
    end_ns: int
    aggregate: Aggregate | None = None
    row: Row | None = None

    @property
    def row_count(self) -> int:
        """From how many raw rows it was made."""
        return 0 if self.aggregate is None else _count(self.aggregate)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReader:
    """Reads the days of a block for one entity.

    Attributes:
        daily, hourly: Its stored rows in the block.
        archived, statistics: Give those of the archive, and imported means; read when
            they are first asked for.
        interruptions: Gives the instants after which nothing is known until the next
            row.
    """

    detail: Detail
    zone: dt.tzinfo
    now_ns: int
    seams: Seams
    daily: ByStart
    hourly: ByStart
    raw: RawRows
    archived: Callable[[], ByStart]
    statistics: Callable[[], ByStart]
    interruptions: Callable[[], Sequence[int]]

    def read(self, day: Window) -> Iterator[Found]:
        """Give the rows of a day, oldest first.

        Raises:
            StoreError: See `InfluxClient.query`.
            ArchiveError: The archive is there, but cannot be read.
        """
        if self.detail is Detail.DAY:
            yield from self._day(day)
        elif not self.seams.has_hours(day) and (whole := self._whole(day)):
            yield whole
        elif self.detail is Detail.RAW:
            yield from self._changes(day)
        else:
            yield from self._hours(day)

    def _day(self, day: Window) -> Iterator[Found]:
        found: Found | None = None
        if self.seams.is_open(day) and self.seams.has_hours(day):
            found = self._roll_up(day, self._windows(day, HOUR_NS))
        whole = self._whole(day, is_needed=found is None)
        if whole and (not found or whole.row_count > found.row_count):
            found = whole
        if found is None:
            found = self._roll_up(day, self._imported(day, ()))
        if found is not None:
            yield found

    def _hours(self, day: Window) -> Iterator[Found]:
        windows = self._windows(day, step_ns(self.detail) or HOUR_NS)
        whole = self._whole(day, is_needed=not windows)
        if whole and (
            not windows or whole.row_count > sum(one.row_count for one in windows)
        ):
            yield whole
            return
        windows += self._imported(day, windows)
        yield from sorted(windows, key=lambda one: one.start_ns)

    def _changes(self, day: Window) -> Iterator[Found]:
        changes = self._all_changes(day)
        if (first := next(changes, None)) is not None:
            yield first
            yield from changes
        elif whole := self._whole(day):
            yield whole
        else:
            yield from self._imported(day, ())

    def _all_changes(self, day: Window) -> Iterator[Found]:
        at_ns = day.start_ns
        for span in self._to_compute(day):
            yield from self._stored(at_ns, span[0])
            for item in self.raw.changes(span, self.hourly):
                yield _hourly(item) if isinstance(item, Aggregate) else _change(item)
            at_ns = span[1]
        yield from self._stored(at_ns, day.end_ns)

    def _windows(self, day: Window, step: int) -> list[Found]:
        """List hours, or shorter windows, of raw and hourly rows."""
        spans = self._to_compute(day)
        found = [
            _hourly(hour)
            for start_ns, hour in self.hourly.items()
            if day.start_ns <= start_ns < day.end_ns
            and not any(first <= start_ns < last for first, last in spans)
        ]
        for span in spans:
            for hour in self.raw.hours(
                span, self.hourly, interruptions=self.interruptions(), step_ns=step
            ):
                source = HistorySource.HOURLY if hour.is_stored else HistorySource.RAW
                found += [_window(source, part) for part in hour.parts]
        return _without_overlaps(found)

    def _to_compute(self, day: Window) -> list[Span]:
        return self.seams.to_compute(
            day,
            zone=self.zone,
            now_ns=self.now_ns,
            is_finer=self.detail in {Detail.RAW, Detail.FIVE_MINUTES},
        )

    def _stored(self, start_ns: int, end_ns: int) -> list[Found]:
        return [
            _hourly(self.hourly[at_ns])
            for at_ns in sorted(self.hourly)
            if start_ns <= at_ns < end_ns
        ]

    def _whole(self, day: Window, *, is_needed: bool = True) -> Found | None:
        """Return the stored row of a day.

        Args:
            is_needed: Nothing else is known of it, so that the archive is asked.
        """
        if (daily := self.daily.get(day.start_ns)) is not None:
            return _window(HistorySource.DAILY, daily)
        if not is_needed and self.seams.has_daily(day):
            return None
        if (archived := self.archived().get(day.start_ns)) is not None:
            return _window(HistorySource.ARCHIVE, archived)
        return None

    def _imported(self, day: Window, others: Sequence[Found]) -> list[Found]:
        """List the imported hours of a day of which nothing else is known."""
        return [
            _window(HistorySource.STATISTICS, hour)
            for start_ns, hour in sorted(self.statistics().items())
            if day.start_ns <= start_ns < day.end_ns
            and not any(
                one.start_ns < hour.window.end_ns and start_ns < one.end_ns
                for one in others
            )
        ]

    def _roll_up(self, day: Window, hours: Sequence[Found]) -> Found | None:
        """Make a day of its hours; one that is not over ends now."""
        window = replace(day, end_ns=min(day.end_ns, self.now_ns))
        taken = RollUp(window)
        sources = set()
        for hour in hours:
            # Hours that another time zone has made may reach over the end of the day.
            if hour.aggregate is not None and hour.start_ns < window.end_ns:
                sources.add(hour.source)
                taken.add(_part(hour, window))
        if (found := taken.finish()) is None:
            return None
        if HistorySource.STATISTICS in sources:
            return _window(HistorySource.STATISTICS, _as_imported(found, hours))
        is_raw = sources == {HistorySource.RAW}
        source = HistorySource.RAW if is_raw else HistorySource.HOURLY
        return _window(source, found)


def _part(hour: Found, window: Window) -> Aggregate:
    """Return an hour as a part of a day."""
    aggregate = hour.aggregate
    if aggregate is None:
        raise ValueError("A change is no part of a day")
    if hour.source is not HistorySource.STATISTICS:
        return aggregate
    fields: dict[str, FieldValue] = dict(aggregate.fields)
    if AVG in fields:
        # A mean says nothing of these, and they are left out of the day.
        fields[FIRST] = fields[LAST] = fields[AVG]
    end_ns = min(aggregate.window.end_ns, window.end_ns)
    return replace(
        aggregate, fields=fields, window=replace(aggregate.window, end_ns=end_ns)
    )


def _as_imported(day: Aggregate, hours: Sequence[Found]) -> Aggregate:
    """Leave out of a day of imported hours what these do not know."""
    unknown = {ROW_COUNT, SAMPLE_COUNT, FIRST, LAST}
    fields = {name: value for name, value in day.fields.items() if name not in unknown}
    readings = [
        last
        for hour in hours
        if hour.aggregate and (last := hour.aggregate.number(LAST)) is not None
    ]
    if readings:
        fields[LAST] = readings[-1]
    return replace(day, fields=fields)


def _without_overlaps(windows: list[Found]) -> list[Found]:
    """Leave out windows that begin before another one has ended.

    The home has moved to another time zone: its hours were others before.
    """
    kept: list[Found] = []
    for window in sorted(windows, key=lambda one: one.start_ns):
        if not kept or kept[-1].end_ns <= window.start_ns:
            kept.append(window)
    return kept


def _window(source: HistorySource, aggregate: Aggregate) -> Found:
    window = aggregate.window
    return Found(
        source=source,
        start_ns=window.start_ns,
        end_ns=window.end_ns,
        aggregate=aggregate,
    )


def _hourly(aggregate: Aggregate) -> Found:
    return _window(HistorySource.HOURLY, aggregate)


def _change(row: Row) -> Found:
    return Found(
        source=HistorySource.RAW, start_ns=row.time_ns, end_ns=row.time_ns, row=row
    )


def _count(aggregate: Aggregate) -> int:
    return round(aggregate.number(ROW_COUNT) or 0.0)

"""From the aggregates of the hours of a day to that of the day.

What comes out is what the raw rows of the whole day would have given: counts,
extremes and durations are equal, means and energy to 1e-9. Hours that are missing
are hours of which nothing is known.
"""

from collections.abc import Sequence

from ..errors import StoreProtocolError
from ..models import FieldValue, Tags
from .parts import Context, Energy, Numbers, States
from .rows import (
    COVERED,
    ENDS_UNKNOWN,
    MEAN_FIELDS,
    ROW_COUNT,
    SAMPLE_COUNT,
    WINDOW_LENGTH,
    Aggregate,
    prefer,
    to_seconds,
)
from .windows import NS_PER_S, Window


class RollUp:
    """Takes the aggregates of one entity in one window, oldest first.

    No thread of its own: one thread at a time.
    """

    def __init__(
        self, window: Window, *, mean_fields: Sequence[str] = MEAN_FIELDS
    ) -> None:
        """Start with nothing."""
        self.window = window
        self._end_ns = window.start_ns
        self._row_count = 0
        self._sample_count = 0
        self._covered_ns = 0
        self._ends_unknown = True
        self._tags: Tags | None = None
        self._pending: Aggregate | None = None
        self._numbers = Numbers(window)
        self._states = States()
        self._energy = Energy()
        self._context = Context(window, mean_fields)

    def add(self, aggregate: Aggregate) -> None:
        """Take the aggregate of the next part; of two of one part, see `prefer`.

        Raises:
            StoreProtocolError: It is not in the window, or overlaps another part.
        """
        part, pending = aggregate.window, self._pending
        if pending is not None and part == pending.window:
            self._pending = prefer(pending, aggregate)
            return
        if not self._end_ns <= part.start_ns < part.end_ns <= self.window.end_ns:
            raise StoreProtocolError("Aggregates overlap, or are out of the window")
        self._merge_pending()
        self._end_ns = part.end_ns
        self._pending = aggregate

    def finish(self) -> Aggregate | None:
        """Return what is known of the window; None if nothing is."""
        self._merge_pending()
        if self._tags is None:
            return None
        window = self.window
        fields: dict[str, FieldValue] = {
            ROW_COUNT: float(self._row_count),
            SAMPLE_COUNT: float(self._sample_count),
            COVERED: to_seconds(self._covered_ns),
        }
        if window.length_ns != window.resolution.nominal_s * NS_PER_S:
            fields[WINDOW_LENGTH] = to_seconds(window.length_ns)
        if self._ends_unknown or self._end_ns < window.end_ns:
            fields[ENDS_UNKNOWN] = True
        self._numbers.write(fields, self._covered_ns)
        self._energy.write(fields)
        self._states.write(fields)
        self._context.write(fields, self._covered_ns)
        return Aggregate(window=window, tags=dict(self._tags), fields=fields)

    def _merge_pending(self) -> None:
        aggregate, self._pending = self._pending, None
        if aggregate is None:
            return
        self._tags = aggregate.tags
        self._row_count += round(aggregate.number(ROW_COUNT) or 0.0)
        self._sample_count += round(aggregate.number(SAMPLE_COUNT) or 0.0)
        self._covered_ns += aggregate.duration_ns(COVERED) or 0
        self._ends_unknown = aggregate.fields.get(ENDS_UNKNOWN) is True
        self._numbers.merge(aggregate)
        self._states.merge(aggregate)
        self._energy.merge(aggregate)
        self._context.merge(aggregate)

"""Raw rows of one entity: as they are, or as windows that are computed on the way.

A stored hour that was made from more rows than are there now is believed, and what
follows it goes on from it: its rows are gone, or on their way out. Blocking, for
threads.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
import datetime as dt
from typing import Final

from ..const import MEASUREMENT_EVENTS, MEASUREMENT_HOURLY
from ..retention.aggregate import Aggregator
from ..retention.carry import MAX_CARRY, Carry
from ..retention.rows import ROW_COUNT, Aggregate
from ..retention.spans import Span
from ..retention.stores import TierStores
from ..retention.stream import RowStream
from ..retention.tiers import Tier
from ..retention.windows import (
    NS_PER_DAY,
    NS_PER_S,
    Resolution,
    Window,
    duration_ns,
    window_at,
)
from ..store.query import Row
from .carries import MAX_LOOK_BACK_NS, find_carry, restore, tells_report
from .run import Run
from .stored import ByStart, StoredRows, put, to_aggregate

HOUR_NS: Final = 3_600 * NS_PER_S
_MAX_CARRY_NS: Final = duration_ns(MAX_CARRY)
# The hour of the last state that may hold, wherever in it that came.
_HOLDS_NS: Final = _MAX_CARRY_NS + NS_PER_DAY
# Changes of an hour that are held back until it is clear that all are there.
_MAX_HELD: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """What is known of an hour.

    Attributes:
        parts: The hour, or shorter windows of it, oldest first.
        is_stored: It is the row of the hourly tier.
    """

    window: Window
    parts: Sequence[Aggregate]
    is_stored: bool


class RawRows:
    """The raw rows of one entity; of one run, on its thread."""

    def __init__(
        self,
        stores: TierStores,
        stored: StoredRows,
        entity_id: str,
        *,
        zone: dt.tzinfo,
        now_ns: int,
        run: Run,
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._stored = stored
        self._zone = zone
        self._now_ns = now_ns
        self._run = run

        def stream(tier: Tier, measurement: str) -> RowStream:
            return RowStream(
                stores.client(tier),
                measurement,
                by=("entity_id",),
                tags={"entity_id": entity_id},
                pause=run.pause,
            )

        self._stream = stream(Tier.RAW, MEASUREMENT_EVENTS)
        self._hourly = stream(Tier.HOURLY, MEASUREMENT_HOURLY)
        # Stored hours before the present one, as far back as a state may hold.
        self._seen: list[Aggregate] = []
        # What held at an instant: that at which the last span has ended.
        self._carry: tuple[int, Carry | None, bool] | None = None

    def hours(
        self,
        span: Span,
        stored: ByStart,
        *,
        interruptions: Sequence[int],
        step_ns: int = HOUR_NS,
    ) -> Iterator[Hour]:
        """Compute the hours of a span; those of which nothing is known are left out.

        Args:
            span: From the begin of an hour to the end of one, or to now.
            stored: Hours of the hourly tier.
            interruptions: Instants after which nothing is known until the next row,
                oldest first.
            step_ns: Nominal length of the windows; shorter than an hour for parts.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        rows = _Ahead(self._read(span))
        carry, is_certain = self._carry_at(span[0], interruptions)
        at_ns = span[0]
        while at_ns < span[1]:
            self._run.check()
            at_ns = self._next_ns(at_ns, span[1], rows, carry, stored)
            if at_ns >= span[1]:
                break
            hour = window_at(Resolution.HOUR, at_ns, self._zone)
            parts, carry = self._compute(hour, rows, carry, interruptions, step_ns)
            kept = stored.get(hour.start_ns)
            if kept is not None:
                self._see(kept)
            if kept is not None and self._is_better(kept, parts, is_certain=is_certain):
                yield Hour(window=kept.window, parts=[kept], is_stored=True)
                carry = restore(
                    self._seen, start_ns=hour.end_ns, interruptions=interruptions
                )
                is_certain = tells_report(self._seen)
            elif any(map(_count, parts)):
                is_certain = True
                yield Hour(window=hour, parts=parts, is_stored=False)
            elif parts and is_certain:
                yield Hour(window=hour, parts=parts, is_stored=False)
            at_ns = hour.end_ns
        self._carry = (span[1], carry, is_certain)

    def changes(self, span: Span, stored: ByStart) -> Iterator[Row | Aggregate]:
        """Read the rows of a span; where some are gone, the stored hour instead.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        rows = _Ahead(self._read(span))
        hours = sorted(start_ns for start_ns in stored if span[0] <= start_ns < span[1])
        for start_ns in hours:
            hour = stored[start_ns]
            yield from rows.until(start_ns)
            held: list[Row] = []
            wanted = min(_count(hour), _MAX_HELD)
            inside = rows.until(hour.window.end_ns)
            for row in inside:
                held.append(row)
                if len(held) >= wanted:
                    break
            if len(held) < wanted:
                yield hour
            else:
                yield from held
                yield from inside
        yield from rows.until(span[1])

    def _read(self, span: Span) -> Iterator[Row]:
        oldest_ns = self._stored.oldest_ns(Tier.RAW, MEASUREMENT_EVENTS)
        if oldest_ns is None or span[1] <= oldest_ns:
            return
        for piece in self._stream.read(*span):
            self._run.check()
            yield from piece.rows

    def _next_ns(
        self,
        at_ns: int,
        end_ns: int,
        rows: _Ahead,
        carry: Carry | None,
        stored: Mapping[int, Aggregate],
    ) -> int:
        """Return the begin of the next hour of which something may be known."""
        if at_ns in stored or (carry is not None and carry.expires_ns > at_ns):
            return at_ns
        candidates = [end_ns]
        if (time_ns := rows.next_ns) is not None:
            hour = window_at(Resolution.HOUR, time_ns, self._zone)
            candidates.append(max(hour.start_ns, at_ns))
        candidates += [start_ns for start_ns in stored if start_ns >= at_ns]
        return min(candidates)

    def _compute(
        self,
        hour: Window,
        rows: _Ahead,
        carry: Carry | None,
        interruptions: Sequence[int],
        step_ns: int,
    ) -> tuple[list[Aggregate], Carry | None]:
        found: list[Aggregate] = []
        for part in self._parts(hour, step_ns):
            aggregator = Aggregator(part, carry=carry)
            for at_ns in interruptions:
                if part.start_ns <= at_ns < part.end_ns:
                    # A row at the very instant was there before.
                    for row in rows.until(at_ns + 1):
                        aggregator.add(row)
                    aggregator.interrupt(at_ns)
            for row in rows.until(part.end_ns):
                aggregator.add(row)
            aggregate = aggregator.finish()
            if aggregate is not None:
                found.append(aggregate)
            carry = aggregator.carry_out()
            cut_ns = part.end_ns + _MAX_CARRY_NS
            if carry is not None and carry.expires_ns == cut_ns:
                # It holds as long as if the hour had not been cut into parts.
                carry = replace(carry, expires_ns=hour.end_ns + _MAX_CARRY_NS)
        return found, carry

    def _parts(self, hour: Window, step_ns: int) -> Iterator[Window]:
        at_ns, end_ns = hour.start_ns, min(hour.end_ns, self._now_ns)
        while at_ns < end_ns:
            next_ns = min(at_ns + step_ns, end_ns)
            yield Window(start_ns=at_ns, end_ns=next_ns, resolution=Resolution.HOUR)
            at_ns = next_ns

    def _see(self, hour: Aggregate) -> None:
        """Remember a stored hour, and forget those that do not matter any more."""
        since_ns = hour.window.start_ns - 2 * _HOLDS_NS
        if self._seen and self._seen[0].window.start_ns < since_ns:
            since_ns += _HOLDS_NS
            self._seen = [one for one in self._seen if one.window.start_ns >= since_ns]
        self._seen.append(hour)

    @staticmethod
    def _is_better(
        stored: Aggregate, parts: Sequence[Aggregate], *, is_certain: bool
    ) -> bool:
        """Whether a stored hour knows more than what was computed of it."""
        count, computed_count = _count(stored), sum(map(_count, parts))
        if not parts or count > computed_count:
            return True
        # What held before it was not to be found, but may have been then.
        return count == computed_count and not is_certain

    def _carry_at(
        self, start_ns: int, interruptions: Sequence[int]
    ) -> tuple[Carry | None, bool]:
        """Return what a span starts with, and whether nothing before is missing."""
        if self._carry is not None and self._carry[0] == start_ns:
            return self._carry[1:]
        hours = self._seen = self._hours_before(start_ns)
        oldest_ns = self._stored.oldest_ns(Tier.RAW, MEASUREMENT_EVENTS)
        if oldest_ns is None or oldest_ns >= start_ns:
            carry = restore(hours, start_ns=start_ns, interruptions=interruptions)
            return carry, tells_report(hours)
        return find_carry(
            self._stream,
            hours,
            start_ns=start_ns,
            zone=self._zone,
            interruptions=interruptions,
        )

    def _hours_before(self, start_ns: int) -> list[Aggregate]:
        oldest_ns = self._stored.oldest_ns(Tier.HOURLY, MEASUREMENT_HOURLY)
        if oldest_ns is None or oldest_ns >= start_ns:
            return []
        hours = self._read_hours(start_ns - _HOLDS_NS, start_ns)
        if not hours:
            # The reading of a counter that was not there for long.
            last = self._hourly.last_rows(start_ns, start_ns - MAX_LOOK_BACK_NS)
            for row in last.values():
                hours = self._read_hours(row.time_ns - _HOLDS_NS, row.time_ns + 1)
        return [hours[at_ns] for at_ns in sorted(hours)]

    def _read_hours(self, start_ns: int, end_ns: int) -> ByStart:
        hours: ByStart = {}
        for piece in self._hourly.read(start_ns, end_ns):
            for row in piece.rows:
                put(hours, to_aggregate(Resolution.HOUR, row))
        return hours


class _Ahead:
    """Rows of which the next one can be looked at."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    @property
    def next_ns(self) -> int | None:
        """Time of the next row; None after the last."""
        return None if self._next is None else self._next.time_ns

    def until(self, end_ns: int) -> Iterator[Row]:
        """Give the rows before an instant."""
        while self._next is not None and self._next.time_ns < end_ns:
            row, self._next = self._next, next(self._rows, None)
            yield row


def _count(aggregate: Aggregate) -> int:
    return round(aggregate.number(ROW_COUNT) or 0.0)

"""What held before a span of raw rows: from the rows before it, or from their hours.

Blocking, for threads.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
import datetime as dt
from typing import Final

from ..retention.aggregate import GAPS, Aggregator
from ..retention.carry import MAX_CARRY, Carry, restore_carry
from ..retention.quantities import Quantity, nature_of
from ..retention.rows import ROW_COUNT, Aggregate
from ..retention.stream import RowStream
from ..retention.windows import (
    NS_PER_DAY,
    Resolution,
    Window,
    duration_ns,
    window_at,
)
from ..store.query import Row

# How far back it is looked for the reading of a counter that was not there for long.
# A state holds for MAX_CARRY only.
MAX_LOOK_BACK_NS: Final = 90 * NS_PER_DAY
# Gaps in a row, one after another, that are looked behind.
_MAX_STEPS: Final = 50


def restore(
    hours: Sequence[Aggregate], *, start_ns: int, interruptions: Sequence[int]
) -> Carry | None:
    """Return what a span starts with as far as the hours before it tell.

    The hours between the last of them and the span have no rows yet: what held then
    goes on holding.
    """
    if not hours:
        return None
    known_ns = hours[-1].window.end_ns
    carry = restore_carry(hours, start_ns=known_ns)
    return _interrupted(carry, known_ns, start_ns, interruptions)


def find_carry(
    stream: RowStream,
    hours: Sequence[Aggregate],
    *,
    start_ns: int,
    zone: dt.tzinfo,
    interruptions: Sequence[int],
) -> tuple[Carry | None, bool]:
    """Return what a span starts with, and whether nothing before it is missing.

    Args:
        stream: The raw rows of one entity.
        hours: Its hourly rows before the span, oldest first: at least those in which
            its last state may have come.
        start_ns: Begin of the span: that of a local hour.
        interruptions: Instants after which nothing is known until the next row.

    Raises:
        StoreError: See `InfluxClient.query`.
    """
    rows = _last_rows(stream, start_ns)
    newest_ns = rows[-1].time_ns if rows else 0
    if not rows or _have_later_rows(hours, newest_ns):
        # The raw rows of some day after them are gone.
        carry = restore(hours, start_ns=start_ns, interruptions=interruptions)
        return carry, tells_report(hours)
    begin_ns = window_at(Resolution.HOUR, rows[0].time_ns, zone).start_ns
    before = [hour for hour in hours if hour.window.end_ns <= begin_ns]
    aggregator = Aggregator(
        Window(start_ns=begin_ns, end_ns=start_ns, resolution=Resolution.HOUR),
        carry=restore_carry(before, start_ns=begin_ns),
    )
    for row in rows:
        aggregator.add(row)
    aggregator.finish()
    hour = window_at(Resolution.HOUR, newest_ns, zone)
    carry = _interrupted(
        aggregator.carry_out(),
        newest_ns,
        start_ns,
        interruptions,
        expires_ns=hour.end_ns + duration_ns(MAX_CARRY),
    )
    return carry, bool(before) or any(map(_says_all, rows))


def _interrupted(
    carry: Carry | None,
    known_ns: int,
    start_ns: int,
    interruptions: Sequence[int],
    *,
    expires_ns: int | None = None,
) -> Carry | None:
    """Let what is carried end where it was interrupted after it was known.

    Args:
        expires_ns: Until when it holds if nothing interrupts it; None for what it
            says itself.
    """
    ends = [at_ns for at_ns in interruptions if known_ns <= at_ns < start_ns]
    return carry and replace(
        carry, expires_ns=min([expires_ns or carry.expires_ns, *ends])
    )


def tells_report(hours: Iterable[Aggregate]) -> bool:
    """Whether hours tell when what holds was reported, and so for how long it does."""
    return any(hour.number(ROW_COUNT) for hour in hours)


def _have_later_rows(hours: Iterable[Aggregate], newest_ns: int) -> bool:
    return any(
        hour.window.start_ns > newest_ns and hour.number(ROW_COUNT) for hour in hours
    )


def _last_rows(stream: RowStream, before_ns: int) -> list[Row]:
    """Return the rows from the last one on that says all there is to know."""
    rows: list[Row] = []
    since_ns = before_ns - MAX_LOOK_BACK_NS
    for _ in range(_MAX_STEPS):
        found = stream.last_rows(before_ns, since_ns)
        if not found:
            break
        (row,) = found.values()
        before_ns = row.time_ns
        # Rows of one instant may be in several series.
        instant = [
            other
            for piece in stream.read(before_ns, before_ns + 1)
            for other in piece.rows
        ]
        rows = instant + rows
        if any(map(_says_all, instant)):
            break
    return rows


def _says_all(row: Row) -> bool:
    """Whether nothing before a row matters any more."""
    state = row.fields.get("state")
    if state in GAPS:
        return False
    quantity = nature_of(row.tags).quantity
    if quantity in {Quantity.COUNTER, Quantity.BALANCE}:
        return isinstance(row.fields.get("value"), float)
    return True

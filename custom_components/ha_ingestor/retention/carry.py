"""What one window hands to the next."""

from collections.abc import Iterable
from dataclasses import dataclass
import datetime as dt
from typing import Final

from ..models import ContextField, FieldValue
from ..store.query import Row
from .parts import switch_value
from .quantities import Quantity, nature_of
from .rows import (
    AVG,
    ENDS_UNKNOWN,
    LAST,
    LAST_STATE,
    MEAN_FIELDS,
    ROW_COUNT,
    Aggregate,
    mean_name,
)
from .windows import duration_ns

# As long as raw rows are kept by default, so that what a window needs from before it
# is still there as long as the window itself can be made again.
MAX_CARRY: Final = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The last reading of an energy counter.

    Attributes:
        price, intensity: What held then; None where it was not known.
    """

    kwh: float
    price: float | None
    intensity: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Carry:
    """What one window hands to the next.

    Attributes:
        row: The last row, whenever it was.
        expires_ns: Until when its state holds.
        last_state: The last known state that is no number; None if a number or
            nothing came last.
        reading: For energy counters.
    """

    row: Row
    expires_ns: int
    last_state: str | None = None
    reading: Reading | None = None


def restore_carry(
    hours: Iterable[Aggregate], *, start_ns: int, max_carry: dt.timedelta = MAX_CARRY
) -> Carry | None:
    """Make what a window starts with of the aggregates before it.

    For when neither the window before nor its raw rows are at hand. It is what the
    window before handed over, but for two things that aggregates do not hold: the
    context of the last row, for which its last mean stands in, and whether a counter
    was removed.

    Args:
        hours: Of one entity, oldest first. As far back as the state may hold; what
            holds throughout them counts as reported in the first one.
        start_ns: Start of the window; what ends before it holds no more.

    Returns:
        None if there are no aggregates.
    """
    newest: Aggregate | None = None
    numeric: Aggregate | None = None
    last_state: str | None = None
    reported_ns: int | None = None
    for newest in hours:
        if reported_ns is None or newest.number(ROW_COUNT):
            reported_ns = newest.window.end_ns
        has_number = newest.number(AVG) is not None
        if has_number:
            numeric = newest
        if (state := newest.text(LAST_STATE)) is not None or has_number:
            last_state = state
    if newest is None or reported_ns is None:
        return None
    expires_ns = reported_ns + duration_ns(max_carry)
    if newest.fields.get(ENDS_UNKNOWN) is True:
        expires_ns = newest.window.start_ns
    elif newest.window.end_ns < start_ns:
        expires_ns = newest.window.end_ns
    return Carry(
        row=_last_row(newest, last_state, numeric),
        expires_ns=expires_ns,
        last_state=last_state,
        reading=None if numeric is None else _reading_of(numeric),
    )


def _last_row(
    newest: Aggregate, last_state: str | None, numeric: Aggregate | None
) -> Row:
    """Return a row as the last one may have been."""
    fields: dict[str, FieldValue] = {
        name: value
        for name in MEAN_FIELDS
        if (value := newest.number(mean_name(name))) is not None
    }
    value = None if numeric is None else numeric.number(LAST)
    if last_state is not None:
        fields["state"] = last_state
        value = switch_value(last_state)
        if value is None and nature_of(newest.tags).is_tracker:
            # Another zone than home.
            value = 0.0
    elif value is None:
        fields["state"] = "unknown"
    if value is not None:
        fields["value"] = value
    return Row(time_ns=newest.window.start_ns, tags=newest.tags, fields=fields)


def _reading_of(numeric: Aggregate) -> Reading | None:
    nature, value = nature_of(numeric.tags), numeric.number(LAST)
    if value is None or nature.quantity not in {Quantity.COUNTER, Quantity.BALANCE}:
        return None
    return Reading(
        kwh=value * nature.factor,
        price=numeric.number(mean_name(ContextField.ELECTRICITY_PRICE)),
        intensity=numeric.number(mean_name(ContextField.CARBON_INTENSITY)),
    )

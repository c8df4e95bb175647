"""From the rows of one entity to what they say about a window.

Home Assistant reports changes, so a row says what holds *from* its time on. All
statistics are of that step function over the window, not of the samples: a value
counts for as long as it held. These are the rules:

- **Carried in.** What held before the window holds in it until the first row. A
  window without rows has an aggregate as long as something holds.
- **How long.** A state holds until the entity's next row, but no longer than
  `MAX_CARRY` after the end of the window in which its row came: a device that died
  without a word must not heat the house for ever.
- **Gaps.** `unavailable`, `unknown` and a removal end what held; no time is counted
  until the next known state. So does `interrupt`, for times at which Home Assistant
  was not running.
- **Energy counters** count across gaps, however long: the difference of two readings
  is energy that was used, and belongs to the window of the second one. A removal
  ends that, too.
- **State changes** are between known states; a gap between two equal ones is none.
- **Cost and carbon** of a part of the window is its energy at the price and the
  intensity that held then; for a counter, at its reading before, or at the reading
  itself where the former had none. Energy without a known price has no cost.
- **One instant, one sample.** Rows of the same time (an area that changed makes a
  second series) are one: a known state before a gap, else the greater in the order
  of tags and fields, whichever the order in which they come. All are counted in
  `row_count`.
- **Units.** The aggregate is in the unit of its last number. What was measured in
  another is converted; where that is not possible, its numbers are left out. Energy
  is always kWh.
- **Text.** Up to `MAX_STATES` states of a window are told apart, and the durations of
  the `MAX_DURATIONS` longest are kept. Rolled up, they are exact as long as no
  window has more.

Memory is bounded: a few hundred bytes for most entities, whatever the number of rows.
Arithmetic: durations are whole nanoseconds, sums do not depend on the number of
terms, and a mean can be made of the largest numbers there are.
"""

from collections.abc import Sequence
import datetime as dt
import math
from typing import Final

from ..errors import StoreProtocolError
from ..models import ContextField, Fields, FieldValue, Tags
from ..store.query import Row
from .carry import MAX_CARRY, Carry, Reading
from .parts import Context, Energy, Numbers, States
from .quantities import Quantity, increase, nature_of
from .rows import (
    COVERED,
    ENDS_UNKNOWN,
    MEAN_FIELDS,
    ROW_COUNT,
    SAMPLE_COUNT,
    WINDOW_LENGTH,
    Aggregate,
    to_seconds,
)
from .windows import NS_PER_S, Window, duration_ns

REMOVED: Final = "removed"
GAPS: Final = frozenset({"unavailable", "unknown", "", REMOVED})
# What the text of a number begins with. States that have a value and are no number,
# such as "on", begin with a letter.
_NUMBER_STARTS: Final = frozenset("+-.0123456789")
_NS_PER_HOUR: Final = 3_600 * NS_PER_S


class Aggregator:
    """Takes the rows of one entity in one window, oldest first.

    No thread of its own: one thread at a time.
    """

    def __init__(
        self,
        window: Window,
        *,
        carry: Carry | None = None,
        mean_fields: Sequence[str] = MEAN_FIELDS,
        max_carry: dt.timedelta = MAX_CARRY,
    ) -> None:
        """Start with what held before.

        Args:
            mean_fields: Context fields to make means of.
            max_carry: See the rules; at least 25 hours, so that no state ends in the
                window that its row came in.
        """
        self.window = window
        self._max_carry_ns = duration_ns(max_carry)
        self._at_ns = window.start_ns
        self._row_count = 0
        self._sample_count = 0
        self._covered_ns = 0
        self._numbers = Numbers(window)
        self._states = States()
        self._energy = Energy()
        self._context = Context(window, mean_fields)
        self._nature = nature_of({})
        self._nature_tags: Tags = {}
        self._is_known = False
        self._value: float | None = None  # set while a number holds
        self._state: str | None = None  # set while a state that is no number holds
        self._reading: Reading | None = None
        self._price: float | None = None
        self._intensity: float | None = None
        self._pending: Row | None = None
        self._last_row: Row | None = None
        self._expires_ns: int | None = None
        if carry is not None:
            self._take_over(carry)

    def add(self, row: Row) -> None:
        """Take the next row.

        Raises:
            StoreProtocolError: It is not in the window, or older than the last.
        """
        time_ns = row.time_ns
        pending = self._pending
        self._row_count += 1
        if pending is None:
            if not self._at_ns <= time_ns < self.window.end_ns:
                raise StoreProtocolError("A row is not in the window asked for")
        elif time_ns == pending.time_ns:
            row = max(pending, row, key=_rank)
        elif pending.time_ns < time_ns < self.window.end_ns:
            self._apply(pending)
        else:
            raise StoreProtocolError("Rows come in another order than asked for")
        self._pending = row

    def interrupt(self, at_ns: int) -> None:
        """Say that from now on nothing is known until the next row.

        Raises:
            StoreProtocolError: A later row was there before.
        """
        self._apply_pending()
        if not self._at_ns <= at_ns <= self.window.end_ns:
            raise StoreProtocolError("An interruption is not in the window")
        self._advance(at_ns)
        self._forget()
        # Not even until the next window.
        self._expires_ns = at_ns

    def finish(self) -> Aggregate | None:
        """Return what is known of the window; None if nothing is.

        No row can be added any more.
        """
        self._apply_pending()
        self._advance(self.window.end_ns)
        last_row = self._last_row
        if last_row is None or not (self._row_count or self._covered_ns):
            return None
        fields: dict[str, FieldValue] = {
            ROW_COUNT: float(self._row_count),
            SAMPLE_COUNT: float(self._sample_count),
            COVERED: to_seconds(self._covered_ns),
        }
        window = self.window
        if window.length_ns != window.resolution.nominal_s * NS_PER_S:
            fields[WINDOW_LENGTH] = to_seconds(window.length_ns)
        if not self._is_known:
            fields[ENDS_UNKNOWN] = True
        self._numbers.write(fields, self._covered_ns)
        self._energy.write(fields)
        self._states.write(fields)
        self._context.write(fields, self._covered_ns)
        return Aggregate(window=window, tags=dict(last_row.tags), fields=fields)

    def carry_out(self) -> Carry | None:
        """Return what the next window starts with; after `finish`."""
        if self._last_row is None:
            return None
        expires_ns = self._expires_ns
        if expires_ns is None:
            expires_ns = self.window.end_ns + self._max_carry_ns
        return Carry(
            row=self._last_row,
            expires_ns=expires_ns,
            last_state=self._states.last,
            reading=self._reading,
        )

    def _take_over(self, carry: Carry) -> None:
        self._last_row = carry.row
        self._expires_ns = carry.expires_ns
        self._reading = carry.reading
        self._states.last = carry.last_state
        if carry.expires_ns > self.window.start_ns:
            self._hold(carry.row)

    def _apply_pending(self) -> None:
        if (pending := self._pending) is not None:
            self._pending = None
            self._apply(pending)

    def _apply(self, row: Row) -> None:
        """Let a row of the window hold from its time on."""
        self._advance(row.time_ns)
        self._expires_ns = None
        self._last_row = row
        before = self._reading
        self._hold(row)
        if not self._is_known:
            return
        self._sample_count += 1
        if self._state is not None:
            self._states.change_to(self._state)
        elif before is not None:
            self._count_increase(before)

    def _hold(self, row: Row) -> None:
        """Take what a row says, without counting it."""
        fields = row.fields
        state = fields.get("state")
        value = fields.get("value")
        self._value = self._state = None
        if state is None:
            self._is_known = value is not None
        else:
            self._is_known = state not in GAPS
        if not self._is_known:
            if state == REMOVED:
                self._reading = None
            return
        if row.tags != self._nature_tags:
            self._nature_tags = row.tags
            self._nature = nature_of(row.tags)
        self._context.hold(fields)
        if isinstance(value, float) and self._is_number(state, value):
            self._hold_number(value, fields)
        else:
            self._state = str(state)
            self._states.hold(is_on=self._nature.is_on(self._state, value))

    def _is_number(self, state: FieldValue | None, value: float) -> bool:
        """Tell a number from the value of a state such as "on"."""
        if not math.isfinite(value):
            return False
        if state is None:
            return True
        return str(state)[0] in _NUMBER_STARTS and not self._nature.is_tracker

    def _hold_number(self, value: float, fields: Fields) -> None:
        self._value = value
        self._states.last = None
        self._numbers.use_unit(self._nature.unit)
        if self._nature.quantity is None:
            return
        self._price = _number(fields, ContextField.ELECTRICITY_PRICE)
        self._intensity = _number(fields, ContextField.CARBON_INTENSITY)
        if self._nature.quantity is not Quantity.POWER:
            self._reading = Reading(
                kwh=value * self._nature.factor,
                price=self._price,
                intensity=self._intensity,
            )

    def _count_increase(self, before: Reading) -> None:
        """Add the energy between two readings."""
        now, quantity = self._reading, self._nature.quantity
        # The same object: the row that came is no reading.
        if now is None or now is before or quantity is None:
            return
        kwh = increase(quantity, before.kwh, now.kwh)
        price = now.price if before.price is None else before.price
        intensity = now.intensity if before.intensity is None else before.intensity
        self._energy.add(kwh, price, intensity)

    def _advance(self, until_ns: int) -> None:
        """Let what holds hold until then."""
        if self._is_known:
            end_ns = until_ns
            if self._expires_ns is not None and self._expires_ns < until_ns:
                end_ns = self._expires_ns
            span_ns = end_ns - self._at_ns
            if span_ns > 0:
                self._count(span_ns)
            if end_ns < until_ns:
                self._forget()
        self._at_ns = until_ns

    def _count(self, span_ns: int) -> None:
        self._covered_ns += span_ns
        self._context.advance(span_ns)
        if self._state is not None:
            self._states.advance(self._state, span_ns)
        elif self._value is not None:
            self._count_number(self._value, span_ns)

    def _count_number(self, value: float, span_ns: int) -> None:
        self._numbers.advance(value, span_ns)
        quantity = self._nature.quantity
        if quantity is Quantity.POWER:
            kwh = value * self._nature.factor * (span_ns / _NS_PER_HOUR)
            self._energy.add(kwh, self._price, self._intensity)
        elif quantity is not None:
            self._energy.know()

    def _forget(self) -> None:
        self._is_known = False
        self._value = self._state = None


def _number(fields: Fields, name: str) -> float | None:
    value = fields.get(name)
    return value if isinstance(value, float) else None


def _rank(row: Row) -> tuple[bool, list[tuple[str, str]], list[tuple[str, str]]]:
    """Order rows of one instant, whichever came first."""
    return (
        row.fields.get("state") not in GAPS,
        sorted(row.tags.items()),
        sorted((name, repr(value)) for name, value in row.fields.items()),
    )

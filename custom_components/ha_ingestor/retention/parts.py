"""The parts of an aggregate: numbers, states, energy, context.

Each takes spans of time from rows, or the same from aggregates of parts of the
window, and writes its fields.
"""

from collections.abc import Mapping, Sequence
import math
from typing import Final

import orjson

from ..errors import StoreProtocolError
from ..models import Fields, FieldValue
from .quantities import Conversion, conversion
from .rows import (
    AVG,
    CARBON,
    CHANGES,
    COST,
    COVERED,
    DURATIONS,
    ENERGY,
    FIRST,
    LAST,
    LAST_STATE,
    MAX,
    MIN,
    ON_TIME,
    TOP_STATE,
    TOP_STATE_TIME,
    VALUE_TIME,
    Aggregate,
    mean_name,
    mean_time_name,
    to_seconds,
    to_whole_ns,
)
from .sums import ExactSum
from .windows import Window

# Told apart in one window. What has more is no state but free text, such as a time.
MAX_STATES: Final = 256
# Kept of them; a day of a media player has fewer.
MAX_DURATIONS: Final = 16

# The state that `on_seconds` counts, and its opposite.
_OPPOSITES: Final[Mapping[str, str]] = {
    "on": "off",
    "open": "closed",
    "home": "not_home",
    "locked": "unlocked",
    "above_horizon": "below_horizon",
}
_ON_STATES: Final[Mapping[str, str]] = {
    **{state: state for state in _OPPOSITES},
    **{opposite: state for state, opposite in _OPPOSITES.items()},
}


class Mean:
    """A time-weighted mean; equal values in a row cost nothing.

    Weights are at most a quarter, so that no sum of products leaves the range of a
    float, whatever the values.
    """

    __slots__ = ("_run_ns", "_run_value", "_sum", "_weight", "held_ns", "high", "low")

    def __init__(self, window: Window) -> None:
        """Start without a value."""
        self._weight = 0.25 / window.length_ns
        self._sum = ExactSum()
        self._run_value = 0.0
        self._run_ns = 0
        self.held_ns = 0
        self.low = math.inf
        self.high = -math.inf

    def add(self, value: float, span_ns: int) -> None:
        """Let a value hold for a time."""
        if value == self._run_value:
            self._run_ns += span_ns
            return
        self._end_run()
        self._run_value = value
        self._run_ns = span_ns

    def value(self) -> float | None:
        """Return the mean; None if nothing held."""
        self._end_run()
        if not self.held_ns:
            return None
        if self.low == self.high:
            # Without rounding, which would also cost bytes in the store.
            return self.low
        total = self._sum.total()
        if total is None:
            return None
        return min(max(total / (self.held_ns * self._weight), self.low), self.high)

    def rescale(self, way: Conversion) -> None:
        """Convert what held so far to another unit."""
        self._end_run()
        if self.held_ns:
            self._sum.scale(way.factor)
            self._sum.add(way.offset * (self.held_ns * self._weight))
            self.low = way.convert(self.low)
            self.high = way.convert(self.high)

    def clear(self) -> None:
        """Forget what held so far."""
        self._sum.clear()
        self._run_ns = self.held_ns = 0
        self.low, self.high = math.inf, -math.inf

    def _end_run(self) -> None:
        value, span_ns = self._run_value, self._run_ns
        if not span_ns:
            return
        self._run_ns = 0
        self.held_ns += span_ns
        self._sum.add(value * (span_ns * self._weight))
        self.low = min(self.low, value)
        self.high = max(self.high, value)


class Numbers:
    """What the numbers of an entity were, in the unit of the last one."""

    __slots__ = ("_first", "_last", "_mean", "_unit")

    def __init__(self, window: Window) -> None:
        """Start without a number."""
        self._mean = Mean(window)
        self._first: float | None = None
        self._last = 0.0
        self._unit: str | None = None

    def use_unit(self, unit: str) -> None:
        """Say which unit the numbers that follow are in."""
        if unit == self._unit:
            return
        old_unit, self._unit = self._unit, unit
        if self._first is None or old_unit is None:
            return
        if (way := conversion(old_unit, unit)) is None:
            # A mean of degrees and percent would say nothing.
            self._mean.clear()
            self._first = None
            return
        self._mean.rescale(way)
        self._first = way.convert(self._first)
        self._last = way.convert(self._last)

    def advance(self, value: float, span_ns: int) -> None:
        """Let a number hold for a time."""
        if self._first is None:
            self._first = value
        self._last = value
        self._mean.add(value, span_ns)

    def merge(self, aggregate: Aggregate) -> None:
        """Add the numbers of a part of the window."""
        values = [aggregate.number(name) for name in (AVG, MIN, MAX, FIRST, LAST)]
        mean, low, high, first, last = values
        if mean is None or low is None or high is None or first is None or last is None:
            return
        self.use_unit(aggregate.tags.get("unit", ""))
        held_ns = aggregate.duration_ns(VALUE_TIME)
        if held_ns is None:
            held_ns = aggregate.duration_ns(COVERED) or 0
        if self._first is None:
            self._first = first
        self._last = last
        self._mean.add(mean, held_ns)
        self._mean.low = min(self._mean.low, low)
        self._mean.high = max(self._mean.high, high)

    def write(self, fields: dict[str, FieldValue], covered_ns: int) -> None:
        """Add the fields."""
        mean = self._mean.value()
        if mean is None or self._first is None:
            return
        values = {
            AVG: mean,
            MIN: self._mean.low,
            MAX: self._mean.high,
            FIRST: self._first,
            LAST: self._last,
        }
        # A conversion of the largest numbers may have left the range.
        if not all(map(math.isfinite, values.values())):
            return
        fields.update(values)
        if self._mean.held_ns != covered_ns:
            fields[VALUE_TIME] = to_seconds(self._mean.held_ns)


class States:
    """What states that are no numbers held, and how long.

    Attributes:
        last: The last known one; None if there was none, or if a number came after.
    """

    __slots__ = ("_changes", "_durations_ns", "_is_on", "_is_switch", "_on_ns", "last")

    def __init__(self) -> None:
        """Start without a state."""
        self._durations_ns: dict[str, int] = {}
        self._is_on: bool | None = None
        self._is_switch = False
        self._on_ns = 0
        self._changes = 0
        self.last: str | None = None

    def hold(self, *, is_on: bool | None) -> None:
        """Say whether the state that now holds is on; None if it has no such side."""
        self._is_on = is_on

    def change_to(self, state: str) -> None:
        """Take a known state that was reported."""
        if self.last is not None and self.last != state:
            self._changes += 1
        self.last = state

    def advance(self, state: str, span_ns: int) -> None:
        """Let the state hold for a time."""
        if self._is_on is not None:
            self._is_switch = True
            if self._is_on:
                self._on_ns += span_ns
        self._add(state, span_ns)

    def merge(self, aggregate: Aggregate) -> None:
        """Add the states of a part of the window."""
        changes = aggregate.number(CHANGES)
        if changes is None:
            if aggregate.number(AVG) is not None:
                self.last = None
            return
        self._changes += round(changes)
        self.last = aggregate.text(LAST_STATE)
        on_ns = aggregate.duration_ns(ON_TIME)
        if on_ns is not None:
            self._is_switch = True
            self._on_ns += on_ns
        for state, span_ns in _durations_of(aggregate, on_ns or 0).items():
            if span_ns:
                self._add(state, span_ns)

    def write(self, fields: dict[str, FieldValue]) -> None:
        """Add the fields."""
        durations = self._durations_ns
        if not durations:
            return
        if self._is_switch:
            fields[ON_TIME] = to_seconds(self._on_ns)
        fields[CHANGES] = float(self._changes)
        if self.last is not None:
            fields[LAST_STATE] = self.last
            if durations.keys() <= _pair_of(self.last):
                # All is said.
                return
        # Of equals, the first in the alphabet: the order of rows must not matter.
        longest = sorted(durations.items(), key=lambda item: (-item[1], item[0]))
        fields[TOP_STATE] = longest[0][0]
        fields[TOP_STATE_TIME] = to_seconds(longest[0][1])
        if len(longest) > 1:
            fields[DURATIONS] = orjson.dumps(
                {
                    state: to_seconds(span_ns)
                    for state, span_ns in longest[:MAX_DURATIONS]
                }
            ).decode()

    def _add(self, state: str, span_ns: int) -> None:
        durations = self._durations_ns
        if state in durations:
            durations[state] += span_ns
        elif len(durations) < MAX_STATES:
            durations[state] = span_ns


class Energy:
    """Energy, and what it cost and emitted."""

    __slots__ = ("_carbon", "_cost", "_has_carbon", "_has_cost", "_has_energy", "_kwh")

    def __init__(self) -> None:
        """Start without any: that is not the same as none used."""
        self._kwh = ExactSum()
        self._cost = ExactSum()
        self._carbon = ExactSum()
        self._has_energy = self._has_cost = self._has_carbon = False

    def know(self) -> None:
        """Say that energy is measured, though none may have been used."""
        self._has_energy = True

    def add(self, kwh: float, price: float | None, intensity: float | None) -> None:
        """Add energy at the price and the intensity that held."""
        self._has_energy = True
        self._kwh.add(kwh)
        if price is not None:
            self._has_cost = True
            self._cost.add(kwh * price)
        if intensity is not None:
            self._has_carbon = True
            self._carbon.add(kwh * intensity)

    def merge(self, aggregate: Aggregate) -> None:
        """Add the energy of a part of the window."""
        if (kwh := aggregate.number(ENERGY)) is not None:
            self._has_energy = True
            self._kwh.add(kwh)
        if (cost := aggregate.number(COST)) is not None:
            self._has_cost = True
            self._cost.add(cost)
        if (carbon := aggregate.number(CARBON)) is not None:
            self._has_carbon = True
            self._carbon.add(carbon)

    def write(self, fields: dict[str, FieldValue]) -> None:
        """Add the fields; what is out of a float's range is left out."""
        for name, is_known, amount in (
            (ENERGY, self._has_energy, self._kwh),
            (COST, self._has_cost, self._cost),
            (CARBON, self._has_carbon, self._carbon),
        ):
            if is_known and (total := amount.total()) is not None:
                fields[name] = total


class Context:
    """Means of what rows say about their moment, over the time that is covered."""

    __slots__ = ("_held", "_means")

    def __init__(self, window: Window, names: Sequence[str]) -> None:
        """Start without values."""
        # Plain strings: a lookup by a member of an enum costs twice as much.
        self._means = [(str(name), Mean(window)) for name in names]
        self._held: list[tuple[Mean, float]] = []

    def hold(self, fields: Fields) -> None:
        """Take what a row says; what it does not say is not known any more."""
        self._held = [
            (mean, float(value))
            for name, mean in self._means
            if (value := fields.get(name)) is not None and not isinstance(value, str)
        ]

    def advance(self, span_ns: int) -> None:
        """Let it hold for a time."""
        for mean, value in self._held:
            mean.add(value, span_ns)

    def merge(self, aggregate: Aggregate) -> None:
        """Add the means of a part of the window."""
        for name, mean in self._means:
            value = aggregate.number(mean_name(name))
            if value is None:
                continue
            held_ns = aggregate.duration_ns(mean_time_name(name))
            if held_ns is None:
                held_ns = aggregate.duration_ns(COVERED) or 0
            mean.add(value, held_ns)

    def write(self, fields: dict[str, FieldValue], covered_ns: int) -> None:
        """Add the fields."""
        for name, mean in self._means:
            value = mean.value()
            if value is None:
                continue
            fields[mean_name(name)] = value
            if mean.held_ns != covered_ns:
                fields[mean_time_name(name)] = to_seconds(mean.held_ns)


def switch_value(state: str) -> float | None:
    """Return the value that stands beside a state such as "on"; None for others."""
    on_state = _ON_STATES.get(state)
    return None if on_state is None else float(on_state == state)


def _pair_of(state: str) -> set[str]:
    on_state = _ON_STATES.get(state)
    return set() if on_state is None else {on_state, _OPPOSITES[on_state]}


def _durations_of(aggregate: Aggregate, on_ns: int) -> dict[str, int]:
    """Return how long each state held, as far as the aggregate knows."""
    if (text := aggregate.text(DURATIONS)) is not None:
        try:
            items = orjson.loads(text).items()
            return {str(state): to_whole_ns(seconds) for state, seconds in items}
        except (AttributeError, TypeError, ValueError) as err:
            raise StoreProtocolError("An aggregate has unreadable durations") from err
    if (top_state := aggregate.text(TOP_STATE)) is not None:
        return {top_state: aggregate.duration_ns(TOP_STATE_TIME) or 0}
    on_state = _ON_STATES.get(aggregate.text(LAST_STATE) or "")
    if on_state is None:
        return {}
    covered_ns = aggregate.duration_ns(COVERED) or 0
    if aggregate.number(AVG) is not None:
        covered_ns -= aggregate.duration_ns(VALUE_TIME) or 0
    return {on_state: on_ns, _OPPOSITES[on_state]: covered_ns - on_ns}

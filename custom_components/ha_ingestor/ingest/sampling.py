"""Store less of what changes more often than anybody looks.

A rule thins the changes of the entities of a glob. What it leaves out is counted,
and three things are never left out: the first state, a change to or from a state that
is no number (a gap is a fact), and the last value of a minimum interval, which is
stored when that has passed, with its own time. Event loop only.
"""

from collections.abc import Iterable
import fnmatch
import math
from typing import Final

from ..options import HubOptions, SamplingRule
from .records import StateRecord

# How often held values and heartbeats are looked at; finer would wake a Raspberry Pi
# for nothing.
CHECK_INTERVAL_S: Final = 1.0

# Places in a StateRecord.
_STATE: Final = 2
_TIME: Final = 3
_AFTER_DURATION: Final = 6

_GAPS: Final = frozenset({"unknown", "unavailable"})


def number_of(state: str | None) -> float | None:
    """Return a state's number, None for text, gaps and what is not finite."""
    try:
        value = float(state or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


class Sampler:
    """Thins the changes of one entity.

    Attributes:
        left_out: Changes that were not stored.
    """

    __slots__ = ("_held", "_last", "_stored_at_s", "_stored_state", "left_out", "rule")

    def __init__(self, rule: SamplingRule) -> None:
        """Start without a stored value: the first one always is stored."""
        self.rule = rule
        self.left_out = 0
        self._held: StateRecord | None = None
        self._last: StateRecord | None = None
        self._stored_state: str | None = None
        self._stored_at_s: float | None = None

    def offer(self, record: StateRecord) -> list[StateRecord]:
        """Take a change; returns what is to be stored now, oldest first."""
        self._last = record
        state, time_s = record[_STATE], record[_TIME]
        if self._stored_at_s is None or self._is_fact(state):
            return [*self.take_held(), *self._store(record)]
        if self._is_small(state):
            self.left_out += 1
            return []
        interval_s = self.rule.min_interval_s
        if interval_s is None or time_s - self._stored_at_s >= interval_s:
            # It has been overtaken before its time came.
            self.left_out += self._held is not None
            self._held = None
            return self._store(record)
        self.left_out += self._held is not None
        self._held = record
        return []

    def take_held(self) -> list[StateRecord]:
        """Return the last value of an interval that is ended early."""
        held, self._held = self._held, None
        return [] if held is None else self._store(held)

    def take_due(self, now_s: float) -> list[StateRecord]:
        """Return a held value whose interval has passed, or a heartbeat."""
        if self._stored_at_s is None or self._last is None:
            return []
        age_s = now_s - self._stored_at_s
        rule = self.rule
        if self._held is not None and age_s >= (rule.min_interval_s or 0.0):
            return self.take_held()
        if rule.heartbeat_s is not None and age_s >= rule.heartbeat_s:
            # The same state at another time: nothing has preceded it.
            beat = (
                *self._last[:_TIME],
                now_s,
                None,
                None,
                *self._last[_AFTER_DURATION:],
            )
            return self._store(beat)
        return []

    def _store(self, record: StateRecord) -> list[StateRecord]:
        self._stored_state, self._stored_at_s = record[_STATE], record[_TIME]
        if self._stored_state is None:
            # Removed: what comes next is a first state again.
            self._stored_at_s = self._last = None
        return [record]

    def _is_fact(self, state: str | None) -> bool:
        """Tell a change that is more than one number moving, or one text to another."""
        if state is None:
            return True
        is_number = number_of(state) is not None
        return is_number != (number_of(self._stored_state) is not None) or (
            not is_number
            and state != self._stored_state
            and (state in _GAPS or self._stored_state in _GAPS)
        )

    def _is_small(self, state: str | None) -> bool:
        """Tell whether a number has moved less than the deadband."""
        rule = self.rule
        if rule.deadband is None and rule.deadband_percent is None:
            return False
        new, stored = number_of(state), number_of(self._stored_state)
        if new is None or stored is None:
            return state == self._stored_state
        move = abs(new - stored)
        bounds = []
        if rule.deadband is not None:
            bounds.append(rule.deadband)
        if rule.deadband_percent is not None:
            bounds.append(abs(stored) * rule.deadband_percent / 100)
        # Either of the two is enough to be worth storing.
        return move == 0 or move < min(bounds)


class SamplerPool:
    """The samplers of all entities that a rule fits, kept while plans come and go."""

    def __init__(self, options: HubOptions) -> None:
        """Take the rules over; the first that fits an entity holds for it."""
        self._rules = options.sampling
        self._samplers: dict[str, Sampler] = {}

    @property
    def is_active(self) -> bool:
        """Tell whether there is any rule."""
        return bool(self._rules)

    def sampler(self, entity_id: str) -> Sampler | None:
        """Return the sampler of an entity, None where no rule fits it."""
        if (sampler := self._samplers.get(entity_id)) is not None:
            return sampler
        for rule in self._rules:
            if fnmatch.fnmatchcase(entity_id, rule.glob):
                sampler = self._samplers[entity_id] = Sampler(rule)
                return sampler
        return None

    def take_due(self, now_s: float) -> Iterable[StateRecord]:
        """Give what is due of all entities."""
        for sampler in self._samplers.values():
            yield from sampler.take_due(now_s)

    def take_held(self) -> Iterable[StateRecord]:
        """Give every held value: capturing ends, or the rules change."""
        for sampler in self._samplers.values():
            yield from sampler.take_held()

    def take_left_out(self) -> int:
        """Return how many changes were left out since the last call."""
        count = 0
        for sampler in self._samplers.values():
            count += sampler.left_out
            sampler.left_out = 0
        return count

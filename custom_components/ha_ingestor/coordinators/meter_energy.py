"""Energy of a meter: what has been used between its readings, and nothing else.

Energy comes from the meter's counters where it has any, else from its power. Nobody
knows what was used while there were no readings: power is not counted then, and what
a counter has gained meanwhile is real, but is marked as an estimate in time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ..sources.meter.model import Counter, MeterData

# Connections of homes end far below: three phases of 100 A are 69 kW. What seems to
# be more is a counter that was set, exchanged, or misread.
MAX_POWER_KW: Final = 100.0
# Counters with coarse steps may make one at any time.
MAX_STEP_KWH: Final = 1.0
# As Home Assistant's own statistics have it: a counter that has begun again is below
# that share of its last value; what is above is a correction.
RESET_SHARE: Final = 0.9
# So soon after a reset, a jump beyond the old value was no reset but a blip.
BLIP: Final = timedelta(minutes=15)
# A correction that stays so long is the truth.
CORRECTION: Final = timedelta(hours=1)

_HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Energy that was drawn in a time.

    Attributes:
        start: UTC.
        end: UTC; not before `start`.
        is_estimate: When within that time it was drawn is not known.
    """

    start: datetime
    end: datetime
    kwh: float
    is_estimate: bool = False

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.end - self.start).total_seconds()


@dataclass(slots=True, kw_only=True)
class _CounterState:
    """What is known of one counter; times are Unix times.

    Attributes:
        kwh: The value from which on energy is counted.
        read_at: When it was read last.
        changed_at: When it moved last.
        is_change_seen: Whether that is known, not only the first look at it.
        step_kwh: How far it moved last, None where that says nothing of the power.
        step_s: How long that took.
        before_reset: Its value before it began again.
        reset_at: When that was.
        low_since: Since when it has been a little below `kwh`.
    """

    kwh: float
    read_at: float
    changed_at: float
    period: str | None
    is_change_seen: bool = False
    step_kwh: float | None = None
    step_s: float = 0.0
    before_reset: float | None = None
    reset_at: float = 0.0
    low_since: float | None = None

    def find_gain(self, counter: Counter, at: float, *, is_gap: bool) -> float | None:
        """Return what was drawn since the last reading; None if that is not known."""
        value = counter.kwh or 0.0
        if self._has_begun_again(counter, value, is_gap=is_gap):
            return max(value, 0.0)
        if value >= self.kwh:
            if self.before_reset is not None and self._was_blip(value, at):
                return value - self.before_reset
            return value - self.kwh
        if value >= RESET_SHARE * self.kwh:
            return 0.0 if counter.may_fall else None
        self.before_reset, self.reset_at = self.kwh, at
        return 0.0 if counter.may_fall else max(value, 0.0)

    def _has_begun_again(self, counter: Counter, value: float, *, is_gap: bool) -> bool:
        """Tell whether the counter itself says that it has."""
        if None in {counter.period, self.period} or counter.period == self.period:
            return False
        # The value may follow its period a moment later.
        return is_gap or value < self.kwh

    def _was_blip(self, value: float, at: float) -> bool:
        before = self.before_reset
        return (
            before is not None
            and at - self.reset_at <= BLIP.total_seconds()
            and self.kwh < RESET_SHARE * before <= before <= value
        )

    def is_correction(self, counter: Counter, at: float) -> bool:
        """Tell whether it is a little lower, and not for long."""
        value = counter.kwh or 0.0
        if counter.may_fall or not RESET_SHARE * self.kwh <= value < self.kwh:
            self.low_since = None
            return False
        if self.low_since is None or self.low_since > at:
            self.low_since = at
        return at - self.low_since < CORRECTION.total_seconds()

    def find_power(self, at: float) -> float | None:
        """Return the mean power since the last step but one, W.

        While no further step comes, it cannot be more than one step in that time.
        """
        if self.step_kwh is None or self.step_s <= 0:
            return None
        seconds = max(self.step_s, at - self.changed_at)
        return self.step_kwh * 1000 * _HOUR_S / seconds


class EnergyTracker:
    """Follows the readings of one meter. Survives restarts; no Home Assistant state."""

    def __init__(self, stored: Mapping[str, Any] | None = None) -> None:
        """Go on with what was stored."""
        stored = stored or {}
        self._meter_id: str | None = stored.get("meter_id")
        # The last reading: Unix time, and W.
        self._read_at: float | None = stored.get("read_at")
        self._power_w: float | None = stored.get("power_w")
        self._counters = {
            key: _CounterState(**state)
            for key, state in stored.get("counters", {}).items()
        }

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {
            "meter_id": self._meter_id,
            "read_at": self._read_at,
            "power_w": self._power_w,
            "counters": {key: asdict(item) for key, item in self._counters.items()},
        }

    def read(self, data: MeterData, hold: timedelta) -> list[Portion]:
        """Take a reading, and return what was drawn since the last one.

        Args:
            data: In the order of time; a clock may have been set back.
            hold: For how long a reading says what is drawn after it.
        """
        if data.meter_id != self._meter_id:
            self._meter_id = data.meter_id
            self._read_at = self._power_w = None
            self._counters.clear()
        at = data.measured_at.timestamp()
        hold_s = hold.total_seconds()
        portions = (
            [
                portion
                for counter in data.counters
                if (portion := self._count(counter, at, hold_s)) is not None
            ]
            if data.counters
            else self._integrate(at, hold_s)
        )
        self._read_at, self._power_w = at, data.power_w
        self._forget({counter.key for counter in data.counters})
        return portions

    def derive_power(self, at: datetime) -> float | None:
        """Return the power that the counters' steps show, W; None while unknown.

        One that stands still, such as that of another tariff, adds nothing.
        """
        powers = [item.find_power(at.timestamp()) for item in self._counters.values()]
        known = [power for power in powers if power is not None]
        return sum(known) if known else None

    def _forget(self, keys: Iterable[str]) -> None:
        for key in self._counters.keys() - set(keys):
            del self._counters[key]

    def _integrate(self, at: float, hold_s: float) -> list[Portion]:
        """Return what the last known power has drawn until now."""
        if self._read_at is None or self._power_w is None:
            return []
        seconds = at - self._read_at
        if not 0 < seconds <= hold_s:
            return []
        kwh = max(self._power_w, 0.0) * seconds / _HOUR_S / 1000
        return [_portion(self._read_at, at, kwh, is_estimate=False)]

    def _count(self, counter: Counter, at: float, hold_s: float) -> Portion | None:
        """Return what a counter has gained."""
        if counter.kwh is None:
            return None
        state = self._counters.get(counter.key)
        if state is None:
            self._counters[counter.key] = _CounterState(
                kwh=counter.kwh, read_at=at, changed_at=at, period=counter.period
            )
            return None
        if at < state.read_at:
            # The clock was set back: how long it took is not known any more.
            state.changed_at = at
            state.is_change_seen = False
            state.step_kwh = None
        is_gap = at - state.read_at > hold_s
        state.read_at = at
        if state.is_correction(counter, at):
            return None
        gain = state.find_gain(counter, at, is_gap=is_gap)
        return self._advance(state, counter, gain, at, is_gap=is_gap)

    def _advance(
        self,
        state: _CounterState,
        counter: Counter,
        gain: float | None,
        at: float,
        *,
        is_gap: bool,
    ) -> Portion | None:
        """Put the counter's state forward to a reading."""
        value = counter.kwh or 0.0
        step_kwh, start = value - state.kwh, state.changed_at
        state.period = counter.period or state.period
        if value >= (state.before_reset or value):
            state.before_reset = None
        if not step_kwh:
            return None
        hours = (at - start) / _HOUR_S
        is_estimate = is_gap or not state.is_change_seen
        is_possible = gain is not None and gain <= MAX_POWER_KW * hours + MAX_STEP_KWH
        if counter.may_fall and is_possible:
            state.step_kwh = step_kwh
        else:
            state.step_kwh = gain if is_possible else None
        if is_estimate:
            state.step_kwh = None
        state.kwh, state.changed_at, state.step_s = value, at, at - start
        state.is_change_seen = True
        if not is_possible or gain is None:
            return None
        return _portion(start, at, gain, is_estimate=is_estimate)


def _portion(start: float, end: float, kwh: float, *, is_estimate: bool) -> Portion:
    return Portion(
        start=datetime.fromtimestamp(start, UTC),
        end=datetime.fromtimestamp(end, UTC),
        kwh=kwh,
        is_estimate=is_estimate,
    )

"""The devices of a made-up home, and what they report on a day.

Numbers are reported when they have changed at the device's own resolution, switches
and texts when they change, as Home Assistant itself would let them through.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
import math
import random
from typing import Final, NamedTuple, Protocol

from surroundings import Surroundings

AREAS: Final = (
    *("Kitchen", "Living Room", "Dining Room", "Hall", "Office"),
    *("Bedroom", "Children's Room", "Bathroom", "Laundry", "Garage"),
)
FLOORS: Final = ("Ground floor", "First floor")
# When somebody moves about in a home: weight of each hour of the day.
AWAKE: Final = (
    *(0.2, 0.1, 0.1, 0.1, 0.2, 0.6, 1.6, 1.9, 1.3, 0.7, 0.6, 0.7),
    *(1.0, 0.7, 0.6, 0.7, 1.1, 1.8, 2.1, 2.0, 1.8, 1.5, 1.0, 0.5),
)
DARK: Final = (
    *(0.1, 0.0, 0.0, 0.0, 0.0, 0.4, 1.5, 1.0, 0.3, 0.1, 0.1, 0.1),
    *(0.1, 0.1, 0.1, 0.3, 1.0, 2.0, 2.5, 2.4, 2.2, 2.0, 1.2, 0.4),
)
_HOUR_S: Final = 3_600.0

type Attributes = tuple[tuple[str, float | str], ...]


class Event(NamedTuple):
    """What an entity reports; Unix time in seconds."""

    time_s: float
    entity_id: str
    state: str
    attributes: Attributes = ()


class Behavior(Protocol):
    """What a device does on a day; it remembers the days before."""

    def day(self, day: Surroundings, chance: random.Random) -> Iterator[Event]:
        """Report; in any order, also what has not changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device in one area.

    Attributes:
        tags: Of each of its entities, as the integration writes them.
    """

    tags: Mapping[str, Mapping[str, str]]
    behaviors: tuple[Behavior, ...]


def _times(
    day: Surroundings, chance: random.Random, interval_s: float
) -> Iterator[float]:
    """Give the moments at which something is looked at, about an interval apart."""
    time_s = day.start_s + chance.random() * interval_s
    while time_s < day.end_s:
        yield time_s
        time_s += interval_s * (0.6 + 0.8 * chance.random())


def _moments(
    day: Surroundings, chance: random.Random, per_day: float, weights: tuple[float, ...]
) -> list[float]:
    """Give the moments at which something happens, by the hours' weights."""
    count = max(0, round(chance.gauss(per_day, math.sqrt(per_day))))
    hours = chance.choices(range(24), weights, k=count)
    return sorted(day.start_s + (hour + chance.random()) * _HOUR_S for hour in hours)


@dataclass(slots=True, kw_only=True)
class Level:
    """A number that follows something, with noise, such as a temperature.

    Attributes:
        follow: What it would be without noise.
        interval_s: How often it is measured.
        decimals: Resolution of the device.
    """

    entity_id: str
    follow: Callable[[Surroundings, float], float]
    noise: float
    interval_s: float
    decimals: int
    low: float = -math.inf
    _drift: float = field(default=0.0, init=False)

    def day(self, day: Surroundings, chance: random.Random) -> Iterator[Event]:
        """Report what is measured."""
        for time_s in _times(day, chance, self.interval_s):
            self._drift = 0.9 * self._drift + chance.gauss(0, self.noise)
            value = max(self.low, self.follow(day, time_s) + self._drift)
            yield Event(time_s, self.entity_id, f"{value:.{self.decimals}f}")


@dataclass(slots=True, kw_only=True)
class Pulses:
    """A state that goes on for a while and off again, such as motion."""

    entity_id: str
    per_day: float
    weights: tuple[float, ...]
    shortest_s: float
    longest_s: float
    has_brightness: bool = False
    _busy_until_s: float = field(default=0.0, init=False)

    def day(self, day: Surroundings, chance: random.Random) -> Iterator[Event]:
        """Report both ends of each pulse."""
        for time_s in _moments(day, chance, self.per_day, self.weights):
            if time_s < self._busy_until_s:
                continue
            length_s = math.exp(
                chance.uniform(math.log(self.shortest_s), math.log(self.longest_s))
            )
            self._busy_until_s = min(time_s + length_s, day.end_s - 1)
            if time_s >= self._busy_until_s:
                continue
            attributes: Attributes = ()
            if self.has_brightness:
                attributes = (
                    ("brightness", float(chance.choice((64, 128, 200, 255)))),
                )
            yield Event(time_s, self.entity_id, "on", attributes)
            yield Event(self._busy_until_s, self.entity_id, "off")


@dataclass(slots=True, kw_only=True)
class Plug:
    """A plug: power, and the energy it adds up to.

    Attributes:
        idle_w, running_w: Power beside and in a run.
        report_s: How often a run is measured; idle power twenty times less often.
    """

    power_id: str
    energy_id: str
    idle_w: float
    running_w: float
    runs_per_day: float
    run_s: float
    report_s: float
    weights: tuple[float, ...] = AWAKE
    _kwh: float = field(default=0.0, init=False)
    _watts: float = field(default=0.0, init=False)
    _at_s: float = field(default=0.0, init=False)

    def day(self, day: Surroundings, chance: random.Random) -> Iterator[Event]:
        """Report power where it changes, energy with it."""
        if not self._at_s:
            self._at_s = day.start_s
            self._kwh = chance.uniform(50, 2_000)
        moments = [
            (time_s, self.idle_w * (1 + chance.gauss(0, 0.03)))
            for time_s in _times(day, chance, self.report_s * 20)
        ]
        free_s = day.start_s
        for start_s in _moments(day, chance, self.runs_per_day, self.weights):
            end_s = min(start_s + self.run_s * chance.uniform(0.5, 1.5), day.end_s - 1)
            if start_s < free_s or end_s <= start_s:
                continue
            free_s = end_s
            moments = [moment for moment in moments if not start_s < moment[0] < end_s]
            time_s = start_s
            while time_s < end_s:
                phase = 0.6 + 0.4 * math.sin((time_s - start_s) / 240)
                moments.append(
                    (time_s, self.running_w * phase * (1 + chance.gauss(0, 0.04)))
                )
                time_s += self.report_s * (0.8 + 0.4 * chance.random())
            moments.append((end_s, self.idle_w))
        for time_s, watts in sorted(moments):
            self._kwh += self._watts * (time_s - self._at_s) / _HOUR_S / 1_000
            self._at_s, self._watts = time_s, max(0.0, watts)
            yield Event(time_s, self.power_id, f"{self._watts:.1f}")
            # In the same message, a moment later.
            yield Event(time_s + 0.002, self.energy_id, f"{self._kwh:.2f}")


@dataclass(slots=True, kw_only=True)
class Modes:
    """A text that changes now and then, with attributes where there are some."""

    entity_id: str
    states: tuple[str, ...]
    per_day: float
    attributes: Callable[[Surroundings, float, random.Random], Attributes] | None = None

    def day(self, day: Surroundings, chance: random.Random) -> Iterator[Event]:
        """Report the changes."""
        for time_s in _moments(day, chance, self.per_day, AWAKE):
            make = self.attributes
            yield Event(
                time_s,
                self.entity_id,
                chance.choice(self.states),
                () if make is None else make(day, time_s, chance),
            )


@dataclass(slots=True, kw_only=True)
class Whereabouts:
    """A person and the phone that is followed."""

    person: str

    def day(self, day: Surroundings, chance: random.Random) -> Iterator[Event]:
        """Report what the surroundings say."""
        for time_s, person, state in day.moves:
            if person == self.person:
                yield Event(time_s, f"device_tracker.{person}_phone", state)
                yield Event(
                    time_s + 0.001 + chance.random() / 1_000, f"person.{person}", state
                )


@dataclass(slots=True, kw_only=True)
class Sun:
    """Home Assistant's own sun, whose attributes change every few minutes."""

    def day(self, day: Surroundings, chance: random.Random) -> Iterator[Event]:
        """Report its way."""
        rise_s, set_s = day.sun
        for time_s in (rise_s, set_s, *_times(day, chance, 480)):
            height = day.daylight(time_s)
            yield Event(
                time_s,
                "sun.sun",
                "above_horizon" if rise_s <= time_s < set_s else "below_horizon",
                (
                    ("azimuth", round((time_s - day.start_s) / 240 % 360, 2)),
                    ("elevation", round(60 * height - 10, 2)),
                ),
            )

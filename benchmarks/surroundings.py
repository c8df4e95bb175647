"""What is around the home of a made-up year: weather, prices, people.

It is what the context fields of events are taken from, and what devices react to.
"""

from bisect import bisect_right
from dataclasses import dataclass
import datetime as dt
import math
import random
from typing import Final

from custom_components.ha_ingestor.models import ContextField, FieldValue
from custom_components.ha_ingestor.options import DEFAULT_CONTEXT_FIELDS
from custom_components.ha_ingestor.store.line_protocol import format_field

PEOPLE: Final = ("ada", "bo", "cem")
_HOUR_S: Final = 3_600.0
_EVENINGS_OUT: Final = 0.4
_WEATHER_S: Final = 1_800.0
_DAY_OF_LEAST_SUN: Final = -10
# Share of the price by the hour of the day: cheap at night and at noon.
_PRICE_SHAPE: Final = (
    *(0.75, 0.7, 0.68, 0.68, 0.72, 0.85, 1.1, 1.3, 1.25, 1.05, 0.85, 0.7),
    *(0.62, 0.6, 0.68, 0.85, 1.1, 1.4, 1.55, 1.5, 1.3, 1.1, 0.95, 0.85),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One hour of the grid.

    Attributes:
        price: EUR/kWh.
        intensity: gCO2eq/kWh.
        renewable: Percent.
    """

    time_s: float
    price: float
    intensity: float
    renewable: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is around the home on one local day; times are Unix time in seconds.

    Attributes:
        outdoor: When the outdoor temperature was read, and what it was.
        moves: Whereabouts of a person: time, name, state. In the order of time.
        sun: Begin and end of daylight.
        contexts: From when on which context fields hold, as line protocol. The first
            is of the day's begin.
    """

    date: dt.date
    start_s: float
    end_s: float
    slots: tuple[Slot, ...]
    outdoor: tuple[tuple[float, float], ...]
    moves: tuple[tuple[float, str, str], ...]
    sun: tuple[float, float]
    contexts: tuple[tuple[float, str], ...]

    def hour(self, time_s: float) -> int:
        """Return the hour of the day, as good as without a clock that is set."""
        return int((time_s - self.start_s) // _HOUR_S) % 24

    def temperature(self, time_s: float) -> float:
        """Return the outdoor temperature; degrees Celsius."""
        index = bisect_right(self.outdoor, (time_s, math.inf)) - 1
        return self.outdoor[max(index, 0)][1]

    def daylight(self, time_s: float) -> float:
        """Return how high the sun is, from 0 to 1."""
        rise_s, set_s = self.sun
        if not rise_s < time_s < set_s:
            return 0.0
        return math.sin(math.pi * (time_s - rise_s) / (set_s - rise_s))


class Climate:
    """Makes the surroundings of one day after the other."""

    def __init__(self, chance: random.Random) -> None:
        """Start on a day like any other; everybody is at home."""
        self._random = chance
        self._warmth = 0.0  # against the season
        self._wind = 0.0
        self._home = dict.fromkeys(PEOPLE, True)

    def day(self, date: dt.date, start_s: float, end_s: float) -> Surroundings:
        """Make the next day."""
        chance = self._random
        self._warmth = 0.75 * self._warmth + chance.gauss(0, 2.2)
        self._wind = 0.6 * self._wind + chance.gauss(0, 0.6)
        season = _season(date)
        length_s = (12.2 + 4.2 * season) * _HOUR_S
        noon_s = (start_s + end_s) / 2 + 0.7 * _HOUR_S
        outdoor = tuple(self._outdoor(season, start_s, end_s))
        slots = tuple(self._slots(season, start_s, end_s))
        anyone_before = any(self._home.values())
        moves = tuple(sorted(self._moves(date, start_s)))
        return Surroundings(
            date=date,
            start_s=start_s,
            end_s=end_s,
            slots=slots,
            outdoor=outdoor,
            moves=moves,
            sun=(noon_s - length_s / 2, noon_s + length_s / 2),
            contexts=tuple(self._contexts(anyone_before, slots, outdoor, moves)),
        )

    def _outdoor(
        self, season: float, start_s: float, end_s: float
    ) -> list[tuple[float, float]]:
        readings = []
        for number in range(round((end_s - start_s) / _WEATHER_S)):
            time_s = start_s + number * _WEATHER_S
            hour = (time_s - start_s) / _HOUR_S
            daily = (3.0 + 2.0 * season) * math.cos((hour - 15) / 12 * math.pi)
            value = 10.0 + 9.0 * season + self._warmth + daily
            readings.append((time_s, round(value + self._random.gauss(0, 0.2), 1)))
        return readings

    def _slots(self, season: float, start_s: float, end_s: float) -> list[Slot]:
        slots = []
        for number in range(round((end_s - start_s) / _HOUR_S)):
            hour = number % 24
            sun = max(0.0, math.sin((hour - 6) / 12 * math.pi)) * (0.5 + 0.4 * season)
            renewable = 38 + 30 * sun + 12 * self._wind + self._random.gauss(0, 2)
            renewable = round(min(max(renewable, 8.0), 95.0), 1)
            price = 0.26 * _PRICE_SHAPE[hour] * (1.25 - renewable / 160)
            slots.append(
                Slot(
                    time_s=start_s + number * _HOUR_S,
                    price=round(price + self._random.gauss(0, 0.008), 5),
                    intensity=float(round(40 + 6.2 * (100 - renewable))),
                    renewable=renewable,
                )
            )
        return slots

    def _moves(self, date: dt.date, start_s: float) -> list[tuple[float, str, str]]:
        """Let people leave and come back, within the day."""
        chance = self._random
        moves: list[tuple[float, str, str]] = []
        is_weekend = date.weekday() > 4  # noqa: PLR2004 - Saturday and Sunday
        for person in PEOPLE:
            trips = [(11.0, 14.0, "not_home") if is_weekend else (8.1, 17.3, "Work")]
            if chance.random() < _EVENINGS_OUT:
                trips.append((18.5, 20.3, "not_home"))
            for leaves, comes, place in trips:
                if chance.random() < (0.8 if place == "Work" else 0.6):
                    leaves_s = start_s + (leaves + chance.gauss(0, 0.25)) * _HOUR_S
                    comes_s = start_s + (comes + chance.gauss(0, 0.25)) * _HOUR_S
                    moves += [
                        (leaves_s, person, "not_home"),
                        (comes_s, person, "home"),
                    ]
                    if place != "not_home":
                        moves += [
                            (leaves_s + 1_500, person, place),
                            (comes_s - 1_500, person, "not_home"),
                        ]
        return moves

    def _contexts(
        self,
        anyone_home: bool,  # noqa: FBT001 - one of four values
        slots: tuple[Slot, ...],
        outdoor: tuple[tuple[float, float], ...],
        moves: tuple[tuple[float, str, str], ...],
    ) -> list[tuple[float, str]]:
        """Make the context fields from each of their changes on."""
        changes: list[tuple[float, ContextField, FieldValue]] = []
        for slot in slots:
            changes += [
                (slot.time_s, ContextField.ELECTRICITY_PRICE, slot.price),
                (slot.time_s, ContextField.CARBON_INTENSITY, slot.intensity),
            ]
        changes += [(at, ContextField.OUTDOOR_TEMPERATURE, c) for at, c in outdoor]
        for time_s, person, state in moves:
            self._home[person] = state == "home"
            is_home = any(self._home.values())
            changes.append((time_s, ContextField.ANYONE_HOME, is_home))
        values: dict[ContextField, FieldValue] = {ContextField.ANYONE_HOME: anyone_home}
        contexts: list[tuple[float, str]] = []
        for time_s, field, value in sorted(changes):
            if values.get(field) == value:
                continue
            values[field] = value
            contexts.append((time_s, _to_text(values)))
        return contexts


def _to_text(values: dict[ContextField, FieldValue]) -> str:
    """Format the fields as the integration does, in its order."""
    texts = [
        format_field(field, values[field])
        for field in ContextField
        if field in values and field in DEFAULT_CONTEXT_FIELDS
    ]
    return "".join(f",{text}" for text in texts if text is not None)


def _season(date: dt.date) -> float:
    """Return -1 in the depth of winter, 1 in the height of summer."""
    day = date.timetuple().tm_yday - _DAY_OF_LEAST_SUN
    return -math.cos(day / 365.25 * 2 * math.pi)

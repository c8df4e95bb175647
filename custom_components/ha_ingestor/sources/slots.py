"""Values that hold for a time: prices and forecasts as rows of slots.

All times are aware UTC: days of 23 and 25 hours need no special case then. A series
is a tuple of slots in order of time, none overlapping another; gaps are allowed.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
import math
from typing import Self

from ..errors import SourceDataError


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Slot:
    """A value from `start` up to, but without, `end`."""

    start: datetime
    end: datetime
    value: float

    @property
    def duration(self) -> timedelta:
        """How long it holds."""
        return self.end - self.start

    @property
    def minutes(self) -> float:
        """The same in minutes."""
        return self.duration.total_seconds() / 60

    def to_json(self) -> list[float]:
        """Return start and end as Unix time, and the value."""
        return [self.start.timestamp(), self.end.timestamp(), self.value]

    @classmethod
    def from_json(cls, stored: Sequence[float]) -> Self:
        """Return what `to_json` has stored."""
        start, end, value = stored
        return cls(
            start=datetime.fromtimestamp(start, UTC),
            end=datetime.fromtimestamp(end, UTC),
            value=float(value),
        )


type Slots = tuple[Slot, ...]


def arrange_slots(slots: Iterable[Slot]) -> Slots:
    """Return slots as a series.

    Of slots with the same start the last one given holds; a slot that reaches into
    the next one ends where that begins.

    Raises:
        SourceDataError: A value is not finite, or a slot ends before it begins.
    """
    by_start: dict[datetime, Slot] = {}
    for slot in slots:
        if not math.isfinite(slot.value):
            raise SourceDataError(f"Not a number at {slot.start.isoformat()}")
        if slot.end <= slot.start:
            raise SourceDataError(f"Ends before it begins: {slot.start.isoformat()}")
        by_start[slot.start] = slot
    ordered = [by_start[start] for start in sorted(by_start)]
    arranged: list[Slot] = []
    for index, slot in enumerate(ordered):
        end = slot.end
        if index + 1 < len(ordered):
            end = min(end, ordered[index + 1].start)
        arranged.append(Slot(start=slot.start, end=end, value=slot.value))
    return tuple(arranged)


def find_slot(slots: Slots, moment: datetime) -> Slot | None:
    """Return the slot that holds at a moment; None in a gap and outside."""
    index = bisect_right(slots, moment, key=lambda slot: slot.start) - 1
    if index < 0 or slots[index].end <= moment:
        return None
    return slots[index]


def find_next_slot(slots: Slots, moment: datetime) -> Slot | None:
    """Return the first slot that begins after a moment."""
    index = bisect_right(slots, moment, key=lambda slot: slot.start)
    return slots[index] if index < len(slots) else None


def find_next_change(slots: Slots, moment: datetime) -> datetime | None:
    """Return when a slot begins or ends next."""
    slot = find_slot(slots, moment)
    if slot is not None:
        return slot.end
    following = find_next_slot(slots, moment)
    return None if following is None else following.start


def cut_slots(slots: Slots, start: datetime, end: datetime) -> Slots:
    """Return what lies in a period; slots at its ends are shortened."""
    return tuple(
        Slot(start=max(slot.start, start), end=min(slot.end, end), value=slot.value)
        for slot in slots
        if max(slot.start, start) < min(slot.end, end)
    )


def map_slots(slots: Slots, convert: Callable[[Slot], float]) -> Slots:
    """Return a series with other values."""
    return tuple(
        Slot(start=slot.start, end=slot.end, value=convert(slot)) for slot in slots
    )


def weigh_mean(slots: Iterable[Slot]) -> float | None:
    """Return the mean over time, None for no slot."""
    total_s = weighted = 0.0
    for slot in slots:
        seconds = slot.duration.total_seconds()
        total_s += seconds
        weighted += seconds * slot.value
    return weighted / total_s if total_s else None


def day_bounds(day: date, time_zone: tzinfo) -> tuple[datetime, datetime]:
    """Return when a local day begins and ends; UTC.

    It has 23 or 25 hours where clocks change.
    """
    start = datetime.combine(day, time(), time_zone).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time(), time_zone)
    return start, end.astimezone(UTC)


def slots_to_json(slots: Slots) -> list[list[float]]:
    """Return a series as JSON."""
    return [slot.to_json() for slot in slots]


def slots_from_json(stored: Iterable[Sequence[float]]) -> Slots:
    """Return what `slots_to_json` has stored."""
    return tuple(Slot.from_json(item) for item in stored)

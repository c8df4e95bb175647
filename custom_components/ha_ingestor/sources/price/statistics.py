"""What prices mean for a day, and when electricity is cheapest.

All of it is computed over time, not over slots: a slot of an hour counts as much as
four of a quarter. Days are local ones, of 23, 24 or 25 hours. Where a price is not
known there is a gap, over which nothing is assumed.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from ..slots import Slot, Slots, cut_slots, day_bounds, find_slot, weigh_mean

HOUR: Final = timedelta(hours=1)
# Two sums of the same prices differ by less, if they are added in another order.
_SAME: Final = 1e-9
# A market's day ends at its own midnight, which is up to two hours before that of
# a home to the west of it; what is then missing does not make tomorrow unknown.
TOMORROW_MAY_LACK: Final = timedelta(hours=2)


class PriceLevel(StrEnum):
    """How dear a price is among those of its day."""

    VERY_CHEAP = "very_cheap"
    CHEAP = "cheap"
    NORMAL = "normal"
    EXPENSIVE = "expensive"
    VERY_EXPENSIVE = "very_expensive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extremes:
    """Currency/kWh; what a day costs at least, at most and on average over time."""

    lowest: float
    highest: float
    average: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a price stands among those of its day.

    Attributes:
        quantile: Share of the known time that is cheaper, 0 to 1.
        middle: The same, with half of the time that costs as much. That of a day
            with one price is 0.5, neither cheap nor dear.
        rank: Of the slot; 1 is the cheapest, slots of one price share theirs.
        slot_count: How many slots there are.
    """

    quantile: float
    middle: float
    rank: int
    slot_count: int


def find_day(slots: Slots, day: date, time_zone: tzinfo) -> Slots:
    """Return the slots of a local day, cut at its midnights."""
    return cut_slots(slots, *day_bounds(day, time_zone))


def find_extremes(slots: Slots) -> Extremes | None:
    """Return lowest, highest and average price, None for no slot."""
    if (average := weigh_mean(slots)) is None:
        return None
    lowest = min(slot.value for slot in slots)
    highest = max(slot.value for slot in slots)
    # Rounding must not put the mean of equal prices beside them.
    average = min(max(average, lowest), highest)
    return Extremes(lowest=lowest, highest=highest, average=average)


def find_standing(day: Slots, price: float) -> Standing | None:
    """Return where a price stands in its day, None if nothing of that is known."""
    total = sum_time(day)
    if not total:
        return None
    cheaper = [slot for slot in day if slot.value < price]
    equal = [slot for slot in day if slot.value == price]
    return Standing(
        quantile=sum_time(cheaper) / total,
        middle=(sum_time(cheaper) + sum_time(equal) / 2) / total,
        rank=len(cheaper) + 1,
        slot_count=len(day),
    )


def sum_time(slots: Iterable[Slot]) -> timedelta:
    """Return how long slots are together."""
    return sum((slot.duration for slot in slots), timedelta())


def find_level(standing: Standing, edges: Sequence[float]) -> PriceLevel:
    """Return the level of a price.

    Args:
        standing: Of the price.
        edges: The four quantiles between the five levels, rising.
    """
    return tuple(PriceLevel)[bisect_right(edges, standing.middle)]


def is_day_known(slots: Slots, day: date, time_zone: tzinfo) -> bool:
    """Tell whether prices of a local day have come, apart from its last hours."""
    start, end = day_bounds(day, time_zone)
    known = sum_time(cut_slots(slots, start, end))
    return known >= end - start - TOMORROW_MAY_LACK


# --- hours


def floor_hour(moment: datetime, time_zone: tzinfo) -> datetime:
    """Return when the local hour of a moment began; UTC.

    Hours are those of the clock on the wall, which are not those of UTC everywhere.
    """
    local = moment.astimezone(time_zone)
    passed = timedelta(
        minutes=local.minute, seconds=local.second, microseconds=local.microsecond
    )
    return moment.astimezone(UTC) - passed


def split_hours(slots: Slots, time_zone: tzinfo) -> Slots:
    """Return the same prices in slots that do not reach over a full hour."""
    parts: list[Slot] = []
    for slot in slots:
        start = slot.start
        while start < slot.end:
            end = min(slot.end, floor_hour(start, time_zone) + HOUR)
            parts.append(Slot(start=start, end=end, value=slot.value))
            start = end
    return tuple(parts)


def merge_hours(slots: Slots, time_zone: tzinfo) -> Slots:
    """Return one slot, with the mean over time, for those that share an hour.

    A slot that reaches over a full hour stays as it is, and nothing is merged over
    a gap: a part of an hour remains a part of one.
    """
    merged: list[Slot] = []
    group: list[Slot] = []

    def close() -> None:
        if (mean := weigh_mean(group)) is not None:
            start, end = group[0].start, group[-1].end
            # Rounding must not make one price of a whole hour another one.
            is_one = all(slot.value == group[0].value for slot in group)
            value = group[0].value if is_one else mean
            merged.append(Slot(start=start, end=end, value=value))
        group.clear()

    for slot in slots:
        hour = floor_hour(slot.start, time_zone)
        if slot.end > hour + HOUR:
            close()
            merged.append(slot)
            continue
        if group and (
            group[-1].end != slot.start or floor_hour(group[0].start, time_zone) != hour
        ):
            close()
        group.append(slot)
    close()
    return tuple(merged)


def list_hours(day: Slots, time_zone: tzinfo) -> Slots:
    """Return the full hours of a day that are known, each with its mean price."""
    return tuple(
        slot
        for slot in merge_hours(split_hours(day, time_zone), time_zone)
        if slot.duration == HOUR
    )


def pick_hours(hours: Slots, count: int, *, is_cheapest: bool) -> Slots:
    """Return the cheapest or the most expensive hours, in order of time.

    They need not follow each other. Of hours of one price the earlier ones are taken.
    """
    sign = 1 if is_cheapest else -1
    ordered = sorted(hours, key=lambda slot: (sign * slot.value, slot.start))
    return tuple(sorted(ordered[:count]))


# --- windows


class PriceCurve:
    """Sums of prices over any time, in the time that it takes to find a slot.

    Attributes:
        slots: What it was made of.
    """

    def __init__(self, slots: Slots) -> None:
        """Add the prices up once."""
        self.slots = slots
        self._starts = [slot.start for slot in slots]
        self._sums = [0.0]
        # Which run of slots without a gap a slot belongs to.
        self._runs: list[int] = []
        previous: Slot | None = None
        for slot in slots:
            hours = slot.duration / HOUR
            self._sums.append(self._sums[-1] + hours * slot.value)
            is_next = previous is not None and previous.end == slot.start
            run = self._runs[-1] if self._runs else 0
            self._runs.append(run if is_next else run + 1)
            previous = slot

    def _index(self, moment: datetime) -> int:
        return bisect_right(self._starts, moment) - 1

    def _sum_until(self, moment: datetime) -> float:
        index = self._index(moment)
        if index < 0:
            return 0.0
        slot = self.slots[index]
        hours = (min(moment, slot.end) - slot.start) / HOUR
        return self._sums[index] + hours * slot.value

    def find_mean(self, start: datetime, end: datetime) -> float | None:
        """Return the mean price of a time, None if not all of it is known."""
        first = self._index(start)
        last = bisect_left(self._starts, end) - 1
        if first < 0 or last < first or end > self.slots[last].end:
            return None
        if self.slots[first].end <= start or self._runs[first] != self._runs[last]:
            return None
        if first == last:
            return self.slots[first].value
        total = self._sum_until(end) - self._sum_until(start)
        return total / ((end - start) / HOUR)


def find_cheapest_window(
    slots: Slots, earliest: datetime, length: timedelta
) -> Slot | None:
    """Return the cheapest time of a length without a gap.

    Of windows of one price the first one.

    Args:
        slots: Known prices.
        earliest: It begins then or later.
        length: How long it is.

    Returns:
        The window with its mean price; None if no known time is so long.
    """
    curve = PriceCurve(slots)
    # The mean is linear in between: the cheapest one begins or ends with a slot, or
    # begins at once.
    starts = {earliest}
    for slot in slots:
        starts |= {slot.start, slot.end - length}
    best: Slot | None = None
    for start in sorted(moment for moment in starts if moment >= earliest):
        mean = curve.find_mean(start, start + length)
        if mean is not None and (best is None or mean < best.value - _SAME):
            best = Slot(start=start, end=start + length, value=mean)
    return best


def find_current(slots: Slots, now: datetime) -> float | None:
    """Return the price of a moment, None where it is not known."""
    slot = find_slot(slots, now)
    return None if slot is None else slot.value

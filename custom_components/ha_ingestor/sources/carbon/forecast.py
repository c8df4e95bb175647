"""What follows from a forecast: the best time, and how clean the present is."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Final

from ..slots import Slot, Slots, arrange_slots, find_slot, weigh_mean
from .model import CarbonData

# Providers of single moments have at least one an hour.
_LONGEST_STEP: Final = timedelta(hours=1)
# Slots of an attribute that has too many are joined to these lengths.
_WIDTHS_MINUTES: Final = (10, 15, 30, 60, 120, 240, 1440)


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonWindow:
    """A time without a gap, and its mean in gCO2eq/kWh."""

    start: datetime
    end: datetime
    mean: float


def slots_from_moments(
    moments: Iterable[tuple[datetime, float]], step: timedelta | None = None
) -> Slots:
    """Make slots of values that are known by their beginning alone.

    Args:
        moments: When a value begins to hold, and the value.
        step: How long each holds at most; None for what is usual among them.

    Raises:
        SourceDataError: A value is not finite.
    """
    by_start = dict(moments)
    starts = sorted(by_start)
    if step is None:
        gaps = [(later - start).total_seconds() for start, later in pairwise(starts)]
        step = timedelta(seconds=median(gaps)) if gaps else _LONGEST_STEP
    return arrange_slots(
        Slot(start=start, end=start + step, value=by_start[start]) for start in starts
    )


def merge_present(data: CarbonData) -> Slots:
    """Return the forecast with the present value in its place.

    What was measured holds until the forecast goes on, and without one as long as
    the data hold.
    """
    if data.intensity is None:
        return data.forecast
    known_at = data.confirmed_at or data.measured_at
    slot = find_slot(data.forecast, known_at)
    present = Slot(
        start=data.measured_at,
        end=data.valid_until if slot is None else slot.end,
        value=data.intensity,
    )
    others = (
        slot
        for slot in data.forecast
        if slot.start < data.measured_at or slot.start > known_at
    )
    return arrange_slots((*others, present))


def find_lowest_window(
    slots: Slots, duration: timedelta, earliest: datetime
) -> CarbonWindow | None:
    """Return the time with the lowest mean; of several the first.

    The mean of a window changes linearly while it is moved, until it begins or ends
    where a slot does: no other beginnings need to be tried.

    Returns:
        None where no stretch without a gap is long enough.
    """
    best: CarbonWindow | None = None
    for run in _list_runs(slots, earliest):
        ends = [slot.end for slot in run]
        sums = [0.0]
        for slot in run:
            sums.append(sums[-1] + slot.value * slot.duration.total_seconds())

        def integrate(
            moment: datetime,
            run: Sequence[Slot] = run,
            ends: Sequence[datetime] = ends,
            sums: Sequence[float] = sums,
        ) -> float:
            index = min(bisect_right(ends, moment), len(run) - 1)
            into = (moment - run[index].start).total_seconds()
            return sums[index] + into * run[index].value

        starts = {slot.start for slot in run} | {end - duration for end in ends}
        for start in sorted(starts):
            end = start + duration
            if start < run[0].start or end > ends[-1]:
                continue
            total = integrate(end) - integrate(start)
            mean = total / duration.total_seconds()
            # Sums of fractions differ in their last digits.
            if best is None or mean < best.mean - 1e-9:
                best = CarbonWindow(start=start, end=end, mean=mean)
    return best


def _list_runs(slots: Slots, earliest: datetime) -> list[list[Slot]]:
    """Return the stretches without a gap, from a moment on."""
    runs: list[list[Slot]] = []
    for slot in slots:
        if slot.end <= earliest:
            continue
        start = max(slot.start, earliest)
        rest = Slot(start=start, end=slot.end, value=slot.value)
        if runs and runs[-1][-1].end == start:
            runs[-1].append(rest)
        else:
            runs.append([rest])
    return runs


def rank_value(value: float, slots: Iterable[Slot]) -> float | None:
    """Return for how much of some time a lower value holds, in percent.

    Times with the same value count half: 0 is the cleanest of all, 100 the dirtiest,
    50 where nothing ever changes. None for no time.
    """
    total = below = 0.0
    for slot in slots:
        seconds = slot.duration.total_seconds()
        total += seconds
        if slot.value < value:
            below += seconds
        elif slot.value == value:
            below += seconds / 2
    return 100 * below / total if total else None


def thin_slots(slots: Slots, most: int) -> Slots:
    """Return no more than so many slots, joined to longer ones where needed."""
    thin = slots
    for minutes in _WIDTHS_MINUTES:
        if len(thin) <= most:
            return thin
        thin = _widen(slots, minutes * 60)
    return thin[:most]


def _widen(slots: Slots, width_s: int) -> Slots:
    groups: dict[int, list[Slot]] = {}
    for slot in slots:
        groups.setdefault(int(slot.start.timestamp() // width_s), []).append(slot)
    return tuple(
        Slot(start=group[0].start, end=group[-1].end, value=mean)
        for group in groups.values()
        if (mean := weigh_mean(group)) is not None
    )

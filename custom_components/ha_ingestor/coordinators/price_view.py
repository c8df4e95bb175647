"""What the entities of a price source show at a moment."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from ..sources.price.demand import DemandResponse
from ..sources.price.settings import PeakRule, PriceSettings
from ..sources.price.statistics import (
    Extremes,
    PriceLevel,
    Standing,
    find_cheapest_window,
    find_day,
    find_extremes,
    find_level,
    find_standing,
    is_day_known,
    list_hours,
    merge_hours,
    pick_hours,
    sum_time,
)
from ..sources.slots import (
    Slot,
    Slots,
    cut_slots,
    day_bounds,
    find_next_slot,
    find_slot,
)

# Two days of quarters of an hour, one of them with 25 hours, are 196. What has more
# slots is shown by the hour: an attribute must not exceed 16 KiB.
MAX_FORECAST_SLOTS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceView:
    """The prices of a moment.

    Attributes:
        currency: ISO 4217 code.
        slot: The present one, None in a gap.
        following: The next one that is known.
        extremes: Of today; None while too little of it is known, as is `standing`.
        standing: Of the present price among today's.
        window: The cheapest time ahead of the length that the user has set.
        cheapest: Hours of today, then of tomorrow.
        most_expensive: Likewise.
        is_peak: None where it is not known.
        spike: From when to when prices are as high as the user has set, around now;
            its value is the present price.
        forecast: Today and tomorrow.
        demand: None where the user has chosen no entity for it.
        upcoming_cheapest: When the first of them began or begins that is not over.
        upcoming_most_expensive: Likewise.
    """

    currency: str
    slot: Slot | None
    following: Slot | None
    extremes: Extremes | None
    standing: Standing | None
    level: PriceLevel | None
    window: Slot | None
    cheapest: tuple[Slots, Slots]
    most_expensive: tuple[Slots, Slots]
    upcoming_cheapest: datetime | None
    upcoming_most_expensive: datetime | None
    is_peak: bool | None
    is_tomorrow_known: bool
    spike: Slot | None
    forecast: Slots
    demand: DemandResponse | None

    @property
    def current(self) -> float | None:
        """The present price, currency/kWh."""
        return None if self.slot is None else self.slot.value

    @property
    def unit(self) -> str:
        """Unit of all prices."""
        return f"{self.currency}/kWh"


def create_view(
    slots: Slots,
    *,
    currency: str,
    peak_slots: Slots | None,
    settings: PriceSettings,
    demand: DemandResponse | None,
    now: datetime,
    time_zone: tzinfo,
) -> PriceView:
    """Look at prices from a moment."""
    today = now.astimezone(time_zone).date()
    tomorrow = today + timedelta(days=1)
    day = find_day(slots, today, time_zone)
    slot = find_slot(slots, now)
    extremes = standing = level = None
    if _is_enough(day, today, time_zone):
        extremes = find_extremes(day)
        standing = None if slot is None else find_standing(day, slot.value)
        level = None if standing is None else find_level(standing, settings.levels)
    cheapest = _pick(slots, (today, tomorrow), settings, time_zone, is_cheapest=True)
    most_expensive = _pick(
        slots, (today, tomorrow), settings, time_zone, is_cheapest=False
    )
    # What is over when the view is made is no window any more, but one that begins
    # in this very minute is: automations that wait for it are woken by it.
    earliest = now.replace(second=0, microsecond=0)
    _, horizon = day_bounds(tomorrow, time_zone)
    return PriceView(
        currency=currency,
        slot=slot,
        following=find_next_slot(slots, now),
        extremes=extremes,
        standing=standing,
        level=level,
        window=find_cheapest_window(
            cut_slots(slots, earliest, horizon), earliest, settings.window
        ),
        cheapest=cheapest,
        most_expensive=most_expensive,
        upcoming_cheapest=_find_upcoming(cheapest, now),
        upcoming_most_expensive=_find_upcoming(most_expensive, now),
        is_peak=_is_peak(slot, standing, peak_slots, settings, now),
        is_tomorrow_known=is_day_known(slots, tomorrow, time_zone),
        spike=_find_spike(slots, slot, extremes, settings),
        forecast=_find_forecast(slots, today, tomorrow, time_zone),
        demand=demand,
    )


def _is_enough(day: Slots, today: date, time_zone: tzinfo) -> bool:
    """Tell whether so much of a day is known that it can be called the day's."""
    start, end = day_bounds(today, time_zone)
    return sum_time(day) * 2 >= end - start


def _pick(
    slots: Slots,
    days: tuple[date, date],
    settings: PriceSettings,
    time_zone: tzinfo,
    *,
    is_cheapest: bool,
) -> tuple[Slots, Slots]:
    def pick(day: date) -> Slots:
        known = find_day(slots, day, time_zone)
        if not _is_enough(known, day, time_zone):
            return ()
        hours = list_hours(known, time_zone)
        if not is_cheapest:
            # Of a day with one price no hour is the most expensive one, though each
            # may be called the cheapest.
            lowest = min((slot.value for slot in hours), default=0.0)
            hours = tuple(slot for slot in hours if slot.value > lowest)
        return pick_hours(hours, settings.hour_count, is_cheapest=is_cheapest)

    first, second = days
    return pick(first), pick(second)


def _find_upcoming(hours: tuple[Slots, Slots], now: datetime) -> datetime | None:
    """Return when the first hour began or begins that is not over."""
    return next((slot.start for day in hours for slot in day if slot.end > now), None)


def _is_peak(
    slot: Slot | None,
    standing: Standing | None,
    peak_slots: Slots | None,
    settings: PriceSettings,
    now: datetime,
) -> bool | None:
    if settings.peak is PeakRule.AUTOMATIC and peak_slots is not None:
        return find_slot(peak_slots, now) is not None
    if settings.peak is PeakRule.PRICE:
        if slot is None or settings.peak_price is None:
            return None
        return slot.value >= settings.peak_price
    return None if standing is None else standing.quantile >= settings.peak_quantile


def _find_spike(
    slots: Slots,
    current: Slot | None,
    extremes: Extremes | None,
    settings: PriceSettings,
) -> Slot | None:
    """Return the time around now in which all prices are that high."""
    if current is None:
        return None
    threshold = settings.find_spike_threshold(extremes.average if extremes else None)
    if threshold is None or current.value < threshold:
        return None
    index = slots.index(current)
    first = last = index
    while first and _goes_on(slots[first - 1], slots[first], threshold):
        first -= 1
    while last + 1 < len(slots) and _goes_on(slots[last + 1], slots[last], threshold):
        last += 1
    return Slot(start=slots[first].start, end=slots[last].end, value=current.value)


def _goes_on(other: Slot, slot: Slot, threshold: float) -> bool:
    """Tell whether a slot touches another one, and is as dear."""
    is_near = other.end == slot.start or slot.end == other.start
    return is_near and other.value >= threshold


def _find_forecast(
    slots: Slots, today: date, tomorrow: date, time_zone: tzinfo
) -> Slots:
    start, _ = day_bounds(today, time_zone)
    _, end = day_bounds(tomorrow, time_zone)
    forecast = cut_slots(slots, start, end)
    if len(forecast) > MAX_FORECAST_SLOTS:
        forecast = merge_hours(forecast, time_zone)
    return forecast[:MAX_FORECAST_SLOTS]

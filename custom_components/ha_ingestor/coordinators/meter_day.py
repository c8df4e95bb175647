"""What a meter has used today, what that has cost, and what always runs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
import statistics
from typing import Any, Final, Self

from ..sources.slots import day_bounds
from .meter_energy import Portion

# Prices change at quarters of an hour at the most often; utilities take the mean of
# a quarter for the demand that they charge.
QUARTER: Final = timedelta(minutes=15)
# What runs at three in the night runs always. An hour, as fridges come and go.
NIGHT_START: Final = time(2, 30)
NIGHT_END: Final = time(3, 30)
# Enough of that hour for a mean.
MIN_NIGHT_SHARE: Final = 0.5
KEPT_DAYS: Final = 30
# With leap years.
HOURS_PER_YEAR: Final = 8766.0

_QUARTER_HOURS: Final = QUARTER.total_seconds() / 3600

# Price of one kWh at a moment, None while it is not known.
type PriceAt = Callable[[datetime], float | None]


def cut_portion(portion: Portion, start: datetime, end: datetime) -> Portion | None:
    """Return the part of a portion in a period, shared out by time."""
    if not portion.seconds:
        return portion if start <= portion.end < end else None
    from_, until = max(portion.start, start), min(portion.end, end)
    if until <= from_:
        return None
    share = (until - from_).total_seconds() / portion.seconds
    return Portion(
        start=from_,
        end=until,
        kwh=portion.kwh * share,
        # What is cut off is known only as far as power is even.
        is_estimate=portion.is_estimate,
    )


def split_quarters(portion: Portion) -> Iterator[Portion]:
    """Cut a portion where quarters of an hour begin."""
    if not portion.seconds:
        yield portion
        return
    moments = [portion.start]
    moment = floor_quarter(portion.start) + QUARTER
    while moment < portion.end:
        moments.append(moment)
        moment += QUARTER
    moments.append(portion.end)
    for start, end in pairwise(moments):
        if (part := cut_portion(portion, start, end)) is not None:
            yield part


def floor_quarter(moment: datetime) -> datetime:
    """Return when the quarter of an hour of a moment began."""
    seconds = QUARTER.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


@dataclass(slots=True, kw_only=True)
class DayTotals:
    """Sums of one local day, begun anew at midnight.

    Attributes:
        day: ISO text.
        kwh: Drawn from the grid.
        estimated_kwh: Of that, what is shared out by time, as nobody has measured
            when it was drawn: across midnight, or through an outage.
        cost: Of what had a price; may be negative.
        unpriced_kwh: What had none.
        carbon_g: Of what had an intensity; gCO2eq.
        uncounted_kwh: What had none.
        peak_w: Highest reading.
        quarter_peak_w: Highest mean of a quarter of an hour.
        yesterday_kwh: Whole of the day before, None where that was not watched.
    """

    day: str
    kwh: float = 0.0
    estimated_kwh: float = 0.0
    cost: float = 0.0
    currency: str | None = None
    priced_kwh: float = 0.0
    unpriced_kwh: float = 0.0
    carbon_g: float = 0.0
    counted_kwh: float = 0.0
    uncounted_kwh: float = 0.0
    peak_w: float | None = None
    peak_at: float | None = None
    quarter_peak_w: float | None = None
    quarter_at: float = 0.0
    quarter_kwh: float = 0.0
    yesterday_kwh: float | None = None

    @classmethod
    def begin(cls, today: date, before: Self | None) -> Self:
        """Return a day without anything in it, after another one."""
        yesterday = (today - timedelta(days=1)).isoformat()
        is_next = before is not None and before.day == yesterday
        return cls(
            day=today.isoformat(),
            yesterday_kwh=before.kwh if before is not None and is_next else None,
        )

    def is_over(self, today: date) -> bool:
        """Tell whether another day has begun.

        A clock that is set back by less than a day does not bring a day back.
        """
        days = (today - date.fromisoformat(self.day)).days
        return days > 0 or days < -1

    def add(
        self,
        portion: Portion,
        *,
        time_zone: tzinfo,
        price_at: PriceAt,
        intensity: float | None,
    ) -> None:
        """Count a portion, as far as it lies in this day."""
        start, end = day_bounds(date.fromisoformat(self.day), time_zone)
        if portion.start < start and self.yesterday_kwh is not None:
            before, _ = day_bounds(
                date.fromisoformat(self.day) - timedelta(days=1), time_zone
            )
            late = cut_portion(portion, before, start)
            self.yesterday_kwh += late.kwh if late else 0.0
        part = cut_portion(portion, start, end)
        if part is None:
            return
        self.kwh += part.kwh
        if portion.is_estimate or part.start != portion.start:
            self.estimated_kwh += part.kwh
        self._count_carbon(part, intensity)
        for quarter in split_quarters(part):
            self._count_cost(quarter, price_at)
            self._count_quarter(quarter)

    def _count_cost(self, part: Portion, price_at: PriceAt) -> None:
        price = price_at(part.start)
        if price is None:
            self.unpriced_kwh += part.kwh
            return
        self.priced_kwh += part.kwh
        self.cost += part.kwh * price

    def _count_carbon(self, part: Portion, intensity: float | None) -> None:
        """Count at the present intensity, which says nothing of long ago."""
        if intensity is None or part.seconds > 4 * QUARTER.total_seconds():
            self.uncounted_kwh += part.kwh
            return
        self.counted_kwh += part.kwh
        self.carbon_g += part.kwh * intensity

    def _count_quarter(self, part: Portion) -> None:
        if part.is_estimate:
            return
        began_at = floor_quarter(part.start).timestamp()
        if began_at != self.quarter_at:
            self.quarter_at, self.quarter_kwh = began_at, 0.0
        self.quarter_kwh += part.kwh
        mean_w = self.quarter_kwh * 1000 / _QUARTER_HOURS
        self.quarter_peak_w = max(self.quarter_peak_w or 0.0, mean_w)

    def note_power(self, power_w: float, at: datetime, time_zone: tzinfo) -> None:
        """Take a reading for the peak; what is given to the grid is none."""
        start, end = day_bounds(date.fromisoformat(self.day), time_zone)
        power_w = max(power_w, 0.0)
        if start <= at < end and (self.peak_w is None or power_w > self.peak_w):
            self.peak_w, self.peak_at = power_w, at.timestamp()

    def take_currency(self, currency: str) -> None:
        """Begin the cost anew where it would be added to that of another currency."""
        if currency != self.currency:
            self.currency = currency
            self.cost = self.priced_kwh = self.unpriced_kwh = 0.0


class DailyMeans:
    """Means over time of a value, one for each of the last 30 days."""

    def __init__(self, stored: Mapping[str, Any] | None = None) -> None:
        """Go on with what was stored: days as ISO text to [mean, seconds]."""
        self._days: dict[str, tuple[float, float]] = {
            day: (float(mean), float(seconds))
            for day, (mean, seconds) in (stored or {}).items()
        }

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {day: list(entry) for day, entry in self._days.items()}

    def add(self, day: date, value: float, seconds: float) -> None:
        """Let a value have held for so long."""
        if seconds <= 0:
            return
        mean, before = self._days.get(day.isoformat(), (0.0, 0.0))
        total = before + seconds
        self._days[day.isoformat()] = (mean + (value - mean) * seconds / total, total)
        oldest = (day - timedelta(days=KEPT_DAYS - 1)).isoformat()
        self._days = {key: entry for key, entry in self._days.items() if key >= oldest}

    def list_means(self, today: date, min_seconds: float = 0.0) -> list[float]:
        """Return the means of days of which enough is known."""
        oldest = (today - timedelta(days=KEPT_DAYS - 1)).isoformat()
        return [
            mean
            for day, (mean, seconds) in self._days.items()
            if seconds >= min_seconds and day >= oldest
        ]


class BaseLoad:
    """The power that runs at three in the night, and what it costs in a year."""

    def __init__(self, stored: Mapping[str, Any] | None = None) -> None:
        """Go on with what was stored."""
        stored = stored or {}
        self._nights = DailyMeans(stored.get("nights"))
        self._prices = DailyMeans(stored.get("prices"))

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {"nights": self._nights.to_json(), "prices": self._prices.to_json()}

    def add(self, portion: Portion, time_zone: tzinfo) -> None:
        """Take what lies in the night of what was measured."""
        if portion.is_estimate or not portion.seconds:
            return
        first = portion.start.astimezone(time_zone).date()
        last = portion.end.astimezone(time_zone).date()
        for day in {first, last}:
            part = cut_portion(portion, *night_bounds(day, time_zone))
            if part is not None:
                watts = part.kwh * 1000 * 3600 / part.seconds
                self._nights.add(day, watts, part.seconds)

    def note_price(self, price: float, day: date, seconds: float) -> None:
        """Let a price have held for so long."""
        self._prices.add(day, price, seconds)

    def find_watts(self, today: date) -> float | None:
        """Return the median of the nights' means, W."""
        night_s = (
            datetime.combine(today, NIGHT_END) - datetime.combine(today, NIGHT_START)
        ).total_seconds()
        means = self._nights.list_means(today, MIN_NIGHT_SHARE * night_s)
        return statistics.median(means) if means else None

    def count_nights(self, today: date) -> int:
        """Return how many nights it is the median of."""
        return len(self._nights.list_means(today))

    def find_yearly_cost(self, today: date) -> float | None:
        """Return the cost of a year at the mean price of the last 30 days."""
        watts, prices = self.find_watts(today), self._prices.list_means(today)
        if watts is None or not prices:
            return None
        return watts / 1000 * HOURS_PER_YEAR * statistics.fmean(prices)


def night_bounds(day: date, time_zone: tzinfo) -> tuple[datetime, datetime]:
    """Return when the hour around three in the night begins and ends; UTC.

    Where clocks are set forward in it, nothing is left of it.
    """
    start = datetime.combine(day, NIGHT_START, time_zone).astimezone(UTC)
    end = datetime.combine(day, NIGHT_END, time_zone).astimezone(UTC)
    return start, end

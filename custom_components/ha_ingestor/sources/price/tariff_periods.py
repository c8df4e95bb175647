"""When a tariff's price holds: seasons, weekdays and times of the day.

Times are those of the clock on the wall. A period that ends before it begins goes on
past midnight and belongs to the day on which it began, as does one that ends at
midnight.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
import math
from typing import Any, Final

from ...errors import SourceArgumentError
from ..slots import day_bounds
from .statistics import HOUR, floor_hour

CONF_ROWS: Final = "periods"
CONF_NAME: Final = "name"
CONF_PRICE: Final = "price"
CONF_FROM_MONTH: Final = "from_month"
CONF_FROM_DAY: Final = "from_day"
CONF_TO_MONTH: Final = "to_month"
CONF_TO_DAY: Final = "to_day"
CONF_WEEKDAYS: Final = "weekdays"
CONF_START: Final = "start"
CONF_END: Final = "end"
CONF_IS_PEAK: Final = "is_peak"

# In the order of `date.weekday`.
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# A year that has all days that a year can have.
_LEAP_YEAR: Final = 2028
# More than any tariff has; the check for useless ones looks at all pairs.
MAX_PERIODS: Final = 30
_MIDNIGHT: Final = time()
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One row of a tariff.

    Attributes:
        price: Currency/kWh.
        season: First and last day as (month, day); the last may be before the
            first, over New Year. None for the whole year.
        weekdays: Of `date.weekday`, of the day on which it begins.
        start: Wall time.
        end: Wall time, exclusive; the same or earlier is that of the next day.
    """

    name: str
    price: float
    season: tuple[tuple[int, int], tuple[int, int]] | None
    weekdays: frozenset[int]
    start: time
    end: time
    is_peak: bool

    def begins_on(self, day: date) -> bool:
        """Tell whether it begins on a day."""
        return day.weekday() in self.weekdays and self._has_day(day.month, day.day)

    def _has_day(self, month: int, day: int) -> bool:
        if self.season is None:
            return True
        first, last = self.season
        if first <= last:
            return first <= (month, day) <= last
        return (month, day) >= first or (month, day) <= last

    def holds(self, moment: datetime) -> bool:
        """Tell whether it holds at a local time."""
        wall, today = moment.time(), moment.date()
        if self.start < self.end:
            return self.start <= wall < self.end and self.begins_on(today)
        if wall >= self.start:
            return self.begins_on(today)
        return wall < self.end and self.begins_on(today - _DAY)


def find_period(periods: Iterable[Period], moment: datetime) -> Period | None:
    """Return the first period that holds at a local time."""
    return next((period for period in periods if period.holds(moment)), None)


def split_day(
    periods: Sequence[Period], day: date, time_zone: tzinfo
) -> Iterator[tuple[datetime, datetime, Period | None]]:
    """List the parts of a day, none longer than an hour, with what holds in each.

    Args:
        periods: In the order in which they are asked.
        day: Local day; it may have 23 or 25 hours.
        time_zone: Of the tariff's wall times.

    Returns:
        Start and end in UTC, in order of time and without gaps.
    """
    start, end = day_bounds(day, time_zone)
    cuts = {start, end}
    moment = floor_hour(start, time_zone) + HOUR
    while moment < end:
        cuts.add(moment)
        moment += HOUR
    for wall in {wall for period in periods for wall in (period.start, period.end)}:
        for fold in (0, 1):
            local = datetime.combine(day, wall, time_zone).replace(fold=fold)
            instant = local.astimezone(UTC)
            # Where clocks go forward, some times of the wall do not exist.
            is_real = instant.astimezone(time_zone).time() == wall
            if is_real and start < instant < end:
                cuts.add(instant)
    for first, last in pairwise(sorted(cuts)):
        local = first.astimezone(time_zone).replace(tzinfo=None)
        yield first, last, find_period(periods, local)


# --- what was entered


def read_periods(rows: Any) -> tuple[Period, ...]:
    """Return what was entered as rows.

    Raises:
        SourceArgumentError: A row makes no sense, or never holds.
    """
    if rows is None:
        return ()
    if not isinstance(rows, list) or len(rows) > MAX_PERIODS:
        raise SourceArgumentError(CONF_ROWS, "too_many_periods")
    periods = tuple(_read_period(row, index) for index, row in enumerate(rows, 1))
    if (useless := _find_useless(periods)) is not None:
        raise SourceArgumentError(CONF_ROWS, "useless_period", {"name": useless.name})
    return periods


def _read_period(row: Any, number: int) -> Period:
    if not isinstance(row, Mapping):
        raise SourceArgumentError(CONF_ROWS, "invalid_period", {"name": str(number)})
    name = str(row.get(CONF_NAME) or "").strip() or str(number)
    start, end = _read_time(row, CONF_START, name), _read_time(row, CONF_END, name)
    if start == end and start != _MIDNIGHT:
        raise SourceArgumentError(CONF_ROWS, "empty_period", {"name": name})
    days = row.get(CONF_WEEKDAYS) or WEEKDAYS
    if not isinstance(days, list | tuple) or not set(days) <= set(WEEKDAYS):
        raise SourceArgumentError(CONF_ROWS, "invalid_period", {"name": name})
    return Period(
        name=name,
        price=_read_price(row, name),
        season=_read_season(row, name),
        weekdays=frozenset(WEEKDAYS.index(day) for day in days),
        start=start,
        end=end,
        is_peak=row.get(CONF_IS_PEAK) is True,
    )


def _read_price(row: Mapping[str, Any], name: str) -> float:
    value = row.get(CONF_PRICE)
    if isinstance(value, int | float) and not isinstance(value, bool):
        price = float(value)
        if math.isfinite(price):
            return price
    raise SourceArgumentError(CONF_ROWS, "invalid_price", {"name": name})


def _read_time(row: Mapping[str, Any], key: str, name: str) -> time:
    value = row.get(key)
    if value is None or value == "":
        return _MIDNIGHT
    try:
        wall = time.fromisoformat(value)
    except TypeError, ValueError:
        wall = None
    if wall is None or wall.tzinfo is not None:
        raise SourceArgumentError(CONF_ROWS, "invalid_time", {"name": name})
    return wall.replace(second=0, microsecond=0)


def _read_season(
    row: Mapping[str, Any], name: str
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    keys = (CONF_FROM_MONTH, CONF_FROM_DAY, CONF_TO_MONTH, CONF_TO_DAY)
    from_month, from_day, to_month, to_day = (row.get(key) for key in keys)
    if from_month is None and to_month is None:
        if from_day is None and to_day is None:
            return None
        raise SourceArgumentError(CONF_ROWS, "half_season", {"name": name})
    if from_month is None or to_month is None:
        raise SourceArgumentError(CONF_ROWS, "half_season", {"name": name})
    try:
        first = date(_LEAP_YEAR, int(from_month), int(from_day or 1))
        if to_day is None:
            # The last day of the month is the one before the first of the next.
            following = date(_LEAP_YEAR, int(to_month), 28) + timedelta(days=4)
            last = following.replace(day=1) - _DAY
        else:
            last = date(_LEAP_YEAR, int(to_month), int(to_day))
    except (TypeError, ValueError) as err:
        raise SourceArgumentError(CONF_ROWS, "invalid_season", {"name": name}) from err
    return (first.month, first.day), (last.month, last.day)


def _find_useless(periods: Sequence[Period]) -> Period | None:
    """Return a period that never holds, because others before it always do.

    It is enough to look where something begins or ends, and at the days after that,
    to which some reach.
    """
    # Weekdays and times alone repeat every week of the year.
    days = {date(_LEAP_YEAR, 1, 1), date(_LEAP_YEAR, 1, 2)}
    for period in periods:
        for edge_month, edge_day in period.season or ():
            edge = date(_LEAP_YEAR, edge_month, edge_day)
            days |= {edge + offset * _DAY for offset in (0, 1, 2)}
    walls = {wall for period in periods for wall in (period.start, period.end)}
    walls.add(_MIDNIGHT)
    left = dict(enumerate(periods))
    for year_day in days:
        for offset in range(len(WEEKDAYS)):
            day = _on_weekday(year_day, offset)
            for wall in walls:
                moment = datetime.combine(day, wall)
                for index, period in enumerate(periods):
                    if period.holds(moment):
                        left.pop(index, None)
                        break
            if not left:
                return None
    return next(iter(left.values()))


def _on_weekday(day: date, offset: int) -> date:
    """Return the same day of a leap year in which it is another day of the week."""
    # Leap years follow each other by four years, that is five days of the week.
    return date(day.year + 4 * offset, day.month, day.day)

"""Prices in the attributes of other integrations' entities, in their usual shapes.

| attributes | shape | of |
|---|---|---|
| raw_today, raw_tomorrow | {start, end, value} or {hour, price} | Nord Pool (HACS) |
| prices_today, prices_tomorrow, prices | {time, price} | ENTSO-E |
| prices | {from, till, price} | Frank Energie |
| today, tomorrow | {startsAt, total} | Tibber's own answer |
| data | {start_time, end_time, price_per_kwh} | EPEX Spot |
| rates | {start, end, value_inc_vat} | Octopus Energy |
| forecasts | {start_time, end_time, per_kwh} | Amber Electric |
| forecast | {start, end, value} | this integration |
| today, tomorrow | a number for each hour, half hour or quarter | Nord Pool (HACS) |

A list that cannot be read is passed over: it may be of something else. Only the shapes
are known here, and nothing of the integrations' code.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
import math
from typing import Any, Final

from ...errors import SourceDataError
from ..slots import Slot, Slots, arrange_slots, day_bounds

HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)
# Lists that stand together; the first group that can be read is taken.
_LISTS: Final = (
    ("raw_today", "raw_tomorrow"),
    ("prices_today", "prices_tomorrow"),
    ("prices",),
    ("data",),
    ("rates",),
    ("forecasts",),
    ("forecast",),
    ("today", "tomorrow"),
)
_DAYS: Final = (("today", 0), ("tomorrow", 1))
_STARTS: Final = (
    "start",
    "start_time",
    "startsAt",
    "starts_at",
    "from",
    "valid_from",
    "time",
    "hour",
    "datetime",
    "timestamp",
)
_ENDS: Final = ("end", "end_time", "endsAt", "ends_at", "till", "to", "valid_to")
# What a value is multiplied by to be in currency/kWh; None for the entity's own unit.
_VALUES: Final[Mapping[str, float | None]] = {
    "price_per_kwh": 1.0,
    "price_ct_per_kwh": 0.01,
    "price_eur_per_mwh": 0.001,
    "per_kwh": None,
    "value": None,
    "value_inc_vat": None,
    "price": None,
    "total": None,
}
# The lengths that prices have, and how many of each a whole day has.
_LENGTHS: Final = tuple(timedelta(minutes=minutes) for minutes in (15, 30, 60))
_NORMAL_DAY: Final = timedelta(hours=24)
# The longest slot whose end is told only by the next one's start.
_MAX_LENGTH: Final = timedelta(hours=24)
# Far more than any market tells; what is longer is no list of prices.
_MAX_ITEMS: Final = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How the values of an entity are to be read.

    Attributes:
        factor: What its values are multiplied by to be in currency/kWh.
        today: The local day that its word "today" stands for.
        time_zone: Of times without an offset, and of days.
    """

    factor: float
    today: date
    time_zone: tzinfo


def read_slots(attributes: Mapping[str, Any], shape: Shape) -> Slots:
    """Return the prices among attributes, empty if there are none."""
    for keys in _LISTS:
        items = [
            item
            for key in keys
            if isinstance(attributes.get(key), list | tuple)
            for item in attributes[key][:_MAX_ITEMS]
        ]
        if slots := _read_items(items, shape):
            return slots
    return _read_days(attributes, shape)


def _read_items(items: Sequence[Any], shape: Shape) -> Slots:
    """Read mappings with a start and a value; others are passed over."""
    found: list[tuple[datetime, datetime | None, float]] = []
    for item in items:
        if not isinstance(item, Mapping):
            continue
        start = _find_time(item, _STARTS, shape.time_zone)
        value = _find_value(item, shape.factor)
        if start is not None and value is not None:
            found.append((start, _find_time(item, _ENDS, shape.time_zone), value))
    found.sort(key=lambda entry: entry[0])
    slots: list[Slot] = []
    length = HOUR
    for index, (start, told_end, value) in enumerate(found):
        end = told_end
        if end is None:
            following = found[index + 1][0] if index + 1 < len(found) else start
            # The last one is as long as the one before it.
            if start < following <= start + _MAX_LENGTH:
                length = following - start
            end = start + length
        if end > start:
            slots.append(Slot(start=start, end=end, value=value))
    return _arrange(slots)


def _arrange(slots: Iterable[Slot]) -> Slots:
    try:
        return arrange_slots(slots)
    except SourceDataError:
        return ()


def _find_time(
    item: Mapping[str, Any], keys: tuple[str, ...], time_zone: tzinfo
) -> datetime | None:
    for key in keys:
        value = item.get(key)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                continue
        if isinstance(value, datetime):
            if value.tzinfo is None:
                value = value.replace(tzinfo=time_zone)
            # Amber's slots begin a second after the full minute.
            return value.astimezone(UTC).replace(second=0, microsecond=0)
    return None


def _find_value(item: Mapping[str, Any], factor: float) -> float | None:
    for key, own_factor in _VALUES.items():
        value = _read_number(item.get(key))
        if value is not None:
            return value * (factor if own_factor is None else own_factor)
    return None


def _read_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


# --- days as bare numbers


def _read_days(attributes: Mapping[str, Any], shape: Shape) -> Slots:
    slots: list[Slot] = []
    for key, offset in _DAYS:
        values = attributes.get(key)
        if isinstance(values, list | tuple) and len(values) <= _MAX_ITEMS:
            day = shape.today + timedelta(days=offset)
            slots.extend(_read_day(values, day, shape))
    return _arrange(slots)


def _read_day(values: Sequence[Any], day: date, shape: Shape) -> list[Slot]:
    """Read one number for each part of a day, first to last."""
    numbers = [_read_number(value) for value in values]
    start, end = day_bounds(day, shape.time_zone)
    for length in _LENGTHS:
        if len(numbers) * length == end - start:
            starts = [start + index * length for index in range(len(numbers))]
            break
        if len(numbers) * length == _NORMAL_DAY:
            return _read_wall_day(numbers, length, day, shape)
    else:
        return []
    return [
        Slot(start=moment, end=moment + length, value=number * shape.factor)
        for moment, number in zip(starts, numbers, strict=True)
        if number is not None
    ]


def _read_wall_day(
    numbers: Sequence[float | None], length: timedelta, day: date, shape: Shape
) -> list[Slot]:
    """Read a list of 24 hours for a day that has 23 or 25: by the clock on the wall.

    An hour that the day does not have is left out, one that it has twice costs the
    same both times.
    """
    slots: list[Slot] = []
    midnight = datetime.combine(day, time())
    for index, number in enumerate(numbers):
        if number is None:
            continue
        wall = midnight + index * length
        for fold in (0, 1):
            moment = wall.replace(tzinfo=shape.time_zone, fold=fold).astimezone(UTC)
            is_real = moment.astimezone(shape.time_zone).replace(tzinfo=None) == wall
            if is_real:
                end = moment + length
                slots.append(Slot(start=moment, end=end, value=number * shape.factor))
    return slots

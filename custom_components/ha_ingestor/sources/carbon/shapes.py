"""Forecasts as other integrations and templates put them into an attribute.

Usual are a list of mappings with a start, perhaps an end, and a value under one of
many names; a list of pairs; a mapping from time to value. Times are texts, with or
without an offset, moments, or Unix time in seconds or milliseconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
import math
from typing import Any, Final

from ...errors import SourceDataError
from ..slots import Slot, Slots, arrange_slots
from .forecast import slots_from_moments

# Attributes that hold a forecast where nobody says which.
USUAL_ATTRIBUTES: Final = (
    "forecast",
    "forecasts",
    "carbon_intensity_forecast",
    "prices",
    "data",
    "raw",
)
_STARTS: Final = (
    "start",
    "from",
    "start_time",
    "startTime",
    "starts_at",
    "startsAt",
    "valid_from",
    "period_start",
    "point_time",
    "datetime",
    "time",
    "timestamp",
)
_ENDS: Final = (
    "end",
    "to",
    "end_time",
    "endTime",
    "ends_at",
    "endsAt",
    "valid_to",
    "period_end",
)
_VALUES: Final = (
    "value",
    "intensity",
    "carbonIntensity",
    "carbon_intensity",
    "intensity_forecast",
    "co2_intensity",
    "co2intensity",
    "co2",
    "forecast",
    "actual",
)
# Unix time in milliseconds is larger than that, in seconds it is not before 5138.
_SECONDS_UNTIL: Final = 1e11


def parse_series(attribute: Any, time_zone: tzinfo) -> Slots:
    """Return the slots of an attribute; values that are not known are left out.

    Args:
        attribute: In one of the usual shapes.
        time_zone: Of texts without an offset. Of the hour that a local clock shows
            twice, the second showing is the later one.

    Raises:
        SourceDataError: It has none of the usual shapes.
    """
    moments: list[tuple[datetime, float]] = []
    slots: list[Slot] = []
    previous: datetime | None = None
    for start_value, end_value, value in _list_rows(attribute):
        if (number := _as_number(value)) is None:
            continue
        start = _as_moment(start_value, time_zone, previous)
        previous = start
        if end_value is None:
            moments.append((start, number))
        else:
            end = _as_moment(end_value, time_zone, start)
            slots.append(Slot(start=start, end=end, value=number))
    return arrange_slots((*slots, *slots_from_moments(moments)))


def _list_rows(attribute: Any) -> Iterable[tuple[Any, Any, Any]]:
    """Return start, end and value of each; None for an end that is not told."""
    if isinstance(attribute, Mapping):
        for key in USUAL_ATTRIBUTES:
            if key in attribute:
                return _list_rows(attribute[key])
        return [(start, None, value) for start, value in attribute.items()]
    if isinstance(attribute, str) or not isinstance(attribute, Sequence):
        raise SourceDataError("Not a list of values")
    return [_read_row(item) for item in attribute]


def _read_row(item: Any) -> tuple[Any, Any, Any]:
    if isinstance(item, Mapping):
        return _pick(item, _STARTS), _pick(item, _ENDS), _pick(item, _VALUES)
    if isinstance(item, Sequence) and not isinstance(item, str) and len(item) == 2:  # noqa: PLR2004 - a pair
        return item[0], None, item[1]
    raise SourceDataError("Not a value with its time")


def _pick(item: Mapping[Any, Any], names: Iterable[str]) -> Any:
    return next((item[name] for name in names if item.get(name) is not None), None)


def _as_number(value: Any) -> float | None:
    if isinstance(value, Mapping):
        # The mean where there are several, as UK Carbon Intensity itself has them.
        value = _pick(value, ("actual", "forecast", "value"))
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except TypeError, ValueError, OverflowError:
        return None
    return number if math.isfinite(number) else None


def _as_moment(value: Any, time_zone: tzinfo, previous: datetime | None) -> datetime:
    """Return a moment in UTC.

    Args:
        previous: The moment before it in the series.

    Raises:
        SourceDataError: It is none.
    """
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value if value < _SECONDS_UNTIL else value / 1000
            return datetime.fromtimestamp(seconds, UTC)
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
        moment = moment.replace(tzinfo=time_zone)
        found = moment.astimezone(UTC)
        if previous is not None and found <= previous:
            found = moment.replace(fold=1).astimezone(UTC)
    except TypeError, ValueError, OverflowError, OSError:
        raise SourceDataError(f"Not a time: {value!r:.40}") from None
    return found

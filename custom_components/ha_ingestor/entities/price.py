"""The entities of a source of prices."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import PERCENTAGE
from homeassistant.util import dt as dt_util

from ..coordinators.price import (
    EVENT_DEMAND_RESPONSE,
    EVENT_PRICE_SPIKE,
    TYPE_ENDED,
    TYPE_STARTED,
    PriceCoordinator,
)
from ..coordinators.price_view import PriceView
from ..sources.price.statistics import PriceLevel
from ..sources.slots import Slot, Slots
from .source import (
    SourceBinarySensorDescription,
    SourceEventDescription,
    SourceSensorDescription,
)

# A hundredth of a cent for a kilowatt-hour.
_PRICE_PRECISION: Final = 4
# Beyond this, digits are only the rounding of sums.
_DIGITS: Final = 6
_PERCENT: Final = 100


def format_forecast(slots: Slots) -> list[dict[str, str | float]]:
    """Return slots in the shape that chart cards take for Nord Pool's prices.

    Times are UTC without seconds: with 200 slots each character counts, since an
    attribute must not exceed 16 KiB.
    """
    return [
        {
            "start": _format_short(slot.start),
            "end": _format_short(slot.end),
            "value": round(slot.value, _DIGITS),
        }
        for slot in slots
    ]


def _format_short(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def _describe_current(view: PriceView) -> Mapping[str, Any]:
    return {
        **_describe_slot(view.slot),
        "currency": view.currency,
        "forecast": format_forecast(view.forecast),
    }


def _describe_slot(slot: Slot | None) -> Mapping[str, Any]:
    if slot is None:
        return {"start": None, "end": None}
    return {"start": dt_util.as_local(slot.start), "end": dt_util.as_local(slot.end)}


def _describe_window(view: PriceView) -> Mapping[str, Any]:
    window = view.window
    return {
        "end": None if window is None else dt_util.as_local(window.end),
        "average": None if window is None else round(window.value, _DIGITS),
        "unit": view.unit,
    }


def _describe_hours(hours: tuple[Slots, Slots]) -> Mapping[str, Any]:
    today, tomorrow = (
        [dt_util.as_local(slot.start).isoformat() for slot in day] for day in hours
    )
    return {"today": today, "tomorrow": tomorrow}


def _describe_demand(view: PriceView) -> Mapping[str, Any]:
    demand = view.demand
    return {} if demand is None else demand.attributes


PRICE_SENSORS: Final = (
    SourceSensorDescription[PriceView](
        key="current_price",
        translation_key="current_price",
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=_PRICE_PRECISION,
        value=lambda view: view.current,
        unit=lambda view: view.unit,
        attributes=_describe_current,
    ),
    SourceSensorDescription[PriceView](
        key="next_price",
        translation_key="next_price",
        suggested_display_precision=_PRICE_PRECISION,
        value=lambda view: view.following.value if view.following else None,
        unit=lambda view: view.unit,
        attributes=lambda view: _describe_slot(view.following),
    ),
    SourceSensorDescription[PriceView](
        key="lowest_price_today",
        translation_key="lowest_price_today",
        suggested_display_precision=_PRICE_PRECISION,
        value=lambda view: view.extremes.lowest if view.extremes else None,
        unit=lambda view: view.unit,
    ),
    SourceSensorDescription[PriceView](
        key="highest_price_today",
        translation_key="highest_price_today",
        suggested_display_precision=_PRICE_PRECISION,
        value=lambda view: view.extremes.highest if view.extremes else None,
        unit=lambda view: view.unit,
    ),
    SourceSensorDescription[PriceView](
        key="average_price_today",
        translation_key="average_price_today",
        suggested_display_precision=_PRICE_PRECISION,
        value=lambda view: view.extremes.average if view.extremes else None,
        unit=lambda view: view.unit,
    ),
    SourceSensorDescription[PriceView](
        key="price_quantile",
        translation_key="price_quantile",
        native_unit_of_measurement=PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=lambda view: view.standing.quantile * _PERCENT if view.standing else None,
    ),
    SourceSensorDescription[PriceView](
        key="price_rank",
        translation_key="price_rank",
        state_class=SensorStateClass.MEASUREMENT,
        value=lambda view: view.standing.rank if view.standing else None,
        attributes=lambda view: {
            "slots": view.standing.slot_count if view.standing else None
        },
    ),
    SourceSensorDescription[PriceView](
        key="price_level",
        translation_key="price_level",
        device_class=SensorDeviceClass.ENUM,
        options=list(PriceLevel),
        value=lambda view: view.level,
    ),
    SourceSensorDescription[PriceView](
        key="cheapest_window",
        translation_key="cheapest_window",
        device_class=SensorDeviceClass.TIMESTAMP,
        value=lambda view: view.window.start if view.window else None,
        attributes=_describe_window,
    ),
    SourceSensorDescription[PriceView](
        key="cheapest_hours",
        translation_key="cheapest_hours",
        device_class=SensorDeviceClass.TIMESTAMP,
        value=lambda view: view.upcoming_cheapest,
        attributes=lambda view: _describe_hours(view.cheapest),
    ),
    SourceSensorDescription[PriceView](
        key="most_expensive_hours",
        translation_key="most_expensive_hours",
        device_class=SensorDeviceClass.TIMESTAMP,
        value=lambda view: view.upcoming_most_expensive,
        attributes=lambda view: _describe_hours(view.most_expensive),
    ),
)


def _has_demand_response(coordinator: PriceCoordinator) -> bool:
    return coordinator.has_demand_response


PRICE_BINARY_SENSORS: Final = (
    SourceBinarySensorDescription[PriceView](
        key="peak_period",
        translation_key="peak_period",
        is_on=lambda view: view.is_peak,
    ),
    SourceBinarySensorDescription[PriceView](
        key="tomorrow_known",
        translation_key="tomorrow_known",
        is_on=lambda view: view.is_tomorrow_known,
    ),
    SourceBinarySensorDescription[PriceView](
        key="demand_response",
        translation_key="demand_response",
        is_on=lambda view: view.demand.is_active if view.demand else None,
        attributes=_describe_demand,
        is_wanted=_has_demand_response,
    ),
)
PRICE_EVENTS: Final = (
    SourceEventDescription(
        key=EVENT_PRICE_SPIKE,
        translation_key="price_spike",
        event_types=[TYPE_STARTED, TYPE_ENDED],
    ),
    SourceEventDescription(
        key=EVENT_DEMAND_RESPONSE,
        translation_key="demand_response",
        event_types=[TYPE_STARTED, TYPE_ENDED],
        is_wanted=_has_demand_response,
    ),
)

"""The entities of a source of carbon intensity."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import PERCENTAGE

from ..coordinators.carbon import CarbonCoordinator, CarbonView
from ..coordinators.source import SourceCoordinator
from ..sources.carbon.forecast import thin_slots
from .source import SourceBinarySensorDescription, SourceSensorDescription

UNIT: Final = "gCO2eq/kWh"
# One takes up to 90 bytes, and all attributes together may have 16 KiB.
MAX_FORECAST_SLOTS: Final = 160


@dataclass(frozen=True, kw_only=True)
class CarbonSensorDescription(SourceSensorDescription[CarbonView]):
    """A value that not every provider has.

    Attributes:
        needs: Name of what the coordinator must know for it.
    """

    needs: str


def _describe_place(view: CarbonView) -> dict[str, Any]:
    return {"region": view.region, "grid_operator": view.grid_operator}


def _describe_intensity(view: CarbonView) -> Mapping[str, Any]:
    return {
        **_describe_place(view),
        "is_marginal": view.is_marginal,
        "forecast": [
            {
                "start": slot.start.isoformat(),
                "end": slot.end.isoformat(),
                "value": round(slot.value, 1),
            }
            for slot in thin_slots(view.forecast, MAX_FORECAST_SLOTS)
        ],
    }


def _describe_window(view: CarbonView) -> Mapping[str, Any]:
    window = view.window
    return {
        "end": None if window is None else window.end,
        "mean": None if window is None else round(window.mean, 1),
    }


def _describe_comparison(view: CarbonView) -> Mapping[str, Any]:
    percentile = view.compared_percentile
    return {"percentile": None if percentile is None else round(percentile, 1)}


CARBON_SENSORS: Final = (
    CarbonSensorDescription(
        key="carbon_intensity",
        translation_key="carbon_intensity",
        native_unit_of_measurement=UNIT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        needs="intensity",
        value=lambda view: view.intensity,
        attributes=_describe_intensity,
    ),
    CarbonSensorDescription(
        key="renewable_percentage",
        translation_key="renewable_percentage",
        native_unit_of_measurement=PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        needs="renewable_percentage",
        value=lambda view: view.renewable_percentage,
    ),
    CarbonSensorDescription(
        key="fossil_percentage",
        translation_key="fossil_percentage",
        native_unit_of_measurement=PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        needs="fossil_percentage",
        value=lambda view: view.fossil_percentage,
    ),
    CarbonSensorDescription(
        key="carbon_percentile",
        translation_key="carbon_percentile",
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        needs="percentile",
        value=lambda view: view.percentile,
        attributes=_describe_place,
    ),
    # A prediction is no measurement: no state class.
    CarbonSensorDescription(
        key="carbon_forecast_1h",
        translation_key="carbon_forecast_1h",
        native_unit_of_measurement=UNIT,
        suggested_display_precision=0,
        needs="forecast",
        value=lambda view: view.forecast_1h,
    ),
    CarbonSensorDescription(
        key="carbon_forecast_24h",
        translation_key="carbon_forecast_24h",
        native_unit_of_measurement=UNIT,
        suggested_display_precision=0,
        needs="forecast_24h",
        value=lambda view: view.forecast_24h,
    ),
    CarbonSensorDescription(
        key="carbon_window_start",
        translation_key="carbon_window_start",
        device_class=SensorDeviceClass.TIMESTAMP,
        needs="forecast",
        value=lambda view: None if view.window is None else view.window.start,
        attributes=_describe_window,
    ),
)
CARBON_BINARY_SENSORS: Final = (
    SourceBinarySensorDescription[CarbonView](
        key="grid_clean",
        translation_key="grid_clean",
        is_on=lambda view: view.is_clean,
        attributes=_describe_comparison,
    ),
)


def list_carbon_sensors(
    source: SourceCoordinator[Any, Any],
) -> Iterable[CarbonSensorDescription]:
    """Return the sensors that a source has ever had a value for."""
    known = cast("CarbonCoordinator", source).known
    return (item for item in CARBON_SENSORS if item.needs in known)

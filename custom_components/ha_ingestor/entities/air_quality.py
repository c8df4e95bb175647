"""The entities of a source of air quality."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import UnitOfDensity

from ..coordinators.air_quality import (
    EVENT_BETTER,
    EVENT_CATEGORY_CHANGED,
    EVENT_WORSE,
    AirQualityCoordinator,
    AirQualityView,
)
from ..coordinators.source import SourceCoordinator
from ..sources.air_quality.aqi import Category, Pollutant
from .source import SourceEventDescription, SourceSensorDescription


def _list_index_attributes(view: AirQualityView) -> Mapping[str, Any]:
    attributes: dict[str, Any] = {
        "location": view.location,
        "measured_at": view.measured_at,
        "scale": view.scale.value,
        # Not the provider's own, but of its concentrations.
        "estimated": view.index.is_computed,
    }
    if view.origins:
        attributes["origins"] = list(view.origins)
    return attributes


AIR_QUALITY_SENSORS: Final = (
    SourceSensorDescription[AirQualityView](
        key="aqi",
        translation_key="air_quality_index",
        device_class=SensorDeviceClass.AQI,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=lambda view: view.index.aqi,
        attributes=_list_index_attributes,
    ),
    SourceSensorDescription[AirQualityView](
        key="category",
        translation_key="air_quality_category",
        device_class=SensorDeviceClass.ENUM,
        # Those of both scales: the user may change it at any time.
        options=[category.value for category in Category],
        value=lambda view: None if view.category is None else view.category.value,
        attributes=lambda view: {"scale": view.scale.value},
    ),
    SourceSensorDescription[AirQualityView](
        key="dominant_pollutant",
        translation_key="dominant_pollutant",
        device_class=SensorDeviceClass.ENUM,
        options=[pollutant.value for pollutant in Pollutant],
        value=lambda view: view.index.dominant,
    ),
)


def _describe(
    pollutant: Pollutant, device_class: SensorDeviceClass
) -> SourceSensorDescription[AirQualityView]:
    def value(view: AirQualityView) -> float | None:
        reading = view.readings.get(pollutant)
        return None if reading is None else reading.concentration

    def attributes(view: AirQualityView) -> Mapping[str, Any]:
        if (reading := view.readings.get(pollutant)) is None:
            return {}
        found: dict[str, Any] = {"measured_at": reading.measured_at}
        if (aqi := view.index.sub_indices.get(pollutant)) is not None:
            found["aqi"] = aqi
        if reading.is_from_aqi:
            found["computed_from_aqi"] = True
        if reading.correction is not None:
            found["correction"] = reading.correction
        return found

    return SourceSensorDescription[AirQualityView](
        key=pollutant.value,
        translation_key=f"air_{pollutant}",
        device_class=device_class,
        native_unit_of_measurement=UnitOfDensity.MICROGRAMS_PER_CUBIC_METER,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value=value,
        attributes=attributes,
    )


POLLUTANT_SENSORS: Final = (
    _describe(Pollutant.PM25, SensorDeviceClass.PM25),
    _describe(Pollutant.PM10, SensorDeviceClass.PM10),
    _describe(Pollutant.OZONE, SensorDeviceClass.OZONE),
    _describe(Pollutant.NITROGEN_DIOXIDE, SensorDeviceClass.NITROGEN_DIOXIDE),
    _describe(Pollutant.SULPHUR_DIOXIDE, SensorDeviceClass.SULPHUR_DIOXIDE),
    _describe(Pollutant.CARBON_MONOXIDE, SensorDeviceClass.CO),
)
AIR_QUALITY_EVENTS: Final = (
    SourceEventDescription(
        key=EVENT_CATEGORY_CHANGED,
        translation_key=EVENT_CATEGORY_CHANGED,
        event_types=[EVENT_BETTER, EVENT_WORSE],
    ),
)


def list_air_quality_sensors(
    source: SourceCoordinator[Any, Any],
) -> Iterable[SourceSensorDescription[AirQualityView]]:
    """Return the sensors of a source: of pollutants those that it has, or had."""
    pollutants = cast("AirQualityCoordinator", source).pollutants
    yield from AIR_QUALITY_SENSORS
    for description in POLLUTANT_SENSORS:
        if description.key in pollutants:
            yield description

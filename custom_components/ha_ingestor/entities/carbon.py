"""The entities of a source of carbon intensity."""

from typing import Final

from homeassistant.components.sensor import SensorStateClass

from ..coordinators.carbon import CarbonView
from .source import SourceBinarySensorDescription, SourceSensorDescription

CARBON_SENSORS: Final = (
    SourceSensorDescription[CarbonView](
        key="carbon_intensity",
        translation_key="carbon_intensity",
        native_unit_of_measurement="gCO2eq/kWh",
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=lambda view: view.intensity,
        attributes=lambda view: {"region": view.region},
    ),
)
CARBON_BINARY_SENSORS: Final = (
    SourceBinarySensorDescription[CarbonView](
        key="grid_clean",
        translation_key="grid_clean",
        is_on=lambda view: view.is_clean,
    ),
)

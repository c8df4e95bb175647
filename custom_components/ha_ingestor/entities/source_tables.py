"""Which entities each kind of source has."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ..coordinators.source import SourceCoordinator
from ..models import SourceKind
from .air_quality import AIR_QUALITY_EVENTS, list_air_quality_sensors
from .carbon import CARBON_BINARY_SENSORS, list_carbon_sensors
from .meter import METER_EVENTS, list_meter_sensors
from .occupancy import OCCUPANCY_BINARY_SENSORS, OCCUPANCY_SENSORS
from .price import PRICE_BINARY_SENSORS, PRICE_EVENTS, PRICE_SENSORS
from .source import (
    SourceBinarySensorDescription,
    SourceEventDescription,
    SourceSensorDescription,
)

# Asked again at every update: a meter may have a new circuit.
type SensorLister = Callable[
    [SourceCoordinator[Any, Any]], Iterable[SourceSensorDescription[Any]]
]

SENSORS: Final[Mapping[SourceKind, SensorLister]] = {
    SourceKind.CARBON_INTENSITY: list_carbon_sensors,
    SourceKind.ELECTRICITY_PRICE: lambda _: PRICE_SENSORS,
    SourceKind.AIR_QUALITY: list_air_quality_sensors,
    SourceKind.OCCUPANCY: lambda _: OCCUPANCY_SENSORS,
    SourceKind.SMART_METER: list_meter_sensors,
}
BINARY_SENSORS: Final[
    Mapping[SourceKind, tuple[SourceBinarySensorDescription[Any], ...]]
] = {
    SourceKind.CARBON_INTENSITY: CARBON_BINARY_SENSORS,
    SourceKind.ELECTRICITY_PRICE: PRICE_BINARY_SENSORS,
    SourceKind.OCCUPANCY: OCCUPANCY_BINARY_SENSORS,
}
EVENTS: Final[Mapping[SourceKind, tuple[SourceEventDescription, ...]]] = {
    SourceKind.ELECTRICITY_PRICE: PRICE_EVENTS,
    SourceKind.AIR_QUALITY: AIR_QUALITY_EVENTS,
    SourceKind.SMART_METER: METER_EVENTS,
}

"""Which entities each kind of source has."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ..coordinators.source import SourceCoordinator
from ..models import SourceKind
from .carbon import CARBON_BINARY_SENSORS, CARBON_SENSORS
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
    SourceKind.CARBON_INTENSITY: lambda _: CARBON_SENSORS,
}
BINARY_SENSORS: Final[
    Mapping[SourceKind, tuple[SourceBinarySensorDescription[Any], ...]]
] = {
    SourceKind.CARBON_INTENSITY: CARBON_BINARY_SENSORS,
}
EVENTS: Final[Mapping[SourceKind, tuple[SourceEventDescription, ...]]] = {}

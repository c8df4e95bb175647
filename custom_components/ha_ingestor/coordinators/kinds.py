"""What runs the sources of each kind."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from homeassistant.core import HomeAssistant

from ..models import SourceKind
from .air_quality import AirQualityCoordinator
from .carbon import CarbonCoordinator
from .meter import MeterCoordinator
from .occupancy import OccupancyCoordinator
from .price import PriceCoordinator
from .price_template import check_price_formula
from .source import SourceCoordinator

COORDINATORS: Final[Mapping[SourceKind, type[SourceCoordinator[Any, Any]]]] = {
    SourceKind.CARBON_INTENSITY: CarbonCoordinator,
    SourceKind.ELECTRICITY_PRICE: PriceCoordinator,
    SourceKind.AIR_QUALITY: AirQualityCoordinator,
    SourceKind.SMART_METER: MeterCoordinator,
    SourceKind.OCCUPANCY: OccupancyCoordinator,
}

# Refuse settings that make no sense with an answer, before they are saved; by
# raising SourceArgumentError.
SETTINGS_CHECKS: Final[
    Mapping[SourceKind, Callable[[HomeAssistant, Mapping[str, Any], Any], None]]
] = {
    SourceKind.ELECTRICITY_PRICE: check_price_formula,
}

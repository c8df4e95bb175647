"""All sources, by hand: no import by name, so that a search finds every user.

Adding a provider is one module in the room of its kind and one line here.
"""

from collections.abc import Mapping
from typing import Any, Final

from ..models import SourceKind
from .air_quality.air_quality_entity import AIR_QUALITY_ENTITY
from .air_quality.airnow import AIRNOW
from .air_quality.open_meteo import OPEN_METEO
from .air_quality.openaq import OPENAQ
from .air_quality.purpleair import PURPLEAIR
from .air_quality.settings import AIR_QUALITY_SETTINGS
from .air_quality.waqi import WAQI
from .base import Argument, SourceDescription
from .carbon.carbon_entity import CARBON_ENTITY
from .carbon.electricity_maps import ELECTRICITY_MAPS
from .carbon.settings import CARBON_SETTINGS
from .carbon.uk_carbon_intensity import UK_CARBON_INTENSITY
from .carbon.watttime import WATTTIME
from .meter.emporia import EMPORIA
from .meter.meter_entities import METER_ENTITIES
from .meter.sense import SENSE
from .meter.settings import METER_SETTINGS
from .occupancy.calendars import CALENDAR
from .occupancy.settings import OCCUPANCY_SETTINGS
from .price.awattar import AWATTAR
from .price.octopus import OCTOPUS
from .price.price_entity import PRICE_ENTITY
from .price.settings import PRICE_SETTINGS
from .price.tariff import TARIFF
from .price.tibber import TIBBER

# In the order in which the form offers them; those that need no key come first.
_SOURCES: Final[tuple[SourceDescription[Any], ...]] = (
    # Carbon intensity
    UK_CARBON_INTENSITY,
    CARBON_ENTITY,
    ELECTRICITY_MAPS,
    WATTTIME,
    # Electricity price
    AWATTAR,
    TARIFF,
    PRICE_ENTITY,
    OCTOPUS,
    TIBBER,
    # Occupancy
    CALENDAR,
    # Smart meter
    METER_ENTITIES,
    EMPORIA,
    SENSE,
    # Air quality
    OPEN_METEO,
    AIR_QUALITY_ENTITY,
    AIRNOW,
    OPENAQ,
    WAQI,
    PURPLEAIR,
)

SOURCES: Final[Mapping[str, SourceDescription[Any]]] = {
    source.key: source for source in _SOURCES
}

# What the user decides about a kind, whoever the provider is.
SETTINGS: Final[Mapping[SourceKind, tuple[Argument, ...]]] = {
    SourceKind.CARBON_INTENSITY: CARBON_SETTINGS,
    SourceKind.ELECTRICITY_PRICE: PRICE_SETTINGS,
    SourceKind.AIR_QUALITY: AIR_QUALITY_SETTINGS,
    SourceKind.OCCUPANCY: OCCUPANCY_SETTINGS,
    SourceKind.SMART_METER: METER_SETTINGS,
}


def list_sources(kind: SourceKind) -> list[SourceDescription[Any]]:
    """Return the sources of a kind, in the order of the form."""
    return [source for source in SOURCES.values() if source.kind is kind]

"""What entities of sources are made of, and those that every source has.

The tables of the kinds are in modules of their own beside this one; `source_tables`
lists them, the platforms add what stands in them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from homeassistant.components.binary_sensor import BinarySensorEntityDescription
from homeassistant.components.event import EventEntityDescription
from homeassistant.components.sensor import SensorEntityDescription, SensorStateClass
from homeassistant.const import PERCENTAGE, EntityCategory


@dataclass(frozen=True, kw_only=True)
class SourceSensorDescription[ViewT](SensorEntityDescription):
    """A value of a view; None where the source does not know it now.

    Attributes:
        unit: Unit that depends on the view, such as a currency's.
        placeholders: Values for the translated name, such as a circuit's.
        reset_at: When a total began anew last.
    """

    value: Callable[[ViewT], float | str | date | datetime | None]
    unit: Callable[[ViewT], str | None] | None = None
    attributes: Callable[[ViewT], Mapping[str, Any]] | None = None
    placeholders: Mapping[str, str] | None = None
    reset_at: Callable[[ViewT], datetime] | None = None


@dataclass(frozen=True, kw_only=True)
class SourceBinarySensorDescription[ViewT](BinarySensorEntityDescription):
    """A yes or no of a view; None where the source does not know it now.

    Attributes:
        is_wanted: Tells whether a coordinator has it, asked again at every update;
            None for always.
    """

    is_on: Callable[[ViewT], bool | None]
    attributes: Callable[[ViewT], Mapping[str, Any]] | None = None
    is_wanted: Callable[[Any], bool] | None = None


@dataclass(frozen=True, kw_only=True)
class SourceEventDescription(EventEntityDescription):
    """An event that a coordinator fires under its key.

    Attributes:
        is_wanted: As that of a binary sensor.
    """

    event_types: list[str]
    is_wanted: Callable[[Any], bool] | None = None


SUCCESS_RATE: Final = SensorEntityDescription(
    key="success_rate",
    translation_key="source_success_rate",
    native_unit_of_measurement=PERCENTAGE,
    state_class=SensorStateClass.MEASUREMENT,
    suggested_display_precision=1,
    entity_category=EntityCategory.DIAGNOSTIC,
)

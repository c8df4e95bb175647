"""Values that more than one room uses."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

type FieldValue = str | float | bool
type Tags = Mapping[str, str]
type Fields = Mapping[str, FieldValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One sample, ready to store.

    Attributes:
        measurement: Name; its fields keep their types for ever.
        tags: Indexed text; absent ones are left out, never empty.
        fields: At least one. An int is not a field value: it would fix the
            field's type to integer and refuse the first fraction.
        time_ns: Unix time, UTC, nanoseconds.
    """

    measurement: str
    tags: Tags
    fields: Fields
    time_ns: int


def to_time_ns(time_s: float) -> int:
    """Return Unix time as a point has it: whole microseconds, in nanoseconds.

    Everything that writes goes through the same rounding, so that a point that is
    written again replaces itself.
    """
    return round(time_s * 1e6) * 1000


class EventKind(StrEnum):
    """Kinds of event that a user can switch on and off."""

    STATES = "states"
    AUTOMATIONS = "automations"
    SCRIPTS = "scripts"
    ACTIONS = "actions"
    REGISTRIES = "registries"
    INTEGRATIONS = "integrations"
    USERS = "users"
    HOME_ASSISTANT = "home_assistant"


class ContextField(StrEnum):
    """Fields that describe the moment of an event, not its entity."""

    OUTDOOR_TEMPERATURE = "outdoor_temperature"  # degC
    OUTDOOR_HUMIDITY = "outdoor_humidity"  # %
    OUTDOOR_PRESSURE = "outdoor_pressure"  # hPa
    OUTDOOR_CONDITION = "outdoor_condition"  # text
    CARBON_INTENSITY = "carbon_intensity"  # gCO2eq/kWh
    ELECTRICITY_PRICE = "electricity_price"  # currency/kWh
    ANYONE_HOME = "anyone_home"  # bool
    DAYLIGHT = "daylight"  # bool


class SourceKind(StrEnum):
    """Kinds of outside data; also the types of a hub's subentries."""

    CARBON_INTENSITY = "carbon_intensity"
    ELECTRICITY_PRICE = "electricity_price"
    AIR_QUALITY = "air_quality"
    OCCUPANCY = "occupancy"
    SMART_METER = "smart_meter"

"""What a user can choose about a hub, with its defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from .const import (
    CONF_ATTRIBUTES,
    CONF_BUFFER_MIB,
    CONF_CARBON_ENTITY,
    CONF_CARBON_SOURCE,
    CONF_CONTEXT_FIELDS,
    CONF_DEADBAND,
    CONF_DEADBAND_PERCENT,
    CONF_EVENT_KINDS,
    CONF_EXCLUDE_AREAS,
    CONF_EXCLUDE_DEVICES,
    CONF_EXCLUDE_DOMAINS,
    CONF_EXCLUDE_ENTITIES,
    CONF_EXCLUDE_GLOBS,
    CONF_EXCLUDE_LABELS,
    CONF_FLUSH_INTERVAL_S,
    CONF_GLOB,
    CONF_HEARTBEAT_S,
    CONF_INCLUDE_AREAS,
    CONF_INCLUDE_DEVICES,
    CONF_INCLUDE_DOMAINS,
    CONF_INCLUDE_ENTITIES,
    CONF_INCLUDE_GLOBS,
    CONF_INCLUDE_LABELS,
    CONF_IS_FULL_SYNC,
    CONF_IS_NEWEST_FIRST,
    CONF_MIN_INTERVAL_S,
    CONF_OCCUPANCY_SOURCE,
    CONF_OUTDOOR_TEMPERATURE_ENTITY,
    CONF_PRESENCE_ENTITIES,
    CONF_PRICE_ENTITY,
    CONF_PRICE_SOURCE,
    CONF_SAMPLING,
    CONF_STATIC_TAGS,
    CONF_WEATHER_ENTITY,
)
from .models import ContextField, EventKind

# Attributes that carry a reading of their own, as `domain.attribute` (globs are
# allowed). Everything else in a state is presentation and would multiply the
# stored bytes.
DEFAULT_ATTRIBUTES: Final = (
    "climate.current_humidity",
    "climate.current_temperature",
    "climate.fan_mode",
    "climate.humidity",
    "climate.hvac_action",
    "climate.preset_mode",
    "climate.target_temp_high",
    "climate.target_temp_low",
    "climate.temperature",
    "cover.current_position",
    "cover.current_tilt_position",
    "fan.percentage",
    "fan.preset_mode",
    "humidifier.action",
    "humidifier.current_humidity",
    "humidifier.humidity",
    "light.brightness",
    "light.color_temp_kelvin",
    "media_player.media_content_type",
    "media_player.source",
    "media_player.volume_level",
    "sun.azimuth",
    "sun.elevation",
    "vacuum.battery_level",
    "valve.current_position",
    "water_heater.current_temperature",
    "water_heater.temperature",
    "weather.cloud_coverage",
    "weather.humidity",
    "weather.precipitation",
    "weather.pressure",
    "weather.temperature",
    "weather.wind_bearing",
    "weather.wind_speed",
)
DEFAULT_EVENT_KINDS: Final = tuple(EventKind)
# Each context field costs the server as much as a field of the reading itself;
# these four are what people ask their history for.
DEFAULT_CONTEXT_FIELDS: Final = (
    ContextField.OUTDOOR_TEMPERATURE,
    ContextField.ELECTRICITY_PRICE,
    ContextField.CARBON_INTENSITY,
    ContextField.ANYONE_HOME,
)
DEFAULT_FLUSH_INTERVAL_S: Final = 1.0
MIN_FLUSH_INTERVAL_S: Final = 0.05
MAX_FLUSH_INTERVAL_S: Final = 60.0
# Upper end of the default; a tenth of the free disk where that is less.
DEFAULT_BUFFER_MIB: Final = 1024
MIN_BUFFER_MIB: Final = 16
MAX_BUFFER_MIB: Final = 102_400

# Tags and fields that the integration itself sets on events: a static tag of such a
# name would hide it, or make every query for it ambiguous.
RESERVED_TAGS: Final = frozenset(
    {
        "action",
        "area",
        "context_id",
        "context_parent_id",
        "context_user_id",
        "data",
        "device",
        "device_class",
        "domain",
        "duration_s",
        "entity_id",
        "event_type",
        "floor",
        "integration",
        "name",
        "previous_entity_id",
        "previous_state",
        "state",
        "state_class",
        "time",
        "unit",
        "value",
        *ContextField,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingRule:
    """How densely the entities of a glob are stored; the first rule that fits holds.

    Attributes:
        glob: Entity ids, such as `sensor.power_*`.
        min_interval_s: At most one value in this time; the last one of it is stored.
        deadband: A number has to move by so much, in its own unit.
        deadband_percent: Or by so much of the number stored last.
        heartbeat_s: A value that does not change is stored again after this time.
    """

    glob: str
    min_interval_s: float | None = None
    deadband: float | None = None
    deadband_percent: float | None = None
    heartbeat_s: float | None = None

    @classmethod
    def from_option(cls, option: Mapping[str, Any]) -> Self:
        """Read one rule as the options flow stores it."""

        def number(key: str) -> float | None:
            return None if option.get(key) is None else float(option[key])

        return cls(
            glob=option[CONF_GLOB],
            min_interval_s=number(CONF_MIN_INTERVAL_S),
            deadband=number(CONF_DEADBAND),
            deadband_percent=number(CONF_DEADBAND_PERCENT),
            heartbeat_s=number(CONF_HEARTBEAT_S),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOptions:
    """Options of a hub, typed and complete.

    Attributes:
        weather_entity and the other `*_entity`: None means "found automatically".
        presence_entities: Persons, trackers, zones or groups; empty means zone.home.
        carbon_intensity_source and the other `*_source`: Subentry id; None means an
            entity that was chosen, else the first source of that kind.
        buffer_bytes: None means the default bound, which depends on the disk.
        static_tags: Written on every point.
    """

    include_domains: frozenset[str] = frozenset()
    include_entities: frozenset[str] = frozenset()
    include_globs: tuple[str, ...] = ()
    include_areas: frozenset[str] = frozenset()
    include_labels: frozenset[str] = frozenset()
    include_devices: frozenset[str] = frozenset()
    exclude_domains: frozenset[str] = frozenset()
    exclude_entities: frozenset[str] = frozenset()
    exclude_globs: tuple[str, ...] = ()
    exclude_areas: frozenset[str] = frozenset()
    exclude_labels: frozenset[str] = frozenset()
    exclude_devices: frozenset[str] = frozenset()
    sampling: tuple[SamplingRule, ...] = ()
    event_kinds: frozenset[EventKind] = frozenset(DEFAULT_EVENT_KINDS)
    attributes: tuple[str, ...] = DEFAULT_ATTRIBUTES
    context_fields: frozenset[ContextField] = frozenset(DEFAULT_CONTEXT_FIELDS)
    weather_entity: str | None = None
    outdoor_temperature_entity: str | None = None
    carbon_intensity_entity: str | None = None
    electricity_price_entity: str | None = None
    presence_entities: tuple[str, ...] = ()
    carbon_intensity_source: str | None = None
    electricity_price_source: str | None = None
    occupancy_source: str | None = None
    flush_interval_s: float = DEFAULT_FLUSH_INTERVAL_S
    buffer_bytes: int | None = None
    is_full_sync: bool = False
    is_newest_first: bool = False
    static_tags: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_entry_options(cls, options: Mapping[str, Any]) -> Self:
        """Read entry.options; what is missing there has its default."""
        buffer_mib = options.get(CONF_BUFFER_MIB)
        return cls(
            include_domains=frozenset(options.get(CONF_INCLUDE_DOMAINS, ())),
            include_entities=frozenset(options.get(CONF_INCLUDE_ENTITIES, ())),
            include_globs=tuple(options.get(CONF_INCLUDE_GLOBS, ())),
            include_areas=frozenset(options.get(CONF_INCLUDE_AREAS, ())),
            include_labels=frozenset(options.get(CONF_INCLUDE_LABELS, ())),
            include_devices=frozenset(options.get(CONF_INCLUDE_DEVICES, ())),
            exclude_domains=frozenset(options.get(CONF_EXCLUDE_DOMAINS, ())),
            exclude_entities=frozenset(options.get(CONF_EXCLUDE_ENTITIES, ())),
            exclude_globs=tuple(options.get(CONF_EXCLUDE_GLOBS, ())),
            exclude_areas=frozenset(options.get(CONF_EXCLUDE_AREAS, ())),
            exclude_labels=frozenset(options.get(CONF_EXCLUDE_LABELS, ())),
            exclude_devices=frozenset(options.get(CONF_EXCLUDE_DEVICES, ())),
            sampling=tuple(
                SamplingRule.from_option(rule)
                for rule in options.get(CONF_SAMPLING, ())
            ),
            event_kinds=frozenset(
                EventKind(kind)
                for kind in options.get(CONF_EVENT_KINDS, DEFAULT_EVENT_KINDS)
            ),
            attributes=tuple(options.get(CONF_ATTRIBUTES, DEFAULT_ATTRIBUTES)),
            context_fields=frozenset(
                ContextField(field)
                for field in options.get(CONF_CONTEXT_FIELDS, DEFAULT_CONTEXT_FIELDS)
            ),
            weather_entity=options.get(CONF_WEATHER_ENTITY),
            outdoor_temperature_entity=options.get(CONF_OUTDOOR_TEMPERATURE_ENTITY),
            carbon_intensity_entity=options.get(CONF_CARBON_ENTITY),
            electricity_price_entity=options.get(CONF_PRICE_ENTITY),
            presence_entities=tuple(options.get(CONF_PRESENCE_ENTITIES, ())),
            carbon_intensity_source=options.get(CONF_CARBON_SOURCE),
            electricity_price_source=options.get(CONF_PRICE_SOURCE),
            occupancy_source=options.get(CONF_OCCUPANCY_SOURCE),
            flush_interval_s=float(
                options.get(CONF_FLUSH_INTERVAL_S, DEFAULT_FLUSH_INTERVAL_S)
            ),
            buffer_bytes=None if buffer_mib is None else int(buffer_mib) * 1024 * 1024,
            is_full_sync=bool(options.get(CONF_IS_FULL_SYNC, False)),
            is_newest_first=bool(options.get(CONF_IS_NEWEST_FIRST, False)),
            static_tags=tuple(sorted(options.get(CONF_STATIC_TAGS, {}).items())),
        )

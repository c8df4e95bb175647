"""The three forms of the options, and what they save."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import probatio

from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.const import Platform, UnitOfInformation, UnitOfTime
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    EntityWithDeviceFilterSelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
)

from ..const import (
    CONF_ATTRIBUTES,
    CONF_BUFFER_MIB,
    CONF_CARBON_ENTITY,
    CONF_CONTEXT_FIELDS,
    CONF_EVENT_KINDS,
    CONF_EXCLUDE_DOMAINS,
    CONF_EXCLUDE_ENTITIES,
    CONF_EXCLUDE_GLOBS,
    CONF_FLUSH_INTERVAL_S,
    CONF_INCLUDE_DOMAINS,
    CONF_INCLUDE_ENTITIES,
    CONF_INCLUDE_GLOBS,
    CONF_IS_FULL_SYNC,
    CONF_OUTDOOR_TEMPERATURE_ENTITY,
    CONF_PRESENCE_ENTITIES,
    CONF_PRICE_ENTITY,
    CONF_STATIC_TAGS,
    CONF_WEATHER_ENTITY,
)
from ..models import ContextField, EventKind
from ..options import (
    DEFAULT_ATTRIBUTES,
    DEFAULT_CONTEXT_FIELDS,
    DEFAULT_EVENT_KINDS,
    DEFAULT_FLUSH_INTERVAL_S,
    MAX_BUFFER_MIB,
    MAX_FLUSH_INTERVAL_S,
    MIN_BUFFER_MIB,
    MIN_FLUSH_INTERVAL_S,
)
from .option_values import (
    LIST_CHECKS,
    format_static_tags,
    parse_list,
    parse_static_tags,
)
from .problems import FormProblemError

# Fine enough for the smallest interval; a typed value is not rounded to it.
_FLUSH_INTERVAL_STEP_S: Final = 0.05
# What can tell whether somebody is at home.
_PRESENCE_DOMAINS: Final = ("person", "device_tracker", "zone", "group")


def _create_list_selector(
    options: Iterable[str], *, translation_key: str | None = None
) -> SelectSelector:
    """Return a list to choose from; without a translation key also to type into."""
    config = SelectSelectorConfig(
        options=list(options), multiple=True, mode=SelectSelectorMode.DROPDOWN
    )
    if translation_key is None:
        config["custom_value"] = True
    else:
        config["translation_key"] = translation_key
    return SelectSelector(config)


def _create_entity_selector(
    *domains: str, device_class: str | None = None, is_multiple: bool = False
) -> EntitySelector:
    """Return a choice of entities, all of them if no domain is given."""
    config = EntitySelectorConfig(multiple=is_multiple)
    if domains:
        entity_filter = EntityWithDeviceFilterSelectorConfig(domain=list(domains))
        if device_class is not None:
            entity_filter["device_class"] = device_class
        config["filter"] = entity_filter
    return EntitySelector(config)


def create_capture_schema(known_domains: Iterable[str]) -> probatio.Schema:
    """Return the form of what is captured.

    Args:
        known_domains: Domains to offer; others can be typed.
    """
    domains = sorted(known_domains)
    return probatio.Schema(
        {
            probatio.Optional(CONF_INCLUDE_DOMAINS): _create_list_selector(domains),
            probatio.Optional(CONF_INCLUDE_GLOBS): TextSelector(
                TextSelectorConfig(multiple=True)
            ),
            probatio.Optional(CONF_INCLUDE_ENTITIES): _create_entity_selector(
                is_multiple=True
            ),
            probatio.Optional(CONF_EXCLUDE_DOMAINS): _create_list_selector(domains),
            probatio.Optional(CONF_EXCLUDE_GLOBS): TextSelector(
                TextSelectorConfig(multiple=True)
            ),
            probatio.Optional(CONF_EXCLUDE_ENTITIES): _create_entity_selector(
                is_multiple=True
            ),
            probatio.Optional(CONF_EVENT_KINDS): _create_list_selector(
                [kind.value for kind in EventKind], translation_key="event_kind"
            ),
            probatio.Optional(CONF_ATTRIBUTES): _create_list_selector(
                DEFAULT_ATTRIBUTES
            ),
        }
    )


CONTEXT_SCHEMA: Final = probatio.Schema(
    {
        probatio.Optional(CONF_CONTEXT_FIELDS): _create_list_selector(
            [field.value for field in ContextField], translation_key="context_field"
        ),
        probatio.Optional(CONF_WEATHER_ENTITY): _create_entity_selector(
            Platform.WEATHER
        ),
        probatio.Optional(CONF_OUTDOOR_TEMPERATURE_ENTITY): _create_entity_selector(
            Platform.SENSOR, device_class=SensorDeviceClass.TEMPERATURE
        ),
        probatio.Optional(CONF_CARBON_ENTITY): _create_entity_selector(Platform.SENSOR),
        probatio.Optional(CONF_PRICE_ENTITY): _create_entity_selector(Platform.SENSOR),
        probatio.Optional(CONF_PRESENCE_ENTITIES): _create_entity_selector(
            *_PRESENCE_DOMAINS, is_multiple=True
        ),
    }
)

WRITER_SCHEMA: Final = probatio.Schema(
    {
        probatio.Optional(CONF_FLUSH_INTERVAL_S): NumberSelector(
            NumberSelectorConfig(
                min=MIN_FLUSH_INTERVAL_S,
                max=MAX_FLUSH_INTERVAL_S,
                step=_FLUSH_INTERVAL_STEP_S,
                unit_of_measurement=UnitOfTime.SECONDS,
                mode=NumberSelectorMode.BOX,
            )
        ),
        probatio.Optional(CONF_BUFFER_MIB): probatio.All(
            NumberSelector(
                NumberSelectorConfig(
                    min=MIN_BUFFER_MIB,
                    max=MAX_BUFFER_MIB,
                    step=1,
                    unit_of_measurement=UnitOfInformation.MEBIBYTES,
                    mode=NumberSelectorMode.BOX,
                )
            ),
            probatio.Coerce(int),
        ),
        probatio.Optional(CONF_IS_FULL_SYNC): BooleanSelector(),
        probatio.Optional(CONF_STATIC_TAGS): TextSelector(
            TextSelectorConfig(multiple=True)
        ),
    }
)

# What the forms show where nothing has been chosen yet.
_DEFAULTS: Final[Mapping[str, Any]] = {
    CONF_EVENT_KINDS: [kind.value for kind in DEFAULT_EVENT_KINDS],
    CONF_ATTRIBUTES: list(DEFAULT_ATTRIBUTES),
    CONF_CONTEXT_FIELDS: [field.value for field in DEFAULT_CONTEXT_FIELDS],
    CONF_FLUSH_INTERVAL_S: DEFAULT_FLUSH_INTERVAL_S,
    CONF_IS_FULL_SYNC: False,
}


def get_form_values(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored options as the forms show them."""
    values = {**_DEFAULTS, **options}
    values[CONF_STATIC_TAGS] = format_static_tags(options.get(CONF_STATIC_TAGS, {}))
    return values


def merge_options(
    options: Mapping[str, Any], schema: probatio.Schema, user_input: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all options after one form has been saved.

    What the form has but the input lacks has been cleared: it is removed, so that
    its default holds again. An empty list is a choice of its own ("none").
    What equals its default is not kept either, so that it follows when a later
    version knows another kind of event or a better default.

    Raises:
        FormProblemError: A field holds something that cannot be used.
    """
    kept = {key: value for key, value in options.items() if key not in schema.schema}
    return kept | _parse_input(user_input)


def _parse_input(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return the input in the form in which it is stored."""
    values = dict(user_input)
    for field in LIST_CHECKS:
        if field in values:
            values[field] = parse_list(field, values[field])
    if CONF_STATIC_TAGS in values:
        values[CONF_STATIC_TAGS] = parse_static_tags(values[CONF_STATIC_TAGS])
    if values.get(CONF_EVENT_KINDS) == []:
        raise FormProblemError(CONF_EVENT_KINDS, "no_event_kinds")
    return {
        field: value for field, value in values.items() if not _is_default(field, value)
    }


def _is_default(field: str, value: Any) -> bool:
    """Tell whether a value is what holds without it; order does not matter."""
    default = _DEFAULTS.get(field)
    if default is None:
        return value in ([], {})
    if isinstance(default, list):
        return set(value) == set(default)
    return bool(value == default)

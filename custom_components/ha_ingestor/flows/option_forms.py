"""The forms of the options, and what they save."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import probatio

from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.const import Platform, UnitOfInformation, UnitOfTime
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    AreaSelector,
    AreaSelectorConfig,
    BooleanSelector,
    DeviceSelector,
    DeviceSelectorConfig,
    EntitySelector,
    EntitySelectorConfig,
    EntityWithDeviceFilterSelectorConfig,
    LabelSelector,
    LabelSelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
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
    CONF_CARBON_SOURCE,
    CONF_CONTEXT_FIELDS,
    CONF_EVENT_KINDS,
    CONF_EXCLUDE_AREAS,
    CONF_EXCLUDE_DEVICES,
    CONF_EXCLUDE_DOMAINS,
    CONF_EXCLUDE_ENTITIES,
    CONF_EXCLUDE_GLOBS,
    CONF_EXCLUDE_LABELS,
    CONF_FLUSH_INTERVAL_S,
    CONF_INCLUDE_AREAS,
    CONF_INCLUDE_DEVICES,
    CONF_INCLUDE_DOMAINS,
    CONF_INCLUDE_ENTITIES,
    CONF_INCLUDE_GLOBS,
    CONF_INCLUDE_LABELS,
    CONF_IS_FULL_SYNC,
    CONF_IS_NEWEST_FIRST,
    CONF_OCCUPANCY_SOURCE,
    CONF_OUTDOOR_TEMPERATURE_ENTITY,
    CONF_PRESENCE_ENTITIES,
    CONF_PRICE_ENTITY,
    CONF_PRICE_SOURCE,
    CONF_SAMPLING,
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
from .sampling_rules import parse_sampling

SECTION_INCLUDE: Final = "include"
SECTION_EXCLUDE: Final = "exclude"

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


def _create_choice_section(
    fields: Mapping[str, str], domains: list[str], *, is_open: bool
) -> section:
    """Return the rules of one direction, from the most specific to the widest.

    Args:
        fields: What kind of rule each key holds.
        domains: Domains to offer.
        is_open: Whether the fields are visible at once.
    """
    selectors: Mapping[str, Any] = {
        "entities": _create_entity_selector(is_multiple=True),
        "globs": TextSelector(TextSelectorConfig(multiple=True)),
        "devices": DeviceSelector(DeviceSelectorConfig(multiple=True)),
        "labels": LabelSelector(LabelSelectorConfig(multiple=True)),
        "areas": AreaSelector(AreaSelectorConfig(multiple=True)),
        "domains": _create_list_selector(domains),
    }
    schema = probatio.Schema(
        {probatio.Optional(key): selectors[kind] for key, kind in fields.items()}
    )
    return section(schema, {"collapsed": not is_open})


_INCLUDE_FIELDS: Final[Mapping[str, str]] = {
    CONF_INCLUDE_ENTITIES: "entities",
    CONF_INCLUDE_GLOBS: "globs",
    CONF_INCLUDE_DEVICES: "devices",
    CONF_INCLUDE_LABELS: "labels",
    CONF_INCLUDE_AREAS: "areas",
    CONF_INCLUDE_DOMAINS: "domains",
}
_EXCLUDE_FIELDS: Final[Mapping[str, str]] = {
    CONF_EXCLUDE_ENTITIES: "entities",
    CONF_EXCLUDE_GLOBS: "globs",
    CONF_EXCLUDE_DEVICES: "devices",
    CONF_EXCLUDE_LABELS: "labels",
    CONF_EXCLUDE_AREAS: "areas",
    CONF_EXCLUDE_DOMAINS: "domains",
}


def create_capture_schema(
    known_domains: Iterable[str], open_sections: Container[str] = ()
) -> probatio.Schema:
    """Return the form of what is captured.

    Args:
        known_domains: Domains to offer; others can be typed.
        open_sections: Sections whose fields are visible at once.
    """
    domains = sorted(known_domains)
    return probatio.Schema(
        {
            probatio.Required(SECTION_INCLUDE): _create_choice_section(
                _INCLUDE_FIELDS, domains, is_open=SECTION_INCLUDE in open_sections
            ),
            probatio.Required(SECTION_EXCLUDE): _create_choice_section(
                _EXCLUDE_FIELDS, domains, is_open=SECTION_EXCLUDE in open_sections
            ),
            probatio.Optional(CONF_EVENT_KINDS): _create_list_selector(
                [kind.value for kind in EventKind], translation_key="event_kind"
            ),
            probatio.Optional(CONF_ATTRIBUTES): _create_list_selector(
                DEFAULT_ATTRIBUTES
            ),
        }
    )


def create_context_schema(
    sources: Mapping[str, list[SelectOptionDict]],
) -> probatio.Schema:
    """Return the form of the context fields.

    Args:
        sources: What can be chosen in each of the fields that take a source of the
            hub; a field that is not named is not shown.
    """
    source_fields = {
        field: SelectSelector(
            SelectSelectorConfig(options=choices, mode=SelectSelectorMode.DROPDOWN)
        )
        for field, choices in sources.items()
    }
    fields: dict[str, Any] = {
        CONF_CONTEXT_FIELDS: _create_list_selector(
            [field.value for field in ContextField], translation_key="context_field"
        ),
        CONF_WEATHER_ENTITY: _create_entity_selector(Platform.WEATHER),
        CONF_OUTDOOR_TEMPERATURE_ENTITY: _create_entity_selector(
            Platform.SENSOR, device_class=SensorDeviceClass.TEMPERATURE
        ),
        CONF_CARBON_SOURCE: source_fields.get(CONF_CARBON_SOURCE),
        CONF_CARBON_ENTITY: _create_entity_selector(Platform.SENSOR),
        CONF_PRICE_SOURCE: source_fields.get(CONF_PRICE_SOURCE),
        CONF_PRICE_ENTITY: _create_entity_selector(Platform.SENSOR),
        CONF_OCCUPANCY_SOURCE: source_fields.get(CONF_OCCUPANCY_SOURCE),
        CONF_PRESENCE_ENTITIES: _create_entity_selector(
            *_PRESENCE_DOMAINS, is_multiple=True
        ),
    }
    return probatio.Schema(
        {
            probatio.Optional(key): kind
            for key, kind in fields.items()
            if kind is not None
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
        probatio.Optional(CONF_IS_NEWEST_FIRST): BooleanSelector(),
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
    CONF_IS_NEWEST_FIRST: False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FormChanges:
    """What one filled form makes of the options.

    Attributes:
        fields: All fields of the form.
        values: What is stored of them.
    """

    fields: frozenset[str]
    values: Mapping[str, Any]

    def apply(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return all options after the form has been saved.

        What the form has but the input lacks has been cleared: it is removed, so
        that its default holds again.
        """
        kept = {key: value for key, value in options.items() if key not in self.fields}
        return kept | dict(self.values)


def _iterate_fields(schema: probatio.Schema) -> Iterator[tuple[str, str | None]]:
    """Name the fields of a form, each with the section that it is in."""
    for key, kind in schema.schema.items():
        if isinstance(kind, section):
            yield from ((str(field), str(key)) for field in kind.schema.schema)
        else:
            yield str(key), None


def find_section(schema: probatio.Schema, field: str) -> str | None:
    """Return the section that a field is in, None for none."""
    return dict(_iterate_fields(schema)).get(field)


def list_filled_sections(values: Mapping[str, Any]) -> set[str]:
    """Return the sections that hold anything."""
    return {
        name
        for name in (SECTION_INCLUDE, SECTION_EXCLUDE)
        if any(values.get(name, {}).values())
    }


def get_form_values(
    schema: probatio.Schema, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return stored options as a form shows them."""
    stored = {**_DEFAULTS, **options}
    stored[CONF_STATIC_TAGS] = format_static_tags(options.get(CONF_STATIC_TAGS, {}))
    values: dict[str, Any] = {}
    for field, place in _iterate_fields(schema):
        target = values if place is None else values.setdefault(place, {})
        if field in stored:
            target[field] = stored[field]
    return values


def read_form(schema: probatio.Schema, user_input: Mapping[str, Any]) -> FormChanges:
    """Return what a filled form changes.

    An empty list is a choice of its own ("none") where there is a default.
    What equals its default is not stored, so that it follows when a later version
    knows another kind of event or a better default.

    Raises:
        FormProblemError: A field holds something that cannot be used.
    """
    places = dict(_iterate_fields(schema))
    values: dict[str, Any] = {}
    for field, place in places.items():
        filled = user_input if place is None else user_input.get(place, {})
        if field in filled:
            values[field] = filled[field]
    return FormChanges(fields=frozenset(places), values=_parse_input(values))


def _parse_input(values: dict[str, Any]) -> dict[str, Any]:
    """Return the input in the form in which it is stored."""
    for field in LIST_CHECKS:
        if field in values:
            values[field] = parse_list(field, values[field])
    if CONF_STATIC_TAGS in values:
        values[CONF_STATIC_TAGS] = parse_static_tags(values[CONF_STATIC_TAGS])
    if CONF_SAMPLING in values:
        values[CONF_SAMPLING] = parse_sampling(values[CONF_SAMPLING])
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

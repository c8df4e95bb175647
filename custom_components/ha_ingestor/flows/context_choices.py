"""What the form of the context fields offers, and what holds without a choice."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.selector import SelectOptionDict

from ..const import (
    CONF_CARBON_SOURCE,
    CONF_OCCUPANCY_SOURCE,
    CONF_PRICE_SOURCE,
    CONF_PROVIDER,
)
from ..ingest.context import ContextTracker
from ..models import ContextField, SourceKind
from ..options import HubOptions
from ..sources.catalog import SOURCES

# The kind of source that each field takes, and the context field that it feeds.
SOURCE_FIELDS: Final[Mapping[str, tuple[SourceKind, ContextField]]] = {
    CONF_CARBON_SOURCE: (SourceKind.CARBON_INTENSITY, ContextField.CARBON_INTENSITY),
    CONF_PRICE_SOURCE: (SourceKind.ELECTRICITY_PRICE, ContextField.ELECTRICITY_PRICE),
    CONF_OCCUPANCY_SOURCE: (SourceKind.OCCUPANCY, ContextField.ANYONE_HOME),
}
# The placeholder in which the form shows what is found for a context field.
PLACEHOLDERS: Final[Mapping[ContextField, str]] = {
    ContextField.OUTDOOR_CONDITION: "found_weather",
    ContextField.CARBON_INTENSITY: "found_carbon_intensity",
    ContextField.ELECTRICITY_PRICE: "found_electricity_price",
    ContextField.ANYONE_HOME: "found_presence",
}
# Understood in every language.
NOTHING: Final = "\u2014"


@callback
def list_source_choices(entry: ConfigEntry) -> dict[str, list[SelectOptionDict]]:
    """Return what each field offers; without those that have nothing to offer."""
    return {
        field: _name_apart(sources)
        for field, (kind, _) in SOURCE_FIELDS.items()
        if (sources := list_sources_of(entry, kind))
    }


@callback
def list_sources_of(entry: ConfigEntry, kind: SourceKind) -> list[ConfigSubentry]:
    """Return the sources of a kind that this version knows, the first one first."""
    return [
        subentry
        for subentry in entry.subentries.values()
        if subentry.subentry_type == kind
        and subentry.data.get(CONF_PROVIDER) in SOURCES
    ]


@callback
def drop_removed_sources(
    values: Mapping[str, Any], entry: ConfigEntry
) -> dict[str, Any]:
    """Leave out chosen sources that are gone: a form must show what it accepts."""
    return {
        field: value
        for field, value in values.items()
        if field not in SOURCE_FIELDS or value in entry.subentries
    }


@callback
def describe_automatic(hass: HomeAssistant, entry: ConfigEntry) -> dict[str, str]:
    """Say for each field what is taken where the user has chosen nothing."""
    tracker = ContextTracker(hass, HubOptions(context_fields=frozenset(ContextField)))
    found = {
        field: ", ".join(_name_entities(hass, entity_ids))
        for field, entity_ids in tracker.found.items()
    }
    for kind, field in SOURCE_FIELDS.values():
        if sources := list_sources_of(entry, kind):
            found[field] = sources[0].title
    return {
        placeholder: found.get(field) or NOTHING
        for field, placeholder in PLACEHOLDERS.items()
    }


def _name_entities(hass: HomeAssistant, entity_ids: Iterable[str]) -> list[str]:
    names = []
    for entity_id in entity_ids:
        state = hass.states.get(entity_id)
        names.append(entity_id if state is None else f"{state.name} ({entity_id})")
    return names


def _name_apart(sources: Iterable[ConfigSubentry]) -> list[SelectOptionDict]:
    """Return choices by title; a number tells those apart that share one."""
    seen: dict[str, int] = {}
    choices = []
    for subentry in sources:
        number = seen[subentry.title] = seen.get(subentry.title, 0) + 1
        label = subentry.title if number == 1 else f"{subentry.title} ({number})"
        choices.append(SelectOptionDict(value=subentry.subentry_id, label=label))
    return choices

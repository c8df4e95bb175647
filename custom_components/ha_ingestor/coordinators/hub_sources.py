"""All sources of a hub: made, changed and removed with its subentries."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
import logging
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

from ..const import CONF_PROVIDER
from ..models import ContextField, FieldValue, Point, SourceKind
from ..options import HubOptions
from ..pipeline import Pipeline
from ..sources.catalog import SOURCES
from .kinds import COORDINATORS
from .source import SourceCoordinator, create_store

_LOGGER = logging.getLogger(__name__)


class HubSources:
    """The sources of one hub. Event loop only; no source can stop another."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, pipeline: Pipeline
    ) -> None:
        """Prepare; `async_apply` makes the sources."""
        self._hass = hass
        self._entry = entry
        self._pipeline = pipeline
        self._coordinators: dict[str, SourceCoordinator[Any, Any]] = {}
        self._listeners: list[Callable[[SourceCoordinator[Any, Any]], None]] = []
        self._fed: Mapping[ContextField, FieldValue | None] = {}
        self._lock = asyncio.Lock()

    @property
    def coordinators(self) -> list[SourceCoordinator[Any, Any]]:
        """All sources, in the order in which they were added."""
        return list(self._coordinators.values())

    @callback
    def get(self, kind: SourceKind) -> SourceCoordinator[Any, Any] | None:
        """Return the source of a kind that feeds the events, or the first."""
        found = [item for item in self._coordinators.values() if item.kind is kind]
        choose = _CHOSEN_SOURCES.get(kind)
        chosen = None if choose is None else choose(self._options)
        for coordinator in found:
            if coordinator.subentry.subentry_id == chosen:
                return coordinator
        return found[0] if found else None

    @property
    def _options(self) -> HubOptions:
        return self._pipeline.options

    @callback
    def async_listen(
        self, added: Callable[[SourceCoordinator[Any, Any]], None]
    ) -> CALLBACK_TYPE:
        """Call for every source there is, and for each that is added later."""
        for coordinator in self._coordinators.values():
            added(coordinator)
        self._listeners.append(added)
        return lambda: self._listeners.remove(added)

    async def async_apply(self) -> None:
        """Follow what the user has added, changed and removed.

        Caches are read, but no provider is waited for.
        """
        async with self._lock:
            subentries = {
                subentry_id: subentry
                for subentry_id, subentry in self._entry.subentries.items()
                if _is_known(subentry)
            }
            for subentry_id in self._coordinators.keys() - subentries.keys():
                coordinator = self._coordinators.pop(subentry_id)
                await coordinator.async_stop()
                await coordinator.async_forget()
            for subentry_id, subentry in subentries.items():
                if (existing := self._coordinators.get(subentry_id)) is None:
                    await self._async_add(subentry)
                elif existing.has_changed():
                    await existing.async_change(subentry)
            self.context_changed()

    async def _async_add(self, subentry: ConfigSubentry) -> None:
        kind = SourceKind(subentry.subentry_type)
        coordinator = COORDINATORS[kind](self._hass, self._entry, subentry, self)
        self._coordinators[subentry.subentry_id] = coordinator
        await coordinator.async_start()
        for added in tuple(self._listeners):
            added(coordinator)

    async def async_stop(self) -> None:
        """End all sources."""
        async with self._lock:
            await asyncio.gather(*(item.async_stop() for item in self.coordinators))
            self._coordinators.clear()

    @callback
    def put_points(self, points: Iterable[Point]) -> None:
        """Write points of a source."""
        self._pipeline.put_points(points)

    @callback
    def context_changed(self) -> None:
        """Give the pipeline the context fields that sources feed, if they changed."""
        fed: dict[ContextField, FieldValue | None] = {}
        for kind, (field, has_entity) in _FED_FIELDS.items():
            chosen = _CHOSEN_SOURCES[kind](self._options)
            if chosen is None and has_entity(self._options):
                # An entity that was chosen by hand is more than a mere first source.
                continue
            if (coordinator := self.get(kind)) is not None:
                fed[field] = coordinator.get_context_value()
        if fed != self._fed:
            self._fed = fed
            self._pipeline.set_source_context(fed)


_CHOSEN_SOURCES: Final[Mapping[SourceKind, Callable[[HubOptions], str | None]]] = {
    SourceKind.CARBON_INTENSITY: lambda options: options.carbon_intensity_source,
    SourceKind.ELECTRICITY_PRICE: lambda options: options.electricity_price_source,
    SourceKind.OCCUPANCY: lambda options: options.occupancy_source,
}
# The field that a kind feeds, and whether the user has chosen an entity for it.
_FED_FIELDS: Final[
    Mapping[SourceKind, tuple[ContextField, Callable[[HubOptions], bool]]]
] = {
    SourceKind.CARBON_INTENSITY: (
        ContextField.CARBON_INTENSITY,
        lambda options: options.carbon_intensity_entity is not None,
    ),
    SourceKind.ELECTRICITY_PRICE: (
        ContextField.ELECTRICITY_PRICE,
        lambda options: options.electricity_price_entity is not None,
    ),
    SourceKind.OCCUPANCY: (
        ContextField.ANYONE_HOME,
        lambda options: bool(options.presence_entities),
    ),
}


def _is_known(subentry: ConfigSubentry) -> bool:
    """Tell whether this version can run a source; a newer one may have added it."""
    provider = subentry.data.get(CONF_PROVIDER)
    is_known = subentry.subentry_type in COORDINATORS and provider in SOURCES
    if not is_known:
        _LOGGER.error("No source of this version: %s", provider)
    return is_known


async def async_delete_caches(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Delete what the sources of a removed hub have left on disk."""
    for subentry_id in entry.subentries:
        await create_store(hass, subentry_id).async_remove()

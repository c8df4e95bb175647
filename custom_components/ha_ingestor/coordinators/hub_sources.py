"""All sources of a hub: made, changed and removed with its subentries."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
import logging
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

from ..const import CONF_PROVIDER, SUBENTRY_ARCHIVE
from ..models import ContextField, FieldValue, Point, SourceKind
from ..options import HubOptions
from ..pipeline import Pipeline
from ..sources.catalog import SOURCES
from .cache import create_store
from .kinds import COORDINATORS
from .source import SourceCoordinator

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
        # None until the first time: the listener may still hold what was fed before a
        # reload.
        self._fed: Mapping[ContextField, FieldValue | None] | None = None
        self._lock = asyncio.Lock()
        self._is_stopped = False

    @property
    def coordinators(self) -> list[SourceCoordinator[Any, Any]]:
        """All sources, in the order in which they were added."""
        return list(self._coordinators.values())

    @callback
    def get(self, kind: SourceKind) -> SourceCoordinator[Any, Any] | None:
        """Return the source of a kind that feeds the events, or the first."""
        if (chosen := self._get_chosen(kind)) is not None:
            return chosen
        found = (item for item in self._coordinators.values() if item.kind is kind)
        return next(found, None)

    @callback
    def _get_chosen(self, kind: SourceKind) -> SourceCoordinator[Any, Any] | None:
        """Return the source that the user has chosen, if it is still there."""
        choose = CHOSEN_SOURCES.get(kind)
        chosen_id = None if choose is None else choose(self._options)
        chosen = self._coordinators.get(chosen_id) if chosen_id else None
        return chosen if chosen is not None and chosen.kind is kind else None

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
            if self._is_stopped:
                # A change that was still on its way when the hub was unloaded.
                return
            subentries = {
                subentry_id: subentry
                for subentry_id, subentry in self._entry.subentries.items()
                if subentry.subentry_type != SUBENTRY_ARCHIVE and _is_known(subentry)
            }
            for subentry_id in self._coordinators.keys() - subentries.keys():
                await _async_try(self._async_remove(subentry_id), subentry_id)
            for subentry_id, subentry in subentries.items():
                if (existing := self._coordinators.get(subentry_id)) is None:
                    await _async_try(self._async_add(subentry), subentry.title)
                elif existing.has_changed():
                    await _async_try(existing.async_change(subentry), subentry.title)
            self.context_changed()

    async def _async_add(self, subentry: ConfigSubentry) -> None:
        kind = SourceKind(subentry.subentry_type)
        coordinator = COORDINATORS[kind](self._hass, self._entry, subentry, self)
        try:
            await coordinator.async_start()
        except BaseException:
            await coordinator.async_shutdown()
            raise
        # Only now, and without a pause in between: who starts to listen meanwhile
        # is told of it once.
        self._coordinators[subentry.subentry_id] = coordinator
        for added in tuple(self._listeners):
            added(coordinator)

    async def _async_remove(self, subentry_id: str) -> None:
        coordinator = self._coordinators.pop(subentry_id)
        await coordinator.async_stop()
        await coordinator.async_forget()

    async def async_stop(self) -> None:
        """End all sources, for good."""
        self._is_stopped = True
        async with self._lock:
            await asyncio.gather(
                *(
                    _async_try(item.async_stop(), item.name)
                    for item in self.coordinators
                )
            )
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
            if self._get_chosen(kind) is None and has_entity(self._options):
                # An entity that was chosen by hand is more than a mere first source.
                continue
            if found := self._list_feeding(kind):
                combine = _COMBINED.get(kind, _take_first)
                fed[field] = combine([_read_context(item) for item in found])
        if fed != self._fed:
            self._fed = fed
            self._pipeline.set_source_context(fed)

    def _list_feeding(self, kind: SourceKind) -> list[SourceCoordinator[Any, Any]]:
        """List the sources that say something of this moment to events."""
        if kind in _COMBINED and self._get_chosen(kind) is None:
            return [item for item in self._coordinators.values() if item.kind is kind]
        coordinator = self.get(kind)
        return [] if coordinator is None else [coordinator]


CHOSEN_SOURCES: Final[Mapping[SourceKind, Callable[[HubOptions], str | None]]] = {
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


def _take_first(values: Sequence[FieldValue | None]) -> FieldValue | None:
    return values[0]


def _is_any(values: Sequence[FieldValue | None]) -> FieldValue | None:
    """Tell whether any is true; None if none is known."""
    known = [value for value in values if value is not None]
    return any(known) if known else None


# Kinds of which all sources together answer for the home, unless one was chosen.
_COMBINED: Final[
    Mapping[SourceKind, Callable[[Sequence[FieldValue | None]], FieldValue | None]]
] = {SourceKind.OCCUPANCY: _is_any}


async def _async_try(work: Awaitable[None], name: str) -> None:
    """Keep what goes wrong with one source away from all others."""
    try:
        await work
    except Exception:
        _LOGGER.exception("Unexpected error in the source %s", name)


def _read_context(coordinator: SourceCoordinator[Any, Any]) -> FieldValue | None:
    try:
        return coordinator.get_context_value()
    except Exception as err:  # noqa: BLE001 - the fields of the others are known
        _LOGGER.debug("No context of %s: %s", coordinator.name, err)
        return None


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

"""All sources with their present values: one answer for the action and the endpoint.

Everybody sees what they may read of the entities, and no more.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from http import HTTPStatus
from itertools import islice
import logging
import math
from typing import Any, Final

from aiohttp import web

from homeassistant.auth.models import User
from homeassistant.components.event import ATTR_EVENT_TYPE
from homeassistant.components.http import KEY_HASS, KEY_HASS_USER, HomeAssistantView
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.util.hass_dict import HassKey

from ..const import ATTR_CONFIG_ENTRY_ID, DOMAIN
from ..coordinators.health import find_state
from ..coordinators.source import SourceCoordinator
from ..data import IngestorConfigEntry
from ..entities.source_tables import BINARY_SENSORS, EVENTS, SENSORS
from .payloads import JsonValue, SourceItem, SourcesResponse, SourceValue
from .permissions import may_read

_LOGGER = logging.getLogger(__name__)

# Far more than any home has; an answer is made on the event loop.
MAX_SOURCES: Final = 100
MAX_VALUES_PER_SOURCE: Final = 500

DATA_IS_REGISTERED: HassKey[bool] = HassKey(f"{DOMAIN}_api")


# Gives something of a view.
type _Read = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """One value that a source may show, before anybody may see it.

    Attributes:
        read: None for an event, which no view holds.
        read_unit: None where the unit does not depend on the view.
    """

    platform: Platform
    key: str
    read: _Read | None = None
    unit: str | None = None
    read_unit: _Read | None = None


@callback
def async_setup_api(hass: HomeAssistant) -> None:
    """Register the endpoints, once."""
    if hass.data.get(DATA_IS_REGISTERED):
        return
    hass.data[DATA_IS_REGISTERED] = True
    hass.http.register_view(SourcesView())


class SourcesView(HomeAssistantView):
    """Answers with all sources, or those of one hub."""

    url = f"/api/{DOMAIN}/sources"
    name = f"api:{DOMAIN}:sources"

    async def get(self, request: web.Request) -> web.Response:
        """Return what the caller may see."""
        hass: HomeAssistant = request.app[KEY_HASS]
        user: User = request[KEY_HASS_USER]
        entries: list[IngestorConfigEntry] = hass.config_entries.async_loaded_entries(
            DOMAIN
        )
        if (entry_id := request.query.get(ATTR_CONFIG_ENTRY_ID)) is not None:
            entries = [entry for entry in entries if entry.entry_id == entry_id]
            if not entries:
                return self.json_message(
                    "No hub with this ID runs", HTTPStatus.NOT_FOUND, "hub_not_found"
                )
        return self.json(list_sources(hass, entries, user))


@callback
def list_sources(
    hass: HomeAssistant, entries: Iterable[IngestorConfigEntry], user: User | None
) -> SourcesResponse:
    """Return the sources of hubs with their values.

    Args:
        user: Who asks; None is Home Assistant itself. A source of which they may
            see no entity is left out.
    """
    reader = _Reader(hass, user)
    items = (
        item
        for entry in entries
        for source in entry.runtime_data.sources.coordinators
        if (item := reader.read(entry, source)) is not None
    )
    found = list(islice(items, MAX_SOURCES + 1))
    return SourcesResponse(
        sources=found[:MAX_SOURCES],
        is_truncated=len(found) > MAX_SOURCES or reader.is_truncated,
    )


class _Reader:
    """Reads sources for one caller. Event loop only."""

    def __init__(self, hass: HomeAssistant, user: User | None) -> None:
        self._hass = hass
        self._user = user
        self._registry = er.async_get(hass)
        self._is_admin = user is None or user.is_admin
        self.is_truncated = False

    def read(
        self, entry: IngestorConfigEntry, source: SourceCoordinator[Any, Any]
    ) -> SourceItem | None:
        """Return a source; None where the caller may see nothing of it."""
        found = list(islice(self._list_values(source), MAX_VALUES_PER_SOURCE + 1))
        if not found and not self._is_admin:
            return None
        self.is_truncated |= len(found) > MAX_VALUES_PER_SOURCE
        age_s = source.age_s
        return SourceItem(
            subentry_id=source.subentry.subentry_id,
            config_entry_id=entry.entry_id,
            hub=entry.title if self._is_admin else None,
            kind=source.kind.value,
            provider=source.description.key,
            title=source.subentry.title,
            state=find_state(source),
            fetched_at=_format_time(source.fetched_at),
            age_s=None if age_s is None else round(age_s),
            next_update=_format_time(source.next_refresh_at),
            success_rate=source.success_rate.percent,
            last_error=source.last_error if self._is_admin else None,
            values=found[:MAX_VALUES_PER_SOURCE],
        )

    def _list_values(
        self, source: SourceCoordinator[Any, Any]
    ) -> Iterator[SourceValue]:
        for cell in _list_cells(source):
            unique_id = f"{source.subentry.subentry_id}_{cell.key}"
            entity_id = self._registry.async_get_entity_id(
                cell.platform, DOMAIN, unique_id
            )
            if not may_read(self._user, entity_id):
                continue
            value = _show(source, cell.read) if cell.read else None
            if cell.platform is Platform.EVENT and entity_id is not None:
                # The coordinator does not keep events; their entities do.
                state = self._hass.states.get(entity_id)
                value = state.attributes.get(ATTR_EVENT_TYPE) if state else None
            unit = _show(source, cell.read_unit) if cell.read_unit else cell.unit
            yield SourceValue(
                key=cell.key,
                entity_id=entity_id,
                name=self._find_name(entity_id),
                value=_to_json(value),
                unit=unit,
            )

    def _find_name(self, entity_id: str | None) -> str | None:
        entry = self._registry.async_get(entity_id) if entity_id else None
        return None if entry is None else entry.name or entry.original_name


def _list_cells(source: SourceCoordinator[Any, Any]) -> Iterator[_Cell]:
    """List what the entities of a source can show."""
    for sensor in SENSORS[source.kind](source):
        yield _Cell(
            platform=Platform.SENSOR,
            key=sensor.key,
            read=sensor.value,
            unit=sensor.native_unit_of_measurement,
            read_unit=sensor.unit,
        )
    for binary in BINARY_SENSORS.get(source.kind, ()):
        yield _Cell(platform=Platform.BINARY_SENSOR, key=binary.key, read=binary.is_on)
    for event in EVENTS.get(source.kind, ()):
        yield _Cell(platform=Platform.EVENT, key=event.key)


def _show(source: SourceCoordinator[Any, Any], read: _Read) -> Any:
    """Return something of the present view; None where there is none."""
    if (view := source.data) is None:
        return None
    try:
        return read(view)
    except Exception as err:  # noqa: BLE001 - one value costs no other
        _LOGGER.debug("No value of %s: %s", source.name, err)
        return None


def _to_json(value: Any) -> JsonValue:
    """Return a value as JSON knows it."""
    if isinstance(value, date):  # a datetime, too
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | float | int):
        return value
    return str(value)


def _format_time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()

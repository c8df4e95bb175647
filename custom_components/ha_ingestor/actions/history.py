"""The action that reads the past of entities, whichever tier holds it."""

from collections.abc import Iterable
from typing import Any, Final, TypedDict, cast

import probatio

from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv, service
from homeassistant.util import dt as dt_util

from ..const import ATTR_CONFIG_ENTRY_ID, DOMAIN, SERVICE_GET_HISTORY
from ..data import IngestorConfigEntry
from ..errors import ArchiveError, HistoryArgumentError, RetentionError, StoreError
from ..history.query import (
    MAX_ENTITIES,
    MAX_ROWS,
    NOTE_TEXTS,
    Detail,
    EntityHistory,
    HistoryPage,
    HistoryQuery,
    HistoryRow,
    Note,
    Statistic,
)
from ..maintenance.history import async_read_history
from ..models import FieldValue
from ..retention.windows import to_datetime
from .permissions import async_check_read

ATTR_CURSOR: Final = "cursor"
ATTR_END: Final = "end"
ATTR_LIMIT: Final = "limit"
ATTR_RESOLUTION: Final = "resolution"
ATTR_START: Final = "start"
ATTR_STATISTICS: Final = "statistics"

DEFAULT_LIMIT: Final = 1_000
# What is wrong with a question that has passed the schema.
_WRONG: Final = ("history_backwards", "history_too_long", "history_cursor")

GET_SCHEMA: Final = probatio.Schema(
    {
        probatio.Optional(ATTR_CONFIG_ENTRY_ID): cv.string,
        probatio.Required(ATTR_ENTITY_ID): probatio.All(
            cv.entity_ids, probatio.Length(min=1, max=MAX_ENTITIES)
        ),
        # A time without a zone is local.
        probatio.Required(ATTR_START): probatio.All(cv.datetime, dt_util.as_utc),
        probatio.Optional(ATTR_END): probatio.All(cv.datetime, dt_util.as_utc),
        probatio.Optional(ATTR_RESOLUTION, default=Detail.AUTO.value): probatio.Coerce(
            Detail
        ),
        probatio.Optional(ATTR_STATISTICS): probatio.All(
            cv.ensure_list, [probatio.Coerce(Statistic)], probatio.Length(min=1)
        ),
        probatio.Optional(ATTR_LIMIT, default=DEFAULT_LIMIT): probatio.All(
            probatio.Coerce(int), probatio.Range(min=1, max=MAX_ROWS)
        ),
        probatio.Optional(ATTR_CURSOR): cv.string,
    }
)


class EntityResponse(TypedDict):
    """The rows of one entity, oldest first.

    Each has its `start` and, but for a change, its `end` (local ISO text), its
    `source` and its values; and its `unit` where that is another one.
    """

    unit: str | None
    rows: list[dict[str, FieldValue | None]]


class NoteResponse(TypedDict):
    """What should be known about a part of the answer."""

    kind: str
    message: str
    entity_id: str | None
    start: str
    end: str


class HistoryResponse(TypedDict):
    """Answer of `get_history`.

    `cursor` asks for the next page; None after the last.
    """

    resolution: str
    entities: dict[str, EntityResponse]
    notes: list[NoteResponse]
    has_more: bool
    cursor: str | None


@callback
def async_setup_history_actions(hass: HomeAssistant) -> None:
    """Register the action."""
    hass.services.async_register(
        DOMAIN,
        SERVICE_GET_HISTORY,
        _async_get,
        schema=GET_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )


async def _async_get(call: ServiceCall) -> ServiceResponse:
    entry: IngestorConfigEntry = service.async_get_config_entry(
        call.hass, DOMAIN, call.data.get(ATTR_CONFIG_ENTRY_ID)
    )
    query = _read_query(call.data)
    await async_check_read(call, query.entity_ids)
    try:
        page = await async_read_history(entry.runtime_data.storage, query)
    except HistoryArgumentError as err:
        if err.key not in _WRONG:
            raise
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key=err.key,
            translation_placeholders=dict(err.placeholders),
        ) from err
    except (StoreError, RetentionError, ArchiveError) as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="history_unreadable",
            translation_placeholders={"error": str(err)},
        ) from err
    # Five thousand rows take a while to be written as text: not on the event loop.
    response = await call.hass.async_add_executor_job(_describe, page)
    return cast("ServiceResponse", response)


def _read_query(data: dict[str, Any]) -> HistoryQuery:
    statistics: Iterable[Statistic] = data.get(ATTR_STATISTICS, Statistic)
    return HistoryQuery(
        entity_ids=tuple(dict.fromkeys(data[ATTR_ENTITY_ID])),
        start_at=data[ATTR_START],
        end_at=data.get(ATTR_END),
        detail=data[ATTR_RESOLUTION],
        statistics=frozenset(statistics),
        limit=data[ATTR_LIMIT],
        cursor=data.get(ATTR_CURSOR),
    )


def _describe(page: HistoryPage) -> HistoryResponse:
    return HistoryResponse(
        resolution=page.detail.value,
        entities={
            entity_id: _describe_entity(history)
            for entity_id, history in page.entities.items()
        },
        notes=[_describe_note(note) for note in page.notes],
        has_more=page.has_more,
        cursor=page.cursor,
    )


def _describe_entity(history: EntityHistory) -> EntityResponse:
    return EntityResponse(unit=history.unit, rows=[*map(_describe_row, history.rows)])


def _describe_row(row: HistoryRow) -> dict[str, FieldValue | None]:
    described: dict[str, FieldValue | None] = {"start": _to_text(row.start_ns)}
    if row.end_ns is not None:
        described["end"] = _to_text(row.end_ns)
    described["source"] = row.source.value
    if row.unit is not None:
        described["unit"] = row.unit or None
    return described | dict(row.values)


def _describe_note(note: Note) -> NoteResponse:
    return NoteResponse(
        kind=note.kind.value,
        message=NOTE_TEXTS[note.kind],
        entity_id=note.entity_id,
        start=_to_text(note.start_ns),
        end=_to_text(note.end_ns),
    )


def _to_text(at_ns: int) -> str:
    return dt_util.as_local(to_datetime(at_ns)).isoformat()

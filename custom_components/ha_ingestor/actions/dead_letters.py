"""The actions that list, replay and discard dead letters.

For administrators only: a dead letter may hold the state of any entity, and what is
discarded is gone.
"""

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

from ..const import (
    ATTR_CONFIG_ENTRY_ID,
    ATTR_REASON_CLASS,
    DOMAIN,
    SERVICE_DISCARD_DEAD_LETTERS,
    SERVICE_LIST_DEAD_LETTERS,
    SERVICE_REPLAY_DEAD_LETTERS,
)
from ..data import IngestorConfigEntry
from ..errors import BufferFullError, DiskBufferError
from ..store.buffer import ReasonClass
from ..store.dead_letters import MAX_DEAD_LETTERS, LetterSelection, StoredLetter
from ..store.line_fields import Cast, FieldEdit, read_entity_id, read_measurement

ATTR_ALL: Final = "all"
ATTR_CAST: Final = "cast"
ATTR_FIELD: Final = "field"
ATTR_IDS: Final = "ids"
ATTR_LIMIT: Final = "limit"
ATTR_MAPPING: Final = "mapping"
ATTR_MEASUREMENT: Final = "measurement"
ATTR_RENAME: Final = "rename"

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1_000
# A thousand of the longest lines would be more than a browser can show.
MAX_SHOWN_CHARACTERS: Final = 4_096
# A mapping is written by hand.
MAX_EDITS: Final = 50

_FILTER: Final = {
    probatio.Optional(ATTR_REASON_CLASS): probatio.All(
        cv.ensure_list, [probatio.Coerce(ReasonClass)], probatio.Length(min=1)
    ),
    probatio.Optional(ATTR_ENTITY_ID): cv.entity_id,
}
_CHOICE: Final = {
    probatio.Optional(ATTR_CONFIG_ENTRY_ID): cv.string,
    **_FILTER,
    probatio.Optional(ATTR_ALL): probatio.All(cv.boolean, probatio.In([True])),
    probatio.Optional(ATTR_IDS): probatio.All(
        cv.ensure_list,
        [cv.positive_int],
        probatio.Length(min=1, max=MAX_DEAD_LETTERS),
    ),
}
# Nothing is replayed or deleted because somebody forgot to say what.
_has_choice: Final = cv.has_at_least_one_key(
    ATTR_ALL, ATTR_ENTITY_ID, ATTR_IDS, ATTR_REASON_CLASS
)
_EDIT: Final = probatio.All(
    {
        probatio.Required(ATTR_FIELD): cv.string,
        probatio.Optional(ATTR_MEASUREMENT): cv.string,
        probatio.Optional(ATTR_CAST): probatio.Coerce(Cast),
        probatio.Optional(ATTR_RENAME): probatio.All(
            cv.string, probatio.Length(min=1, max=255)
        ),
    },
    cv.has_at_least_one_key(ATTR_CAST, ATTR_RENAME),
)

LIST_SCHEMA: Final = probatio.Schema(
    {
        probatio.Optional(ATTR_CONFIG_ENTRY_ID): cv.string,
        **_FILTER,
        probatio.Optional(ATTR_LIMIT, default=DEFAULT_LIMIT): probatio.All(
            probatio.Coerce(int), probatio.Range(min=1, max=MAX_LIMIT)
        ),
    }
)
DISCARD_SCHEMA: Final = probatio.Schema(probatio.All(_CHOICE, _has_choice))
REPLAY_SCHEMA: Final = probatio.Schema(
    probatio.All(
        {
            **_CHOICE,
            probatio.Optional(ATTR_MAPPING): probatio.All(
                cv.ensure_list, [_EDIT], probatio.Length(max=MAX_EDITS)
            ),
        },
        _has_choice,
    )
)


class DeadLetterItem(TypedDict):
    """One dead letter, as `list_dead_letters` shows it.

    A line that is too long to show ends with an ellipsis.
    """

    id: int
    added_at: str
    reason: str
    reason_class: str
    line: str
    measurement: str | None
    entity_id: str | None


class ListResponse(TypedDict):
    """Answer of `list_dead_letters`: the newest first, and how many match."""

    dead_letters: list[DeadLetterItem]
    total: int


class ReplayResponse(TypedDict):
    """Answer of `replay_dead_letters`.

    `skipped` stay, since the mapping makes no line of them; `remaining` counts all
    that are there afterwards.
    """

    replayed: int
    skipped: int
    remaining: int


class DiscardResponse(TypedDict):
    """Answer of `discard_dead_letters`."""

    discarded: int
    remaining: int


@callback
def async_setup_dead_letter_actions(hass: HomeAssistant) -> None:
    """Register the actions."""
    service.async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_LIST_DEAD_LETTERS,
        _async_list,
        LIST_SCHEMA,
        SupportsResponse.ONLY,
    )
    service.async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_REPLAY_DEAD_LETTERS,
        _async_replay,
        REPLAY_SCHEMA,
        SupportsResponse.OPTIONAL,
    )
    service.async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_DISCARD_DEAD_LETTERS,
        _async_discard,
        DISCARD_SCHEMA,
        SupportsResponse.OPTIONAL,
    )


def _get_entry(call: ServiceCall) -> IngestorConfigEntry:
    return service.async_get_config_entry(
        call.hass, DOMAIN, call.data.get(ATTR_CONFIG_ENTRY_ID)
    )


def _get_selection(data: dict[str, Any]) -> LetterSelection:
    ids, classes = data.get(ATTR_IDS), data.get(ATTR_REASON_CLASS)
    return LetterSelection(
        ids=None if ids is None else frozenset(ids),
        reason_classes=None if classes is None else frozenset(classes),
        entity_id=data.get(ATTR_ENTITY_ID),
    )


def _disk_error(err: DiskBufferError) -> HomeAssistantError:
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key="dead_letters_failed",
        translation_placeholders={"error": str(err)},
    )


def _check_found(selection: LetterSelection, found: int) -> None:
    """Say so where ids were named and none of them is there."""
    if selection.ids is not None and not found:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="dead_letters_not_found"
        )


def _count_all(entry: IngestorConfigEntry) -> int:
    return sum(entry.runtime_data.pipeline.buffer.dead_letter_counts.values())


async def _async_list(call: ServiceCall) -> ServiceResponse:
    entry = _get_entry(call)
    pipeline = entry.runtime_data.pipeline
    try:
        letters, total = await pipeline.async_list_dead_letters(
            _get_selection(call.data), call.data[ATTR_LIMIT]
        )
    except DiskBufferError as err:
        raise _disk_error(err) from err
    response = ListResponse(dead_letters=list(map(_to_item, letters)), total=total)
    return cast("ServiceResponse", response)


def _to_item(stored: StoredLetter) -> DeadLetterItem:
    letter = stored.letter
    # What could not be encoded is the event as Python shows it, not a line.
    is_line = letter.reason_class is not ReasonClass.NOT_ENCODABLE
    text = letter.line.decode("utf-8", "replace")
    if len(text) > MAX_SHOWN_CHARACTERS:
        text = f"{text[: MAX_SHOWN_CHARACTERS - 1]}…"
    return DeadLetterItem(
        id=stored.id,
        added_at=stored.added_at.isoformat(),
        reason=letter.reason,
        reason_class=letter.reason_class.value,
        line=text,
        measurement=read_measurement(letter.line) if is_line else None,
        entity_id=read_entity_id(letter.line) if is_line else None,
    )


async def _async_replay(call: ServiceCall) -> ServiceResponse:
    entry = _get_entry(call)
    selection = _get_selection(call.data)
    edits = [
        FieldEdit(
            field=edit[ATTR_FIELD],
            measurement=edit.get(ATTR_MEASUREMENT),
            cast=edit.get(ATTR_CAST),
            rename=edit.get(ATTR_RENAME),
        )
        for edit in call.data.get(ATTR_MAPPING, ())
    ]
    try:
        result = await entry.runtime_data.pipeline.async_replay_dead_letters(
            selection, edits
        )
    except BufferFullError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN, translation_key="replay_no_room"
        ) from err
    except DiskBufferError as err:
        raise _disk_error(err) from err
    _check_found(selection, result.replayed + result.skipped)
    entry.runtime_data.coordinator.async_refresh_now()
    response = ReplayResponse(
        replayed=result.replayed, skipped=result.skipped, remaining=_count_all(entry)
    )
    return cast("ServiceResponse", response)


async def _async_discard(call: ServiceCall) -> ServiceResponse:
    entry = _get_entry(call)
    selection = _get_selection(call.data)
    try:
        discarded = await entry.runtime_data.pipeline.async_discard_dead_letters(
            selection
        )
    except DiskBufferError as err:
        raise _disk_error(err) from err
    _check_found(selection, discarded)
    entry.runtime_data.coordinator.async_refresh_now()
    response = DiscardResponse(discarded=discarded, remaining=_count_all(entry))
    return cast("ServiceResponse", response)

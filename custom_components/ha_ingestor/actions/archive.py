"""The actions of the archive: fill it, look into it, get rows back.

For administrators only: what they give is not filtered by entity.
"""

import datetime as dt
from typing import Any, Final, TypedDict, cast

import probatio

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

from ..const import (
    ATTR_CONFIG_ENTRY_ID,
    ATTR_CURSOR,
    ATTR_DRY_RUN,
    ATTR_END,
    ATTR_START,
    ATTR_TIER,
    ATTR_WRITE_BACK,
    DOMAIN,
    SERVICE_ARCHIVE_TO_S3,
    SERVICE_LIST_ARCHIVES,
    SERVICE_RESTORE_FROM_ARCHIVE,
)
from ..data import IngestorConfigEntry
from ..errors import ArchiveCursorError, ArchiveError, TooManyJobsError
from ..maintenance.archive import HubArchive
from ..maintenance.archive_runs import ArchiveParameters, RestoreParameters, clamp
from ..models import FieldValue, Point
from ..retention.archive_list import ArchivedFile, list_archived, measure
from ..retention.archive_place import ArchivePlace
from ..retention.restore import MAX_PAGE_ROWS, RestoredPage, read_page
from ..retention.tiers import STORED_TIERS, Tier
from ..retention.windows import to_datetime

ATTR_ENTITIES: Final = "entities"
ATTR_LIMIT: Final = "limit"
ATTR_OFFSET: Final = "offset"

MAX_ENTITIES: Final = 500
MAX_FILES: Final = 1_000
_DEFAULT_FILES: Final = 100
_DEFAULT_ROWS: Final = 1_000
_TIERS: Final = [tier.value for tier in STORED_TIERS]

_HUB: Final = {probatio.Optional(ATTR_CONFIG_ENTRY_ID): cv.string}
ARCHIVE_SCHEMA: Final = probatio.Schema(
    {
        **_HUB,
        probatio.Optional(ATTR_START): cv.date,
        probatio.Optional(ATTR_END): cv.date,
        probatio.Optional(ATTR_DRY_RUN, default=False): cv.boolean,
    }
)
RESTORE_SCHEMA: Final = probatio.Schema(
    {
        **_HUB,
        probatio.Required(ATTR_START): cv.datetime,
        probatio.Required(ATTR_END): cv.datetime,
        probatio.Optional(ATTR_ENTITIES): probatio.All(
            cv.entity_ids, probatio.Length(min=1, max=MAX_ENTITIES)
        ),
        probatio.Optional(ATTR_TIER, default=Tier.DAILY.value): probatio.In(_TIERS),
        probatio.Optional(ATTR_WRITE_BACK, default=False): cv.boolean,
        probatio.Optional(ATTR_LIMIT, default=_DEFAULT_ROWS): probatio.All(
            probatio.Coerce(int), probatio.Range(min=1, max=MAX_PAGE_ROWS)
        ),
        probatio.Optional(ATTR_CURSOR): cv.string,
    }
)
LIST_SCHEMA: Final = probatio.Schema(
    {
        **_HUB,
        probatio.Optional(ATTR_TIER): probatio.All(
            cv.ensure_list, [probatio.In(_TIERS)]
        ),
        probatio.Optional(ATTR_LIMIT, default=_DEFAULT_FILES): probatio.All(
            probatio.Coerce(int), probatio.Range(min=1, max=MAX_FILES)
        ),
        probatio.Optional(ATTR_OFFSET, default=0): cv.positive_int,
    }
)


class JobResponse(TypedDict):
    """Answer of what starts a job: `list_jobs` tells how it gets on."""

    job_id: str


class ArchivedRow(TypedDict):
    """One row of the archive.

    Attributes:
        time: UTC, ISO 8601.
    """

    time: str
    measurement: str
    tags: dict[str, str]
    fields: dict[str, FieldValue]


class RestoreResponse(TypedDict):
    """Answer of `restore_from_archive`.

    Attributes:
        cursor: For the next page; None after the last.
    """

    rows: list[ArchivedRow]
    has_more: bool
    cursor: str | None


class ArchiveItem(TypedDict):
    """One file.

    Attributes:
        date: A day, or the month of a roll-up, which repeats its days.
    """

    tier: str
    date: str
    is_month: bool
    key: str
    start: str
    end: str
    rows: int
    size_bytes: int
    sha256: str
    archived_at: str


class ListArchivesResponse(TypedDict):
    """Answer of `list_archives`."""

    files: list[ArchiveItem]
    total: int
    has_more: bool


@callback
def async_setup_archive_actions(hass: HomeAssistant) -> None:
    """Register the actions."""
    service.async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_ARCHIVE_TO_S3,
        _async_archive,
        schema=ARCHIVE_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )
    service.async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_RESTORE_FROM_ARCHIVE,
        _async_restore,
        schema=RESTORE_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )
    service.async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_LIST_ARCHIVES,
        _async_list,
        schema=LIST_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )


def _get_entry(call: ServiceCall) -> IngestorConfigEntry:
    return service.async_get_config_entry(
        call.hass, DOMAIN, call.data.get(ATTR_CONFIG_ENTRY_ID)
    )


def _get_place(entry: IngestorConfigEntry) -> ArchivePlace:
    """Return the archive of a hub.

    Raises:
        ServiceValidationError: It has none.
        HomeAssistantError: It cannot be used.
    """
    archive: HubArchive = entry.runtime_data.storage.archive
    if archive.settings is None:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="archive_missing",
            translation_placeholders={"hub": entry.title},
        )
    try:
        return archive.require_place()
    except ArchiveError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="archive_not_ready",
            translation_placeholders={"hub": entry.title, "error": str(err)},
        ) from err


async def _async_archive(call: ServiceCall) -> ServiceResponse:
    entry = _get_entry(call)
    _get_place(entry)
    start: dt.date | None = call.data.get(ATTR_START)
    end: dt.date | None = call.data.get(ATTR_END)
    if start is not None and end is not None and start > end:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="archive_dates"
        )
    parameters = ArchiveParameters(
        start=None if start is None else start.isoformat(),
        end=None if end is None else end.isoformat(),
        is_dry_run=call.data[ATTR_DRY_RUN],
    )
    return await _async_start(entry, SERVICE_ARCHIVE_TO_S3, dict(parameters))


async def _async_restore(call: ServiceCall) -> ServiceResponse:
    entry = _get_entry(call)
    place = _get_place(entry)
    # A time without a zone is Home Assistant's own.
    start_at = dt_util.as_utc(call.data[ATTR_START])
    end_at = dt_util.as_utc(call.data[ATTR_END])
    if start_at >= end_at:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="archive_period"
        )
    entity_ids: list[str] | None = call.data.get(ATTR_ENTITIES)
    tier = Tier(call.data[ATTR_TIER])
    if call.data[ATTR_WRITE_BACK]:
        parameters = RestoreParameters(
            start=start_at.isoformat(),
            end=end_at.isoformat(),
            entity_ids=None if entity_ids is None else sorted(set(entity_ids)),
            tier=tier.value,
        )
        return await _async_start(entry, SERVICE_RESTORE_FROM_ARCHIVE, dict(parameters))

    def read() -> RestoredPage:
        first_at, last_at = clamp(measure(place), start_at, end_at)
        return read_page(
            place.reader(tier),
            first_at,
            last_at,
            entity_ids=entity_ids,
            limit=call.data[ATTR_LIMIT],
            cursor=call.data.get(ATTR_CURSOR),
        )

    try:
        page = await call.hass.async_add_executor_job(read)
    except ArchiveCursorError as err:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="archive_cursor"
        ) from err
    except ArchiveError as err:
        raise _failed(entry, err) from err
    response = RestoreResponse(
        rows=[_to_row(point) for point in page.points],
        has_more=page.cursor is not None,
        cursor=page.cursor,
    )
    return cast("ServiceResponse", response)


async def _async_list(call: ServiceCall) -> ServiceResponse:
    entry = _get_entry(call)
    place = _get_place(entry)
    chosen = call.data.get(ATTR_TIER)
    tiers = [tier for tier in STORED_TIERS if not chosen or tier.value in chosen]
    try:
        files = await call.hass.async_add_executor_job(list_archived, place, tiers)
    except ArchiveError as err:
        raise _failed(entry, err) from err
    start: int = call.data[ATTR_OFFSET]
    end = start + call.data[ATTR_LIMIT]
    response = ListArchivesResponse(
        files=[_to_item(file) for file in files[start:end]],
        total=len(files),
        has_more=end < len(files),
    )
    return cast("ServiceResponse", response)


async def _async_start(
    entry: IngestorConfigEntry, kind: str, parameters: dict[str, Any]
) -> ServiceResponse:
    try:
        job = await entry.runtime_data.jobs.async_add(kind, parameters)
    except TooManyJobsError as err:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="too_many_jobs"
        ) from err
    return cast("ServiceResponse", JobResponse(job_id=job.job_id))


def _failed(entry: IngestorConfigEntry, err: ArchiveError) -> HomeAssistantError:
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key="archive_failed",
        translation_placeholders={"hub": entry.title, "error": str(err)},
    )


def _to_row(point: Point) -> ArchivedRow:
    return ArchivedRow(
        time=_to_iso(point.time_ns),
        measurement=point.measurement,
        tags=dict(point.tags),
        fields=dict(point.fields),
    )


def _to_item(file: ArchivedFile) -> ArchiveItem:
    entry = file.entry
    return ArchiveItem(
        tier=file.tier.value,
        date=str(file.day or file.month),
        is_month=file.month is not None,
        key=entry.key,
        start=entry.start_at.isoformat(),
        end=entry.end_at.isoformat(),
        rows=entry.row_count,
        size_bytes=entry.size_bytes,
        sha256=entry.sha256,
        archived_at=entry.archived_at.isoformat(),
    )


def _to_iso(time_ns: int) -> str:
    """Return an instant to the nanosecond, where it has some."""
    text = to_datetime(time_ns).isoformat(timespec="microseconds")
    rest = time_ns % 1_000
    return text.replace("+", f"{rest:03d}+") if rest else text

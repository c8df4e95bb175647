"""The actions that look after the tiers, and those that say how they are."""

from collections.abc import Mapping
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
    ATTR_ACCEPT_MISSING,
    ATTR_CONFIG_ENTRY_ID,
    ATTR_DRY_RUN,
    DOMAIN,
    SERVICE_DOWNSAMPLE_DAILY,
    SERVICE_DOWNSAMPLE_HOURLY,
    SERVICE_RETENTION_HISTORY,
    SERVICE_RETENTION_STATS,
    SERVICE_RUN_MAINTENANCE,
)
from ..data import IngestorConfigEntry
from ..entities.storage import yearly_saving
from ..errors import (
    CheckpointError,
    RetentionError,
    StoreError,
    StoreMissingError,
    TooManyJobsError,
)
from ..maintenance.coordinator import StorageHealth
from ..maintenance.jobs import DRY_RUNS, PARAMETER_ACCEPTED, create_maintenance
from ..maintenance.journal import StoredRecord, to_stored
from ..maintenance.metrics import RunView, read_runs
from ..maintenance.storage import HubStorage
from ..retention.maintenance import MaintenanceReport
from ..retention.tiers import STORED_TIERS, Age
from .permissions import async_check_read

HISTORY: Final = dt.timedelta(days=30)
# A run an hour makes 720; more means that somebody starts them by hand.
MAX_RUNS: Final = 2_000
# Counting is not free; whoever asks twice in a minute gets the same answer.
_FIGURES_AGE: Final = dt.timedelta(minutes=1)

RUN_SCHEMA: Final = probatio.Schema(
    {
        probatio.Optional(ATTR_CONFIG_ENTRY_ID): cv.string,
        probatio.Optional(ATTR_DRY_RUN, default=False): cv.boolean,
    }
)
MAINTENANCE_SCHEMA: Final = RUN_SCHEMA.extend(
    {probatio.Optional(ATTR_ACCEPT_MISSING, default=False): cv.boolean}
)
READ_SCHEMA: Final = probatio.Schema(
    {probatio.Optional(ATTR_CONFIG_ENTRY_ID): cv.string}
)


class RunResponse(TypedDict):
    """Answer of an action that starts a run: `list_jobs` tells how it gets on."""

    job_id: str


class DryRunResponse(TypedDict):
    """Answer of a dry run: what the run would do now.

    Attributes:
        windows: Hours and days that would be aggregated, each measurement by itself.
        days: UTC days that would be deleted, each measurement by itself, if all that
            is open is aggregated before.
        values: Field values in them.
    """

    windows: int
    days: int
    values: int
    problems: list[str]
    notes: list[str]


class TierStats(TypedDict):
    """What a tier holds; `kept_days` is None for ever."""

    rows: int
    size_bytes: int
    is_estimated: bool
    oldest: str | None
    newest: str | None
    kept_days: float | None


class ArchiveStats(TypedDict):
    """What the archive holds."""

    files: int | None
    size_bytes: int | None
    oldest: str | None
    newest: str | None
    is_ready: bool


class StatsResponse(TypedDict):
    """Answer of `retention_stats`; figures are None until they can be read."""

    is_enabled: bool
    read_at: str | None
    tiers: dict[str, TierStats]
    archive: ArchiveStats | None
    saved_bytes: int | None
    saved_percent: float | None
    yearly_saving: float | None
    currency: str
    records_moved: int
    last_runs: dict[str, StoredRecord]
    next_run_at: str | None
    problems: list[str]


class HistoryResponse(TypedDict):
    """Answer of `retention_history`: the newest run first."""

    runs: list[RunView]


@callback
def async_setup_maintenance_actions(hass: HomeAssistant) -> None:
    """Register the actions."""
    for name, schema in (
        (SERVICE_DOWNSAMPLE_HOURLY, RUN_SCHEMA),
        (SERVICE_DOWNSAMPLE_DAILY, RUN_SCHEMA),
        (SERVICE_RUN_MAINTENANCE, MAINTENANCE_SCHEMA),
    ):
        service.async_register_admin_service(
            hass,
            DOMAIN,
            name,
            _async_run,
            schema=schema,
            supports_response=SupportsResponse.OPTIONAL,
        )
    for name, handler in (
        (SERVICE_RETENTION_STATS, _async_stats),
        (SERVICE_RETENTION_HISTORY, _async_history),
    ):
        hass.services.async_register(
            DOMAIN,
            name,
            handler,
            schema=READ_SCHEMA,
            supports_response=SupportsResponse.ONLY,
        )


def _get_entry(call: ServiceCall) -> IngestorConfigEntry:
    return service.async_get_config_entry(
        call.hass, DOMAIN, call.data.get(ATTR_CONFIG_ENTRY_ID)
    )


async def async_start_job(
    entry: IngestorConfigEntry, kind: str, parameters: Mapping[str, Any]
) -> str:
    """Start a job of the tiers for a person; returns its id.

    Raises:
        HomeAssistantError: The record of what is verified cannot be used.
        ServiceValidationError: The user has switched maintenance off, or too many
            jobs wait.
    """
    storage = entry.runtime_data.storage
    _require(storage)
    if not storage.options.is_enabled:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="storage_disabled"
        )
    try:
        job = await storage.jobs.async_add(kind, parameters)
    except TooManyJobsError as err:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="too_many_jobs"
        ) from err
    return job.job_id


def _require(storage: HubStorage) -> None:
    try:
        storage.async_require()
    except CheckpointError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="storage_unusable",
            translation_placeholders={"error": str(err)},
        ) from err


def _cannot_be_read(err: StoreError | RetentionError) -> HomeAssistantError:
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key="storage_cannot_be_read",
        translation_placeholders={"error": str(err)},
    )


async def _async_run(call: ServiceCall) -> ServiceResponse:
    entry = _get_entry(call)
    if call.data[ATTR_DRY_RUN]:
        return cast("ServiceResponse", await _async_dry_run(entry, call.service))
    parameters = {}
    if call.data.get(ATTR_ACCEPT_MISSING):
        parameters[PARAMETER_ACCEPTED] = True
    job_id = await async_start_job(entry, call.service, parameters)
    return cast("ServiceResponse", RunResponse(job_id=job_id))


async def _async_dry_run(entry: IngestorConfigEntry, kind: str) -> DryRunResponse:
    storage = entry.runtime_data.storage
    _require(storage)
    step = DRY_RUNS[kind]
    await storage.async_settle()
    try:
        report = await storage.async_ask(
            lambda work: step(create_maintenance(storage, work))
        )
    except StoreMissingError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN, translation_key="storage_stores_missing"
        ) from err
    except (StoreError, RetentionError) as err:
        raise _cannot_be_read(err) from err
    return _describe(report)


def _describe(report: MaintenanceReport) -> DryRunResponse:
    return DryRunResponse(
        windows=sum(one.windows for one in report.downsampled),
        days=sum(one.days for one in report.expired),
        values=sum(one.values_deleted for one in report.expired),
        problems=list(report.problems),
        notes=[one.storage_note for one in report.expired if one.storage_note],
    )


async def _async_stats(call: ServiceCall) -> ServiceResponse:
    entry = _get_entry(call)
    # Of the whole house: for those who may see all of it.
    await async_check_read(call, [None])
    storage = entry.runtime_data.storage
    await storage.async_read_figures(_FIGURES_AGE)
    health, options = storage.coordinator.data, storage.options
    figures = health.figures
    response = StatsResponse(
        is_enabled=options.is_enabled,
        read_at=None if figures is None else figures.read_at.isoformat(),
        tiers=_describe_tiers(storage, health),
        archive=_describe_archive(health),
        saved_bytes=None if figures is None else figures.saved_bytes,
        saved_percent=None if figures is None else figures.saved_percent,
        yearly_saving=yearly_saving(health),
        currency=call.hass.config.currency,
        records_moved=health.records_moved,
        last_runs={
            operation.value: to_stored(record)
            for operation, record in health.records.items()
        },
        next_run_at=_to_text(health.next_run_at),
        problems=[problem.value for problem in health.problems],
    )
    return cast("ServiceResponse", response)


def _describe_tiers(storage: HubStorage, health: StorageHealth) -> dict[str, TierStats]:
    if health.figures is None:
        return {}
    return {
        tier.value: TierStats(
            rows=figures.row_count,
            size_bytes=figures.size_bytes,
            is_estimated=figures.is_estimated,
            oldest=_to_text(figures.oldest_at),
            newest=_to_text(figures.newest_at),
            kept_days=_to_days(storage.options.ages.of(tier)),
        )
        for tier in STORED_TIERS
        if (figures := health.figures.tiers.get(tier)) is not None
    }


def _describe_archive(health: StorageHealth) -> ArchiveStats | None:
    if (archive := health.archive) is None:
        return None
    return ArchiveStats(
        files=archive.file_count,
        size_bytes=archive.size_bytes,
        oldest=_to_text(archive.oldest),
        newest=_to_text(archive.newest),
        is_ready=archive.is_ready,
    )


def _to_text(at: dt.date | None) -> str | None:
    return None if at is None else at.isoformat()


def _to_days(age: Age) -> float | None:
    return None if age is None else age / dt.timedelta(days=1)


async def _async_history(call: ServiceCall) -> ServiceResponse:
    entry = _get_entry(call)
    await async_check_read(call, [None])
    storage = entry.runtime_data.storage
    _require(storage)
    now = dt_util.utcnow()
    try:
        runs = await storage.async_ask(
            lambda _: read_runs(
                storage.tiers, since=now - HISTORY, until=now, limit=MAX_RUNS
            )
        )
    except StoreMissingError:
        # Nothing has run yet: the first run creates the store.
        runs = []
    except (StoreError, RetentionError) as err:
        raise _cannot_be_read(err) from err
    return cast("ServiceResponse", HistoryResponse(runs=runs))

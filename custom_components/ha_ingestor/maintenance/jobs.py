"""The jobs of the tiers: what runs them, one after another. Event loop only."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
import datetime as dt
import logging
import time
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.start import async_at_started
from homeassistant.util import dt as dt_util

from ..const import (
    SERVICE_DOWNSAMPLE_DAILY,
    SERVICE_DOWNSAMPLE_HOURLY,
    SERVICE_REFRESH_VIEWS,
    SERVICE_RUN_MAINTENANCE,
)
from ..errors import (
    IngestorError,
    RetentionCancelledError,
    RetentionStoresError,
)
from ..jobs.job import Job
from ..jobs.registry import JobRunner
from ..retention.maintenance import Maintenance, MaintenanceReport
from ..retention.tiers import Tier
from ..retention.work import Work
from .archive_runs import ArchiveRuns
from .figures import BYTES_PER_VALUE, StorageFigures
from .record import Operation, Outcome
from .runs import (
    PASSING,
    JobPart,
    RunResult,
    async_run_recorded,
    create_record,
    create_work,
)
from .statistics import EnergyStatistics
from .storage import HubStorage

_LOGGER = logging.getLogger(__name__)

# All that is moved or deleted is, one after another.
LANE: Final = "storage"

JOB_AGGREGATE: Final = "aggregate"
JOB_DOWNSAMPLE_HOURLY: Final = SERVICE_DOWNSAMPLE_HOURLY
JOB_DOWNSAMPLE_DAILY: Final = SERVICE_DOWNSAMPLE_DAILY
JOB_RUN_MAINTENANCE: Final = SERVICE_RUN_MAINTENANCE
JOB_REFRESH_VIEWS: Final = SERVICE_REFRESH_VIEWS

# Parameters of jobs.
PARAMETER_AUTOMATIC: Final = "is_automatic"
PARAMETER_NAMES: Final = "names"  # of views; absent for all
PARAMETER_FULL: Final = "is_full"  # make all of a view anew
PARAMETER_ACCEPTED: Final = "has_accepted"  # do not wait for rows that are missing

# What takes longer is shown while it runs, although it was only due.
_SHOW_AFTER: Final = dt.timedelta(seconds=5)

# What counting costs the server is little, but not nothing.
_FIGURES_AGE: Final = dt.timedelta(minutes=55)
type Run = Callable[[Work], RunResult]
type Step = Callable[[Maintenance], MaintenanceReport]
# With whether a person has accepted that rows are missing.
type Decided = Callable[[Maintenance, bool], MaintenanceReport]


# What the jobs do, each with what it frees rows of, and what a dry run of it asks.
_STEPS: Final[Mapping[Operation, tuple[Decided, Tier]]] = {
    Operation.DOWNSAMPLE_HOURLY: (
        lambda maintenance, has_accepted: maintenance.downsample_hourly(
            has_accepted=has_accepted
        ),
        Tier.RAW,
    ),
    Operation.DOWNSAMPLE_DAILY: (
        lambda maintenance, has_accepted: maintenance.downsample_daily(
            has_accepted=has_accepted
        ),
        Tier.HOURLY,
    ),
}
DRY_RUNS: Final[Mapping[str, Step]] = {
    JOB_DOWNSAMPLE_HOURLY: lambda maintenance: maintenance.downsample_hourly(
        is_dry_run=True
    ),
    JOB_DOWNSAMPLE_DAILY: lambda maintenance: maintenance.downsample_daily(
        is_dry_run=True
    ),
    JOB_RUN_MAINTENANCE: lambda maintenance: maintenance.run_all(is_dry_run=True),
}


class StorageJobs:
    """Runs the jobs of one hub's tiers."""

    def __init__(self, storage: HubStorage) -> None:
        """Prepare; `async_register` says what can be run."""
        self._storage = storage
        self._statistics = EnergyStatistics(storage)
        self._has_started = asyncio.Event()

    @callback
    def async_register(self) -> None:
        """Register the kinds; they run once Home Assistant has started."""
        storage = self._storage

        @callback
        def started(_: HomeAssistant) -> None:
            self._has_started.set()

        storage.entry.async_on_unload(async_at_started(storage.hass, started))
        runners: dict[str, JobRunner] = {
            JOB_AGGREGATE: self._async_aggregate,
            JOB_DOWNSAMPLE_HOURLY: self._async_downsample_hourly,
            JOB_DOWNSAMPLE_DAILY: self._async_downsample_daily,
            JOB_RUN_MAINTENANCE: self._async_run_maintenance,
            JOB_REFRESH_VIEWS: self._async_refresh_views,
        }
        for kind, runner in runners.items():
            storage.jobs.register(kind, runner, lane=LANE)
        runs = ArchiveRuns(storage.hass, storage, storage.archive)
        runs.async_register(lane=LANE, has_started=self._has_started)

    # --- the kinds ---

    async def _async_aggregate(self, job: Job) -> None:
        """Aggregate what has closed.

        Twenty-four a day would leave no room in the list of jobs for anything else,
        so it is there only while it runs.
        """
        storage = self._storage
        await self._has_started.wait()
        job.is_needless = True
        if not storage.options.is_enabled:
            return
        started_at = dt_util.utcnow()

        @callback
        def show(_: dt.datetime) -> None:
            job.begin()

        stops = [
            async_call_later(storage.hass, _SHOW_AFTER, show),
            storage.issues.async_watch_slow(Operation.AGGREGATE),
        ]
        result, error = RunResult(), None
        try:
            result = await storage.async_run_prepared(
                self._create_run(lambda one: one.aggregate(), Tier.RAW),
                create_work(storage, job),
            )
        except (*PASSING, RetentionStoresError) as err:
            # The one is told by the pipeline, the other has an issue of its own.
            _LOGGER.debug("Nothing is aggregated now: %s", err)
            return
        except RetentionCancelledError:
            # Other options hold: they are followed with the next hour.
            return
        except IngestorError as err:
            error = str(err)
        finally:
            for stop in stops:
                stop()
        await self._async_note_aggregate(started_at, result, error)

    async def _async_note_aggregate(
        self, started_at: dt.datetime, result: RunResult, error: str | None
    ) -> None:
        """Record it where it did something, or ends what an earlier one has left."""
        storage = self._storage
        before = storage.journal.records.get(Operation.AGGREGATE)
        was_bad = before is not None and before.outcome is not Outcome.DONE
        if error is not None and not was_bad:
            _LOGGER.warning("The last hours cannot be aggregated: %s", error)
        if error is not None or was_bad or any(result.counts.values()):
            await storage.async_record(
                create_record(
                    Operation.AGGREGATE, started_at, result=result, error=error
                )
            )
        await storage.async_read_figures(_FIGURES_AGE)

    async def _async_downsample_hourly(self, job: Job) -> None:
        await self._async_run(job, [self._step(job, Operation.DOWNSAMPLE_HOURLY)])

    async def _async_downsample_daily(self, job: Job) -> None:
        await self._async_run(job, [self._step(job, Operation.DOWNSAMPLE_DAILY)])

    async def _async_run_maintenance(self, job: Job) -> None:
        await self._async_run(job, [self._step(job, operation) for operation in _STEPS])

    async def _async_refresh_views(self, job: Job) -> None:
        names: list[str] | None = job.parameters.get(PARAMETER_NAMES)
        is_full = bool(job.parameters.get(PARAMETER_FULL, False))

        def refresh(work: Work) -> RunResult:
            nonlocal is_full
            # What was made before the server went away is not made once more.
            is_first, is_full = is_full, False
            result = self._storage.views.refresh(work, names, is_first)
            return RunResult(
                records_processed=result.rows_read,
                records_written=result.rows_written,
                records_deleted=result.rows_removed,
                problems=result.problems,
                counts={"chunks": result.chunks, "rows written": result.rows_written},
            )

        await self._async_run(job, [(Operation.REFRESH_VIEWS, refresh)])

    # --- how they are run ---

    async def _async_run(self, job: Job, runs: Sequence[tuple[Operation, Run]]) -> None:
        """Do the runs of a job, one after another."""
        storage = self._storage
        await self._has_started.wait()
        is_automatic = bool(job.parameters.get(PARAMETER_AUTOMATIC, False))
        if is_automatic and not storage.options.is_enabled:
            job.is_needless = True
            return
        job.begin()
        share = 1 / len(runs)
        try:
            for number, (operation, run) in enumerate(runs):
                part = JobPart(start=number * share, end=(number + 1) * share)
                await async_run_recorded(storage, job, operation, run, part=part)
        except RetentionStoresError:
            if not is_automatic:
                raise
            # An issue says which; until they exist a failure a night says no more.
            job.is_needless = True
            return
        await storage.async_read_figures(dt.timedelta())
        await self._statistics.async_update()

    def _step(self, job: Job, operation: Operation) -> tuple[Operation, Run]:
        step, tier = _STEPS[operation]
        has_accepted = bool(job.parameters.get(PARAMETER_ACCEPTED, False))
        return operation, self._create_run(lambda one: step(one, has_accepted), tier)

    def _create_run(self, step: Step, tier: Tier) -> Run:
        """Return a run of a step; rows that it deletes are of a tier."""

        def run(work: Work) -> RunResult:
            report = step(create_maintenance(self._storage, work))
            return to_result(report, tier, self._storage.figures)

        return run


def create_maintenance(storage: HubStorage, work: Work) -> Maintenance:
    """Return the runs of the engine, for one of them; any thread."""
    views, archive = storage.views, storage.archive
    return Maintenance(
        storage.tiers,
        storage.checkpoint,
        zone=storage.zone,
        work=work,
        now_ns=time.time_ns,
        settled_until_ns=storage.settled_until_ns,
        activity_age=storage.options.activity_age,
        refresh_views=lambda: views.refresh(work),
        feeds=lambda ledger: (*views.feeds(ledger), *archive.feeds(ledger)),
        guards=lambda ledger: (*views.guards(ledger), *archive.guards(ledger)),
    )


def to_result(
    report: MaintenanceReport, tier: Tier, figures: StorageFigures | None
) -> RunResult:
    """Return what the engine says in the words of a record.

    Args:
        tier: Whose rows were deleted.
        figures: What is known of their size.
    """
    deleted = sum(one.values_deleted for one in report.expired)
    per_value = BYTES_PER_VALUE[tier]
    if tier is Tier.RAW and figures is not None:
        per_value = figures.raw_bytes_per_value
    written = sum(one.rows_written for one in report.downsampled)
    counts = {
        "windows": sum(one.windows for one in report.downsampled),
        "rows read": sum(one.rows_read for one in report.downsampled),
        "rows written": written,
        "view rows": report.refreshed,
        "days deleted": sum(one.days for one in report.expired),
        "values deleted": deleted,
        "late": sum(one.late_rows for one in report.expired),
        "days accepted": report.accepted,
    }
    return RunResult(
        records_processed=counts["rows read"],
        records_written=written,
        records_deleted=deleted,
        storage_freed_bytes=round(deleted * per_value),
        has_disagreed=any(one.disagreements for one in report.downsampled),
        missing=report.missing,
        problems=report.problems,
        notes=tuple(one.storage_note for one in report.expired if one.storage_note),
        counts={name: number for name, number in counts.items() if number},
    )

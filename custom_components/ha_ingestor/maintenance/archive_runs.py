"""The jobs of the archive: what is due goes there, and rows come back.

Both run on the thread of the hub's maintenance, one at a time with all else there.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
import datetime as dt
import time
from typing import Final, TypedDict

from homeassistant.core import HomeAssistant, callback

from ..const import SERVICE_ARCHIVE_TO_S3, SERVICE_RESTORE_FROM_ARCHIVE
from ..errors import (
    ArchiveAuthError,
    ArchiveBucketMissingError,
    ArchiveDiskError,
    ArchiveError,
    ArchivePermissionError,
    ArchiveUnavailableError,
)
from ..jobs.job import Job
from ..retention.archive_list import ArchiveSize, measure
from ..retention.archiver import Archiver
from ..retention.restore import write_back
from ..retention.tiers import Tier
from ..retention.work import Work
from .archive import HubArchive
from .record import Operation
from .runs import RunResult, async_run_recorded, create_work
from .storage import HubStorage

# What a person can do about it; the words of the error follow.
_ADVICE: Final[tuple[tuple[type[ArchiveError], str], ...]] = (
    (ArchiveAuthError, "Change the keys of the archive"),
    (ArchivePermissionError, "Give the keys of the archive this right"),
    (ArchiveBucketMissingError, "Create the bucket, or change the archive"),
    (ArchiveUnavailableError, "Check that the archive's service can be reached"),
    (ArchiveDiskError, "Make room on the disk of Home Assistant"),
)
_DAY: Final = "day"


class ArchiveParameters(TypedDict, total=False):
    """What the job `archive_to_s3` is asked for; dates as ISO 8601 writes them."""

    start: str | None
    end: str | None
    is_dry_run: bool


class RestoreParameters(TypedDict):
    """What the job `restore_from_archive` is asked for; the same."""

    start: str
    end: str
    entity_ids: list[str] | None
    tier: str


class ArchiveRuns:
    """Runs the archive's jobs of one hub. Event loop only."""

    def __init__(
        self, hass: HomeAssistant, storage: HubStorage, archive: HubArchive
    ) -> None:
        """Keep what the jobs need."""
        self._hass = hass
        self._storage = storage
        self._archive = archive
        self._has_started = asyncio.Event()

    @callback
    def async_register(self, *, lane: str, has_started: asyncio.Event) -> None:
        """Say what runs the jobs.

        Args:
            has_started: Set once Home Assistant has; until then nothing is run.
        """
        self._has_started = has_started
        jobs = self._storage.jobs
        jobs.register(SERVICE_ARCHIVE_TO_S3, self.async_archive, lane=lane)
        jobs.register(SERVICE_RESTORE_FROM_ARCHIVE, self.async_restore, lane=lane)

    async def async_archive(self, job: Job) -> None:
        """Bring to the archive what is due, or count it.

        Raises:
            IngestorError: It failed; nothing was lost.
        """
        await self._async_wait()
        job.begin()
        run = self._create_archive_run(job)
        if job.parameters.get("is_dry_run"):
            result = await self._storage.async_run_prepared(
                run, create_work(self._storage, job)
            )
            for name, number in result.counts.items():
                job.count(name, number)
            return
        try:
            await async_run_recorded(self._storage, job, Operation.ARCHIVE, run)
        finally:
            self._archive.async_note_change()

    async def async_restore(self, job: Job) -> None:
        """Write rows of the archive into InfluxDB.

        Raises:
            IngestorError: It failed; the next one goes on.
        """
        await self._async_wait()
        job.begin()
        await async_run_recorded(
            self._storage, job, Operation.RESTORE, self._create_restore_run(job)
        )

    async def _async_wait(self) -> None:
        """Wait for the packages: a job may be left from before a restart."""
        await self._has_started.wait()
        await self._archive.async_wait_settled()

    def _create_archive_run(self, job: Job) -> Callable[[Work], RunResult]:
        storage, archive, parameters = self._storage, self._archive, job.parameters

        def run(work: Work) -> RunResult:
            settings = archive.settings
            archiver = Archiver(
                storage.tiers,
                storage.checkpoint,
                archive.require_place(),
                zone=storage.zone,
                work=work,
                now_ns=time.time_ns,
                settled_until_ns=storage.settled_until_ns,
                tiers=() if settings is None else settings.tiers,
            )
            with _advised():
                result = archiver.run(
                    start=_to_date(parameters.get("start")),
                    end=_to_date(parameters.get("end")),
                    is_dry_run=parameters.get("is_dry_run", False),
                )
            notes = () if result.storage_note is None else (result.storage_note,)
            return RunResult(
                records_processed=result.rows,
                records_written=result.rows,
                records_deleted=result.values_deleted,
                has_disagreed=bool(result.kept),
                problems=(*result.kept, *notes),
                counts={
                    "days": result.days,
                    "files": result.files,
                    "rows": result.rows,
                    "bytes": result.size_bytes,
                    "values due": result.values_due,
                    "values deleted": result.values_deleted,
                },
            )

        return run

    def _create_restore_run(self, job: Job) -> Callable[[Work], RunResult]:
        storage, archive, parameters = self._storage, self._archive, job.parameters

        def run(work: Work) -> RunResult:
            def done(day: str, _: int) -> None:
                self._hass.loop.call_soon_threadsafe(note, day)

            place = archive.require_place()
            with _advised():
                start_at, end_at = clamp(
                    measure(place),
                    dt.datetime.fromisoformat(parameters["start"]),
                    dt.datetime.fromisoformat(parameters["end"]),
                )
                result = write_back(
                    place.job(
                        Tier(parameters["tier"]), is_cancelled=lambda: _rest(work)
                    ),
                    storage.tiers.client(Tier.DAILY),
                    start_at,
                    end_at,
                    work=work,
                    entity_ids=parameters["entity_ids"],
                    after_day=(job.checkpoint or {}).get(_DAY),
                    on_day=done,
                )
            return RunResult(
                records_processed=result.rows,
                records_written=result.rows_written,
                counts={
                    "days": result.days,
                    "rows": result.rows,
                    "rows written": result.rows_written,
                },
            )

        @callback
        def note(day: str) -> None:
            if job.is_open:
                job.report(progress=job.progress, checkpoint={_DAY: day})

        return run


def clamp(
    size: ArchiveSize, start_at: dt.datetime, end_at: dt.datetime
) -> tuple[dt.datetime, dt.datetime]:
    """Cut a time to what the archive has, so that nothing asks for years without it.

    A local day may begin and end in the days of UTC around it.
    """
    if size.oldest is None or size.newest is None:
        return start_at, start_at
    first = _midnight(size.oldest) - dt.timedelta(days=2)
    last = _midnight(size.newest) + dt.timedelta(days=3)
    return max(start_at, first), min(end_at, last)


def _midnight(date: dt.date) -> dt.datetime:
    return dt.datetime.combine(date, dt.time(), dt.UTC)


def _rest(work: Work) -> bool:
    work.check()
    return False


def _to_date(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


@contextmanager
def _advised() -> Iterator[None]:
    """Put before the words of an error what a person can do about it."""
    try:
        yield
    except ArchiveError as err:
        for kind, advice in _ADVICE:
            if isinstance(err, kind):
                err.args = (f"{advice}: {err}",)
                break
        raise

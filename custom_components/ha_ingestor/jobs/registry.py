"""Long jobs of a hub: started, listed, cancelled, and gone on with after a restart.

A job is a kind, its parameters and a checkpoint, all of them JSON. What runs it is
registered by kind before the stored jobs are loaded. Jobs of one lane run one after
another, so that two of them never share what little time each may take. Event loop
only.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
import logging
from typing import Any, Final, TypedDict

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util
from homeassistant.util.ulid import ulid_now

from ..const import DOMAIN
from ..errors import IngestorError, TooManyJobsError
from .job import Job, JobStatus, StoredJob

_LOGGER = logging.getLogger(__name__)

_STORAGE_VERSION: Final = 1
# What has ended is kept to be looked at; what waits is started by a person, or
# once per absence.
MAX_ENDED_JOBS: Final = 20
MAX_OPEN_JOBS: Final = 20
# A crash repeats at most so much of a job, which changes nothing that is stored.
_SAVE_DELAY_S: Final = 10.0
# Progress is shown this often, and written to the log this often.
SHOW_INTERVAL_S: Final = 10.0
LOG_INTERVAL_S: Final = 60.0
_DEFAULT_LANE: Final = "default"


class StoredJobs(TypedDict):
    """All jobs of a hub as they are on disk."""

    jobs: list[StoredJob]


type JobRunner = Callable[[Job], Awaitable[None]]
type JobEndListener = Callable[[Job], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    runner: JobRunner
    lane: str
    on_end: JobEndListener | None


class JobRegistry:
    """All jobs of one hub, in the order in which they were started."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """Prepare; register the kinds, then load, then start."""
        self._hass = hass
        self._entry = entry
        self._store = _create_store(hass, entry.entry_id)
        self._jobs: dict[str, Job] = {}
        self._kinds: dict[str, _Kind] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._running: dict[str, Job] = {}
        self._listeners: list[CALLBACK_TYPE] = []
        self._seen: tuple[str, JobStatus] | None = None
        self._shown_at = self._logged_at = 0.0
        self._is_running = False

    @callback
    def register(
        self,
        kind: str,
        runner: JobRunner,
        *,
        lane: str = _DEFAULT_LANE,
        on_end: JobEndListener | None = None,
    ) -> None:
        """Say what runs the jobs of a kind.

        Args:
            on_end: Called once a job has ended, however it did; an interruption by
                a restart is no end.
        """
        self._kinds[kind] = _Kind(runner=runner, lane=lane, on_end=on_end)

    async def async_load(self) -> None:
        """Read the jobs that a former run has left."""
        if (stored := await self._store.async_load()) is None:
            return
        for item in stored["jobs"]:
            job = Job.from_stored(item)
            job.on_change = self._changed
            self._jobs[job.job_id] = job

    @callback
    def async_start(self) -> None:
        """Go on with what is open."""
        self._is_running = True
        for job in self.jobs:
            if job.is_open:
                self._wake(job)

    async def async_stop(self) -> None:
        """Interrupt what runs; the next start goes on with it."""
        self._is_running = False
        workers = list(self._workers.values())
        self._workers.clear()
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        if self._jobs:
            await self._store.async_save(self._to_stored())

    @property
    def jobs(self) -> list[Job]:
        """All jobs, oldest first."""
        return list(self._jobs.values())

    @property
    def current(self) -> Job | None:
        """The job that has been at work for longest."""
        return next(
            (
                job
                for job in self._running.values()
                if job.status in {JobStatus.RUNNING, JobStatus.WAITING}
            ),
            None,
        )

    @property
    def is_full(self) -> bool:
        """Whether as many jobs wait or run as may."""
        return sum(job.is_open for job in self.jobs) >= MAX_OPEN_JOBS

    def get(self, job_id: str) -> Job | None:
        """Return a job by its id."""
        return self._jobs.get(job_id)

    async def async_add(
        self, kind: str, parameters: Mapping[str, Any], *, is_bounded: bool = True
    ) -> Job:
        """Put a job on disk and, once started, at the end of its lane.

        Args:
            is_bounded: Off for what is added once per start and cannot be refused.

        Raises:
            TooManyJobsError: Too many wait already.
        """
        if is_bounded and self.is_full:
            raise TooManyJobsError(f"{MAX_OPEN_JOBS} jobs wait or run already")
        job = Job(
            job_id=ulid_now(),
            kind=kind,
            parameters=dict(parameters),
            created_at=dt_util.utcnow(),
            on_change=self._changed,
        )
        self._jobs[job.job_id] = job
        await self.async_save()
        if self._is_running:
            self._wake(job)
        return job

    async def async_save(self) -> None:
        """Put all jobs on disk now."""
        await self._store.async_save(self._to_stored())

    async def async_cancel(self, job: Job) -> None:
        """End a job for good; what it has written stays."""
        if not job.is_open:
            return
        lane = next((name for name, run in self._running.items() if run is job), None)
        if lane is None:
            self._end(job, JobStatus.CANCELLED)
            return
        job.is_cancelling = True
        self._workers[lane].cancel()
        await job.has_ended.wait()

    @callback
    def async_listen(self, listener: CALLBACK_TYPE) -> CALLBACK_TYPE:
        """Call back when there is something to show; returns how to stop that."""
        self._listeners.append(listener)

        @callback
        def stop() -> None:
            self._listeners.remove(listener)

        return stop

    def _wake(self, job: Job) -> None:
        if (kind := self._kinds.get(job.kind)) is None:
            # Of a version that knew more kinds; it stays for that version.
            _LOGGER.warning("There is nothing that runs jobs of kind %s", job.kind)
            return
        worker = self._workers.get(kind.lane)
        if worker is None or worker.done():
            self._workers[kind.lane] = self._entry.async_create_background_task(
                self._hass, self._work(kind.lane), f"{DOMAIN} jobs {kind.lane}"
            )

    async def _work(self, lane: str) -> None:
        """Run the open jobs of a lane, one after another."""
        # The set-up that starts this has something to do first.
        await asyncio.sleep(0)
        while (job := self._next(lane)) is not None:
            self._running[lane] = job
            try:
                await self._run(job)
            except asyncio.CancelledError:
                if not job.is_cancelling:
                    # The hub is unloaded: the job goes on when it is loaded again.
                    raise
                if (task := asyncio.current_task()) is not None:
                    task.uncancel()
                self._end(job, JobStatus.CANCELLED)
            finally:
                self._running.pop(lane, None)

    def _next(self, lane: str) -> Job | None:
        return next(
            (
                job
                for job in self._jobs.values()
                if job.is_open
                and (kind := self._kinds.get(job.kind)) is not None
                and kind.lane == lane
            ),
            None,
        )

    async def _run(self, job: Job) -> None:
        try:
            await self._kinds[job.kind].runner(job)
        except IngestorError as err:
            job.error = str(err)
            self._end(job, JobStatus.FAILED)
        except Exception as err:
            # One broken job must not take the others with it.
            _LOGGER.exception("Unexpected error in job %s", job.job_id)
            job.error = f"{type(err).__name__}: {err}"
            self._end(job, JobStatus.FAILED)
        else:
            self._end(job, JobStatus.FINISHED)

    def _end(self, job: Job, status: JobStatus) -> None:
        if job.is_needless:
            _LOGGER.debug("Job %s found nothing to do", job.job_id)
            del self._jobs[job.job_id]
        else:
            job.ended_at = dt_util.utcnow()
            job.waiting_for = None
            if status is JobStatus.FINISHED:
                job.progress = 1.0
        job.status = status
        if (kind := self._kinds.get(job.kind)) is not None and kind.on_end is not None:
            kind.on_end(job)
        job.has_ended.set()
        self._forget_old()
        self._store.async_delay_save(self._to_stored)
        if not job.is_needless:
            _LOGGER.info(
                "Job %s (%s) %s: %s",
                job.job_id,
                job.kind,
                status.value,
                job.error or _to_words(job.counts),
            )
        self._show()

    def _forget_old(self) -> None:
        ended = [job_id for job_id, job in self._jobs.items() if not job.is_open]
        for job_id in ended[:-MAX_ENDED_JOBS]:
            del self._jobs[job_id]

    def _changed(self, job: Job) -> None:
        """Save and show what a job has reported."""
        self._store.async_delay_save(self._to_stored, _SAVE_DELAY_S)
        now = self._hass.loop.time()
        seen = (job.job_id, job.status)
        if seen != self._seen:
            self._seen = seen
            self._logged_at = now
            _LOGGER.info(
                "Job %s (%s) %s", job.job_id, job.kind, job.waiting_for or job.status
            )
            self._show()
        elif now - self._shown_at >= SHOW_INTERVAL_S:
            self._show()
        if now - self._logged_at >= LOG_INTERVAL_S:
            self._logged_at = now
            _LOGGER.info(
                "Job %s (%s) is at %.0f %%: %s",
                job.job_id,
                job.kind,
                job.progress * 100,
                _to_words(job.counts),
            )

    def _show(self) -> None:
        self._shown_at = self._hass.loop.time()
        for listener in list(self._listeners):
            listener()

    def _to_stored(self) -> StoredJobs:
        return StoredJobs(
            jobs=[job.to_stored() for job in self._jobs.values() if not job.is_needless]
        )


def _create_store(hass: HomeAssistant, entry_id: str) -> Store[StoredJobs]:
    return Store(hass, _STORAGE_VERSION, f"{DOMAIN}.jobs.{entry_id}")


async def async_delete_jobs(hass: HomeAssistant, entry_id: str) -> None:
    """Delete the jobs of a hub that was removed."""
    await _create_store(hass, entry_id).async_remove()


def _to_words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "nothing"

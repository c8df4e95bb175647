"""When the jobs of the tiers start by themselves. Event loop only.

| job | when |
|---|---|
| `aggregate` | eleven minutes after each full local hour |
| `downsample_hourly` | at night, at the time that the user chose |
| `downsample_daily` | the same |
| `refresh_views` | every four hours |

Each is up to ten minutes later, by the same time for one hub every day. Nothing runs
until Home Assistant has been up for some minutes; then what was missed is made up for.
"""

import asyncio
from collections.abc import Callable
import datetime as dt
from functools import partial
import logging
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.start import async_at_started
from homeassistant.util import dt as dt_util

from ..const import DOMAIN
from ..errors import TooManyJobsError
from ..retention.windows import Resolution, to_datetime, to_ns, window_at
from .jobs import (
    JOB_AGGREGATE,
    JOB_DOWNSAMPLE_DAILY,
    JOB_DOWNSAMPLE_HOURLY,
    JOB_REFRESH_VIEWS,
    JOB_RUN_MAINTENANCE,
)
from .record import Operation, Outcome
from .storage import HubStorage
from .times import async_track_moments, jitter_of, last_local, next_local

_LOGGER = logging.getLogger(__name__)

# Integrations go on loading after the start, and the user wants to see the dashboard.
START_DELAY: Final = dt.timedelta(minutes=8)
# The grace of a window is ten minutes.
AGGREGATE_DELAY: Final = dt.timedelta(minutes=11)
# After the hour's aggregates, of which they are made.
_VIEWS_DELAY: Final = dt.timedelta(minutes=20)
_VIEWS_TIMES: Final = tuple(dt.time(hour) for hour in range(0, 24, 4))

_NIGHTLY: Final = {
    JOB_DOWNSAMPLE_HOURLY: Operation.DOWNSAMPLE_HOURLY,
    JOB_DOWNSAMPLE_DAILY: Operation.DOWNSAMPLE_DAILY,
}
# What does the work of a job as well.
_COVERED_BY: Final = {
    JOB_DOWNSAMPLE_HOURLY: (JOB_RUN_MAINTENANCE,),
    JOB_DOWNSAMPLE_DAILY: (JOB_RUN_MAINTENANCE,),
    JOB_AGGREGATE: (JOB_DOWNSAMPLE_HOURLY, JOB_RUN_MAINTENANCE),
}


class StorageSchedule:
    """The clock of one hub's jobs."""

    def __init__(self, storage: HubStorage) -> None:
        """Prepare; `async_start` begins to count."""
        self._hass: HomeAssistant = storage.hass
        self._storage = storage
        self._timers: list[CALLBACK_TYPE] = []
        self._adding: set[asyncio.Task[None]] = set()
        self._is_started = False

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Begin once Home Assistant has started; returns how to end it."""
        stops = [
            async_at_started(self._hass, self._started),
            self._storage.async_listen_options(self._plan),
        ]

        @callback
        def stop() -> None:
            for end in stops:
                end()
            self._stop_timers()

        return stop

    @callback
    def _started(self, _: HomeAssistant) -> None:
        self._is_started = True
        self._plan()

    @callback
    def _stop_timers(self) -> None:
        for cancel in self._timers:
            cancel()
        self._timers.clear()

    @callback
    def _plan(self) -> None:
        """Set all timers, by the options of this moment."""
        if not self._is_started:
            return
        self._stop_timers()
        self._show_next()
        if not self._storage.options.is_enabled:
            return
        self._track(self._next_aggregate, JOB_AGGREGATE)
        for kind in _NIGHTLY:
            self._track(partial(self._next_nightly, kind), kind)
        self._track(self._next_refresh, JOB_REFRESH_VIEWS)
        # After the start, and when ages have changed or it was switched on.
        self._timers.append(async_call_later(self._hass, START_DELAY, self._catch_up))

    def _track(
        self, find_next: Callable[[dt.datetime], dt.datetime], kind: str
    ) -> None:
        @callback
        def fire() -> None:
            self._show_next()
            self._start_job(kind)

        self._timers.append(async_track_moments(self._hass, find_next, fire))

    # --- when ---

    def _jitter(self, kind: str) -> dt.timedelta:
        return jitter_of(self._storage.entry.entry_id, kind)

    def _next_aggregate(self, after: dt.datetime) -> dt.datetime:
        # A tenth of the jitter: the next hour's windows wait for nobody.
        delay = AGGREGATE_DELAY + self._jitter(JOB_AGGREGATE) / 10
        window = window_at(Resolution.HOUR, to_ns(after - delay), self._storage.zone)
        return to_datetime(window.end_ns) + delay

    def _next_nightly(self, kind: str, after: dt.datetime) -> dt.datetime:
        return next_local(
            [self._time_of(kind)],
            after,
            self._storage.zone,
            delay=self._jitter(kind),
        )

    def _next_refresh(self, after: dt.datetime) -> dt.datetime:
        return next_local(
            _VIEWS_TIMES,
            after,
            self._storage.zone,
            delay=_VIEWS_DELAY + self._jitter(JOB_REFRESH_VIEWS),
        )

    def _time_of(self, kind: str) -> dt.time:
        options = self._storage.options
        return options.hourly_at if kind == JOB_DOWNSAMPLE_HOURLY else options.daily_at

    @callback
    def _show_next(self) -> None:
        now = dt_util.utcnow()
        self._storage.next_run_at = (
            min(self._next_nightly(kind, now) for kind in _NIGHTLY)
            if self._storage.options.is_enabled
            else None
        )
        self._storage.async_show()

    # --- what ---

    @callback
    def _catch_up(self, now: dt.datetime) -> None:
        """Aggregate what has closed, and make up for a night that was missed."""
        self._start_job(JOB_AGGREGATE)
        for kind, operation in _NIGHTLY.items():
            due_at = last_local(
                [self._time_of(kind)],
                now,
                self._storage.zone,
                delay=self._jitter(kind),
            )
            record = self._storage.journal.records.get(operation)
            # A hub that never had a night waits for one: whoever has set it up has
            # until then to say how long to keep what the database has already.
            if record is not None and (
                record.outcome is Outcome.FAILED or record.started_at < due_at
            ):
                self._start_job(kind)

    @callback
    def _start_job(self, kind: str) -> None:
        """Start a job unless one that does the same has not ended."""
        storage = self._storage
        kinds = {kind, *_COVERED_BY.get(kind, ())}
        if (
            storage.error is not None
            or not storage.options.is_enabled
            or any(job.is_open and job.kind in kinds for job in storage.jobs.jobs)
        ):
            return
        task = storage.entry.async_create_background_task(
            self._hass, self._async_add(kind), f"{DOMAIN} schedule {kind}"
        )
        self._adding.add(task)
        task.add_done_callback(self._adding.discard)

    async def _async_add(self, kind: str) -> None:
        try:
            await self._storage.jobs.async_add(kind, {"is_automatic": True})
        except TooManyJobsError:
            # Next time; whoever has started so many waits for them.
            _LOGGER.debug("There is no room for the job %s", kind)

"""One run as a job: shown, tried again, recorded.

A run that is interrupted by a restart of Home Assistant is no run yet: its job begins
anew with the next start, and finds what is done. Event loop only.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
import datetime as dt
import logging
from typing import Final

from homeassistant.core import callback
from homeassistant.util import dt as dt_util

from ..errors import (
    ArchiveCancelledError,
    ArchiveUnavailableError,
    IngestorError,
    RetentionCancelledError,
    RetentionStoresError,
    StoreAuthError,
    StoreProtocolError,
    StoreUnavailableError,
)
from ..jobs.job import Job
from ..retention.work import Work
from .record import Operation, Outcome, RunRecord
from .storage import HubStorage

_LOGGER = logging.getLogger(__name__)

# What passes by itself, or is asked for elsewhere: an update of the server, a proxy
# that starts, a password that was changed.
PASSING: Final = (
    StoreUnavailableError,
    StoreAuthError,
    StoreProtocolError,
    ArchiveUnavailableError,
)
FIRST_RETRY_S: Final = 30.0
MAX_RETRY_S: Final = 600.0
# After that a person is told.
RETRY_FOR_S: Final = 7_200.0
# On the event loop so often at most.
_SHOW_STEP: Final = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What a run did.

    Attributes:
        has_disagreed: Whether something was kept because it could not be verified.
        missing: Days of which rows are missing that were verified; the first ones.
        problems: What a person should know, the first ones; without secrets.
        notes: What may be said as well, and is no problem.
        counts: More that it did, in words of its kind.
    """

    records_processed: int = 0
    records_written: int = 0
    records_deleted: int = 0
    storage_freed_bytes: int = 0
    has_disagreed: bool = False
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPart:
    """The part of a job's progress that a run has: from 0 to 1 by default."""

    start: float = 0.0
    end: float = 1.0


_WHOLE: Final = JobPart()


async def async_run_recorded(
    storage: HubStorage,
    job: Job,
    operation: Operation,
    run: Callable[[Work], RunResult],
    *,
    part: JobPart = _WHOLE,
) -> RunResult:
    """Run something on the storage's thread for a job, and record what it did.

    Args:
        run: Blocking. It may be run several times: what is done stays done.

    Raises:
        RetentionStoresError: Nothing was done, and nothing recorded: a person has to
            create stores, and is told so.
        IngestorError: It failed, and that is recorded.
    """
    started_at = dt_util.utcnow()
    error: str | None = None
    stop_watching = storage.issues.async_watch_slow(operation)
    try:
        result = await _async_try(storage, job, run, part)
    except asyncio.CancelledError:
        if job.is_cancelling:
            storage.async_note(create_record(operation, started_at, is_cancelled=True))
        raise
    except RetentionStoresError:
        raise
    except IngestorError as err:
        error = str(err)
        raise
    except Exception as err:
        error = f"{type(err).__name__}: {err}"
        raise
    finally:
        stop_watching()
        if error is not None:
            await storage.async_record(
                create_record(operation, started_at, error=error)
            )
    for name, number in result.counts.items():
        job.count(name, number)
    for problem in (*result.problems, *result.notes):
        job.add_problem(problem)
    await storage.async_record(create_record(operation, started_at, result=result))
    return result


def create_record(
    operation: Operation,
    started_at: dt.datetime,
    *,
    result: RunResult | None = None,
    error: str | None = None,
    is_cancelled: bool = False,
) -> RunRecord:
    """Return the record of a run that ends now.

    Args:
        result: What it did; None where that is not known.
        error: Why it failed; None if it did not.
    """
    result = result or RunResult()
    if is_cancelled:
        outcome = Outcome.CANCELLED
    elif error is not None:
        outcome = Outcome.FAILED
    else:
        is_bad = result.has_disagreed or bool(result.missing)
        outcome = Outcome.DISAGREED if is_bad else Outcome.DONE
    return RunRecord(
        operation=operation,
        outcome=outcome,
        started_at=started_at,
        ended_at=dt_util.utcnow(),
        records_processed=result.records_processed,
        records_written=result.records_written,
        records_deleted=result.records_deleted,
        storage_freed_bytes=result.storage_freed_bytes,
        problems=result.problems,
        missing=result.missing,
        has_disagreed=result.has_disagreed,
        error=error,
    )


async def _async_try(
    storage: HubStorage, job: Job, run: Callable[[Work], RunResult], part: JobPart
) -> RunResult:
    """Run it, again and again while the server is away."""
    loop = storage.hass.loop
    retry_s, failing_since_s = FIRST_RETRY_S, loop.time()
    while True:
        begun_s, restarts = loop.time(), storage.restarts
        work = create_work(storage, job, part)
        try:
            return await storage.async_run_prepared(run, work)
        except RetentionCancelledError, ArchiveCancelledError:
            if storage.restarts == restarts:
                raise
            _LOGGER.debug("The run begins anew with other options")
        except PASSING as err:
            now_s = loop.time()
            if now_s - begun_s > MAX_RETRY_S:
                # It got on for a while: this is another failure than the last one.
                retry_s, failing_since_s = FIRST_RETRY_S, now_s
            if now_s - failing_since_s + retry_s > RETRY_FOR_S:
                raise
            _LOGGER.debug("The run waits: %s", err)
            job.wait_for(str(err))
            await asyncio.sleep(retry_s)
            job.wait_for(None)
            retry_s = min(retry_s * 2, MAX_RETRY_S)


@callback
def create_work(storage: HubStorage, job: Job, part: JobPart = _WHOLE) -> Work:
    """Return the work of a run whose progress is shown as that of a job."""
    loop = storage.hass.loop
    shown = -1.0

    @callback
    def show(progress: float) -> None:
        if job.is_open:
            job.report(progress=progress, checkpoint=job.checkpoint or {})

    def report(progress: float, _: str) -> None:
        nonlocal shown
        whole = part.start + progress * (part.end - part.start)
        if abs(whole - shown) < _SHOW_STEP or loop.is_closed():
            return
        shown = whole
        loop.call_soon_threadsafe(show, whole)

    return Work(on_progress=report)

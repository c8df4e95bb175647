"""The gap after an absence: Home Assistant ran, and nothing was captured."""

from collections.abc import Mapping
from typing import Any

from ..jobs.job import Job
from ..jobs.registry import JobRegistry
from ..pipeline import Absence
from .recorder_job import JOB_BACKFILL, OVERLAP_S, BackfillParameters, has_all_states


async def async_note_absence(jobs: JobRegistry, absence: Absence | None) -> None:
    """Queue a backfill of the gap, before anything newer gets to disk.

    Whether Home Assistant ran in it at all is known only once its recorder is
    ready, so that is for the job to find out. A gap whose backfill has not ended
    yet is made longer instead: what was captured in between is not written again.
    """
    if absence is None:
        return
    end_s = absence.end_s
    for job in jobs.jobs:
        if job.is_open and _is_automatic(job) and not has_all_states(job):
            job.parameters["end_s"] = end_s
            await jobs.async_save()
            return
    parameters = BackfillParameters(
        entity_ids=None,
        start_s=absence.start_s - OVERLAP_S,
        end_s=end_s,
        has_statistics=True,
        is_dry_run=False,
        is_automatic=True,
    )
    await jobs.async_add(JOB_BACKFILL, dict[str, Any](**parameters), is_bounded=False)


def _is_automatic(job: Job) -> bool:
    parameters: Mapping[str, Any] = job.parameters
    return job.kind == JOB_BACKFILL and bool(parameters.get("is_automatic"))

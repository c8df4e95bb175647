"""The job `backfill_csv`: values of another system, from a file.

The points are events like any other, with the tags that their entities have today.
What preceded a value, what caused it and what the weather was then is not in the
file, so these fields are left out.
"""

import asyncio
from collections.abc import Sequence
import logging
from pathlib import Path
from typing import Final, NotRequired, TypedDict, cast

from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from ..const import MEASUREMENT_EVENTS
from ..errors import ImportFileError
from ..ingest.enrich import EntityPlanner
from ..jobs.job import Job
from ..models import to_time_ns
from ..pipeline import Pipeline
from .csv_file import CsvPage, CsvValue, FileIdentity, read_page
from .history import PastPoint
from .imports import delete_import, delete_imports, get_import_path
from .recorder_job import EVENT_FIELDS
from .writer import BackfillWriter, Tiers

_LOGGER = logging.getLogger(__name__)

JOB_BACKFILL_CSV: Final = "backfill_csv"
PAGE_LINES: Final = 500


class CsvParameters(TypedDict):
    """What an import is asked for; JSON.

    Attributes:
        path: Where the file is, or what the person calls it who has uploaded it.
        upload: Key of the upload, which goes when the job ends; not there for a file
            that is the person's own. Introduced in 0.2.0.
    """

    path: str
    is_dry_run: bool
    upload: NotRequired[str]


class _Checkpoint(TypedDict):
    """How far the file is read, and which file that was."""

    offset: int
    line_count: int
    size_bytes: int
    modified_ns: int


class CsvBackfill:
    """Runs the jobs `backfill_csv` of one hub. Event loop only."""

    def __init__(self, hass: HomeAssistant, pipeline: Pipeline, tiers: Tiers) -> None:
        """Serve one pipeline."""
        self._hass = hass
        self._pipeline = pipeline
        self._tiers = tiers

    async def async_run(self, job: Job) -> None:
        """Run a job to its end.

        Raises:
            ImportFileError: The file is missing, or another one than before.
            StoreError: InfluxDB does not let us read what it has.
        """
        parameters = cast("CsvParameters", job.parameters)
        path = self._find_file(parameters)
        identity = await self._hass.async_add_executor_job(FileIdentity.of, path)
        place = _Checkpoint(
            offset=0,
            line_count=0,
            size_bytes=identity.size_bytes,
            modified_ns=identity.modified_ns,
        )
        if job.checkpoint is not None:
            place = _Checkpoint(**job.checkpoint)  # type: ignore[typeddict-item]
            if identity != FileIdentity(
                size_bytes=place["size_bytes"], modified_ns=place["modified_ns"]
            ):
                raise ImportFileError(
                    f"{parameters['path']} has changed since the import began;"
                    " start it again"
                )
        job.begin()
        writer = BackfillWriter(
            self._hass,
            self._pipeline,
            job,
            tiers=self._tiers,
            is_dry_run=parameters["is_dry_run"],
        )
        try:
            await writer.async_prepare()
            await self._async_import(job, path, place, writer)
        finally:
            await writer.async_close()

    @callback
    def async_forget_upload(self, job: Job) -> asyncio.Future[None] | None:
        """Delete the upload of a job that has ended; returns what ends with that."""
        if (key := cast("CsvParameters", job.parameters).get("upload")) is None:
            return None
        return self._hass.async_add_executor_job(delete_import, self._hass, key)

    def _find_file(self, parameters: CsvParameters) -> Path:
        if (key := parameters.get("upload")) is not None:
            return get_import_path(self._hass, key)
        return Path(parameters["path"])

    async def _async_import(
        self, job: Job, path: Path, place: _Checkpoint, writer: BackfillWriter
    ) -> None:
        planner = EntityPlanner(self._hass, self._pipeline.options)
        offset: int | None = place["offset"]
        while offset is not None:
            page = await self._async_read(path, offset, place["line_count"])
            self._note_problems(job, page.problems)
            points = self._to_points(job, planner, page.values)
            await writer.async_write(MEASUREMENT_EVENTS, EVENT_FIELDS, points)
            offset = page.offset
            place["line_count"] = page.line_count
            place["offset"] = place["size_bytes"] if offset is None else offset
            job.report(
                progress=place["offset"] / max(place["size_bytes"], 1), checkpoint=place
            )

    async def _async_read(self, path: Path, offset: int, line_count: int) -> CsvPage:
        now = dt_util.utcnow()
        return await self._hass.async_add_executor_job(
            lambda: read_page(
                path,
                offset=offset,
                line_count=line_count,
                limit=PAGE_LINES,
                time_zone=dt_util.get_default_time_zone(),
                now_s=now.timestamp(),
            )
        )

    def _note_problems(self, job: Job, problems: Sequence[str]) -> None:
        if not problems:
            return
        before = len(job.problems)
        for problem in problems:
            job.add_problem(problem)
        job.count("bad_lines", len(problems))
        for problem in job.problems[before:]:
            _LOGGER.warning("Job %s: %s", job.job_id, problem)

    def _to_points(
        self, job: Job, planner: EntityPlanner, values: Sequence[CsvValue]
    ) -> list[PastPoint]:
        points: list[PastPoint] = []
        for value in values:
            state = self._hass.states.get(value.entity_id)
            plan = planner.plan(
                value.entity_id, {} if state is None else state.attributes
            )
            if not plan.is_captured:
                job.count("filtered")
                continue
            points.append(
                PastPoint(
                    point_id=(value.entity_id, to_time_ns(value.time_s)),
                    record=(
                        plan.kind,
                        plan.key,
                        value.value,
                        value.time_s,
                        None,
                        None,
                        "",
                        None,
                        None,
                        "",
                        None,
                    ),
                )
            )
        job.count("read", len(points))
        return points


async def async_sweep_uploads(
    hass: HomeAssistant, entry_id: str, jobs: Sequence[Job] = ()
) -> None:
    """Delete the uploads of a hub that none of its jobs will read.

    A run that was killed may leave some; so does a hub that is removed.

    Args:
        jobs: All that the hub has.
    """
    needed = {
        key
        for job in jobs
        if job.is_open
        and job.kind == JOB_BACKFILL_CSV
        and (key := cast("CsvParameters", job.parameters).get("upload")) is not None
    }
    await hass.async_add_executor_job(
        lambda: delete_imports(hass, entry_id, needed=needed)
    )

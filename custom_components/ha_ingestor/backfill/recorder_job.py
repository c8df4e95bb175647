"""The job `backfill`: states of the recorder, then statistics where states are gone."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import logging
from typing import Any, Final, Self, TypedDict

from homeassistant.core import HomeAssistant

from ..const import MEASUREMENT_EVENTS
from ..jobs.job import Job
from ..pipeline import Pipeline
from .history import PastEvents, PastPoint
from .recorder import (
    Cursor,
    RecorderAccess,
    StateRow,
    async_open_recorder,
    has_recorder,
)
from .statistics import StatisticsBackfill
from .writer import BackfillWriter, Tiers

_LOGGER = logging.getLogger(__name__)

JOB_BACKFILL: Final = "backfill"

# What is in memory at a time: with the largest attributes that the recorder keeps
# some 20 MB, commonly one.
PAGE_ROWS: Final = 500
# What the event loop builds in one go: a millisecond or two where none of the
# entities has been seen yet.
_SLICE_ROWS: Final = 50
# One question reads no more than a day of a quiet home, an hour of a busy one.
_MIN_WINDOW_S: Final = 3_600.0
_MAX_WINDOW_S: Final = 86_400.0
# The part of the states in the progress of a job that brings statistics, too.
_STATES_SHARE: Final = 0.9
# What was captured just before the end of the capture is in doubt after a crash.
OVERLAP_S: Final = 60.0
# A stop takes a moment, in which others are still at work.
_NORMAL_RESTART_S: Final = 10.0
# A set-up that comes so late after the recorder's has missed something.
_LATE_SETUP_S: Final = 60.0
# Every stored event has a state.
EVENT_FIELDS: Final = ("state",)


class BackfillParameters(TypedDict):
    """What a backfill is asked for; JSON.

    Attributes:
        entity_ids: None for all that the hub captures.
        start_s: Unix time, 0 for all that there is.
        is_automatic: Started by itself after an absence.
    """

    entity_ids: list[str] | None
    start_s: float
    end_s: float
    has_statistics: bool
    is_dry_run: bool
    is_automatic: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checkpoint:
    """How far the job is.

    Attributes:
        first_s: Where it began.
        states: None once all of them are done.
        statistics: See `StatisticsBackfill.async_bring`.
    """

    first_s: float
    states: Cursor | None
    statistics: Mapping[str, Any] | None

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any] | None) -> Self | None:
        if stored is None:
            return None
        states = stored.get("states")
        return cls(
            first_s=float(stored["first_s"]),
            states=None if states is None else Cursor(float(states[0]), int(states[1])),
            statistics=stored.get("statistics"),
        )

    def to_stored(self) -> dict[str, Any]:
        return {
            "first_s": self.first_s,
            "states": (
                None
                if self.states is None
                else [self.states.time_s, self.states.state_id]
            ),
            "statistics": self.statistics,
        }


def has_all_states(job: Job) -> bool:
    """Tell whether a job is past the states, so that its end is fixed."""
    checkpoint = _Checkpoint.from_stored(job.checkpoint)
    return checkpoint is not None and checkpoint.states is None


class RecorderBackfill:
    """Runs the jobs `backfill` of one hub. Event loop only."""

    def __init__(self, hass: HomeAssistant, pipeline: Pipeline, tiers: Tiers) -> None:
        """Serve one pipeline."""
        self._hass = hass
        self._pipeline = pipeline
        self._tiers = tiers

    async def async_run(self, job: Job) -> None:
        """Run a job to its end.

        Raises:
            RecorderMissingError: There is nothing to read from.
            StoreError: InfluxDB does not let us read what it has.
        """
        parameters: BackfillParameters = job.parameters  # type: ignore[assignment]
        if parameters["is_automatic"] and not has_recorder(self._hass):
            job.is_needless = True
            return
        if not parameters["is_automatic"]:
            job.begin()
            job.wait_for("Home Assistant's recorder is not ready")
        access = await async_open_recorder(self._hass, job.wait_for)
        if parameters["is_automatic"] and job.checkpoint is None:
            if not await self._async_was_absent(access, parameters):
                job.is_needless = True
                return
            _LOGGER.info(
                "Home Assistant ran while nothing was captured; filling the gap from"
                " its recorder"
            )
        job.begin()
        job.wait_for(None)
        writer = BackfillWriter(
            self._hass,
            self._pipeline,
            job,
            tiers=self._tiers,
            is_dry_run=parameters["is_dry_run"],
        )
        try:
            await writer.async_prepare()
            await _Run(self._hass, self._pipeline, job, access, writer).async_run()
        finally:
            await writer.async_close()

    async def _async_was_absent(
        self, access: RecorderAccess, parameters: BackfillParameters
    ) -> bool:
        """Tell a gap in which Home Assistant ran from one in which it was off.

        A start is no absence: what changes between the recorder's start and ours
        is the start itself, whose outcome is captured.
        """
        start_s, end_s = parameters["start_s"] + OVERLAP_S, parameters["end_s"]
        run_start_s = access.run_start_s
        if run_start_s > start_s:
            start_s += _NORMAL_RESTART_S
        if run_start_s < start_s or end_s - run_start_s > _LATE_SETUP_S:
            run_start_s = end_s
        return await access.async_run(
            access.reader.has_states, start_s, min(run_start_s, end_s)
        )


class _Run:
    """One job at work."""

    def __init__(
        self,
        hass: HomeAssistant,
        pipeline: Pipeline,
        job: Job,
        access: RecorderAccess,
        writer: BackfillWriter,
    ) -> None:
        self._job = job
        self._access = access
        self._writer = writer
        self._parameters: BackfillParameters = job.parameters  # type: ignore[assignment]
        entity_ids = self._parameters["entity_ids"]
        wanted = None if entity_ids is None else frozenset(entity_ids)
        self._events = PastEvents(hass, pipeline.options, wanted)
        self._statistics = StatisticsBackfill(
            hass, pipeline.options, self._events, access, writer
        )

    async def async_run(self) -> None:
        checkpoint = _Checkpoint.from_stored(self._job.checkpoint)
        if checkpoint is None:
            oldest_s = await self._access.async_run(self._access.reader.read_oldest_s)
            # Without any states there is no time to go through.
            oldest_s = self._parameters["end_s"] if oldest_s is None else oldest_s
            start_s = max(self._parameters["start_s"], oldest_s)
            checkpoint = _Checkpoint(
                first_s=start_s, states=Cursor(start_s), statistics=None
            )
        if checkpoint.states is not None:
            await self._async_bring_states(checkpoint.states, checkpoint.first_s)
        if self._parameters["has_statistics"]:
            await self._async_bring_statistics(checkpoint)

    async def _async_bring_states(self, cursor: Cursor, first_s: float) -> None:
        await self._async_look_up_context(cursor)
        end_s = self._parameters["end_s"]
        window_s = _MIN_WINDOW_S
        while cursor.time_s < end_s:
            window_end_s = min(cursor.time_s + window_s, end_s)
            page = await self._access.async_run(
                self._access.reader.read_states,
                cursor,
                window_end_s,
                entity_ids=self._events.entity_ids,
                limit=PAGE_ROWS,
            )
            await self._writer.async_write(
                MEASUREMENT_EVENTS, EVENT_FIELDS, await self._async_take(page)
            )
            if len(page) == PAGE_ROWS:
                cursor = Cursor(page[-1].time_s, page[-1].state_id)
                window_s = max(window_s / 2, _MIN_WINDOW_S)
            else:
                cursor = Cursor(window_end_s)
                window_s = min(window_s * 2, _MAX_WINDOW_S)
            self._report(cursor, first_s)
        await self._writer.async_write(
            MEASUREMENT_EVENTS, EVENT_FIELDS, self._events.take_held()
        )

    def _report(self, cursor: Cursor, first_s: float) -> None:
        progress = (cursor.time_s - first_s) / (self._parameters["end_s"] - first_s)
        if self._parameters["has_statistics"]:
            progress *= _STATES_SHARE
        self._job.report(
            progress=progress,
            checkpoint=_Checkpoint(
                first_s=first_s, states=cursor, statistics=None
            ).to_stored(),
        )

    async def _async_look_up_context(self, cursor: Cursor) -> None:
        """Learn what was in force where the states begin."""
        for entity_id in sorted(self._events.context_entities):
            row = await self._access.async_run(
                self._access.reader.read_state_at, entity_id, cursor
            )
            if row is not None:
                self._events.set_past(row)

    async def _async_take(self, page: Sequence[StateRow]) -> list[PastPoint]:
        points: list[PastPoint] = []
        for start in range(0, len(page), _SLICE_ROWS):
            for row in page[start : start + _SLICE_ROWS]:
                if (taken := self._events.take(row)) is not None:
                    points.extend(taken)
                    self._job.count("read")
                elif self._events.is_wanted(row.entity_id):
                    self._job.count("filtered")
            await asyncio.sleep(0)
        if left_out := self._events.take_left_out():
            self._job.count("sampled", left_out)
        return points

    async def _async_bring_statistics(self, checkpoint: _Checkpoint) -> None:
        share = 1 - _STATES_SHARE
        async for progress, place in self._statistics.async_bring(
            checkpoint.statistics,
            self._parameters["start_s"],
            self._parameters["end_s"],
        ):
            self._job.report(
                progress=_STATES_SHARE + share * progress,
                checkpoint=_Checkpoint(
                    first_s=checkpoint.first_s, states=None, statistics=place
                ).to_stored(),
            )

"""Puts what is missing behind the live events, never faster than they allow.

A piece is compared with what InfluxDB has, the rest of it goes into the buffer and
is on disk before the job is told that it is done.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence, Set as AbstractSet
import logging
import time
from typing import Final, Protocol

from homeassistant.core import HomeAssistant

from ..const import MEASUREMENT_EVENTS
from ..errors import (
    StoreAuthError,
    StoreMissingError,
    StoreProtocolError,
    StoreUnavailableError,
)
from ..ingest.records import Record
from ..jobs.job import Job
from ..pipeline import Pipeline
from ..store.influx.client import InfluxClient
from .existing import (
    PointId,
    Rename,
    find_existing,
    group_renames,
    name_then,
    read_renames,
)
from .history import PastPoint

_LOGGER = logging.getLogger(__name__)

# Of all the time, reading and comparing take this part, on one of the machine's
# cores at most.
WORK_SHARE: Final = 0.2
# A piece that took long, on a slow disk, is not paid for with minutes.
MAX_PAUSE_S: Final = 5.0
# More than this waits only while the house or InfluxDB is busy, and a second of
# waiting costs the past nothing.
MAX_BACKLOG_POINTS: Final = 5_000
BUSY_POLL_S: Final = 1.0
# Tries to read again, as the sender does.
FIRST_RETRY_S: Final = 2.0
MAX_RETRY_S: Final = 60.0
_DISK_WAIT_S: Final = 10.0

# What passes by itself or after a person has mended it; the sender asks for that.
_PASSING: Final = (
    StoreUnavailableError,
    StoreAuthError,
    StoreMissingError,
    StoreProtocolError,
)


class HeldByTiers(Protocol):
    """What the tiers hold of points that are not in the raw store."""

    @property
    def aggregated(self) -> AbstractSet[PointId]:
        """They are part of rows of hours or days."""

    @property
    def aside(self) -> AbstractSet[PointId]:
        """They came too late for that, and are kept as they are."""


class Tiers(Protocol):
    """What a backfill asks the tiers about events, and tells them."""

    def find_held(self, wanted: Mapping[PointId, str]) -> HeldByTiers:
        """Find what is not in the raw store since its rows are gone; blocking.

        Args:
            wanted: Points, each with the name that its entity had at its time.

        Raises:
            StoreError: See `InfluxClient.query`.
        """

    async def async_mark(
        self, events: Collection[PointId], *, is_dry_run: bool = False
    ) -> int:
        """Say what is about to be written.

        Returns:
            How many of them come too late to be part of their hours.
        """


class BackfillWriter:
    """Writes the points of one job. Event loop only.

    Args:
        tiers: Know what has gone from the raw store, and where it is now.
        is_dry_run: Count what is missing and write none of it.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        pipeline: Pipeline,
        job: Job,
        *,
        tiers: Tiers,
        is_dry_run: bool,
    ) -> None:
        """Prepare; the client is made on first use."""
        self._hass = hass
        self._pipeline = pipeline
        self.job = job
        self._tiers = tiers
        self._is_dry_run = is_dry_run
        self._client: InfluxClient | None = None
        self._renames: list[Rename] = []
        self._resumed_at = hass.loop.time()

    async def async_prepare(self) -> None:
        """Wait until InfluxDB has all that was captured before this.

        What waits in the buffer could not be told from what is missing.
        """
        # Not when the job was made: what it had written before a restart, too.
        until_ns = time.time_ns()
        while True:
            figures = await self._pipeline.async_flush()
            if not figures.backlog_points or self._is_younger(until_ns):
                break
            self.job.wait_for("InfluxDB has not taken what was captured before")
            await asyncio.sleep(BUSY_POLL_S)
        self.job.wait_for(None)
        self._renames = await self._async_ask(
            lambda client: read_renames(client, until_ns)
        )
        self._resumed_at = self._hass.loop.time()

    def _is_younger(self, until_ns: int) -> bool:
        oldest_ns = self._pipeline.buffer.size().oldest_ns
        return oldest_ns is None or oldest_ns > until_ns

    async def async_write(
        self, measurement: str, fields: tuple[str, ...], points: Sequence[PastPoint]
    ) -> int:
        """Write those of the points that are missing.

        Args:
            fields: A stored point of the measurement has at least one of these.

        Returns:
            How many were missing: not there, nor part of an aggregate.

        Raises:
            StoreError: What is stored can never be read with these credentials.
        """
        by_id: dict[PointId, PastPoint] = {point.point_id: point for point in points}
        existing: set[PointId] = set()
        if by_id:
            existing = await self._async_ask(
                lambda client: find_existing(
                    client, measurement, fields, by_id, self._renames
                )
            )
        missing = {
            point_id: point.record
            for point_id, point in by_id.items()
            if point_id not in existing
        }
        self.job.count("existing", len(points) - len(missing))
        if missing and measurement == MEASUREMENT_EVENTS:
            await self._async_leave_out_held(missing)
        self.job.count("missing", len(missing))
        if missing and measurement == MEASUREMENT_EVENTS:
            late = await self._tiers.async_mark(missing, is_dry_run=self._is_dry_run)
            if late:
                self.job.count("late", late)
        if missing and not self._is_dry_run:
            await self._async_put(list(missing.values()))
        await self._async_pause()
        return len(missing)

    async def _async_leave_out_held(self, missing: dict[PointId, Record]) -> None:
        """Leave out what has gone from the raw store, and is not lost.

        After the raw store was asked: what has gone by then is known to be going.
        """
        renames = group_renames(self._renames)
        names = {point_id: name_then(point_id, renames)[0] for point_id in missing}
        held = await self._async_ask(lambda _: self._tiers.find_held(names))
        for point_id in (*held.aggregated, *held.aside):
            del missing[point_id]
        for name, held_ids in (
            ("aggregated", held.aggregated),
            ("existing", held.aside),
        ):
            if held_ids:
                self.job.count(name, len(held_ids))

    async def _async_put(self, records: list[Record]) -> None:
        while self._pipeline.snapshot().backlog_points > MAX_BACKLOG_POINTS:
            self.job.wait_for("Live events wait to be written")
            await asyncio.sleep(BUSY_POLL_S)
        self.job.wait_for(None)
        on_disk = self._pipeline.put_past(records)
        while not await self._hass.async_add_executor_job(on_disk.wait, _DISK_WAIT_S):
            self.job.wait_for("The disk takes nothing")
        self.job.wait_for(None)
        self.job.count("written", len(records))

    async def _async_pause(self) -> None:
        worked_s = self._hass.loop.time() - self._resumed_at
        await asyncio.sleep(min(worked_s * (1 / WORK_SHARE - 1), MAX_PAUSE_S))
        self._resumed_at = self._hass.loop.time()

    async def _async_ask[T](self, question: Callable[[InfluxClient], T]) -> T:
        """Read from InfluxDB, again and again while it is away."""
        retry_s = FIRST_RETRY_S
        while True:
            try:
                answer = await self._hass.async_add_executor_job(self._ask, question)
            except _PASSING as err:
                _LOGGER.debug("Backfill waits: %s", err)
                self.job.wait_for(f"InfluxDB cannot be read: {err}")
                await asyncio.sleep(retry_s)
                retry_s = min(retry_s * 2, MAX_RETRY_S)
            else:
                self.job.wait_for(None)
                return answer

    def _ask[T](self, question: Callable[[InfluxClient], T]) -> T:
        if self._client is None:
            self._client = InfluxClient(self._pipeline.target)
        return question(self._client)

    async def async_close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            await self._hass.async_add_executor_job(self._client.close)
            self._client = None

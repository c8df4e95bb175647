"""What the tests of backfill share: a house with a recorder, and what it has stored."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.ha_ingestor.const import (
    DOMAIN,
    MEASUREMENT_EVENTS,
    MEASUREMENT_STATISTICS,
)
from custom_components.ha_ingestor.jobs.job import Job
from custom_components.ha_ingestor.jobs.registry import JobRegistry
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant

type Stored = dict[str, Any]


@dataclass
class House:
    """A Home Assistant that records, with a hub that writes to a real InfluxDB."""

    hass: HomeAssistant
    hub: MockConfigEntry
    influxdb: InfluxServer

    @property
    def jobs(self) -> JobRegistry:
        """The jobs of the hub."""
        jobs: JobRegistry = self.hub.runtime_data.jobs
        return jobs

    def set(
        self, entity_id: str, state: str, attributes: Mapping[str, Any] | None = None
    ) -> None:
        """Change a state."""
        self.hass.states.async_set(entity_id, state, attributes)

    async def settle(self) -> None:
        """Wait until the recorder and InfluxDB have all that happened."""
        await self.hass.async_block_till_done()
        await async_wait_recording_done(self.hass)
        await self.hub.runtime_data.pipeline.async_flush()

    async def call(self, action: str, **data: Any) -> dict[str, Any]:
        """Call an action of the integration."""
        answer = await self.hass.services.async_call(
            DOMAIN, action, data, blocking=True, return_response=True
        )
        return cast("dict[str, Any]", answer)

    async def start(self, action: str = "backfill", **data: Any) -> Job:
        """Start a job."""
        job = self.jobs.get((await self.call(action, **data))["job_id"])
        assert job is not None
        return job

    async def run(self, action: str = "backfill", **data: Any) -> Job:
        """Start a job, wait for its end, and until all of it is in InfluxDB."""
        job = await self.start(action, **data)
        await self.finish(job)
        return job

    async def finish(self, job: Job) -> None:
        """Wait for the end of a job, and until all of it is in InfluxDB."""
        async with asyncio.timeout(120):
            await job.has_ended.wait()
        await self.hub.runtime_data.pipeline.async_flush()

    async def events(self, entity_id: str | None = None) -> list[Stored]:
        """Return all stored states, oldest first."""
        return await self._rows(MEASUREMENT_EVENTS, entity_id)

    async def statistics(self, entity_id: str | None = None) -> list[Stored]:
        """Return all stored statistics, oldest first."""
        return await self._rows(MEASUREMENT_STATISTICS, entity_id)

    async def _rows(self, measurement: str, entity_id: str | None) -> list[Stored]:
        where = f" WHERE entity_id = '{entity_id}'" if entity_id else ""
        answer = await self.hass.async_add_executor_job(
            self.influxdb.query, f'SELECT * FROM "{measurement}"{where}', "test"
        )
        series = answer["results"][0].get("series", [])
        return sorted(
            (
                {
                    name: value
                    for name, value in zip(series[0]["columns"], row, strict=True)
                    if value is not None
                }
                for row in (series[0]["values"] if series else ())
            ),
            key=lambda stored: (stored["time"], stored["entity_id"]),
        )

    async def forget(self) -> None:
        """Empty the database."""
        for statement in ('DROP DATABASE "test"', 'CREATE DATABASE "test"'):
            await self.hass.async_add_executor_job(self.influxdb.query, statement)


def without(stored: Stored, *names: str) -> Stored:
    """Return a point without some of its columns."""
    return {name: value for name, value in stored.items() if name not in names}

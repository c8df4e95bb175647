"""Sensors."""

from collections.abc import Mapping
from typing import Any, override

from homeassistant.components.sensor import SensorEntity
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import PipelineCoordinator
from .data import IngestorConfigEntry
from .entities.jobs import JOB_SENSOR
from .entities.pipeline import PIPELINE_SENSORS, PipelineSensorDescription
from .entity import PipelineEntity
from .jobs.registry import JobRegistry
from .store.buffer import ReasonClass

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: IngestorConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the sensors of a hub."""
    coordinator = entry.runtime_data.coordinator
    async_add_entities(
        PipelineSensor(coordinator, description) for description in PIPELINE_SENSORS
    )
    async_add_entities([JobSensor(coordinator, entry.runtime_data.jobs)])


class PipelineSensor(PipelineEntity, SensorEntity):
    """A figure of the pipeline."""

    entity_description: PipelineSensorDescription
    # Counts that follow from the state's own history of events; a row of
    # attributes for each change would only fill the recorder's database.
    _unrecorded_attributes = frozenset(ReasonClass)

    @property
    @override
    def native_value(self) -> float | int | None:
        """Return the figure."""
        return self.entity_description.value(self.coordinator.data)

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, int] | None:
        """Return what the figure consists of."""
        if (attributes := self.entity_description.attributes) is None:
            return None
        return attributes(self.coordinator.data)


class JobSensor(PipelineEntity, SensorEntity):
    """How far the job is that runs now; unknown while there is none."""

    _unrecorded_attributes = frozenset({"counts", "remaining_s", "waiting_for"})

    def __init__(self, coordinator: PipelineCoordinator, jobs: JobRegistry) -> None:
        """Watch the jobs of a hub."""
        super().__init__(coordinator, JOB_SENSOR)
        self._jobs = jobs

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the jobs, not the clock of the figures."""
        await super().async_added_to_hass()
        self.async_on_remove(self._jobs.async_listen(self.async_write_ha_state))

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        """Write no state for figures that this entity does not show."""

    @property
    @override
    def native_value(self) -> float | None:
        """Return percent."""
        return None if (job := self._jobs.current) is None else job.view()["progress"]

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any]:
        """Return what the job is and does."""
        if (job := self._jobs.current) is None:
            return {}
        view = job.view()
        return {
            "job_id": view["job_id"],
            "kind": view["kind"],
            "status": view["status"],
            "waiting_for": view["waiting_for"],
            "remaining_s": view["remaining_s"],
            "counts": view["counts"],
        }

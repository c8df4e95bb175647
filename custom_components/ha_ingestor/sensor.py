"""Sensors."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, override

from homeassistant.components.sensor import SensorEntity
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import PipelineCoordinator
from .coordinators.source import SourceCoordinator
from .data import IngestorConfigEntry
from .entities.jobs import JOB_SENSOR
from .entities.pipeline import PIPELINE_SENSORS, PipelineSensorDescription
from .entities.source import SUCCESS_RATE, SourceSensorDescription
from .entities.source_tables import SENSORS
from .entities.storage import (
    ARCHIVE_SENSORS,
    STORAGE_SENSORS,
    StorageSensorDescription,
    StorageValue,
)
from .entity import PipelineEntity, SourceEntity, StorageEntity
from .jobs.registry import JobRegistry
from .maintenance.coordinator import StorageCoordinator
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
    _add_storage_sensors(entry.runtime_data.storage.coordinator, async_add_entities)

    @callback
    def add_source(source: SourceCoordinator[Any, Any]) -> None:
        _add_sensors_of(source, async_add_entities)

    entry.async_on_unload(entry.runtime_data.sources.async_listen(add_source))


@callback
def _add_storage_sensors(
    coordinator: StorageCoordinator, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the sensors of the tiers, and those of the archive once there is one."""
    async_add_entities(
        StorageSensor(coordinator, description) for description in STORAGE_SENSORS
    )
    has_archive = False

    @callback
    def add_archive() -> None:
        nonlocal has_archive
        if not has_archive and coordinator.data.archive is not None:
            has_archive = True
            async_add_entities(
                StorageSensor(coordinator, description)
                for description in ARCHIVE_SENSORS
            )

    add_archive()
    coordinator.config_entry.async_on_unload(
        coordinator.async_add_listener(add_archive)
    )


@callback
def _add_sensors_of(
    source: SourceCoordinator[Any, Any],
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the sensors of a source, now and when it has more of them."""
    known: set[str] = set()
    subentry_id = source.subentry.subentry_id
    async_add_entities([SourceHealthSensor(source)], config_subentry_id=subentry_id)

    @callback
    def add_new() -> None:
        new = [
            description
            for description in SENSORS[source.kind](source)
            if description.key not in known
        ]
        if new:
            known.update(description.key for description in new)
            async_add_entities(
                (SourceSensor(source, description) for description in new),
                config_subentry_id=subentry_id,
            )

    add_new()
    source.config_entry.async_on_unload(source.async_add_listener(add_new))


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


class StorageSensor(StorageEntity, SensorEntity):
    """A figure of the tiers, or what their runs did."""

    entity_description: StorageSensorDescription
    # What a run did is in `retention_metrics`, for as long as anybody wants it.
    _unrecorded_attributes = frozenset(
        {
            "duration_s",
            "error",
            "newest",
            "oldest",
            "problems",
            "records_deleted",
            "records_processed",
            "records_written",
            "rows",
        }
    )

    @property
    @override
    def native_value(self) -> StorageValue:
        """Return the figure; None until it is known."""
        return self.entity_description.value(self.coordinator.data)

    @property
    @override
    def native_unit_of_measurement(self) -> str | None:
        """Return the unit; of money it is Home Assistant's own."""
        description = self.entity_description
        if description.is_money:
            return self.hass.config.currency
        return description.native_unit_of_measurement

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any] | None:
        """Return what belongs to it."""
        if (attributes := self.entity_description.attributes) is None:
            return None
        return attributes(self.coordinator.data)


class SourceSensor(SourceEntity, SensorEntity):
    """A value of a source."""

    entity_description: SourceSensorDescription[Any]

    def __init__(
        self,
        coordinator: SourceCoordinator[Any, Any],
        description: SourceSensorDescription[Any],
    ) -> None:
        """Show a value."""
        super().__init__(coordinator, description)
        if description.placeholders is not None:
            self._attr_translation_placeholders = dict(description.placeholders)

    @property
    @override
    def native_value(self) -> float | str | date | datetime | None:
        """Return the value."""
        if (view := self.coordinator.data) is None:
            return None
        return self.entity_description.value(view)

    @property
    @override
    def native_unit_of_measurement(self) -> str | None:
        """Return the unit, which may depend on what the provider says."""
        description = self.entity_description
        if description.unit is None:
            return description.native_unit_of_measurement
        view = self.coordinator.data
        return None if view is None else description.unit(view)

    @property
    @override
    def last_reset(self) -> datetime | None:
        """Return when a total began anew last."""
        view, reset_at = self.coordinator.data, self.entity_description.reset_at
        return None if view is None or reset_at is None else reset_at(view)

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any]:
        """Return how old the value is, and what belongs to it."""
        view = self.coordinator.data
        if view is None or (attributes := self.entity_description.attributes) is None:
            return self.freshness
        return {**self.freshness, **attributes(view)}


class SourceHealthSensor(SourceEntity, SensorEntity):
    """How reliably a source has given its data in the last 30 days."""

    def __init__(self, coordinator: SourceCoordinator[Any, Any]) -> None:
        """Watch one source."""
        super().__init__(coordinator, SUCCESS_RATE)

    @property
    @override
    def available(self) -> bool:
        """Always: that is when it is needed."""
        return True

    @property
    @override
    def native_value(self) -> float | None:
        """Return the share of attempts that succeeded."""
        return self.coordinator.success_rate.percent

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any]:
        """Return when it was asked, when it will be, and what was wrong last."""
        coordinator = self.coordinator
        return {
            "attempts": coordinator.success_rate.attempts,
            "last_success": coordinator.fetched_at,
            "next_update": coordinator.next_refresh_at,
            "last_error": coordinator.last_error,
        }

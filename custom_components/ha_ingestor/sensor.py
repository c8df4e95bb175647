"""Sensors."""

from typing import override

from homeassistant.components.sensor import SensorEntity
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .data import IngestorConfigEntry
from .entities.pipeline import PIPELINE_SENSORS, PipelineSensorDescription
from .entity import PipelineEntity

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


class PipelineSensor(PipelineEntity, SensorEntity):
    """A figure of the pipeline."""

    entity_description: PipelineSensorDescription

    @property
    @override
    def native_value(self) -> float | int | None:
        """Return the figure."""
        return self.entity_description.value(self.coordinator.data)

"""Binary sensors."""

from typing import override

from homeassistant.components.binary_sensor import BinarySensorEntity
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .data import IngestorConfigEntry
from .entities.pipeline import (
    PIPELINE_BINARY_SENSORS,
    PipelineBinarySensorDescription,
)
from .entity import PipelineEntity

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: IngestorConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the binary sensors of a hub."""
    coordinator = entry.runtime_data.coordinator
    async_add_entities(
        PipelineBinarySensor(coordinator, description)
        for description in PIPELINE_BINARY_SENSORS
    )


class PipelineBinarySensor(PipelineEntity, BinarySensorEntity):
    """A yes or no about the pipeline."""

    entity_description: PipelineBinarySensorDescription

    @property
    @override
    def is_on(self) -> bool | None:
        """Return the answer, None while it is not known."""
        return self.entity_description.is_on(self.coordinator.data)

"""Binary sensors."""

from collections.abc import Mapping
from typing import Any, override

from homeassistant.components.binary_sensor import BinarySensorEntity
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinators.source import SourceCoordinator
from .data import IngestorConfigEntry
from .entities.pipeline import (
    PIPELINE_BINARY_SENSORS,
    PipelineBinarySensorDescription,
)
from .entities.source import SourceBinarySensorDescription
from .entities.source_tables import BINARY_SENSORS
from .entities.storage import STORAGE_BINARY_SENSORS, StorageBinarySensorDescription
from .entity import PipelineEntity, SourceEntity, StorageEntity, add_wanted

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
    storage = entry.runtime_data.storage.coordinator
    async_add_entities(
        StorageBinarySensor(storage, description)
        for description in STORAGE_BINARY_SENSORS
    )

    @callback
    def add_source(source: SourceCoordinator[Any, Any]) -> None:
        table = BINARY_SENSORS.get(source.kind, ())

        def add_new(new: list[SourceBinarySensorDescription[Any]]) -> None:
            async_add_entities(
                [SourceBinarySensor(source, description) for description in new],
                config_subentry_id=source.subentry.subentry_id,
            )

        add_wanted(source, table, add_new)

    entry.async_on_unload(entry.runtime_data.sources.async_listen(add_source))


class PipelineBinarySensor(PipelineEntity, BinarySensorEntity):
    """A yes or no about the pipeline."""

    entity_description: PipelineBinarySensorDescription

    @property
    @override
    def is_on(self) -> bool | None:
        """Return the answer, None while it is not known."""
        return self.entity_description.is_on(self.coordinator.data)


class StorageBinarySensor(StorageEntity, BinarySensorEntity):
    """A yes or no about the tiers."""

    entity_description: StorageBinarySensorDescription
    _unrecorded_attributes = frozenset({"problems"})

    @property
    @override
    def is_on(self) -> bool | None:
        """Return the answer, None while it is not known."""
        return self.entity_description.is_on(self.coordinator.data)

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any]:
        """Return what belongs to it."""
        return self.entity_description.attributes(self.coordinator.data)


class SourceBinarySensor(SourceEntity, BinarySensorEntity):
    """A yes or no of a source."""

    entity_description: SourceBinarySensorDescription[Any]

    @property
    @override
    def is_on(self) -> bool | None:
        """Return the answer, None while it is not known."""
        if (view := self.coordinator.data) is None:
            return None
        return self.entity_description.is_on(view)

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any]:
        """Return how old the answer is, and what belongs to it."""
        view = self.coordinator.data
        if view is None or (attributes := self.entity_description.attributes) is None:
            return self.freshness
        return {**self.freshness, **attributes(view)}

"""Base entities: unique ids and devices."""

from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import EntityDescription
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import DOMAIN
from .coordinator import PipelineCoordinator


class PipelineEntity(CoordinatorEntity[PipelineCoordinator]):
    """An entity of the device "Pipeline" of a hub."""

    _attr_has_entity_name = True

    def __init__(
        self, coordinator: PipelineCoordinator, description: EntityDescription
    ) -> None:
        """Take id and device from the hub."""
        super().__init__(coordinator)
        self.entity_description = description
        entry = coordinator.config_entry
        self._attr_unique_id = f"{entry.entry_id}_{description.key}"
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, entry.entry_id)},
            entry_type=DeviceEntryType.SERVICE,
            manufacturer="HA Ingestor",
            translation_key="pipeline",
        )

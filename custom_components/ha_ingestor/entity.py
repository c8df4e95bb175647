"""Base entities: unique ids and devices."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, override

from homeassistant.core import callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import EntityDescription
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import DOMAIN
from .coordinator import PipelineCoordinator
from .coordinators.source import SourceCoordinator
from .entities.source import SourceBinarySensorDescription, SourceEventDescription
from .maintenance.coordinator import StorageCoordinator


@callback
def add_wanted[
    DescriptionT: SourceBinarySensorDescription[Any] | SourceEventDescription
](
    source: SourceCoordinator[Any, Any],
    table: Iterable[DescriptionT],
    add_new: Callable[[list[DescriptionT]], None],
) -> None:
    """Add the entities of a source, now and when it wants more of them.

    Args:
        source: Of the entities.
        table: All that its kind can have.
        add_new: Adds those that are wanted and not there yet.
    """
    left = list(table)

    @callback
    def add() -> None:
        new = [
            description
            for description in left
            if description.is_wanted is None or description.is_wanted(source)
        ]
        if new:
            left[:] = [description for description in left if description not in new]
            add_new(new)

    add()
    if left:
        source.config_entry.async_on_unload(source.async_add_listener(add))


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


class StorageEntity(CoordinatorEntity[StorageCoordinator]):
    """An entity of the device "Storage" of a hub."""

    _attr_has_entity_name = True

    def __init__(
        self, coordinator: StorageCoordinator, description: EntityDescription
    ) -> None:
        """Take id and device from the hub, whose own device is behind it."""
        super().__init__(coordinator)
        self.entity_description = description
        entry = coordinator.config_entry
        hub = dr.async_get(coordinator.hass).async_get_or_create(
            config_entry_id=entry.entry_id,
            identifiers={(DOMAIN, entry.entry_id)},
            entry_type=DeviceEntryType.SERVICE,
            manufacturer="HA Ingestor",
            translation_key="pipeline",
        )
        self._attr_unique_id = f"{entry.entry_id}_{description.key}"
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, f"{entry.entry_id}_storage")},
            entry_type=DeviceEntryType.SERVICE,
            manufacturer="HA Ingestor",
            translation_key="storage",
            translation_placeholders={"hub": entry.title},
            via_device_id=hub.id,
        )


class SourceEntity(CoordinatorEntity[SourceCoordinator[Any, Any]]):
    """An entity of the device of a source."""

    _attr_has_entity_name = True
    # The present moment only; most of them change with every update.
    _unrecorded_attributes = frozenset(
        {
            "age_s",
            "fetched_at",
            "forecast",
            "last_success",
            "measured_at",
            "next_update",
            "stale",
        }
    )

    def __init__(
        self, coordinator: SourceCoordinator[Any, Any], description: EntityDescription
    ) -> None:
        """Take id and device from the subentry."""
        super().__init__(coordinator)
        self.entity_description = description
        subentry, source = coordinator.subentry, coordinator.description
        self._attr_unique_id = f"{subentry.subentry_id}_{description.key}"
        self._attr_attribution = source.attribution
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, subentry.subentry_id)},
            entry_type=DeviceEntryType.SERVICE,
            name=subentry.title,
            manufacturer=source.name,
        )

    @property
    @override
    def available(self) -> bool:
        """Whether there is something that is still true to show."""
        return self.coordinator.data is not None

    @property
    def freshness(self) -> Mapping[str, Any]:
        """How old the data are, as attributes."""
        coordinator = self.coordinator
        age_s = coordinator.age_s
        return {
            "fetched_at": coordinator.fetched_at,
            "age_s": None if age_s is None else round(age_s),
            "stale": coordinator.is_stale,
        }

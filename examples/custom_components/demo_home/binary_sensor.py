"""Binary sensors of the demo home."""

from typing import Final, override

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import DemoHomeEntity
from .house import METER_DEVICE, PLAYER_DEVICE
from .player import DemoHomeConfigEntry, PlayOrder
from .recording import COLUMN_APPLIANCES

PARALLEL_UPDATES = 0

# 600 W: more than what is always on, less than any appliance that heats.
RUNNING_FROM_WH: Final = 100


async def async_setup_entry(
    hass: HomeAssistant,
    entry: DemoHomeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the binary sensors."""
    player = entry.runtime_data
    async_add_entities(
        [
            AppliancesRunning(
                player, "binary_sensor.electricity_meter_appliances_running"
            ),
            Playing(player, "binary_sensor.demo_home_playing"),
        ]
    )


class AppliancesRunning(DemoHomeEntity, BinarySensorEntity):
    """Whether a large appliance runs."""

    _attr_device_class = BinarySensorDeviceClass.RUNNING
    _attr_device_info = METER_DEVICE
    _attr_translation_key = "appliances_running"

    @property
    @override
    def is_on(self) -> bool | None:
        """Judge by the energy of the row."""
        if self.row is None:
            return None
        return self.row.values[COLUMN_APPLIANCES] >= RUNNING_FROM_WH


class Playing(DemoHomeEntity, BinarySensorEntity):
    """Whether rows are still to come."""

    _attr_device_info = PLAYER_DEVICE
    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _attr_translation_key = "playing"
    play_order = PlayOrder.PROGRESS

    @property
    @override
    def is_on(self) -> bool:
        """Ask the player."""
        return self._player.is_playing

"""Light of the demo home."""

from typing import Any, override

from homeassistant.components.light import ColorMode, LightEntity
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import DemoHomeEntity
from .house import LIGHTS_DEVICE
from .player import DemoHomeConfigEntry, Player
from .recording import COLUMN_LIGHTS

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: DemoHomeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the light."""
    async_add_entities([HouseLights(entry.runtime_data, "light.house_lights")])


class HouseLights(DemoHomeEntity, LightEntity):
    """The lighting circuit: on while it uses energy.

    Somebody may switch it too; the next row has the last word.
    """

    _attr_color_mode = ColorMode.ONOFF
    _attr_device_info = LIGHTS_DEVICE
    _attr_name = None

    def __init__(self, player: Player, entity_id: str) -> None:
        """Be a light that can only be on or off."""
        super().__init__(player, entity_id)
        self._attr_supported_color_modes = {ColorMode.ONOFF}

    @override
    def on_row(self) -> None:
        """Follow the recording."""
        if self.row is not None:
            self._attr_is_on = self.row.values[COLUMN_LIGHTS] > 0
        super().on_row()

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Switch on until the next row."""
        self._attr_is_on = True
        self.async_write_ha_state()

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Switch off until the next row."""
        self._attr_is_on = False
        self.async_write_ha_state()

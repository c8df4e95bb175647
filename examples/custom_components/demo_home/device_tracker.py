"""Device tracker of the demo home."""

from typing import override

from homeassistant.components.device_tracker import SourceType
from homeassistant.components.device_tracker.entity import BaseScannerEntity
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import DemoHomeEntity
from .player import DemoHomeConfigEntry, PlayOrder
from .recording import COLUMN_LIGHTS

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: DemoHomeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the tracker."""
    async_add_entities([Resident(entry.runtime_data, "device_tracker.resident")])


class Resident(DemoHomeEntity, BaseScannerEntity):
    """Somebody who is taken to be home while lights are on.

    The recording does not say who was home; this is the nearest it has.
    """

    _attr_source_type = SourceType.ROUTER
    _attr_translation_key = "resident"
    play_order = PlayOrder.PRESENCE

    @property
    @override
    def is_connected(self) -> bool | None:
        """Tell whether lights used energy."""
        return None if self.row is None else self.row.values[COLUMN_LIGHTS] > 0

"""Buttons."""

from typing import override

from homeassistant.components.button import ButtonEntity
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .data import IngestorConfigEntry
from .entities.pipeline import PIPELINE_BUTTONS
from .entity import PipelineEntity
from .services import async_flush_hub

PARALLEL_UPDATES = 1


async def async_setup_entry(
    hass: HomeAssistant,
    entry: IngestorConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the buttons of a hub."""
    coordinator = entry.runtime_data.coordinator
    async_add_entities(
        FlushButton(coordinator, description) for description in PIPELINE_BUTTONS
    )


class FlushButton(PipelineEntity, ButtonEntity):
    """Writes what waits, now."""

    @override
    async def async_press(self) -> None:
        """Write what waits; says so if the server does not take it."""
        entry: IngestorConfigEntry = self.coordinator.config_entry
        await async_flush_hub(entry)

"""Event entities."""

from collections.abc import Mapping
from typing import Any, override

from homeassistant.components.event import EventEntity
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinators.source import SourceCoordinator
from .data import IngestorConfigEntry
from .entities.source import SourceEventDescription
from .entities.source_tables import EVENTS
from .entity import SourceEntity, add_wanted

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: IngestorConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the events of a hub's sources."""

    @callback
    def add_source(source: SourceCoordinator[Any, Any]) -> None:
        table = EVENTS.get(source.kind, ())

        def add_new(new: list[SourceEventDescription]) -> None:
            async_add_entities(
                [SourceEvent(source, description) for description in new],
                config_subentry_id=source.subentry.subentry_id,
            )

        add_wanted(source, table, add_new)

    entry.async_on_unload(entry.runtime_data.sources.async_listen(add_source))


class SourceEvent(SourceEntity, EventEntity):
    """Something that a source has noticed."""

    entity_description: SourceEventDescription

    @property
    @override
    def available(self) -> bool:
        """Always: an event that has happened stays true."""
        return True

    @override
    async def async_added_to_hass(self) -> None:
        """Wait for the event, not for updates."""
        await super().async_added_to_hass()
        self.async_on_remove(
            self.coordinator.async_listen_event(
                self.entity_description.key, self._fired
            )
        )

    @callback
    def _fired(self, event_type: str, attributes: Mapping[str, Any]) -> None:
        self._trigger_event(event_type, dict(attributes))
        self.async_write_ha_state()

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        """Write no state for an update that is no event."""

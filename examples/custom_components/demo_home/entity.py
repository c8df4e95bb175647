"""What all entities of the demo home share."""

from typing import ClassVar, override

from homeassistant.helpers.entity import Entity

from .const import DOMAIN
from .player import Player, PlayOrder
from .recording import Row


class DemoHomeEntity(Entity):
    """An entity that shows something of the current row."""

    _attr_has_entity_name = True
    _attr_should_poll = False
    play_order: ClassVar[PlayOrder] = PlayOrder.READING

    def __init__(self, player: Player, entity_id: str) -> None:
        """Take the entity id that a new house gives it.

        It is fixed: how Home Assistant would make one of area, device and name
        differs between its versions, and scripts know these entities by their ids.
        """
        self._player = player
        self.entity_id = entity_id
        self._attr_unique_id = f"{DOMAIN}_{entity_id}"

    @property
    def row(self) -> Row | None:
        """The current row; None before the first."""
        return self._player.row

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the player."""
        self.async_on_remove(
            self._player.async_add_listener(self.play_order, self.on_row)
        )

    def on_row(self) -> None:
        """Show the current row."""
        self.async_write_ha_state()

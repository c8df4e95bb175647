"""The player: shows one row of the recording after the other to the entities."""

import asyncio
from collections.abc import Callable, Sequence
from enum import IntEnum
import logging
from operator import itemgetter

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback

from .recording import Row

_LOGGER = logging.getLogger(__name__)

type DemoHomeConfigEntry = ConfigEntry[Player]


class PlayOrder(IntEnum):
    """In which order the entities of a row change.

    What describes the moment (the weather, then who is home) comes first, so that
    it is in force while the readings of the row are written; the player's own
    sensors come last, so that a row that they show has been written.
    """

    WEATHER = 0
    PRESENCE = 1
    READING = 2
    PROGRESS = 3


class Player:
    """Holds the current row and moves through the recording on the event loop."""

    def __init__(self, hass: HomeAssistant, rows: Sequence[Row]) -> None:
        """Start with no row: nothing has been measured yet."""
        self.rows = rows
        self.row: Row | None = None
        self._hass = hass
        self._listeners: list[tuple[PlayOrder, Callable[[], None]]] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def is_playing(self) -> bool:
        """Tell whether rows are still to come."""
        return self._task is not None

    @callback
    def async_add_listener(
        self, order: PlayOrder, listener: Callable[[], None]
    ) -> Callable[[], None]:
        """Call the listener at each row; give back what ends that."""
        item = (order, listener)
        self._listeners.append(item)
        # The sort is stable: within one order it is first come, first served.
        self._listeners.sort(key=itemgetter(0))

        @callback
        def remove_listener() -> None:
            self._listeners.remove(item)

        return remove_listener

    @callback
    def async_play(
        self,
        entry: ConfigEntry,
        *,
        start_row: int,
        row_count: int,
        rows_per_second: float,
    ) -> Sequence[Row]:
        """Begin to play, from where a play that still runs is cut off.

        Returns:
            The rows that will be shown; fewer than asked for at the end of the
            recording.
        """
        rows = self.rows[start_row : start_row + row_count]
        if self._task is not None:
            self._task.cancel()
        self._task = entry.async_create_background_task(
            self._hass,
            self._async_show_all(rows, 1 / rows_per_second),
            "demo_home play",
            # The first row comes after the news that a play has begun.
            eager_start=False,
        )
        self._notify(PlayOrder.PROGRESS)
        return rows

    @callback
    def async_stop(self) -> None:
        """Stop where it is; the entities keep what they show."""
        if self._task is None:
            return
        self._task.cancel()
        self._task = None
        self._notify(PlayOrder.PROGRESS)

    async def _async_show_all(self, rows: Sequence[Row], interval_s: float) -> None:
        """Show the rows at a steady pace, or as fast as it goes if that is too fast."""
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        for row in rows:
            self.row = row
            self._notify()
            next_at += interval_s
            await asyncio.sleep(max(0.0, next_at - loop.time()))
        _LOGGER.debug("Played rows %d to %d", rows[0].index, rows[-1].index)
        self._task = None
        self._notify(PlayOrder.PROGRESS)

    @callback
    def _notify(self, first: PlayOrder = PlayOrder.WEATHER) -> None:
        """Let entities write their state, from an order on."""
        for order, listener in tuple(self._listeners):
            if order >= first:
                listener()

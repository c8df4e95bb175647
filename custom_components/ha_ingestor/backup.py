"""Backups: the copy of a buffer is whole, and capturing goes on meanwhile.

A backup reads files that are in use, for minutes. While it does, the buffer's file
rests: commits go to the WAL beside it, so nothing waits in memory and nothing would
be lost by a crash. The copy is the file of one moment, and a WAL that SQLite reads
up to its last whole commit.
"""

from datetime import datetime, timedelta
import logging
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .data import IngestorConfigEntry
from .errors import DiskBufferError
from .store.sqlite_buffer import SqliteBuffer

_LOGGER = logging.getLogger(__name__)

# The WAL grows until the backup ends; one that has not ended by now never will.
MAX_BACKUP_TIME: Final = timedelta(hours=1)

# Ends the rest of the files, if any rest.
DATA_WAKE: HassKey[CALLBACK_TYPE] = HassKey(f"{DOMAIN}_backup_timer")


async def async_pre_backup(hass: HomeAssistant) -> None:
    """Let the files of all hubs rest."""
    _stop_timer(hass)
    for buffer in _get_buffers(hass):
        try:
            await hass.async_add_executor_job(buffer.rest_file)
        except DiskBufferError as err:
            # A backup without this buffer is better than no backup.
            _LOGGER.warning("The buffer in the backup may be incomplete: %s", err)

    async def has_taken_too_long(_: datetime) -> None:
        hass.data.pop(DATA_WAKE, None)
        _LOGGER.warning(
            "The backup has taken more than %s; the buffer in it may be incomplete",
            MAX_BACKUP_TIME,
        )
        await _async_wake(hass)

    hass.data[DATA_WAKE] = async_call_later(hass, MAX_BACKUP_TIME, has_taken_too_long)


async def async_post_backup(hass: HomeAssistant) -> None:
    """Let commits reach the files again."""
    _stop_timer(hass)
    await _async_wake(hass)


@callback
def _stop_timer(hass: HomeAssistant) -> None:
    if (cancel := hass.data.pop(DATA_WAKE, None)) is not None:
        cancel()


async def _async_wake(hass: HomeAssistant) -> None:
    for buffer in _get_buffers(hass):
        try:
            await hass.async_add_executor_job(buffer.wake_file)
        except DiskBufferError as err:
            _LOGGER.debug("The buffer is not awake: %s", err)


def _get_buffers(hass: HomeAssistant) -> list[SqliteBuffer]:
    entries: list[IngestorConfigEntry] = hass.config_entries.async_loaded_entries(
        DOMAIN
    )
    return [entry.runtime_data.pipeline.buffer for entry in entries]

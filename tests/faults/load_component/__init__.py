"""Fires numbered state changes at a steady rate and notes each one in a file.

Loaded by the real Home Assistant of the fault tests. The note is written with
one system call after the state was set, so it survives a kill of the process.
"""

import asyncio
import os
from pathlib import Path
import time

from homeassistant.core import HomeAssistant
from homeassistant.helpers.typing import ConfigType

ENTITY_COUNT = 20


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Start at once, which is after the hub: nobody can see what came before."""
    settings = config["fault_load"]
    path = Path(settings["fired"])
    stop_path = Path(settings["stop"])
    known = await hass.async_add_executor_job(path.read_bytes)
    first = known.count(b"\n")
    file = await hass.async_add_executor_job(os.open, path, os.O_WRONLY | os.O_APPEND)

    async def fire() -> None:
        started_at = time.monotonic()
        number = first
        while not stop_path.exists():  # noqa: ASYNC240 - takes microseconds
            due = first + int((time.monotonic() - started_at) * settings["rate"])
            while number < due:
                hass.states.async_set(
                    f"sensor.load_{number % ENTITY_COUNT}",
                    str(number),
                    {"unit_of_measurement": "W", "device_class": "power"},
                )
                os.write(file, b"%d %.6f\n" % (number, time.time()))
                number += 1
            await asyncio.sleep(0.005)

    hass.async_create_background_task(fire(), "fault load")
    return True

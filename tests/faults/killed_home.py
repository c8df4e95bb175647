"""A home that is killed again and again; prints what it fired as JSON.

Arguments: folder, entry data as JSON, number of kills, seed. Everything is loaded
once; each life is a fork of it, so that a hundred lives take two minutes.
"""

import asyncio
import json
import os
from pathlib import Path
import random
import signal
import sys
import time
from typing import Any

from custom_components.ha_ingestor.options import HubOptions
from custom_components.ha_ingestor.pipeline import Pipeline
from custom_components.ha_ingestor.store.influx.target import Target
from homeassistant.config_entries import ConfigEntries
from homeassistant.core import HomeAssistant
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    floor_registry as fr,
    label_registry as lr,
)

ENTRY_ID = "killed"
RATE = 400
LAST_LIFE_S = 1.0
FLUSH_TIMEOUT_S = 60.0


async def live(folder: Path, data: dict[str, Any], *, is_last: bool) -> None:
    """Run the pipeline in a Home Assistant core and fire numbered states."""
    hass = HomeAssistant(str(folder))
    hass.config_entries = ConfigEntries(hass, {})
    await hass.config_entries.async_initialize()
    dr.async_setup(hass)
    for registry in (ar, fr, lr, dr, er):
        await registry.async_load(hass, load_empty=True)
    pipeline = Pipeline(
        hass,
        ENTRY_ID,
        Target.from_entry_data(data),
        HubOptions(flush_interval_s=0.2),
        lambda _: None,
    )
    await pipeline.async_start()
    path = folder / "fired.txt"
    number = path.read_bytes().count(b"\n")
    file = os.open(path, os.O_WRONLY | os.O_APPEND)
    first, started_at = number, time.monotonic()
    while not is_last or time.monotonic() - started_at < LAST_LIFE_S:
        while number < first + (time.monotonic() - started_at) * RATE:
            hass.states.async_set(f"sensor.load_{number % 7}", str(number))
            os.write(file, b"%d %.6f\n" % (number, time.time()))
            number += 1
        await asyncio.sleep(0.004)
    deadline = time.monotonic() + FLUSH_TIMEOUT_S
    while (await pipeline.async_flush()).backlog_points:
        if time.monotonic() > deadline:
            raise TimeoutError("The backlog stays")
    await pipeline.async_stop(is_collecting=False)
    await hass.async_stop(force=True)


def main() -> None:
    """Let it live and die, and live a last time to the end."""
    folder, data = Path(sys.argv[1]), json.loads(sys.argv[2])
    kills, chance = int(sys.argv[3]), random.Random(int(sys.argv[4]))
    (folder / "fired.txt").touch()
    killed_at: list[float] = []
    for number in range(kills + 1):
        is_last = number == kills
        pid = os.fork()
        if pid == 0:
            asyncio.run(live(folder, data, is_last=is_last))
            os._exit(0)
        if is_last:
            _, status = os.waitpid(pid, 0)
            if status:
                sys.exit(f"The last life ended with {status}")
        else:
            time.sleep(chance.uniform(0.05, 1.2))
            os.kill(pid, signal.SIGKILL)
            killed_at.append(time.time())
            os.waitpid(pid, 0)
    sys.stdout.write(json.dumps(killed_at))


main()

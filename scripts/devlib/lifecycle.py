"""`scripts/develop --once`: the real home's readings through their whole life.

January to May 2016, moved by whole days so that they end now, are loaded by the CSV
backfill of a second hub that keeps raw rows for 7 days, hourly ones for 30 and daily
ones for 60. Then what is stored in each tier, what S3 holds, and what is answered
about all of it is compared with the readings themselves.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
import time
from typing import Final

from .api import HomeAssistantApi
from .lifecycle_hub import LifeCycleHub
from .lifecycle_life import LifeCycle
from .lifecycle_past import PAST_ENTITY_IDS, load_past, write_csv
from .s3_server import S3Server, S3ServerError
from .screen import say
from .settings import DEV, DevelopError, InfluxTarget

# A folder from which Home Assistant may read.
_CSV: Final = Path("www") / "home-energy.csv"


@asynccontextmanager
async def run_s3(folder: Path) -> AsyncIterator[str]:
    """Run an S3 on loopback; gives its address."""
    server = S3Server(DEV / "s3" / "bin" / "python", folder)
    try:
        await asyncio.to_thread(server.start)
        yield server.url
    except S3ServerError as err:
        raise DevelopError(str(err)) from err
    finally:
        await asyncio.to_thread(server.stop)


async def check_life_cycle(
    api: HomeAssistantApi, target: InfluxTarget, config_folder: Path, s3_url: str
) -> bool:
    """Take the readings through their life, compare, print tables.

    Returns:
        Whether all that was found agrees with the readings.
    """
    began = time.monotonic()
    now_ns = time.time_ns()
    past = load_past(now_ns)
    file = config_folder / _CSV
    file.parent.mkdir(exist_ok=True)
    count = write_csv(file, past)
    span = min(entity.times_ns[0] for entity in past), now_ns
    say(f"Adding a second hub for the past: {count:,} readings in {_CSV.name}")
    hub = await LifeCycleHub.add(api, target, s3_url, PAST_ENTITY_IDS)
    say("Bringing the past, aggregating, deleting, archiving")
    job = await hub.run_job("backfill_csv", path=str(_CSV))
    if job["counts"].get("written") != count or job["problems"]:
        raise DevelopError(f"Not all {count} readings were brought: {job}")
    await hub.act("flush")
    await hub.run_maintenance()
    # Once more: what is done stays as it is.
    seams = await hub.run_maintenance()
    await hub.run_job("refresh_views")
    say("Comparing what is stored and answered with the readings")
    life = LifeCycle(hub=hub, past=past, span=span, seams=seams, s3_url=s3_url)
    await life.check()
    is_right = life.report()
    print(f"\nThe life cycle took {time.monotonic() - began:.0f} s")
    return is_right

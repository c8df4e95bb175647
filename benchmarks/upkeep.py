"""One run of maintenance in a process of its own, beside a live event loop.

Started by `storage.py`. It holds what Home Assistant holds in such a run: the
interpreter, its event loop, the integration's modules, and one thread that works.
Prints its figures as one line of JSON.
"""

import argparse
import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
import gc
import json
from pathlib import Path
import sys
import time
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

import tickers
from tickers import Ticker, forget_peak, resident_bytes

from custom_components.ha_ingestor.retention.checkpoint import Checkpoint
from custom_components.ha_ingestor.retention.maintenance import Maintenance
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.retention.tiers import Ages
from custom_components.ha_ingestor.retention.work import Work
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from custom_components.ha_ingestor.views.manager import ViewManager
from custom_components.ha_ingestor.views.refresh import RefreshResult

# What a home has loaded anyway has no part in the memory of a run.
from homeassistant import bootstrap  # noqa: F401

# What the home takes from the grid is measured by it.
GRID_ENERGY: Final = "sensor.grid_energy"
IDLE_S: Final = 20.0
_TELL_EVERY_S: Final = 10.0


class Upkeep:
    """The stores of a home and what is done to them; on one thread at a time."""

    def __init__(self, args: argparse.Namespace, work: Work) -> None:
        """Open the record of progress; make the stores that are missing."""
        self.work = work
        self.stores = TierStores(
            Target(
                api_version=ApiVersion.V1,
                host="127.0.0.1",
                port=args.port,
                store=args.store,
            ),
            ages=Ages(),
        )
        self.checkpoint = Checkpoint(args.checkpoint)
        self.views = ViewManager(
            self.stores,
            self.checkpoint,
            zone=ZoneInfo(args.zone),
            home_entities=lambda: (GRID_ENERGY,),
        )
        self._now_ns = args.now_ns
        self.maintenance = Maintenance(
            self.stores,
            self.checkpoint,
            zone=ZoneInfo(args.zone),
            work=work,
            now_ns=lambda: self._now_ns,
            settled_until_ns=lambda: self._now_ns,
            activity_age=Ages().hourly,
            refresh_views=self.refresh,
            feeds=self.views.feeds,
            guards=self.views.guards,
        )

    def open(self) -> None:
        """Make what is missing."""
        self.checkpoint.open()
        self.stores.ensure()

    def close(self) -> None:
        """Let go of everything."""
        self.checkpoint.close()
        self.stores.close()

    def refresh(self) -> RefreshResult:
        """Make what has changed of the views."""
        begun = time.monotonic()
        result = self.views.refresh(self.work)
        print(f"views: {time.monotonic() - begun:.1f} s", file=sys.stderr)
        return result


async def async_main(args: argparse.Namespace) -> dict[str, Any]:
    """Measure the idle loop, then the same loop beside a run."""
    loop = asyncio.get_running_loop()
    work = Work(on_progress=_tell)
    # It makes certificates and clients ready, which is not for the loop.
    with ThreadPoolExecutor(1) as thread:
        upkeep = await loop.run_in_executor(thread, Upkeep, args, work)
        await loop.run_in_executor(thread, upkeep.open)
        gc.collect()
        async with Ticker() as idle:
            await asyncio.sleep(IDLE_S)
        forget_peak()
        idle_bytes = resident_bytes()
        jobs: dict[str, Callable[[], object]] = {
            "aggregate": upkeep.maintenance.aggregate,
            "downsample_hourly": upkeep.maintenance.downsample_hourly,
            "downsample_daily": upkeep.maintenance.downsample_daily,
            "run_maintenance": upkeep.maintenance.run_all,
            "refresh_views": upkeep.refresh,
        }
        beside = await asyncio.create_subprocess_exec(
            sys.executable,
            tickers.__file__,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        async with Ticker() as busy:
            timed = await loop.run_in_executor(thread, _timed, jobs[args.job])
        peak_bytes = resident_bytes("VmHWM")
        await loop.run_in_executor(thread, upkeep.close)
        beside_lag, _ = await beside.communicate()
    return {
        **timed,
        "idle_bytes": idle_bytes,
        "over_idle_bytes": max(0, peak_bytes - idle_bytes),
        "idle_lag": idle.to_json(),
        "lag": busy.to_json(),
        "beside_lag": json.loads(beside_lag),
    }


def _timed(job: Callable[[], object]) -> dict[str, Any]:
    with Garbage() as garbage:
        begun, begun_cpu = time.monotonic(), time.thread_time()
        result = job()
        return {
            "seconds": time.monotonic() - begun,
            "cpu_seconds": time.thread_time() - begun_cpu,
            "garbage_s": garbage.total_s,
            "garbage_longest_ms": garbage.longest_s * 1_000,
            "result": repr(result),
        }


class Garbage:
    """Measures how long the garbage collector stops all threads.

    Use it as a context manager.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self.total_s = self.longest_s = 0.0
        self._begun_s = 0.0

    def __enter__(self) -> Self:
        gc.callbacks.append(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        gc.callbacks.remove(self._note)

    def _note(self, phase: str, _: object) -> None:
        now_s = time.perf_counter()
        if phase == "start":
            self._begun_s = now_s
            return
        self.total_s += now_s - self._begun_s
        self.longest_s = max(self.longest_s, now_s - self._begun_s)


_last_told_s = 0.0


def _tell(progress: float, doing: str) -> None:
    global _last_told_s  # noqa: PLW0603 - what was said last
    if (now_s := time.monotonic()) - _last_told_s >= _TELL_EVERY_S:
        _last_told_s = now_s
        print(f"{progress:6.1%} {doing}", file=sys.stderr, flush=True)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--now-ns", type=int, required=True)
    parser.add_argument("--zone", required=True)
    return parser.parse_args()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(async_main(parse_arguments()))))

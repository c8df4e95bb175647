"""One competitor in one scenario, in a process of its own.

Started by `ingest.py`, which watches the database from outside so that nothing
but the competitor runs here. Talks to it in lines of JSON: a message on standard
output, and a bare line on standard input as permission to go on.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
import itertools
import json
import os
from pathlib import Path
import resource
import sys
import threading
import time
from typing import Any, Final, Self

from home import (
    COMPETITORS,
    Sensor,
    Store,
    async_confirm_web_server,
    async_enter,
    async_furnish,
    async_start,
    write_configuration,
)

from homeassistant import runner
from homeassistant.const import __version__ as ha_version
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.util.thread import deadlock_safe_shutdown

# How many changes are made before the loop gets its turn. A home never blocks its
# loop for 50,000 changes; a competitor's timers must be able to run.
CHANGES_PER_TURN: Final = 100
# The same at a steady rate of thousands a second, which is a hundred turns a second.
EVEN_CHANGES_PER_TURN: Final = 20
HEARTBEAT_S: Final = 0.005
# What is still in memory after a burst has reached the disk by then.
CALM_S: Final = 5.0
# Threads that did less have no part in the figures.
MIN_THREAD_US: Final = 0.05
# Start-up (entries loaded, first snapshot written) must not run into a figure.
SETTLE_S: Final = 2.0


class HomeAssistantStoppedError(Exception):
    """It went away by itself, so that the figures mean nothing."""


class Parent:
    """The process that started this one."""

    def __init__(self) -> None:
        """Listen on standard input."""
        self._permits: asyncio.Queue[None] = asyncio.Queue()
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._on_line)

    def _on_line(self) -> None:
        if os.read(sys.stdin.fileno(), 1):
            self._permits.put_nowait(None)

    def tell(self, kind: str, **values: Any) -> None:
        """Send a message."""
        print(json.dumps({"kind": kind, **values}), flush=True)

    async def ask(self, kind: str, **values: Any) -> None:
        """Send a message and wait for permission to go on."""
        self.tell(kind, **values)
        await self._permits.get()

    def leave(self) -> None:
        """Stop listening, so that the loop can end."""
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())


class Load:
    """Changes states, each change to a value that was never there before."""

    def __init__(self, hass: HomeAssistant, sensors: list[Sensor]) -> None:
        """Begin with the first sensor and value 1."""
        self._hass = hass
        self._sensors = sensors
        self._next = 1

    def own_words(self) -> dict[str, Any]:
        """Return what our integration says about itself, if it is there."""
        entries = self._hass.config_entries.async_loaded_entries("ha_ingestor")
        if not entries:
            return {}
        snapshot = entries[0].runtime_data.pipeline.snapshot()
        names = ("captured", "written", "rejected", "dropped", "backlog_points")
        return {
            **{name: getattr(snapshot, name) for name in names},
            "link": snapshot.link.value,
            "last_error": snapshot.last_error or "none",
        }

    def prepare(self, count: int) -> list[str]:
        """Make as many new states ready: what is not the cost of a change.

        Only text: objects that the garbage collector follows would be counted as
        the competitor's burden.
        """
        values = range(self._next, self._next + count)
        self._next += count
        return [f"{value}.5" for value in values]

    async def async_burst(self, states: list[str]) -> None:
        """Change states as fast as the loop allows."""
        set_state = self._hass.states.async_set
        sensors = itertools.cycle(self._sensors)
        for turn in itertools.batched(states, CHANGES_PER_TURN, strict=False):
            for state, sensor in zip(turn, sensors, strict=False):
                set_state(sensor.entity_id, state, sensor.attributes)
            await asyncio.sleep(0)

    async def async_steady(
        self, *, per_s: float, seconds: float, journal: Path | None = None
    ) -> list[int]:
        """Change states at a steady rate; return when, in Unix nanoseconds.

        The n-th change of this call has the value n + 0.5. With a journal each is
        noted there once it has been made, and survives the end of this process.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        changed_ns: list[int] = []
        file = (
            None
            if journal is None
            else os.open(journal, os.O_WRONLY | os.O_CREAT, 0o600)
        )
        for number in range(1, round(per_s * seconds) + 1):
            await asyncio.sleep(max(0.0, begun + number / per_s - loop.time()))
            sensor = self._sensors[number % len(self._sensors)]
            changed_ns.append(time.time_ns())
            self._hass.states.async_set(
                sensor.entity_id, f"{number}.5", sensor.attributes
            )
            if file is not None:
                os.write(file, f"{number} {changed_ns[-1]}\n".encode())
        return changed_ns

    async def async_even(self, *, count: int, per_s: float) -> None:
        """Change states at a rate too high for a pause after each of them."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        set_state = self._hass.states.async_set
        for number, sensor in enumerate(itertools.cycle(self._sensors)):
            if number == count:
                return
            if number % EVEN_CHANGES_PER_TURN == 0:
                await asyncio.sleep(max(0.0, begun + number / per_s - loop.time()))
            set_state(sensor.entity_id, f"{self._next}.5", sensor.attributes)
            self._next += 1


class Heartbeat:
    """Measures how long the loop lets others wait.

    Use it as a context manager.

    Attributes:
        longest_s: How much later than asked for a short sleep has ended, at most.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.longest_s = 0.0
        self._task: asyncio.Task[None] | None = None

    async def _async_beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + HEARTBEAT_S
            await asyncio.sleep(HEARTBEAT_S)
            self.longest_s = max(self.longest_s, loop.time() - due)

    def __enter__(self) -> Self:
        self._task = asyncio.get_running_loop().create_task(self._async_beat())
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()


def peak_memory_bytes() -> int:
    """Return the largest resident size since the last `reset_peak_memory`."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    # macOS counts in bytes and cannot reset: the peak of the whole life.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def reset_peak_memory() -> None:
    """Forget the peak so far, where the system can."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5", "ascii")


def thread_seconds() -> dict[str, float]:
    """Return the CPU time of every living thread by its name, where it is told."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return {}
    seconds: dict[str, float] = {}
    for thread in threading.enumerate():
        if thread.ident is not None:
            clock = time.pthread_getcpuclockid(thread.ident)
            # The workers of the executor are one to who reads the figures.
            name = thread.name.partition("_")[0] if "Worker" in thread.name else ""
            name = name or thread.name
            seconds[name] = seconds.get(name, 0.0) + time.clock_gettime(clock)
    return seconds


async def async_run_loop(load: Load, parent: Parent, args: argparse.Namespace) -> None:
    """CPU of the loop's thread per change, flat out, several times."""
    figures = []
    # The first round warms caches and is not counted.
    for _ in range(args.rounds + 1):
        states = load.prepare(args.count)
        begun_ns, begun = time.time_ns(), time.thread_time()
        await load.async_burst(states)
        figures.append((time.thread_time() - begun) / args.count * 1e6)
        await parent.ask("fired", since_ns=begun_ns, count=args.count)
    parent.tell("result", loop_us=figures[1:])


async def async_run_burst(load: Load, parent: Parent, args: argparse.Namespace) -> None:
    """CPU of the process per change, peak memory, and time until all is stored."""
    states = load.prepare(args.count)
    reset_peak_memory()
    idle_bytes = peak_memory_bytes()
    begun_threads = thread_seconds()
    begun_ns, begun = time.time_ns(), time.process_time()
    await load.async_burst(states)
    fired_s = (time.time_ns() - begun_ns) / 1e9
    await parent.ask("fired", since_ns=begun_ns, count=args.count)
    threads_us = {
        name: (seconds - begun_threads.get(name, 0.0)) / args.count * 1e6
        for name, seconds in thread_seconds().items()
    }
    parent.tell(
        "result",
        threads_us={name: us for name, us in threads_us.items() if us > MIN_THREAD_US},
        process_us=(time.process_time() - begun) / args.count * 1e6,
        fired_s=fired_s,
        idle_mib=idle_bytes / 2**20,
        peak_mib=peak_memory_bytes() / 2**20,
    )


async def async_run_latency(
    load: Load, parent: Parent, args: argparse.Namespace
) -> None:
    """When each change was made; the parent sees when it can be queried."""
    await parent.ask("begin")
    with Heartbeat() as heartbeat:
        changed_ns = await load.async_steady(per_s=args.per_s, seconds=args.seconds)
    # Only now is anybody listening: a long message would hold up the loop before.
    await parent.ask("changed")
    parent.tell("result", changed_ns=changed_ns, blocked_s=heartbeat.longest_s)


async def async_run_stop(load: Load, parent: Parent, args: argparse.Namespace) -> None:
    """Stop in the middle of work; the parent sees when the process is gone."""
    begun_ns = time.time_ns()
    changed_ns = await load.async_steady(per_s=args.per_s, seconds=args.seconds)
    parent.tell("stopping", since_ns=begun_ns, count=len(changed_ns))


async def async_run_steady(
    load: Load, parent: Parent, args: argparse.Namespace
) -> None:
    """Change states at a steady rate; the parent may end it at any time."""
    await parent.ask("begin")
    await load.async_steady(
        per_s=args.per_s, seconds=args.seconds, journal=args.journal
    )
    await parent.ask("fired")


async def async_run_outage(
    load: Load, parent: Parent, args: argparse.Namespace
) -> None:
    """Change states while the database is away, then see it come back.

    At a rate, or flat out where none is given.
    """
    states = load.prepare(0 if args.per_s else args.count)
    await parent.ask("begin")
    reset_peak_memory()
    idle_bytes = peak_memory_bytes()
    begun_ns = time.time_ns()
    with Heartbeat() as heartbeat:
        if args.per_s:
            await load.async_even(count=args.count, per_s=args.per_s)
        else:
            await load.async_burst(states)
        fired_s = (time.time_ns() - begun_ns) / 1e9
        await asyncio.sleep(CALM_S)
    away_bytes = peak_memory_bytes()
    await parent.ask(
        "fired",
        since_ns=begun_ns,
        count=args.count,
        fired_s=fired_s,
        over_idle_bytes=away_bytes - idle_bytes,
        blocked_s=heartbeat.longest_s,
        dropped=load.own_words().get("dropped"),
    )
    parent.tell(
        "result",
        over_idle_bytes=peak_memory_bytes() - idle_bytes,
        own_words=load.own_words(),
    )


type Scenario = Callable[[Load, Parent, argparse.Namespace], Awaitable[None]]
SCENARIOS: Final[dict[str, Scenario]] = {
    "loop": async_run_loop,
    "burst": async_run_burst,
    "latency": async_run_latency,
    "stop": async_run_stop,
    "steady": async_run_steady,
    "outage": async_run_outage,
}


async def async_main(args: argparse.Namespace) -> None:
    """Set up Home Assistant and the competitor, run the scenario, stop."""
    parent = Parent()
    hass = await async_start(args.folder)
    sensors = await async_furnish(hass)
    store = Store(host=args.host, port=args.port, database=args.database)
    await async_enter(hass, args.competitor, store)
    await async_confirm_web_server(hass)
    await hass.async_start()
    await hass.async_block_till_done()
    await asyncio.sleep(SETTLE_S)
    parent.tell("ready", ha_version=ha_version)
    await SCENARIOS[args.scenario](Load(hass, sensors), parent, args)
    if hass.state is not CoreState.running:
        raise HomeAssistantStoppedError(f"Home Assistant is {hass.state.value}")
    parent.leave()
    await hass.async_stop()


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", choices=SCENARIOS, required=True)
    parser.add_argument("--competitor", choices=COMPETITORS, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--integration", type=Path, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--journal", type=Path)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--per-s", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=0.0)
    return parser.parse_args()


def main() -> None:
    """Run as Home Assistant's own runner does, so that stopping costs the same."""
    args = parse_arguments()
    write_configuration(
        args.folder, integration=args.integration, http_port=args.http_port
    )
    loop = runner.create_event_loop()
    asyncio.set_event_loop(loop)
    # A thread that does not end holds up the exit of Home Assistant for ten seconds.
    threading._shutdown = deadlock_safe_shutdown  # type: ignore[attr-defined]  # noqa: SLF001
    try:
        loop.run_until_complete(async_main(args))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


if __name__ == "__main__":
    main()

"""The program behind scripts/develop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
import os
import shutil
import signal
import sys
import time
from typing import Any, Final

import aiohttp

from .api import PASSWORD, USER_NAME, HomeAssistantApi, RefusedError
from .entries import DEMO_DOMAIN, HUB_DOMAIN, set_up_house, set_up_hub
from .hass import RESTART_EXIT_CODE, HomeAssistantProcess
from .influxd import InfluxServer, InfluxServerError
from .lifecycle import check_life_cycle, run_s3
from .once import check_once
from .processes import StateFolder
from .providers import ProviderStandIns
from .screen import StatusLine, format_bar, format_bytes, say
from .settings import (
    DEV,
    HOME_ASSISTANT_PORT,
    INFLUXDB_PORT,
    DevelopError,
    InfluxTarget,
    Settings,
    StartError,
    find_free_port,
)
from .sources import set_up_calendar, set_up_sources

# As a shell reports a program that Ctrl-C has ended.
INTERRUPTED_EXIT_CODE: Final = 130
_RECORDED_AT: Final = "sensor.demo_home_recorded_at"
_PLAYING: Final = "binary_sensor.demo_home_playing"
_PROGRESS_INTERVAL_S: Final = 0.5
_SUMMARY_INTERVAL_S: Final = 5.0
# No row takes longer; what stands still so long has died.
_STANDSTILL_S: Final = 60.0


@dataclass(slots=True)
class Run:
    """All that a run has started."""

    settings: Settings
    home_assistant: HomeAssistantProcess
    target: InfluxTarget
    server: InfluxServer | None
    api: HomeAssistantApi
    entry_id: str = ""
    started_ns: int = 0


async def main(arguments: list[str]) -> int:
    """Do what was asked; return the exit code."""
    settings = Settings.from_arguments(arguments)
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, _on_signal, task)
    try:
        with StateFolder(settings.folder) as state:
            return await _run(settings, state)
    except (DevelopError, InfluxServerError, aiohttp.ClientError) as err:
        print(f"scripts/develop: {str(err) or type(err).__name__}", file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        say("Stopped")
        # Ctrl-C is how a person ends it; a check that was cut short is no success.
        return INTERRUPTED_EXIT_CODE if settings.is_once else 0


def _on_signal(task: asyncio.Task[Any] | None) -> None:
    """Unwind once; a second Ctrl-C must not cut the orderly stop short."""
    if task is not None and not task.cancelling():
        task.cancel()


async def _run(settings: Settings, state: StateFolder) -> int:
    if settings.is_fresh:
        for name in ("config", "influxdb", "hub.json"):
            _remove(state, name)
    async with _servers(settings, state) as run:
        if settings.is_once:
            return await _play_and_check(run)
        if settings.is_playing:
            await play(run)
        await _show_summary(run)
    return 0


def _remove(state: StateFolder, name: str) -> None:
    path = state.path / name
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@asynccontextmanager
async def _servers(settings: Settings, state: StateFolder) -> AsyncIterator[Run]:
    """Start InfluxDB and Home Assistant, in this order; stop them the other way."""
    started_ns = time.time_ns()
    server: InfluxServer | None = None
    target = InfluxTarget.from_environment(os.environ)
    if target is None:
        server = InfluxServer(
            DEV / "influxdb" / "influxd",
            state.path / "influxdb",
            port=find_free_port(INFLUXDB_PORT),
        )
        target = InfluxTarget(url=server.url, is_ours=True)
    home_assistant = HomeAssistantProcess(state, find_free_port(HOME_ASSISTANT_PORT))
    stand_ins = ProviderStandIns()
    try:
        await stand_ins.start()
        home_assistant.base_urls = stand_ins.base_urls
        if server is not None:
            say(f"Starting InfluxDB at {server.url}")
            await asyncio.to_thread(server.start)
        say(f"Starting Home Assistant at {home_assistant.url}")
        await home_assistant.start()
        async with HomeAssistantApi(
            home_assistant.url, home_assistant.check_running
        ) as api:
            run = Run(settings, home_assistant, target, server, api)
            run.started_ns = started_ns
            await _furnish(run, state)
            yield run
    except StartError as err:
        raise DevelopError(f"{err}\n{home_assistant.log_tail()}") from err
    finally:
        await _stop(home_assistant, server)
        await stand_ins.stop()


async def _stop(
    home_assistant: HomeAssistantProcess, server: InfluxServer | None
) -> None:
    if home_assistant.is_started:
        say("Stopping Home Assistant")
        await home_assistant.stop()
    if server is not None and server.is_running:
        say("Stopping InfluxDB")
        await asyncio.to_thread(server.stop)


async def _furnish(run: Run, state: StateFolder) -> None:
    """Log in and set up what is not there yet."""
    await run.api.wait_answering()
    await run.api.log_in()
    await run.api.wait_started()
    say("Setting up the demo home and the hub")
    await set_up_house(run.api)
    run.entry_id = await set_up_hub(run.api, state, run.target)
    say("Setting up a source of each kind")
    await set_up_calendar(run.api)
    await set_up_sources(run.api, run.entry_id)


async def play(run: Run) -> None:
    """Play the rows and show how far it is."""
    settings = run.settings
    data: dict[str, Any] = {
        "start_row": settings.start_row,
        "rows_per_second": settings.rows_per_second,
    }
    if settings.row_count is not None:
        data["rows"] = settings.row_count
    rows = await run.api.call_action(DEMO_DOMAIN, "play", **data)
    first, last = rows["first_row"], rows["last_row"]
    say(
        f"Playing rows {first} to {last}, {rows['from'][:10]} to {rows['to'][:10]}, "
        f"{settings.rows_per_second:g} per second"
    )
    line = StatusLine()
    seen, seen_at = -1, time.monotonic()
    while (await run.api.get_state(_PLAYING))["state"] == "on":
        run.home_assistant.check_running()
        shown = await run.api.get_state(_RECORDED_AT)
        row = shown["attributes"].get("row", first)
        if row != seen:
            seen, seen_at = row, time.monotonic()
        elif time.monotonic() - seen_at > _STANDSTILL_S:
            raise DevelopError(f"The demo home stands still at row {row}")
        part = (row - first + 1) / (last - first + 1)
        line.show(f"[{format_bar(part)}] {part:4.0%}  {shown['state'][:16]}")
        await asyncio.sleep(_PROGRESS_INTERVAL_S)
    shown = await run.api.get_state(_RECORDED_AT)
    row = shown["attributes"].get("row")
    if row != last:
        raise DevelopError(f"The demo home stopped at row {row}, before row {last}")
    line.show(f"[{format_bar(1)}] 100%  {shown['state'][:16]}", is_last=True)


async def _play_and_check(run: Run) -> int:
    """Play a part and check it, also what the servers say as they stop."""
    await play(run)
    is_right = await check_once(
        run.api, run.entry_id, run.target, run.settings, run.started_ns
    )
    folder = run.home_assistant.folder
    async with AsyncExitStack() as stack:
        if run.target.is_ours:
            s3_url = await stack.enter_async_context(run_s3(folder.parent))
            is_right &= await check_life_cycle(run.api, run.target, folder, s3_url)
        else:
            # It makes stores and deletes rows.
            print("\nThe life cycle is shown only on a server of this program")
        say("Stopping Home Assistant")
        await run.home_assistant.stop()
    problems = run.home_assistant.problems_of(HUB_DOMAIN, DEMO_DOMAIN)
    if problems:
        print("\nWarnings and errors in the log of Home Assistant:")
        print("\n".join(problems))
    print(f"\n{'RIGHT' if is_right and not problems else 'WRONG'}")
    return 0 if is_right and not problems else 1


async def _show_summary(run: Run) -> None:
    """Show what becomes of the readings until somebody stops it."""
    target = run.target
    print(f"Home Assistant  {run.home_assistant.url}  ({USER_NAME}/{PASSWORD})")
    print(f"InfluxDB        {target.url}  ({target.store})")
    print("Ctrl-C stops everything.", end=" ")
    if run.server is not None and sys.stdin.isatty():
        print("Enter pulls the plug of InfluxDB and puts it in again.")
        asyncio.get_running_loop().add_reader(sys.stdin, _pull_or_plug, run.server)
    else:
        print()
    line = StatusLine()
    while True:
        await _restart_if_asked(run)
        line.show(await _summarize(run))
        await asyncio.sleep(_SUMMARY_INTERVAL_S)


def _pull_or_plug(server: InfluxServer) -> None:
    """Kill InfluxDB, as a power cut would, or start it again; well under a second."""
    sys.stdin.readline()
    if server.is_running:
        server.kill()
        say("InfluxDB is down")
    else:
        server.start()
        say("InfluxDB is up again")


async def _restart_if_asked(run: Run) -> None:
    """Start Home Assistant again where somebody has asked it to restart."""
    if run.home_assistant.exit_code != RESTART_EXIT_CODE:
        run.home_assistant.check_running()
        return
    say("Starting Home Assistant again, with the integration as it is now")
    await run.home_assistant.start()
    await run.api.wait_answering()
    await run.api.wait_started()


async def _summarize(run: Run) -> str:
    """Return one line: what was captured and what has become of it."""
    try:
        counts = await run.api.call_action(
            HUB_DOMAIN, "flush", config_entry_id=run.entry_id
        )
    except RefusedError as err:
        # While the server is down a flush fails, and says how much waits.
        return f"NOT CONNECTED  {err.reason}"
    except (aiohttp.ClientError, TimeoutError) as err:
        return f"Home Assistant does not answer: {str(err) or type(err).__name__}"
    return (
        f"{'connected' if counts['is_connected'] else 'NOT CONNECTED'}  "
        f"captured {counts['captured']:,}  written {counts['written']:,}  "
        f"rejected {counts['rejected']:,}  dropped {counts['dropped']:,}  "
        f"backlog {counts['backlog_points']:,} "
        f"({format_bytes(counts['backlog_bytes'])})  "
        f"last error: {counts['last_error'] or 'none'}"
    )


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))

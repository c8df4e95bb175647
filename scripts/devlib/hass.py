"""Home Assistant as a process, with a configuration folder of its own."""

import asyncio
from collections.abc import Iterator, Mapping
import json
import os
from pathlib import Path
import re
import shutil
from typing import Final

from .processes import StateFolder
from .settings import DEV, PROJECT, RECORDING, StartError

HOST: Final = "127.0.0.1"
# How Home Assistant says that it wants to be started again.
RESTART_EXIT_CODE: Final = 100
# Asks it to stop once standard input ends, which it does with this program, even
# if that was killed.
_WATCHDOG: Final = 'read -r _; kill -TERM "$1" 2>/dev/null'
# It gives its own shutdown stages less than this; after that it hangs.
STOP_TIMEOUT_S: Final = 60.0

_CONFIGURATION: Final = """\
# Written by scripts/develop at each start.
frontend:
energy:
history:
logbook:
sun:
logger:
  default: warning
  logs:
    custom_components.ha_ingestor: info
"""
# Where it listens. From the YAML configuration it would take this over once, as
# a trial: after five minutes it goes back to all addresses of the machine.
_HTTP: Final = {
    "server_host": [HOST],
    "cors_allowed_origins": [],
    "login_attempts_threshold": -1,
    "ip_ban_enabled": True,
    "ssl_profile": "intermediate_v6",
    "use_x_frame_options": True,
    "created_at": "2026-11-01T00:00:00+00:00",
    "error": None,
    "error_message": None,
}
# The step after which Home Assistant would add integrations that ask servers on
# the internet, one of them a second weather. The others are done through its API.
_ONBOARDING_DONE: Final = ["core_config"]
_LOG_RECORD: Final = re.compile(
    r"^\d{4}-\d\d-\d\d \S+ (?P<level>[A-Z]+) \([^)]*\) \[(?P<logger>[^\]]+)\] "
)
_PROBLEM_LEVELS: Final = frozenset({"WARNING", "ERROR", "CRITICAL"})
_USUAL: Final = (
    # Said of every custom integration at every start.
    "which has not been tested by Home Assistant",
    # The meter of the demo home shows nothing before the first row is played, and its
    # source may ask before that. That it has recovered is checked elsewhere.
    "data: No value of sensor.electricity_meter_",
)


class HomeAssistantProcess:
    """Owns the process and its configuration folder."""

    def __init__(self, state: StateFolder, port: int) -> None:
        """Name the folder; nothing is started before `start`."""
        self._state = state
        self._port = port
        self._process: asyncio.subprocess.Process | None = None
        self._watchdog: asyncio.subprocess.Process | None = None
        self.folder = state.path / "config"
        self.log = state.path / "home-assistant.log"
        # Stand-ins for providers of outside data, by key of the source.
        self.base_urls: Mapping[str, str] = {}

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self._port}"

    @property
    def is_started(self) -> bool:
        """Whether there is something to stop."""
        return self._process is not None and self._process.returncode is None

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return None if self._process is None else self._process.returncode

    async def start(self) -> None:
        """Start it with the integrations as they are now."""
        await self._dismiss_watchdog()
        self._furnish()
        environment = {
            **os.environ,
            "DISABLE_LOG_FILE": "1",
            "HA_INGESTOR_BASE_URLS": json.dumps(dict(self.base_urls)),
        }
        # It names the folder of this program, which is none of its business.
        environment.pop("PYTHONPATH", None)
        # A restart goes on in the log of the run.
        with self.log.open("wb" if self._process is None else "ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                DEV / "run" / "bin" / "hass",
                "--config",
                self.folder,
                "--log-no-color",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                # Ctrl-C shall reach this program alone, which stops things in order.
                start_new_session=True,
                env=environment,
            )
        self._state.remember(self._process.pid)
        self._watchdog = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            _WATCHDOG,
            "hass-watchdog",
            str(self._process.pid),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )

    async def stop(self) -> None:
        """Ask it to stop, and see that it does."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await process.wait()
            except TimeoutError:
                print(f"Home Assistant did not stop within {STOP_TIMEOUT_S:.0f} s")
                process.kill()
                await process.wait()
        self._state.forget(process.pid)
        await self._dismiss_watchdog()

    async def _dismiss_watchdog(self) -> None:
        if self._watchdog is not None and self._watchdog.returncode is None:
            self._watchdog.kill()
            await self._watchdog.wait()

    def check_running(self) -> None:
        """Raise if it has ended."""
        if self.exit_code is None:
            return
        raise StartError(f"Home Assistant ended with code {self.exit_code}")

    def log_tail(self, line_count: int = 25) -> str:
        """Return the end of its log."""
        lines = self._log_text().splitlines()
        return "\n".join(
            ["The end of its log:", *lines[-line_count:], f"(all: {self.log})"]
        )

    def problems_of(self, *integrations: str) -> list[str]:
        """Return the warnings and errors of its log that name an integration."""
        return [
            record
            for level, record in self._log_records()
            if level in _PROBLEM_LEVELS
            and not any(usual in record for usual in _USUAL)
            and any(integration in record for integration in integrations)
        ]

    def _log_records(self) -> Iterator[tuple[str, str]]:
        """Yield level and text of each record; a traceback belongs to its record."""
        level, lines = "", list[str]()
        for line in self._log_text().splitlines():
            if match := _LOG_RECORD.match(line):
                if lines:
                    yield level, "\n".join(lines)
                level, lines = match["level"], []
            lines.append(line)
        if lines:
            yield level, "\n".join(lines)

    def _log_text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _furnish(self) -> None:
        """Write the configuration and copy the integrations, as a user has them."""
        storage = self.folder / ".storage"
        storage.mkdir(parents=True, exist_ok=True)
        if not (storage / "onboarding").exists():
            _write_storage(storage, "onboarding", 4, {"done": _ONBOARDING_DONE})
        bind_to_loopback(storage, self._port)
        (self.folder / "configuration.yaml").write_text(_CONFIGURATION)
        shutil.copy(RECORDING, self.folder)
        for source in (
            PROJECT / "custom_components" / "ha_ingestor",
            PROJECT / "examples" / "custom_components" / "demo_home",
        ):
            target = self.folder / "custom_components" / source.name
            _replace_folder(source, target)


def bind_to_loopback(storage: Path, port: int) -> None:
    """Say where Home Assistant is to listen.

    In its configuration.yaml this would be a trial of five minutes, after which it
    listens on every address.
    """
    _write_storage(
        storage,
        "http",
        3,
        {
            "stable": {**_HTTP, "server_port": port},
            "pending": None,
            "yaml_migration_done": True,
        },
    )


def _write_storage(storage: Path, key: str, version: int, data: object) -> None:
    """Write a file as Home Assistant's own storage does."""
    stored = {"version": version, "minor_version": 1, "key": key, "data": data}
    (storage / key).write_text(json.dumps(stored, indent=2))


def _replace_folder(source: Path, target: Path) -> None:
    """Make the target a copy, without files that the source no longer has."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))

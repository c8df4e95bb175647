"""A real Home Assistant process with a hub and a steady load."""

import json
from pathlib import Path
import shutil
import signal
import subprocess
import time
from typing import Any

from devlib.hass import bind_to_loopback
from devlib.influxd import InfluxServer, free_port

ROOT = Path(__file__).parent.parent.parent
# A first start on a fresh machine builds packages that Home Assistant wants.
START_TIMEOUT_S = 180.0
# The newest Home Assistant with all that it loads by itself; the test
# environment has the one that the test plugin pins, and only its core.
PYTHON = ROOT / ".dev" / "run" / "bin" / "python"
ENTRY_ID = "01JDFAULTTESTSHUB000000000"


def find_python() -> Path:
    """Return the Python of a whole Home Assistant; never skip without it."""
    assert PYTHON.exists(), f"No environment at {PYTHON}; run scripts/bootstrap run"
    return PYTHON


class Home:
    """Starts, stops and kills one Home Assistant, and knows what it fired."""

    def __init__(
        self, folder: Path, data: dict[str, Any], *, rate: int, options: dict[str, Any]
    ) -> None:
        """Write its configuration, with the hub as the config flow stores it."""
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._fired = folder / "fired.txt"
        self._stop_load = folder / "stop_load"
        components = folder / "custom_components"
        components.mkdir(parents=True)
        (components / "ha_ingestor").symlink_to(
            ROOT / "custom_components" / "ha_ingestor"
        )
        shutil.copytree(
            Path(__file__).parent / "load_component", components / "fault_load"
        )
        self._fired.touch()
        (folder / "configuration.yaml").write_text(
            "logger:\n  default: warning\n"
            "  logs:\n    custom_components.ha_ingestor: info\n"
            f"fault_load:\n  rate: {rate}\n  fired: {self._fired}\n"
            f"  stop: {self._stop_load}\n",
            encoding="utf-8",
        )
        storage = folder / ".storage"
        storage.mkdir()
        bind_to_loopback(storage, free_port())
        (storage / "core.config_entries").write_text(
            json.dumps(config_entries(data, options)), encoding="utf-8"
        )

    def start(self) -> None:
        """Start it and wait until the load fires."""
        self._stop_load.unlink(missing_ok=True)
        before = self.fired_count()
        log = (self.folder / "output.txt").open("ab")
        with log:
            self._process = subprocess.Popen(
                [find_python(), "-m", "homeassistant", "-c", str(self.folder)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                # Elsewhere Python would find the project's own custom_components.
                cwd=self.folder,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.fired_count() == before:
            assert self._process.poll() is None, self.output()
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a power switch would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)
        self._process = None

    def stop_load(self) -> None:
        """Fire no more."""
        self._stop_load.touch()
        time.sleep(0.1)

    def stop(self) -> float:
        """Stop it in order; returns how long that took, in seconds."""
        assert self._process is not None
        started_at = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        self._process = None
        return time.monotonic() - started_at

    def close(self) -> None:
        """Leave nothing running."""
        if self._process is not None:
            self.kill()

    def fired_count(self) -> int:
        """Return how many state changes were fired so far."""
        return self._fired.read_bytes().count(b"\n")

    def fired(self) -> dict[int, float]:
        """Return number and Unix time of each state change that was fired."""
        rows = (line.split() for line in self._fired.read_text().splitlines())
        return {int(number): float(at) for number, at in rows}

    def output(self) -> str:
        """Return what it printed."""
        return (self.folder / "output.txt").read_text(encoding="utf-8")

    def own_errors(self) -> list[str]:
        """Return what the integration has logged as an error."""
        return [line for line in self.log_lines(" ERROR ") if "ha_ingestor" in line]

    def log_lines(self, text: str) -> list[str]:
        """Return the lines of its log that hold a text."""
        log = (self.folder / "home-assistant.log").read_text(encoding="utf-8")
        return [line for line in log.splitlines() if text in line]


def config_entries(data: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Return the storage file that holds one hub."""
    now = "2026-11-20T00:00:00+00:00"
    entry = {
        "created_at": now,
        "data": data,
        "disabled_by": None,
        "discovery_keys": {},
        "domain": "ha_ingestor",
        "entry_id": ENTRY_ID,
        "minor_version": 1,
        "modified_at": now,
        "options": options,
        "pref_disable_new_entities": False,
        "pref_disable_polling": False,
        "source": "user",
        "subentries": [],
        "title": "Faults",
        "unique_id": None,
        "version": 1,
    }
    return {
        "version": 1,
        "minor_version": 5,
        "key": "core.config_entries",
        "data": {"entries": [entry]},
    }


def stored_numbers(server: InfluxServer) -> list[int]:
    """Return the numbers in the database, as often as each is there."""
    rows = server.rows(
        "SELECT value FROM home_assistant_events WHERE entity_id =~ /^sensor.load_/",
        "test",
    )
    return sorted(int(row[1]) for row in rows)


def wait_until_stored(server: InfluxServer, count: int, timeout_s: float) -> None:
    """Wait until so many points are there; what is missing is for the caller to see."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        rows = server.rows(
            "SELECT count(value) FROM home_assistant_events"
            " WHERE entity_id =~ /^sensor.load_/",
            "test",
        )
        if rows and rows[0][1] >= count:
            return
        time.sleep(0.25)

"""Processes that hold Home Assistant with one competitor, seen from outside."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import json
import os
from pathlib import Path
import shutil
import subprocess
import sys
import tempfile
import threading
from typing import Any, Final, Self

from devlib.influxd import free_port

ROOT: Final = Path(__file__).resolve().parent.parent
INTEGRATION: Final = ROOT / "custom_components" / "ha_ingestor"
_PROGRAM: Final = Path(__file__).with_name("subject.py")
_STOP_TIMEOUT_S: Final = 60.0
_LOG_LINES: Final = 15
# Adding up what a process has makes the kernel walk its page tables and
# holds the process up for some milliseconds.
_MEMORY_INTERVAL_S: Final = 2.0


class BenchmarkError(Exception):
    """A competitor did not get through a scenario."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where a competitor runs and what it writes to.

    Attributes:
        folder: Holds the configuration folder, the log and the journal; it
            survives the process. What Home Assistant has stored in the first is
            used again.
    """

    name: str
    folder: Path
    port: int
    database: str

    @property
    def config(self) -> Path:
        """Home Assistant's configuration folder."""
        return self.folder / "config"

    @property
    def buffer_folder(self) -> Path:
        """Where our integration keeps what waits."""
        return self.config / ".storage" / "ha_ingestor"

    @property
    def log(self) -> Path:
        """What the process has written on standard error."""
        return self.folder / "log"

    @property
    def journal(self) -> Path:
        """Where changes are noted as they are made."""
        return self.folder / "fired"


class Subject:
    """A running process that holds Home Assistant and one competitor."""

    def __init__(
        self, setting: Setting, scenario: str, options: dict[str, Any]
    ) -> None:
        """Start it."""
        self.setting = setting
        self.scenario = scenario
        setting.config.mkdir(parents=True, exist_ok=True)
        arguments = {
            "competitor": setting.name,
            "scenario": scenario,
            "folder": setting.config,
            "integration": INTEGRATION,
            "http-port": free_port(),
            "host": "127.0.0.1",
            "port": setting.port,
            "database": setting.database,
            **{key.replace("_", "-"): value for key, value in options.items()},
        }
        with setting.log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    str(_PROGRAM),
                    *(f"--{key}={value}" for key, value in arguments.items()),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # It finds the integration as a user's Home Assistant does.
                env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
                text=True,
            )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def hear(self) -> dict[str, Any]:
        """Wait for its next message.

        Raises:
            BenchmarkError: It ended instead.
        """
        if self._process.stdout is not None and (
            line := self._process.stdout.readline()
        ):
            message: dict[str, Any] = json.loads(line)
            return message
        raise self._failure(self._process.wait())

    def permit(self) -> None:
        """Let it go on."""
        if self._process.stdin is not None:
            self._process.stdin.write(".")
            self._process.stdin.flush()

    def wait(self) -> None:
        """Wait until it has ended.

        Raises:
            BenchmarkError: It did not end well.
        """
        if (code := self._process.wait(_STOP_TIMEOUT_S)) != 0:
            raise self._failure(code)

    def kill(self) -> None:
        """End it as a power cut would, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """Make sure that it has ended, and let its pipes go."""
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _failure(self, code: int) -> BenchmarkError:
        lines = self.setting.log.read_text("utf-8").splitlines()[-_LOG_LINES:]
        tail = "\n".join(lines)
        return BenchmarkError(
            f"{self.setting.name}, {self.scenario}: ended with {code}:\n{tail}"
        )


@contextmanager
def running(setting: Setting, scenario: str, **options: Any) -> Iterator[Subject]:
    """Run a competitor through a scenario; it is gone at the end."""
    subject = Subject(setting, scenario, options)
    try:
        yield subject
    finally:
        subject.close()


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """Make a folder for one process, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=parent) as folder:
        yield Path(folder)


def furnish(setting: Setting) -> None:
    """Let Home Assistant start once, be set up, and stop in an orderly way.

    What follows is what a home does every day: it starts with all that it has
    stored.
    """
    with running(setting, "steady") as subject:
        subject.hear()  # ready
        subject.hear()  # about to make no change at all
        subject.permit()
        subject.hear()  # has made none
        subject.permit()
        subject.wait()


def copy_config(source: Path, target: Path) -> None:
    """Copy a configuration folder."""
    # Symbolic links stay links: one leads to the integration.
    shutil.copytree(source, target, symlinks=True)


class MemoryWatch:
    """Notes how much memory a process has made for itself, from time to time.

    That is its anonymous memory. What it shares with nobody (USS) would say the same,
    but that grows whenever another process which has the same libraries open ends.

    Use it as a context manager. Says nothing where the system does not tell.

    Attributes:
        first_bytes: Its size at the beginning.
        peak_bytes: The largest one seen.
    """

    def __init__(self, pid: int) -> None:
        """Prepare."""
        self._file = Path(f"/proc/{pid}/smaps_rollup")
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.first_bytes = 0
        self.peak_bytes = 0

    def __enter__(self) -> Self:
        self.first_bytes = self.peak_bytes = self._read()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self.peak_bytes = max(self.peak_bytes, self._read())

    @property
    def is_known(self) -> bool:
        """Whether the system tells."""
        return self.first_bytes > 0

    def _run(self) -> None:
        while not self._is_over.wait(_MEMORY_INTERVAL_S):
            self.peak_bytes = max(self.peak_bytes, self._read())

    def _read(self) -> int:
        try:
            lines = self._file.read_text("ascii").splitlines()
        except OSError:
            return 0
        return sum(
            int(line.split()[1]) * 1024
            for line in lines
            if line.startswith("Anonymous:")
        )


def say(text: str) -> None:
    """Show progress, apart from the report."""
    print(text, file=sys.stderr, flush=True)

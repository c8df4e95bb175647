"""The processes that a run starts, remembered so that a later run can end them.

A run that is killed cannot wait for what it has started. The next one finds the
ids in a file, and waits before it uses the same folder. Only a process whose id
and time of start both agree is touched: the id alone may meanwhile belong to
somebody else.
"""

import fcntl
import json
from pathlib import Path
from typing import IO, Self

import psutil  # type: ignore[import-untyped]  # Home Assistant brings it

from .settings import DevelopError

# Home Assistant gives its own shutdown stages about this long.
_END_TIMEOUT_S = 30.0


class StateFolder:
    """The folder of a run's state, held by one run at a time."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is touched before `with`."""
        self.path = folder
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        """Lock it and end what a killed run has left.

        Raises:
            DevelopError: Another run has it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = (self.path / "lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            self._lock.close()
            raise DevelopError(
                "scripts/develop is running already; stop that one first"
            ) from err
        self._end_leftovers()
        return self

    def __exit__(self, *_: object) -> None:
        """Let the next run have it."""
        if self._lock is not None:
            self._lock.close()

    def remember(self, pid: int) -> None:
        """Write down a process that this run has started."""
        noted = self._noted()
        noted[str(pid)] = psutil.Process(pid).create_time()
        self._note(noted)

    def forget(self, pid: int) -> None:
        """Strike out a process that has ended."""
        noted = self._noted()
        noted.pop(str(pid), None)
        self._note(noted)

    @property
    def _file(self) -> Path:
        return self.path / "processes.json"

    def _noted(self) -> dict[str, float]:
        """Return the noted processes; none if the file is missing or half written."""
        try:
            noted: dict[str, float] = json.loads(self._file.read_text())
        except OSError, ValueError:
            return {}
        return noted

    def _note(self, noted: dict[str, float]) -> None:
        self._file.write_text(json.dumps(noted))

    def _end_leftovers(self) -> None:
        # In the order of their start Home Assistant comes last, so that it can
        # still write what it holds.
        for pid, create_time in reversed(self._noted().items()):
            try:
                process = psutil.Process(int(pid))
                if process.create_time() != create_time:
                    continue
                print(f"Stopping {process.name()} ({pid}), left by a former run")
                process.terminate()
                try:
                    process.wait(_END_TIMEOUT_S)
                except psutil.TimeoutExpired:
                    process.kill()
                    process.wait(_END_TIMEOUT_S)
            except psutil.NoSuchProcess:
                continue
        self._note({})

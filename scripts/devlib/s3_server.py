"""A real S3 API over HTTP on loopback: moto's server as a child process.

Standard library only; moto itself is in the environment of the given Python.
"""

import os
from pathlib import Path
import subprocess
import time
from types import TracebackType
from typing import Final, Self
import urllib.request

from devlib.influxd import free_port

# Loading takes a second; a busy machine takes longer.
START_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 10.0
_POLL_S: Final = 0.05
_HOST: Final = "127.0.0.1"
# Proxies of the environment are not for loopback.
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))

# Ends with its standard input, which ends with the process that started it.
_PROGRAM: Final = """\
import os, sys, threading

def watch():
    sys.stdin.buffer.read()
    os._exit(0)

threading.Thread(target=watch, daemon=True).start()
from moto.server import main
main(sys.argv[1:])
"""


class S3ServerError(RuntimeError):
    """The server did not start; the message ends with what it logged."""


class S3Server:
    """Runs moto's server; what it holds is gone when it stops.

    Use it as a context manager, or call `start` and `stop`.
    """

    def __init__(self, python: Path, folder: Path) -> None:
        """Prepare; nothing is started yet.

        Args:
            python: One that has moto.
            folder: For the log.
        """
        self.port = free_port()
        self._python = python
        self._log_path = folder / "s3.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Base URL, without a trailing slash."""
        return f"http://{_HOST}:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            S3ServerError: It ended, or did not answer.
        """
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self._python),
                    "-c",
                    _PROGRAM,
                    "-H",
                    _HOST,
                    "-p",
                    str(self.port),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Nothing of a real account may leak in.
                env={k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_up():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                log_text = self._log_path.read_text(encoding="utf-8", errors="replace")
                raise S3ServerError(f"moto's server did not start:\n{log_text}")
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Stop it."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def reset(self) -> None:
        """Forget all buckets."""
        request = urllib.request.Request(
            f"{self.url}/moto-api/reset", data=b"", method="POST"
        )
        with _OPENER.open(request, timeout=30):
            pass

    def _is_up(self) -> bool:
        try:
            with _OPENER.open(f"{self.url}/moto-api/", timeout=2):
                return True
        except OSError:
            return False

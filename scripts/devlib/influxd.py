"""A real InfluxDB 1.x server as a child process, with a configuration of its own.

For the tests, `scripts/develop` and the benchmarks. Standard library only, and it
runs under Python 3.11, since `scripts/develop` starts before any environment exists.
"""

import base64
from collections.abc import Mapping
import contextlib
import json
import os
from pathlib import Path
import random
import signal
import socket
import subprocess
import time
from types import TracebackType
from typing import Any, Final, Self
import urllib.error
import urllib.parse
import urllib.request

# A start takes 0.1 s; a busy machine that replays a log takes longer.
START_TIMEOUT_S: Final = 30.0
# On SIGTERM influxd writes its log to the end and leaves at once.
STOP_TIMEOUT_S: Final = 20.0
_POLL_S: Final = 0.02

_HOST: Final = "127.0.0.1"
# Nobody's in particular, and below those that Linux, macOS and Windows give to
# connections that go out.
_PORTS: Final = range(20_000, 32_768)

_CONFIG: Final = """\
reporting-disabled = true
bind-address = "{host}:{rpc_port}"

[meta]
  dir = {meta}

[data]
  dir = {data}
  wal-dir = {wal}
  index-version = "tsi1"
  query-log-enabled = false

[monitor]
  store-enabled = false

[continuous_queries]
  enabled = false

[http]
  bind-address = "{host}:{port}"
  auth-enabled = {auth}
  log-enabled = false
  max-body-size = {max_body_size}
"""

# Kills the server once its standard input ends, which it does with the process that
# started both, even if that was killed itself.
_WATCHDOG: Final = 'read -r _; kill -KILL "$1" 2>/dev/null'


class InfluxServerError(RuntimeError):
    """The server did not start; the message ends with what it logged."""


class InfluxServer:
    """Runs influxd on loopback, on the same port and data through restarts.

    Use it as a context manager, or call `start` and `stop`. It does not outlive the
    process that started it, however that ends. `start`, `stop`, `kill` and `restart`
    are for one thread at a time.
    """

    def __init__(
        self,
        binary: Path,
        folder: Path,
        *,
        port: int | None = None,
        auth: bool = False,
        max_body_size: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            binary: The influxd program.
            folder: For data, configuration and log; made if missing, never removed.
            port: A free one is taken, and kept, where none is given.
            auth: Ask for credentials; the first user has to be made by
                `create_admin`.
            max_body_size: Largest body of a write, in bytes; 0 for no limit, None
                for the server's own default of 25 MB.
            env: `INFLUXDB_...` variables, which go before the configuration.
        """
        self.binary = binary
        self.folder = folder
        self.port = port or free_port()
        self.log_path = folder / "influxd.log"
        self.credentials: tuple[str, str] | None = None
        self._auth = auth
        self._max_body_size = 25_000_000 if max_body_size is None else max_body_size
        self._env = dict(env or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Base URL, without a trailing slash."""
        return f"http://{_HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._process is None else self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

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

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start it and wait until it answers.

        Raises:
            InfluxServerError: The program is missing, ended, or did not answer.
        """
        if self.is_running:
            return
        if not self.binary.is_file():
            raise InfluxServerError(
                f"No InfluxDB server at {self.binary}; scripts/bootstrap influxdb "
                "fetches one"
            )
        # Else whoever listens there would answer in its place.
        if not _is_free(self.port):
            raise InfluxServerError(f"Port {self.port} is in use")
        config = self._write_config()
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.binary), "run", "-config", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._env},
                # Ctrl-C at a terminal is for whoever started it, who then stops it.
                start_new_session=True,
            )
        self._watchdog = _watch(self._process.pid)
        try:
            self._wait_until_up(timeout_s)
        except BaseException:
            self.kill()
            raise

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Stop it in an orderly way; kill it if that takes too long."""
        self._end(signal.SIGTERM, timeout_s)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL, STOP_TIMEOUT_S)

    def restart(self) -> None:
        """Stop it and start it again on the same port and data."""
        self.stop()
        self.start()

    def create_admin(self, username: str, password: str) -> None:
        """Create the first user, and use it in `query` and `write` from now on."""
        quoted = password.replace("\\", "\\\\").replace("'", "\\'")
        self.query(
            f"CREATE USER \"{username}\" WITH PASSWORD '{quoted}' WITH ALL PRIVILEGES"
        )
        self.credentials = (username, password)

    def query(
        self, influxql: str, db: str | None = None, *, epoch: str = "ns"
    ) -> dict[str, Any]:
        """Run statements and give the decoded answer.

        Raises:
            RuntimeError: A statement failed.
            urllib.error.URLError: There was no answer.
        """
        form = {"q": influxql, "epoch": epoch, **({"db": db} if db else {})}
        body = self._post("/query", urllib.parse.urlencode(form).encode())
        answer: dict[str, Any] = json.loads(body)
        for result in answer["results"]:
            if "error" in result:
                raise RuntimeError(result["error"])
        return answer

    def rows(self, influxql: str, db: str | None = None) -> list[list[Any]]:
        """Run one statement and give its rows, of all series one after another."""
        return [
            row
            for result in self.query(influxql, db)["results"]
            for series in result.get("series", ())
            for row in series.get("values", ())
        ]

    def write(self, lines: bytes | str, db: str) -> None:
        """Write line protocol with times in nanoseconds.

        Raises:
            RuntimeError: The server refused it, at least in part.
            urllib.error.URLError: There was no answer.
        """
        body = lines.encode() if isinstance(lines, str) else lines
        query = urllib.parse.urlencode({"db": db, "precision": "ns"})
        self._post(f"/write?{query}", body)

    def _post(self, path: str, body: bytes) -> bytes:
        headers = {}
        if self.credentials is not None:
            basic = base64.b64encode(":".join(self.credentials).encode()).decode()
            headers["Authorization"] = f"Basic {basic}"
        request = urllib.request.Request(
            f"{self.url}{path}", data=body, headers=headers, method="POST"
        )
        try:
            with _OPENER.open(request, timeout=60) as response:
                data: bytes = response.read()
        except urllib.error.HTTPError as err:
            # Read here: left open it holds the connection until it is collected.
            with err:
                words = err.read().decode(errors="replace").strip()
            raise RuntimeError(f"HTTP status {err.code}: {words}") from None
        return data

    def _write_config(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "influxd.conf"
        text = _CONFIG.format(
            host=_HOST,
            port=self.port,
            # Used for backups only, but it is opened always; its number is nobody's
            # business, so it may change with every start.
            rpc_port=free_port(),
            # A JSON text is a TOML text.
            meta=json.dumps(str(self.folder / "meta")),
            data=json.dumps(str(self.folder / "data")),
            wal=json.dumps(str(self.folder / "wal")),
            auth=str(self._auth).lower(),
            max_body_size=self._max_body_size,
        )
        path.write_text(text, encoding="utf-8")
        return path

    def _wait_until_up(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not self._is_up():
            if not self.is_running:
                raise InfluxServerError(f"influxd ended:\n{self._last_log()}")
            if time.monotonic() > deadline:
                raise InfluxServerError(
                    f"influxd does not answer after {timeout_s:g} s:\n"
                    f"{self._last_log()}"
                )
            time.sleep(_POLL_S)

    def _is_up(self) -> bool:
        try:
            with _OPENER.open(f"{self.url}/ping", timeout=1) as response:
                return "x-influxdb-version" in response.headers
        except OSError:
            return False

    def _end(self, signal_number: int, timeout_s: float) -> None:
        process, watchdog = self._process, self._watchdog
        self._process = self._watchdog = None
        try:
            if process is not None and process.poll() is None:
                process.send_signal(signal_number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout_s)
        finally:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
            # Only now: until here the server may still have to be killed.
            if watchdog is not None:
                _dismiss(watchdog)

    def _last_log(self) -> str:
        if not self.log_path.exists():
            return "(no log)"
        text = self.log_path.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-20:])


# Proxies of the environment are not for loopback.
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    """Give a port on loopback that nobody listens on right now.

    Not one that a connection that goes out could get until a server listens there.
    """
    # Any order will do in which two programs rarely meet.
    for port in random.sample(_PORTS, len(_PORTS)):
        if _is_free(port):
            return port
    raise InfluxServerError("All ports are in use")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server itself does: connections of the last run may linger.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
        return True


def _watch(pid: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", _WATCHDOG, "influxd-watchdog", str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _dismiss(watchdog: subprocess.Popen[bytes]) -> None:
    watchdog.kill()
    if watchdog.stdin is not None:
        watchdog.stdin.close()
    watchdog.wait()

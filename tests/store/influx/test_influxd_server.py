"""The real server that tests, `scripts/develop` and benchmarks start."""

from pathlib import Path
import signal
import subprocess
import sys
import textwrap
import time
import urllib.error

import pytest

from devlib.influxd import InfluxServer, InfluxServerError, free_port

SCRIPTS = Path(__file__).parent.parent.parent.parent / "scripts"


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_gone(pid: int, timeout_s: float = 5.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


def test_data_survives_stop_and_kill(influxd_binary: Path, tmp_path: Path) -> None:
    with InfluxServer(influxd_binary, tmp_path / "with space") as server:
        url = server.url
        server.query("CREATE DATABASE a")
        server.write("m value=1 1", "a")
        server.kill()
        assert not server.is_running
        with pytest.raises(urllib.error.URLError):
            server.query("SHOW DATABASES")
        server.start()
        server.write(b"m value=2 2", "a")
        server.restart()

        assert server.url == url
        assert server.rows("SELECT value FROM m", "a") == [[1, 1], [2, 2]]


def test_only_loopback_is_listened_on(influxd_binary: Path, tmp_path: Path) -> None:
    with InfluxServer(influxd_binary, tmp_path) as server:
        listening = {
            line.split()[1].partition(":")[0]
            for table in ("tcp", "tcp6")
            for line in Path(f"/proc/{server.pid}/net/{table}").read_text().splitlines()
            if f":{server.port:04X} " in line and line.split()[3] == "0A"
        }

    assert listening == {"0100007F"}


def test_credentials_are_asked_for(influxd_binary: Path, tmp_path: Path) -> None:
    with InfluxServer(influxd_binary, tmp_path, auth=True) as server:
        server.create_admin("admin", "it's \\ secret")
        server.query("CREATE DATABASE a")
        server.credentials = None

        with pytest.raises(RuntimeError, match="401"):
            server.query("SHOW DATABASES")


def test_failures_are_told(influxd_binary: Path, tmp_path: Path) -> None:
    with InfluxServer(
        influxd_binary,
        tmp_path,
        env={"INFLUXDB_HTTP_MAX_BODY_SIZE": "1000"},
    ) as server:
        with pytest.raises(RuntimeError, match="database not found"):
            server.query("SELECT value FROM m", "nowhere")
        with pytest.raises(RuntimeError, match="404"):
            server.write("m value=1 1", "nowhere")
        server.query("CREATE DATABASE a")
        with pytest.raises(RuntimeError, match="413"):
            server.write("m value=1 1\n" * 1_000, "a")


def test_a_server_that_cannot_start_says_why(
    influxd_binary: Path, tmp_path: Path
) -> None:
    with pytest.raises(InfluxServerError, match="scripts/bootstrap"):
        InfluxServer(tmp_path / "nothing", tmp_path).start()

    with (
        InfluxServer(influxd_binary, tmp_path / "first") as first,
        pytest.raises(InfluxServerError, match="is in use"),
    ):
        InfluxServer(influxd_binary, tmp_path / "second", port=first.port).start()


def test_what_the_server_logged_is_told(influxd_binary: Path, tmp_path: Path) -> None:
    env = {"INFLUXDB_DATA_INDEX_VERSION": "none"}

    with pytest.raises(InfluxServerError, match="unrecognized index"):
        InfluxServer(influxd_binary, tmp_path, env=env).start()


def test_one_that_does_not_answer_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "deaf"
    program.write_text("#!/bin/sh\ntrap '' TERM\nexec sleep 60\n")
    program.chmod(0o755)
    server = InfluxServer(program, tmp_path / "data")

    with pytest.raises(InfluxServerError, match="does not answer"):
        server.start(timeout_s=0.3)

    assert not server.is_running


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_it_does_not_outlive_whoever_started_it(
    influxd_binary: Path, tmp_path: Path, end: signal.Signals
) -> None:
    program = textwrap.dedent(f"""
        import pathlib, sys, time
        sys.path.insert(0, {str(SCRIPTS)!r})
        from devlib.influxd import InfluxServer
        server = InfluxServer(
            pathlib.Path({str(influxd_binary)!r}), pathlib.Path({str(tmp_path)!r})
        )
        server.start()
        print(server.pid, flush=True)
        time.sleep(60)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        was_alive = is_alive(pid)
        parent.send_signal(end)

    assert was_alive
    assert wait_until_gone(pid)


def test_ports_are_free() -> None:
    ports = {free_port() for _ in range(5)}

    assert all(1024 < port < 65_536 for port in ports)

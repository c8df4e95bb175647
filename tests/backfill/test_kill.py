"""A backfill of a real Home Assistant that is killed on its way."""

from collections.abc import Iterator
import json
from pathlib import Path
import time

import pytest

from custom_components.ha_ingestor.const import DOMAIN
from devlib.influxd import InfluxServer
from tests.conftest import entry_data
from tests.faults.home import ENTRY_ID, Home, stored_numbers, wait_until_stored

RATE = 800
STATE_COUNT = 10_000
WAIT_S = 60.0
# What is brought is to be seen before all of it is there.
OPTIONS = {"flush_interval_s": 0.05}


@pytest.fixture
def server(influxd_binary: Path, tmp_path: Path) -> Iterator[InfluxServer]:
    """A server of its own."""
    with InfluxServer(influxd_binary, tmp_path / "influxdb") as server:
        server.query('CREATE DATABASE "test"')
        yield server


@pytest.fixture
def home(tmp_path: Path, server: InfluxServer) -> Iterator[Home]:
    """A home that records."""
    home = Home(tmp_path / "home", entry_data(server), rate=RATE, options=OPTIONS)
    configuration = home.folder / "configuration.yaml"
    text = configuration.read_text(encoding="utf-8")
    configuration.write_text(f"{text}recorder:\n  commit_interval: 1\n", "utf-8")
    yield home
    home.close()


def queue_backfill(home: Home) -> None:
    """Leave a job on disk, as the action does."""
    name = f"{DOMAIN}.jobs.{ENTRY_ID}"
    job = {
        "job_id": "01JDKILLTEST0000000000000",
        "kind": "backfill",
        "status": "queued",
        "parameters": {
            "entity_ids": None,
            "start_s": 0.0,
            "end_s": time.time(),
            "has_statistics": True,
            "is_dry_run": False,
            "is_automatic": False,
        },
        "checkpoint": None,
        "progress": 0.0,
        "counts": {},
        "problems": [],
        "error": None,
        "created_at": "2026-11-20T00:00:00+00:00",
        "started_at": None,
        "ended_at": None,
    }
    document = {"version": 1, "minor_version": 1, "key": name, "data": {"jobs": [job]}}
    (home.folder / ".storage" / name).write_text(json.dumps(document), "utf-8")


def count_until(server: InfluxServer, wanted: int) -> int:
    """Wait until there are so many points; returns how many there are then."""
    wait_until_stored(server, wanted, WAIT_S)
    return len(stored_numbers(server))


def test_killed_on_its_way(home: Home, server: InfluxServer) -> None:
    home.start()
    deadline = time.monotonic() + WAIT_S
    while home.fired_count() < STATE_COUNT:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    home.stop_load()
    live = sorted(home.fired())
    assert count_until(server, len(live)) == len(live)
    home.stop()
    server.query('DROP DATABASE "test"')
    server.query('CREATE DATABASE "test"')
    queue_backfill(home)
    # From here on only the past counts; the load goes on with higher numbers.
    configuration = home.folder / "configuration.yaml"
    text = configuration.read_text(encoding="utf-8")
    configuration.write_text(text.replace(f"rate: {RATE}", "rate: 5"), "utf-8")
    home.start()
    deadline = time.monotonic() + WAIT_S
    while not any(number < len(live) for number in stored_numbers(server)):
        assert time.monotonic() < deadline
    home.kill()
    reached = [number for number in stored_numbers(server) if number < len(live)]
    assert 0 < len(reached) < len(live)
    home.start()
    wait_until_stored(server, len(live), WAIT_S)
    deadline = time.monotonic() + WAIT_S
    while not home.log_lines("(backfill) finished"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1.5)
    home.stop()
    stored = [number for number in stored_numbers(server) if number < len(live)]
    assert stored == live
    assert home.own_errors() == []

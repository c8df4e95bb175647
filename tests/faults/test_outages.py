"""The plug is pulled: a real Home Assistant, a real InfluxDB, an exact count.

Not in a hurry on purpose: the outages last as long as those that people have.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
import time

import pytest

from devlib.influxd import InfluxServer
from tests.conftest import entry_data
from tests.faults.home import Home, stored_numbers, wait_until_stored

RATE = 200
# What kill -9 may cost.
MAX_LOST_S = 0.25
# The longest pause between two tries, and time to catch up.
RECOVERY_S = 60.0


@pytest.fixture
def server(influxd_binary: Path, tmp_path: Path) -> Iterator[InfluxServer]:
    """A server of its own, which the test may kill."""
    server = InfluxServer(influxd_binary, tmp_path / "influxdb")
    server.start()
    server.query('CREATE DATABASE "test"')
    yield server
    server.stop()


@pytest.fixture
def make_home(tmp_path: Path, server: InfluxServer) -> Iterator[Callable[[], Home]]:
    """Make the home under test."""
    homes: list[Home] = []

    def make() -> Home:
        home = Home(
            tmp_path / "home", entry_data(server, store="test"), rate=RATE, options={}
        )
        homes.append(home)
        return home

    yield make
    for home in homes:
        home.close()


def assert_nothing_lost_or_doubled(home: Home, server: InfluxServer) -> None:
    fired = home.fired()
    wait_until_stored(server, len(fired), RECOVERY_S)
    assert stored_numbers(server) == sorted(fired)


def test_database_killed_for_a_minute(
    make_home: Callable[[], Home], server: InfluxServer
) -> None:
    home = make_home()
    home.start()
    time.sleep(5)
    server.kill()
    time.sleep(60)
    server.start()
    time.sleep(5)
    home.stop_load()
    assert_nothing_lost_or_doubled(home, server)
    assert len(home.fired()) > 60 * RATE
    # One line for the loss, one for the return.
    assert len(home.log_lines("Cannot write to InfluxDB")) == 1
    assert len(home.log_lines("Writing to InfluxDB again")) == 1
    assert home.own_errors() == []
    home.stop()


def test_database_down_at_start(
    make_home: Callable[[], Home], server: InfluxServer
) -> None:
    server.kill()
    home = make_home()
    home.start()
    time.sleep(30)
    server.start()
    home.stop_load()
    assert_nothing_lost_or_doubled(home, server)
    assert len(home.fired()) > 25 * RATE
    assert home.own_errors() == []
    home.stop()


def test_killed_in_the_middle_of_an_outage(
    make_home: Callable[[], Home], server: InfluxServer
) -> None:
    home = make_home()
    home.start()
    time.sleep(5)
    server.kill()
    time.sleep(12)
    home.kill()
    before = home.fired()
    killed_at = max(before.values())
    home.start()
    time.sleep(5)
    server.start()
    home.stop_load()
    fired = home.fired()
    # All but what the kill has cost.
    wait_until_stored(server, len(fired) - int(MAX_LOST_S * RATE), RECOVERY_S)
    time.sleep(2)
    stored = stored_numbers(server)
    assert len(stored) == len(set(stored))
    lost = set(fired) - set(stored)
    assert [
        at for number in lost if (at := fired[number]) < killed_at - MAX_LOST_S
    ] == []
    assert [number for number in lost if number not in before] == []
    assert set(stored) <= set(fired)
    home.stop()


def test_orderly_stop_takes_everything_along(
    make_home: Callable[[], Home], server: InfluxServer
) -> None:
    home = make_home()
    home.start()
    time.sleep(8)
    home.stop_load()
    home.stop()
    assert stored_numbers(server) == sorted(home.fired())


def test_orderly_stop_in_an_outage_keeps_everything(
    make_home: Callable[[], Home], server: InfluxServer
) -> None:
    home = make_home()
    home.start()
    time.sleep(5)
    server.kill()
    time.sleep(5)
    home.stop()
    server.start()
    home.start()
    home.stop_load()
    assert_nothing_lost_or_doubled(home, server)
    home.stop()

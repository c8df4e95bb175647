"""A real Home Assistant and a real InfluxDB, each of which a test may stop.

Not in a hurry on purpose: the outages last as long as those that people have. The
tests are in several files, which run beside each other.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devlib.influxd import InfluxServer
from tests.conftest import entry_data
from tests.faults.home import Home
from tests.faults.outages.kit import RATE


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

"""The plug of InfluxDB is pulled: an exact count."""

from collections.abc import Callable
import time

from devlib.influxd import InfluxServer
from tests.faults.home import Home
from tests.faults.outages.kit import (
    RATE,
    assert_nothing_lost_or_doubled,
)


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

"""Home Assistant stops in order, with and without InfluxDB: an exact count."""

from collections.abc import Callable
import time

from devlib.influxd import InfluxServer
from tests.faults.home import Home, stored_numbers
from tests.faults.outages.kit import (
    assert_nothing_lost_or_doubled,
)


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

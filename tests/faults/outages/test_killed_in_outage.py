"""Home Assistant is killed while InfluxDB is away: an exact count."""

from collections.abc import Callable
import time

from devlib.influxd import InfluxServer
from tests.faults.home import Home, stored_numbers, wait_until_stored
from tests.faults.outages.kit import (
    RATE,
    RECOVERY_S,
)

# What kill -9 may cost.
MAX_LOST_S = 0.25


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

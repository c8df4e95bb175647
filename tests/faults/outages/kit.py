"""What the tests of outages share."""

from devlib.influxd import InfluxServer
from tests.faults.home import Home, stored_numbers, wait_until_stored

RATE = 200
# The longest pause between two tries, and time to catch up.
RECOVERY_S = 60.0


def assert_nothing_lost_or_doubled(home: Home, server: InfluxServer) -> None:
    """Compare what was fired with what is stored, number by number."""
    fired = home.fired()
    wait_until_stored(server, len(fired), RECOVERY_S)
    assert stored_numbers(server) == sorted(fired)

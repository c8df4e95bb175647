"""The database seen from outside: what is stored, and since when."""

import json
import time
from typing import Any, Final
import urllib.request

from devlib.influxd import InfluxServer

_TIMEOUT_S: Final = 60.0
# Proxies of the environment are not for loopback.
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# Often enough for a latency of a tenth of a second, seldom enough to leave the
# server alone: a query of this size costs it about two milliseconds.
_POLL_S: Final = 0.02
# For answers that cost the server more.
_SLOW_POLL_S: Final = 0.5
# The events of one flush may reach the database out of order by this much.
_OVERLAP_NS: Final = 2_000_000_000
# Past this nothing more is coming: core's integration holds a batch for 20 s at
# five events a second, and forgets events that have waited for 30 s. Ours tries
# again after 30 s at the latest.
PATIENCE_S: Final = 45.0


class Database:
    """One database of an InfluxDB 1.x server."""

    def __init__(self, server: InfluxServer, name: str) -> None:
        """Create it, empty."""
        self.name = name
        self.port = server.port
        self._server = server
        server.query(f'CREATE DATABASE "{name}"')

    def accepted_count(self) -> int:
        """Count the points that the server has taken since it started.

        Cheap, so it can be asked often; rewritten points count again, so it is
        only a hint that counting is worth while.
        """
        with _OPENER.open(
            f"{self._server.url}/debug/vars", timeout=_TIMEOUT_S
        ) as answer:
            variables: dict[str, Any] = json.load(answer)
        return sum(
            shard["values"]["writePointsOk"]
            for shard in variables.values()
            if isinstance(shard, dict)
            and shard.get("name") == "shard"
            and shard["tags"]["database"] == self.name
        )

    def stored_count(self, since_ns: int) -> int:
        """Count the states stored with a time since then."""
        rows = self._server.rows(
            f'SELECT count("value") FROM /.*/ WHERE time >= {since_ns}',  # noqa: S608
            self.name,
        )
        return sum(row[1] for row in rows)

    def values_since(self, since_ns: int) -> list[tuple[int, float]]:
        """List the states stored with a later time: Unix nanoseconds and value."""
        rows = self._server.rows(
            f'SELECT "value" FROM /.*/ WHERE time > {since_ns}',  # noqa: S608
            self.name,
        )
        return [(row[0], row[1]) for row in rows if row[1] is not None]

    def wait_for_count(
        self, *, count: int, since_ns: int, patience_s: float = PATIENCE_S
    ) -> tuple[int, int]:
        """Wait until as many states are stored.

        Gives up when nothing has arrived for a while.

        Returns:
            When the last of them arrived, in Unix nanoseconds, and how many are
            stored.
        """
        deadline = time.monotonic() + max(PATIENCE_S, patience_s)
        accepted = -1
        latest_ns = time.time_ns()
        while True:
            now_accepted = self.accepted_count()
            if now_accepted != accepted:
                accepted = now_accepted
                latest_ns = time.time_ns()
                deadline = time.monotonic() + patience_s
            is_over = time.monotonic() > deadline
            # Counting costs the server; it is only done when it can be enough.
            if accepted >= count or is_over:
                stored = self.stored_count(since_ns)
                if stored >= count or is_over:
                    return latest_ns, stored
            time.sleep(_POLL_S)

    def wait_for_more(self, accepted: int, *, patience_s: float) -> int | None:
        """Wait until the server has taken more points than so many.

        Returns:
            When that was, in Unix nanoseconds; None if it did not in this time.
        """
        deadline = time.monotonic() + patience_s
        while self.accepted_count() <= accepted:
            if time.monotonic() > deadline:
                return None
            time.sleep(_POLL_S)
        return time.time_ns()

    def wait_for_numbers(
        self, *, count: int, since_ns: int, patience_s: float
    ) -> list[int]:
        """Wait until the changes 1 to `count` are stored; return those that are.

        The n-th change has the value n + 0.5. Gives up when nothing has arrived for
        a while. A change that is stored twice is returned twice.
        """
        numbers: list[int] = []
        deadline = time.monotonic() + patience_s
        while len(set(numbers)) < count and time.monotonic() < deadline:
            time.sleep(_SLOW_POLL_S)
            # The states of the home at its start have no part in this.
            now = [int(value) for _, value in self.values_since(since_ns) if value >= 1]
            if len(now) != len(numbers):
                deadline = time.monotonic() + patience_s
            numbers = now
        return numbers

    def watch_values(
        self, begun_ns: int, *, count: int, seconds: float
    ) -> dict[int, int]:
        """Note when each change can first be queried, in Unix nanoseconds.

        The n-th change has the value n + 0.5.
        """
        seen_ns: dict[int, int] = {}
        newest_ns = begun_ns + _OVERLAP_NS
        deadline = time.monotonic() + seconds + PATIENCE_S / 2
        while len(seen_ns) < count and time.monotonic() < deadline:
            rows = self.values_since(newest_ns - _OVERLAP_NS)
            now_ns = time.time_ns()
            for time_ns, value in rows:
                newest_ns = max(newest_ns, time_ns)
                # The states of the home at its start have no part in this.
                if value >= 1:
                    seen_ns.setdefault(int(value), now_ns)
            time.sleep(_POLL_S)
        return seen_ns

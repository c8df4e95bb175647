"""The database seen from outside: what is stored, and since when."""

import json
from typing import Any, Final
import urllib.request

from devlib.influxd import InfluxServer

_TIMEOUT_S: Final = 30.0
# Proxies of the environment are not for loopback.
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Database:
    """One database of an InfluxDB 1.x server."""

    def __init__(self, server: InfluxServer, name: str) -> None:
        """Create it, empty."""
        self.name = name
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

"""What InfluxDB holds, asked over the v1 API that all its generations share.

Independent of the integration: what checks it must not share its mistakes.
"""

import json
from typing import Any, Final, Self

import aiohttp

from .settings import DevelopError, InfluxTarget

_TIMEOUT_S: Final = 60.0

# Columns of one stored point, tags and fields alike; absent ones left out.
type StoredPoint = dict[str, Any]


class StoredPoints:
    """Reads what a run has stored; use as a context manager."""

    def __init__(self, target: InfluxTarget, since_ns: int) -> None:
        """Look at nothing that is older than the run."""
        self._target = target
        self._since_ns = since_ns
        credentials = target.credentials
        self._session = aiohttp.ClientSession(
            auth=aiohttp.BasicAuth(*credentials) if credentials else None,
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def of_entity(self, entity_id: str) -> list[StoredPoint]:
        """Return the points of an entity, oldest first; of all its series.

        Every row counts: the same time in two series is two points.
        """
        return await self._select(
            'SELECT * FROM "home_assistant_events" '
            'WHERE "entity_id" = $entity_id AND time >= $since',
            entity_id=entity_id,
        )

    async def of_activity(self) -> list[StoredPoint]:
        """Return what was done: action calls, registry changes and the like."""
        return await self._select(
            'SELECT * FROM "home_assistant_activity" WHERE time >= $since'
        )

    async def of_measurement(self, measurement: str) -> list[StoredPoint]:
        """Return the points of a measurement, whenever their time is."""
        return await self._select(f'SELECT * FROM "{measurement}"')  # noqa: S608

    async def count_by_entity(self) -> dict[str, int]:
        """Return the number of points of every entity."""
        answer = await self._query(
            'SELECT count("state") FROM "home_assistant_events" '
            'WHERE time >= $since GROUP BY "entity_id"'
        )
        return {
            series["tags"]["entity_id"]: series["values"][0][1]
            for series in answer.get("series", [])
        }

    async def _select(self, statement: str, **bound: str) -> list[StoredPoint]:
        answer = await self._query(statement, **bound)
        return [
            {
                column: value
                for column, value in zip(series["columns"], values, strict=True)
                if value is not None
            }
            for series in answer.get("series", [])
            for values in series["values"]
        ]

    async def _query(self, statement: str, **bound: str) -> dict[str, Any]:
        async with self._session.get(
            f"{self._target.url}/query",
            params={
                "db": self._target.store,
                "epoch": "ns",
                "q": statement,
                "params": json.dumps({**bound, "since": self._since_ns}),
            },
            headers={"Accept": "application/json"},
        ) as response:
            text = await response.text()
        try:
            answer = json.loads(text)
            result: dict[str, Any] = answer["results"][0]
        except (ValueError, KeyError, IndexError, TypeError) as err:
            raise DevelopError(
                f"InfluxDB answers {response.status} to a query: {text[:500]}"
            ) from err
        if "error" in result:
            raise DevelopError(f"InfluxDB refuses a query: {result['error']}")
        return result

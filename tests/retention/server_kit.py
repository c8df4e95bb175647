"""What the tests of moving rows share: stores on a real server, rows in them."""

from collections.abc import Iterable
from typing import Any

from custom_components.ha_ingestor.models import FieldValue, Point
from custom_components.ha_ingestor.retention.ledger import Ledger
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.windows import NS_PER_DAY, NS_PER_S
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from custom_components.ha_ingestor.store.line_protocol import format_point
from devlib.influxd import InfluxServer

RAW = Ledger(tier=Tier.RAW, measurement="home_assistant_events")
HOURLY = Ledger(tier=Tier.HOURLY, measurement="hourly_aggregates")
HOUR = 3_600 * NS_PER_S
# 2026-03-01, UTC.
DAY = 20_513 * NS_PER_DAY


def target_of(server: InfluxServer, store: str = "test") -> Target:
    """The target of a hub on a server."""
    return Target(
        api_version=ApiVersion.V1, host="127.0.0.1", port=server.port, store=store
    )


def event(
    entity_id: str, time_ns: int, *, area: str | None = "Kitchen", **fields: FieldValue
) -> Point:
    """One row of an entity."""
    tags = {"entity_id": entity_id, **({} if area is None else {"area": area})}
    return Point(
        measurement=RAW.measurement,
        tags=tags,
        fields=fields or {"value": 1.0, "state": "1.0"},
        time_ns=time_ns,
    )


def put(server: InfluxServer, points: Iterable[Point], store: str = "test") -> None:
    """Write points."""
    server.write("".join(f"{format_point(point)}\n" for point in points), store)


def stored(server: InfluxServer, measurement: str, store: str) -> list[dict[str, Any]]:
    """Return all rows of a measurement, tags and fields by name, oldest first."""
    answer = server.query(f'SELECT * FROM "{measurement}"', store)
    return [
        {
            name: value
            for name, value in zip(series["columns"], row, strict=True)
            if value is not None
        }
        for result in answer["results"]
        for series in result.get("series", ())
        for row in series["values"]
    ]


def day_of_events(
    entities: Iterable[str], day_ns: int = DAY, *, per_hour: int = 2
) -> list[Point]:
    """Rows of entities, spread over all hours of a UTC day."""
    return [
        event(
            entity_id,
            day_ns + hour * HOUR + i * 60 * NS_PER_S,
            value=float(hour + i),
            state=str(hour + i),
        )
        for entity_id in entities
        for hour in range(24)
        for i in range(per_hour)
    ]

"""A home whose rows are in all tiers and proven, for the tests of views."""

from collections.abc import Iterable, Sequence
import datetime as dt
import itertools
from typing import Any, Final
from zoneinfo import ZoneInfo

from custom_components.ha_ingestor.const import MEASUREMENT_EVENTS
from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.checkpoint import Checkpoint
from custom_components.ha_ingestor.retention.ledger import Ledger
from custom_components.ha_ingestor.retention.ledgers import EVENTS_LEDGER, HOURLY_LEDGER
from custom_components.ha_ingestor.retention.rows import Aggregate
from custom_components.ha_ingestor.retention.spans import Span
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.transfer import write_points
from custom_components.ha_ingestor.retention.windows import (
    Resolution,
    to_ns,
    window_at,
    windows_between,
)
from custom_components.ha_ingestor.retention.work import Work
from custom_components.ha_ingestor.store.query import Row
from custom_components.ha_ingestor.views.manager import ViewManager
from devlib.influxd import InfluxServer
from tests.retention.kit import HOUR, Chain
from tests.retention.server_kit import stored

BERLIN: Final = ZoneInfo("Europe/Berlin")
_RESOLUTIONS: Final = {Resolution.HOUR: Tier.HOURLY, Resolution.DAY: Tier.DAILY}


def local(*parts: int, zone: dt.tzinfo = BERLIN, fold: int = 0) -> int:
    """An instant by the clock at home."""
    return to_ns(dt.datetime(*parts, tzinfo=zone, fold=fold))  # type: ignore[arg-type,misc]


def motion(
    entity_id: str, area: str | None = "Hall", device_class: str = "motion"
) -> dict[str, str]:
    """Tags of a sensor that sees people."""
    return {
        "entity_id": f"binary_sensor.{entity_id}",
        "domain": "binary_sensor",
        "device_class": device_class,
        **({} if area is None else {"area": area}),
    }


def work() -> Work:
    """A run that never rests."""
    return Work(share=1.0)


class House:
    """Fills the stores as the downsampling would, from raw rows.

    Args:
        feeds: Views to open again where a window is verified.
    """

    def __init__(
        self,
        influxdb: InfluxServer,
        stores: TierStores,
        checkpoint: Checkpoint,
        *,
        zone: dt.tzinfo = BERLIN,
    ) -> None:
        self.influxdb = influxdb
        self.stores = stores
        self.checkpoint = checkpoint
        self.zone = zone
        self.rows: list[Row] = []
        self.home_entities: tuple[str, ...] | None = ()
        self.views = ViewManager(
            stores, checkpoint, zone=zone, home_entities=lambda: self.home_entities
        )

    def put(self, rows: Iterable[Row]) -> None:
        """Write raw rows."""
        rows = list(rows)
        self.rows += rows
        write_points(
            self.stores.client(Tier.RAW),
            (
                Point(
                    measurement=MEASUREMENT_EVENTS,
                    tags=row.tags,
                    fields=row.fields,
                    time_ns=row.time_ns,
                )
                for row in rows
            ),
        )

    def aggregate(self, start_ns: int, end_ns: int) -> None:
        """Aggregate and verify the hours of a span, and the whole days of it."""
        for _, group in itertools.groupby(
            sorted(self.rows, key=lambda row: row.tags["entity_id"]),
            key=lambda row: row.tags["entity_id"],
        ):
            chain = Chain(list(group), zone=self.zone)
            chain.run(start_ns, end_ns)
            self.write(hour for hour in chain.hours.values())
            self.write(
                chain.roll_up(day)
                for day in windows_between(Resolution.DAY, start_ns, end_ns, self.zone)
                if start_ns <= day.start_ns and day.end_ns <= end_ns
            )
        self.verify(EVENTS_LEDGER, (start_ns, end_ns), Resolution.HOUR)
        self.verify(HOURLY_LEDGER, (start_ns, end_ns), Resolution.DAY)

    def write(self, aggregates: Iterable[Aggregate | None]) -> None:
        """Write aggregates of one resolution."""
        known = [one for one in aggregates if one is not None]
        for resolution, tier in _RESOLUTIONS.items():
            write_points(
                self.stores.client(tier),
                (
                    one.to_point()
                    for one in known
                    if one.window.resolution is resolution
                ),
            )

    def verify(self, ledger: Ledger, span: Span, resolution: Resolution) -> None:
        """Record that the whole windows of a span are proven."""
        for window in windows_between(resolution, *span, self.zone):
            if span[0] <= window.start_ns and window.end_ns <= span[1]:
                self.checkpoint.add_verified(
                    ledger,
                    (window.start_ns, window.end_ns),
                    counts={},
                    mark=self.checkpoint.dirty_mark(),
                    feeds=self.views.feeds(ledger),
                )

    def source(
        self,
        measurement: str,
        tags: dict[str, str],
        tier: Tier,
        rows: Sequence[tuple[int, dict[str, Any]]],
    ) -> None:
        """Write aggregates of a source's field."""
        write_points(
            self.stores.client(tier),
            [
                Point(measurement=measurement, tags=tags, fields=fields, time_ns=at_ns)
                for at_ns, fields in rows
            ],
        )

    def stored(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a view."""
        return stored(self.influxdb, name, "test_daily")


def hour_of(at_ns: int, zone: dt.tzinfo = BERLIN) -> int:
    """Start of the hour that an instant lies in."""
    return window_at(Resolution.HOUR, at_ns, zone).start_ns


__all__ = ["BERLIN", "HOUR", "House", "hour_of", "local", "motion", "work"]

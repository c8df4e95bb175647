"""A home whose rows are downsampled: stores on a real server, and what they hold."""

from collections.abc import Iterable, Mapping, Sequence
import datetime as dt
from pathlib import Path
from typing import Self

from custom_components.ha_ingestor.models import Fields, FieldValue, Point
from custom_components.ha_ingestor.retention.checkpoint import Checkpoint
from custom_components.ha_ingestor.retention.downsample import (
    Downsampler,
    DownsampleResult,
)
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.retention.stream import RowStream
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.transfer import write_points
from custom_components.ha_ingestor.retention.windows import (
    Resolution,
    Window,
    windows_between,
)
from custom_components.ha_ingestor.retention.work import Work
from custom_components.ha_ingestor.store.influx.target import Target
from custom_components.ha_ingestor.store.query import Row
from tests.retention.kit import UTC, disagreements
from tests.retention.reference import Reference, scale_of

EVENTS = "home_assistant_events"
ACTIVITY = "home_assistant_activity"
MAX_CARRY = dt.timedelta(days=7)

type Stored = dict[tuple[str, int], Row]


def points_of(rows: Iterable[Row], measurement: str = EVENTS) -> list[Point]:
    """Rows as points of a measurement."""
    return [
        Point(
            measurement=measurement,
            tags=row.tags,
            fields=row.fields,
            time_ns=row.time_ns,
        )
        for row in rows
    ]


def sign(kind: str, time_ns: int) -> Point:
    """What Home Assistant's own start or stop is stored as."""
    return Point(
        measurement=ACTIVITY,
        tags={"event_type": f"homeassistant_{kind}"},
        fields={"context_id": "01"},
        time_ns=time_ns,
    )


class Home:
    """The stores of one hub and its record of progress."""

    def __init__(
        self, target: Target, folder: Path, zone: dt.tzinfo = UTC, **stores: object
    ) -> None:
        self.zone = zone
        self.stores = TierStores(target, **stores)  # type: ignore[arg-type]
        self.checkpoint = Checkpoint(folder / f"{target.store}.db")

    def __enter__(self) -> Self:
        self.stores.ensure()
        self.checkpoint.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.checkpoint.close()
        self.stores.close()

    def write(self, points: Iterable[Point], tier: Tier = Tier.RAW) -> None:
        """Write points as they are."""
        write_points(self.stores.client(tier), points)

    def write_rows(self, rows: Iterable[Row]) -> None:
        """Write events."""
        self.write(points_of(rows))

    def downsampler(self, work: Work | None = None, **options: object) -> Downsampler:
        """A new one, as every run has."""
        return Downsampler(
            self.stores,
            self.checkpoint,
            zone=self.zone,
            work=work or Work(share=1),
            **options,  # type: ignore[arg-type]
        )

    def hours(self, until_ns: int) -> DownsampleResult:
        """Make the hours."""
        return self.downsampler().hours(until_ns=until_ns)

    def days(self, until_ns: int) -> DownsampleResult:
        """Make the days."""
        return self.downsampler().days(until_ns=until_ns)

    def hour_by_hour(self, start_ns: int, until_ns: int) -> None:
        """Make each hour as soon as it is over."""
        for window in windows_between(Resolution.HOUR, start_ns, until_ns, self.zone):
            self.hours(window.end_ns)

    def stored(
        self, tier: Tier, measurement: str, by: Sequence[str] = ("entity_id",)
    ) -> Stored:
        """Return the rows of a tier by series and time."""
        stream = RowStream(self.stores.client(tier), measurement)
        return {
            (
                ",".join(dict(piece.key).get(tag, "") for tag in by),
                row.time_ns,
            ): Row(time_ns=row.time_ns, tags=dict(piece.key), fields=row.fields)
            for piece in stream.read(0, (1 << 62))
            for row in piece.rows
        }

    def hourly(self) -> Stored:
        """Return the hours of entities."""
        return self.stored(Tier.HOURLY, "hourly_aggregates")

    def daily(self) -> Stored:
        """Return the days of entities."""
        return self.stored(Tier.DAILY, "daily_aggregates")


def expected(
    rows: Sequence[Row],
    windows: Iterable[Window],
    zone: dt.tzinfo,
    interruptions: Iterable[int] = (),
) -> dict[tuple[str, int], tuple[Fields, Mapping[str, str]]]:
    """Work out what is to be stored of entities, from all of their rows."""
    found: dict[tuple[str, int], tuple[Fields, Mapping[str, str]]] = {}
    windows = list(windows)
    for entity_id in {row.tags["entity_id"] for row in rows}:
        own = [row for row in rows if row.tags["entity_id"] == entity_id]
        reference = Reference(own, zone, MAX_CARRY)
        for at_ns in interruptions:
            reference.ends_ns = [
                min(end_ns, at_ns) if row.time_ns <= at_ns else end_ns
                for row, end_ns in zip(reference.rows, reference.ends_ns, strict=True)
            ]
        for window in windows:
            if (fields := reference.fields(window)) is not None:
                found[entity_id, window.start_ns] = fields, reference.tags(window)
    return found


def differing(
    stored: Stored,
    wanted: Mapping[tuple[str, int], tuple[Fields, Mapping[str, str]]],
    rows: Sequence[Row],
) -> dict[tuple[str, int], object]:
    """Compare what is stored with what should be."""
    scale = max(1.0, scale_of(rows))
    wrong: dict[tuple[str, int], object] = {}
    for key in {*stored, *wanted}:
        row, (fields, tags) = stored.get(key), wanted.get(key, (None, {}))
        found: Mapping[str, tuple[FieldValue | None, FieldValue | None]]
        found = disagreements(row and row.fields, fields, scale)
        if found:
            wrong[key] = found
        elif row is not None and row.tags != tags:
            wrong[key] = row.tags, tags
    return wrong

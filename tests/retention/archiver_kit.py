"""What the tests of whole archive runs share: daily rows, a place, a run."""

from collections.abc import Callable, Collection, Iterable
import datetime as dt
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from custom_components.ha_ingestor.models import FieldValue, Point
from custom_components.ha_ingestor.retention.archive_place import ArchivePlace
from custom_components.ha_ingestor.retention.archiver import Archiver
from custom_components.ha_ingestor.retention.checkpoint import Checkpoint
from custom_components.ha_ingestor.retention.files import ArchiveFiles
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.retention.tiers import Ages, Tier
from custom_components.ha_ingestor.retention.windows import day_window, to_ns
from custom_components.ha_ingestor.retention.work import Work

BERLIN: Final = ZoneInfo("Europe/Berlin")
# A Sunday; with an age of 30 days all UTC days to April 4th are due.
NOW: Final = dt.datetime(2026, 5, 5, 1, tzinfo=dt.UTC)
NOW_NS: Final = to_ns(NOW)
AGES: Final = Ages(
    raw=dt.timedelta(days=7),
    hourly=dt.timedelta(days=14),
    daily=dt.timedelta(days=30),
)
# With the day on which clocks are set forward.
FIRST: Final = dt.date(2026, 3, 26)
LAST: Final = dt.date(2026, 4, 8)
DUE: Final = dt.date(2026, 4, 4)

# What a store may hold, and a file has to give back to the bit.
STRANGE: Final[dict[str, FieldValue]] = {
    "avg_value": 1.7976931348623157e308,
    "min_value": 5e-324,
    "max_value": 9_007_199_254_740_993.0,
    "last_state": 'Grüße, "漢字" 🌞\\ , = x',
    "state_durations": '{"on": 1.5, "off": 2}' * 400,
    "ends_unknown": True,
}


def days_between(first: dt.date = FIRST, last: dt.date = LAST) -> list[dt.date]:
    """List the dates from the first to the last."""
    return [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]


def start_of(date: dt.date, zone: dt.tzinfo = BERLIN) -> int:
    """First instant of a local date."""
    window = day_window(date, zone)
    assert window is not None
    return window.start_ns


def daily_rows(
    dates: Iterable[dt.date],
    *,
    zone: dt.tzinfo = BERLIN,
    entities: int = 3,
    area: str = "Küche, oben",
) -> list[Point]:
    """Daily aggregates of some entities, and of a source."""
    points = []
    for date in dates:
        time_ns = start_of(date, zone)
        points += [
            Point(
                measurement="daily_aggregates",
                tags={"entity_id": f"sensor.s{number}", "area": area},
                fields={
                    "avg_value": date.toordinal() / 7 + number,
                    "sample_count": float(number),
                    **(STRANGE if number == 1 else {}),
                },
                time_ns=time_ns,
            )
            for number in range(entities)
        ]
        points.append(
            Point(
                measurement="carbon_intensity",
                tags={"region": "DE", "field": "carbon_intensity_gco2_kwh"},
                fields={"avg_value": float(date.day)},
                time_ns=time_ns,
            )
        )
    return points


def work() -> Work:
    """A run that never rests."""
    return Work(share=1.0)


def place(files: ArchiveFiles, folder: Path, **changes: Any) -> ArchivePlace:
    """The archive of the tests."""
    values: dict[str, Any] = {"prefix": "homes", "hub": "01HUB"}
    return ArchivePlace(files=files, folder=folder / "work", **(values | changes))


def archiver(
    stores: TierStores,
    checkpoint: Checkpoint,
    where: ArchivePlace,
    *,
    tiers: Collection[Tier] = (),
    now_ns: int = NOW_NS,
    of: Work | None = None,
    zone: dt.tzinfo = BERLIN,
    settled_until_ns: Callable[[], int] | None = None,
) -> Archiver:
    """A run on a fixed day."""
    return Archiver(
        stores,
        checkpoint,
        where,
        zone=zone,
        work=of or work(),
        now_ns=lambda: now_ns,
        settled_until_ns=settled_until_ns,
        tiers=tiers,
    )

"""Where every row is, asked of the server itself: nothing may be lost, or in two."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
import datetime as dt
from typing import Final

from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.checkpoint import Checkpoint, count_row
from custom_components.ha_ingestor.retention.ledger import Ledger
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.retention.stream import RowStream
from custom_components.ha_ingestor.retention.windows import (
    NS_PER_DAY,
    Resolution,
    Window,
    window_at,
    windows_between,
)
from devlib.influxd import InfluxServer
from tests.retention.server_kit import RAW, stored

# What a row of a window is known by: entity and start of the window.
type _Place = tuple[str, int]

HOURLY_STORE: Final = "test_hourly"
DAILY_STORE: Final = "test_daily"


def verify(
    stores: TierStores,
    checkpoint: Checkpoint,
    ledger: Ledger,
    windows: Iterable[Window],
) -> None:
    """Record windows as verified, as a job does after it has compared them."""
    stream = RowStream(stores.client(ledger.tier), ledger.measurement)
    for window in windows:
        mark = checkpoint.dirty_mark()
        counts: dict[int, int] = {}
        for piece in stream.read(window.start_ns, window.end_ns):
            for row in piece.rows:
                count_row(counts, row)
        span = (window.start_ns, window.end_ns)
        checkpoint.add_verified(ledger, span, counts=counts, mark=mark)


def verify_days(
    stores: TierStores,
    checkpoint: Checkpoint,
    ledger: Ledger,
    start_ns: int,
    *,
    days: int = 1,
    resolution: Resolution = Resolution.HOUR,
    zone: dt.tzinfo = dt.UTC,
) -> None:
    """Record all windows of some UTC days as verified."""
    verify(
        stores,
        checkpoint,
        ledger,
        windows_between(resolution, start_ns, start_ns + days * NS_PER_DAY, zone),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the rows of events are.

    Attributes:
        raw: Times of raw rows.
        late: The same, of rows that were moved aside.
        hourly: Rows that an hourly aggregate was made from.
        daily: The same, daily.
    """

    raw: dict[str, set[int]]
    late: dict[str, set[int]]
    hourly: dict[_Place, int]
    daily: dict[_Place, int]


def read_places(server: InfluxServer) -> Places:
    """Ask a server where the rows are."""
    return Places(
        raw=_times(server, RAW.measurement, "test"),
        late=_times(server, "late_events", DAILY_STORE),
        hourly=_row_counts(server, "hourly_aggregates", HOURLY_STORE),
        daily=_row_counts(server, "daily_aggregates", DAILY_STORE),
    )


def misplaced(
    server: InfluxServer, written: Iterable[Point], *, zone: dt.tzinfo = dt.UTC
) -> list[str]:
    """Say which of the rows that were written are nowhere, or not as they should be.

    All raw rows of an entity's hour are there, or its hourly row was made from as
    many; or the daily row was, from as many as all of its day. Of an hour that reaches
    over midnight of UTC the rows of one side may be gone. Rows that were moved
    aside as late count as never written, unless they are in an aggregate as well.
    """
    places = read_places(server)
    hours: defaultdict[_Place, set[int]] = defaultdict(set)
    for point in written:
        entity_id = point.tags["entity_id"]
        window = window_at(Resolution.HOUR, point.time_ns, zone)
        hours[entity_id, window.start_ns].add(point.time_ns)
    days: defaultdict[_Place, list[_Place]] = defaultdict(list)
    for place in hours:
        day = window_at(Resolution.DAY, place[1], zone)
        days[place[0], day.start_ns].append(place)
    return [
        fault
        for day, of_day in sorted(days.items())
        for fault in _faults(places, day, {place: hours[place] for place in of_day})
    ]


def _faults(
    places: Places, day: _Place, hours: dict[_Place, set[int]]
) -> Iterator[str]:
    entity_id = day[0]
    raw, late = places.raw.get(entity_id, set()), places.late.get(entity_id, set())
    needs_day = False
    for place, times in sorted(hours.items()):
        here, aside = times & raw, times & late
        known = places.hourly.get(place)
        is_whole = here == times - aside
        if not _is_cut_at_midnight(here, times - aside):
            yield f"{place}: {len(here)} raw rows of {len(times)}"
        elif not is_whole and known is None:
            needs_day = True
        elif not is_whole and known not in {len(times), len(times - aside)}:
            yield f"{place}: made from {known} rows of {len(times)}"
    counts = {len(times) for times in (_all(hours), _all(hours) - late)}
    if needs_day and places.daily.get(day) not in counts:
        yield f"{day}: made from {places.daily.get(day)} rows of {counts}"


def _is_cut_at_midnight(here: set[int], times: set[int]) -> bool:
    """Whether the rows of each UTC day are all here, or none of them."""
    gone = {time_ns // NS_PER_DAY for time_ns in times - here}
    return not gone & {time_ns // NS_PER_DAY for time_ns in here}


def _all(hours: dict[_Place, set[int]]) -> set[int]:
    return {time_ns for times in hours.values() for time_ns in times}


def _times(server: InfluxServer, measurement: str, store: str) -> dict[str, set[int]]:
    times: defaultdict[str, set[int]] = defaultdict(set)
    for row in stored(server, measurement, store):
        times[row["entity_id"]].add(row["time"])
    return times


def _row_counts(
    server: InfluxServer, measurement: str, store: str
) -> dict[_Place, int]:
    counts: dict[_Place, int] = {}
    for row in stored(server, measurement, store):
        place = row["entity_id"], row["time"]
        # One row an entity and window, whatever its other tags.
        assert place not in counts, f"{measurement} has two rows of {place}"
        counts[place] = row["row_count"]
    return counts

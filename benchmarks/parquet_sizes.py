"""How large a year becomes as Parquet files.

Started by `storage.py` in the environment that has pyarrow, which Home Assistant
itself does not. Prints its figures as one line of JSON.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator
import datetime as dt
from io import BytesIO
import json
from typing import Final
from zoneinfo import ZoneInfo

from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.field_units import field_units
from custom_components.ha_ingestor.retention.layout import LayoutBuilder
from custom_components.ha_ingestor.retention.parquet import Compression, write_points
from custom_components.ha_ingestor.retention.stream import RowStream
from custom_components.ha_ingestor.retention.transfer import point_of
from custom_components.ha_ingestor.retention.windows import (
    Resolution,
    Window,
    windows_between,
)
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target

_LABELS: Final = {"hub": "benchmark"}


def _size(points: Iterable[Point], compression: Compression) -> int:
    """Return the size of one file; nothing for one without points."""
    held = list(points)
    if not held:
        return 0
    layout = LayoutBuilder()
    for point in held:
        layout.add(point)
    sink = BytesIO()
    write_points(
        held,
        sink,
        layout=layout.build(),
        labels=_LABELS,
        units=field_units("EUR"),
        compression=compression,
    )
    return len(sink.getvalue())


def _rows(
    port: int, store: str, measurement: str
) -> Callable[[int, int], Iterator[Point]]:
    target = Target(api_version=ApiVersion.V1, host="127.0.0.1", port=port, store=store)
    stream = RowStream(InfluxClient(target, timeout_s=60.0), measurement)

    def read(start_ns: int, end_ns: int) -> Iterator[Point]:
        for piece in stream.read(start_ns, end_ns):
            for row in piece.rows:
                yield point_of(row, measurement)

    return read


def _months(days: list[Window], zone: dt.tzinfo) -> Iterator[tuple[int, int]]:
    first = days[0]
    for day, following in zip(days, [*days[1:], None], strict=True):
        month = day.start_at.astimezone(zone).month
        if following is None or following.start_at.astimezone(zone).month != month:
            yield first.start_ns, day.end_ns
            first = following or day


def main() -> None:
    """Write the daily rows day by day and month by month, and the raw rows of a day."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--start-ns", type=int, required=True)
    parser.add_argument("--end-ns", type=int, required=True)
    parser.add_argument("--zone", required=True)
    args = parser.parse_args()
    zone = ZoneInfo(args.zone)
    days = list(windows_between(Resolution.DAY, args.start_ns, args.end_ns, zone))
    daily = _rows(args.port, f"{args.store}_daily", "daily_aggregates")
    raw = _rows(args.port, args.store, "home_assistant_events")
    figures: dict[str, float] = {"days": len(days)}
    for compression in Compression:
        figures[f"daily_{compression}"] = sum(
            _size(daily(day.start_ns, day.end_ns), compression) for day in days
        )
        figures[f"monthly_{compression}"] = sum(
            _size(daily(*month), compression) for month in _months(days, zone)
        )
        last = days[-1]
        figures[f"raw_day_{compression}"] = _size(
            raw(last.start_ns, last.end_ns), compression
        )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()

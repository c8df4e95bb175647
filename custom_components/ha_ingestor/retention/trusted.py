"""What time it is as far as the rows bear it out; nothing is deleted by a clock alone.

A clock that is wrong writes rows of the wrong time, so the newest row says nothing.
But Home Assistant writes rows all the time, and a clock that stepped forward is set
back, or corrected from outside, within hours: rows of three different UTC days take
it more than a whole day. Before that, deleting goes by the days from before the step.
A clock that stepped back only makes everything younger.

The price is that after a break, as of a holiday home, rows stay some days longer.
Blocking, for threads.
"""

from collections.abc import Callable, Iterable
from typing import Final

from ..store.influx.client import InfluxClient
from .stream import RowStream
from .windows import NS_PER_DAY, utc_day_start

# Two of them may be a few minutes around midnight.
TRUSTED_DAYS: Final = 3
# A step of so little takes at most so many days too early; and Home Assistant may
# have been off for a day.
_TOLERANCE_NS: Final = 3 * NS_PER_DAY


def trusted_now_ns(
    client: InfluxClient,
    measurements: Iterable[str],
    *,
    now_ns: int,
    pause: Callable[[float], object],
) -> int | None:
    """Return now, or until when the rows bear it out if that is much earlier.

    In a home that is on every day it is now.

    Args:
        client: Of the raw store. Aggregates bear out nothing: a value is carried on
            into hours that have no row.
        measurements: Those that count.
        pause: Waits so many seconds; it may raise.

    Returns:
        None where rows of so many days do not exist: then nothing is old.

    Raises:
        StoreError: See `InfluxClient.query`.
    """
    streams = [
        RowStream(client, measurement, by=(), pause=pause)
        for measurement in measurements
    ]
    before_ns = now_ns + 1
    for _ in range(TRUSTED_DAYS):
        newest_ns = _newest(streams, before_ns)
        if newest_ns is None:
            return None
        before_ns = utc_day_start(newest_ns)
    end_ns = before_ns + NS_PER_DAY
    return now_ns if now_ns - end_ns <= _TOLERANCE_NS else end_ns


def _newest(streams: list[RowStream], before_ns: int) -> int | None:
    # Spans after each other, so that a server opens few of its shards at a time: with
    # all columns of a year it needs seconds and a gigabyte.
    length_ns = TRUSTED_DAYS * NS_PER_DAY
    while before_ns > 0:
        since_ns = max(before_ns - length_ns, 0)
        times = [
            row.time_ns
            for stream in streams
            for row in stream.last_rows(before_ns, since_ns).values()
        ]
        if times:
            return max(times)
        before_ns, length_ns = since_ns, length_ns * 5 // 4
    return None

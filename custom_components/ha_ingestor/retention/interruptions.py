"""When Home Assistant was not running, so that nobody knows what held then.

Its own starts and stops are rows of `home_assistant_activity`. After an orderly stop
nothing is known until the next row of an entity. A start without a stop before it
follows a crash; when that was, no row says. Entities report before Home Assistant
says that it starts, so it is not simply the last row before: it is taken to be before
the longest silence of the house that can belong to this start.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
import itertools
from typing import Final

from ..const import MEASUREMENT_ACTIVITY, MEASUREMENT_EVENTS
from ..store.influx.client import InfluxClient
from ..store.influx.influxql import build_condition, quote_identifier
from .carry import MAX_CARRY
from .stream import RowStream
from .windows import NS_PER_DAY, NS_PER_S, duration_ns

_TYPE: Final = "event_type"
_START: Final = "homeassistant_start"
_STARTED: Final = "homeassistant_started"
_STOP: Final = "homeassistant_stop"
# To know what came before the first one that matters. Homes that run for longer
# without a restart are rare, and then a silence is looked for.
_LOOK_BACK_NS: Final = 366 * NS_PER_DAY
# The last one of the span may have been started after it.
_LOOK_AHEAD_NS: Final = NS_PER_DAY
# Home Assistant gives up waiting for integrations earlier (bootstrap.py: its stages
# take 60, 120 and 300 s at most, and 60 s to wrap up).
_BOOT_NS: Final = 600 * NS_PER_S
# What a provider has said stays true for that long without Home Assistant.
LONG_NS: Final = 3 * 3_600 * NS_PER_S
_STATE: Final = quote_identifier("state")
_EVENTS: Final = quote_identifier(MEASUREMENT_EVENTS)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Interruption:
    """A time without Home Assistant.

    Attributes:
        at_ns: What held ends here, after the rows of this instant.
        until_ns: When Home Assistant has started again; None if that is not known.
    """

    at_ns: int
    until_ns: int | None

    @property
    def is_long(self) -> bool:
        """Whether it also ends what a provider has said."""
        return self.until_ns is None or self.until_ns - self.at_ns >= LONG_NS


def read_interruptions(
    client: InfluxClient,
    measurements: Collection[str],
    *,
    start_ns: int,
    end_ns: int,
    pause: Callable[[float], object],
) -> list[Interruption]:
    """Find the times without Home Assistant that touch a span.

    Also those before it that could end what is carried into it.

    Args:
        client: Of the raw store.
        measurements: Those that it has.

    Returns:
        Oldest first.

    Raises:
        StoreError: See `InfluxClient.query`.
    """
    if MEASUREMENT_ACTIVITY not in measurements:
        return []
    stream = RowStream(
        client,
        MEASUREMENT_ACTIVITY,
        tags={_TYPE: (_START, _STARTED, _STOP)},
        pause=pause,
    )
    signs = sorted(
        (row.time_ns, dict(piece.key)[_TYPE])
        for piece in stream.read(start_ns - _LOOK_BACK_NS, end_ns + _LOOK_AHEAD_NS)
        for row in piece.rows
    )
    first_ns = start_ns - duration_ns(MAX_CARRY) - NS_PER_DAY
    has_events = MEASUREMENT_EVENTS in measurements
    return sorted(
        _find(
            signs,
            first_ns,
            lambda a, b: _last_sign(client, a, b, has_events=has_events),
        )
    )


def _find(
    signs: Sequence[tuple[int, str]],
    first_ns: int,
    find_crash: Callable[[int, int], int],
) -> Iterator[Interruption]:
    starts = [time_ns for time_ns, kind in signs if kind == _START]
    for time_ns, kind in signs:
        if kind == _STOP:
            later = [start_ns for start_ns in starts if start_ns > time_ns]
            yield Interruption(at_ns=time_ns, until_ns=later[0] if later else None)
    before: tuple[int, str] | None = None
    for time_ns, kind in signs:
        if (
            kind == _START
            and time_ns >= first_ns
            and (before is None or before[1] != _STOP)
        ):
            oldest_ns = time_ns - duration_ns(MAX_CARRY) - NS_PER_DAY
            if before is not None:
                oldest_ns = max(oldest_ns, before[0])
            yield Interruption(at_ns=find_crash(oldest_ns, time_ns), until_ns=time_ns)
        before = time_ns, kind


def _last_sign(
    client: InfluxClient, oldest_ns: int, start_ns: int, *, has_events: bool
) -> int:
    """Return the last instant at which Home Assistant is known to have run."""
    if not has_events:
        return oldest_ns
    boot_ns = max(start_ns - _BOOT_NS, oldest_ns)
    times = [
        *_times(client, oldest_ns, boot_ns, " ORDER BY time DESC LIMIT 1"),
        *_times(client, boot_ns, start_ns, ""),
    ]
    if not times or times[0] > boot_ns:
        times.insert(0, oldest_ns)
    # Of silences that are equally long, the first one.
    silences = [
        (before - after, before)
        for before, after in itertools.pairwise([*times, start_ns])
    ]
    return min(silences)[1]


def _times(
    client: InfluxClient, start_ns: int, end_ns: int, order: str
) -> Iterator[int]:
    condition = build_condition(start_ns=start_ns, end_ns=end_ns)
    for series in client.query(
        f"SELECT {_STATE} FROM {_EVENTS}{condition.clause}{order}",  # noqa: S608 - quoted
        params=condition.params,
    ):
        yield from (row[0] for row in series.rows if isinstance(row[0], int))

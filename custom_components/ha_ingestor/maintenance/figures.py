"""How much each tier holds, and what that saves; blocking, for threads.

| figure | 1.x | 2.x and 3.x |
|---|---|---|
| rows, oldest, newest | counted | counted |
| size | `SHOW STATS`, if the user may ask for it | values times bytes per value |

What all of it would take as raw is an estimate everywhere: every aggregate says from
how many raw rows it was made, and a row that is gone took what one takes that is
still there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import datetime as dt
from typing import Final

from ..const import MEASUREMENT_DAILY, MEASUREMENT_EVENTS, MEASUREMENT_HOURLY
from ..errors import StoreError, StoreUnavailableError
from ..retention.rows import ROW_COUNT
from ..retention.stores import TierStores, is_usable
from ..retention.tiers import STORED_TIERS, Tier
from ..retention.windows import Resolution, to_datetime, window_at
from ..retention.work import Work
from ..store.influx.client import InfluxClient
from ..store.influx.influxql import quote_identifier
from ..store.influx.target import ApiVersion
from ..store.query import list_measurements

# Measured on 1.6.7 after compaction, with enriched events and tiers in long shards:
# 45 bytes for a raw row of ten values, 35 for an hourly one of seven, 55 for a daily
# one of six. Engines of 2.x are the same; 3.x needs about as much for its Parquet.
BYTES_PER_VALUE: Final[Mapping[Tier, float]] = {
    Tier.RAW: 4.5,
    Tier.HOURLY: 5.0,
    Tier.DAILY: 9.2,
}
# So few values say nothing about how well a server compresses more of them.
_ENOUGH_VALUES: Final = 100_000
# Of an event, where there is none left to look at.
_VALUES_PER_EVENT: Final = 10.0
# An answer about all rows may take as long as a small machine needs to count them.
_TIMEOUT_S: Final = 60.0
# Servers leave out what lies in the future where no end is named: a forecast.
_END: Final = "time < '2200-01-01T00:00:00Z'"
_EVENTS: Final[Mapping[Tier, str]] = {
    Tier.RAW: MEASUREMENT_EVENTS,
    Tier.HOURLY: MEASUREMENT_HOURLY,
    Tier.DAILY: MEASUREMENT_DAILY,
}
_COARSER: Final[Mapping[Tier, Resolution]] = {
    Tier.DAILY: Resolution.DAY,
    Tier.HOURLY: Resolution.HOUR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TierFigures:
    """What the store of one tier holds.

    Attributes:
        row_count: Of all measurements; a lower bound where no field is in every row.
        value_count: Field values.
        is_estimated: Whether the size is.
        oldest_at, newest_at: Of events or their aggregates; UTC, None without any.
    """

    row_count: int
    value_count: int
    size_bytes: int
    is_estimated: bool
    oldest_at: dt.datetime | None
    newest_at: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageFigures:
    """What a hub's stores hold at one moment.

    Attributes:
        tiers: Those whose store is there.
        all_raw_bytes: What raw would take if nothing had been deleted; an estimate.
    """

    read_at: dt.datetime
    tiers: Mapping[Tier, TierFigures]
    all_raw_bytes: int

    @property
    def size_bytes(self) -> int:
        """All tiers together."""
        return sum(tier.size_bytes for tier in self.tiers.values())

    @property
    def saved_bytes(self) -> int:
        """How much less that is; nothing while there are more tiers than history."""
        return max(0, self.all_raw_bytes - self.size_bytes)

    @property
    def saved_percent(self) -> float | None:
        """The same as a part of all raw; None while there is nothing."""
        if self.all_raw_bytes <= 0:
            return None
        return 100 * self.saved_bytes / self.all_raw_bytes

    @property
    def raw_bytes_per_value(self) -> float:
        """What a deleted raw value frees, about."""
        raw = self.tiers.get(Tier.RAW)
        return BYTES_PER_VALUE[Tier.RAW] if raw is None else _bytes_per_value(raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Count:
    """What one measurement holds."""

    row_count: int = 0
    value_count: int = 0


def read_figures(
    stores: TierStores, *, zone: dt.tzinfo, now: dt.datetime, work: Work
) -> StorageFigures:
    """Count and measure.

    Raises:
        StoreUnavailableError: The server is away.
        RetentionCancelledError: The work was cancelled.
    """
    sizes = _measure(stores)
    counts: dict[Tier, dict[str, _Count]] = {}
    tiers: dict[Tier, TierFigures] = {}
    for tier in STORED_TIERS:
        try:
            if not is_usable(stores.client(tier)):
                # Of a missing database 1.x says that nothing is in it.
                continue
            counts[tier] = dict(_count_all(stores.client(tier), work))
            tiers[tier] = _describe(
                tier,
                stores.client(tier),
                counts[tier],
                sizes.get(stores.plan(tier).name),
            )
        except StoreUnavailableError:
            raise
        except StoreError:
            # Not for these credentials, which is told elsewhere.
            counts.pop(tier, None)
    return StorageFigures(
        read_at=now,
        tiers=tiers,
        all_raw_bytes=_estimate_all_raw(stores, tiers, counts, zone=zone, work=work),
    )


def _measure(stores: TierStores) -> dict[str, int]:
    """Return the bytes of each store on the server's disk, where it tells them."""
    if stores.target.api_version is not ApiVersion.V1:
        return {}
    client = stores.client(Tier.RAW)
    sizes: dict[str, int] = {}
    try:
        for series in client.query("SHOW STATS FOR 'shard'", timeout_s=_TIMEOUT_S):
            column = series.columns.index("diskBytes")
            store = series.tags["database"]
            for row in series.rows:
                if isinstance(size := row[column], int | float):
                    sizes[store] = sizes.get(store, 0) + int(size)
    except StoreUnavailableError:
        raise
    except StoreError, KeyError, ValueError:
        # Only administrators of the server may ask, or it is a work-alike.
        return {}
    return sizes


def _count_all(client: InfluxClient, work: Work) -> Iterator[tuple[str, _Count]]:
    for measurement in list_measurements(client):
        work.check()
        yield measurement, _count(client, measurement)


def _count(client: InfluxClient, measurement: str, *, since_ns: int = 0) -> _Count:
    series = client.execute(
        f"SELECT count(*) FROM {quote_identifier(measurement)}"  # noqa: S608 - quoted
        f" WHERE time >= {since_ns} AND {_END}",
        timeout_s=_TIMEOUT_S,
    )
    counts = [
        count
        for one in series
        for row in one.rows
        for count in row[1:]
        if isinstance(count, int)
    ]
    return _Count(row_count=max(counts, default=0), value_count=sum(counts))


def _describe(
    tier: Tier,
    client: InfluxClient,
    counts: Mapping[str, _Count],
    size_bytes: int | None,
) -> TierFigures:
    value_count = sum(count.value_count for count in counts.values())
    if is_estimated := size_bytes is None:
        size_bytes = round(value_count * BYTES_PER_VALUE[tier])
    oldest_at, newest_at = _bounds(client, _EVENTS[tier], counts)
    return TierFigures(
        row_count=sum(count.row_count for count in counts.values()),
        value_count=value_count,
        size_bytes=size_bytes or 0,
        is_estimated=is_estimated,
        oldest_at=oldest_at,
        newest_at=newest_at,
    )


def _bounds(
    client: InfluxClient, measurement: str, counts: Mapping[str, _Count]
) -> tuple[dt.datetime | None, dt.datetime | None]:
    if measurement not in counts:
        return None, None
    first, last = (
        _read_time(client, measurement, order=order) for order in ("ASC", "DESC")
    )
    return (
        None if first is None else to_datetime(first),
        None if last is None else to_datetime(last),
    )


def _read_time(client: InfluxClient, measurement: str, *, order: str) -> int | None:
    series = client.execute(
        f"SELECT * FROM {quote_identifier(measurement)}"  # noqa: S608 - quoted
        f" ORDER BY time {order} LIMIT 1",
        timeout_s=_TIMEOUT_S,
    )
    times = [row[0] for one in series for row in one.rows]
    return times[0] if times and isinstance(times[0], int) else None


def _bytes_per_value(raw: TierFigures) -> float:
    if raw.is_estimated or raw.value_count < _ENOUGH_VALUES:
        return BYTES_PER_VALUE[Tier.RAW]
    return raw.size_bytes / raw.value_count


def _estimate_all_raw(
    stores: TierStores,
    tiers: Mapping[Tier, TierFigures],
    counts: Mapping[Tier, Mapping[str, _Count]],
    *,
    zone: dt.tzinfo,
    work: Work,
) -> int:
    """Add what is gone to what is there."""
    raw = tiers.get(Tier.RAW)
    if raw is None:
        return 0
    gone_values = 0.0
    for names in _list_chains(counts):
        work.check()
        gone_values += _count_gone(stores, names, counts, zone=zone)
    return raw.size_bytes + round(gone_values * _bytes_per_value(raw))


def _list_chains(
    counts: Mapping[Tier, Mapping[str, _Count]],
) -> Iterator[Mapping[Tier, str]]:
    """List what the rows of one raw measurement are called in each tier."""
    yield _EVENTS
    raw = counts[Tier.RAW]
    coarser = {name for tier in _COARSER for name in counts.get(tier, {})}
    for name in sorted(coarser.intersection(raw)):
        yield dict.fromkeys(STORED_TIERS, name)


def _count_gone(
    stores: TierStores,
    names: Mapping[Tier, str],
    counts: Mapping[Tier, Mapping[str, _Count]],
    *,
    zone: dt.tzinfo,
) -> float:
    """Return how many values aggregates were made from that are not there any more.

    Days tell of all but the last hours, hours of those; what is newer is raw.
    """
    made_from, since_ns = 0.0, 0
    for tier, resolution in _COARSER.items():
        if names[tier] in counts.get(tier, {}):
            client = stores.client(tier)
            made_from += _sum_row_counts(client, names[tier], since_ns=since_ns)
            newest_ns = _read_time(client, names[tier], order="DESC")
            if newest_ns is not None:
                since_ns = max(since_ns, window_at(resolution, newest_ns, zone).end_ns)
    raw_name = names[Tier.RAW]
    there = counts[Tier.RAW].get(raw_name, _Count())
    newer = _count(stores.client(Tier.RAW), raw_name, since_ns=since_ns)
    if raw_name != MEASUREMENT_EVENTS:
        # There is an aggregate for each field of a source: they count values.
        return max(0.0, made_from + newer.value_count - there.value_count)
    per_event = (
        there.value_count / there.row_count if there.row_count else _VALUES_PER_EVENT
    )
    return max(0.0, made_from + newer.row_count - there.row_count) * per_event


def _sum_row_counts(client: InfluxClient, measurement: str, *, since_ns: int) -> float:
    series = client.execute(
        f"SELECT sum({quote_identifier(ROW_COUNT)})"  # noqa: S608 - quoted
        f" FROM {quote_identifier(measurement)} WHERE time >= {since_ns} AND {_END}",
        timeout_s=_TIMEOUT_S,
    )
    sums = [row[1] for one in series for row in one.rows]
    return float(sums[0]) if sums and isinstance(sums[0], int | float) else 0.0

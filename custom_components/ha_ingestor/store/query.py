"""Reading points back: the one typed way for views, actions and the panel.

Blocking, for threads. Rows are given as they arrive, so that memory holds one piece
of an answer, whatever the range.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
import itertools
import time
from typing import Final

from ..errors import StoreProtocolError
from ..models import FieldValue
from .influx.client import InfluxClient
from .influx.influxql import build_condition, quote_identifier
from .influx.results import Series, Value

type TagFilter = Mapping[str, str | Collection[str]]

# Rows that one question may ask for: a day of a home that changes fifty times a
# second has 4.3 million.
MAX_LIMIT: Final = 5_000_000
# Rows of one question where all of them are wanted; they pass by one after another.
PAGE_ROWS: Final = 200_000
_NS_PER_DAY: Final = 86_400 * 10**9
# Home Assistant is not older; what is, is looked for in one question.
_OLD_NS: Final = 15 * 365 * _NS_PER_DAY
# All that a server can hold.
_LAST_NS: Final = (1 << 63) - _NS_PER_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One stored point, as far as it was asked for.

    Attributes:
        time_ns: Unix time, UTC, nanoseconds.
        tags: Those asked for that the point has.
        fields: Those asked for that the point has; at least one.
    """

    time_ns: int
    tags: Mapping[str, str]
    fields: Mapping[str, FieldValue]


def read_points(
    client: InfluxClient,
    measurement: str,
    *,
    fields: Sequence[str],
    tag_keys: Sequence[str] = (),
    tags: TagFilter | None = None,
    start_ns: int,
    end_ns: int,
    limit: int,
    is_descending: bool = False,
    timeout_s: float | None = None,
) -> Iterator[Row]:
    """Read points in the order of their time.

    Nothing is sent before the first row is asked for.

    Args:
        fields: What to read; a point that has none of them is left out.
        tag_keys: Tags to read along with them.
        tags: Tag to its value, or to several of which any matches.
        start_ns: First instant, inclusive.
        end_ns: Last instant, exclusive.
        limit: Rows at most, counted over all series.
        is_descending: Newest first.

    Raises:
        ValueError: The question itself is wrong.
        StoreError: See `InfluxClient.query`.
    """
    columns = (*fields, *tag_keys)
    if not fields or len(set(columns)) != len(columns) or "time" in columns:
        raise ValueError("Fields and tags must be named, each of them once")
    if not 0 < limit <= MAX_LIMIT:
        raise ValueError(f"The limit must be from 1 to {MAX_LIMIT}")
    condition = build_condition(tags=tags, start_ns=start_ns, end_ns=end_ns)
    selection = ", ".join(quote_identifier(column) for column in columns)
    statement = (
        f"SELECT {selection} FROM {quote_identifier(measurement)}"  # noqa: S608 - quoted
        f"{condition.clause} ORDER BY time {'DESC' if is_descending else 'ASC'} "
        f"LIMIT {limit}"
    )
    for series in client.query(statement, params=condition.params, timeout_s=timeout_s):
        yield from _rows_of(series, fields=fields, tag_keys=tag_keys)


def read_all_points(
    client: InfluxClient,
    measurement: str,
    *,
    fields: Sequence[str],
    tag_keys: Sequence[str] = (),
    tags: TagFilter | None = None,
    start_ns: int,
    end_ns: int,
    page_rows: int = PAGE_ROWS,
) -> Iterator[Row]:
    """Read all points of a span in the order of their time, a page at a time.

    Those of the instant at which a page ends are given twice. See `read_points`.

    Args:
        page_rows: Rows of one question at most.

    Raises:
        StoreError: See `InfluxClient.query`.
    """
    is_complete = False
    while not is_complete:
        count, from_ns = 0, start_ns
        for row in read_points(
            client,
            measurement,
            fields=fields,
            tag_keys=tag_keys,
            tags=tags,
            start_ns=from_ns,
            end_ns=end_ns,
            limit=page_rows,
        ):
            count += 1
            start_ns = row.time_ns
            yield row
        # The last instant is read again: the limit may have cut it in two.
        is_complete = count < page_rows or start_ns == from_ns


def count_points(
    client: InfluxClient,
    measurement: str,
    *,
    field: str,
    tags: TagFilter | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    timeout_s: float | None = None,
) -> int:
    """Count the points that have a field.

    Args:
        field: One that every point of the measurement has, to count them all.
        tags: Tag to its value, or to several of which any matches.
        start_ns: First instant, inclusive; None for no bound.
        end_ns: Last instant, exclusive; None for no bound. Without it the servers
            leave out what lies in the future.

    Raises:
        StoreError: See `InfluxClient.query`.
    """
    condition = build_condition(tags=tags, start_ns=start_ns, end_ns=end_ns)
    statement = (
        f"SELECT count({quote_identifier(field)}) "  # noqa: S608 - quoted
        f"FROM {quote_identifier(measurement)}{condition.clause}"
    )
    series = client.execute(statement, params=condition.params, timeout_s=timeout_s)
    # A measurement, a field or a range without points has no row at all.
    count = series[0].rows[0][-1] if series and series[0].rows else 0
    if not isinstance(count, int):
        raise StoreProtocolError("The count is not a number")
    return count


def count_values(
    client: InfluxClient,
    measurement: str,
    *,
    tags: TagFilter | None = None,
    start_ns: int,
    end_ns: int,
    timeout_s: float | None = None,
) -> int:
    """Count the values of all fields together.

    A row more is at least one value more, whichever fields it has: no field needs to
    be in every row.

    Args:
        tags: Tag to its value, or to several of which any matches.
        start_ns: First instant, inclusive.
        end_ns: Last instant, exclusive.

    Raises:
        StoreError: See `InfluxClient.query`.
    """
    condition = build_condition(tags=tags, start_ns=start_ns, end_ns=end_ns)
    series = client.execute(
        f"SELECT count(*) FROM {quote_identifier(measurement)}{condition.clause}",  # noqa: S608 - quoted
        params=condition.params,
        timeout_s=timeout_s,
    )
    return sum(_sum_of_counts(row) for one in series for row in one.rows)


def count_values_by_day(
    client: InfluxClient,
    measurement: str,
    *,
    tags: TagFilter | None = None,
    start_ns: int,
    end_ns: int,
    timeout_s: float | None = None,
) -> dict[int, int]:
    """Count the values of all fields on each UTC day.

    Args:
        tags: Tag to its value, or to several of which any matches.
        start_ns: First instant, inclusive.
        end_ns: Last instant, exclusive.

    Returns:
        Start of the day to its count; days without values are left out.
    """
    condition = build_condition(tags=tags, start_ns=start_ns, end_ns=end_ns)
    series = client.execute(
        f"SELECT count(*) FROM {quote_identifier(measurement)}{condition.clause}"  # noqa: S608 - quoted
        " GROUP BY time(1d) fill(none)",
        params=condition.params,
        timeout_s=timeout_s,
    )
    counts: dict[int, int] = {}
    for one in series:
        for row in one.rows:
            if not isinstance(row[0], int):
                raise StoreProtocolError("A count has no time")
            counts[row[0]] = counts.get(row[0], 0) + _sum_of_counts(row)
    return {day: count for day, count in counts.items() if count}


def oldest_time(
    client: InfluxClient,
    measurement: str,
    *,
    field: str | None = None,
    near_ns: int | None = None,
) -> int | None:
    """Return the time of the oldest row; None if there is none.

    A server opens every shard of a span, with every column, before it gives the first
    row: of a year of raw rows that took it 1.6 GB. So it is asked for short spans
    after each other; those without rows cost it nothing.

    Args:
        field: One that every row has; None if it is not known, for a measurement
            with few series.
        near_ns: Where the oldest row was seen last; a hint.

    Raises:
        StoreError: See `InfluxClient.query`.
    """
    if near_ns is None:
        if measurement not in list_measurements(client):
            return None
        spans = _spans_to_now(time.time_ns())
    else:
        spans = itertools.chain([(None, near_ns)], _longer_spans(near_ns, _LAST_NS))
    return _first_time(client, measurement, field, spans)


def next_time(
    client: InfluxClient,
    measurement: str,
    *,
    field: str | None = None,
    start_ns: int,
    end_ns: int,
) -> int | None:
    """Return the time of the first row of a span; None if there is none.

    Args:
        field: See `oldest_time`.

    Raises:
        StoreError: See `InfluxClient.query`.
    """
    spans = _longer_spans(start_ns, end_ns)
    return _first_time(client, measurement, field, spans)


def _first_time(
    client: InfluxClient,
    measurement: str,
    field: str | None,
    spans: Iterable[tuple[int | None, int]],
) -> int | None:
    selection = "*" if field is None else quote_identifier(field)
    for start_ns, end_ns in spans:
        condition = build_condition(start_ns=start_ns, end_ns=end_ns)
        series = client.execute(
            f"SELECT {selection} FROM {quote_identifier(measurement)}"  # noqa: S608 - quoted
            f"{condition.clause} ORDER BY time ASC LIMIT 1",
            params=condition.params,
        )
        if series and series[0].rows:
            time_ns = series[0].rows[0][0]
            if not isinstance(time_ns, int):
                raise StoreProtocolError("A row has no time")
            return time_ns
    return None


def _longer_spans(start_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
    """Give spans that follow each other, each twice as long as the one before."""
    length_ns = _NS_PER_DAY
    while start_ns < end_ns:
        until_ns = min(start_ns + length_ns, end_ns)
        yield start_ns, until_ns
        start_ns, length_ns = until_ns, 2 * length_ns


def _spans_to_now(now_ns: int) -> Iterator[tuple[int | None, int]]:
    """Give spans up to the last possible time, each shorter than what follows it.

    None has more than a quarter of the time that is left until now.
    """
    start_ns: int | None = None
    age_ns = _OLD_NS
    while age_ns > _NS_PER_DAY:
        yield start_ns, now_ns - age_ns
        start_ns, age_ns = now_ns - age_ns, age_ns * 3 // 4
    yield start_ns, _LAST_NS


def list_measurements(client: InfluxClient) -> list[str]:
    """List the measurements of the store, sorted."""
    return _first_columns(client, "SHOW MEASUREMENTS")


def list_tag_keys(client: InfluxClient, measurement: str) -> list[str]:
    """List the tags that any series of a measurement has, sorted."""
    return _first_columns(client, f"SHOW TAG KEYS FROM {quote_identifier(measurement)}")


def list_tag_values(client: InfluxClient, measurement: str, tag_key: str) -> list[str]:
    """List the values that a tag has in any series of a measurement, sorted."""
    answer = client.execute(
        f"SHOW TAG VALUES FROM {quote_identifier(measurement)}"
        f" WITH KEY = {quote_identifier(tag_key)}"
    )
    # The value stands behind its key.
    return sorted({str(row[-1]) for series in answer for row in series.rows})


def _first_columns(client: InfluxClient, statement: str) -> list[str]:
    return sorted(
        str(row[0]) for series in client.execute(statement) for row in series.rows
    )


def _sum_of_counts(row: Sequence[Value]) -> int:
    """Add up the columns after the time; a field without values has none."""
    total = 0
    for count in row[1:]:
        if isinstance(count, int):
            total += count
        elif count is not None:
            raise StoreProtocolError("A count is not a number")
    return total


def _rows_of(
    series: Series, *, fields: Sequence[str], tag_keys: Sequence[str]
) -> Iterator[Row]:
    if len(series.columns) != 1 + len(fields) + len(tag_keys):
        raise StoreProtocolError("The answer has other columns than asked for")
    first_tag = 1 + len(fields)
    for row in series.rows:
        time_ns = row[0]
        if not isinstance(time_ns, int):
            raise StoreProtocolError("A row has no time")
        yield Row(
            time_ns=time_ns,
            tags={
                key: str(value)
                for key, value in zip(tag_keys, row[first_tag:], strict=True)
                # A tag that a series lacks comes as null, or as empty text.
                if value is not None and value != ""
            },
            fields={
                name: to_field_value(value)
                for name, value in zip(fields, row[1:first_tag], strict=True)
                if value is not None
            },
        )


def to_field_value(value: FieldValue | int) -> FieldValue:
    """Return a value of an answer as the field that it is."""
    # The server writes 21.0 as 21. No field of ours is an integer.
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value

"""Reading points back: the one typed way for views, actions and the panel.

Blocking, for threads. Rows are given as they arrive, so that memory holds one piece
of an answer, whatever the range.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..errors import StoreProtocolError
from ..models import FieldValue
from .influx.client import InfluxClient
from .influx.influxql import build_condition, quote_identifier
from .influx.results import Series

type TagFilter = Mapping[str, str | Collection[str]]

# Rows that one question may ask for: a day of a home that changes fifty times a
# second has 4.3 million.
MAX_LIMIT: Final = 5_000_000


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
                name: _field_value(value)
                for name, value in zip(fields, row[1:first_tag], strict=True)
                if value is not None
            },
        )


def _field_value(value: FieldValue | int) -> FieldValue:
    # The server writes 21.0 as 21. No field of ours is an integer.
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value

"""Rows of a view, as they are stored: no more than was asked for, and in order.

Blocking, for threads. The server adds nothing up: what a view is asked for, it holds.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
import datetime as dt
from typing import Final

from ..errors import ViewFilterError
from ..models import Fields, Tags
from ..retention.spans import Span
from ..retention.windows import (
    Resolution,
    to_datetime,
    to_ns,
    window_at,
)
from ..store.influx.client import InfluxClient
from ..store.line_protocol import clean_name
from ..store.query import Row, read_points
from .definition import AREA, CURRENCY, DEVICE, ENTITY_ID, Period, View
from .refresh import month_at

MAX_LIMIT: Final = 5_000
# Rows that are passed over before the first one; who needs more asks for later dates.
MAX_OFFSET: Final = 1_000_000
# Without dates: a month of days, a year of months.
_DEFAULT_DAYS: Final = 31
_DEFAULT_MONTHS: Final = 12

# Rows of one question to the server.
_BATCH_ROWS: Final = 10_000
# At one instant a view has as many rows as there are entities, or the server is wrong.
_MAX_BATCH_ROWS: Final = 1_000_000
# Values of a tag that a question names; of more, the answer is sifted here.
_MAX_NAMED: Final = 100
_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewFilter:
    """Which rows of a view.

    Attributes:
        entity_ids, devices, areas: Any of these; None for all. Devices and areas by
            the names that they had.
        start_date, end_date: Local dates, both inclusive; None for about a month of
            days and hours, or a year of months, until today.
        period: `MONTH` for the months of a view instead of its days or hours.
        limit: Rows at most.
        offset: Rows to pass over.
    """

    entity_ids: Collection[str] | None = None
    devices: Collection[str] | None = None
    areas: Collection[str] | None = None
    start_date: dt.date | None = None
    end_date: dt.date | None = None
    period: Period | None = None
    limit: int = 1_000
    offset: int = 0

    def __post_init__(self) -> None:
        """Refuse what is not bounded.

        Raises:
            ValueError: Limit or offset is out of range.
        """
        if not 0 < self.limit <= MAX_LIMIT or not 0 <= self.offset <= MAX_OFFSET:
            raise ValueError(
                f"The limit must be from 1 to {MAX_LIMIT}, the offset to {MAX_OFFSET}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRow:
    """One row of a view.

    Attributes:
        start_at: Begin of what it is about; local.
    """

    start_at: dt.datetime
    tags: Tags
    fields: Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewPage:
    """Rows of a view, oldest first.

    Attributes:
        view: The one that was read: that of the months, if these were asked for.
        has_more: Whether there are rows behind the last one.
    """

    view: View
    start_at: dt.datetime
    end_at: dt.datetime
    rows: tuple[ViewRow, ...]
    has_more: bool


def read_page(
    client: InfluxClient,
    view: View,
    wanted: ViewFilter,
    *,
    zone: dt.tzinfo,
    now_ns: int,
) -> ViewPage:
    """Read the rows that a filter lets pass.

    Raises:
        ViewFilterError: The view has nothing to filter by like that, or the dates
            are in the wrong order.
        StoreError: See `InfluxClient.query`.
    """
    span = _span_of(view, wanted, zone=zone, now_ns=now_ns)
    rows: list[ViewRow] = []
    skip, has_more = wanted.offset, False
    for row in _read(client, view, wanted, span):
        if skip:
            skip -= 1
        elif len(rows) == wanted.limit:
            has_more = True
            break
        else:
            start_at = to_datetime(row.time_ns).astimezone(zone)
            rows.append(ViewRow(start_at=start_at, tags=row.tags, fields=row.fields))
    return ViewPage(
        view=view,
        start_at=to_datetime(span[0]).astimezone(zone),
        end_at=to_datetime(span[1]).astimezone(zone),
        rows=tuple(rows),
        has_more=has_more,
    )


def _span_of(view: View, wanted: ViewFilter, *, zone: dt.tzinfo, now_ns: int) -> Span:
    today = to_datetime(now_ns).astimezone(zone).date()
    end = wanted.end_date or today
    start = wanted.start_date
    if start is None and view.period is Period.MONTH:
        months = end.year * 12 + end.month - _DEFAULT_MONTHS
        start = dt.date(months // 12, months % 12 + 1, 1)
    elif start is None:
        start = end - dt.timedelta(days=_DEFAULT_DAYS - 1)
    if start > end:
        raise ViewFilterError(view.name, "dates")
    span = _noon(start, zone), _noon(end, zone)
    if view.period is Period.MONTH:
        return month_at(span[0], zone)[0], month_at(span[1], zone)[1]
    return (
        window_at(Resolution.DAY, span[0], zone).start_ns,
        window_at(Resolution.DAY, span[1], zone).end_ns,
    )


def _noon(date: dt.date, zone: dt.tzinfo) -> int:
    # No clock is set at noon, so that it exists but on the day that Samoa left out.
    return to_ns(dt.datetime.combine(date, dt.time(12), tzinfo=zone))


def _read(
    client: InfluxClient, view: View, wanted: ViewFilter, span: Span
) -> Iterator[Row]:
    """Read the rows of a span, in an order that is always the same."""
    tags, is_wanted = _conditions(view, wanted)
    if any(
        values is not None and not values
        for values in (wanted.entity_ids, wanted.devices, wanted.areas)
    ):
        return
    at_ns = span[0]
    batch_rows = min(wanted.offset + wanted.limit + 1, _BATCH_ROWS)
    while True:
        batch = list(
            read_points(
                client,
                view.name,
                fields=tuple(view.fields),
                tag_keys=view.tags,
                tags=tags,
                start_ns=at_ns,
                end_ns=span[1],
                limit=batch_rows,
                timeout_s=_TIMEOUT_S,
            )
        )
        is_last = len(batch) < batch_rows
        if not is_last:
            # More rows of the last instant may come, in whatever order.
            at_ns = batch[-1].time_ns
            if batch[0].time_ns == at_ns:
                batch_rows = min(batch_rows * 4, _MAX_BATCH_ROWS)
                continue
            batch = [row for row in batch if row.time_ns < at_ns]
        batch.sort(
            key=lambda row: (
                row.time_ns,
                [row.tags.get(name, "") for name in view.tags],
            )
        )
        yield from (row for row in batch if is_wanted(row))
        if is_last:
            return


def _conditions(
    view: View, wanted: ViewFilter
) -> tuple[dict[str, Collection[str]], Callable[[Row], bool]]:
    """Say what the server is to look for, and what is left to be sifted.

    Raises:
        ViewFilterError: The view has no such tag.
    """
    asked: dict[str, Collection[str]] = {}
    sifted: dict[str, frozenset[str]] = {}
    for name, values in (
        (ENTITY_ID, wanted.entity_ids),
        (DEVICE, wanted.devices),
        (AREA, wanted.areas),
    ):
        if values is None:
            continue
        if name not in view.tags:
            raise ViewFilterError(view.name, name)
        # As it was written: not every text can be.
        values = {clean_name(value) for value in values}  # noqa: PLW2901
        if len(values) <= _MAX_NAMED:
            asked[name] = sorted(values)
        else:
            sifted[name] = frozenset(values)

    def is_wanted(row: Row) -> bool:
        return all(row.tags.get(name) in values for name, values in sifted.items())

    return asked, is_wanted


def units_of(view: View, currency: str) -> Mapping[str, str]:
    """Return the unit of each field that has one."""
    return {
        name: currency if unit == CURRENCY else unit
        for name, unit in view.fields.items()
        if unit
    }

"""Rows that are stored as aggregates: hourly, daily, archived, and imported means.

Blocking, for threads.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ..const import MEASUREMENT_DAILY, MEASUREMENT_HOURLY, MEASUREMENT_STATISTICS
from ..errors import StoreMissingError, StoreQueryError, StoreTimeoutError
from ..models import FieldValue, Point
from ..retention.archive import ArchiveJob
from ..retention.archive_read import read_archive
from ..retention.checkpoint import Checkpoint
from ..retention.ledger import Ledger
from ..retention.oldest import oldest_row
from ..retention.quantities import Quantity, nature_of
from ..retention.rows import (
    AVG,
    COVERED,
    ENERGY,
    LAST,
    MAX,
    MIN,
    WINDOW_LENGTH,
    Aggregate,
    prefer,
    to_whole_ns,
)
from ..retention.spans import Span
from ..retention.stores import TierStores
from ..retention.stream import RowStream, by_group
from ..retention.tiers import Tier
from ..retention.windows import NS_PER_DAY, NS_PER_S, Resolution, Window, to_datetime
from ..store.query import Row
from .run import Run

# Of one entity: start of a window to what is known of it.
type ByStart = dict[int, Aggregate]
type Aggregates = dict[str, ByStart]

_HOUR_NS: Final = 3_600 * NS_PER_S
_ENTITY_ID: Final = "entity_id"
_SUM: Final = "sum_value"
# Rows between two looks at the clock.
_CHECK_EVERY: Final = 200


class StoredRows:
    """The stored aggregates of some entities; of one run, on its thread.

    Args:
        archive: Gives what reads the archive; None where there is none.
    """

    def __init__(
        self,
        stores: TierStores,
        checkpoint: Checkpoint,
        entity_ids: Sequence[str],
        *,
        run: Run,
        archive: Callable[[], ArchiveJob | None],
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._stores = stores
        self._checkpoint = checkpoint
        self._entity_ids = tuple(entity_ids)
        self._run = run
        self._archive = archive
        self._streams: dict[str, RowStream] = {}
        self._oldest: dict[str, int | None] = {}

    def hourly(self, spans: Sequence[Span]) -> Aggregates:
        """Read hourly rows.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        return self._read(Tier.HOURLY, MEASUREMENT_HOURLY, Resolution.HOUR, spans)

    def daily(self, span: Span) -> Aggregates:
        """Read daily rows.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        return self._read(Tier.DAILY, MEASUREMENT_DAILY, Resolution.DAY, [span])

    def archived(self, span: Span) -> Aggregates:
        """Read daily rows from the archive, a file a day.

        Raises:
            ArchiveError: See `read_archive`.
        """
        found: Aggregates = {}
        if (job := self._archive()) is None:
            return found
        start_ns, end_ns = span
        for point in read_archive(
            job,
            to_datetime(start_ns),
            to_datetime(end_ns),
            entity_ids=frozenset(self._entity_ids),
        ):
            self._run.check()
            if point.measurement == MEASUREMENT_DAILY:
                by_start = found.setdefault(point.tags[_ENTITY_ID], {})
                put(by_start, to_aggregate(Resolution.DAY, point))
        return found

    def statistics(self, span: Span) -> Aggregates:
        """Read the hourly means that a backfill has brought.

        They are those of Home Assistant, of hours of UTC: what a counter has grown by
        belongs to the hour of the later reading.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        found: Aggregates = {}
        # The reading before the first hour.
        start_ns, end_ns = span[0] - NS_PER_DAY, span[1]
        oldest_ns = self.oldest_ns(Tier.RAW, MEASUREMENT_STATISTICS)
        if oldest_ns is None or end_ns <= oldest_ns:
            return found
        stream = self._stream(Tier.RAW, MEASUREMENT_STATISTICS)
        for tags, rows in by_group(stream.read(start_ns, end_ns)):
            before: Row | None = None
            by_start = found.setdefault(tags[_ENTITY_ID], {})
            for row in _checked(rows, self._run):
                if row.time_ns >= span[0]:
                    put(by_start, _imported(row, before))
                before = row
        return found

    def _read(
        self,
        tier: Tier,
        measurement: str,
        resolution: Resolution,
        spans: Sequence[Span],
    ) -> Aggregates:
        found: Aggregates = {}
        stream = self._stream(tier, measurement)
        oldest_ns = self.oldest_ns(tier, measurement)
        for start_ns, end_ns in spans:
            if oldest_ns is None or end_ns <= oldest_ns:
                continue
            for tags, rows in by_group(stream.read(start_ns, end_ns)):
                by_start = found.setdefault(tags[_ENTITY_ID], {})
                for row in _checked(rows, self._run):
                    put(by_start, to_aggregate(resolution, row))
        return found

    def oldest_ns(self, tier: Tier, measurement: str) -> int | None:
        """Return the time of the oldest row of a measurement; asked once.

        None where it has none, as one has whose store nobody has created yet.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        if measurement not in self._oldest:
            try:
                oldest_ns = oldest_row(
                    self._stores.client(tier),
                    self._checkpoint,
                    Ledger(tier=tier, measurement=measurement),
                )
            except StoreMissingError:
                oldest_ns = None
            except StoreQueryError, StoreTimeoutError:
                # Too much for this server to look through; it is asked span by span.
                oldest_ns = 0
            self._oldest[measurement] = oldest_ns
        return self._oldest[measurement]

    def _stream(self, tier: Tier, measurement: str) -> RowStream:
        """Return what reads a measurement; it learns how much the server gives."""
        if measurement not in self._streams:
            self._streams[measurement] = RowStream(
                self._stores.client(tier),
                measurement,
                by=(_ENTITY_ID,),
                tags={_ENTITY_ID: tuple(self._entity_ids)},
                pause=self._run.pause,
            )
        return self._streams[measurement]


def _checked(rows: Iterator[Row], run: Run) -> Iterator[Row]:
    for number, row in enumerate(rows):
        if number % _CHECK_EVERY == 0:
            run.check()
        yield row


def put(by_start: ByStart, aggregate: Aggregate) -> None:
    """Add a window to those of its entity."""
    start_ns = aggregate.window.start_ns
    # A window made again under other tags leaves its old row where rows cannot go.
    if (other := by_start.get(start_ns)) is not None and (
        other.window == aggregate.window
    ):
        aggregate = prefer(other, aggregate)
    by_start[start_ns] = aggregate


def to_aggregate(resolution: Resolution, row: Row | Point) -> Aggregate:
    """Return a stored row as what it was made from."""
    length = row.fields.get(WINDOW_LENGTH)
    length_ns = resolution.nominal_s * NS_PER_S
    if isinstance(length, float):
        length_ns = to_whole_ns(length)
    window = Window(
        start_ns=row.time_ns,
        end_ns=row.time_ns + length_ns,
        resolution=resolution,
    )
    return Aggregate(window=window, tags=row.tags, fields=row.fields)


def _imported(row: Row, before: Row | None) -> Aggregate:
    """Return an imported mean as an aggregate; no raw row was read for it."""
    fields: dict[str, FieldValue] = {COVERED: float(_HOUR_NS // NS_PER_S)}
    for name in (AVG, MIN, MAX, LAST):
        value = row.fields.get(name)
        if isinstance(value, float):
            fields[name] = value
    nature = nature_of(row.tags)
    if nature.quantity in {Quantity.COUNTER, Quantity.BALANCE} and before is not None:
        total, total_before = row.fields.get(_SUM), before.fields.get(_SUM)
        if isinstance(total, float) and isinstance(total_before, float):
            fields[ENERGY] = (total - total_before) * nature.factor
    window = Window(
        start_ns=row.time_ns,
        end_ns=row.time_ns + _HOUR_NS,
        resolution=Resolution.HOUR,
    )
    return Aggregate(window=window, tags=row.tags, fields=fields)

"""The piece of time of which a view is made at once, and the rows to make it from."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
import datetime as dt
import itertools
import math
from typing import Final

from ..retention.carry import MAX_CARRY
from ..retention.checkpoint import Checkpoint
from ..retention.ledger import Ledger
from ..retention.rows import ROW_COUNT
from ..retention.spans import Span
from ..retention.stores import TierStores
from ..retention.stream import RowStream, by_group
from ..retention.tiers import Tier
from ..retention.windows import NS_PER_S, duration_ns, to_datetime
from ..retention.work import Work
from ..store.query import Row, TagFilter

# Between two looks at whether to rest.
_ROWS_PER_CHECK: Final = 200
_HALF_DAY_NS: Final = 12 * 3_600 * NS_PER_S


@dataclass(slots=True, kw_only=True)
class Chunk:
    """A piece of a local day, or a local month, that is made at once.

    Attributes:
        start_ns: First instant, inclusive.
        end_ns: Last instant, exclusive.
        home_entities: Entities that measure what the home takes from the grid; None
            while that is not known.
        interruptions: Reads the instants after which nothing was known, since Home
            Assistant was not running; ascending, of the chunk and around it.
        rows_read: How many rows have been read so far.
    """

    start_ns: int
    end_ns: int
    zone: dt.tzinfo
    stores: TierStores
    checkpoint: Checkpoint
    work: Work
    home_entities: Collection[str] | None = ()
    interruptions: Callable[[], Sequence[int]] = tuple
    rows_read: int = 0

    def rows(
        self,
        ledger: Ledger,
        *,
        by: Sequence[str],
        tags: TagFilter | None = None,
    ) -> Iterator[Row]:
        """Read the rows of a measurement, each group's together and oldest first.

        Args:
            by: Tags that tell groups apart.
        """
        stream = RowStream(
            self.stores.client(ledger.tier),
            ledger.measurement,
            by=by,
            tags=tags,
            pause=self.work.pause,
        )
        for group, rows in by_group(stream.read(self.start_ns, self.end_ns)):
            for row in rows:
                self.rows_read += 1
                if self.rows_read % _ROWS_PER_CHECK == 0:
                    self.work.check()
                yield Row(
                    time_ns=row.time_ns, tags={**group, **row.tags}, fields=row.fields
                )

    def last_rows(
        self, ledger: Ledger, *, by: Sequence[str], tags: TagFilter | None = None
    ) -> Iterator[Row]:
        """Return the last row of each group before the chunk, not too long ago."""
        stream = RowStream(
            self.stores.client(ledger.tier),
            ledger.measurement,
            by=by,
            tags=tags,
            pause=self.work.pause,
        )
        since_ns = self.start_ns - duration_ns(MAX_CARRY)
        for group, row in stream.last_rows(self.start_ns, since_ns).items():
            self.rows_read += 1
            yield Row(
                time_ns=row.time_ns,
                tags={**dict(group), **row.tags},
                fields=row.fields,
            )

    def aggregates(
        self,
        ledger: Ledger,
        *,
        by: Sequence[str],
        tags: TagFilter | None = None,
    ) -> Iterator[Row]:
        """Read rows of which each group has one at an instant.

        Where rows cannot be deleted, one that was made again under other labels
        leaves its old one beside it.
        """
        rows = self.rows(ledger, by=by, tags=tags)
        for _, same in itertools.groupby(
            rows,
            key=lambda row: (*(row.tags.get(name) for name in by), row.time_ns),
        ):
            yield max(same, key=_rank)

    def date_of(self, start_ns: int) -> dt.date:
        """Return the local date of a day that begins at an instant.

        By its noon: a day that was made in another time zone begins at another hour.
        """
        return to_datetime(start_ns + _HALF_DAY_NS).astimezone(self.zone).date()

    def local(self, at_ns: int) -> dt.datetime:
        """Return an instant as the clock at home shows it."""
        return to_datetime(at_ns).astimezone(self.zone)

    @property
    def span(self) -> Span:
        """Start and end."""
        return self.start_ns, self.end_ns

    @property
    def month(self) -> str:
        """The local month that it is about, such as 2026-11."""
        middle_ns = self.start_ns + min(
            _HALF_DAY_NS, (self.end_ns - self.start_ns) // 2
        )
        return f"{self.local(middle_ns):%Y-%m}"


def _rank(row: Row) -> tuple[float, list[tuple[str, str]]]:
    """Order rows that stand for the same: made of more raw rows is newer."""
    count = row.fields.get(ROW_COUNT, 0.0)
    return (
        0.0 if isinstance(count, str) else float(count),
        sorted(row.tags.items()),
    )


def number(row: Row, name: str) -> float | None:
    """Return a field that is a number; None if it is left out."""
    value = row.fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def text(row: Row, name: str) -> str | None:
    """Return a field that is text; None if it is left out."""
    value = row.fields.get(name)
    return value if isinstance(value, str) else None


def total(values: Iterable[float | None]) -> float | None:
    """Return the sum of what is known; None if nothing is."""
    known = [value for value in values if value is not None]
    return math.fsum(known) if known else None


def daily(measurement: str) -> Ledger:
    """Return the ledger of a measurement of days, or of a view."""
    return Ledger(tier=Tier.DAILY, measurement=measurement)


def hourly(measurement: str) -> Ledger:
    """Return the ledger of a measurement of hours."""
    return Ledger(tier=Tier.HOURLY, measurement=measurement)


def raw(measurement: str) -> Ledger:
    """Return the ledger of a raw measurement."""
    return Ledger(tier=Tier.RAW, measurement=measurement)

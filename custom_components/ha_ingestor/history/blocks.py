"""What the rows of a block of days are read from, for all entities at once.

Blocking, for threads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
import datetime as dt

from ..retention.archive import ArchiveJob
from ..retention.checkpoint import Checkpoint
from ..retention.interruptions import read_interruptions
from ..retention.spans import Span, merge
from ..retention.stores import TierStores
from ..retention.tiers import MIN_AGE, Tier
from ..retention.windows import duration_ns
from ..store.query import list_measurements
from .computed import RawRows
from .days import DayReader
from .page import PageBuilder
from .query import Detail, HistoryQuery, NoteKind
from .run import Run
from .seams import Block, read_seams, seams_of
from .stored import Aggregates, StoredRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What all of an answer has in common.

    Attributes:
        archive: Gives what reads the archive; None where there is none.
    """

    query: HistoryQuery
    detail: Detail
    stores: TierStores
    checkpoint: Checkpoint
    zone: dt.tzinfo
    archive: Callable[[], ArchiveJob | None]
    now_ns: int
    run: Run
    stored: StoredRows = field(init=False)
    raw: dict[str, RawRows] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Share what reads the stored tiers."""
        stored = StoredRows(
            self.stores,
            self.checkpoint,
            self.query.entity_ids,
            run=self.run,
            archive=self.archive,
        )
        object.__setattr__(self, "stored", stored)

    def raw_of(self, entity_id: str) -> RawRows:
        """Return what reads the raw rows of an entity."""
        if entity_id not in self.raw:
            self.raw[entity_id] = RawRows(
                self.stores,
                self.stored,
                entity_id,
                zone=self.zone,
                now_ns=self.now_ns,
                run=self.run,
            )
        return self.raw[entity_id]


class BlockReader:
    """Reads a block; of one run, on its thread."""

    def __init__(self, context: Context, block: Block, page: PageBuilder) -> None:
        """Read the stored rows, and where the seams are.

        Raises:
            StoreError: See `InfluxClient.query`.
            CheckpointError: See `read_seams`.
        """
        self.block = block
        self._context = context
        self._page = page
        self._seams = read_seams(context.checkpoint, block.span)
        self._daily = context.stored.daily(block.span)
        self._hourly = context.stored.hourly(self._hourly_spans())
        self._archived: Aggregates | None = None
        self._statistics: Aggregates | None = None
        self._interruptions: list[int] | None = None

    def days_of(self, entity_id: str) -> DayReader:
        """Return what reads the days of an entity."""
        context = self._context
        seams = seams_of(context.checkpoint, self._seams, self.block.span, entity_id)
        if seams.daily_gone and context.archive() is None:
            self._page.note(
                NoteKind.ARCHIVE_MISSING,
                entity_id,
                seams.daily_gone[0][0],
                seams.daily_gone[-1][1],
            )
        return DayReader(
            detail=context.detail,
            zone=context.zone,
            now_ns=context.now_ns,
            seams=seams,
            daily=self._daily.get(entity_id, {}),
            hourly=self._hourly.get(entity_id, {}),
            raw=context.raw_of(entity_id),
            archived=lambda: self._read_archived().get(entity_id, {}),
            statistics=lambda: self._read_statistics().get(entity_id, {}),
            interruptions=self._read_interruptions,
        )

    def _hourly_spans(self) -> Sequence[Span]:
        """Return where hourly rows are needed."""
        if self._context.detail is not Detail.DAY:
            return [self.block.span]
        return merge(
            (day.start_ns, day.end_ns)
            for day in self.block.days
            if self._seams.is_open(day)
        )

    def _read_archived(self) -> Aggregates:
        if self._archived is None:
            start_ns, end_ns = self.block.span
            # Nothing is archived before it is old, and nobody is to wait for that.
            end_ns = min(end_ns, self._context.now_ns - duration_ns(MIN_AGE))
            self._archived = (
                self._context.stored.archived((start_ns, end_ns))
                if start_ns < end_ns
                else {}
            )
        return self._archived

    def _read_statistics(self) -> Aggregates:
        if self._statistics is None:
            self._statistics = self._context.stored.statistics(self.block.span)
        return self._statistics

    def _read_interruptions(self) -> list[int]:
        if self._interruptions is None:
            context = self._context
            client = context.stores.client(Tier.RAW)
            start_ns, end_ns = self.block.span
            self._interruptions = [
                one.at_ns
                for one in read_interruptions(
                    client,
                    list_measurements(client),
                    start_ns=start_ns,
                    end_ns=min(end_ns, context.now_ns),
                    pause=context.run.pause,
                )
            ]
        return self._interruptions

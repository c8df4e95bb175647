"""One way to read the past, whichever tier holds it.

An answer is made block of days by block of days, entity by entity, so that memory
holds the aggregates of one block and the rows of one page. Blocking, for threads.
"""

from collections.abc import Callable, Iterator
import datetime as dt
import time
from typing import Final

from ..retention.archive import ArchiveJob
from ..retention.checkpoint import Checkpoint
from ..retention.stores import TierStores
from ..retention.work import Work
from .blocks import BlockReader, Context
from .days import Found
from .page import PageBuilder
from .query import HistoryPage, HistoryQuery, Place, decode_cursor
from .run import PAGE_S, Run
from .seams import blocks_of

# Hours of all entities in a block: some 20 MB with many columns.
_BLOCK_HOURS: Final = 5_000
_HOURS_PER_DAY: Final = 25
_NS_PER_US: Final = 1_000
# Of its own job a person waits for the answer.
_WORK_SHARE: Final = 0.7


class HistoryReader:
    """Answers questions about the past; threads may share it.

    Args:
        zone: That of the home.
        archive: Gives what reads the archive; None where there is none.
        now_ns: The clock.
        page_s: Time after which a page ends, however few rows it has.
    """

    def __init__(
        self,
        stores: TierStores,
        checkpoint: Checkpoint,
        *,
        zone: dt.tzinfo,
        archive: Callable[[], ArchiveJob | None] = lambda: None,
        now_ns: Callable[[], int] = time.time_ns,
        page_s: float = PAGE_S,
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._stores = stores
        self._checkpoint = checkpoint
        self._zone = zone
        self._archive = archive
        self._now_ns = now_ns
        self._page_s = page_s

    def read(self, query: HistoryQuery, work: Work | None = None) -> HistoryPage:
        """Answer a question, or a page of it.

        Raises:
            HistoryArgumentError: It is asked for wrongly.
            StoreError: InfluxDB cannot answer it.
            ArchiveError: The archive cannot.
            CheckpointError: It is not known which tier holds what.
            RetentionCancelledError: The work was cancelled.
        """
        # An answer says when its last window ends, to the microsecond: then it does.
        now_ns = self._now_ns() // _NS_PER_US * _NS_PER_US
        query.check(now_ns)
        place, detail = decode_cursor(query)
        detail = detail or query.resolve(now_ns)
        run = Run(work or Work(share=_WORK_SHARE), page_s=self._page_s)
        page = PageBuilder(query, detail, now_ns=now_ns)
        if query.end_ns(now_ns) <= query.start_ns:
            return page.finish(None)
        context = Context(
            query=query,
            detail=detail,
            stores=self._stores,
            checkpoint=self._checkpoint,
            zone=self._zone,
            archive=self._archive,
            now_ns=now_ns,
            run=run,
        )
        return page.finish(_Answer(context, page).fill(place))


class _Answer:
    """The way through one answer; of one run, on its thread."""

    def __init__(self, context: Context, page: PageBuilder) -> None:
        self._context = context
        self._query = context.query
        self._end_ns = context.query.end_ns(context.now_ns)
        self._page = page

    def fill(self, place: Place) -> Place | None:
        """Add rows to the page until it is full, or late.

        Returns:
            Where the next page begins; None if there is none.
        """
        for at, entity_id, found in self._rows(place):
            if found is None:
                if self._context.run.is_late:
                    return at
            elif self._page.is_full:
                return at
            else:
                self._page.add(entity_id, found)
        return None

    def _rows(self, place: Place) -> Iterator[tuple[Place, str, Found | None]]:
        """Give rows with their places, and the ends of days without one."""
        day_count = max(
            1, _BLOCK_HOURS // (_HOURS_PER_DAY * len(self._query.entity_ids))
        )
        blocks = blocks_of(
            self._query.start_ns,
            self._end_ns,
            zone=self._context.zone,
            day_count=day_count,
            first=place.block,
        )
        for block in blocks:
            reader = BlockReader(self._context, block, self._page)
            for number, entity_id in enumerate(self._query.entity_ids):
                since = Place()
                if block.number == place.block:
                    if number < place.entity:
                        continue
                    if number == place.entity:
                        since = place
                yield from self._entity(reader, number, entity_id, since)

    def _entity(
        self, reader: BlockReader, number: int, entity_id: str, since: Place
    ) -> Iterator[tuple[Place, str, Found | None]]:
        """Give the rows of an entity in a block, from a place on."""
        block = reader.block
        days = reader.days_of(entity_id)
        at = Place(block=block.number, entity=number)
        for day in block.days:
            if day.end_ns <= since.from_ns:
                continue
            self._context.run.check()
            for found in days.read(day):
                is_asked = self._query.start_ns <= found.start_ns < self._end_ns
                if not is_asked or found.start_ns < since.from_ns:
                    continue
                skip = at.skip + 1 if found.start_ns == at.from_ns else 0
                at = Place(
                    block=block.number,
                    entity=number,
                    from_ns=found.start_ns,
                    skip=skip,
                )
                if found.start_ns == since.from_ns and skip < since.skip:
                    continue
                yield at, entity_id, found
            yield (
                Place(block=block.number, entity=number, from_ns=day.end_ns),
                entity_id,
                None,
            )

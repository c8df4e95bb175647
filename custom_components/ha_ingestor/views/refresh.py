"""Views are made again where what they are made from has changed, and only there.

A view's ledger says of which times its rows are made and proven. What is open is made
chunk by chunk, oldest first: the rows are computed, written, read back and compared,
rows that are no longer part of the chunk go, and then the chunk is recorded. Killed
at any point, the next run does the same chunk again, which changes nothing.

A chunk is only made while all that it is made from is there. Blocking, for threads.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
import datetime as dt
from typing import Final

from ..errors import (
    BatchRejectedError,
    RetentionMismatchError,
)
from ..models import Point
from ..retention.checkpoint import Checkpoint
from ..retention.interruptions import read_interruptions
from ..retention.ledger import Ledger
from ..retention.spans import Span, merge, overlap, subtract
from ..retention.stores import TierStores
from ..retention.stream import GroupKey, RowStream
from ..retention.tiers import Tier
from ..retention.transfer import Plan, Transfer, exact_differences, series_of
from ..retention.windows import (
    Resolution,
    day_window,
    window_at,
    windows_between,
)
from ..retention.work import Work
from ..store.query import list_measurements, list_tag_keys
from .chunk import Chunk
from .definition import ENTITY_ID, Made, Period, View

# Problems that are spelled out; a person needs the first ones.
MAX_PROBLEMS: Final = 20


@dataclass(slots=True)
class RefreshResult:
    """What a refresh has done.

    Attributes:
        views: Names of those that were looked at.
        chunks: Pieces of time that were made and proven.
        rows_read: Rows that views were made from.
        rows_written: Rows that were new or different.
        rows_removed: Rows that are no longer part of a view.
        problems: What stays open, and why; the first ones.
    """

    views: tuple[str, ...] = ()
    chunks: int = 0
    rows_read: int = 0
    rows_written: int = 0
    rows_removed: int = 0
    problems: tuple[str, ...] = ()

    def add_problem(self, text: str) -> None:
        """Keep why something stays open, as long as there is room."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems = (*self.problems, text)


type HomeEntities = Callable[[], Collection[str] | None]


class ViewRefresh:
    """One refresh of one view; on one thread at a time.

    Args:
        home_entities: Gives the entities that measure what the home takes from the
            grid; None while that is not known.
        feeds: The ledgers that are fed by the view's own.
        result: Where it is added what was done.
    """

    def __init__(
        self,
        view: View,
        stores: TierStores,
        checkpoint: Checkpoint,
        *,
        zone: dt.tzinfo,
        home_entities: HomeEntities,
        work: Work,
        feeds: Iterable[Ledger],
        result: RefreshResult,
    ) -> None:
        """Prepare; nothing is read yet."""
        self._view = view
        self._stores = stores
        self._checkpoint = checkpoint
        self._zone = zone
        self._home_entities = home_entities
        self._interruptions: list[int] | None = None
        self._until_ns = 0
        self._work = work
        self._feeds = tuple(feeds)
        self._result = result
        self._client = stores.client(Tier.DAILY)

    def open_chunks(self) -> list[Span]:
        """List what has to be made, oldest first."""
        available = available_spans(self._view, self._checkpoint, self._zone)
        if not available:
            return []
        whole = (available[0][0], available[-1][1])
        todo = overlap(self._checkpoint.unverified(self._view.ledger, whole), available)
        if self._view.period is Period.MONTH:
            return list(_months(todo, whole[1], self._zone))
        return list(_days(todo, available, self._zone))

    def run(self, chunks: Sequence[Span], *, done: float, share: float) -> None:
        """Make chunks.

        Args:
            done: How much of the whole refresh is done before, 0 to 1.
            share: How much of it this view is.

        Raises:
            RetentionCancelledError: The run is to stop; whole chunks are done.
            StoreError: The store does not answer.
        """
        self._until_ns = chunks[-1][1] if chunks else 0
        for number, span in enumerate(chunks):
            self._work.report(
                done + share * number / len(chunks), f"View {self._view.name}"
            )
            self._work.check()
            try:
                self._make(span)
            except (RetentionMismatchError, BatchRejectedError) as err:
                self._result.add_problem(f"{self._view.name}: {err}")

    def _make(self, span: Span) -> None:
        mark = self._checkpoint.dirty_mark()
        chunk = Chunk(
            start_ns=span[0],
            end_ns=span[1],
            zone=self._zone,
            stores=self._stores,
            checkpoint=self._checkpoint,
            work=self._work,
            home_entities=self._home_entities(),
            interruptions=lambda: self._read_interruptions(span[0]),
        )
        made = self._view.make(chunk)
        self._result.rows_read += chunk.rows_read
        plan = Plan(
            measurement=self._view.name,
            start_ns=span[0],
            end_ns=span[1],
            points=made.points,
            identity=self._view.identity,
            differences=exact_differences,
        )
        transfer = Transfer(self._client, pause=self._work.pause).run(plan)
        self._result.rows_written += transfer.written_count
        if transfer.kept_count:
            self._result.rows_removed += self._remove_vanished(plan, made)
        if made.problems:
            for problem in made.problems:
                self._result.add_problem(f"{self._view.name}: {problem}")
            return
        self._checkpoint.add_verified(
            self._view.ledger, span, counts={}, mark=mark, feeds=self._feeds
        )
        self._result.chunks += 1

    def _read_interruptions(self, start_ns: int) -> list[int]:
        """Read when Home Assistant was not running, once for this chunk and later."""
        if self._interruptions is None:
            raw = self._stores.client(Tier.RAW)
            self._interruptions = [
                interruption.at_ns
                for interruption in read_interruptions(
                    raw,
                    list_measurements(raw),
                    start_ns=start_ns,
                    end_ns=self._until_ns,
                    pause=self._work.pause,
                )
            ]
        return self._interruptions

    def _remove_vanished(self, plan: Plan, made: Made) -> int:
        """Delete rows that the chunk should not have; say how many.

        Not those whose sources may be gone.
        """
        if not self._client.has_delete:
            return 0
        wanted = {self._identity(point) for point in plan.points}
        vanished: list[tuple[GroupKey, int]] = []
        stream = RowStream(self._client, plan.measurement, pause=self._work.pause)
        for piece in stream.read(plan.start_ns, plan.end_ns):
            tags = dict(piece.key)
            vanished += [
                (piece.key, row.time_ns)
                for row in piece.rows
                if row.time_ns in made.seen
                and (self._pick(tags), row.time_ns) not in wanted
                and not self._is_final(tags, row.time_ns)
            ]
        if not vanished:
            return 0
        tag_keys = list_tag_keys(self._client, plan.measurement)
        for key, time_ns in vanished:
            self._work.check()
            tags = dict(key)
            self._client.delete(
                plan.measurement,
                # Without the empty ones a series with more tags would go as well.
                tags={name: tags.get(name, "") for name in tag_keys},
                start_ns=time_ns,
                end_ns=time_ns + 1,
            )
        return len(vanished)

    def _is_final(self, tags: dict[str, str], time_ns: int) -> bool:
        """Whether a row cannot be made again, so that it stays as it is."""
        view = self._view
        if view.home_tag is not None and tags.get(view.home_tag[0]) == view.home_tag[1]:
            # Made of the meters of its time, which may be others by now.
            return True
        entity_id = tags.get(ENTITY_ID)
        return entity_id is not None and bool(
            self._checkpoint.removed(view.reads, (time_ns, time_ns + 1), entity_id)
        )

    def _identity(self, point: Point) -> tuple[GroupKey, int]:
        return self._pick(dict(series_of(point.tags))), point.time_ns

    def _pick(self, tags: dict[str, str]) -> GroupKey:
        return tuple((name, tags[name]) for name in self._view.identity if name in tags)


def available_spans(view: View, checkpoint: Checkpoint, zone: dt.tzinfo) -> list[Span]:
    """List the times of which a view can be made: all rows are known and there."""
    settled: list[Span] = []
    for ledger in view.made_after:
        dirty = [(part.start_ns, part.end_ns) for part in checkpoint.dirty(ledger)]
        settled += subtract(checkpoint.verified(ledger), dirty)
    settled = merge(settled)
    if not settled:
        return []
    removed = checkpoint.removed(view.reads, (settled[0][0], settled[-1][1]))
    # An hour that is half gone is not there.
    gone = [
        (
            window_at(Resolution.HOUR, start_ns, zone).start_ns,
            window_at(Resolution.HOUR, end_ns - 1, zone).end_ns,
        )
        for start_ns, end_ns in removed
    ]
    return subtract(settled, gone)


def month_at(at_ns: int, zone: dt.tzinfo) -> Span:
    """Return the local month that an instant lies in."""
    day = window_at(Resolution.DAY, at_ns, zone)
    # By its noon: a day may begin later than at midnight.
    middle = day.start_at + dt.timedelta(microseconds=day.length_ns // 2_000)
    first = middle.astimezone(zone).date().replace(day=1)
    following = (first + dt.timedelta(days=31)).replace(day=1)
    return _start_of(first, zone), _start_of(following, zone)


def _start_of(date: dt.date, zone: dt.tzinfo) -> int:
    while (window := day_window(date, zone)) is None:
        date += dt.timedelta(days=1)
    return window.start_ns


def _days(
    todo: Sequence[Span], available: Sequence[Span], zone: dt.tzinfo
) -> Iterator[Span]:
    """Give all that is available of each local day in which something is open."""
    seen: set[Span] = set()
    for start_ns, end_ns in todo:
        for day in windows_between(Resolution.DAY, start_ns, end_ns, zone):
            for part in overlap([(day.start_ns, day.end_ns)], available):
                if part not in seen and overlap([part], todo):
                    seen.add(part)
                    yield part


def _months(todo: Sequence[Span], until_ns: int, zone: dt.tzinfo) -> Iterator[Span]:
    """Give each local month in which something is open, up to now."""
    at_ns = 0
    for start_ns, end_ns in todo:
        at_ns = max(at_ns, start_ns)
        while at_ns < end_ns:
            month = month_at(at_ns, zone)
            yield month[0], min(month[1], until_ns)
            at_ns = month[1]


def recheck(view: View, checkpoint: Checkpoint, zone: dt.tzinfo) -> None:
    """Open all of a view that can be made again."""
    available = available_spans(view, checkpoint, zone)
    for span in overlap(checkpoint.verified(view.ledger), available):
        checkpoint.mark_dirty(view.ledger, span)

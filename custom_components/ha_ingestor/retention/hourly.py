"""The hours of all entities, from the rows of their events."""

from collections.abc import Iterator, Mapping, Sequence
import itertools
from typing import Final, Protocol

from ..models import Point
from ..store.influx.client import InfluxClient
from ..store.query import Row, TagFilter
from .carries import ENTITY_ID, NAMED_AT_ONCE, EntityCarries
from .carry import Carry
from .ledgers import EVENTS_LEDGER
from .made import Made
from .rows import SAMPLE_COUNT
from .spans import Span, overlap
from .stream import RowStream, by_group
from .track import Track, ValueCounts
from .windows import Window
from .work import Work

# Rows between two looks at the clock: a few milliseconds.
ROWS_AT_ONCE: Final = 200


class HourMaker(Protocol):
    """Makes the hours of one raw measurement; on one thread at a time.

    Attributes:
        at_ns: Up to where it knows what holds; None if it does not.
        series_count: How many series it knows.
    """

    at_ns: int | None

    @property
    def series_count(self) -> int:
        """How many series are known to hold something, or to have done so."""
        ...

    def load(self, at_ns: int, *, oldest_ns: int, has_gone: bool) -> None:
        """Find out what holds at a moment."""
        ...

    def make(self, windows: Sequence[Window], *, mark: int) -> Made:
        """Make windows that begin where it knows what holds."""
        ...

    @property
    def is_idle(self) -> bool:
        """Whether nothing holds any more, so that without rows there is nothing."""
        ...

    def fork(self, entity_ids: frozenset[str] | None) -> HourMaker:
        """Return one that goes on with some entities, until they have reported."""
        ...

    def settle(self) -> bool:
        """Leave out what has reported; whether anything is left."""
        ...


class EventHours:
    """Makes the hours of entities; see `HourMaker`."""

    def __init__(
        self,
        client: InfluxClient,
        carries: EntityCarries,
        *,
        interruptions: Sequence[int],
        gone: Mapping[str, Sequence[Span]],
        work: Work,
        only: frozenset[str] | None = None,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            client: Of the raw store.
            interruptions: See `Track`.
            gone: Entities to the spans of which their own rows were deleted.
            only: Entities to make; None for all.
        """
        self._client = client
        self._carries = carries
        self._interruptions = interruptions
        self._gone = gone
        self._work = work
        self._only = only
        self._reported: set[str] = set()

    @property
    def at_ns(self) -> int | None:
        """Up to where it knows what holds; None if it does not."""
        return self._carries.at_ns

    @at_ns.setter
    def at_ns(self, at_ns: int | None) -> None:
        self._carries.at_ns = at_ns

    @property
    def series_count(self) -> int:
        """How many entities are known."""
        return len(self._carries)

    def load(self, at_ns: int, *, oldest_ns: int, has_gone: bool) -> None:
        """Find out what holds at a moment."""
        self._carries.load(at_ns, oldest_ns=oldest_ns, has_gone=has_gone)

    def make(self, windows: Sequence[Window], *, mark: int) -> Made:
        """Make windows that begin where it knows what holds.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        span = (windows[0].start_ns, windows[-1].end_ns)
        hours = _Hours(windows, self._interruptions)
        skipped = {
            entity_id
            for entity_id, spans in self._gone.items()
            if overlap(spans, [span])
        }
        for entity_id, rows in self._read(span):
            track = None
            if entity_id not in skipped:
                track = hours.track(self._carries.find(entity_id))
            # They are counted even if they are the late ones of a deleted day.
            self._feed(hours, track, rows)
            if track is not None:
                hours.close(entity_id, track)
        for entity_id, carry in self._carries.held().items():
            if entity_id not in hours.done and entity_id not in skipped:
                self._work.check()
                hours.hold(entity_id, carry)
        known = self._carries.held().keys() | hours.done.keys()
        self._carries.move(span[1], hours.done)
        self._reported |= hours.reported
        if skipped:
            # What those held after it has to be looked up.
            self._carries.at_ns = None
        only: tuple[str, ...] | None = None
        if skipped or self._only is not None:
            only = tuple(sorted(known - skipped - {""}))
        return Made(
            windows=windows,
            points=hours.points,
            counts=hours.counts,
            mark=mark,
            only=only,
        )

    @property
    def is_idle(self) -> bool:
        """Whether nothing holds any more, so that without rows there is nothing."""
        at_ns = self._carries.at_ns
        return at_ns is not None and all(
            carry.expires_ns <= at_ns for carry in self._carries.held().values()
        )

    def fork(self, entity_ids: frozenset[str] | None) -> EventHours:
        """Return one that goes on with some entities, until they have reported."""
        carries = self._carries.fork(entity_ids)
        return EventHours(
            self._client,
            carries,
            interruptions=self._interruptions,
            gone=self._gone,
            work=self._work,
            only=frozenset(carries.held()),
        )

    def settle(self) -> bool:
        """Leave out what has reported; whether anything is left."""
        self._carries.drop(self._reported)
        self._only = frozenset(self._carries.held())
        return bool(self._only)

    def _read(self, span: Span) -> Iterator[tuple[str, Iterator[Row]]]:
        for tags in self._filters():
            stream = RowStream(
                self._client,
                EVENTS_LEDGER.measurement,
                by=(ENTITY_ID,),
                tags=tags,
                pause=self._work.pause,
            )
            for key, rows in by_group(stream.read(*span)):
                yield key.get(ENTITY_ID, ""), rows

    def _filters(self) -> Iterator[TagFilter]:
        if self._only is None:
            yield {}
            return
        names = sorted(self._only)
        for ids in itertools.batched(names, NAMED_AT_ONCE, strict=False):
            yield {ENTITY_ID: ids}

    def _feed(self, hours: _Hours, track: Track | None, rows: Iterator[Row]) -> None:
        for batch in itertools.batched(rows, ROWS_AT_ONCE, strict=False):
            for row in batch:
                hours.counts.add(row)
                if track is not None:
                    track.add(row)
            self._work.check()


class _Hours:
    """What becomes of windows that follow each other."""

    def __init__(self, windows: Sequence[Window], interruptions: Sequence[int]) -> None:
        span = (windows[0].start_ns, windows[-1].end_ns)
        self.windows = windows
        self.counts = ValueCounts(windows)
        self.points: list[Point] = []
        self.done: dict[str, Carry] = {}
        # A known state: what was before it matters no more.
        self.reported: set[str] = set()
        self._interruptions = [
            at_ns for at_ns in interruptions if span[0] <= at_ns < span[1]
        ]

    def track(self, carry: Carry | None) -> Track:
        return Track(self.windows, carry=carry, interruptions=self._interruptions)

    def close(self, entity_id: str, track: Track) -> None:
        carry = track.finish()
        self.points += [found.to_point() for found in track.aggregates]
        if any(found.number(SAMPLE_COUNT) for found in track.aggregates):
            self.reported.add(entity_id)
        if carry is not None:
            self.done[entity_id] = carry

    def hold(self, entity_id: str, carry: Carry) -> None:
        """Make the hours of an entity without rows."""
        if carry.expires_ns > self.windows[0].start_ns:
            self.close(entity_id, self.track(carry))

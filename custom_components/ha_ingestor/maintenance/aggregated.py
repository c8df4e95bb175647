"""Which rows of the past are in the tiers already, although their raw rows are gone.

Raw rows go once their hours are aggregated, and hourly rows once their days are. So
that a row is not there says nothing of a time that is gone; what tells is the row that
it would have gone into, of its entity and its hour or day. Blocking, for threads.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
import datetime as dt
from typing import Final

from ..errors import StoreMissingError
from ..retention.checkpoint import Checkpoint
from ..retention.deletion import late_measurement
from ..retention.ledger import Ledger
from ..retention.ledgers import DAILY_LEDGER, EVENTS_LEDGER, HOURLY_LEDGER
from ..retention.rows import ROW_COUNT, WINDOW_LENGTH, to_whole_ns
from ..retention.spans import Span, subtract
from ..retention.stores import TierStores
from ..retention.tiers import Tier
from ..retention.windows import (
    NS_PER_DAY,
    NS_PER_S,
    Resolution,
    utc_day_start,
    window_at,
)
from ..store.query import Row, read_all_points

# Entity and time of an event.
type EventId = tuple[str, int]

_ENTITY_ID: Final = "entity_id"
# Every stored event has a state.
_STATE: Final = "state"
# Points further apart are asked for one by one.
_MAX_GAP_NS: Final = NS_PER_DAY
# One question reads no more than that: 3.x reads 432 files at most, and a file holds
# an hour or less.
_MAX_SPAN_NS: Final = 14 * NS_PER_DAY
# More entities than this are not named; what was not asked for is passed over.
_MAX_NAMED: Final = 200
# A local day has 25 hours at most, an hour one.
_LONGEST_NS: Final[Mapping[Resolution, int]] = {
    Resolution.HOUR: 3_600 * NS_PER_S,
    Resolution.DAY: 25 * 3_600 * NS_PER_S,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the tiers hold of some events that the raw store does not have.

    Attributes:
        aggregated: They are part of rows of hours or days.
        aside: They came too late for that, and are kept as they are.
    """

    aggregated: frozenset[EventId] = field(default_factory=frozenset)
    aside: frozenset[EventId] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneDays:
    """Whole UTC days of a ledger whose rows are gone, or going.

    Only whole days go. Of a window that reaches over the end of one, the part in the
    next day counts as gone as well for who would aggregate it, but is still there.

    Attributes:
        spans: Of all entities.
        own: Of single ones, beside these.
    """

    spans: Sequence[Span]
    own: Mapping[str, Sequence[Span]]

    @classmethod
    def read(cls, checkpoint: Checkpoint, ledger: Ledger, span: Span) -> GoneDays:
        """Read what is known of a span.

        Raises:
            CheckpointError: It cannot be read.
        """
        return cls(
            spans=checkpoint.removed(ledger, span),
            own=checkpoint.removed_entities(ledger),
        )

    def has(self, entity_id: str, at_ns: int) -> bool:
        """Whether the rows of an entity are gone at a time."""
        day_ns = utc_day_start(at_ns)
        day = (day_ns, day_ns + NS_PER_DAY)
        return not subtract([day], [*self.spans, *self.own.get(entity_id, ())])


def find_held(
    stores: TierStores,
    checkpoint: Checkpoint,
    zone: dt.tzinfo,
    wanted: Mapping[EventId, str],
) -> Held:
    """Find events whose time is gone from the raw store in what was made of it.

    An hour counts with the rows it was made from: one for which a value was only
    carried on holds none.

    Args:
        wanted: Events that the raw store does not have, each with the name that its
            entity had at its time.

    Raises:
        CheckpointError: What is gone cannot be known.
        StoreError: See `InfluxClient.query`.
    """
    if not wanted:
        return Held()
    span = _days_of(wanted)
    raw = GoneDays.read(checkpoint, EVENTS_LEDGER, span)
    asked = _names(
        {
            (entity_id, time_ns): name
            for (entity_id, time_ns), name in wanted.items()
            if raw.has(entity_id, time_ns) or raw.has(name, time_ns)
        }
    )
    if not asked:
        return Held()
    aggregated = _take(asked, _find_aggregated(stores, Resolution.HOUR, asked))
    hourly = GoneDays.read(checkpoint, HOURLY_LEDGER, (span[0] - NS_PER_DAY, span[1]))
    by_day = {
        event: ids
        for event, ids in asked.items()
        # An hourly row has the time of its hour.
        if hourly.has(event[0], window_at(Resolution.HOUR, event[1], zone).start_ns)
    }
    found = _find_aggregated(stores, Resolution.DAY, by_day)
    aggregated |= _take(asked, found)
    return Held(
        aggregated=frozenset(aggregated),
        aside=frozenset(_take(asked, _find_aside(stores, asked))),
    )


def _days_of(events: Iterable[EventId]) -> Span:
    times = [time_ns for _, time_ns in events]
    return utc_day_start(min(times)), utc_day_start(max(times)) + NS_PER_DAY


def _names(wanted: Mapping[EventId, str]) -> dict[EventId, set[EventId]]:
    """Return under which names events are asked for: stored event to those wanted.

    A row that was brought after its entity had been renamed has its later name.
    """
    asked: defaultdict[EventId, set[EventId]] = defaultdict(set)
    for event, name in wanted.items():
        asked[event].add(event)
        asked[name, event[1]].add(event)
    return dict(asked)


def _take(asked: dict[EventId, set[EventId]], found: set[EventId]) -> set[EventId]:
    """Take what was found, and what is the same under another name, from the rest."""
    taken = {event for stored in found for event in asked[stored]}
    for stored in [stored for stored, events in asked.items() if events <= taken]:
        del asked[stored]
    return taken


def _find_aggregated(
    stores: TierStores, resolution: Resolution, events: Collection[EventId]
) -> set[EventId]:
    ledger = HOURLY_LEDGER if resolution is Resolution.HOUR else DAILY_LEDGER
    found: set[EventId] = set()
    for cluster in _clusters(events):
        rows = _read(
            stores,
            ledger,
            (ROW_COUNT, WINDOW_LENGTH),
            cluster,
            reach_ns=_LONGEST_NS[resolution],
        )
        found |= match_windows(rows, cluster, resolution)
    return found


def match_windows(
    rows: Iterable[Row], events: Collection[EventId], resolution: Resolution
) -> set[EventId]:
    """Return the events that lie in a window which was made from rows of theirs."""
    times: defaultdict[str, list[int]] = defaultdict(list)
    for entity_id, time_ns in sorted(events):
        times[entity_id].append(time_ns)
    found: set[EventId] = set()
    for row in rows:
        entity_id = row.tags.get(_ENTITY_ID, "")
        if not row.fields.get(ROW_COUNT) or entity_id not in times:
            continue
        length = row.fields.get(WINDOW_LENGTH)
        length_ns = resolution.nominal_s * NS_PER_S
        if isinstance(length, float):
            length_ns = to_whole_ns(length)
        of_entity = times[entity_id]
        first = bisect_left(of_entity, row.time_ns)
        last = bisect_left(of_entity, row.time_ns + length_ns)
        found.update((entity_id, time_ns) for time_ns in of_entity[first:last])
    return found


def _find_aside(stores: TierStores, events: Collection[EventId]) -> set[EventId]:
    ledger = Ledger(tier=Tier.DAILY, measurement=late_measurement(EVENTS_LEDGER))
    return {
        event
        for cluster in _clusters(events)
        for row in _read(stores, ledger, (_STATE,), cluster, reach_ns=0)
        if (event := (row.tags.get(_ENTITY_ID, ""), row.time_ns)) in events
    }


def _clusters(events: Collection[EventId]) -> Iterator[list[EventId]]:
    cluster: list[EventId] = []
    for event in sorted(events, key=lambda item: item[1]):
        if cluster and (
            event[1] - cluster[-1][1] > _MAX_GAP_NS
            or event[1] - cluster[0][1] > _MAX_SPAN_NS
        ):
            yield cluster
            cluster = []
        cluster.append(event)
    if cluster:
        yield cluster


def _read(
    stores: TierStores,
    ledger: Ledger,
    fields: Sequence[str],
    cluster: Sequence[EventId],
    *,
    reach_ns: int,
) -> Iterator[Row]:
    """Read the rows of some entities around some times.

    Args:
        reach_ns: How long before an event its row may be.
    """
    entity_ids = sorted({entity_id for entity_id, _ in cluster})
    try:
        yield from read_all_points(
            stores.client(ledger.tier),
            ledger.measurement,
            fields=fields,
            tag_keys=(_ENTITY_ID,),
            tags={_ENTITY_ID: entity_ids} if len(entity_ids) <= _MAX_NAMED else None,
            start_ns=cluster[0][1] - reach_ns,
            end_ns=cluster[-1][1] + 1,
        )
    except StoreMissingError:
        # Somebody has deleted it, and with it all that it said.
        return

"""What the entities of a house hold at a moment, found out from what is stored.

Where hours follow each other, each hands over to the next; only the first one has to
look back. What is found is what a run over the whole history would have handed over:
as long as raw rows are there, to the bit.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
import datetime as dt
import itertools
from typing import Final

from ..const import MEASUREMENT_HOURLY
from ..models import Tags
from ..store.influx.client import InfluxClient
from ..store.query import Row, TagFilter
from .aggregate import GAPS, REMOVED, Aggregator
from .carry import MAX_CARRY, Carry, restore_carry
from .rows import COVERED, WINDOW_LENGTH, Aggregate, to_whole_ns
from .stream import RowStream, by_group
from .windows import NS_PER_DAY, Resolution, Window, duration_ns, window_at

ENTITY_ID: Final = "entity_id"
# A row holds for MAX_CARRY after the end of its hour, which has 60 minutes at most.
HOLD_NS: Final = duration_ns(MAX_CARRY) + duration_ns(dt.timedelta(hours=1))
# Hours that are looked at to find out what holds.
RECENT_NS: Final = duration_ns(dt.timedelta(hours=3))
# Entities named in one question.
NAMED_AT_ONCE: Final = 100
# As far back as aggregates are looked through where raw rows are gone.
_RESTORE_NS: Final = 400 * NS_PER_DAY
_PRESENT: Final = {"state": tuple(sorted(GAPS - {REMOVED}))}
_KNOWN: Final = {"state": tuple(sorted(GAPS))}


def make_carry(
    rows: Iterable[Row], *, at_ns: int, zone: dt.tzinfo, interruptions: Sequence[int]
) -> Carry | None:
    """Return what the last rows of an entity hand over to a window.

    Args:
        rows: All before the window; at least the last one, and those from which it
            is known what was before a gap.
        at_ns: Start of the window.
        interruptions: All of those before it that there are.
    """
    ordered = sorted(rows, key=lambda row: row.time_ns)
    if not ordered:
        return None
    last_ns = ordered[-1].time_ns
    aggregator = Aggregator(
        Window(start_ns=ordered[0].time_ns, end_ns=at_ns, resolution=Resolution.HOUR)
    )
    for row in ordered:
        aggregator.add(row)
    after = [time_ns for time_ns in interruptions if last_ns <= time_ns < at_ns]
    if after:
        aggregator.interrupt(after[0])
    aggregator.finish()
    carry = aggregator.carry_out()
    if carry is None or after:
        return carry
    end_ns = window_at(Resolution.HOUR, last_ns, zone).end_ns
    return replace(carry, expires_ns=end_ns + duration_ns(MAX_CARRY))


class EntityCarries:
    """What each entity holds at one moment; on one thread at a time.

    Attributes:
        at_ns: The moment; None before the first `load`.
    """

    def __init__(
        self,
        raw: InfluxClient,
        hourly: InfluxClient,
        measurement: str,
        *,
        zone: dt.tzinfo,
        interruptions: Sequence[int],
        pause: Callable[[float], object],
    ) -> None:
        """Start without any.

        Args:
            interruptions: All that there are, oldest first.
        """
        self.at_ns: int | None = None
        self._raw = raw
        self._hourly = hourly
        self._measurement = measurement
        self._zone = zone
        self._interruptions = interruptions
        self._pause = pause
        self._carries: dict[str, Carry] = {}
        # Those of which something from before a gap is missing.
        self._incomplete: set[str] = set()
        self._loaded_ns = 0
        self._oldest_ns = 0
        self._has_gone = False

    def load(self, at_ns: int, *, oldest_ns: int, has_gone: bool) -> None:
        """Find out what holds at a moment.

        Args:
            oldest_ns: Time of the measurement's oldest row.
            has_gone: Whether rows before the moment were deleted.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        self._carries, self._incomplete = {}, set()
        self.at_ns = self._loaded_ns = at_ns
        self._oldest_ns, self._has_gone = oldest_ns, has_gone
        since_ns = max(at_ns - HOLD_NS, oldest_ns)
        for entity_id, rows in self._last_rows({}, at_ns, since_ns, {}).items():
            if (carry := self._make(rows)) is not None:
                self._carries[entity_id] = carry
                if all(row.fields.get("state") in GAPS for row in rows):
                    self._incomplete.add(entity_id)
        if has_gone:
            self._restore_missing()

    def __len__(self) -> int:
        """Return how many entities are known."""
        return len(self._carries)

    def find(self, entity_id: str) -> Carry | None:
        """Return what an entity that has reported again held.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        carry = self._carries.get(entity_id)
        if carry is not None and entity_id not in self._incomplete:
            return carry
        if carry is None and not self._has_older():
            return None
        before = self._look_back(entity_id, carry)
        self._incomplete.discard(entity_id)
        return before

    def held(self) -> dict[str, Carry]:
        """Return what holds, of those that are known to have reported."""
        return self._carries

    def move(self, at_ns: int, carries: dict[str, Carry]) -> None:
        """Take over what hours up to a moment hand over; the others stay."""
        self.at_ns = at_ns
        self._carries |= carries

    def fork(self, entity_ids: frozenset[str] | None) -> EntityCarries:
        """Return the same of some entities, which goes its own way."""
        made = EntityCarries(
            self._raw,
            self._hourly,
            self._measurement,
            zone=self._zone,
            interruptions=self._interruptions,
            pause=self._pause,
        )
        made.at_ns, made._loaded_ns = self.at_ns, self._loaded_ns
        made._oldest_ns, made._has_gone = self._oldest_ns, self._has_gone
        made._carries = {
            entity_id: carry
            for entity_id, carry in self._carries.items()
            if entity_ids is None or entity_id in entity_ids
        }
        made._incomplete = self._incomplete & made._carries.keys()
        return made

    def drop(self, entity_ids: Iterable[str]) -> None:
        """Forget some entities: nothing that is still to come depends on them."""
        for entity_id in entity_ids:
            self._carries.pop(entity_id, None)

    def _has_older(self) -> bool:
        """Whether there is anything before what was looked at."""
        return self._has_gone or self._oldest_ns < self._loaded_ns

    def _look_back(self, entity_id: str, carry: Carry | None) -> Carry | None:
        """Find what an entity was before a gap, however long ago."""
        tags = {ENTITY_ID: entity_id}
        span = (self._loaded_ns, self._oldest_ns)
        rows = self._last_rows(tags, *span, _PRESENT).get(entity_id, [])
        if any(row.fields.get("state") == REMOVED for row in rows):
            rows += self._last_rows(tags, *span, _KNOWN).get(entity_id, [])
        if not rows and self._has_gone:
            restored = self._restore(entity_id)
            if carry is None or restored is None:
                return restored or carry
            return replace(
                carry, last_state=restored.last_state, reading=restored.reading
            )
        if carry is not None:
            rows.append(carry.row)
        made = self._make(rows)
        if carry is None or made is None:
            return made
        return replace(carry, last_state=made.last_state, reading=made.reading)

    def _make(self, rows: Iterable[Row]) -> Carry | None:
        return make_carry(
            rows,
            at_ns=self._loaded_ns,
            zone=self._zone,
            interruptions=self._interruptions,
        )

    def _last_rows(
        self,
        tags: Tags,
        before_ns: int,
        since_ns: int,
        without: dict[str, tuple[str, ...]],
    ) -> dict[str, list[Row]]:
        """Return the last rows of each entity: all of its last instant."""
        # By series: rows of one instant may be in several of them.
        stream = RowStream(
            self._raw,
            self._measurement,
            tags=tags,
            without=without,
            pause=self._pause,
        )
        found: dict[str, list[Row]] = {}
        for key, row in stream.last_rows(before_ns, since_ns).items():
            whole = replace(row, tags=dict(key))
            rows = found.setdefault(dict(key).get(ENTITY_ID, ""), [])
            if rows and rows[0].time_ns < row.time_ns:
                rows.clear()
            if not rows or rows[0].time_ns == row.time_ns:
                rows.append(whole)
        return found

    def _restore_missing(self) -> None:
        """Take what the hours before say of those whose last row is gone."""
        # What holds now has held in the hour before, or in one of those before that
        # if it could not be made.
        held = {
            entity_id
            for entity_id, hours in self._hours({}, self._loaded_ns - RECENT_NS)
            if any(hour.number(COVERED) for hour in hours)
        }
        missing = sorted(held - self._carries.keys())
        for ids in itertools.batched(missing, NAMED_AT_ONCE, strict=False):
            tags = {ENTITY_ID: ids}
            for entity_id, hours in self._hours(tags, self._loaded_ns - HOLD_NS):
                carry = restore_carry(hours, start_ns=self._loaded_ns)
                if carry is not None:
                    self._carries[entity_id] = carry

    def _restore(self, entity_id: str) -> Carry | None:
        tags = {ENTITY_ID: entity_id}
        for _, hours in self._hours(tags, self._loaded_ns - _RESTORE_NS):
            return restore_carry(hours, start_ns=self._loaded_ns)
        return None

    def _hours(
        self, tags: TagFilter, since_ns: int
    ) -> Iterable[tuple[str, Iterable[Aggregate]]]:
        stream = RowStream(
            self._hourly,
            MEASUREMENT_HOURLY,
            by=(ENTITY_ID,),
            tags=tags,
            pause=self._pause,
        )
        for key, rows in by_group(stream.read(since_ns, self._loaded_ns)):
            yield key.get(ENTITY_ID, ""), map(hour_of, rows)


def hour_of(row: Row) -> Aggregate:
    """Return the aggregate of an hour that a stored row is."""
    length = row.fields.get(WINDOW_LENGTH)
    length_ns = (
        to_whole_ns(length)
        if isinstance(length, float)
        else Resolution.HOUR.nominal_s * 1_000_000_000
    )
    return Aggregate(
        window=Window(
            start_ns=row.time_ns,
            end_ns=row.time_ns + length_ns,
            resolution=Resolution.HOUR,
        ),
        tags=row.tags,
        fields=row.fields,
    )

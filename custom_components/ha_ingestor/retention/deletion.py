"""Rows that are proven to be in the next tier go, a whole UTC day at a time.

Nothing is deleted without a `DeletionProof`, which only `Deletion.prove` makes: every
window of the day is verified, nothing of it is dirty, and the rows that are there now
are as many as the windows were made from. The deletion is recorded before it is sent
and after it is seen, so that one that was cut off is gone on with, and never mistaken
for rows that are missing. Blocking, for threads.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
import itertools
import logging
import time
from typing import Final

from ..const import MEASUREMENT_EVENTS
from ..errors import (
    RetentionLeftoverError,
    RetentionMismatchError,
    RetentionUnverifiedError,
    StoreUnsupportedError,
)
from ..models import Point
from ..store.influx.client import InfluxClient
from ..store.query import TagFilter, count_values, count_values_by_day
from .checkpoint import Checkpoint
from .ledger import Ledger, Removal, Segment
from .spans import Span, subtract
from .stores import TierStores
from .stream import RowStream
from .tiers import Tier
from .transfer import VISIBLE_WITHIN_S, Plan, Transfer, exact_differences, point_of
from .windows import NS_PER_DAY, NS_PER_S, to_datetime

_LOGGER = logging.getLogger(__name__)

MEASUREMENT_LATE: Final = "late_events"
# Entities named in one statement.
_MAX_NAMED: Final = 100
_FIRST_PAUSE_S: Final = 0.2
# Late rows that are moved at a time.
_LATE_ROWS: Final = 5_000
_LATE_SPAN_NS: Final = 3_600 * NS_PER_S
_ENTITY_ID: Final = "entity_id"
_SEAL: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionProof:
    """That the rows of a UTC day are in the next tier, all of them.

    Attributes:
        store: The only one in which it holds.
        total: Field values of the day, of all entities.
        removal: What may go.
    """

    store: str
    total: int
    removal: Removal
    seal: object

    def __post_init__(self) -> None:
        """Refuse to be made by anybody but the verification."""
        if self.seal is not _SEAL:
            raise TypeError("A proof is made by Deletion.prove only")


class Deletion:
    """Deletes what is proven to be in the next tier; on one thread at a time.

    Args:
        pause: Waits so many seconds; it may raise to end the work.
    """

    def __init__(
        self,
        stores: TierStores,
        checkpoint: Checkpoint,
        *,
        pause: Callable[[float], object] = time.sleep,
        visible_within_s: float = VISIBLE_WITHIN_S,
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._stores = stores
        self._checkpoint = checkpoint
        self._pause = pause
        self._visible_within_s = visible_within_s

    def prove(
        self, ledger: Ledger, day_ns: int, *, entity_ids: Collection[str] | None = None
    ) -> DeletionProof:
        """Prove that the rows of a UTC day may go.

        Rows that have come since make their windows dirty.

        Args:
            day_ns: Start of the day.
            entity_ids: Only rows of these entities are to go.

        Raises:
            StoreUnsupportedError: This generation cannot delete rows; see
                `TierStores.manage_retention`.
            RetentionUnverifiedError: Something has to be aggregated first.
            RetentionMismatchError: There are fewer rows than were verified.
            StoreError: See `InfluxClient.query`.
        """
        client = self._client(ledger)
        if day_ns % NS_PER_DAY:
            raise ValueError("Only whole UTC days are deleted")
        span = (day_ns, day_ns + NS_PER_DAY)
        if spans := self._checkpoint.unverified(ledger, span):
            raise RetentionUnverifiedError(
                f"{_describe(ledger, span)} is not verified", tuple(spans)
            )
        segments = self._checkpoint.segments(ledger, span)
        expected = sum(segment.value_count for segment in segments)
        total = _count(client, ledger, span)
        # None at all is a day that the server has dropped by itself.
        if total not in {0, expected}:
            self._reopen(client, ledger, span, segments)
            raise RetentionMismatchError(
                (f"{_describe(ledger, span)}: {total} values instead of {expected}",),
                1,
            )
        ids = None if entity_ids is None else tuple(sorted(set(entity_ids)))
        return DeletionProof(
            store=client.target.store,
            total=total,
            removal=Removal(
                ledger=ledger,
                start_ns=span[0],
                end_ns=span[1],
                entity_ids=ids,
                parts={
                    segment.start_ns: segment.value_count
                    if ids is None
                    else _count_of(
                        client, ledger, (segment.start_ns, segment.end_ns), ids
                    )
                    for segment in segments
                    if total
                },
            ),
            seal=_SEAL,
        )

    def delete(self, proof: DeletionProof) -> int:
        """Delete what is proven.

        Returns:
            How many field values are gone.

        Raises:
            RetentionUnverifiedError: Rows have come since; nothing was deleted.
            RetentionLeftoverError: Rows are still there; it will be gone on with.
            StoreError: The same.
        """
        removal = proof.removal
        client = self._client(removal.ledger)
        if client.target.store != proof.store:
            raise ValueError("A proof holds in its own store only")
        span = (removal.start_ns, removal.end_ns)
        self._checkpoint.begin_removal(removal)
        # As late as can be: what comes from now on is told by who brings it.
        if _count(client, removal.ledger, span) != proof.total:
            self._checkpoint.cancel_removal(removal)
            raise RetentionUnverifiedError(
                f"{_describe(removal.ledger, span)} has changed since it was verified",
                (span,),
            )
        self._remove(client, removal)
        return removal.value_count

    def resume(self) -> int:
        """Go on with deletions that were cut off, by a crash or by the server.

        Returns:
            How many there were.

        Raises:
            RetentionError, StoreError: As `delete`, and `move_leftovers`.
        """
        removals = self._checkpoint.removals()
        for removal in removals:
            client = self._client(removal.ledger)
            span = (removal.start_ns, removal.end_ns)
            left = _count_of(client, removal.ledger, span, removal.entity_ids)
            # Rows have come where nobody may write any, or may have: none of them may
            # go unseen.
            if left > removal.value_count or (
                removal.has_late and left == removal.value_count
            ):
                self._checkpoint.cancel_removal(removal)
                _LOGGER.warning(
                    "%s has more rows than were verified; they stay",
                    _describe(removal.ledger, span),
                )
            else:
                if removal.has_late and left:
                    for entity_id in removal.entity_ids or (None,):
                        self.move_leftovers(removal.ledger, removal.start_ns, entity_id)
                self._remove(client, removal)
        return len(removals)

    def find_leftovers(self, ledger: Ledger, before_ns: int) -> dict[int, int]:
        """Find days that were deleted and have rows again.

        A batch whose answer was lost may be written once more when its day is gone
        already; or a row is really late.

        Returns:
            Start of a UTC day to its field values.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        removed = self._checkpoint.removed(ledger, (0, before_ns))
        if not removed:
            return {}
        counts = count_values_by_day(
            self._stores.client(ledger.tier),
            ledger.measurement,
            start_ns=removed[0][0],
            end_ns=removed[-1][1],
        )
        return {
            day_ns: count
            for day_ns, count in counts.items()
            if not subtract([(day_ns, day_ns + NS_PER_DAY)], removed)
        }

    def find_leftovers_of(self, ledger: Ledger, entity_id: str) -> dict[int, int]:
        """Find days of which an entity's rows were deleted, and has rows again.

        Days that are gone as a whole are for `find_leftovers`.

        Returns:
            Start of a UTC day to its field values.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        own = self._checkpoint.removed_entities(ledger).get(entity_id, [])
        whole = self._checkpoint.removed(ledger, (own[0][0], own[-1][1])) if own else []
        if not (removed := subtract(own, whole)):
            return {}
        counts = count_values_by_day(
            self._stores.client(ledger.tier),
            ledger.measurement,
            tags={_ENTITY_ID: entity_id},
            start_ns=removed[0][0],
            end_ns=removed[-1][1],
        )
        return {
            day_ns: count
            for day_ns, count in counts.items()
            if not subtract([(day_ns, day_ns + NS_PER_DAY)], removed)
        }

    def move_leftovers(
        self, ledger: Ledger, day_ns: int, entity_id: str | None = None
    ) -> int:
        """Move rows of a deleted day to where late ones are kept, and count them.

        Killed at any point it leaves every row in one place at least, and the next
        run ends it.

        Args:
            entity_id: Only rows of this one, where those of others are still there.

        Returns:
            How many rows there were.

        Raises:
            ValueError: The day has not been deleted.
            RetentionError, StoreError: Nothing was deleted.
        """
        client = self._client(ledger)
        span = (day_ns, day_ns + NS_PER_DAY)
        ids = None if entity_id is None else (entity_id,)
        if day_ns % NS_PER_DAY or subtract(
            [span], self._checkpoint.removed(ledger, span, entity_id)
        ):
            raise ValueError("The day has not been deleted")
        target = Transfer(
            self._stores.client(Tier.DAILY),
            pause=self._pause,
            visible_within_s=self._visible_within_s,
        )
        late = late_measurement(ledger)
        rows = values = 0
        for points in self._late_points(client, ledger, span, ids):
            target.run(
                Plan(
                    measurement=late,
                    start_ns=min(point.time_ns for point in points),
                    end_ns=max(point.time_ns for point in points) + 1,
                    points=points,
                    differences=exact_differences,
                )
            )
            rows += len(points)
            values += sum(len(point.fields) for point in points)
        if _count_of(client, ledger, span, ids) != values:
            raise RetentionUnverifiedError(
                "More late rows have come meanwhile", (span,)
            )
        self._send(client, ledger, span, ids)
        return rows

    def _late_points(
        self,
        client: InfluxClient,
        ledger: Ledger,
        span: Span,
        entity_ids: Sequence[str] | None,
    ) -> Iterator[list[Point]]:
        measurement = late_measurement(ledger)
        stream = RowStream(
            client,
            ledger.measurement,
            tags=None if entity_ids is None else {_ENTITY_ID: entity_ids},
            pause=self._pause,
        )
        # What is read back to compare is of the hour at most, not of all of the day.
        for start_ns in range(span[0], span[1], _LATE_SPAN_NS):
            points = (
                point_of(row, measurement)
                for piece in stream.read(start_ns, start_ns + _LATE_SPAN_NS)
                for row in piece.rows
            )
            while batch := list(itertools.islice(points, _LATE_ROWS)):
                yield batch

    def _client(self, ledger: Ledger) -> InfluxClient:
        client = self._stores.client(ledger.tier)
        if not client.has_delete:
            raise StoreUnsupportedError("InfluxDB 3 cannot delete rows")
        return client

    def _reopen(
        self,
        client: InfluxClient,
        ledger: Ledger,
        span: Span,
        segments: Sequence[Segment],
    ) -> None:
        """Find where rows have come, and have it aggregated again.

        Raises:
            RetentionUnverifiedError: It was found.
        """
        known = {(part.start_ns, part.end_ns): part.value_count for part in segments}
        grown = [
            part
            for part in [*known, *subtract([span], known)]
            if _count(client, ledger, part) > known.get(part, 0)
        ]
        for part in grown:
            self._checkpoint.mark_dirty(ledger, part)
        if grown:
            raise RetentionUnverifiedError(
                f"Rows have come to {_describe(ledger, span)} since it was verified",
                tuple(sorted(grown)),
            )

    def _remove(self, client: InfluxClient, removal: Removal) -> None:
        span = (removal.start_ns, removal.end_ns)
        self._send(client, removal.ledger, span, removal.entity_ids)
        self._checkpoint.finish_removal(removal)

    def _send(
        self,
        client: InfluxClient,
        ledger: Ledger,
        span: Span,
        entity_ids: Sequence[str] | None,
    ) -> None:
        """Delete, and wait until nothing is left."""
        for tags in _filters(entity_ids):
            client.delete(
                ledger.measurement, tags=tags, start_ns=span[0], end_ns=span[1]
            )
        waited_s, pause_s = 0.0, _FIRST_PAUSE_S
        while left := _count_of(client, ledger, span, entity_ids):
            # Cloud deletes after it has answered.
            if waited_s >= self._visible_within_s:
                raise RetentionLeftoverError(
                    f"{left} values of {_describe(ledger, span)} are still there",
                    count=left,
                )
            self._pause(pause_s)
            waited_s += pause_s
            pause_s *= 2


def late_measurement(ledger: Ledger) -> str:
    """Return where late rows of a measurement are kept, in the daily store."""
    if ledger.measurement == MEASUREMENT_EVENTS:
        return MEASUREMENT_LATE
    # Fields of one name may have other types in another measurement.
    return f"late_{ledger.measurement}"


def _filters(entity_ids: Sequence[str] | None) -> Iterator[TagFilter]:
    if entity_ids is None:
        yield {}
        return
    for ids in itertools.batched(entity_ids, _MAX_NAMED, strict=False):
        yield {_ENTITY_ID: ids}


def _count(client: InfluxClient, ledger: Ledger, span: Span) -> int:
    return _count_of(client, ledger, span, None)


def _count_of(
    client: InfluxClient,
    ledger: Ledger,
    span: Span,
    entity_ids: Sequence[str] | None,
) -> int:
    return sum(
        count_values(
            client, ledger.measurement, tags=tags, start_ns=span[0], end_ns=span[1]
        )
        for tags in _filters(entity_ids)
    )


def _describe(ledger: Ledger, span: Span) -> str:
    day = to_datetime(span[0]).date().isoformat()
    return f"{ledger.measurement} of {day} ({ledger.tier})"

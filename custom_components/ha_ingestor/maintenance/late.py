"""What a backfill brings of times that the tiers have made something of already.

Where raw rows are still there, their hours are aggregated again. Where they are gone,
what is part of an aggregate is not written once more.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
import logging
from typing import Final

from ..errors import CheckpointError
from ..retention.checkpoint import Checkpoint
from ..retention.ledgers import EVENTS_LEDGER
from ..retention.spans import Span
from ..retention.windows import NS_PER_DAY
from .aggregated import EventId, Held, find_held
from .storage import HubStorage

_LOGGER = logging.getLogger(__name__)

# A few rows that are years apart do not open all that is between them.
_MAX_GAP_NS: Final = NS_PER_DAY


class LateRows:
    """Answers a backfill for the tiers of one hub."""

    def __init__(self, storage: HubStorage) -> None:
        """Serve one hub."""
        self._storage = storage

    def find_held(self, wanted: Mapping[EventId, str]) -> Held:
        """Find what the tiers hold of events that the raw store does not have.

        Blocking, for threads. Without the record of what is gone nothing is found.

        Args:
            wanted: Events, each with the name that its entity had at its time.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        storage = self._storage
        if storage.error is not None:
            return Held()
        try:
            return find_held(storage.tiers, storage.checkpoint, storage.zone, wanted)
        except CheckpointError as err:
            _LOGGER.debug("What is gone is not known: %s", err)
            return Held()

    async def async_mark(
        self, events: Collection[EventId], *, is_dry_run: bool = False
    ) -> int:
        """Have hours aggregated again; to be called before their rows are written.

        Without the record of what is verified that is left to the nightly count.

        Args:
            is_dry_run: Only count; nothing will be written.

        Returns:
            How many of them are too late: the other rows of their hours are gone.
        """
        storage = self._storage
        if storage.error is not None or not events:
            return 0
        try:
            return await storage.hass.async_add_executor_job(
                _mark, storage.checkpoint, events, is_dry_run
            )
        except CheckpointError as err:
            _LOGGER.debug("Late rows are not marked: %s", err)
            return 0


def _mark(
    checkpoint: Checkpoint,
    events: Collection[EventId],
    is_dry_run: bool,  # noqa: FBT001 - an executor passes no names
) -> int:
    ask = checkpoint.removed if is_dry_run else checkpoint.mark_dirty
    own = checkpoint.removed_entities(EVENTS_LEDGER)
    by_entity: defaultdict[str | None, list[int]] = defaultdict(list)
    for entity_id, time_ns in events:
        # Of most entities rows go with those of all others.
        by_entity[entity_id if entity_id in own else None].append(time_ns)
    late = 0
    for entity, times in by_entity.items():
        times.sort()
        gone = [
            part for span in _spans(times) for part in ask(EVENTS_LEDGER, span, entity)
        ]
        late += sum(
            any(start_ns <= time_ns < end_ns for start_ns, end_ns in gone)
            for time_ns in times
        )
    return late


def _spans(times: list[int]) -> Iterator[Span]:
    start_ns = last_ns = times[0]
    for time_ns in times:
        if time_ns - last_ns > _MAX_GAP_NS:
            yield start_ns, last_ns + 1
            start_ns = time_ns
        last_ns = time_ns
    yield start_ns, last_ns + 1

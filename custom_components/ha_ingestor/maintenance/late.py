"""Rows of the past that are about to be written: their hours are aggregated again."""

from collections.abc import Collection, Iterator
import logging
from typing import Final

from ..errors import CheckpointError
from ..retention.checkpoint import Checkpoint
from ..retention.ledgers import EVENTS_LEDGER
from ..retention.spans import Span
from ..retention.windows import NS_PER_DAY
from .storage import HubStorage

_LOGGER = logging.getLogger(__name__)

# A few rows that are years apart do not open all that is between them.
_MAX_GAP_NS: Final = NS_PER_DAY


class LateRows:
    """Tells the tiers of one hub what a backfill brings. Event loop only."""

    def __init__(self, storage: HubStorage) -> None:
        """Serve one hub."""
        self._storage = storage

    async def async_mark(self, times_ns: Collection[int]) -> int:
        """Have hours aggregated again; to be called before their rows are written.

        Without the record of what is verified that is left to the nightly count.

        Args:
            times_ns: Of events.

        Returns:
            How many of them are too late: the other rows of their hours are gone.
        """
        storage = self._storage
        if storage.error is not None or not times_ns:
            return 0
        try:
            return await storage.hass.async_add_executor_job(
                _mark, storage.checkpoint, times_ns
            )
        except CheckpointError as err:
            _LOGGER.debug("Late rows are not marked: %s", err)
            return 0


def _mark(checkpoint: Checkpoint, times_ns: Collection[int]) -> int:
    times = sorted(times_ns)
    gone = [
        part
        for span in _spans(times)
        for part in checkpoint.mark_dirty(EVENTS_LEDGER, span)
    ]
    return sum(
        any(start_ns <= time_ns < end_ns for start_ns, end_ns in gone)
        for time_ns in times
    )


def _spans(times: list[int]) -> Iterator[Span]:
    start_ns = last_ns = times[0]
    for time_ns in times:
        if time_ns - last_ns > _MAX_GAP_NS:
            yield start_ns, last_ns + 1
            start_ns = time_ns
        last_ns = time_ns
    yield start_ns, last_ns + 1

"""Long times without rows, which are not worth to be looked at window by window.

A history that was imported may begin ten years before the home's own.
"""

from collections.abc import Sequence

from ..store.influx.client import InfluxClient
from ..store.query import next_time
from .checkpoint import Checkpoint
from .ledger import Ledger
from .oldest import common_field
from .spans import Span, subtract
from .windows import Window
from .work import Work


class EmptyTimes:
    """Finds windows without rows that were never verified, and records them.

    On one thread at a time.

    Args:
        client: Of the store of the rows.
        never: Spans that were not verified before.
        until_ns: Nothing later is looked at.
    """

    def __init__(
        self,
        client: InfluxClient,
        checkpoint: Checkpoint,
        ledger: Ledger,
        *,
        never: Sequence[Span],
        until_ns: int,
        work: Work,
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._client = client
        self._checkpoint = checkpoint
        self._ledger = ledger
        self._never = never
        self._until_ns = until_ns
        self._work = work
        self._next_row_ns = 0
        self._mark = 0
        self._pending: Span | None = None

    def take(self, windows: Sequence[Window]) -> bool:
        """Take windows that follow each other, if there is nothing in them.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        self._work.check()
        start_ns, end_ns = windows[0].start_ns, windows[-1].end_ns
        if subtract([(start_ns, end_ns)], self._never):
            return False
        if self._next_row_ns <= start_ns:
            self.record()
            # Before it is looked: what becomes dirty meanwhile stays so.
            self._mark = self._checkpoint.dirty_mark()
            self._next_row_ns = self._find_next_row(start_ns)
        if self._next_row_ns < end_ns:
            return False
        if self._pending is not None and self._pending[1] != start_ns:
            self.record()
        first_ns = start_ns if self._pending is None else self._pending[0]
        self._pending = first_ns, end_ns
        return True

    def record(self) -> None:
        """Record what was taken; what is not is taken again by the next run."""
        if self._pending is not None:
            self._checkpoint.add_empty(self._ledger, self._pending, mark=self._mark)
            self._pending = None

    def _find_next_row(self, since_ns: int) -> int:
        """Return when the next row is; the end of the run if there is none."""
        at_ns = next_time(
            self._client,
            self._ledger.measurement,
            field=common_field(self._ledger),
            start_ns=since_ns,
            end_ns=self._until_ns,
        )
        return self._until_ns if at_ns is None else at_ns

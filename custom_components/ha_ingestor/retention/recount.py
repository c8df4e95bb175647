"""Whether rows have come, or gone, since their windows were verified.

Late rows are told where they are written, but nothing may depend on that: every
night the rows of each verified day are counted, and what has grown is opened again.
What has shrunk is told and left alone, since it can be made from nothing.
Blocking, for threads.
"""

from collections.abc import Iterator, Sequence
import datetime as dt
from typing import Final

from ..errors import StoreQueryError, StoreTimeoutError
from ..store.influx.client import InfluxClient
from ..store.query import count_values, count_values_by_day
from .checkpoint import Checkpoint
from .ledger import Ledger, Segment, by_day
from .missing import LedgerDay
from .spans import Span, merge, overlap, subtract
from .stores import TierStores
from .tiers import Tier
from .windows import NS_PER_DAY, duration_ns, to_datetime, utc_day_start
from .work import Work

# Days that are asked about in one question: of raw rows it counts some seconds.
_DAYS_AT_ONCE: Final = 14


class Recount:
    """Compares what is stored with what was verified; on one thread at a time.

    Attributes:
        missing: Days with fewer values than were verified, and how many.
    """

    def __init__(
        self, stores: TierStores, checkpoint: Checkpoint, *, work: Work, now_ns: int
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._stores = stores
        self._checkpoint = checkpoint
        self._work = work
        self._now_ns = now_ns
        self._too_short: dict[Tier, dt.timedelta] | None = None
        self.missing: dict[LedgerDay, str] = {}

    def run(self, ledger: Ledger) -> list[Span]:
        """Count the rows of a ledger's verified windows that are still there.

        Returns:
            What has grown: it has to be aggregated again, and is marked so.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        known = self._checkpoint.verified(ledger)
        if not known:
            return []
        gone = self._checkpoint.removed(ledger, (known[0][0], known[-1][1]))
        grown: list[Span] = []
        for span in _pieces(subtract(known, gone)):
            self._work.check()
            grown += self._recount(ledger, span, gone)
        return merge(grown)

    def _recount(self, ledger: Ledger, span: Span, gone: Sequence[Span]) -> list[Span]:
        """Recount some days, as far as they are verified and nothing waits in them."""
        segments = self._checkpoint.segments(ledger, span)
        dirty = [
            (part.start_ns, part.end_ns) for part in self._checkpoint.dirty(ledger)
        ]
        known = overlap(self._checkpoint.verified(ledger), [span])
        # A segment is counted as a whole or not at all.
        waiting = [
            *dirty,
            *gone,
            *(
                (part.start_ns, part.end_ns)
                for part in segments
                if overlap(dirty, [(part.start_ns, part.end_ns)])
            ),
        ]
        client = self._stores.client(ledger.tier)
        parts = [
            (day_ns, part)
            for rest in subtract(known, waiting)
            for day_ns, part in by_day(rest)
        ]
        whole = [day_ns for day_ns, part in parts if _is_day(part)]
        counts = self._count_by_day(client, ledger, whole)
        grown: list[Span] = []
        for day_ns, part in parts:
            inside = [
                segment
                for segment in segments
                if part[0] <= segment.start_ns and segment.end_ns <= part[1]
            ]
            found = (
                counts.get(day_ns, 0)
                if _is_day(part)
                else count_values(
                    client, ledger.measurement, start_ns=part[0], end_ns=part[1]
                )
            )
            grown += self._compare(client, ledger, part, inside, found)
        return grown

    def _count_by_day(
        self, client: InfluxClient, ledger: Ledger, days: Sequence[int]
    ) -> dict[int, int]:
        if not days:
            return {}
        start_ns, end_ns = days[0], days[-1] + NS_PER_DAY
        try:
            return count_values_by_day(
                client, ledger.measurement, start_ns=start_ns, end_ns=end_ns
            )
        except StoreQueryError, StoreTimeoutError:
            # Too much at a time for this server, as on 3.x.
            if len(days) == 1:
                raise
        self._work.check()
        middle = len(days) // 2
        return self._count_by_day(client, ledger, days[:middle]) | self._count_by_day(
            client, ledger, days[middle:]
        )

    def _compare(
        self,
        client: InfluxClient,
        ledger: Ledger,
        part: Span,
        segments: Sequence[Segment],
        found: int,
    ) -> list[Span]:
        expected = sum(segment.value_count for segment in segments)
        if found > expected:
            return self._reopen(client, ledger, part, segments)
        is_lost = found < expected and not self._was_dropped(ledger, part, found)
        if is_lost:
            day = to_datetime(part[0]).date().isoformat()
            self.missing[ledger, utc_day_start(part[0])] = (
                f"{ledger.measurement} of {day} ({ledger.tier}) has {found} values,"
                f" but {expected} were verified: something else has deleted rows"
            )
        return []

    def _reopen(
        self,
        client: InfluxClient,
        ledger: Ledger,
        part: Span,
        segments: Sequence[Segment],
    ) -> list[Span]:
        known = {(one.start_ns, one.end_ns): one.value_count for one in segments}
        grown = [
            one
            for one in [*known, *subtract([part], known)]
            if count_values(client, ledger.measurement, start_ns=one[0], end_ns=one[1])
            > known.get(one, 0)
        ]
        for one in grown:
            self._checkpoint.mark_dirty(ledger, one)
        return grown

    def _was_dropped(self, ledger: Ledger, part: Span, found: int) -> bool:
        """Forget a day that the server has dropped by a retention of its own."""
        if self._too_short is None:
            self._too_short = self._stores.too_short()
        retention = self._too_short.get(ledger.tier)
        if retention is None:
            return False
        dropped_ns = self._now_ns - duration_ns(retention)
        if part[1] <= dropped_ns and not found and _is_day(part):
            self._checkpoint.forget(ledger, part)
        # It drops a day when all of it is that old, or row by row: nobody else did.
        return part[0] <= dropped_ns


def _pieces(spans: Sequence[Span]) -> Iterator[Span]:
    """Cut spans into pieces of whole UTC days that are not too long."""
    step_ns = _DAYS_AT_ONCE * NS_PER_DAY
    done_ns = 0
    for start_ns, end_ns in spans:
        at_ns = max(utc_day_start(start_ns), done_ns)
        while at_ns < end_ns:
            yield at_ns, at_ns + step_ns
            at_ns += step_ns
        done_ns = max(done_ns, at_ns)


def _is_day(part: Span) -> bool:
    return part[0] % NS_PER_DAY == 0 and part[1] - part[0] == NS_PER_DAY

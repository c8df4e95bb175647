"""Rows leave by the server's own retention, where it cannot delete any: on 3.x.

All that can be done is to have it keep them until they are in the next tier.
Blocking, for threads.
"""

from collections.abc import Callable, Iterable, Sequence
import datetime as dt
from typing import Final

from ..errors import StoreQueryError, StoreUnsupportedError
from ..store.query import count_values
from .checkpoint import Checkpoint
from .ledger import Ledger
from .oldest import oldest_row
from .stores import TierStores
from .tiers import Age, Tier
from .windows import NS_PER_DAY, duration_ns, utc_day_start
from .work import Work

type Guards = Callable[[Ledger], Iterable[Ledger]]

_DAY: Final = dt.timedelta(days=1)
_CANNOT: Final = (
    "This InfluxDB can neither delete rows nor change how long it keeps them, so"
    " nothing is deleted here"
)


class ManagedExpiry:
    """Sets how long a server keeps its rows; on one thread at a time."""

    def __init__(
        self, stores: TierStores, checkpoint: Checkpoint, *, work: Work, guards: Guards
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._stores = stores
        self._checkpoint = checkpoint
        self._work = work
        self._guards = guards

    def run(
        self,
        tier: Tier,
        ledgers: Sequence[Ledger],
        *,
        now_ns: int,
        activity_age: Age,
        is_dry_run: bool,
    ) -> str:
        """Let the server delete what is old, but nothing that is needed.

        Args:
            ledgers: Those of the tier that have rows.

        Returns:
            What the server does now, for a person.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        plan = self._stores.plan(tier)
        if is_dry_run:
            return _describe(plan.name, plan.retention)
        keep_ns = [
            open_ns
            for ledger in ledgers
            if (open_ns := self._oldest_open(ledger, now_ns)) is not None
        ]
        if tier is Tier.RAW:
            # All measurements of a store share its retention.
            keep_ns.append(
                0 if activity_age is None else now_ns - duration_ns(activity_age)
            )
        self._forget_dropped(tier, ledgers, now_ns)
        try:
            retention = self._stores.manage_retention(
                tier, now_ns=now_ns, oldest_unverified_ns=min(keep_ns, default=None)
            )
        except StoreUnsupportedError:
            return _CANNOT
        return _describe(plan.name, retention)

    def _oldest_open(self, ledger: Ledger, now_ns: int) -> int | None:
        """Return the oldest instant whose rows are needed; None if there is none."""
        try:
            first_ns = oldest_row(
                self._stores.client(ledger.tier), self._checkpoint, ledger
            )
        except StoreQueryError:
            # 3.x does not look through all of its files in one query.
            verified = self._checkpoint.verified(ledger)
            first_ns = verified[0][0] if verified else 0
        if first_ns is None or first_ns >= now_ns:
            return None
        open_ns = [
            spans[0][0]
            for one in (ledger, *self._guards(ledger))
            if (spans := self._checkpoint.unverified(one, (first_ns, now_ns)))
        ]
        return min(open_ns, default=None)

    def _forget_dropped(
        self, tier: Tier, ledgers: Sequence[Ledger], now_ns: int
    ) -> None:
        """Forget days that the server has dropped, as it was told to."""
        age = self._stores.ages.of(tier)
        if age is None:
            return
        client = self._stores.client(tier)
        end_ns = utc_day_start(now_ns - duration_ns(age))
        for ledger in ledgers:
            segments = self._checkpoint.segments(ledger, (0, end_ns))
            for day_ns in sorted({utc_day_start(one.start_ns) for one in segments}):
                self._work.check()
                span = (day_ns, day_ns + NS_PER_DAY)
                if not count_values(
                    client, ledger.measurement, start_ns=span[0], end_ns=span[1]
                ):
                    self._checkpoint.forget(ledger, span)


def _describe(name: str, retention: Age) -> str:
    if retention is None:
        return f"The server keeps all rows of {name}"
    days = -(-retention // _DAY)
    return f"The server itself deletes rows of {name} after {days} days"

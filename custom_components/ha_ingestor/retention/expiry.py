"""Rows leave the tiers by age, as far as they are proven to be in the next one.

Whole UTC days go, each measurement by itself, oldest first; entities with an age of
their own go earlier or later than the rest. What is old enough but stays is told,
with the reason. Where a server cannot delete rows, its own retention is managed.
Blocking, for threads.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
import datetime as dt
from typing import Final

from ..const import MEASUREMENT_ACTIVITY
from ..errors import (
    RetentionLeftoverError,
    RetentionMismatchError,
    RetentionUnverifiedError,
)
from ..store.query import (
    count_values,
    list_measurements,
)
from .checkpoint import Checkpoint
from .deletion import Deletion, DeletionProof
from .due import DueDay, DueDays
from .kept import KeptDays
from .ledger import Ledger
from .ledgers import (
    ENTITY_LEDGERS,
    ledgers_of,
)
from .managed import Guards, ManagedExpiry
from .missing import LedgerDay, MissingRows, describe_missing
from .plain import PlainExpiry
from .recount import Recount
from .spans import Span
from .stores import TierStores
from .tiers import Age, Tier
from .trusted import TRUSTED_DAYS, trusted_now_ns
from .windows import (
    NS_PER_DAY,
    Resolution,
    Window,
    deletable_utc_days,
    to_datetime,
    windows_between,
)
from .work import Work

# What the rows of a tier are aggregated into.
_NEXT: Final = {Tier.RAW: Resolution.HOUR, Tier.HOURLY: Resolution.DAY}
# Measurements of which a row says that it was written at its time.
_OF_NOW: Final = {
    MEASUREMENT_ACTIVITY,
    *(ledger.measurement for ledger in ledgers_of(Tier.RAW)),
}

_NOT_VERIFIED: Final = (
    "it is not aggregated yet, or what was stored did not agree; the next run tries"
    " again"
)
_HAS_CHANGED: Final = "rows have come since it was aggregated; the next run takes them"
_HAS_SHRUNK: Final = (
    "it has fewer rows than were aggregated, so something else has deleted some"
)
_IS_SLOW: Final = "the server has not deleted all of it yet; the next run goes on"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryResult:
    """What has gone, or would go.

    Attributes:
        days: UTC days, each measurement by itself; with those of some entities only.
        values_deleted: Field values.
        late_rows: Rows that came after their day had gone, and were moved aside.
        kept: Days that are old enough but stay, and why; the first ones.
        storage_note: What the server does by itself; None where rows are deleted.
    """

    days: int = 0
    values_deleted: int = 0
    late_rows: int = 0
    kept: tuple[str, ...] = ()
    storage_note: str | None = None


@dataclass(slots=True)
class _Tally:
    """What a run has done so far."""

    days: int = 0
    values_deleted: int = 0
    late_rows: int = 0
    kept: KeptDays = field(default_factory=KeptDays)

    def result(self, *notes: str) -> ExpiryResult:
        return ExpiryResult(
            days=self.days,
            values_deleted=self.values_deleted,
            late_rows=self.late_rows,
            kept=(*notes, *self.kept.lines()),
        )


class Expiry:
    """Deletes what is old; on one thread at a time.

    Args:
        now_ns: The time; nothing newer than what rows bear out is believed.
        activity_age: How long activity is kept, which is not aggregated.
        guards: What else is made from the rows of a ledger: its spans have to be
            verified as well before they go.

    Attributes:
        problems: What a person should know that is not about a day due to go.
        missing: Days with fewer values than were verified, and how many.
        accepted: How many of them count with what is left; see `accept_missing`.
    """

    def __init__(
        self,
        stores: TierStores,
        checkpoint: Checkpoint,
        *,
        zone: dt.tzinfo,
        work: Work,
        now_ns: Callable[[], int],
        activity_age: Age,
        guards: Guards = lambda _: (),
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._stores = stores
        self._checkpoint = checkpoint
        self._zone = zone
        self._work = work
        self._now_ns = now_ns
        self._activity_age = activity_age
        self._guards = guards
        self._deletion = Deletion(stores, checkpoint, pause=work.pause)
        self._managed = ManagedExpiry(stores, checkpoint, work=work, guards=guards)
        self._plain = PlainExpiry(stores, checkpoint, work=work, guards=guards)
        self._early = _Tally()  # what was moved aside before the windows were made
        self.problems: list[str] = []
        self.missing: dict[LedgerDay, str] = {}
        self.accepted = 0
        self._accepting: set[Tier] = set()

    def resume(self) -> int:
        """Go on with deletions that were cut off; how many there were.

        Raises:
            StoreError: See `Deletion.resume`.
        """
        try:
            return self._deletion.resume()
        except (
            RetentionLeftoverError,
            RetentionMismatchError,
            RetentionUnverifiedError,
        ) as err:
            # It stays recorded, and keeps only its own day.
            self.problems.append(f"{err}; the next run goes on")
            return 0

    def recount(self, tier: Tier | None = None) -> list[Span]:
        """Count the rows of verified days, and open again what has grown.

        Args:
            tier: Only this one; None for raw and hourly rows.

        Returns:
            What has grown.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        recount = Recount(
            self._stores, self._checkpoint, work=self._work, now_ns=self._now_ns()
        )
        grown: list[Span] = []
        for one in _NEXT if tier is None else (tier,):
            for ledger in self._present(one):
                # What is counted while windows are made again must not go after it.
                self._move_leftovers_of_entities(ledger)
                grown += recount.run(ledger)
        self.missing |= recount.missing
        return sorted(grown)

    def accept_missing(self, tier: Tier) -> None:
        """Take what is left of days with missing rows for all there is.

        Of those that cannot be taken so, it is told why.

        Args:
            tier: Of days that a recount of this one has found, or that are found when
                they are due to go.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        self._accepting.add(tier)
        for ledger, day_ns in sorted(self.missing):
            if ledger.tier is tier:
                self._accept(ledger, day_ns)

    def forget_run(self) -> None:
        """Begin anew with what is told, and with what was accepted."""
        self.problems.clear()
        self.missing.clear()
        self.accepted = 0
        self._accepting.clear()

    def _accept(self, ledger: Ledger, day_ns: int) -> bool:
        self._work.check()
        rows = MissingRows(self._stores, self._checkpoint, work=self._work)
        if (reason := rows.accept(ledger, day_ns)) is None:
            del self.missing[ledger, day_ns]
            self.accepted += 1
            return True
        self.missing[ledger, day_ns] += f"; it cannot be accepted: {reason}"
        return False

    def raw(self, *, is_dry_run: bool = False) -> ExpiryResult:
        """Delete raw rows, activity and forecasts that are old enough.

        Args:
            is_dry_run: Only say what would go, if all that is open were aggregated
                before.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        return self._expire(Tier.RAW, is_dry_run=is_dry_run)

    def hourly(self, *, is_dry_run: bool = False) -> ExpiryResult:
        """Delete hourly rows that are old enough; see `raw`."""
        return self._expire(Tier.HOURLY, is_dry_run=is_dry_run)

    def _expire(self, tier: Tier, *, is_dry_run: bool) -> ExpiryResult:
        if not self._stores.capabilities.can_delete:
            return ExpiryResult(
                storage_note=self._managed.run(
                    tier,
                    self._present(tier),
                    now_ns=self._now_ns(),
                    activity_age=self._activity_age,
                    is_dry_run=is_dry_run,
                )
            )
        clock_ns = self._now_ns()
        raw = self._stores.client(Tier.RAW)
        now_ns = trusted_now_ns(
            raw,
            # Forecasts are of the future.
            set(list_measurements(raw)) & _OF_NOW,
            now_ns=clock_ns,
            pause=self._work.pause,
        )
        if now_ns is None:
            return ExpiryResult()
        tally, self._early = self._early, _Tally()
        due = DueDays(
            self._stores, self._checkpoint, tier, now_ns=now_ns, pause=self._work.pause
        )
        ledgers = self._present(tier)
        for number, ledger in enumerate(ledgers):
            self._work.report(number / len(ledgers), f"Delete {ledger.measurement}")
            self._expire_ledger(ledger, due, now_ns, tally, is_dry_run=is_dry_run)
            if not is_dry_run:
                self._move_leftovers(ledger, now_ns, tally)
        if tier is Tier.RAW:
            days, values = self._plain.run(
                tally.kept,
                now_ns=now_ns,
                activity_age=self._activity_age,
                is_dry_run=is_dry_run,
            )
            tally.days += days
            tally.values_deleted += values
        return tally.result(*_clock_notes(clock_ns, now_ns))

    def _present(self, tier: Tier) -> list[Ledger]:
        """List the ledgers of a tier that have a measurement."""
        names = set(list_measurements(self._stores.client(tier)))
        return [ledger for ledger in ledgers_of(tier) if ledger.measurement in names]

    # --- rows that are aggregated ---

    def _expire_ledger(
        self,
        ledger: Ledger,
        due: DueDays,
        now_ns: int,
        tally: _Tally,
        *,
        is_dry_run: bool,
    ) -> None:
        age, days = due.shortest_age(ledger), list(due.find(ledger))
        if age is None or not days:
            return
        verified = set(self._verified_days(ledger, days[0].day_ns, now_ns, age))
        for day in days:
            self._work.check()
            if is_dry_run:
                self._count_day(ledger, day, tally)
            elif (reason := self._obstacle(ledger, day, verified)) is None:
                self._delete_day(ledger, day, tally)
            elif self._count(ledger, day):
                tally.kept.add(ledger.measurement, day.day_ns, reason)

    def _verified_days(
        self, ledger: Ledger, first_ns: int, now_ns: int, age: dt.timedelta
    ) -> Iterator[int]:
        def is_verified(window: Window) -> bool:
            self._work.check()
            return self._checkpoint.is_verified(
                ledger, (window.start_ns, window.end_ns)
            )

        return deletable_utc_days(
            _NEXT[ledger.tier],
            since_ns=first_ns,
            now_ns=now_ns,
            age=age,
            zone=self._zone,
            is_verified=is_verified,
        )

    def _obstacle(self, ledger: Ledger, day: DueDay, verified: set[int]) -> str | None:
        """Say why a day may not go; None if it may."""
        if day.day_ns not in verified:
            return _NOT_VERIFIED
        # What is made from the rows has windows that reach over the day's ends, too.
        windows = list(
            windows_between(
                _NEXT[ledger.tier], day.day_ns, day.day_ns + NS_PER_DAY, self._zone
            )
        )
        span = (windows[0].start_ns, windows[-1].end_ns)
        for guard in self._guards(ledger):
            if not self._checkpoint.is_verified(guard, span):
                return f"{guard.measurement} has not been made from it yet"
        return None

    def _delete_day(self, ledger: Ledger, day: DueDay, tally: _Tally) -> None:
        """Delete a day; one that is not proven stays, and keeps no other."""
        try:
            proof = self._prove(ledger, day)
            tally.values_deleted += self._deletion.delete(proof)
            tally.days += 1
        except RetentionUnverifiedError:
            tally.kept.add(ledger.measurement, day.day_ns, _HAS_CHANGED)
        except RetentionMismatchError:
            tally.kept.add(ledger.measurement, day.day_ns, _HAS_SHRUNK)
        except RetentionLeftoverError:
            tally.kept.add(ledger.measurement, day.day_ns, _IS_SLOW)

    def _prove(self, ledger: Ledger, day: DueDay) -> DeletionProof:
        try:
            return self._deletion.prove(ledger, day.day_ns, entity_ids=day.entity_ids)
        except RetentionMismatchError:
            # A recount leaves out what is in a window that has lost rows elsewhere.
            is_new = (ledger, day.day_ns) not in self.missing
            if is_new:
                (words,) = describe_missing([(ledger, day.day_ns)])
                self.missing[ledger, day.day_ns] = (
                    f"{words} has fewer values than were verified: something else has"
                    " deleted rows"
                )
            is_asked = is_new and ledger.tier in self._accepting
            if not is_asked or not self._accept(ledger, day.day_ns):
                raise
        return self._deletion.prove(ledger, day.day_ns, entity_ids=day.entity_ids)

    def _count_day(self, ledger: Ledger, day: DueDay, tally: _Tally) -> None:
        """Count what would go of a day; nothing is changed, no window marked."""
        if count := self._count(ledger, day):
            tally.days += 1
            tally.values_deleted += count

    def _count(self, ledger: Ledger, day: DueDay) -> int:
        ids = day.entity_ids
        return count_values(
            self._stores.client(ledger.tier),
            ledger.measurement,
            tags=None if ids is None else {"entity_id": ids},
            start_ns=day.day_ns,
            end_ns=day.day_ns + NS_PER_DAY,
        )

    def _move_leftovers(self, ledger: Ledger, now_ns: int, tally: _Tally) -> None:
        days = self._deletion.find_leftovers(ledger, now_ns)
        for day_ns in sorted(days.keys() - self._going(ledger)):
            self._move_day(ledger, day_ns, None, tally)

    def _move_leftovers_of_entities(self, ledger: Ledger) -> None:
        if ledger not in ENTITY_LEDGERS or not self._stores.capabilities.can_delete:
            return
        for entity_id in sorted(self._checkpoint.removed_entities(ledger)):
            self._work.check()
            days = self._deletion.find_leftovers_of(ledger, entity_id)
            for day_ns in sorted(days.keys() - self._going(ledger)):
                # They may have been counted with the rows of others by now.
                self._checkpoint.mark_dirty(ledger, (day_ns, day_ns + NS_PER_DAY))
                self._move_day(ledger, day_ns, entity_id, self._early)

    def _move_day(
        self, ledger: Ledger, day_ns: int, entity_id: str | None, tally: _Tally
    ) -> None:
        self._work.check()
        try:
            tally.late_rows += self._deletion.move_leftovers(ledger, day_ns, entity_id)
        except RetentionUnverifiedError:
            tally.kept.add(ledger.measurement, day_ns, _HAS_CHANGED)
        except RetentionMismatchError as err:
            tally.kept.add(ledger.measurement, day_ns, str(err))
        except RetentionLeftoverError:
            tally.kept.add(ledger.measurement, day_ns, _IS_SLOW)

    def _going(self, ledger: Ledger) -> set[int]:
        """List the days that a server is slow to delete: they have not come late."""
        return {
            removal.start_ns
            for removal in self._checkpoint.removals()
            if removal.ledger == ledger
        }


def _clock_notes(clock_ns: int, now_ns: int) -> Iterator[str]:
    if clock_ns != now_ns:
        yield (
            f"The clock says {to_datetime(clock_ns).date().isoformat()}, but there are"
            f" not rows of {TRUSTED_DAYS} days around it yet: nothing is deleted that"
            f" is young on {to_datetime(now_ns).date().isoformat()}"
        )

"""A run of the archive: which days are due, day by day to S3, and then their rows go.

Rows of the daily tier are due when they are older than the tier's age; once they are
in the archive, verified and recorded, they are deleted. Rows of the other tiers are
copied if the user wants that; deleting them is up to their own age.

Everything can be cut off at any line: what is in the archive already is found there,
what is not is still in its store. Blocking, for threads.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
import datetime as dt
import itertools
import logging
from typing import Final

from ..const import MEASUREMENT_ARCHIVE
from ..errors import (
    ArchiveFormatError,
    ArchiveFrozenError,
    ArchiveMismatchError,
    RetentionLeftoverError,
    RetentionMismatchError,
    RetentionUnverifiedError,
)
from ..models import Point
from ..store.query import (
    count_values,
    count_values_by_day,
    list_measurements,
)
from .archive import DaySource, archive_day, remove_leftovers
from .archive_ledgers import ARCHIVED, archive_ledger
from .archive_place import ArchivePlace
from .archive_stage import ArchiveResult, DayRows, Stage, touched_days
from .checkpoint import Checkpoint
from .deletion import Deletion
from .keys import Month
from .ledger import Ledger
from .manifest import ArchiveEntry
from .monthly import roll_up_month, stale_months
from .oldest import oldest_row
from .stores import TierStores
from .tiers import Tier, longest_age
from .transfer import Plan, Transfer, exact_differences
from .windows import (
    NS_PER_DAY,
    Resolution,
    Window,
    day_window,
    duration_ns,
    to_datetime,
    utc_day_start,
    windows_between,
)
from .work import Work

_LOGGER = logging.getLogger(__name__)

# A day that is only copied: time for the stragglers of its last hours, so that its file
# is written once.
_COPY_DELAY: Final = dt.timedelta(days=1)
_NOTE_NO_DELETION: Final = (
    "This server cannot delete rows: the days are in the archive, and stay in the"
    " store as well"
)
# Order in which the tiers are looked after: what is deleted first goes first.
_ORDER: Final[tuple[Tier, ...]] = (Tier.RAW, Tier.HOURLY, Tier.DAILY)


class Archiver:
    """Runs the archive of one hub; on one thread at a time.

    Args:
        tiers: Those to archive; the daily one always is.
        settled_until_ns: What is older has left the buffer.
    """

    def __init__(
        self,
        stores: TierStores,
        checkpoint: Checkpoint,
        place: ArchivePlace,
        *,
        zone: dt.tzinfo,
        work: Work,
        now_ns: Callable[[], int],
        settled_until_ns: Callable[[], int] | None = None,
        tiers: Collection[Tier] = (),
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._stores = stores
        self._checkpoint = checkpoint
        self._place = place
        self._zone = zone
        self._work = work
        self._now_ns = now_ns
        self._settled_until_ns = settled_until_ns or now_ns
        self._tiers = {*tiers, Tier.DAILY}
        self._deletion = Deletion(stores, checkpoint, pause=work.pause)
        self._notes = Transfer(stores.client(Tier.DAILY), pause=work.pause)
        # Days that this run has seen in the archive, by tier and start.
        self._seen: set[tuple[Tier, int]] = set()

    def run(
        self,
        *,
        start: dt.date | None = None,
        end: dt.date | None = None,
        is_dry_run: bool = False,
    ) -> ArchiveResult:
        """Archive what is due.

        Args:
            start, end: First and last local day to look at; None for no bound.

        Raises:
            ArchiveError: The archive cannot be used; nothing was lost.
            StoreError, RetentionError: Likewise for the stores.
        """
        result = ArchiveResult()
        if not is_dry_run:
            remove_leftovers(self._place.folder)
            self._resume(result)
        for tier in _ORDER:
            if tier in self._tiers and (
                stage := self._prepare(tier, start=start, end=end)
            ):
                self._run_stage(stage, result, is_dry_run=is_dry_run)
        if Tier.DAILY in self._tiers and not self._stores.capabilities.can_delete:
            result.storage_note = _NOTE_NO_DELETION
        return result

    def _resume(self, result: ArchiveResult) -> None:
        """End deletions that were cut off."""
        if not self._stores.capabilities.can_delete:
            return
        try:
            self._deletion.resume()
        except RetentionLeftoverError as err:
            result.keep(str(err))

    # --- what is due ---

    def _prepare(
        self, tier: Tier, *, start: dt.date | None, end: dt.date | None
    ) -> Stage | None:
        client = self._stores.client(tier)
        present = set(list_measurements(client))
        measurements = tuple(name for name in ARCHIVED[tier] if name in present)
        oldest = [
            oldest_row(client, self._checkpoint, Ledger(tier=tier, measurement=name))
            for name in measurements
        ]
        known = [time_ns for time_ns in oldest if time_ns is not None]
        until_ns, delete_until_ns = self._due_until(tier)
        if not known or until_ns is None:
            return None
        start_ns = utc_day_start(min(known))
        end_ns = self._last_end(tier, start_ns, until_ns)
        if start is not None and (first := self._first_of(start)) is not None:
            start_ns = max(start_ns, first)
        if end is not None:
            after = self._first_of(end + dt.timedelta(days=1))
            end_ns = end_ns if after is None else min(end_ns, after)
        if start_ns >= end_ns:
            return None
        return Stage(
            tier=tier,
            job=self._place.job(tier, is_cancelled=self._rest),
            measurements=measurements,
            start_ns=start_ns,
            end_ns=end_ns,
            delete_until_ns=delete_until_ns,
        )

    def _rest(self) -> bool:
        self._work.check()
        return False

    def _due_until(self, tier: Tier) -> tuple[int | None, int | None]:
        """Return until when days are due, and until when their rows may go."""
        now_ns = self._now_ns()
        settled_ns = min(now_ns, self._settled_until_ns())
        if tier is not Tier.DAILY:
            return min(settled_ns, now_ns - duration_ns(_COPY_DELAY)), None
        age = longest_age(Tier.DAILY, self._stores.ages, self._stores.overrides)
        if age is None:
            return None, None
        due_ns = utc_day_start(now_ns - duration_ns(age))
        can_delete = self._stores.capabilities.can_delete
        return due_ns, due_ns if can_delete else None

    def _last_end(self, tier: Tier, start_ns: int, until_ns: int) -> int:
        """Return the end of the last local day that is due.

        Rows are deleted by UTC days, which two local days may have a part in: so the
        last one may end later, if only it is over.
        """
        last_end_ns = start_ns
        closed_ns = until_ns
        if tier is Tier.DAILY:
            closed_ns = min(self._now_ns(), self._settled_until_ns())
        since_ns = max(start_ns, until_ns - 3 * NS_PER_DAY)
        for window in windows_between(Resolution.DAY, since_ns, until_ns, self._zone):
            if window.end_ns <= closed_ns:
                last_end_ns = window.end_ns
        return last_end_ns

    def _first_of(self, date: dt.date) -> int | None:
        # A date that did not exist begins with the one after it.
        for days in range(3):
            if window := day_window(date + dt.timedelta(days=days), self._zone):
                return window.start_ns
        return None

    # --- one tier ---

    def _run_stage(
        self, stage: Stage, result: ArchiveResult, *, is_dry_run: bool
    ) -> None:
        looked_at: set[Month] = set()
        for month, of_month in self._months(stage):
            self._report(stage, of_month[0])
            days = of_month
            # Before rows go, they are compared with the archive once more.
            if stage.delete_until_ns is None:
                days = [day for day in days if self._is_open(stage, day)]
            counts = self._count(stage, days)
            due = _with_rows(days, counts)
            if is_dry_run:
                self._count_due(stage, due, result)
                continue
            if due:
                looked_at.add(month)
            is_whole = self._archive_days(stage, due, result)
            if due and is_whole and self._is_complete(stage, month):
                self._roll_up(stage, month, result)
            self._delete(stage, counts, result)
        if not is_dry_run:
            self._roll_up_rest(stage, looked_at, result)

    def _count_due(
        self, stage: Stage, due: Iterable[Window], result: ArchiveResult
    ) -> None:
        client = self._stores.client(stage.tier)
        for day in due:
            self._work.check()
            values = sum(
                count_values(client, name, start_ns=day.start_ns, end_ns=day.end_ns)
                for name in stage.measurements
            )
            result.days += bool(values)
            result.values_due += values

    def _months(self, stage: Stage) -> Iterator[tuple[Month, list[Window]]]:
        """Group the local days of a stage by their months, oldest first."""
        windows = windows_between(
            Resolution.DAY, stage.start_ns, stage.end_ns, self._zone
        )
        for month, days in itertools.groupby(
            windows, key=lambda window: Month.of(self._date_of(window))
        ):
            yield month, [day for day in days if day.end_ns <= stage.end_ns]

    def _date_of(self, window: Window) -> dt.date:
        return window.start_at.astimezone(self._zone).date()

    def _count(
        self, stage: Stage, days: Collection[Window]
    ) -> dict[str, dict[int, int]]:
        """Count the values of each measurement on each UTC day of some local days."""
        if not days:
            return {}
        client = self._stores.client(stage.tier)
        start_ns = utc_day_start(min(day.start_ns for day in days))
        end_ns = utc_day_start(max(day.end_ns for day in days) - 1) + NS_PER_DAY
        counts = {}
        for name in stage.measurements:
            self._work.check()
            counts[name] = count_values_by_day(
                client, name, start_ns=start_ns, end_ns=end_ns
            )
        return counts

    def _is_open(self, stage: Stage, day: Window) -> bool:
        span = (day.start_ns, day.end_ns)
        return any(
            self._checkpoint.unverified(archive_ledger(stage.tier, name), span)
            for name in stage.measurements
        )

    def _archive_days(
        self, stage: Stage, days: Iterable[Window], result: ArchiveResult
    ) -> bool:
        """Bring days to the archive; tell whether all of them are there."""
        is_whole = True
        for day in days:
            self._work.check()
            self._report(stage, day)
            try:
                self._archive(stage, day, result)
            # What concerns one file only must not keep the others.
            except (
                ArchiveMismatchError,
                ArchiveFormatError,
                ArchiveFrozenError,
            ) as err:
                is_whole = False
                result.keep(f"{stage.tier} {self._date_of(day)}: {err}")
        return is_whole

    def _archive(self, stage: Stage, day: Window, result: ArchiveResult) -> None:
        rows = DayRows(self._stores, stage, day, self._work)
        mark = self._checkpoint.dirty_mark()
        source = DaySource(
            day=self._date_of(day),
            start_ns=day.start_ns,
            end_ns=day.end_ns,
            read=rows.read,
        )
        archived = archive_day(stage.job, source)
        if archived.deletable_count and archived.entry is not None:
            self._note(stage, day, archived.entry)
            result.add(archived)
        for name in stage.measurements:
            self._checkpoint.add_verified(
                archive_ledger(stage.tier, name),
                (day.start_ns, day.end_ns),
                counts=rows.counts[name],
                mark=mark,
            )
        self._seen.add((stage.tier, day.start_ns))

    def _note(self, stage: Stage, day: Window, entry: ArchiveEntry) -> None:
        """Record a file in the daily store, for people who look there."""
        point = Point(
            measurement=MEASUREMENT_ARCHIVE,
            tags={"s3_key": entry.key, "tier": stage.tier.value},
            fields={
                "start": entry.start_at.isoformat(),
                "end": entry.end_at.isoformat(),
                "record_count": float(entry.row_count),
                "file_size": float(entry.size_bytes),
                "sha256": entry.sha256,
                "archived_at": entry.archived_at.isoformat(),
            },
            time_ns=day.start_ns,
        )
        self._notes.run(
            Plan(
                measurement=MEASUREMENT_ARCHIVE,
                start_ns=day.start_ns,
                end_ns=day.start_ns + 1,
                points=(point,),
                identity=("s3_key",),
                differences=exact_differences,
                scope={"s3_key": entry.key},
            )
        )

    # --- months ---

    def _is_complete(self, stage: Stage, month: Month) -> bool:
        after = dt.date(month.year, month.month, 1) + dt.timedelta(days=31)
        next_ns = self._first_of(after.replace(day=1))
        return next_ns is not None and next_ns <= stage.end_ns

    def _roll_up(self, stage: Stage, month: Month, result: ArchiveResult) -> None:
        entry, is_new = roll_up_month(stage.job, month)
        if entry is not None and is_new:
            result.files += 1
            result.size_bytes += entry.size_bytes

    def _roll_up_rest(
        self, stage: Stage, looked_at: Collection[Month], result: ArchiveResult
    ) -> None:
        """Make up for roll-ups that a former run did not get to."""
        last = to_datetime(stage.end_ns).astimezone(self._zone).date()
        for year in (last.year - 1, last.year):
            manifest = stage.job.manifests.load(year)
            for month in stale_months(stage.job, manifest):
                if month not in looked_at and self._is_complete(stage, month):
                    self._work.check()
                    try:
                        self._roll_up(stage, month, result)
                    except (
                        ArchiveMismatchError,
                        ArchiveFormatError,
                        ArchiveFrozenError,
                    ) as err:
                        result.keep(f"{stage.tier} {month}: {err}")

    # --- rows that may go ---

    def _delete(
        self,
        stage: Stage,
        counts: Mapping[str, Mapping[int, int]],
        result: ArchiveResult,
    ) -> None:
        if (until_ns := stage.delete_until_ns) is None:
            return
        for name, by_day in counts.items():
            ledger = archive_ledger(stage.tier, name)
            for day_ns in sorted(by_day):
                if day_ns + NS_PER_DAY > until_ns or not self._has_seen(stage, day_ns):
                    continue
                self._work.check()
                try:
                    proof = self._deletion.prove(ledger, day_ns)
                    result.values_deleted += self._deletion.delete(proof)
                except (
                    RetentionUnverifiedError,
                    RetentionMismatchError,
                    RetentionLeftoverError,
                ) as err:
                    result.keep(str(err))

    def _has_seen(self, stage: Stage, day_ns: int) -> bool:
        """Whether all local days of a UTC day were compared with the archive now."""
        return all(
            (stage.tier, window.start_ns) in self._seen
            for window in windows_between(
                Resolution.DAY, day_ns, day_ns + NS_PER_DAY, self._zone
            )
        )

    def _report(self, stage: Stage, day: Window) -> None:
        whole_ns = max(stage.end_ns - stage.start_ns, 1)
        done = (day.start_ns - stage.start_ns) / whole_ns
        tiers = [tier for tier in _ORDER if tier in self._tiers]
        progress = (tiers.index(stage.tier) + min(max(done, 0.0), 1.0)) / len(tiers)
        self._work.report(progress, f"{stage.tier} {self._date_of(day)}")


def _with_rows(
    days: Iterable[Window], counts: Mapping[str, Mapping[int, int]]
) -> list[Window]:
    """Leave out days that have a part in no UTC day with rows."""
    present = {day_ns for by_day in counts.values() for day_ns in by_day}
    return [day for day in days if present.intersection(touched_days(day))]

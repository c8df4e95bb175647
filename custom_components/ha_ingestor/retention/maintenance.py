"""The runs of maintenance: in which order rows move on, and are let go.

Every run begins with what an earlier one has left, and can be ended anywhere: what
is not done is found again by the next one. Blocking, for threads.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
import datetime as dt
import itertools
from typing import Final, Protocol

from .checkpoint import Checkpoint
from .downsample import Downsampler, DownsampleResult
from .expiry import Expiry, ExpiryResult
from .ledger import Ledger
from .missing import MAX_LINES, describe_missing
from .stores import TierStores
from .tiers import Age, Tier
from .windows import GRACE, Resolution, duration_ns
from .work import Work

_GRACE_NS: Final = duration_ns(GRACE)


class Refreshed(Protocol):
    """What a refresh of the views has done."""

    @property
    def rows_written(self) -> int:
        """Rows that were new or different."""

    @property
    def problems(self) -> tuple[str, ...]:
        """What stays open, and why; the first ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceReport:
    """What a run did, or would do.

    Attributes:
        refreshed: Rows of views, as their refresh counts them.
        problems: What a person should know: what disagreed, and what stays and why.
        missing: Days with fewer rows than were verified, and how many; the first
            ones. They stay until a person has decided.
        accepted: Days of which that was decided in this run.
    """

    downsampled: tuple[DownsampleResult, ...] = ()
    expired: tuple[ExpiryResult, ...] = ()
    refreshed: int = 0
    problems: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    accepted: int = 0


@dataclass(slots=True)
class _Collected:
    """What the steps of a run have given so far."""

    downsampled: tuple[DownsampleResult, ...] = ()
    expired: tuple[ExpiryResult, ...] = ()
    refreshed: int = 0
    problems: tuple[str, ...] = ()  # of the views


class Maintenance:
    """Runs the steps of maintenance of one hub; one run of one object at a time.

    Args:
        now_ns: The time.
        settled_until_ns: Everything older has left the buffer.
        activity_age: How long activity is kept.
        refresh_views: Makes views anew where that is needed. None where there are
            none.
        feeds: Views that are made from the rows of a ledger.
        guards: Those of them that need the rows themselves.
    """

    def __init__(
        self,
        stores: TierStores,
        checkpoint: Checkpoint,
        *,
        zone: dt.tzinfo,
        work: Work,
        now_ns: Callable[[], int],
        settled_until_ns: Callable[[], int],
        activity_age: Age,
        refresh_views: Callable[[], Refreshed] | None = None,
        feeds: Callable[[Ledger], Iterable[Ledger]] = lambda _: (),
        guards: Callable[[Ledger], Iterable[Ledger]] = lambda _: (),
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._work = work
        self._now_ns = now_ns
        self._settled_until_ns = settled_until_ns
        self._refresh_views = refresh_views
        self._downsampler = Downsampler(
            stores, checkpoint, zone=zone, work=work, feeds=feeds
        )
        self._expiry = Expiry(
            stores,
            checkpoint,
            zone=zone,
            work=work,
            # What has yet to leave the buffer may be of any time since.
            now_ns=lambda: min(now_ns(), settled_until_ns()),
            activity_age=activity_age,
            guards=guards,
        )
        self._done = _Collected()

    def aggregate(self) -> MaintenanceReport:
        """Aggregate the hours and days that have closed; nothing is deleted.

        Raises:
            RetentionCancelledError: It was asked to stop.
            StoreError, CheckpointError: What is done stays done.
        """
        return self._run(
            (0.9, self._aggregate_hours),
            (0.1, self._aggregate_days),
        )

    def downsample_hourly(
        self, *, is_dry_run: bool = False, has_accepted: bool = False
    ) -> MaintenanceReport:
        """Take raw rows on to the hourly tier, and delete those that are old.

        Args:
            is_dry_run: Only say what would be done.
            has_accepted: A person has said that rows which are missing are not to be
                waited for; see `MissingRows`.

        Raises:
            RetentionCancelledError: It was asked to stop.
            StoreError, CheckpointError: What is done stays done.
        """
        if is_dry_run:
            return self._run((0.3, self._count_hours), (0.7, self._count_raw))
        return self._run(
            (0.02, self._resume),
            (0.08, self._recount_raw),
            (0.55, self._aggregate_hours),
            (0.15, self._refresh),
            *self._accepting(Tier.RAW, has_accepted=has_accepted),
            (0.2, self._expire_raw),
        )

    def downsample_daily(
        self, *, is_dry_run: bool = False, has_accepted: bool = False
    ) -> MaintenanceReport:
        """Take hourly rows on to the daily tier, and delete those that are old.

        See `downsample_hourly`.
        """
        if is_dry_run:
            return self._run((0.3, self._count_days), (0.7, self._count_hourly))
        return self._run(
            (0.02, self._resume),
            (0.08, self._recount_hourly),
            (0.55, self._aggregate_days),
            (0.15, self._refresh),
            *self._accepting(Tier.HOURLY, has_accepted=has_accepted),
            (0.2, self._expire_hourly),
        )

    def run_all(
        self, *, is_dry_run: bool = False, has_accepted: bool = False
    ) -> MaintenanceReport:
        """Do both, one after the other; see `downsample_hourly`."""
        if is_dry_run:
            return self._run(
                (0.1, self._count_hours),
                (0.4, self._count_raw),
                (0.1, self._count_days),
                (0.4, self._count_hourly),
            )
        return self._run(
            (0.02, self._resume),
            (0.05, self._recount_raw),
            (0.45, self._aggregate_hours),
            # After the hours: what was late there has changed these rows already.
            (0.03, self._recount_hourly),
            (0.1, self._aggregate_days),
            (0.15, self._refresh),
            *self._accepting(Tier.RAW, has_accepted=has_accepted),
            *self._accepting(Tier.HOURLY, has_accepted=has_accepted),
            (0.15, self._expire_raw),
            (0.05, self._expire_hourly),
        )

    def _run(self, *steps: tuple[float, Callable[[], None]]) -> MaintenanceReport:
        """Run steps in order; each has a share of the progress.

        A step that fails ends the run: the next ones build on it.
        """
        self._done = _Collected()
        self._expiry.forget_run()
        at = 0.0
        for share, step in steps:
            self._work.check()
            with self._work.part(at, at + share):
                step()
            at += share
        self._work.report(1.0, "Done")
        return self._report()

    def _report(self) -> MaintenanceReport:
        done = self._done
        return MaintenanceReport(
            downsampled=done.downsampled,
            expired=done.expired,
            refreshed=done.refreshed,
            accepted=self._expiry.accepted,
            missing=describe_missing(self._expiry.missing),
            problems=(
                *self._expiry.problems,
                *itertools.islice(self._expiry.missing.values(), MAX_LINES),
                *(line for one in done.downsampled for line in one.disagreements),
                *done.problems,
                *(line for one in done.expired for line in one.kept),
            ),
        )

    @property
    def _until_ns(self) -> int:
        """End of what is complete: over for a while, and out of the buffer."""
        return min(self._now_ns() - _GRACE_NS, self._settled_until_ns())

    # --- the steps ---

    def _resume(self) -> None:
        self._work.report(0.0, "Go on with deletions that were cut off")
        self._expiry.resume()

    def _recount_raw(self) -> None:
        self._work.report(0.0, "Look for late rows")
        self._expiry.recount(Tier.RAW)

    def _recount_hourly(self) -> None:
        self._work.report(0.0, "Look for late hourly rows")
        self._expiry.recount(Tier.HOURLY)

    def _aggregate_hours(self) -> None:
        self._work.report(0.0, "Aggregate hours")
        result = self._downsampler.hours(until_ns=self._until_ns)
        self._done.downsampled += (result,)

    def _aggregate_days(self) -> None:
        self._work.report(0.0, "Aggregate days")
        result = self._downsampler.days(until_ns=self._until_ns)
        self._done.downsampled += (result,)

    def _refresh(self) -> None:
        if self._refresh_views is not None:
            self._work.report(0.0, "Refresh views")
            refreshed = self._refresh_views()
            self._done.refreshed += refreshed.rows_written
            self._done.problems += refreshed.problems

    def _accepting(
        self, tier: Tier, *, has_accepted: bool
    ) -> Iterator[tuple[float, Callable[[], None]]]:
        if has_accepted:
            yield 0.0, lambda: self._expiry.accept_missing(tier)

    def _expire_raw(self) -> None:
        self._work.report(0.0, "Delete raw rows")
        self._done.expired += (self._expiry.raw(),)

    def _expire_hourly(self) -> None:
        self._work.report(0.0, "Delete hourly rows")
        self._done.expired += (self._expiry.hourly(),)

    # --- the same, only counted ---

    def _count_hours(self) -> None:
        self._done.downsampled += (self._open(Resolution.HOUR),)

    def _count_days(self) -> None:
        self._done.downsampled += (self._open(Resolution.DAY),)

    def _open(self, resolution: Resolution) -> DownsampleResult:
        return DownsampleResult(
            windows=self._downsampler.open_windows(resolution, until_ns=self._until_ns),
            rows_read=0,
            rows_written=0,
            disagreements=(),
            oldest_open_ns=None,
        )

    def _count_raw(self) -> None:
        self._done.expired += (self._expiry.raw(is_dry_run=True),)

    def _count_hourly(self) -> None:
        self._done.expired += (self._expiry.hourly(is_dry_run=True),)

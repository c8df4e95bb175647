"""One run over the hours of one raw measurement."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import datetime as dt
from typing import Final

from ..store.influx.client import InfluxClient
from .carries import HOLD_NS
from .checkpoint import Checkpoint
from .empty import EmptyTimes
from .hourly import HourMaker
from .ledger import Ledger
from .made import MadeWindows
from .open_windows import OpenWindows, runs_of
from .windows import Resolution, Window, window_at, windows_between
from .work import Work

# Aggregates in memory at a time: of a day of 250 entities. One takes about two
# kilobytes, and is there four times while it is compared.
_MAX_AGGREGATES: Final = 6_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursTask:
    """What is to be done.

    Attributes:
        oldest_ns: Time of the oldest raw row.
        oldest_hour_ns: That of the oldest row in the hourly store.
        has_own_gone: Whether rows of single entities were deleted.
    """

    ledger: Ledger
    open: OpenWindows
    oldest_ns: int
    oldest_hour_ns: int | None
    has_own_gone: bool
    until_ns: int


class HoursRun:
    """Makes the open hours of one ledger; on one thread at a time.

    Attributes:
        rows_read: Of the raw store.
    """

    def __init__(
        self,
        task: HoursTask,
        maker: HourMaker,
        made: MadeWindows,
        checkpoint: Checkpoint,
        raw: InfluxClient,
        *,
        zone: dt.tzinfo,
        work: Work,
        on_done: Callable[[Sequence[Window]], object],
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            on_done: Told the windows that are over, whether they agree or not.
        """
        self.rows_read = 0
        self._task = task
        self._maker = maker
        self._made = made
        self._checkpoint = checkpoint
        self._raw = raw
        self._zone = zone
        self._work = work
        self._on_done = on_done
        self._is_empty = False

    def run(self) -> None:
        """Make them all.

        Raises:
            StoreError: What was recorded before is whole.
        """
        self._made.tell_gone(self._raw, self._task.open)
        empty = EmptyTimes(
            self._raw,
            self._checkpoint,
            self._task.ledger,
            never=self._task.open.never,
            until_ns=self._task.until_ns,
            work=self._work,
        )
        for windows in runs_of(
            self._task.open.windows,
            zone=self._zone,
            limit=self._limit,
            by_utc_day=self._task.has_own_gone,
        ):
            if self._is_empty and self._follows(windows) and empty.take(windows):
                self._made.windows += len(windows)
                self._maker.at_ns = windows[-1].end_ns
            else:
                empty.record()
                self._make(windows)
            self._on_done(windows)
        empty.record()

    def _follows(self, windows: Sequence[Window]) -> bool:
        """Whether nothing is handed over to windows."""
        return self._maker.at_ns == windows[0].start_ns and self._maker.is_idle

    def _limit(self) -> int:
        return max(1, min(25, _MAX_AGGREGATES // max(1, self._maker.series_count)))

    def _make(self, windows: Sequence[Window]) -> None:
        # Before the rows are read: what becomes dirty meanwhile stays so.
        mark = self._checkpoint.dirty_mark()
        self._load(windows[0].start_ns)
        made = self._maker.make(windows, mark=mark)
        self.rows_read += made.counts.rows
        self._is_empty = not made.counts.rows
        agreed = self._made.store(made)
        # Before they are recorded: after a crash both are done again.
        if self._carry_on(windows):
            self._made.record(made, agreed)

    def _load(self, start_ns: int) -> None:
        if self._maker.at_ns == start_ns:
            return
        task = self._task
        has_hours = task.oldest_hour_ns is not None and task.oldest_hour_ns < start_ns
        # Also where the record of what was deleted is lost.
        is_cut = task.has_own_gone or task.oldest_ns > start_ns - HOLD_NS
        if has_hours and not is_cut:
            is_cut = bool(self._checkpoint.removed(task.ledger, (0, start_ns)))
        self._maker.load(
            start_ns, oldest_ns=task.oldest_ns, has_gone=has_hours and is_cut
        )

    # --- hours after those that were made ---

    def _carry_on(self, windows: Sequence[Window]) -> bool:
        """Make what was made before of what these hours held: it may be another now.

        A late row holds until the next one of its entity, which may be hours away.

        Returns:
            Whether all of it agrees.
        """
        at_ns = windows[-1].end_ns
        until_ns = min(at_ns + HOLD_NS, self._task.until_ns)
        maker: HourMaker | None = None
        while after := self._hours_after(at_ns, until_ns, is_first=maker is None):
            maker = maker or self._maker.fork(self._task.open.touched(windows))
            if not maker.settle():
                break
            made = maker.make(after, mark=0)
            self.rows_read += made.counts.rows
            if len(self._made.store(made)) < len(after):
                return False
            self._made.soil(after)
            at_ns = after[-1].end_ns
        return True

    def _hours_after(
        self, at_ns: int, until_ns: int, *, is_first: bool
    ) -> list[Window]:
        """List the next hours that stay as they are: one, then those of a day."""
        found: list[Window] = []
        if at_ns >= until_ns:
            return found
        day = window_at(Resolution.DAY, at_ns, self._zone)
        end_ns = min(day.end_ns, until_ns)
        for window in windows_between(Resolution.HOUR, at_ns, end_ns, self._zone):
            if window.end_ns > until_ns or not self._task.open.stays(window):
                break
            found.append(window)
            if is_first:
                # Most entities have reported after one.
                break
        return found

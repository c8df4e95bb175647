"""From raw rows to hours, from hours to days: what has closed and is not proven.

Every window is read, aggregated, written, read back and compared before it counts as
verified, and only then its source rows may go. A window that does not agree stays
open and is told; the others go on. Killed at any line, the next run does again what
was not recorded, and running twice changes nothing. Blocking, for threads.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
import datetime as dt
from typing import Final

from ..store.query import list_measurements
from .carries import ENTITY_ID, EntityCarries
from .checkpoint import Checkpoint
from .daily import DaysRun, DaysTask
from .hourly import EventHours, HourMaker
from .hours_run import HoursRun, HoursTask
from .interruptions import Interruption, read_interruptions
from .ledger import Ledger
from .ledgers import ENTITY_LEDGERS, ledgers_of
from .made import MAX_DISAGREEMENTS, MadeWindows
from .oldest import oldest_row
from .open_windows import OpenWindows, find_open
from .series import FIELD, SourceHours, series_tags
from .spans import Span, overlap
from .stores import TierStores
from .tiers import Tier
from .windows import Resolution, Window, to_datetime
from .work import Work

_NEXT_TIER: Final = {Tier.RAW: Tier.HOURLY, Tier.HOURLY: Tier.DAILY}


@dataclass(frozen=True, slots=True, kw_only=True)
class DownsampleResult:
    """What a run did.

    Attributes:
        windows: Verified in this run.
        disagreements: Windows that stay open because they did not agree; the first
            ones.
        oldest_open_ns: Start of the oldest closed window that is not verified; None
            if there is none.
    """

    windows: int
    rows_read: int
    rows_written: int
    disagreements: tuple[str, ...]
    oldest_open_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What is to be done of one ledger."""

    ledger: Ledger
    target: Ledger
    oldest_ns: int | None
    open: OpenWindows


def _no_feeds(_: Ledger) -> Iterable[Ledger]:
    return ()


class Downsampler:
    """Makes hours and days; on one thread at a time.

    Args:
        feeds: What else is made from the rows of a ledger, beside the next tier.
    """

    def __init__(
        self,
        stores: TierStores,
        checkpoint: Checkpoint,
        *,
        zone: dt.tzinfo,
        work: Work,
        feeds: Callable[[Ledger], Iterable[Ledger]] = _no_feeds,
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._stores = stores
        self._checkpoint = checkpoint
        self._zone = zone
        self._work = work
        self._feeds = feeds
        self._interruptions: list[Interruption] = []

    def hours(self, *, until_ns: int) -> DownsampleResult:
        """Make every hour that ends in time and is open, of all raw measurements.

        Raises:
            StoreError, RetentionError: What was recorded before is whole.
        """
        return self._run(Resolution.HOUR, until_ns, self._run_hours)

    def days(self, *, until_ns: int) -> DownsampleResult:
        """Make every local day that ends in time, is open, and whose hours are proven.

        Raises:
            StoreError, RetentionError: What was recorded before is whole.
        """
        return self._run(Resolution.DAY, until_ns, self._run_days)

    def open_windows(self, resolution: Resolution, *, until_ns: int) -> int:
        """Count the windows that a run would make, of all measurements.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        parts = self._find(resolution, until_ns)
        return sum(len(part.open.windows) for part in parts)

    # --- what is to be done ---

    def _find(self, resolution: Resolution, until_ns: int) -> list[_Part]:
        tier = Tier.RAW if resolution is Resolution.HOUR else Tier.HOURLY
        client = self._stores.client(tier)
        names = frozenset(list_measurements(client))
        present = [
            (source, target)
            for source, target in zip(
                ledgers_of(tier), ledgers_of(_NEXT_TIER[tier]), strict=True
            )
            if source.measurement in names
        ]
        oldest = {
            source: oldest_row(client, self._checkpoint, source)
            for source, _ in present
        }
        if resolution is Resolution.HOUR:
            self._read_interruptions(names, list(oldest.items()), until_ns)
        return [
            _Part(
                ledger=source,
                target=target,
                oldest_ns=oldest[source],
                open=self._find_open(resolution, source, oldest[source], until_ns),
            )
            for source, target in present
        ]

    def _find_open(
        self,
        resolution: Resolution,
        ledger: Ledger,
        oldest_ns: int | None,
        until_ns: int,
    ) -> OpenWindows:
        return find_open(
            self._checkpoint,
            ledger,
            resolution,
            oldest_ns=oldest_ns,
            until_ns=until_ns,
            zone=self._zone,
            again=self._made_again if resolution is Resolution.HOUR else lambda _: (),
        )

    def _read_interruptions(
        self,
        names: frozenset[str],
        oldest: Sequence[tuple[Ledger, int | None]],
        until_ns: int,
    ) -> None:
        """Learn when Home Assistant was not running, as far as it matters now."""
        starts = [
            windows[0].start_ns
            for ledger, oldest_ns in oldest
            if (
                windows := find_open(
                    self._checkpoint,
                    ledger,
                    Resolution.HOUR,
                    oldest_ns=oldest_ns,
                    until_ns=until_ns,
                    zone=self._zone,
                ).windows
            )
        ]
        self._interruptions = []
        if starts:
            self._interruptions = read_interruptions(
                self._stores.client(Tier.RAW),
                names,
                start_ns=min(starts),
                end_ns=until_ns,
                pause=self._work.pause,
            )

    def _made_again(self, spans: Sequence[Span]) -> list[Span]:
        """List times without Home Assistant that ended in a span that is open.

        What came before the end was aggregated when nobody knew of them.
        """
        return [
            (one.at_ns, one.until_ns)
            for one in self._interruptions
            if one.until_ns is not None
            and overlap(spans, [(one.until_ns, one.until_ns + 1)])
        ]

    # --- doing it ---

    def _run(
        self,
        resolution: Resolution,
        until_ns: int,
        run: Callable[
            [_Part, MadeWindows, Callable[[Sequence[Window]], None], int], int
        ],
    ) -> DownsampleResult:
        parts = self._find(resolution, until_ns)
        total = sum(len(part.open.windows) for part in parts)
        done = windows = rows_read = rows_written = 0
        disagreements: list[str] = []
        open_ns: list[int] = []

        def on_done(over: Sequence[Window]) -> None:
            nonlocal done
            done += len(over)
            at = to_datetime(over[-1].start_ns).astimezone(self._zone)
            self._work.report(
                done / total, f"{part.ledger.measurement} {at.date().isoformat()}"
            )

        for part in parts:
            made = self._made_windows(part)
            rows_read += run(part, made, on_done, until_ns)
            windows += made.windows
            rows_written += made.rows_written
            disagreements += made.disagreements
            left = self._find_open(resolution, part.ledger, part.oldest_ns, until_ns)
            open_ns += [window.start_ns for window in left.windows[:1]]
            open_ns += [made.oldest_gone_ns] if made.oldest_gone_ns is not None else []
        return DownsampleResult(
            windows=windows,
            rows_read=rows_read,
            rows_written=rows_written,
            disagreements=tuple(disagreements[:MAX_DISAGREEMENTS]),
            oldest_open_ns=min(open_ns, default=None),
        )

    def _made_windows(self, part: _Part) -> MadeWindows:
        identity: tuple[str, ...] | None = (ENTITY_ID,)
        if part.ledger not in ENTITY_LEDGERS:
            tags = series_tags(
                self._stores.client(part.ledger.tier), part.ledger.measurement
            )
            identity = None if tags is None else tuple({*tags, FIELD})
        return MadeWindows(
            self._stores.client(part.target.tier),
            self._checkpoint,
            part.ledger,
            part.target,
            identity=identity,
            feeds=self._feeds,
            work=self._work,
        )

    def _run_hours(
        self,
        part: _Part,
        made: MadeWindows,
        on_done: Callable[[Sequence[Window]], None],
        until_ns: int,
    ) -> int:
        if not part.open.windows and not part.open.gone:
            return 0
        raw, hourly = self._stores.client(Tier.RAW), self._stores.client(Tier.HOURLY)
        gone = self._checkpoint.removed_entities(part.ledger)
        run = HoursRun(
            HoursTask(
                ledger=part.ledger,
                open=part.open,
                oldest_ns=until_ns if part.oldest_ns is None else part.oldest_ns,
                oldest_hour_ns=oldest_row(hourly, self._checkpoint, part.target),
                has_own_gone=bool(gone),
                until_ns=until_ns,
            ),
            self._maker(part, gone),
            made,
            self._checkpoint,
            raw,
            zone=self._zone,
            work=self._work,
            on_done=on_done,
        )
        run.run()
        return run.rows_read

    def _maker(self, part: _Part, gone: dict[str, list[Span]]) -> HourMaker:
        raw, hourly = self._stores.client(Tier.RAW), self._stores.client(Tier.HOURLY)
        if part.ledger in ENTITY_LEDGERS:
            interruptions = sorted(one.at_ns for one in self._interruptions)
            return EventHours(
                raw,
                EntityCarries(
                    raw,
                    hourly,
                    part.ledger.measurement,
                    zone=self._zone,
                    interruptions=interruptions,
                    pause=self._work.pause,
                ),
                interruptions=interruptions,
                gone=gone,
                work=self._work,
            )
        return SourceHours(
            raw,
            hourly,
            part.ledger.measurement,
            by=series_tags(raw, part.ledger.measurement),
            zone=self._zone,
            interruptions=sorted(
                one.at_ns for one in self._interruptions if one.is_long
            ),
            work=self._work,
        )

    def _run_days(
        self,
        part: _Part,
        made: MadeWindows,
        on_done: Callable[[Sequence[Window]], None],
        until_ns: int,
    ) -> int:
        raw_ledger = Ledger(
            tier=Tier.RAW,
            measurement=dict(
                zip(ledgers_of(Tier.HOURLY), ledgers_of(Tier.RAW), strict=True)
            )[part.ledger].measurement,
        )
        raw, hourly = self._stores.client(Tier.RAW), self._stores.client(Tier.HOURLY)
        is_event = part.ledger in ENTITY_LEDGERS
        run = DaysRun(
            DaysTask(
                ledger=part.ledger,
                target=part.target,
                raw_ledger=raw_ledger,
                open=part.open,
                oldest_raw_ns=oldest_row(raw, self._checkpoint, raw_ledger),
                by=(ENTITY_ID,)
                if is_event
                else series_tags(hourly, part.ledger.measurement),
            ),
            made,
            self._checkpoint,
            hourly,
            zone=self._zone,
            work=self._work,
            on_done=on_done,
        )
        run.run()
        return run.rows_read

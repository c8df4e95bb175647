"""Windows that were made, into the next tier and into the record of what is proven."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
import itertools
from typing import Final

from ..errors import (
    BatchRejectedError,
    RetentionMismatchError,
    RetentionRegressionError,
)
from ..models import Point
from ..store.influx.client import InfluxClient
from ..store.query import TagFilter, count_values
from .carries import ENTITY_ID, NAMED_AT_ONCE
from .checkpoint import Checkpoint
from .ledger import Ledger
from .open_windows import OpenWindows
from .rows import ROW_COUNT, differences
from .track import ValueCounts
from .transfer import Plan, Transfer
from .windows import Window, to_datetime
from .work import Work

# What is told: a person needs the first ones.
MAX_DISAGREEMENTS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was made of windows that follow each other.

    Attributes:
        only: The entities that it is of, of which alone rows are replaced; None for
            all that there are.
        mark: Of the checkpoint, from before the rows were read.
    """

    windows: Sequence[Window]
    points: Sequence[Point]
    counts: ValueCounts
    mark: int
    only: tuple[str, ...] | None = None


class MadeWindows:
    """Writes what was made of one ledger's rows, and records that it is so.

    On one thread at a time.

    Attributes:
        windows: How many were verified.
        rows_written: How many aggregates had to be written.
        disagreements: Windows that stay open, and why; the first ones.
        oldest_gone_ns: Start of the oldest one that stays open because its rows are
            not all there; None if there is none.
    """

    def __init__(
        self,
        client: InfluxClient,
        checkpoint: Checkpoint,
        ledger: Ledger,
        target: Ledger,
        *,
        identity: tuple[str, ...] | None,
        feeds: Callable[[Ledger], Iterable[Ledger]],
        work: Work,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            client: Of the store of the next tier.
            target: What is written.
            identity: Tags of which one window has one row only.
            feeds: What else is made from the rows.
        """
        self.windows = 0
        self.rows_written = 0
        self.disagreements: list[str] = []
        self.oldest_gone_ns: int | None = None
        self._transfer = Transfer(client, pause=work.pause)
        self._checkpoint = checkpoint
        self._ledger = ledger
        self._target = target
        self._identity = identity
        self._feeds = tuple({target: None} | dict.fromkeys(feeds(ledger)))
        self._work = work

    def disagree(self, window: Window, reason: str) -> None:
        """Keep that a window stays open."""
        if len(self.disagreements) < MAX_DISAGREEMENTS:
            at = to_datetime(window.start_ns).isoformat()
            self.disagreements.append(
                f"{self._ledger.measurement} of the {window.resolution} at {at}: {reason}"
            )

    def tell_gone(self, source: InfluxClient, found: OpenWindows) -> None:
        """Tell windows that cannot be made, since a part of their rows is gone.

        Where time zones have changed there may be some that have no rows left.

        Args:
            source: The client of the rows.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        for window in found.gone:
            if any(
                count_values(
                    source, self._ledger.measurement, start_ns=part[0], end_ns=part[1]
                )
                for part in found.open_parts(window)
            ):
                self.disagree(window, "its rows are not all there any more")
                if self.oldest_gone_ns is None:
                    self.oldest_gone_ns = window.start_ns

    def store(self, made: Made) -> list[Window]:
        """Write, and read back; windows that do not agree are told.

        Returns:
            Those that agree; nothing is recorded of them yet.

        Raises:
            StoreError: See `InfluxClient`.
        """
        try:
            self._run(made)
        except (
            # A row that the server will never take, such as one that is too old for
            # a retention that somebody has set.
            BatchRejectedError,
            RetentionMismatchError,
            RetentionRegressionError,
        ) as err:
            if len(made.windows) == 1:
                self.disagree(made.windows[0], str(err))
                return []
        else:
            return list(made.windows)
        # Which of them it is. The others go on.
        return [
            window for one in made.windows for window in self.store(_part_of(made, one))
        ]

    def record(self, made: Made, windows: Iterable[Window]) -> None:
        """Record that windows agree with their rows."""
        for window in windows:
            self._work.check()
            self._checkpoint.add_verified(
                self._ledger,
                (window.start_ns, window.end_ns),
                counts=made.counts.of(window),
                mark=made.mark,
                feeds=self._feeds,
            )
            self.windows += 1

    def soil(self, windows: Sequence[Window]) -> None:
        """Record that what is made from these windows has to be made again."""
        span = (windows[0].start_ns, windows[-1].end_ns)
        for ledger in self._feeds:
            self._checkpoint.mark_dirty(ledger, span)

    def _run(self, made: Made) -> None:
        if made.only is None:
            self._run_plan(made, made.points, None)
            return
        by_entity: dict[str, list[Point]] = {}
        for point in made.points:
            by_entity.setdefault(point.tags.get(ENTITY_ID, ""), []).append(point)
        for ids in itertools.batched(made.only, NAMED_AT_ONCE, strict=False):
            points = [point for name in ids for point in by_entity.get(name, ())]
            self._run_plan(made, points, {ENTITY_ID: ids})

    def _run_plan(
        self, made: Made, points: Sequence[Point], scope: TagFilter | None
    ) -> None:
        self._work.check()
        result = self._transfer.run(
            Plan(
                measurement=self._target.measurement,
                start_ns=made.windows[0].start_ns,
                end_ns=made.windows[-1].end_ns,
                points=points,
                identity=self._identity,
                count_field=ROW_COUNT,
                differences=differences,
                scope=scope,
            )
        )
        self.rows_written += result.written_count


def _part_of(made: Made, window: Window) -> Made:
    return Made(
        windows=(window,),
        points=[point for point in made.points if point.time_ns == window.start_ns],
        counts=made.counts,
        mark=made.mark,
        only=made.only,
    )

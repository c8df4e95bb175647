"""Which windows are to be made: closed, and not proven or dirty."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
import datetime as dt

from .checkpoint import Checkpoint
from .ledger import Ledger
from .spans import Span, merge, overlap, subtract
from .windows import Resolution, Window, utc_day_start, window_at, windows_between


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWindows:
    """The windows of one ledger that are to be made.

    Attributes:
        windows: Oldest first.
        gone: Those whose rows are not all there any more; they stay as they are.
        never: Spans that were not verified before.
        whole: Spans of which all entities are to be made.
        entities: Single entities that are to be made, and when.
        known: Spans that were verified, whether they are dirty or not.
        removed: Spans of which rows are gone.
    """

    windows: Sequence[Window]
    gone: Sequence[Window]
    never: Sequence[Span]
    whole: Sequence[Span]
    entities: Sequence[tuple[str, Span]]
    known: Sequence[Span]
    removed: Sequence[Span]

    def touched(self, windows: Sequence[Window]) -> frozenset[str] | None:
        """Return which entities are to be made in windows in a row; None for all."""
        span = (windows[0].start_ns, windows[-1].end_ns)
        if overlap(self.whole, [span]):
            return None
        return frozenset(
            entity_id for entity_id, part in self.entities if overlap([part], [span])
        )

    def open_parts(self, window: Window) -> list[Span]:
        """List what of a window is not proven, or dirty."""
        parts = [*self.whole, *(part for _, part in self.entities)]
        return overlap(merge(parts), [(window.start_ns, window.end_ns)])

    def stays(self, window: Window) -> bool:
        """Whether a window was made before, and is not to be made as a whole."""
        span = (window.start_ns, window.end_ns)
        return (
            not subtract([span], self.known)
            and not overlap(self.whole, [span])
            and not overlap(self.removed, [span])
        )


def find_open(
    checkpoint: Checkpoint,
    ledger: Ledger,
    resolution: Resolution,
    *,
    oldest_ns: int | None,
    until_ns: int,
    zone: dt.tzinfo,
    again: Callable[[Sequence[Span]], Sequence[Span]] = lambda _: (),
) -> OpenWindows:
    """List the windows of the next tier that end in time and are not proven.

    Args:
        oldest_ns: Time of the oldest row; None if there is none.
        again: What has to be made again because of what is open.
    """
    known = checkpoint.verified(ledger)
    starts = [] if oldest_ns is None else [utc_day_start(oldest_ns)]
    starts += [known[0][0]] if known else []
    dirty = checkpoint.dirty(ledger)
    first_ns = window_at(resolution, min(starts), zone).start_ns if starts else until_ns
    span = (first_ns, max(until_ns, first_ns))
    widest = (min([first_ns, *(one.start_ns for one in dirty)]), span[1])
    removed = checkpoint.removed(ledger, widest)
    never = subtract([span], known)
    more = subtract(
        overlap(again(checkpoint.unverified(ledger, span)), [span]), removed
    )
    entities = [
        (one.entity_id, (one.start_ns, one.end_ns))
        for one in dirty
        if one.entity_id is not None
    ]
    whole = merge(
        [
            *never,
            *more,
            *((one.start_ns, one.end_ns) for one in dirty if one.entity_id is None),
        ]
    )
    spans = merge([*whole, *(part for _, part in entities)])
    windows = _windows_of(spans, resolution, until_ns, zone)
    gone = [window for window in windows if _touches(window, removed)]
    lost = set(gone)
    return OpenWindows(
        windows=[window for window in windows if window not in lost],
        gone=gone,
        never=never,
        whole=whole,
        entities=entities,
        known=known,
        removed=removed,
    )


def runs_of(
    windows: Sequence[Window],
    *,
    zone: dt.tzinfo,
    limit: Callable[[], int],
    by_utc_day: bool = False,
) -> Iterator[list[Window]]:
    """Put windows together that follow each other, of one local day at most.

    Args:
        limit: How many at most, asked for each run.
        by_utc_day: Also keep UTC days apart, and windows that are part of two.
    """
    run: list[Window] = []
    day_end_ns = most = 0
    for window in windows:
        is_next = (
            run
            and run[-1].end_ns == window.start_ns < day_end_ns
            and len(run) < most
            and not (by_utc_day and _is_apart(run[-1], window))
        )
        if not is_next:
            if run:
                yield run
            run = []
            day_end_ns = window_at(Resolution.DAY, window.start_ns, zone).end_ns
            most = limit()
        run.append(window)
    if run:
        yield run


def _is_apart(before: Window, window: Window) -> bool:
    days = {
        utc_day_start(at_ns)
        for one in (before, window)
        for at_ns in (one.start_ns, one.end_ns - 1)
    }
    return len(days) > 1


def _touches(window: Window, spans: Sequence[Span]) -> bool:
    return any(
        start_ns < window.end_ns and window.start_ns < end_ns
        for start_ns, end_ns in spans
    )


def _windows_of(
    spans: Sequence[Span], resolution: Resolution, until_ns: int, zone: dt.tzinfo
) -> list[Window]:
    found: list[Window] = []
    for start_ns, end_ns in spans:
        # A window is made once, however many spans have a part in it.
        at_ns = max(start_ns, found[-1].end_ns) if found else start_ns
        found += [
            window
            for window in windows_between(
                resolution, at_ns, min(end_ns, until_ns), zone
            )
            if window.end_ns <= until_ns
        ]
    return found

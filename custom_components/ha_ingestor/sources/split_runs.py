"""Where to put a run that may pause: its parts go into the cheapest time.

Without a shortest part that is simply the cheapest pieces. If that tears the run into
parts that are too short, every way to begin and to end is weighed against each other,
on a grid. A part that is worth moving moves until one of its edges meets the edge of
a slot, another part's shortest length, or what is left of the run: so on the grid of
their greatest common divisor nothing better is missed. In practice that is a minute
to an hour.
"""

from collections import deque
from collections.abc import Sequence
from itertools import accumulate
from math import gcd
from operator import lt
from typing import Final, NamedTuple

type Span = tuple[int, int]

_MINUTE_US: Final = 60_000_000
# Coarser and coarser, all of them parts of an hour.
_GRIDS_MIN: Final = (1, 5, 10, 15, 30, 60)
# Of times and lengths to weigh; takes a few tenths of a second on a small computer.
MAX_STATES: Final = 600_000
# More than any cost.
_NEVER: Final = 1 << 200


class Piece(NamedTuple):
    """A free time of one value; microseconds."""

    start: int
    end: int
    value: int


def find_split(pieces: Sequence[Piece], length: int, min_part: int) -> list[Span]:
    """Return the parts with the lowest sum, in order of time; none where none fit.

    Args:
        pieces: In order of time; where one ends another may begin.
        length: Of all parts together, microseconds; at least `min_part`. On a grid
            the parts may be longer by what rounding it up takes.
        min_part: No part is shorter.
    """
    if sum(piece.end - piece.start for piece in pieces) < length:
        return []
    spans = _take_cheapest(pieces, length)
    if all(end - start >= min_part for start, end in spans):
        return spans
    grid = _choose_grid(pieces, length, min_part)
    return _Grid(pieces, grid).find(-(-length // grid), -(-min_part // grid))


def _take_cheapest(pieces: Sequence[Piece], length: int) -> list[Span]:
    """Return the cheapest time, however short its parts are."""
    taken: list[Span] = []
    left = length
    for piece in sorted(pieces, key=lambda piece: (piece.value, piece.start)):
        span = (piece.start, piece.end)
        if span[1] - span[0] > left:
            # Rather beside another part than alone.
            is_after = any(end == span[0] for _, end in taken)
            is_before = any(start == span[1] for start, _ in taken)
            if is_before and not is_after:
                span = (span[1] - left, span[1])
            else:
                span = (span[0], span[0] + left)
        taken.append(span)
        left -= span[1] - span[0]
        if not left:
            break
    return _merge(sorted(taken))


def _merge(spans: Sequence[Span]) -> list[Span]:
    """Return spans in order of time with those made one that touch."""
    merged: list[Span] = []
    for start, end in spans:
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def _choose_grid(pieces: Sequence[Piece], length: int, min_part: int) -> int:
    """Return the finest grid that misses nothing and is not too much work."""
    runs = _merge([(piece.start, piece.end) for piece in pieces])
    marks = {edge for piece in pieces for edge in (piece.start, piece.end)}
    marks -= {edge for run in runs for edge in run}
    # Where free time begins and ends within a minute is cut to full ones.
    edges = {-(-start // _MINUTE_US) for start, _ in runs}
    edges |= {end // _MINUTE_US for _, end in runs}
    edges |= {mark // _MINUTE_US for mark in marks}
    lengths = (-(-length // _MINUTE_US), -(-min_part // _MINUTE_US))
    exact = gcd(*edges, *lengths)
    period = runs[-1][1] - runs[0][0]
    for grid_min in (exact, *(item for item in _GRIDS_MIN if item > exact)):
        grid = grid_min * _MINUTE_US
        if (period // grid) * (length // grid + 1) <= MAX_STATES:
            return grid
    return max(exact, _GRIDS_MIN[-1]) * _MINUTE_US


class _Grid:
    """Free time in cells of the same length."""

    def __init__(self, pieces: Sequence[Piece], cell: int) -> None:
        self._cell = cell
        self._first = pieces[0].start // cell
        count = -(-pieces[-1].end // cell) - self._first
        costs, covered = [0] * count, [0] * count
        for piece in pieces:
            at = piece.start
            while at < piece.end:
                index = at // cell
                until = min(piece.end, (index + 1) * cell)
                costs[index - self._first] += piece.value * (until - at)
                covered[index - self._first] += until - at
                at = until
        self._costs = costs
        self._is_free = [item == cell for item in covered]

    def find(self, length: int, min_part: int) -> list[Span]:
        """Return the parts; length and shortest part in cells.

        Goes forward in time and keeps, for every length that has run so far, the
        lowest cost of all ways to have done so: `off` while it pauses, `on` while it
        runs in a part that is long enough to end. Which way it was is noted in a byte
        each, and followed back from the end.
        """
        never = [_NEVER] * (length + 1)
        off, on = [0, *never[1:]], never
        history = deque([off], maxlen=min_part)
        begins: list[bytes] = [bytes(length + 1)]
        ends: list[bytes] = [bytes(length + 1)]
        sums = list(accumulate(self._costs, initial=0))
        free = 0
        for at, (cost, is_free) in enumerate(
            zip(self._costs, self._is_free, strict=True), 1
        ):
            free = free + 1 if is_free else 0
            on = [_NEVER, *(item + cost for item in on[:-1])] if is_free else never
            is_begun = bytes(length + 1)
            if free >= min_part:
                # The shortest part: what ends here could begin there.
                whole = sums[at] - sums[at - min_part]
                before = history[0][: length + 1 - min_part]
                begun = [*never[:min_part], *(item + whole for item in before)]
                is_begun = bytes(map(lt, begun, on, strict=True))
                on = list(map(min, begun, on, strict=True))
            begins.append(is_begun)
            ends.append(bytes(map(lt, on, off, strict=True)))
            off = list(map(min, on, off, strict=True))
            history.append(off)
        if off[length] >= _NEVER // 2:
            return []
        return self._follow_back(begins, ends, length, min_part)

    def _follow_back(
        self,
        begins: Sequence[bytes],
        ends: Sequence[bytes],
        length: int,
        min_part: int,
    ) -> list[Span]:
        spans: list[Span] = []
        at, left = len(ends) - 1, length
        while left:
            if not ends[at][left]:
                at -= 1
                continue
            end = at
            while not begins[at][left]:
                at, left = at - 1, left - 1
            at, left = at - min_part, left - min_part
            spans.append((self._to_us(at), self._to_us(end)))
        return _merge(spans[::-1])

    def _to_us(self, index: int) -> int:
        return (self._first + index) * self._cell

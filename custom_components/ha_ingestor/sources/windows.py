"""The right hour: the cheapest or cleanest time for something that takes a while.

Costs are sums of whole numbers (values in billionths, power in milliwatts, times in
microseconds), so that what costs the same is the same: the earlier one is taken then,
and no rounding decides instead of the prices.

A run of given length costs, as a function of its start, a line with bends: it bends
where an edge of the run meets the edge of a slot, and is lowest at a bend or at an end
of the searched period. So only those starts are looked at, and no better one exists
between them, to the microsecond.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Final

from .slots import Slot, Slots, cut_slots, map_slots
from .split_runs import Piece, Span, find_split

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_HOUR_US: Final = timedelta(hours=1) // _MICROSECOND
_VALUE_STEPS: Final = 1_000_000_000
_POWER_STEPS: Final = 1_000_000
_TOTAL_STEPS: Final = _VALUE_STEPS * _POWER_STEPS * _HOUR_US


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadStep:
    """A while of constant power."""

    duration: timedelta
    power_kw: float


@dataclass(frozen=True, kw_only=True)
class Load:
    """What something draws from its start to its end.

    Attributes:
        steps: At least one, each longer than nothing.
    """

    steps: tuple[LoadStep, ...]

    @cached_property
    def duration(self) -> timedelta:
        """How long it runs."""
        return sum((step.duration for step in self.steps), timedelta())

    @cached_property
    def energy_kwh(self) -> float:
        """What a whole run takes."""
        return sum(
            step.power_kw * (step.duration / timedelta(hours=1)) for step in self.steps
        )

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Steps as pairs of microseconds from the start, and power from there on.

        The last one is the end, with no power.
        """
        edges: list[tuple[int, int]] = []
        at = 0
        for step in self.steps:
            power = round(step.power_kw * _POWER_STEPS)
            if not edges or edges[-1][1] != power:
                edges.append((at, power))
            at += step.duration // _MICROSECOND
        return (*edges, (at, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A time without a pause; UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When to run: one part, or several with pauses between them, in their order."""

    parts: tuple[Part, ...]

    @property
    def start(self) -> datetime:
        """When the first part begins; UTC."""
        return self.parts[0].start

    @property
    def end(self) -> datetime:
        """When the last part ends; UTC."""
        return self.parts[-1].end


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a run costs.

    Attributes:
        mean: Of the values over the time of the run, whatever the power.
        total: Sum of energy (kWh) times value.
    """

    mean: float
    total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSearch:
    """What is looked for.

    Attributes:
        earliest: No part begins before; UTC.
        latest: Every part has ended by then; UTC.
        is_contiguous: Without pauses. With pauses the power has to be constant.
        min_part: No part is shorter, unless the whole run is.
        count: How many windows. Each is the best of those that share no time with
            the better ones, so that they are real alternatives and not the same hour
            moved by minutes.
    """

    load: Load
    earliest: datetime
    latest: datetime
    is_contiguous: bool = True
    min_part: timedelta = timedelta()
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredWindow:
    """A window that weighs prices against emissions.

    Attributes:
        score: 0 is the best that each of both could be, 1 the worst.
    """

    window: Window
    score: float
    costs: tuple[Cost, Cost]


class _Curve:
    """A series of slots in whole numbers, with its integral."""

    def __init__(self, slots: Slots) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.values: list[int] = []
        self._sums = [0]
        for slot in slots:
            start, end = _to_us(slot.start), _to_us(slot.end)
            value = round(slot.value * _VALUE_STEPS)
            self.starts.append(start)
            self.ends.append(end)
            self.values.append(value)
            self._sums.append(self._sums[-1] + value * (end - start))

    def _sum_until(self, at: int) -> int:
        index = bisect_right(self.starts, at) - 1
        if index < 0:
            return 0
        beyond = max(0, self.ends[index] - at)
        return self._sums[index + 1] - self.values[index] * beyond

    def integrate(self, start: int, end: int) -> int:
        """Return the sum of value times microseconds."""
        return self._sum_until(end) - self._sum_until(start)

    def value_from(self, at: int) -> int:
        """Return the value that holds from a moment on; it must be covered."""
        return self.values[bisect_right(self.starts, at) - 1]

    def list_runs(self) -> list[Span]:
        """Return the spans that are covered without a gap."""
        runs: list[Span] = []
        for start, end in zip(self.starts, self.ends, strict=True):
            if runs and runs[-1][1] == start:
                runs[-1] = (runs[-1][0], end)
            else:
                runs.append((start, end))
        return runs

    def list_pieces(self, spans: Iterable[Span]) -> Iterator[Piece]:
        """Yield start, end and value of the slots' pieces within spans."""
        for start, end in spans:
            first = bisect_right(self.starts, start) - 1
            for index in range(max(first, 0), len(self.starts)):
                if self.starts[index] >= end:
                    break
                left, right = max(start, self.starts[index]), min(end, self.ends[index])
                if left < right:
                    yield Piece(left, right, self.values[index])


def find_windows(slots: Slots, search: WindowSearch) -> list[Window]:
    """Return the windows with the lowest totals, the best first.

    They are fewer than asked for where no more fit, and none where not even one does.

    Args:
        slots: What a kWh costs or emits; no window has a gap of it inside.
        search: What is looked for.
    """
    curve = _Curve(cut_slots(slots, search.earliest, search.latest))
    free = curve.list_runs()
    windows: list[Window] = []
    while len(windows) < search.count:
        spans = _find_spans(curve, free, search)
        if not spans:
            break
        windows.append(Window(parts=tuple(_to_part(span) for span in spans)))
        free = _take_away(free, spans)
    return windows


def find_balanced_windows(
    prices: Slots, emissions: Slots, weights: tuple[float, float], search: WindowSearch
) -> list[ScoredWindow]:
    """Return the windows that weigh prices against emissions best.

    Each total is put on a scale of its own: 0 is the lowest that any such window of
    the period reaches, 1 the highest; where all are the same, 0. The score is the
    weighted mean of both. So with equal weights it counts the same to miss half of
    what can be saved in money and half of what can be saved in emissions, whatever
    their units and however high a single slot stands out.

    Args:
        prices: One series.
        emissions: The other one; only times that both know are considered.
        weights: Of both, not negative and not both 0; only their ratio matters.
        search: What is looked for.
    """
    both = align_slots(prices, emissions)
    load = search.load
    shares = [weight / sum(weights) for weight in weights]
    scales = [_find_scale(slots, search) for slots in both]
    factors = [
        share * load.energy_kwh / scale[1] if scale[1] else 0.0
        for share, scale in zip(shares, scales, strict=True)
    ]
    combined = tuple(
        replace(
            price,
            value=price.value * factors[0] + emission.value * factors[1],
        )
        for price, emission in zip(*both, strict=True)
    )
    found: list[ScoredWindow] = []
    for window in find_windows(combined, search):
        costs = (
            calculate_cost(both[0], load, window.parts),
            calculate_cost(both[1], load, window.parts),
        )
        score = sum(
            share * (cost.total - lowest) / span if span else 0.0
            for share, cost, (lowest, span) in zip(shares, costs, scales, strict=True)
        )
        found.append(
            ScoredWindow(window=window, score=min(max(score, 0.0), 1.0), costs=costs)
        )
    return found


def align_slots(first: Slots, second: Slots) -> tuple[Slots, Slots]:
    """Return two series with the same slots: times that only one knows are left out."""
    left: list[Slot] = []
    right: list[Slot] = []
    index = 0
    for slot in first:
        while index < len(second) and second[index].end <= slot.start:
            index += 1
        for other in second[index:]:
            if other.start >= slot.end:
                break
            start, end = max(slot.start, other.start), min(slot.end, other.end)
            left.append(Slot(start=start, end=end, value=slot.value))
            right.append(Slot(start=start, end=end, value=other.value))
    return tuple(left), tuple(right)


def calculate_cost(slots: Slots, load: Load, parts: Sequence[Part]) -> Cost:
    """Return what a run in given parts costs; all of them must be covered.

    In a pause nothing is drawn, and the run goes on after it where it has stopped.
    """
    curve = _Curve(slots)
    total = weighted = ran = 0
    edges = load.edges
    step = 0
    for part in parts:
        at, end = _to_us(part.start), _to_us(part.end)
        weighted += curve.integrate(at, end)
        while at < end and step < len(edges) - 1:
            left = edges[step + 1][0] - ran
            until = min(end, at + left)
            total += edges[step][1] * curve.integrate(at, until)
            ran += until - at
            at = until
            step += ran == edges[step + 1][0]
    duration = sum((part.end - part.start for part in parts), timedelta())
    return Cost(
        mean=weighted / (duration // _MICROSECOND) / _VALUE_STEPS,
        total=total / _TOTAL_STEPS,
    )


def calculate_cost_from(slots: Slots, load: Load, start: datetime) -> Cost | None:
    """Return what a run without pauses costs; None where the data do not cover it."""
    end = start + load.duration
    covered = cut_slots(slots, start, end)
    runs = _Curve(covered).list_runs()
    if runs != [(_to_us(start), _to_us(end))]:
        return None
    return calculate_cost(covered, load, (Part(start=start, end=end),))


def _find_scale(slots: Slots, search: WindowSearch) -> tuple[float, float]:
    """Return the lowest total of all windows, and how far the highest is above it."""
    load = search.load
    upside_down = map_slots(slots, lambda slot: -slot.value)
    totals = [
        calculate_cost(slots, load, windows[0].parts).total
        for series in (slots, upside_down)
        if (windows := find_windows(series, replace(search, count=1)))
    ]
    return (totals[0], totals[1] - totals[0]) if totals else (0.0, 0.0)


def _find_spans(
    curve: _Curve, free: Sequence[Span], search: WindowSearch
) -> list[Span]:
    """Return the parts of the best window within free spans, none where none fits."""
    length = search.load.duration // _MICROSECOND
    if not search.is_contiguous:
        min_part = min(length, search.min_part // _MICROSECOND)
        pieces = list(curve.list_pieces(free))
        return find_split(pieces, length, min_part)
    found = [
        _find_start(curve, span, search.load.edges)
        for span in free
        if span[1] - span[0] >= length
    ]
    if not found:
        return []
    _, start = min(found)
    return [(start, start + length)]


def _find_start(
    curve: _Curve, span: Span, edges: Sequence[tuple[int, int]]
) -> tuple[int, int]:
    """Return the lowest cost in a span without gaps, and the first start that has it.

    Walks from bend to bend: between them the cost grows by the slope, which is what
    the edges of the load meet now, and changes by what they meet next.
    """
    first, last = span[0], span[1] - edges[-1][0]
    cost = sum(
        power * curve.integrate(first + edge, first + following)
        for (edge, power), (following, _) in pairwise(edges)
    )
    best = (cost, first)
    if first == last:
        return best
    slope = 0
    bends: dict[int, int] = {last: 0}
    power_before = 0
    for edge, power in edges:
        weight, power_before = power_before - power, power
        slope += weight * curve.value_from(first + edge)
        # Of the slots that the edge enters on its way.
        low = bisect_right(curve.starts, first + edge)
        high = bisect_right(curve.starts, last + edge)
        for index in range(low, high):
            at = curve.starts[index] - edge
            change = weight * (curve.values[index] - curve.values[index - 1])
            bends[at] = bends.get(at, 0) + change
    before = first
    for at in sorted(bends):
        cost += slope * (at - before)
        if cost < best[0]:
            best = (cost, at)
        slope += bends[at]
        before = at
    return best


def _take_away(free: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """Return what is left of spans."""
    left = list(free)
    for start, end in taken:
        left = [
            piece
            for span in left
            for piece in ((span[0], min(span[1], start)), (max(span[0], end), span[1]))
            if piece[0] < piece[1]
        ]
    return left


def _to_us(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _to_part(span: Span) -> Part:
    start, end = (_EPOCH + at * _MICROSECOND for at in span)
    return Part(start=start, end=end)

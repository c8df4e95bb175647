"""Spans of time as sets: what two of them share, and what one has beyond another.

A span is its first instant, inclusive, and its last one, exclusive; in nanoseconds.
"""

from collections.abc import Iterable, Sequence

type Span = tuple[int, int]


def merge(spans: Iterable[Span], gap_ns: int = 0) -> list[Span]:
    """Join spans that overlap, touch, or are nearer than a gap; oldest first."""
    merged: list[Span] = []
    for start_ns, end_ns in sorted(span for span in spans if span[0] < span[1]):
        if merged and start_ns <= merged[-1][1] + gap_ns:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_ns))
        else:
            merged.append((start_ns, end_ns))
    return merged


def overlap(spans: Iterable[Span], others: Sequence[Span]) -> list[Span]:
    """Return what both have in common, oldest first."""
    return merge(
        (max(start_ns, other[0]), min(end_ns, other[1]))
        for start_ns, end_ns in spans
        for other in others
    )


def subtract(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """Return what the first have beyond the others, oldest first."""
    holes = merge(others)
    rest: list[Span] = []
    for start_ns, end_ns in merge(spans):
        at_ns = start_ns
        for hole_start_ns, hole_end_ns in holes:
            if hole_end_ns <= at_ns or hole_start_ns >= end_ns:
                continue
            if hole_start_ns > at_ns:
                rest.append((at_ns, hole_start_ns))
            at_ns = max(at_ns, hole_end_ns)
        if at_ns < end_ns:
            rest.append((at_ns, end_ns))
    return rest

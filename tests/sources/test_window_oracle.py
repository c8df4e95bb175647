"""Windows against an oracle that tries every minute."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ha_ingestor.sources.slots import Slot, Slots, day_bounds
from custom_components.ha_ingestor.sources.windows import (
    WindowSearch,
    calculate_cost,
    find_balanced_windows,
    find_windows,
)
from tests.sources.window_series import (
    BERLIN,
    MINUTE,
    START,
    at,
    load,
    profile,
    series,
    span,
    spans,
)

# --- the oracle: whole minutes in whole cents and watts, every one of them tried


@dataclass(frozen=True, kw_only=True)
class Home:
    """A home with prices, in whole numbers.

    Attributes:
        cents: For every minute; None in a gap.
    """

    slots: Slots
    cents: list[int | None]

    def sum_contiguous(self, start: int, watts: Sequence[int]) -> int | None:
        cents = self.cents[start : start + len(watts)]
        if len(cents) < len(watts) or None in cents:
            return None
        return sum(c * w for c, w in zip(cents, watts, strict=True) if c is not None)


@st.composite
def homes(draw: st.DrawFn, *, max_slots: int = 12, max_minutes: int = 75) -> Home:
    """Slots of any length, with gaps and negative values; the first few at will."""
    slots: list[Slot] = []
    cents: list[int | None] = []
    for _ in range(draw(st.integers(1, max_slots))):
        length = draw(st.integers(1, max_minutes))
        value = draw(st.none() | st.integers(-30, 60) | st.sampled_from([10, 20]))
        if value is not None:
            slots.append(
                Slot(
                    start=at(len(cents)), end=at(len(cents) + length), value=value / 100
                )
            )
        cents.extend([value] * length)
    return Home(slots=tuple(slots), cents=cents)


steps_of_load = st.lists(
    st.tuples(
        st.integers(1, 40), st.integers(0, 30).map(lambda hundreds: hundreds * 100)
    ),
    min_size=1,
    max_size=5,
)


def best_start(
    home: Home, watts: Sequence[int], earliest: int, latest: int
) -> tuple[int, int] | None:
    """Try every start."""
    costs = [
        (cost, start)
        for start in range(earliest, latest - len(watts) + 1)
        if (cost := home.sum_contiguous(start, watts)) is not None
    ]
    return min(costs, default=None)


@settings(max_examples=300, deadline=None)
@given(home=homes(), steps=steps_of_load, limits=st.tuples(*[st.integers(0, 600)] * 2))
def test_no_start_is_better(
    home: Home, steps: list[tuple[int, int]], limits: tuple[int, int]
) -> None:
    earliest, latest = sorted(limits)
    latest = min(latest, len(home.cents))
    watts = [power for minutes, power in steps for _ in range(minutes)]
    run = profile(*((minutes, power / 1000) for minutes, power in steps))

    found = find_windows(
        home.slots, WindowSearch(load=run, earliest=at(earliest), latest=at(latest))
    )

    expected = best_start(home, watts, earliest, latest)
    assert [
        (
            round(calculate_cost(home.slots, run, window.parts).total * 6_000_000),
            round(span(window)[0], 9),
        )
        for window in found
    ] == ([] if expected is None else [expected])


@settings(max_examples=100, deadline=None)
@given(home=homes(max_slots=8), length=st.integers(1, 90))
def test_alternatives_are_the_best_of_what_is_left(home: Home, length: int) -> None:
    found = find_windows(
        home.slots,
        WindowSearch(
            load=load(length), earliest=START, latest=at(len(home.cents)), count=4
        ),
    )

    expected: list[int] = []
    cents = list(home.cents)
    while len(expected) < 4 and (
        best := best_start(Home(slots=(), cents=cents), [1] * length, 0, len(cents))
    ):
        expected.append(best[1])
        cents[best[1] : best[1] + length] = [None] * length
    assert [span(window)[0] for window in found] == expected


def list_parts(minutes: Sequence[int]) -> list[int]:
    """Lengths of the parts that minutes form."""
    lengths: list[int] = []
    for index, minute in enumerate(minutes):
        if index and minutes[index - 1] == minute - 1:
            lengths[-1] += 1
        else:
            lengths.append(1)
    return lengths


@settings(max_examples=400, deadline=None)
@given(
    home=homes(max_slots=6, max_minutes=4),
    length=st.integers(1, 8),
    min_part=st.integers(0, 5),
    limits=st.tuples(st.integers(0, 3), st.integers(8, 14)),
)
def test_no_split_is_better(
    home: Home, length: int, min_part: int, limits: tuple[int, int]
) -> None:
    earliest, latest = limits
    latest = min(latest, len(home.cents))
    free = [
        minute for minute in range(earliest, latest) if home.cents[minute] is not None
    ]
    shortest = min(min_part, length)
    expected = min(
        (
            sum(home.cents[minute] or 0 for minute in minutes)
            for minutes in combinations(free, length)
            if min(list_parts(minutes)) >= shortest
        ),
        default=None,
    )

    found = find_windows(
        home.slots,
        WindowSearch(
            load=load(length),
            earliest=at(earliest),
            latest=at(latest),
            is_contiguous=False,
            min_part=min_part * MINUTE,
        ),
    )

    totals = [
        round(calculate_cost(home.slots, load(length), window.parts).total * 6000)
        for window in found
    ]
    assert totals == ([] if expected is None else [expected])
    lengths = [end - start for window in found for start, end in spans(window)]
    assert sum(lengths) == (length if found else 0)
    assert min(lengths, default=shortest) >= shortest
    assert all(
        at(earliest) <= window.start and window.end <= at(latest) for window in found
    )


@settings(max_examples=60, deadline=None)
@given(
    day=st.sampled_from([date(2026, 3, 29), date(2026, 10, 25), date(2026, 11, 20)]),
    slot_minutes=st.sampled_from([15, 30, 60]),
    length=st.integers(1, 300),
    data=st.data(),
)
def test_days_of_any_length(
    day: date, slot_minutes: int, length: int, data: st.DataObject
) -> None:
    start, end = day_bounds(day, BERLIN)
    count = round((end - start) / (slot_minutes * MINUTE))
    cents = data.draw(
        st.lists(st.integers(-20, 40), min_size=count, max_size=count), label="cents"
    )
    slots = series(*(c / 100 for c in cents), minutes=slot_minutes, start=start)
    minutes: list[int | None] = [c for c in cents for _ in range(slot_minutes)]
    home = Home(slots=slots, cents=minutes)

    [window] = find_windows(
        slots, WindowSearch(load=load(length), earliest=start, latest=end)
    )

    expected = best_start(home, [1] * length, 0, len(minutes))
    assert expected is not None
    assert window.start == start + expected[1] * MINUTE
    assert window.end == window.start + length * MINUTE


@settings(max_examples=100, deadline=None)
@given(
    prices=homes(max_slots=6, max_minutes=40),
    emissions=homes(max_slots=6, max_minutes=40),
    weights=st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(any),
    length=st.integers(1, 60),
)
def test_no_balance_is_better(
    prices: Home, emissions: Home, weights: tuple[int, int], length: int
) -> None:
    ends = min(len(prices.cents), len(emissions.cents))
    totals = [
        (first, second)
        for start in range(ends - length + 1)
        if (first := prices.sum_contiguous(start, [1] * length)) is not None
        and (second := emissions.sum_contiguous(start, [1] * length)) is not None
    ]
    scores = [
        sum(
            weight
            / sum(weights)
            * (one[index] - min(t[index] for t in totals))
            / ((max(t[index] for t in totals) - min(t[index] for t in totals)) or 1)
            for index, weight in enumerate(weights)
        )
        for one in totals
    ]

    found = find_balanced_windows(
        prices.slots,
        emissions.slots,
        weights,
        WindowSearch(load=load(length), earliest=START, latest=at(600)),
    )

    assert [item.score for item in found] == [
        pytest.approx(score, abs=1e-6) for score in sorted(scores)[:1]
    ]

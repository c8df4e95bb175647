"""Windows: the best ones there are, against trying every minute."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ha_ingestor.sources import split_runs
from custom_components.ha_ingestor.sources.slots import Slot, Slots, day_bounds
from custom_components.ha_ingestor.sources.windows import (
    Load,
    LoadStep,
    Part,
    Window,
    WindowSearch,
    align_slots,
    calculate_cost,
    calculate_cost_from,
    find_balanced_windows,
    find_windows,
)

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BERLIN = ZoneInfo("Europe/Berlin")


def at(minute: float) -> datetime:
    return START + minute * MINUTE


def series(*values: float | None, minutes: int = 60, start: datetime = START) -> Slots:
    """Slots of one length; None leaves a gap."""
    return tuple(
        Slot(
            start=start + index * minutes * MINUTE,
            end=start + (index + 1) * minutes * MINUTE,
            value=value,
        )
        for index, value in enumerate(values)
        if value is not None
    )


def load(minutes: float, power_kw: float = 1.0) -> Load:
    return Load(steps=(LoadStep(duration=minutes * MINUTE, power_kw=power_kw),))


def profile(*steps: tuple[int, float]) -> Load:
    return Load(
        steps=tuple(LoadStep(duration=m * MINUTE, power_kw=kw) for m, kw in steps)
    )


def span(window: Window) -> tuple[float, float]:
    return (window.start - START) / MINUTE, (window.end - START) / MINUTE


def spans(window: Window) -> list[tuple[float, float]]:
    return [span(Window(parts=(part,))) for part in window.parts]


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


# --- by hand


def test_an_early_hour_of_the_same_price_is_taken() -> None:
    [window] = find_windows(
        series(0.3, 0.1 + 0.2 - 0.2, 0.1, 0.1),
        WindowSearch(load=load(60), earliest=START, latest=at(240)),
    )
    assert span(window) == (60, 120)


def test_a_window_may_begin_between_the_edges_of_slots() -> None:
    # 90 minutes end with the cheap hour, or begin with it; the dearer neighbour loses.
    [window] = find_windows(
        series(0.3, 0.2, 0.1, 0.4),
        WindowSearch(load=load(90), earliest=START, latest=at(240)),
    )
    assert span(window) == (90, 180)


def test_a_profile_puts_its_peak_where_it_is_cheap() -> None:
    # Heats in its second half: that half belongs into the cheap hour.
    run = profile((60, 0.1), (60, 2.0))
    [window] = find_windows(
        series(0.2, 0.3, 0.05, 0.2),
        WindowSearch(load=run, earliest=START, latest=at(240)),
    )
    assert span(window) == (60, 180)
    cost = calculate_cost(series(0.2, 0.3, 0.05, 0.2), run, window.parts)
    assert cost.total == pytest.approx(0.1 * 0.3 + 2 * 0.05)
    assert cost.mean == pytest.approx(0.175)


def test_a_gap_is_never_inside() -> None:
    slots = series(0.1, None, 0.1, 0.5, 0.5)
    [window] = find_windows(
        slots, WindowSearch(load=load(120), earliest=START, latest=at(300))
    )
    assert span(window) == (120, 240)


def test_limits_hold_to_the_second() -> None:
    [window] = find_windows(
        series(0.1, 0.2, 0.3),
        WindowSearch(
            load=load(60), earliest=at(0.25), latest=at(150), is_contiguous=True
        ),
    )
    assert span(window) == (0.25, 60.25)


def test_parts_go_into_the_cheapest_hours() -> None:
    [window] = find_windows(
        series(0.3, 0.1, 0.4, 0.2, 0.15),
        WindowSearch(
            load=load(150), earliest=START, latest=at(300), is_contiguous=False
        ),
    )
    # The half hour that is left joins the part that follows it.
    assert spans(window) == [(60, 120), (210, 300)]


def test_a_short_part_is_weighed_against_a_longer_one() -> None:
    slots = series(0.5, 0.1, 0.5, 0.5, 0.2, 0.2, 0.5, minutes=15)
    search = WindowSearch(
        load=load(30), earliest=START, latest=at(105), is_contiguous=False
    )
    [torn] = find_windows(slots, search)
    assert spans(torn) == [(15, 30), (60, 75)]
    [whole] = find_windows(
        slots,
        WindowSearch(
            load=load(30),
            earliest=START,
            latest=at(105),
            is_contiguous=False,
            min_part=20 * MINUTE,
        ),
    )
    assert spans(whole) == [(60, 90)]


def test_split_alternatives_share_no_time() -> None:
    found = find_windows(
        series(0.1, 0.4, 0.2, 0.3),
        WindowSearch(
            load=load(120),
            earliest=START,
            latest=at(240),
            is_contiguous=False,
            count=5,
        ),
    )
    assert [spans(window) for window in found] == [
        [(0, 60), (120, 180)],
        [(60, 120), (180, 240)],
    ]


def test_where_nothing_fits_there_is_no_window() -> None:
    search: dict[str, Any] = {"earliest": START, "latest": at(180)}
    slots = series(0.1, None, 0.1)
    assert not find_windows(slots, WindowSearch(load=load(61), **search))
    assert not find_windows((), WindowSearch(load=load(1), **search))
    assert not find_windows(
        slots, WindowSearch(load=load(121), is_contiguous=False, **search)
    )
    # There is room enough, but not in one piece.
    assert not find_windows(
        slots,
        WindowSearch(
            load=load(90), is_contiguous=False, min_part=61 * MINUTE, **search
        ),
    )
    assert not find_balanced_windows(
        slots, (), (1, 1), WindowSearch(load=load(10), **search)
    )


def test_a_long_search_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split_runs, "MAX_STATES", 1000)
    values = [0.1 * (index % 7) for index in range(48)]
    [window] = find_windows(
        series(*values, minutes=15),
        WindowSearch(
            load=load(97),
            earliest=at(1.5),
            latest=at(720),
            is_contiguous=False,
            min_part=20 * MINUTE,
        ),
    )
    lengths = [end - start for start, end in spans(window)]
    # On a grid of 10 minutes, the length rounded up to it.
    assert sum(lengths) == 100
    assert min(lengths) >= 20
    assert {start % 10 for start, _ in spans(window)} == {0}


def test_the_coarsest_grid_is_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split_runs, "MAX_STATES", 1)
    [window] = find_windows(
        series(0.2, 0.3, 0.1, 0.3, 0.1, minutes=15, start=START)
        + series(0.5, 0.4, 0.3, start=at(120)),
        WindowSearch(
            load=load(50),
            earliest=at(1),
            latest=at(300),
            is_contiguous=False,
            min_part=20 * MINUTE,
        ),
    )
    assert spans(window) == [(240, 300)]


@pytest.mark.parametrize(
    ("start", "total"),
    [
        pytest.param(30, 0.5 * 0.1 + 0.5 * 0.2, id="covered"),
        pytest.param(90, None, id="ends-after-the-data"),
        pytest.param(-30, None, id="begins-before-the-data"),
    ],
)
def test_the_cost_of_starting_now(start: float, total: float | None) -> None:
    cost = calculate_cost_from(series(0.1, 0.2), load(60), at(start))
    assert (None if cost is None else cost.total) == (
        None if total is None else pytest.approx(total)
    )


def test_the_cost_of_starting_in_a_gap_is_not_known() -> None:
    assert calculate_cost_from(series(0.1, None, 0.2), load(90), START) is None


def test_a_run_goes_on_where_it_has_paused() -> None:
    run = profile((30, 2.0), (60, 1.0))
    parts = [Part(start=at(0), end=at(60)), Part(start=at(120), end=at(150))]
    cost = calculate_cost(series(0.1, 9.0, 0.3), run, parts)
    assert cost.total == pytest.approx(1.0 * 0.1 + 0.5 * 0.1 + 0.5 * 0.3)
    assert cost.mean == pytest.approx((60 * 0.1 + 30 * 0.3) / 90)


def test_series_are_brought_to_the_same_slots() -> None:
    first, second = align_slots(
        series(1, None, 2, 3), series(5, 6, None, 7, 8, minutes=45)
    )
    assert [(s.start, s.end, s.value) for s in first] == [
        (at(0), at(45), 1),
        (at(45), at(60), 1),
        (at(135), at(180), 2),
        (at(180), at(225), 3),
    ]
    assert [s.value for s in second] == [5, 6, 7, 8]
    assert [(s.start, s.end) for s in second] == [(s.start, s.end) for s in first]


def test_a_balance_lies_between_its_ends() -> None:
    prices = series(0.1, 0.2, 0.3, 0.5)
    emissions = series(400, 150, 100, 300)
    search = WindowSearch(load=load(60, 2.0), earliest=START, latest=at(240))

    by_price = find_balanced_windows(prices, emissions, (1, 0), search)
    by_both = find_balanced_windows(prices, emissions, (1, 1), search)
    by_emissions = find_balanced_windows(prices, emissions, (0, 3), search)

    assert [
        span(found[0].window)[0] for found in (by_price, by_both, by_emissions)
    ] == [
        0,
        60,
        120,
    ]
    assert by_price[0].score == by_emissions[0].score == 0
    # A quarter of the way from best to worst price, a sixth of that in emissions.
    assert by_both[0].score == pytest.approx((0.25 + 1 / 6) / 2)
    assert [cost.total for cost in by_both[0].costs] == pytest.approx([0.4, 300])

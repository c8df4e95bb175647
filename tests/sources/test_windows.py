"""Windows by hand: the right hour where everybody can see it."""

from typing import Any

import pytest

from custom_components.ha_ingestor.sources import split_runs
from custom_components.ha_ingestor.sources.windows import (
    Part,
    WindowSearch,
    align_slots,
    calculate_cost,
    calculate_cost_from,
    find_balanced_windows,
    find_windows,
)
from tests.sources.window_series import (
    MINUTE,
    START,
    at,
    load,
    profile,
    series,
    span,
    spans,
)

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

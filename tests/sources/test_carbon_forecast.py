"""Windows, ranks and thinner forecasts, against the slow way to find them."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ha_ingestor.errors import SourceDataError
from custom_components.ha_ingestor.sources.carbon.forecast import (
    find_lowest_window,
    merge_present,
    rank_value,
    slots_from_moments,
    thin_slots,
)
from custom_components.ha_ingestor.sources.carbon.model import CarbonData
from custom_components.ha_ingestor.sources.slots import (
    Slot,
    Slots,
    arrange_slots,
    cut_slots,
    find_slot,
    weigh_mean,
)

START = datetime(2026, 6, 1, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def make(*values: float, minutes: int = 30, start: datetime = START) -> Slots:
    width = timedelta(minutes=minutes)
    return tuple(
        Slot(start=start + index * width, end=start + (index + 1) * width, value=value)
        for index, value in enumerate(values)
    )


@st.composite
def series(draw: st.DrawFn) -> Slots:
    """Slots of any whole minutes, with gaps and with negative values."""
    moment = START
    slots = []
    for _ in range(draw(st.integers(1, 12))):
        moment += draw(st.sampled_from([0, 0, 0, 7, 30])) * MINUTE
        width = draw(st.sampled_from([5, 15, 30, 60])) * MINUTE
        value = draw(st.integers(-50, 900))
        slots.append(Slot(start=moment, end=moment + width, value=value))
        moment += width
    return tuple(slots)


def find_slowly(slots: Slots, minutes: int, earliest: datetime) -> float | None:
    """Try every minute; all slots begin and end at whole ones."""
    values = [
        None
        if (slot := find_slot(slots, START + index * MINUTE)) is None
        else slot.value
        for index in range(24 * 60)
    ]
    first = round((earliest - START) / MINUTE)
    means = [
        sum(window) / minutes
        for index in range(first, len(values) - minutes)
        if None not in (window := values[index : index + minutes])
    ]
    return min(means, default=None)


@settings(max_examples=60, deadline=None)
@given(series(), st.sampled_from([10, 45, 60, 120]), st.integers(0, 90))
def test_the_best_window_is_the_best_of_all(
    slots: Slots, minutes: int, wait: int
) -> None:
    earliest = START + wait * MINUTE

    window = find_lowest_window(slots, minutes * MINUTE, earliest)

    expected = find_slowly(slots, minutes, earliest)
    assert (None if window is None else window.mean) == (
        None if expected is None else pytest.approx(expected)
    )


@settings(max_examples=60, deadline=None)
@given(series(), st.sampled_from([10, 45, 60]))
def test_a_window_has_no_gap_and_its_own_mean(slots: Slots, minutes: int) -> None:
    window = find_lowest_window(slots, minutes * MINUTE, START)
    known = () if window is None else cut_slots(slots, window.start, window.end)

    total = sum((slot.duration for slot in known), timedelta())
    assert total == (timedelta() if window is None else minutes * MINUTE)
    assert weigh_mean(known) == (None if window is None else pytest.approx(window.mean))


def test_the_first_of_several_windows_is_chosen() -> None:
    window = find_lowest_window(make(5, 1, 1, 5, 1, 1), HOUR, START)

    assert window is not None
    assert window.start == START + 30 * MINUTE


def test_nothing_is_found_in_pieces_that_are_too_short() -> None:
    slots = (*make(1, 1), *make(1, 1, start=START + 3 * HOUR))

    assert find_lowest_window(slots, 2 * HOUR, START) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(1, 0.0, id="below-all"),
        pytest.param(9, 100.0, id="above-all"),
        pytest.param(3, 50.0, id="half-of-the-equal"),
        pytest.param(4, 75.0, id="between"),
    ],
)
def test_a_value_has_its_rank(value: float, expected: float) -> None:
    assert rank_value(value, make(2, 3, 3, 5)) == expected


def test_there_is_no_rank_among_nothing() -> None:
    assert rank_value(1, ()) is None


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 900), st.sampled_from([5, 15, 30, 60]))
def test_a_long_forecast_becomes_a_short_one(count: int, minutes: int) -> None:
    slots = make(*(float(index % 37) for index in range(count)), minutes=minutes)

    thin = thin_slots(slots, 160)

    assert len(thin) <= 160
    assert (thin[0].start, thin[-1].end) == (slots[0].start, slots[-1].end)
    assert weigh_mean(thin) == pytest.approx(weigh_mean(slots))


def test_a_short_forecast_stays() -> None:
    assert thin_slots(make(1, 2, 3), 3) == make(1, 2, 3)


def test_moments_become_slots_without_bridging_a_gap() -> None:
    moments = [(START + hours * HOUR, hours) for hours in (3, 0, 1, 2, 7)]

    slots = slots_from_moments(moments)

    assert [slot.value for slot in slots] == [0, 1, 2, 3, 7]
    assert {slot.duration for slot in slots} == {HOUR}


def test_a_moment_that_is_no_number_is_refused() -> None:
    with pytest.raises(SourceDataError):
        slots_from_moments([(START, float("nan"))])


@pytest.mark.parametrize(
    ("forecast", "expected"),
    [
        pytest.param((), [(0, 180, 70)], id="alone"),
        pytest.param(make(50, 60), [(0, 30, 70), (30, 60, 60)], id="in-its-slot"),
        pytest.param(
            make(50, 60, start=START + HOUR),
            [(0, 60, 70), (60, 90, 50), (90, 120, 60)],
            id="before-the-forecast",
        ),
        pytest.param(
            make(50, 60, start=START - 10 * MINUTE),
            [(-10, 0, 50), (0, 20, 70), (20, 50, 60)],
            id="within-a-slot",
        ),
    ],
)
def test_the_present_takes_its_place(
    forecast: Slots, expected: list[tuple[int, int, float]]
) -> None:
    data = CarbonData(region="X", measured_at=START, intensity=70, forecast=forecast)

    assert [
        ((slot.start - START) / MINUTE, (slot.end - START) / MINUTE, slot.value)
        for slot in merge_present(data)
    ] == expected


def test_what_is_confirmed_outweighs_what_was_forecast() -> None:
    data = CarbonData(
        region="X",
        measured_at=START,
        confirmed_at=START + 70 * MINUTE,
        intensity=70,
        forecast=make(1, 2, 3, 4),
    )

    assert [slot.value for slot in merge_present(data)] == [70, 4]
    assert merge_present(data)[0].end == START + 90 * MINUTE


def test_without_a_value_only_the_forecast_is_there() -> None:
    data = CarbonData(region="X", measured_at=START, forecast=make(1))

    assert merge_present(data) == arrange_slots(make(1))

"""Statistics over prices, against sums over single minutes."""

from datetime import UTC, date, datetime, timedelta
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ha_ingestor.sources.price.statistics import (
    PriceLevel,
    Standing,
    find_cheapest_window,
    find_current,
    find_day,
    find_extremes,
    find_level,
    find_standing,
    floor_hour,
    is_day_known,
    list_hours,
    merge_hours,
    pick_hours,
    split_hours,
    sum_time,
)
from custom_components.ha_ingestor.sources.slots import Slot, Slots, day_bounds

BERLIN = ZoneInfo("Europe/Berlin")
KOLKATA = ZoneInfo("Asia/Kolkata")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

# Days with 24, 23 and 25 hours, half an hour more, and hours that are not UTC's.
DAYS = [
    (date(2026, 7, 1), BERLIN),
    (date(2026, 3, 29), BERLIN),
    (date(2026, 10, 25), BERLIN),
    (date(2026, 4, 5), LORD_HOWE),
    (date(2026, 7, 1), KOLKATA),
]
# Few prices, so that many are equal; whole cents, so that sums are exact enough.
PRICES = st.integers(min_value=-30, max_value=60).map(lambda cents: cents / 100)


def series(start: datetime, minutes: int, values: list[float | None]) -> Slots:
    """Slots of one length; None is a gap."""
    length = minutes * MINUTE
    return tuple(
        Slot(start=start + i * length, end=start + (i + 1) * length, value=value)
        for i, value in enumerate(values)
        if value is not None
    )


@st.composite
def days(draw: st.DrawFn) -> tuple[Slots, date, ZoneInfo]:
    """Two local days in slots of one length, some of them missing."""
    day, zone = draw(st.sampled_from(DAYS))
    start, _ = day_bounds(day, zone)
    _, end = day_bounds(day + timedelta(days=1), zone)
    minutes = draw(st.sampled_from([15, 30, 60]))
    count = (end - start) // (minutes * MINUTE)
    value = st.one_of(st.none(), PRICES, PRICES, PRICES)
    values = draw(st.lists(value, min_size=count, max_size=count))
    return series(start, minutes, values), day, zone


def by_minute(slots: Slots, start: datetime, end: datetime) -> list[float | None]:
    """What each minute costs."""
    return [
        find_current(slots, start + index * MINUTE)
        for index in range((end - start) // MINUTE)
    ]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


@settings(max_examples=60, deadline=None)
@given(days())
def test_a_day_is_what_its_minutes_are(drawn: tuple[Slots, date, ZoneInfo]) -> None:
    slots, day, zone = drawn
    minutes = [
        value for value in by_minute(slots, *day_bounds(day, zone)) if value is not None
    ]

    extremes = find_extremes(find_day(slots, day, zone))

    found = extremes and (extremes.lowest, extremes.highest, extremes.average)
    assert found == (
        (min(minutes), max(minutes), pytest.approx(mean(minutes))) if minutes else None
    )


@settings(max_examples=60, deadline=None)
@given(days(), PRICES)
def test_a_price_stands_where_its_minutes_say(
    drawn: tuple[Slots, date, ZoneInfo], price: float
) -> None:
    slots, day, zone = drawn
    today = find_day(slots, day, zone)
    minutes = [
        value for value in by_minute(slots, *day_bounds(day, zone)) if value is not None
    ]

    standing = find_standing(today, price)

    cheaper = sum(value < price for value in minutes)
    equal = sum(value == price for value in minutes)
    expected = minutes and Standing(
        quantile=pytest.approx(cheaper / len(minutes)),
        middle=pytest.approx((cheaper + equal / 2) / len(minutes)),
        rank=1 + sum(slot.value < price for slot in today),
        slot_count=len(today),
    )
    assert standing == (expected or None)


@settings(max_examples=40, deadline=None)
@given(days(), st.sampled_from([15, 30, 45, 60, 90, 120, 300]), st.integers(0, 1500))
def test_no_window_is_cheaper(
    drawn: tuple[Slots, date, ZoneInfo], length_minutes: int, offset_minutes: int
) -> None:
    slots, day, zone = drawn
    start, _ = day_bounds(day, zone)
    _, end = day_bounds(day + timedelta(days=1), zone)
    length = length_minutes * MINUTE
    earliest = start + offset_minutes * MINUTE
    minutes = by_minute(slots, earliest, end)
    windows = [
        (mean(values), index)  # type: ignore[arg-type]
        for index in range(len(minutes) - length_minutes + 1)
        if None not in (values := minutes[index : index + length_minutes])
    ]

    window = find_cheapest_window(slots, earliest, length)

    # Slots begin at full quarters of an hour, so a best window begins at a minute.
    lowest = min((value for value, _ in windows), default=None)
    assert (window is None) == (lowest is None)
    assert window is None or (
        window.value == pytest.approx(lowest)
        and window.end - window.start == length
        and window.start
        == earliest
        + min(index for value, index in windows if value < lowest + 1e-9) * MINUTE
    )


@settings(max_examples=40, deadline=None)
@given(days(), st.integers(1, 12), st.booleans())
def test_no_hour_that_is_left_out_is_better(
    drawn: tuple[Slots, date, ZoneInfo], count: int, is_cheapest: bool
) -> None:
    slots, day, zone = drawn
    hours = list_hours(find_day(slots, day, zone), zone)

    picked = pick_hours(hours, count, is_cheapest=is_cheapest)

    left = [slot.value for slot in hours if slot not in picked]
    values = [slot.value for slot in picked]
    better = [a <= b if is_cheapest else a >= b for a in values for b in left]
    assert all(better)
    assert len(picked) == min(count, len(hours))
    assert list(picked) == sorted(picked)


@settings(max_examples=60, deadline=None)
@given(days())
def test_hours_keep_time_and_cost(drawn: tuple[Slots, date, ZoneInfo]) -> None:
    slots, _, zone = drawn
    merged = merge_hours(slots, zone)

    def cost(of: Slots) -> float:
        return sum(slot.value * slot.minutes for slot in of)

    assert sum_time(merged) == sum_time(slots)
    assert cost(merged) == pytest.approx(cost(slots), abs=1e-6)
    assert cost(split_hours(slots, zone)) == pytest.approx(cost(slots), abs=1e-6)
    # One slot for an hour, unless a gap is in it.
    runs = [
        (hour, list(group))
        for hour, group in groupby(merged, lambda slot: floor_hour(slot.start, zone))
    ]
    touching = [
        hour
        for hour, group in runs
        for before, after in pairwise(group)
        if before.end == after.start
    ]
    assert touching == []


def test_a_price_of_longer_slots_is_not_merged_but_split() -> None:
    start = datetime(2026, 7, 1, 20, 30, tzinfo=UTC)
    night = (Slot(start=start, end=start + timedelta(hours=3), value=0.2),)

    assert merge_hours(night, BERLIN) == night
    assert [slot.minutes for slot in split_hours(night, BERLIN)] == [30, 60, 60, 30]
    assert [slot.start.hour for slot in list_hours(night, BERLIN)] == [21, 22]


def test_hours_are_those_of_the_wall() -> None:
    moment = datetime(2026, 7, 1, 10, 15, tzinfo=UTC)  # 15:45 in Kolkata

    assert floor_hour(moment, KOLKATA) == datetime(2026, 7, 1, 9, 30, tzinfo=UTC)


def test_one_price_for_all_of_an_hour_stays_that_price() -> None:
    start = datetime(2026, 7, 1, tzinfo=UTC)

    [hour] = merge_hours(series(start, 15, [0.1] * 4), UTC)

    assert hour.value == 0.1


@pytest.mark.parametrize(
    ("middle", "level"),
    [
        (0.0, PriceLevel.VERY_CHEAP),
        (0.0999, PriceLevel.VERY_CHEAP),
        (0.1, PriceLevel.CHEAP),
        (0.3, PriceLevel.NORMAL),
        (0.5, PriceLevel.NORMAL),
        (0.7, PriceLevel.EXPENSIVE),
        (0.9, PriceLevel.VERY_EXPENSIVE),
        (1.0, PriceLevel.VERY_EXPENSIVE),
    ],
)
def test_levels(middle: float, level: PriceLevel) -> None:
    standing = Standing(quantile=0, middle=middle, rank=1, slot_count=24)

    assert find_level(standing, (0.1, 0.3, 0.7, 0.9)) is level


def test_a_day_with_one_price_is_normal() -> None:
    start, _ = day_bounds(date(2026, 7, 1), BERLIN)
    day = series(start, 60, [0.3] * 24)

    standing = find_standing(day, 0.3)

    assert standing is not None
    assert (standing.quantile, standing.middle, standing.rank) == (0, 0.5, 1)


@pytest.mark.parametrize(
    ("hours", "is_known"),
    [
        pytest.param(24, True, id="all"),
        # Octopus states prices until 23:00, as Nord Pool does for Portugal.
        pytest.param(23, True, id="market-ends-earlier"),
        pytest.param(21, False, id="too-little"),
        pytest.param(0, False, id="nothing"),
    ],
)
def test_tomorrow_is_known(hours: int, is_known: bool) -> None:
    start, _ = day_bounds(date(2026, 7, 1), BERLIN)
    slots = series(start, 60, [0.3] * hours)

    assert is_day_known(slots, date(2026, 7, 1), BERLIN) is is_known


@pytest.mark.parametrize(("day", "hours"), [(29, 23), (28, 24)])
def test_a_short_day_is_known_with_its_own_hours(day: int, hours: int) -> None:
    start, end = day_bounds(date(2026, 3, day), BERLIN)
    slots = series(start, 60, [0.3] * hours)

    assert end - start == hours * HOUR
    assert is_day_known(slots[:-2], date(2026, 3, day), BERLIN)
    assert not is_day_known(slots[:-3], date(2026, 3, day), BERLIN)

"""Rows of slots, against a plain reference that looks at every minute."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
import math
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.ha_ingestor.errors import SourceDataError
from custom_components.ha_ingestor.sources.slots import (
    Slot,
    Slots,
    arrange_slots,
    cut_slots,
    day_bounds,
    find_next_change,
    find_next_slot,
    find_slot,
    map_slots,
    slots_from_json,
    slots_to_json,
    weigh_mean,
)

START = datetime(2026, 3, 28, 22, tzinfo=UTC)
HORIZON = 120


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def create(start: int, length: int, value: float = 1.0) -> Slot:
    return Slot(start=at(start), end=at(start + length), value=value)


raw_slots = st.lists(
    st.builds(
        create,
        st.integers(0, HORIZON),
        st.integers(1, 40),
        st.floats(-1000, 1000),
    ),
    max_size=12,
)
series = raw_slots.map(arrange_slots)
minutes = st.integers(-10, HORIZON + 60)


def tabulate(slots: list[Slot]) -> dict[int, float]:
    """The value of every minute, by the words of `arrange_slots`.

    Of slots with the same start the last one holds, and none reaches over a later
    start.
    """
    by_start = {slot.start: slot for slot in slots}
    table = {}
    for minute in range(-10, HORIZON + 60):
        begun = [start for start in by_start if start <= at(minute)]
        if begun and by_start[max(begun)].end > at(minute):
            table[minute] = by_start[max(begun)].value
    return table


@given(raw_slots)
def test_a_series_is_in_order_and_says_what_was_given(slots: list[Slot]) -> None:
    arranged = arrange_slots(slots)
    pairs = list(pairwise(arranged))
    assert all(first.end <= second.start for first, second in pairs)
    assert all(slot.start < slot.end for slot in arranged)
    table = tabulate(slots)
    found = {
        minute: slot.value
        for minute in range(-10, HORIZON + 60)
        if (slot := find_slot(arranged, at(minute))) is not None
    }
    assert found == table
    assert arrange_slots(arranged) == arranged


@given(series, minutes)
def test_the_next_slot_and_the_next_change(slots: Slots, minute: int) -> None:
    later = [slot for slot in slots if slot.start > at(minute)]
    assert find_next_slot(slots, at(minute)) == (later[0] if later else None)
    edges = {slot.start for slot in slots} | {slot.end for slot in slots}
    changes = sorted(edge for edge in edges if edge > at(minute))
    assert find_next_change(slots, at(minute)) == (changes[0] if changes else None)


@given(series, minutes, minutes)
def test_a_cut_holds_the_same_and_nothing_else(
    slots: Slots, first: int, last: int
) -> None:
    cut = cut_slots(slots, at(first), at(last))
    values = {
        minute: (
            find_slot(cut, at(minute)),
            find_slot(slots, at(minute)) if first <= minute < last else None,
        )
        for minute in range(-10, HORIZON + 60)
    }
    assert [
        minute
        for minute, (of_cut, of_all) in values.items()
        if (of_cut and of_cut.value) != (of_all and of_all.value)
    ] == []
    assert all(slot.start < slot.end for slot in cut)


@given(series)
def test_the_mean_is_that_of_the_minutes(slots: Slots) -> None:
    values = [
        slot.value
        for minute in range(-10, HORIZON + 60)
        if (slot := find_slot(slots, at(minute))) is not None
    ]
    mean = weigh_mean(slots)
    expected = math.fsum(values) / len(values) if values else None
    assert mean == (None if expected is None else pytest.approx(expected, abs=1e-9))


@given(series)
def test_what_is_stored_comes_back(slots: Slots) -> None:
    assert slots_from_json(slots_to_json(slots)) == slots


@given(series)
def test_mapping_keeps_the_times(slots: Slots) -> None:
    doubled = map_slots(slots, lambda slot: slot.value * 2)
    assert [(slot.start, slot.end) for slot in doubled] == [
        (slot.start, slot.end) for slot in slots
    ]
    assert [slot.value for slot in doubled] == [slot.value * 2 for slot in slots]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(SourceDataError):
        arrange_slots([create(0, 5), create(5, 5, value)])


@pytest.mark.parametrize("length", [0, -1])
def test_what_ends_before_it_begins_is_refused(length: int) -> None:
    with pytest.raises(SourceDataError):
        arrange_slots([create(0, length)])


def test_the_length_of_a_slot() -> None:
    slot = create(0, 30)
    assert slot.duration == timedelta(minutes=30)
    assert slot.minutes == 30


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Europe/Berlin", date(2026, 6, 1), 24),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        # Midnight itself does not exist on this day.
        ("America/Santiago", date(2026, 9, 6), 23),
        ("Asia/Kolkata", date(2026, 1, 1), 24),
        ("UTC", date(2026, 1, 1), 24),
    ],
)
def test_how_long_a_day_is(zone: str, day: date, hours: float) -> None:
    start, end = day_bounds(day, ZoneInfo(zone))
    assert (end - start).total_seconds() / 3600 == hours
    assert start.tzinfo is end.tzinfo is UTC


@given(
    st.dates(date(2000, 1, 1), date(2037, 12, 30)),
    st.sampled_from(["Europe/Berlin", "America/Santiago", "Pacific/Chatham", "UTC"]),
)
def test_days_lie_side_by_side(day: date, zone: str) -> None:
    following = day_bounds(day + timedelta(days=1), ZoneInfo(zone))
    assert day_bounds(day, ZoneInfo(zone))[1] == following[0]

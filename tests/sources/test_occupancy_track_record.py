"""How often calendars were right: a plain share, of enough days, of the last weeks."""

from datetime import UTC, datetime, timedelta
import json
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ha_ingestor.sources.occupancy.track_record import (
    WINDOW_DAYS,
    Basis,
    Confidence,
    TrackRecord,
)

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 11, 23, 10, tzinfo=BERLIN)
QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)


def note_hour(record: TrackRecord, hour: datetime, *, right: int) -> None:
    """Note the four quarters of an hour, of which the first ones are right."""
    for index in range(4):
        record.note(hour + index * QUARTER, is_right=index < right)


def test_four_weeks_of_the_same_hour_are_enough() -> None:
    record = TrackRecord()
    for week, right in enumerate([4, 4, 2]):
        note_hour(record, MONDAY + 7 * week * DAY, right=right)
    last = MONDAY + 21 * DAY
    assert record.find_confidence(last) is None

    note_hour(record, last, right=3)

    assert record.find_confidence(last) == Confidence(
        percent=81.25, sample_count=16, day_count=4, basis=Basis.WEEKDAY_AND_HOUR
    )
    assert record.find_confidence(last + timedelta(hours=1)) is None
    assert record.find_confidence(last + DAY) is None


def test_other_workdays_count_until_there_are_enough_of_the_same() -> None:
    record = TrackRecord()
    for day in (0, 1, 2, 3, 4, 7, 8, 9):
        note_hour(record, MONDAY + day * DAY, right=4)

    confidence = record.find_confidence(MONDAY + 10 * DAY)

    assert confidence == Confidence(
        percent=100, sample_count=32, day_count=8, basis=Basis.DAY_TYPE_AND_HOUR
    )
    assert record.find_confidence(MONDAY + 12 * DAY) is None


def test_all_days_count_where_there_are_many() -> None:
    record = TrackRecord()
    for day in range(14):
        note_hour(record, MONDAY + day * DAY, right=1)

    saturday = record.find_confidence(MONDAY + 19 * DAY)

    assert saturday == Confidence(
        percent=25, sample_count=56, day_count=14, basis=Basis.HOUR
    )


def test_a_quarter_of_an_hour_counts_once() -> None:
    record = TrackRecord()
    for week in range(4):
        monday = MONDAY + 7 * week * DAY
        record.note(monday, is_right=True)
        record.note(monday + timedelta(minutes=14), is_right=False)

    confidence = record.find_confidence(MONDAY + 22 * DAY - DAY)

    assert confidence is not None
    assert (confidence.percent, confidence.sample_count) == (100, 4)


def test_an_hour_that_comes_twice_has_twice_the_samples() -> None:
    record = TrackRecord()
    sunday = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 2:30 summer time
    for index in range(4):
        record.note((sunday + index * 2 * QUARTER).astimezone(BERLIN), is_right=True)

    assert list(record.to_json()["slots"].values()) == [
        [[739914, 3, 3]],
        [[739914, 1, 1]],
    ]


def test_old_weeks_are_forgotten() -> None:
    record = TrackRecord()
    for week in range(60):
        note_hour(record, MONDAY + 7 * week * DAY, right=4 if week >= 48 else 0)

    confidence = record.find_confidence(MONDAY + 7 * 59 * DAY)

    assert confidence is not None
    assert (confidence.percent, confidence.day_count) == (100, 12)
    assert len(record.to_json()["slots"]["10"]) == 12


def test_a_clock_that_jumps_fills_nothing_and_costs_little() -> None:
    record = TrackRecord()
    for week in range(4):
        note_hour(record, MONDAY + 7 * week * DAY, right=4)
    for week in range(200):
        note_hour(
            record, datetime(1970, 1, 5, 10, tzinfo=UTC) + 7 * week * DAY, right=0
        )
    now = MONDAY + 21 * DAY

    note_hour(record, now + QUARTER * 4, right=4)

    confidence = record.find_confidence(now)
    assert confidence is not None
    assert confidence.percent == 100
    assert sum(map(len, record.to_json()["slots"].values())) <= 48


samples = st.lists(st.tuples(st.integers(0, 120 * 96), st.booleans()), max_size=80).map(
    sorted
)


@settings(max_examples=60)
@given(samples, st.integers(0, 23))
def test_the_share_is_a_plain_count(noted: list[tuple[int, bool]], hour: int) -> None:
    begin = datetime(2026, 9, 1, tzinfo=BERLIN).astimezone(UTC)
    record = TrackRecord()
    kept: dict[int, tuple[datetime, bool]] = {}
    for quarter, is_right in noted:
        # Squeezed into few hours, so that there are enough of one.
        moment = (begin + quarter * QUARTER).astimezone(BERLIN)
        moment = moment.replace(hour=hour) if quarter % 4 else moment
        record.note(moment, is_right=is_right)
        kept.setdefault(int(moment.timestamp() // 900), (moment, is_right))
    end = (begin + 120 * DAY).astimezone(BERLIN).replace(hour=hour)

    confidence = record.find_confidence(end)

    same_hour = [
        (moment, is_right)
        for moment, is_right in dict(sorted(kept.items())).values()
        if moment.hour == hour and 0 <= (end.date() - moment.date()).days < WINDOW_DAYS
    ]
    groups = [
        (4, [item for item in same_hour if item[0].weekday() == end.weekday()]),
        (
            8,
            [
                item
                for item in same_hour
                if (item[0].weekday() < 5) == (end.weekday() < 5)
            ],
        ),
        (14, same_hour),
    ]
    shares = [
        (100 * sum(right for _, right in group) / len(group), len(group))
        for days, group in groups
        if len({moment.date() for moment, _ in group}) >= days
    ]
    found = confidence and (confidence.percent, confidence.sample_count)
    assert found == (shares[0] if shares else None)


def test_it_survives_being_stored() -> None:
    record = TrackRecord()
    for week in range(5):
        note_hour(record, MONDAY + 7 * week * DAY, right=week % 4)
    stored = json.loads(json.dumps(record.to_json()))

    other = TrackRecord()
    other.load(stored)

    now = MONDAY + 28 * DAY
    assert other.find_confidence(now) == record.find_confidence(now) is not None
    assert other.to_json() == record.to_json()


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"slots": {}},
        {"slots": [], "quarter": None},
        {"slots": {"x": []}, "quarter": None},
        {"slots": {"168": [[1, 1, 1]]}, "quarter": None},
        {"slots": {"10": [[1, 2, 1]]}, "quarter": None},
        {"slots": {"10": [[1, 0, 0]]}, "quarter": None},
        {"slots": {"10": [[1, 1.5, 2]]}, "quarter": None},
        {"slots": {"10": [[1, 1]]}, "quarter": None},
        {"slots": {"10": None}, "quarter": None},
    ],
)
def test_what_it_has_not_stored_is_not_believed(stored: dict[str, Any]) -> None:
    record = TrackRecord()
    note_hour(record, MONDAY, right=4)
    before = record.to_json()

    record.load(stored)

    assert record.to_json() == before

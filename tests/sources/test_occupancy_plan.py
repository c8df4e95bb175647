"""One plan from many events, against a plain look at every moment."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.ha_ingestor.sources.occupancy.events import parse_period
from custom_components.ha_ingestor.sources.occupancy.model import (
    Claim,
    OccupancyData,
    Presence,
)
from custom_components.ha_ingestor.sources.occupancy.plan import (
    Plan,
    WorkHours,
    create_plan,
    find_absences,
    find_arrival,
    find_stretch,
    find_work_from_home,
    predict,
)

BERLIN = ZoneInfo("Europe/Berlin")
HOURS = WorkHours(start=time(9), end=time(17))
TRAVEL = timedelta(minutes=30)
START = datetime(2026, 11, 23, tzinfo=UTC)
HOME, WFH = Presence.HOME, Presence.WORK_FROM_HOME
OFFICE, AWAY = Presence.OFFICE, Presence.AWAY


def local(text: str) -> datetime:
    """A time in Berlin, `23 09:00` being one of November 2026."""
    year_and_month = "" if text.count("-") else "2026-11-"
    moment = datetime.fromisoformat(f"{year_and_month}{text}")
    return moment.replace(tzinfo=BERLIN).astimezone(UTC)


def claim(start: str, end: str, presence: Presence, *, by_words: bool = True) -> Claim:
    """What an event says; dates alone make whole days."""
    first, last, is_all_day = parse_period({"start": start, "end": end}, BERLIN)
    return Claim(
        start=first,
        end=last,
        presence=presence,
        is_all_day=is_all_day,
        is_by_words=by_words,
    )


def plan_of(*claims: Claim, hours: WorkHours = HOURS) -> Plan:
    data = OccupancyData(
        asked_at=START,
        begins_at=local("2026-01-01 00:00"),
        ends_at=local("2026-12-31 00:00"),
        event_count=len(claims),
        claims=claims,
    )
    return create_plan(data, hours, BERLIN)


def show(plan: Plan) -> list[tuple[str, str, str]]:
    """A plan as one reads it on a clock in Berlin."""
    return [
        (
            f"{stretch.start.astimezone(BERLIN):%d %H:%M}",
            f"{stretch.end.astimezone(BERLIN):%d %H:%M}",
            stretch.presence.value,
        )
        for stretch in plan
    ]


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param(
            [claim("2026-11-23", "2026-11-25", WFH)],
            [
                ("23 09:00", "23 17:00", "work_from_home"),
                ("24 09:00", "24 17:00", "work_from_home"),
            ],
            id="whole-days-of-work-have-hours",
        ),
        pytest.param(
            [claim("2026-11-23", "2026-11-25", AWAY)],
            [("23 00:00", "25 00:00", "away")],
            id="whole-days-away-have-nights",
        ),
        pytest.param(
            [
                claim("2026-11-23", "2026-11-24", WFH),
                claim("2026-11-23T11:00+01:00", "2026-11-23T12:00+01:00", AWAY),
            ],
            [
                ("23 09:00", "23 11:00", "work_from_home"),
                ("23 11:00", "23 12:00", "away"),
                ("23 12:00", "23 17:00", "work_from_home"),
            ],
            id="an-appointment-interrupts",
        ),
        pytest.param(
            [
                claim("2026-11-23", "2026-11-24", WFH),
                claim(
                    "2026-11-23T11:00+01:00",
                    "2026-11-23T12:00+01:00",
                    AWAY,
                    by_words=False,
                ),
                claim(
                    "2026-11-23T18:00+01:00",
                    "2026-11-23T19:00+01:00",
                    AWAY,
                    by_words=False,
                ),
            ],
            [
                ("23 09:00", "23 17:00", "work_from_home"),
                ("23 18:00", "23 19:00", "away"),
            ],
            id="words-are-more-than-a-location",
        ),
        pytest.param(
            [
                claim("2026-11-23", "2026-11-28", AWAY),
                claim("2026-11-24", "2026-11-25", HOME),
            ],
            [
                ("23 00:00", "24 00:00", "away"),
                ("24 00:00", "25 00:00", "home"),
                ("25 00:00", "28 00:00", "away"),
            ],
            id="a-day-interrupts-a-vacation",
        ),
        pytest.param(
            [
                claim("2026-11-23", "2026-11-24", WFH),
                claim("2026-11-23", "2026-11-24", OFFICE),
            ],
            [("23 09:00", "23 17:00", "office")],
            id="away-wins-between-equals",
        ),
        pytest.param(
            [
                claim("2026-11-23T22:00+01:00", "2026-11-24T02:00+01:00", AWAY),
                claim("2026-11-24T02:00+01:00", "2026-11-24T03:00+01:00", AWAY),
            ],
            [("23 22:00", "24 03:00", "away")],
            id="across-midnight",
        ),
    ],
)
def test_a_plan(claims: list[Claim], expected: list[tuple[str, str, str]]) -> None:
    assert show(plan_of(*claims)) == expected


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (
            WorkHours(start=time(22), end=time(6)),
            [("23 22:00", "24 06:00", "office")],
        ),
        (WorkHours(start=time(0), end=time(0)), [("23 00:00", "24 00:00", "office")]),
    ],
)
def test_work_can_end_on_the_next_day(
    hours: WorkHours, expected: list[tuple[str, str, str]]
) -> None:
    plan = plan_of(claim("2026-11-23", "2026-11-24", OFFICE), hours=hours)

    assert show(plan) == expected


def test_an_event_of_years_is_only_read_where_it_was_asked_for() -> None:
    endless = claim("1990-01-01", "2090-01-01", OFFICE)

    plan = plan_of(endless)

    assert len(plan) == 364
    assert plan[0].start == local("2026-01-01 09:00")


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 22), ("2026-10-25", 24), ("2026-10-24", 23)]
)
def test_days_on_which_clocks_change(day: str, hours: int) -> None:
    """From 1 o'clock to midnight: the wall clock's hours, not the day's."""
    following = f"{day[:-2]}{int(day[-2:]) + 1}"
    work = WorkHours(start=time(1), end=time(0))

    [stretch] = plan_of(claim(day, following, OFFICE), hours=work)

    assert stretch.end - stretch.start == timedelta(hours=hours)


claims = st.builds(
    lambda start, length, presence, by_words: Claim(
        start=START + timedelta(hours=start),
        end=START + timedelta(hours=start + length),
        presence=presence,
        is_all_day=False,
        is_by_words=by_words,
    ),
    st.integers(0, 40),
    st.integers(1, 12),
    st.sampled_from(list(Presence)),
    st.booleans(),
)


@given(st.lists(claims, max_size=12))
def test_the_best_claim_holds_at_every_moment(found: list[Claim]) -> None:
    plan = plan_of(*found)

    order = [AWAY, OFFICE, WFH, HOME]
    moments = [START + timedelta(minutes=30 + 60 * hour) for hour in range(60)]
    expected = [
        min(
            (
                (
                    not item.is_by_words,
                    item.end - item.start,
                    order.index(item.presence),
                )
                for item in found
                if item.start <= moment < item.end
            ),
            default=None,
        )
        for moment in moments
    ]
    stretches = [find_stretch(plan, moment) for moment in moments]
    assert [item and item.presence for item in stretches] == [
        item and order[item[2]] for item in expected
    ]
    assert all(
        one.end < two.start or (one.end == two.start and one.presence != two.presence)
        for one, two in pairwise(plan)
    )


@given(st.lists(claims, max_size=8), st.integers(0, 180))
def test_absences_hold_what_is_away_and_nothing_that_is_home(
    found: list[Claim], minutes: int
) -> None:
    plan, travel = plan_of(*found), timedelta(minutes=minutes)

    absences = find_absences(plan, travel)

    def is_inside(stretch: Any) -> bool:
        return any(
            absence.starts_at <= stretch.start and stretch.end <= absence.ends_at
            for absence in absences
        )

    assert [is_inside(stretch) for stretch in plan] == [
        not stretch.presence.is_home for stretch in plan
    ]


DAY = plan_of(
    claim("2026-11-23T10:00+01:00", "2026-11-23T11:00+01:00", AWAY),
    claim("2026-11-23T11:45+01:00", "2026-11-23T12:30+01:00", AWAY),
    claim("2026-11-23T18:00+01:00", "2026-11-23T19:00+01:00", AWAY),
    claim("2026-11-24T16:00+01:00", "2026-11-24T18:00+01:00", HOME),
)


@pytest.mark.parametrize(
    ("now", "is_home", "expected", "hours"),
    [
        pytest.param("23 08:00", None, "23 13:00", 3.5, id="before-without-a-tracker"),
        pytest.param("23 08:00", True, "23 13:00", 3.5, id="before-at-home"),
        pytest.param("23 08:00", False, None, None, id="before-but-out"),
        pytest.param("23 09:40", False, "23 13:00", 3.5, id="on-the-way-there"),
        pytest.param("23 10:30", None, "23 13:00", 3.5, id="during"),
        pytest.param("23 10:30", False, "23 13:00", 3.5, id="during-and-out"),
        pytest.param("23 10:30", True, "23 19:30", 2.0, id="during-but-at-home"),
        pytest.param("23 11:15", False, "23 13:00", 3.5, id="between-two"),
        pytest.param("23 12:45", False, "23 13:00", 3.5, id="on-the-way-home"),
        pytest.param("23 12:45", True, "23 19:30", 2.0, id="home-early"),
        pytest.param("23 14:00", False, None, None, id="late"),
        pytest.param("24 12:00", False, "24 16:00", None, id="out-until-a-stay"),
        pytest.param("24 12:00", True, None, None, id="nothing-to-come-back-from"),
        pytest.param("24 17:00", False, None, None, id="late-for-a-stay"),
        pytest.param("25 12:00", None, None, None, id="after-all"),
    ],
)
def test_the_next_arrival(
    now: str, *, is_home: bool | None, expected: str | None, hours: float | None
) -> None:
    absences = find_absences(DAY, TRAVEL)

    arrival = find_arrival(DAY, absences, local(now), is_home=is_home)

    assert (arrival and arrival.at) == (expected and local(expected))
    absence = arrival and arrival.absence
    assert (absence and absence.duration) == (hours and timedelta(hours=hours))


def test_nobody_is_announced_for_work_at_home() -> None:
    plan = plan_of(claim("2026-11-24", "2026-11-25", WFH))

    assert find_arrival(plan, [], local("23 20:00"), is_home=False) is None


@pytest.mark.parametrize(
    ("now", "home_otherwise", "expected"),
    [
        ("23 09:00", False, None),
        ("23 09:00", True, HOME),
        ("23 09:30", True, AWAY),
        ("23 10:00", True, AWAY),
        ("23 11:15", True, AWAY),
        ("23 12:59", True, AWAY),
        ("23 13:00", True, HOME),
        ("24 16:00", False, HOME),
        ("24 18:00", False, None),
    ],
)
def test_a_prediction(
    now: str, *, home_otherwise: bool, expected: Presence | None
) -> None:
    absences = find_absences(DAY, TRAVEL)

    assert predict(DAY, absences, local(now), home_otherwise=home_otherwise) is expected


def test_work_at_home_of_a_day() -> None:
    plan = plan_of(
        claim("2026-11-23", "2026-11-24", WFH),
        claim("2026-11-23T11:00+01:00", "2026-11-23T12:00+01:00", AWAY),
    )

    def find(day: str, following: str) -> Any:
        return find_work_from_home(
            plan, local(f"{day} 00:00"), local(f"{following} 00:00")
        )

    assert find("23", "24") == (local("23 09:00"), local("23 17:00"))
    assert find("24", "25") is None

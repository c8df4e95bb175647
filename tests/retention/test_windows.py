"""Local hours and days, wherever the clock is set and however."""

import datetime as dt
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ha_ingestor.retention.windows import (
    NS_PER_DAY,
    Resolution,
    Window,
    closed_windows,
    day_window,
    deletable_utc_days,
    hours_of,
    to_datetime,
    to_ns,
    utc_day_start,
    window_at,
    windows_between,
)
from tests.retention.kit import DAY, HOUR, MINUTE, S

ZONES = (
    "UTC", "Europe/Berlin", "Asia/Kathmandu", "Asia/Kolkata", "Australia/Lord_Howe",
    "Pacific/Chatham", "America/St_Johns", "America/Havana", "America/Sao_Paulo",
    "Africa/Cairo", "Pacific/Apia", "America/Santiago", "Asia/Beirut",
    "Africa/Casablanca", "Antarctica/Troll", "America/Toronto", "Asia/Tehran",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


def utc(text: str) -> int:
    return to_ns(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC))


def day_of(zone: str, text: str) -> Window:
    day = day_window(dt.date.fromisoformat(text), ZoneInfo(zone))
    assert day is not None
    return day


def local_starts(zone: str, day: Window) -> list[str]:
    """The wall clock at the start of each hour, with the offset."""
    return [
        hour.start_at.astimezone(ZoneInfo(zone)).strftime("%H:%M%z")
        for hour in hours_of(day, ZoneInfo(zone))
    ]


@pytest.mark.parametrize(
    ("zone", "date", "start", "hours", "length_h"),
    [
        ("UTC", "2026-11-20", "2026-11-20 00:00", 24, 24),
        ("Asia/Kathmandu", "2026-11-20", "2026-11-19 18:15", 24, 24),
        ("Pacific/Chatham", "2026-11-20", "2026-11-19 10:15", 24, 24),
        ("Europe/Berlin", "2026-03-29", "2026-03-28 23:00", 23, 23),
        ("Europe/Berlin", "2026-10-25", "2026-10-24 22:00", 25, 25),
        ("America/St_Johns", "2026-11-01", "2026-11-01 02:30", 25, 25),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04 13:00", 25, 24.5),
        ("Australia/Lord_Howe", "2026-10-04", "2026-10-03 13:30", 24, 23.5),
        # The clock goes from 00:00 to 01:00: there is no midnight.
        ("Africa/Cairo", "2026-04-24", "2026-04-23 22:00", 23, 23),
        # It goes from 01:00 back to 00:00: midnight is there twice.
        ("America/Havana", "2026-11-01", "2026-11-01 04:00", 25, 25),
        # From 24:00 back to 23:00 of the same day.
        ("America/Sao_Paulo", "2019-02-16", "2019-02-16 02:00", 25, 25),
        # From 00:01 back to 23:01 of the day before, which has ended by then.
        ("America/St_Johns", "2010-11-07", "2010-11-07 02:30", 26, 25),
        # From 23:30 to 00:30: midnight is within what is left out.
        ("America/Toronto", "1919-03-31", "1919-03-31 04:30", 24, 23.5),
        # Two hours at once.
        ("Antarctica/Troll", "2026-03-29", "2026-03-29 00:00", 22, 22),
    ],
)  # fmt: skip
def test_days(zone: str, date: str, start: str, hours: int, length_h: float) -> None:
    day = day_of(zone, date)

    assert day.start_at == dt.datetime.fromisoformat(f"{start}+00:00")
    assert len(list(hours_of(day, ZoneInfo(zone)))) == hours
    assert day.length_ns == length_h * HOUR


@pytest.mark.parametrize(
    ("zone", "date", "expected"),
    [
        ("Europe/Berlin", "2026-10-25", ["01:00+0200", "02:00+0200", "02:00+0100"]),
        ("Europe/Berlin", "2026-03-29", ["01:00+0100", "03:00+0200", "04:00+0200"]),
        (
            "Australia/Lord_Howe",
            "2026-04-05",
            ["01:00+1100", "01:30+1030", "02:00+1030"],
        ),
        (
            "Australia/Lord_Howe",
            "2026-10-04",
            ["01:00+1030", "02:30+1100", "03:00+1100"],
        ),
    ],
)
def test_hours_about_the_change(zone: str, date: str, expected: list[str]) -> None:
    assert local_starts(zone, day_of(zone, date))[1:4] == expected


def test_a_day_that_did_not_exist_is_no_window() -> None:
    zone = ZoneInfo("Pacific/Apia")

    assert day_window(dt.date(2011, 12, 30), zone) is None
    days = windows_between(
        Resolution.DAY, utc("2011-12-29 12:00"), utc("2011-12-31 12:00"), zone
    )
    assert [day.start_at.astimezone(zone).date().day for day in days] == [29, 31, 1]


def test_a_date_shown_again_is_one_day() -> None:
    # 2010-11-07, 00:00:30 and, after the clock was set back, 23:30 of the 6th.
    zone = ZoneInfo("America/St_Johns")
    shown, again = utc("2010-11-07 02:30:30"), utc("2010-11-07 03:00:00")

    assert window_at(Resolution.DAY, shown, zone) == day_of(zone.key, "2010-11-07")
    assert window_at(Resolution.DAY, again, zone) == day_of(zone.key, "2010-11-07")


@pytest.mark.parametrize("resolution", Resolution)
@given(
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    # From 1975 to 2036.
    at_s=st.integers(157_766_400, 2_114_380_800),
)
@settings(deadline=None)
def test_windows_meet_without_gap(
    resolution: Resolution, zone: ZoneInfo, at_s: int
) -> None:
    at_ns = at_s * S
    windows = list(windows_between(resolution, at_ns, at_ns + 3 * DAY, zone))

    assert windows[0].start_ns <= at_ns < windows[0].end_ns
    assert windows[-1].start_ns < at_ns + 3 * DAY <= windows[-1].end_ns
    assert [w.end_ns for w in windows[:-1]] == [w.start_ns for w in windows[1:]]
    assert all(
        window_at(resolution, inside, zone) == window
        for window in windows
        for inside in (window.start_ns, window.end_ns - 1)
    )


@given(
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    date=st.dates(dt.date(1975, 1, 1), dt.date(2037, 1, 1)),
)
@settings(deadline=None)
def test_days_consist_of_whole_hours(zone: ZoneInfo, date: dt.date) -> None:
    day = day_window(date, zone) or day_window(date + dt.timedelta(1), zone)
    assert day is not None

    hours = list(hours_of(day, zone))

    assert (hours[0].start_ns, hours[-1].end_ns) == (day.start_ns, day.end_ns)
    assert all(0 < hour.length_ns <= HOUR for hour in hours)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param("10:09:59", [], id="within-the-grace"),
        pytest.param("10:10:00", ["09:00"], id="grace-is-over"),
        pytest.param("12:30:00", ["09:00", "10:00", "11:00"], id="catching-up"),
    ],
)
def test_hours_close_ten_minutes_after_their_end(now: str, expected: list[str]) -> None:
    closed = closed_windows(
        Resolution.HOUR,
        since_ns=utc("2026-11-20 09:20"),
        now_ns=utc(f"2026-11-20 {now}"),
        zone=ZoneInfo("UTC"),
    )

    assert [f"{window.start_at:%H:%M}" for window in closed] == expected


def test_nothing_is_closed_before_it_begins() -> None:
    now_ns = utc("2026-11-20 09:00")

    closed = closed_windows(
        Resolution.DAY, since_ns=now_ns + DAY, now_ns=now_ns, zone=ZoneInfo("UTC")
    )

    assert list(closed) == []


def deletable(zone: str, resolution: Resolution, missing: str | None) -> list[str]:
    """UTC days that may go at noon of the 20th, if all but one window is verified."""
    missing_ns = None if missing is None else utc(missing)
    days = deletable_utc_days(
        resolution,
        since_ns=utc("2026-11-10 17:00"),
        now_ns=utc("2026-11-20 12:00"),
        age=dt.timedelta(days=7),
        zone=ZoneInfo(zone),
        is_verified=lambda window: window.start_ns != missing_ns,
    )
    return [f"{to_datetime(day):%d}" for day in days]


@pytest.mark.parametrize(
    ("zone", "resolution", "missing", "expected"),
    [
        pytest.param("UTC", "hour", None, ["10", "11", "12"], id="all"),
        pytest.param("UTC", "hour", "2026-11-11 23:00", ["10", "12"], id="one-hour"),
        pytest.param("UTC", "hour", "2026-11-13 00:00", ["10", "11", "12"], id="later"),
        # 23:15 to 00:15 UTC is one local hour there.
        pytest.param(
            "Asia/Kathmandu", "hour", "2026-11-11 23:15", ["10"], id="hour-across"
        ),
        # The local day from 23:00 UTC has a part in two UTC days.
        pytest.param(
            "Europe/Berlin", "day", "2026-11-11 23:00", ["10"], id="day-across"
        ),
    ],
)
def test_utc_days_go_whole_and_verified(
    zone: str, resolution: str, missing: str | None, expected: list[str]
) -> None:
    assert deletable(zone, Resolution(resolution), missing) == expected


def test_a_utc_day_goes_when_its_last_row_is_old_enough() -> None:
    def days(now: str) -> list[int]:
        return list(
            deletable_utc_days(
                Resolution.HOUR,
                since_ns=utc("2026-11-10"),
                now_ns=utc(now),
                age=dt.timedelta(days=7),
                zone=ZoneInfo("UTC"),
                is_verified=lambda _: True,
            )
        )

    assert days("2026-11-17 23:59:59") == []
    assert days("2026-11-18 00:00:00") == [utc("2026-11-10")]


def test_instants_are_exact() -> None:
    at = dt.datetime(2026, 11, 20, 9, 0, 0, 123457, tzinfo=dt.UTC)

    assert to_ns(at) == 1_795_165_200_123_457_000
    assert to_datetime(to_ns(at)) == at
    assert day_of("UTC", "2026-11-20").end_at == at.replace(
        day=21, hour=0, microsecond=0
    )
    assert utc_day_start(to_ns(at)) == utc("2026-11-20")
    assert (NS_PER_DAY, MINUTE) == (86_400 * S, 60 * S)

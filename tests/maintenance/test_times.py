"""When something is due, also on the days on which clocks are set."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from custom_components.ha_ingestor.maintenance.times import (
    MAX_JITTER,
    jitter_of,
    last_local,
    next_local,
)

NEW_YORK = ZoneInfo("America/New_York")
TWO = dt.time(2, 0)
HALF_PAST_ONE = dt.time(1, 30)


def utc(text: str) -> dt.datetime:
    """A moment."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("at", "after", "expected"),
    [
        pytest.param(TWO, "2026-01-10 06:59", "2026-01-10 07:00", id="today"),
        pytest.param(TWO, "2026-01-10 07:00", "2026-01-11 07:00", id="strictly-after"),
        # 02:00 does not exist on March 8: it is due when it would have been.
        pytest.param(TWO, "2026-03-07 08:00", "2026-03-08 07:00", id="skipped"),
        pytest.param(TWO, "2026-03-08 07:00", "2026-03-09 06:00", id="after-skipped"),
        # 01:30 is twice on November 1: only the first one counts.
        pytest.param(HALF_PAST_ONE, "2026-11-01 05:00", "2026-11-01 05:30", id="twice"),
        pytest.param(
            HALF_PAST_ONE, "2026-11-01 05:30", "2026-11-02 06:30", id="not-again"
        ),
    ],
)
def test_next(at: dt.time, after: str, expected: str) -> None:
    assert next_local([at], utc(after), NEW_YORK) == utc(expected)


def test_last_is_the_one_before_the_next() -> None:
    until = utc("2026-03-08 07:00")

    assert last_local([TWO], until, NEW_YORK) == until
    assert last_local([TWO], until - dt.timedelta(seconds=1), NEW_YORK) == utc(
        "2026-03-07 07:00"
    )


def test_a_delay_may_lead_over_midnight() -> None:
    late, delay = dt.time(23, 55), dt.timedelta(minutes=10)
    after = utc("2026-01-10 05:00")

    assert next_local([late], after, NEW_YORK, delay=delay) == utc("2026-01-10 05:05")


def test_once_a_week() -> None:
    sunday = 6

    at = next_local([TWO], utc("2026-01-12 00:00"), NEW_YORK, weekday=sunday)

    assert at == utc("2026-01-18 07:00")
    assert last_local([TWO], at, NEW_YORK, weekday=sunday) == at


def test_jitter_is_bounded_and_stable() -> None:
    jitters = {jitter_of(f"hub{number}", "run") for number in range(100)}

    assert len(jitters) > 50
    assert all(dt.timedelta() <= jitter <= MAX_JITTER for jitter in jitters)
    assert jitter_of("hub1", "run") == jitter_of("hub1", "run")

"""Limits of a period as people say them: a moment, or the next time that it is seven.

A time of day is the home's local time, on days with 23 and 25 hours as well.
"""

from datetime import datetime, time, timedelta, tzinfo
from typing import Any, Final

import probatio

from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util

type Moment = datetime | time

_DAY: Final = timedelta(days=1)


def validate_moment(value: Any) -> Moment:
    """Return a moment (UTC) or a time of day; a moment without a zone is local.

    Raises:
        probatio.Invalid: It is neither.
    """
    if isinstance(value, time):
        return value
    try:
        return dt_util.as_utc(cv.datetime(value))
    except probatio.Invalid:
        return cv.time(value)


def find_period(
    earliest: Moment | None, latest: Moment | None, now: datetime
) -> tuple[datetime, datetime | None]:
    """Return where a search begins and ends; UTC.

    A time of day is the next one. Of two of them the end is the next one, and the
    beginning the one before that end: between 22:00 and 06:00, at 23:00, means from
    now on.

    Args:
        earliest: None for now; what is past means now as well.
        latest: None for no limit.
        now: UTC.
    """
    if isinstance(latest, time):
        if isinstance(earliest, time):
            end = find_next_time(latest, now)
            start = find_last_time(earliest, end)
            return max(start, now), end
        start = now if earliest is None else max(earliest, now)
        return start, find_next_time(latest, start)
    if isinstance(earliest, time):
        return find_next_time(earliest, now), latest
    return now if earliest is None else max(earliest, now), latest


def find_next_time(at: time, after: datetime) -> datetime:
    """Return the first moment after another one at which the clock shows a time."""
    return min(
        moment for moment in _list_moments(at, after, range(3)) if moment > after
    )


def find_last_time(at: time, before: datetime) -> datetime:
    """Return the last moment before another one at which the clock shows a time."""
    return max(
        moment for moment in _list_moments(at, before, range(-2, 1)) if moment < before
    )


def _list_moments(at: time, moment: datetime, days: range) -> list[datetime]:
    """Return when it is a time on the days around a moment; UTC.

    In the hour that clocks repeat it is so twice; in the one that they skip, when it
    would have been.
    """
    zone: tzinfo = dt_util.get_default_time_zone()
    today = moment.astimezone(zone).date()
    moments: list[datetime] = []
    for day in days:
        first, second = (
            datetime.combine(
                today + day * _DAY, at.replace(fold=fold), zone
            ).astimezone(dt_util.UTC)
            for fold in (0, 1)
        )
        # In the skipped hour the second one would lie before the first.
        moments.extend([first, second] if second > first else [first])
    return moments

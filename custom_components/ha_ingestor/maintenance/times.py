"""When something is due: at times of the home's clock, once a day each.

In the hour that the clock skips, a time is due when it would have been; in the one
that it shows twice, the first time.
"""

from collections.abc import Callable, Iterable
import datetime as dt
import hashlib
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_track_point_in_utc_time
from homeassistant.util import dt as dt_util

_DAY: Final = dt.timedelta(days=1)
# Hubs whose clocks are set by the same servers should not ask theirs all at once.
MAX_JITTER: Final = dt.timedelta(minutes=10)


def jitter_of(entry_id: str, name: str) -> dt.timedelta:
    """Return how much later than others a hub does something; always the same."""
    digest = hashlib.sha256(f"{entry_id}/{name}".encode()).digest()
    share = int.from_bytes(digest[:4]) / 2**32
    return dt.timedelta(seconds=int(share * MAX_JITTER.total_seconds()))


def next_local(
    times: Iterable[dt.time],
    after: dt.datetime,
    zone: dt.tzinfo,
    *,
    weekday: int | None = None,
    delay: dt.timedelta = dt.timedelta(),
) -> dt.datetime:
    """Return the first moment after another one at which one of the times is due; UTC.

    Args:
        weekday: 0 for Monday; None for every day.
        delay: How much later than the clock shows it.
    """
    return min(
        moment
        for moment in _list_moments(
            times, after, zone, days=range(-2, 9), weekday=weekday, delay=delay
        )
        if moment > after
    )


def last_local(
    times: Iterable[dt.time],
    until: dt.datetime,
    zone: dt.tzinfo,
    *,
    weekday: int | None = None,
    delay: dt.timedelta = dt.timedelta(),
) -> dt.datetime:
    """Return the last such moment that is not after another one; UTC."""
    return max(
        moment
        for moment in _list_moments(
            times, until, zone, days=range(-9, 3), weekday=weekday, delay=delay
        )
        if moment <= until
    )


def _list_moments(
    times: Iterable[dt.time],
    around: dt.datetime,
    zone: dt.tzinfo,
    *,
    days: Iterable[int],
    weekday: int | None,
    delay: dt.timedelta,
) -> list[dt.datetime]:
    today = around.astimezone(zone).date()
    dates = [
        date
        for day in days
        if weekday in {None, (date := today + day * _DAY).weekday()}
    ]
    return [
        dt.datetime.combine(date, at.replace(fold=0), zone).astimezone(dt.UTC) + delay
        for at in times
        for date in dates
    ]


@callback
def async_track_moments(
    hass: HomeAssistant,
    find_next: Callable[[dt.datetime], dt.datetime],
    action: Callable[[], None],
) -> CALLBACK_TYPE:
    """Call back at moments, each of which is found after the one before.

    Args:
        find_next: The first moment after another one; UTC.

    Returns:
        Ends it.
    """
    cancel: CALLBACK_TYPE | None = None

    @callback
    def plan() -> None:
        nonlocal cancel
        cancel = async_track_point_in_utc_time(hass, fire, find_next(dt_util.utcnow()))

    @callback
    def fire(_: dt.datetime) -> None:
        plan()
        action()

    @callback
    def stop() -> None:
        nonlocal cancel
        if cancel is not None:
            cancel()
            cancel = None

    plan()
    return stop

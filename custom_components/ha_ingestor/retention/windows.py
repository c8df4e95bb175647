"""Local hours and local days as spans of UTC, in any time zone.

Hours are those of the wall clock at home, so that a local day consists of whole
hours in zones with offsets of 30 or 45 minutes as well. An hour begins where the
wall clock shows a whole hour and where it is set. That gives:

| what happens | windows |
|---|---|
| the clock is set back by an hour | the repeated hour is two windows; 25 a day |
| it is set forward by an hour | 23 a day |
| Lord Howe sets it by half an hour | one window of 30 minutes on either day |
| midnight does not exist | the day begins where the clock was set |
| a whole day does not exist (Samoa, 2011-12-30) | no window |

Instants are integers: Unix time, UTC, nanoseconds, as in points.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
import datetime as dt
from enum import StrEnum
from typing import Final

NS_PER_S: Final = 1_000_000_000
NS_PER_DAY: Final = 86_400 * NS_PER_S

# After a window has closed: time for its last events to pass the buffer, and for the
# server to show them.
GRACE: Final = dt.timedelta(minutes=10)

_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Resolution(StrEnum):
    """How long a window is."""

    HOUR = "hour"
    DAY = "day"

    @property
    def nominal_s(self) -> int:
        """Length of a window on which no clock is set; seconds."""
        return _HOUR_S if self is Resolution.HOUR else _DAY_S


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Window:
    """One local hour or day.

    Attributes:
        start_ns: First instant, inclusive.
        end_ns: Last instant, exclusive.
    """

    start_ns: int
    end_ns: int
    resolution: Resolution

    @property
    def start_at(self) -> dt.datetime:
        """First instant, inclusive."""
        return to_datetime(self.start_ns)

    @property
    def end_at(self) -> dt.datetime:
        """Last instant, exclusive."""
        return to_datetime(self.end_ns)

    @property
    def length_ns(self) -> int:
        """How long it is."""
        return self.end_ns - self.start_ns


def to_ns(at: dt.datetime) -> int:
    """Return an aware time as an instant, without the rounding of floats."""
    return (at - _EPOCH) // dt.timedelta(microseconds=1) * 1_000


def to_datetime(at_ns: int) -> dt.datetime:
    """Return an instant as an aware UTC time; parts of microseconds are cut."""
    return _EPOCH + dt.timedelta(microseconds=at_ns // 1_000)


def duration_ns(duration: dt.timedelta) -> int:
    """Return a duration as whole nanoseconds."""
    return duration // dt.timedelta(microseconds=1) * 1_000


def window_at(resolution: Resolution, at_ns: int, zone: dt.tzinfo) -> Window:
    """Return the window that an instant lies in."""
    at_s = at_ns // NS_PER_S
    if resolution is Resolution.HOUR:
        start_s = _hour_start(at_s, zone)
        return _window(resolution, start_s, _next_hour(start_s, zone))
    date = _local(at_s, zone).date()
    start_s, end_s = _day_bounds(date, zone)
    if at_s >= end_s:
        # A date that was shown for a moment before the clock was set back over
        # midnight belongs to the day that it was then.
        start_s, end_s = _day_bounds(date + dt.timedelta(days=1), zone)
    return _window(resolution, start_s, end_s)


def day_window(date: dt.date, zone: dt.tzinfo) -> Window | None:
    """Return the window of a local date; None for one that did not exist."""
    start_s, end_s = _day_bounds(date, zone)
    return None if start_s == end_s else _window(Resolution.DAY, start_s, end_s)


def windows_between(
    resolution: Resolution, start_ns: int, end_ns: int, zone: dt.tzinfo
) -> Iterator[Window]:
    """List the windows that lie in a span, or partly in it, oldest first."""
    at_ns = start_ns
    while at_ns < end_ns:
        window = window_at(resolution, at_ns, zone)
        yield window
        at_ns = window.end_ns


def hours_of(day: Window, zone: dt.tzinfo) -> Iterator[Window]:
    """List the hours that a local day consists of, oldest first."""
    return windows_between(Resolution.HOUR, day.start_ns, day.end_ns, zone)


def closed_windows(
    resolution: Resolution,
    *,
    since_ns: int,
    now_ns: int,
    zone: dt.tzinfo,
    grace: dt.timedelta = GRACE,
) -> Iterator[Window]:
    """List the windows that are over, oldest first.

    Args:
        since_ns: The first one is that in which this lies.
        grace: How long ago a window must have ended.
    """
    latest_end_ns = now_ns - duration_ns(grace)
    for window in windows_between(resolution, since_ns, latest_end_ns, zone):
        if window.end_ns > latest_end_ns:
            return
        yield window


def utc_day_start(at_ns: int) -> int:
    """Return the start of the UTC day that an instant lies in."""
    return at_ns - at_ns % NS_PER_DAY


def deletable_utc_days(
    resolution: Resolution,
    *,
    since_ns: int,
    now_ns: int,
    age: dt.timedelta,
    zone: dt.tzinfo,
    is_verified: Callable[[Window], bool],
) -> Iterator[int]:
    """List the UTC days of a tier whose rows may be deleted, oldest first.

    A UTC day is complete when every window of the next tier that has a part in it
    is verified: in a zone with an offset of 30 minutes the first and the last local
    hour reach over its ends. A day that is not complete stays, and does not keep
    later ones.

    Args:
        resolution: That of the windows into which the rows were aggregated: hours
            for raw rows, days for hourly ones.
        since_ns: The day in which this lies is the first one looked at.
        age: How long rows are kept; a day goes when its last instant is older.

    Yields:
        The start of each day; it ends 24 hours later, exclusive.
    """
    day_ns = utc_day_start(since_ns)
    oldest_kept_ns = now_ns - duration_ns(age)
    while (next_ns := day_ns + NS_PER_DAY) <= oldest_kept_ns:
        windows = windows_between(resolution, day_ns, next_ns, zone)
        if all(is_verified(window) for window in windows):
            yield day_ns
        day_ns = next_ns


def _window(resolution: Resolution, start_s: int, end_s: int) -> Window:
    return Window(
        start_ns=start_s * NS_PER_S, end_ns=end_s * NS_PER_S, resolution=resolution
    )


def _local(at_s: int, zone: dt.tzinfo) -> dt.datetime:
    return (_EPOCH + dt.timedelta(seconds=at_s)).astimezone(zone)


def _offset(at_s: int, zone: dt.tzinfo) -> dt.timedelta:
    return _local(at_s, zone).utcoffset() or dt.timedelta(0)


def _hour_start(at_s: int, zone: dt.tzinfo) -> int:
    local = _local(at_s, zone)
    start_s = at_s - local.minute * 60 - local.second
    if _offset(start_s, zone) == local.utcoffset():
        return start_s
    return _first_change(start_s, at_s, zone)


def _next_hour(start_s: int, zone: dt.tzinfo) -> int:
    local = _local(start_s, zone)
    end_s = start_s + _HOUR_S - local.minute * 60 - local.second
    if _offset(end_s, zone) == local.utcoffset():
        return end_s
    return _first_change(start_s, end_s, zone)


def _first_change(start_s: int, end_s: int, zone: dt.tzinfo) -> int:
    """Return when the clock was set, to the second.

    Args:
        start_s: Before it was.
        end_s: When it has been.
    """
    before = _offset(start_s, zone)
    while end_s - start_s > 1:
        middle_s = (start_s + end_s) // 2
        if _offset(middle_s, zone) == before:
            start_s = middle_s
        else:
            end_s = middle_s
    return end_s


def _day_bounds(date: dt.date, zone: dt.tzinfo) -> tuple[int, int]:
    return (
        _midnight(date, zone),
        _midnight(date + dt.timedelta(days=1), zone),
    )


def _midnight(date: dt.date, zone: dt.tzinfo) -> int:
    """Return when a local date begins: its first midnight, or where that was left out.

    Of a midnight that was left out, Python makes the instant that the clock before
    would have called so, which is not before it was set.
    """
    midnight = dt.datetime.combine(date, dt.time(), tzinfo=zone)
    at_s = (midnight - _EPOCH) // dt.timedelta(seconds=1)
    if _local(at_s, zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return at_s
    before_s = at_s - _DAY_S
    return _first_change(before_s, at_s, zone)

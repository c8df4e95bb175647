"""One plan from many events: who is where when, and when they come back.

Where events overlap, the one that says more wins: words of the user before what was
concluded from there being an event, then the shorter event before the longer, then
away before home. So an appointment interrupts a day of working from home, a day at
home a vacation, and nobody is announced at home who is not sure to be there.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from heapq import heappop, heappush
from itertools import pairwise
from typing import Final

from .model import Claim, OccupancyData, Presence

_DAY: Final = timedelta(days=1)
# Of equally exact events: who says somebody is away is believed.
_ORDER: Final = (
    Presence.AWAY,
    Presence.OFFICE,
    Presence.WORK_FROM_HOME,
    Presence.HOME,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkHours:
    """When whole days of work begin and end; past midnight if the end is earlier."""

    start: time
    end: time


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A time in which the plan says one thing; UTC, without its end."""

    start: datetime
    end: datetime
    presence: Presence


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """From leaving to coming home; UTC. Ways there and back belong to it."""

    leaves_at: datetime
    starts_at: datetime
    ends_at: datetime
    arrives_at: datetime

    @property
    def duration(self) -> timedelta:
        """How long the home is without the person."""
        return self.arrives_at - self.leaves_at


type Plan = tuple[Stretch, ...]
# Words first, then what is shorter, then what is away.
type _Rank = tuple[bool, timedelta, int]


def create_plan(data: OccupancyData, hours: WorkHours, time_zone: tzinfo) -> Plan:
    """Return what the claims say together: in order, none overlapping another."""
    pieces = sorted(
        (start, end, _rank(claim))
        for claim in data.claims
        for start, end in _spread(claim, data, hours, time_zone)
    )
    bounds = sorted({moment for start, end, _ in pieces for moment in (start, end)})
    waiting = iter(pieces)
    following = next(waiting, None)
    open_pieces: list[tuple[_Rank, datetime]] = []
    stretches: list[Stretch] = []
    for start, end in pairwise(bounds):
        while following is not None and following[0] <= start:
            heappush(open_pieces, (following[2], following[1]))
            following = next(waiting, None)
        while open_pieces and open_pieces[0][1] <= start:
            heappop(open_pieces)
        if open_pieces:
            presence = _ORDER[open_pieces[0][0][2]]
            stretches.append(Stretch(start=start, end=end, presence=presence))
    return tuple(_join(stretches))


def _rank(claim: Claim) -> _Rank:
    length = claim.end - claim.start
    return not claim.is_by_words, length, _ORDER.index(claim.presence)


def _spread(
    claim: Claim, data: OccupancyData, hours: WorkHours, time_zone: tzinfo
) -> Iterator[tuple[datetime, datetime]]:
    """List the times that a claim is about: whole days of work have hours."""
    if not (claim.is_all_day and claim.presence.is_work):
        yield claim.start, claim.end
        return
    # An event may last for years; nothing outside of the period is asked for.
    start = max(claim.start, data.begins_at)
    end = min(claim.end, data.ends_at)
    # Noon, since a midnight may not exist where clocks change.
    day = (start + _DAY / 2).astimezone(time_zone).date()
    while _local(day, time(), time_zone) < end:
        begins = _local(day, hours.start, time_zone)
        ends_on = day if hours.start < hours.end else day + _DAY
        yield begins, _local(ends_on, hours.end, time_zone)
        day += _DAY


def _local(day: date, moment: time, time_zone: tzinfo) -> datetime:
    return datetime.combine(day, moment, time_zone).astimezone(UTC)


def _join(stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    """Make one of neighbors that say the same."""
    last: Stretch | None = None
    for stretch in stretches:
        if last is None:
            last = stretch
        elif last.end == stretch.start and last.presence is stretch.presence:
            last = Stretch(start=last.start, end=stretch.end, presence=stretch.presence)
        else:
            yield last
            last = stretch
    if last is not None:
        yield last


def find_absences(plan: Plan, travel: timedelta) -> list[Absence]:
    """Return the absences of a plan, in order.

    Between two of them that follow each other sooner than one gets home and out
    again, nobody comes home, unless the plan says so.
    """
    groups: list[tuple[datetime, datetime]] = []
    is_open = False
    for stretch in plan:
        if stretch.presence.is_home:
            is_open = False
        elif is_open and stretch.start - groups[-1][1] <= 2 * travel:
            groups[-1] = (groups[-1][0], stretch.end)
        else:
            groups.append((stretch.start, stretch.end))
            is_open = True
    return [
        Absence(
            leaves_at=start - travel,
            starts_at=start,
            ends_at=end,
            arrives_at=end + travel,
        )
        for start, end in groups
    ]


def find_stretch(plan: Plan, now: datetime) -> Stretch | None:
    """Return what the plan says of a moment, None for nothing."""
    return next((item for item in plan if item.start <= now < item.end), None)


def predict(
    plan: Plan, absences: Sequence[Absence], now: datetime, *, home_otherwise: bool
) -> Presence | None:
    """Return where the person should be at a moment; None if nothing says so."""
    if (stretch := find_stretch(plan, now)) is not None:
        return stretch.presence
    if any(absence.leaves_at <= now < absence.arrives_at for absence in absences):
        return Presence.AWAY
    return Presence.HOME if home_otherwise else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """When somebody comes home next.

    Attributes:
        at: UTC.
        absence: What they come back from; None if only the stay at home is planned.
    """

    at: datetime
    absence: Absence | None


def find_arrival(
    plan: Plan,
    absences: Sequence[Absence],
    now: datetime,
    *,
    is_home: bool | None,
) -> Arrival | None:
    """Return when the person comes home next; None if the plan does not say.

    Args:
        is_home: Where they really are: whoever is at home does not come back from
            what the plan says now, and whoever is out does not come back only from
            what begins later. None if that is not known.
    """
    ahead = [absence for absence in absences if absence.arrives_at > now]
    if is_home is True:
        ahead = [absence for absence in ahead if absence.starts_at > now]
    following = ahead[0] if ahead else None
    if is_home is not False:
        return _arrive_from(following)
    if following is not None and following.leaves_at <= now:
        return _arrive_from(following)
    # Out without a plan: back for what is planned at home, if that comes next. Not
    # for work: the way to that is from bed.
    stay = next((item for item in plan if item.start > now), None)
    if stay is None or stay.presence is not Presence.HOME:
        return None
    return Arrival(at=stay.start, absence=None)


def _arrive_from(absence: Absence | None) -> Arrival | None:
    if absence is None:
        return None
    return Arrival(at=absence.arrives_at, absence=absence)


def find_work_from_home(
    plan: Plan, start: datetime, end: datetime
) -> tuple[datetime, datetime] | None:
    """Return when work at home begins and ends in a period; None for not at all."""
    found = [
        item
        for item in plan
        if item.presence is Presence.WORK_FROM_HOME
        and item.start < end
        and item.end > start
    ]
    return (found[0].start, found[-1].end) if found else None


def list_moments(plan: Plan, absences: Sequence[Absence]) -> Iterator[datetime]:
    """List when something that follows from the plan changes."""
    for stretch in plan:
        yield from (stretch.start, stretch.end)
    for absence in absences:
        yield from (absence.leaves_at, absence.arrives_at)

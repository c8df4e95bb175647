"""Events of a calendar, as the action `calendar.get_events` gives them, and what for.

What arrives: `start` and `end` (ISO text; dates alone for whole days, the end
exclusive), `summary`, and where the calendar has them `description`, `location` and
`status` (`confirmed` or `tentative`). Recurring events arrive as single ones.
Attendees, visibility and one's own answer to an invitation do not arrive, nor whether
an event is shown as free: Google's integration leaves out declined and cancelled
events, those of iCalendar leave out cancelled ones.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
import re
from typing import Any, Final

from ...errors import SourceDataError
from ..slots import day_bounds
from .model import Claim, Presence
from .words import Vocabulary

# Some thousand times what a week holds; what is beyond would only cost time.
MAX_EVENTS: Final = 2_000
_DATE_LENGTH: Final = len("2026-11-21")
_CANCELLED: Final = frozenset({"cancelled", "canceled"})
_TENTATIVE: Final = "tentative"
# A place that nobody goes to.
_ONLINE: Final = re.compile(
    r"https?:|www\.|\b(online|virtual|remote|teams|zoom|meet|hangouts?|webex|skype"
    r"|slack|discord|jitsi|phone|call|telephone|video|dial[- ]?in)\b",
    re.IGNORECASE,
)


class OtherEvents(StrEnum):
    """What events mean in which no word of the user stands."""

    NOTHING = "nothing"
    AWAY_WITH_LOCATION = "away_with_location"
    AWAY = "away"


class MatchedText(StrEnum):
    """Texts of an event in which words are looked for; in this order."""

    TITLE = "summary"
    LOCATION = "location"
    DESCRIPTION = "description"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How events are to be read.

    Attributes:
        vocabulary: The user's words.
        matched: Texts in which they are looked for.
        others: What events mean without such a word.
        has_tentative: Whether events count that may not take place.
        time_zone: Of the home.
    """

    vocabulary: Vocabulary
    matched: tuple[MatchedText, ...]
    others: OtherEvents
    has_tentative: bool
    time_zone: tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What the events of calendars say.

    Attributes:
        event_count: Events with a time, whether they say something or not.
    """

    event_count: int
    claims: tuple[Claim, ...]


def parse_moment(value: Any, time_zone: tzinfo) -> tuple[datetime, bool]:
    """Return a start or end as UTC, and whether it is a date alone.

    Raises:
        SourceDataError: It is neither a date nor a time.
    """
    try:
        if len(value) == _DATE_LENGTH:
            return day_bounds(date.fromisoformat(value), time_zone)[0], True
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            # "Floating" in iCalendar's words: the time of the clock on the wall.
            moment = moment.replace(tzinfo=time_zone)
        return moment.astimezone(UTC), False
    except TypeError, ValueError, OverflowError:
        # Without the value: errors are shown and logged.
        raise SourceDataError("An event without a time") from None


def parse_period(
    event: Mapping[str, Any], time_zone: tzinfo
) -> tuple[datetime, datetime, bool]:
    """Return start, end and whether it is of whole days.

    Raises:
        SourceDataError: There is no start.
    """
    start, is_all_day = parse_moment(event.get("start"), time_zone)
    if event.get("end") is None:
        return start, start, is_all_day
    end, _ = parse_moment(event["end"], time_zone)
    if is_all_day and end <= start:
        # Some write the last day where the day after it should be.
        local = (start + timedelta(hours=12)).astimezone(time_zone)
        end = day_bounds(local.date(), time_zone)[1]
    # Some calendars give whole days as times, from midnight to midnight.
    is_all_day = is_all_day or (
        start < end and all(_is_midnight(moment, time_zone) for moment in (start, end))
    )
    return start, end, is_all_day


def _is_midnight(moment: datetime, time_zone: tzinfo) -> bool:
    return moment.astimezone(time_zone).time() == time()


def understand_event(event: Mapping[str, Any], reading: Reading) -> Claim | None:
    """Return what an event says, None for nothing.

    Raises:
        SourceDataError: It has no time.
    """
    start, end, is_all_day = parse_period(event, reading.time_zone)
    texts = {text: _get_text(event, text) for text in MatchedText}
    status = str(event.get("status") or "").casefold()
    if (
        end <= start
        or status in _CANCELLED
        or (status == _TENTATIVE and not reading.has_tentative)
        or reading.vocabulary.is_void(texts[MatchedText.TITLE])
    ):
        return None
    presence = find_presence(texts, reading)
    is_by_words = presence is not None
    if presence is None and _means_away(texts, is_all_day=is_all_day, reading=reading):
        presence = Presence.AWAY
    if presence is None:
        return None
    return Claim(
        start=start,
        end=end,
        presence=presence,
        is_all_day=is_all_day,
        is_by_words=is_by_words,
    )


def find_presence(
    texts: Mapping[MatchedText, str], reading: Reading
) -> Presence | None:
    """Return what the user's words in an event mean."""
    for text in MatchedText:
        if text in reading.matched and (found := reading.vocabulary.find(texts[text])):
            return found
    return reading.vocabulary.find_whole(texts[MatchedText.LOCATION])


def _means_away(
    texts: Mapping[MatchedText, str], *, is_all_day: bool, reading: Reading
) -> bool:
    """Tell whether an event without a known word is one that is gone to."""
    if is_all_day or reading.others is OtherEvents.NOTHING:
        # A birthday or a public holiday takes nobody out of the house.
        return False
    location = texts[MatchedText.LOCATION]
    if _ONLINE.search(location):
        return False
    return bool(location.strip()) or reading.others is OtherEvents.AWAY


def _get_text(event: Mapping[str, Any], text: MatchedText) -> str:
    value = event.get(text)
    return value if isinstance(value, str) else ""


def understand_events(events: Iterable[Any], reading: Reading) -> Understood:
    """Return what events say, in order of their starts; the unreadable are left out.

    Raises:
        SourceDataError: There are events, and none of them can be read.
    """
    claims: set[Claim] = set()
    seen_count = read_count = 0
    for event in events:
        seen_count += 1
        if seen_count > MAX_EVENTS:
            break
        try:
            if not isinstance(event, Mapping):
                raise SourceDataError("Not an event")
            claim = understand_event(event, reading)
        except SourceDataError:
            continue
        read_count += 1
        if claim is not None:
            claims.add(claim)
    if seen_count and not read_count:
        raise SourceDataError("None of the events can be read")
    # Whole, so that the same events make the same data.
    ordered = sorted(claims, key=Claim.to_json)
    return Understood(event_count=read_count, claims=tuple(ordered))

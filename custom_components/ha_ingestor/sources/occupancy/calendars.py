"""Calendars: where one person will be, from calendar entities of Home Assistant.

Delivers when the events of the coming days put a person at home, at work from home,
at the office or away, as words of the user's in them say. Resolution and delay are
the calendars' own; asked every 15 minutes, and when a calendar's state changes. No
key, token or password: Google, CalDAV, Microsoft and iCalendar are asked by Home
Assistant's own integrations. Licence: the user's own data. Rate limit: that of the
integration behind a calendar; most keep a copy and ask nobody.

Source: https://www.home-assistant.io/integrations/calendar
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final, override

from homeassistant.const import ATTR_FRIENDLY_NAME, STATE_UNAVAILABLE

from ...errors import SourceArgumentError, SourceUnavailableError
from ...models import SourceKind
from ..base import (
    Argument,
    ArgumentType,
    Source,
    SourceContext,
    SourceDescription,
    SourceDocumentation,
    SourceEnvironment,
    SourceResult,
)
from ..slots import day_bounds
from .events import MatchedText, OtherEvents, Reading, understand_events
from .model import OccupancyData, Presence
from .words import Vocabulary

CONF_CALENDARS: Final = "calendars"
CONF_PERSON: Final = "person"
CONF_ZONE: Final = "zone"
CONF_DAYS_AHEAD: Final = "days_ahead"
CONF_WORDS_WORK_FROM_HOME: Final = "words_work_from_home"
CONF_WORDS_HOME: Final = "words_home"
CONF_WORDS_OFFICE: Final = "words_office"
CONF_WORDS_AWAY: Final = "words_away"
CONF_WORDS_IGNORED: Final = "words_ignored"
CONF_MATCHED: Final = "matched_texts"
CONF_OTHERS: Final = "other_events"
CONF_TENTATIVE: Final = "tentative"

SECTION_WORDS: Final = "words"
SECTION_MORE: Final = "more"

DEFAULT_DAYS_AHEAD: Final = 7
MAX_DAYS_AHEAD: Final = 31
# A server behind a calendar is slower than a provider, and a request that is given
# up goes on behind it.
READ_TIMEOUT_S: Final = 20.0

WORDS_WORK_FROM_HOME: Final = (
    "WFH",
    "Home office",
    "Homeoffice",
    "Work from home",
    "Working from home",
    "Remote work",
    "Working remotely",
    "Telework",
)
WORDS_HOME: Final = ("HOME", "At home", "Staycation")
WORDS_OFFICE: Final = ("Office", "In the office", "On site", "Onsite")
WORDS_AWAY: Final = (
    "Away",
    "Away from home",
    "Business trip",
    "Flight",
    "Travel",
    "Traveling",
    "Trip",
    "Vacation",
)
WORDS_IGNORED: Final = ("Canceled", "Cancelled", "Declined")

_WORDS: Final[Mapping[str, Presence]] = {
    CONF_WORDS_WORK_FROM_HOME: Presence.WORK_FROM_HOME,
    CONF_WORDS_HOME: Presence.HOME,
    CONF_WORDS_OFFICE: Presence.OFFICE,
    CONF_WORDS_AWAY: Presence.AWAY,
}


def create_reading(arguments: Mapping[str, Any], time_zone: tzinfo) -> Reading:
    """Return how the user wants events to be read."""
    return Reading(
        vocabulary=Vocabulary.create(
            {presence: arguments.get(key, ()) for key, presence in _WORDS.items()},
            arguments.get(CONF_WORDS_IGNORED, ()),
        ),
        matched=tuple(
            MatchedText(text)
            for text in arguments.get(CONF_MATCHED, (MatchedText.TITLE,))
        ),
        others=OtherEvents(arguments.get(CONF_OTHERS, OtherEvents.NOTHING)),
        has_tentative=bool(arguments.get(CONF_TENTATIVE)),
        time_zone=time_zone,
    )


def find_period(
    now: datetime, time_zone: tzinfo, days_ahead: int
) -> tuple[datetime, datetime]:
    """Return for which period calendars are asked: whole local days, in UTC.

    It begins with yesterday, whose night shift ends today.
    """
    today = now.astimezone(time_zone).date()
    return (
        day_bounds(today - timedelta(days=1), time_zone)[0],
        day_bounds(today + timedelta(days=days_ahead), time_zone)[1],
    )


class Calendars(Source[OccupancyData]):
    """Reads the calendars of one person."""

    def __init__(
        self, environment: SourceEnvironment, arguments: Mapping[str, Any]
    ) -> None:
        """Take the calendars and the words."""
        self._run_blocking = environment.run_blocking
        self._arguments = arguments

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[OccupancyData]:
        calendars: Sequence[str] = self._arguments.get(CONF_CALENDARS) or ()
        if not calendars:
            raise SourceArgumentError(CONF_CALENDARS, "no_calendar_chosen")
        begins_at, ends_at = find_period(
            context.now,
            context.time_zone,
            int(self._arguments.get(CONF_DAYS_AHEAD, DEFAULT_DAYS_AHEAD)),
        )
        # All or nothing: a plan without a vacation would be a wrong one.
        found = await asyncio.gather(
            *(
                _async_read(context, calendar, begins_at, ends_at)
                for calendar in calendars
            )
        )
        understood = await self._run_blocking(
            understand_events,
            [event for events in found for event in events],
            create_reading(self._arguments, context.time_zone),
        )
        data = OccupancyData(
            asked_at=context.now,
            begins_at=begins_at,
            ends_at=ends_at,
            event_count=understood.event_count,
            claims=understood.claims,
        )
        return SourceResult(data=data, place=self._find_name(context, calendars))

    def _find_name(
        self, context: SourceContext, calendars: Sequence[str]
    ) -> str | None:
        """Return whose calendars they are."""
        entity_id = self._arguments.get(CONF_PERSON) or calendars[0]
        state = context.get_state(entity_id)
        name = None if state is None else state.attributes.get(ATTR_FRIENDLY_NAME)
        return str(name) if name else None


async def _async_read(
    context: SourceContext, calendar: str, start: datetime, end: datetime
) -> Sequence[Any]:
    """Return the events of one calendar.

    Raises:
        SourceUnavailableError: It cannot be read now.
    """
    state = context.get_state(calendar)
    if state is None or state.state == STATE_UNAVAILABLE:
        raise SourceUnavailableError(f"{calendar} is not available")
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            return await context.get_events(calendar, start, end)
    except TimeoutError:
        raise SourceUnavailableError(f"{calendar} does not answer in time") from None
    except SourceUnavailableError:
        raise
    except Exception as err:  # noqa: BLE001 - of any integration there is
        # What it says may quote a title.
        raise SourceUnavailableError(
            f"{calendar} fails with {type(err).__name__}"
        ) from None


def _create(
    environment: SourceEnvironment, arguments: Mapping[str, Any]
) -> Source[OccupancyData]:
    return Calendars(environment, arguments)


def _words(key: str, defaults: tuple[str, ...]) -> Argument:
    return Argument(
        key=key,
        type=ArgumentType.TEXTS,
        is_required=False,
        default=lambda _: list(defaults),
        options=defaults,
        section=SECTION_WORDS,
    )


CALENDAR: Final = SourceDescription(
    key="calendar",
    kind=SourceKind.OCCUPANCY,
    name="Calendar",
    update_interval=timedelta(minutes=15),
    create=_create,
    arguments=(
        Argument(key=CONF_CALENDARS, type=ArgumentType.ENTITIES, domains=("calendar",)),
        Argument(
            key=CONF_PERSON,
            type=ArgumentType.ENTITY,
            is_required=False,
            domains=("person", "device_tracker"),
        ),
        _words(CONF_WORDS_WORK_FROM_HOME, WORDS_WORK_FROM_HOME),
        _words(CONF_WORDS_HOME, WORDS_HOME),
        _words(CONF_WORDS_OFFICE, WORDS_OFFICE),
        _words(CONF_WORDS_AWAY, WORDS_AWAY),
        _words(CONF_WORDS_IGNORED, WORDS_IGNORED),
        Argument(
            key=CONF_MATCHED,
            type=ArgumentType.MULTI_SELECT,
            is_required=False,
            default=lambda _: [MatchedText.TITLE.value],
            options=tuple(text.value for text in MatchedText),
            translation_key="matched_text",
            section=SECTION_WORDS,
        ),
        Argument(
            key=CONF_OTHERS,
            type=ArgumentType.SELECT,
            default=OtherEvents.AWAY_WITH_LOCATION.value,
            options=tuple(other.value for other in OtherEvents),
            translation_key="other_events",
            section=SECTION_MORE,
        ),
        Argument(
            key=CONF_TENTATIVE,
            type=ArgumentType.BOOLEAN,
            default=False,
            section=SECTION_MORE,
        ),
        Argument(
            key=CONF_ZONE,
            type=ArgumentType.ENTITY,
            is_required=False,
            domains=("zone",),
            section=SECTION_MORE,
        ),
        Argument(
            key=CONF_DAYS_AHEAD,
            type=ArgumentType.NUMBER,
            default=DEFAULT_DAYS_AHEAD,
            minimum=1,
            maximum=MAX_DAYS_AHEAD,
            step=1,
            unit="d",
            section=SECTION_MORE,
        ),
    ),
    documentation=SourceDocumentation(
        delivers="Whether somebody is at home, works from home, and when they come"
        " back, from the events of calendars of Home Assistant.",
        resolution="The minute of an event.",
        delay="15 minutes at most, and what the calendar itself lags behind.",
        rate_limit="None of our own: Home Assistant's calendar integrations ask their"
        " providers at their pace. Their entities are read every 15 minutes.",
        licence="Your own data. Titles, places and descriptions of events are read"
        " and forgotten: they are never stored, shown or written.",
        url="https://www.home-assistant.io/integrations/calendar",
        signup="Set up a calendar in Home Assistant first: Google Calendar, CalDAV,"
        " Remote calendar (the ICS address of any provider, Microsoft among them) or"
        " Local calendar.",
        limits="Answers to invitations, and whether an event is shown as free, do not"
        " reach Home Assistant. Google's integration leaves out what was declined;"
        " elsewhere only the words in the title tell it.",
    ),
)

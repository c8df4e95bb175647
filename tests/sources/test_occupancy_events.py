"""Events of calendars, whatever they may be."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.ha_ingestor.coordinators.environment import create_source
from custom_components.ha_ingestor.errors import (
    SourceDataError,
    SourceUnavailableError,
)
from custom_components.ha_ingestor.sources.catalog import SOURCES
from custom_components.ha_ingestor.sources.occupancy import calendars
from custom_components.ha_ingestor.sources.occupancy.events import (
    MAX_EVENTS,
    MatchedText,
    OtherEvents,
    Reading,
    understand_events,
)
from custom_components.ha_ingestor.sources.occupancy.model import Presence
from custom_components.ha_ingestor.sources.occupancy.words import Vocabulary
from homeassistant.core import HomeAssistant
from tests.sources.kit import create_case_context

READING = Reading(
    vocabulary=Vocabulary.create({Presence.WORK_FROM_HOME: ["WFH"]}, ["Canceled"]),
    matched=tuple(MatchedText),
    others=OtherEvents.AWAY,
    has_tentative=True,
    time_zone=ZoneInfo("America/Sao_Paulo"),
)
MOMENTS = st.one_of(
    st.datetimes().map(datetime.isoformat),
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    st.dates().map(str),
    st.text(max_size=10),
    st.integers(),
    st.none(),
)
TEXTS = st.one_of(st.sampled_from(["WFH", "Canceled: x"]), st.text(), st.none())
EVENTS = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "start": MOMENTS,
            "end": MOMENTS,
            "summary": TEXTS,
            "location": TEXTS,
            "description": st.one_of(TEXTS, st.integers(), st.lists(TEXTS)),
            "status": st.one_of(TEXTS, st.booleans()),
        },
    ),
    st.none(),
    st.text(),
)


@given(st.lists(EVENTS, max_size=6))
def test_any_event_is_survived(events: list[Any]) -> None:
    good = {"start": "2026-11-23", "end": "2026-11-24", "summary": "WFH"}

    understood = understand_events([*events, good], READING)

    assert 1 <= len(understood.claims) <= understood.event_count <= len(events) + 1
    assert all(claim.start < claim.end for claim in understood.claims)
    starts = [claim.start for claim in understood.claims]
    assert starts == sorted(starts)


def test_more_events_than_anybody_has_are_cut_off() -> None:
    event = {"start": "2026-11-23", "end": "2026-11-24", "summary": "WFH"}

    understood = understand_events([event] * (MAX_EVENTS + 50), READING)

    assert (understood.event_count, len(understood.claims)) == (MAX_EVENTS, 1)


def test_an_event_without_an_end_says_nothing() -> None:
    event = {"start": "2026-11-23T10:00:00Z", "summary": "WFH"}

    understood = understand_events([event], READING)

    assert (understood.event_count, understood.claims) == (1, ())


def test_events_that_cannot_be_read_do_not_say_what_they_were() -> None:
    events = [{"start": "Dr. Miller", "end": "Dr. Miller", "summary": "Dr. Miller"}]

    with pytest.raises(SourceDataError) as caught:
        understand_events(events, READING)

    assert "Miller" not in str(caught.value)


async def test_a_calendar_that_hangs_is_given_up(hass: HomeAssistant) -> None:
    args = {
        "now": "2026-11-23T08:00:00Z",
        "states": {"calendar.anna": {"state": "off"}},
        "events": {},
    }

    async def hang(*_: Any) -> Sequence[Any]:
        await asyncio.Event().wait()
        raise AssertionError

    context = replace(create_case_context(args), get_events=hang)
    source = create_source(hass, SOURCES["calendar"], {"calendars": ["calendar.anna"]})
    with (
        patch.object(calendars, "READ_TIMEOUT_S", 0.01),
        pytest.raises(SourceUnavailableError, match="does not answer in time"),
    ):
        await source.async_fetch(context)

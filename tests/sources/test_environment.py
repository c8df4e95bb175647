"""Where sources are asked, and how their answers are read."""

import logging

import pytest

from custom_components.ha_ingestor.coordinators.environment import (
    ENVIRONMENT_VARIABLE,
    create_context,
    create_source,
)
from custom_components.ha_ingestor.errors import (
    SourceDataError,
    SourceUnavailableError,
)
from custom_components.ha_ingestor.sources.catalog import SOURCES
from custom_components.ha_ingestor.sources.parsing import parse_time
from homeassistant.core import HomeAssistant, SupportsResponse
from homeassistant.util import dt as dt_util

UK = SOURCES["uk_carbon_intensity"]


@pytest.mark.parametrize(
    ("variable", "base_url", "lines"),
    [
        pytest.param("{}", UK.base_url, 0, id="nothing"),
        pytest.param(
            '{"uk_carbon_intensity": "http://127.0.0.1:9"}',
            "http://127.0.0.1:9",
            0,
            id="stand-in",
        ),
        pytest.param("not JSON", UK.base_url, 1, id="garbage"),
    ],
)
async def test_a_stand_in_is_asked_instead_of_a_provider(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    variable: str,
    base_url: str,
    lines: int,
) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, variable)
    caplog.set_level(logging.ERROR)

    source = create_source(hass, UK, {})

    assert source._http.base_url == base_url
    assert caplog.text.count(f"{ENVIRONMENT_VARIABLE} is not JSON") == lines


async def test_a_calendar_that_does_not_answer_is_away(hass: HomeAssistant) -> None:
    hass.services.async_register(
        "calendar",
        "get_events",
        lambda _: {"calendar.other": {"events": []}},
        supports_response=SupportsResponse.ONLY,
    )
    context = create_context(hass)
    now = dt_util.utcnow()

    assert list(await context.get_events("calendar.other", now, now)) == []
    with pytest.raises(SourceUnavailableError, match="does not answer"):
        await context.get_events("calendar.work", now, now)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("2026-03-01T12:00:00", "without an offset"),
        ("yesterday", "Not a time"),
        (None, "Not a time"),
        ("0001-01-01T00:00:00+10:00", "Not a time"),
    ],
)
def test_what_is_no_time_is_refused(value: object, words: str) -> None:
    with pytest.raises(SourceDataError, match=words):
        parse_time(value)


def test_a_time_becomes_utc() -> None:
    assert parse_time("2026-03-01T12:00:00+02:00").isoformat() == (
        "2026-03-01T10:00:00+00:00"
    )

"""When a source is asked, and how reliable it has been."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hypothesis import given, strategies as st
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
)

from custom_components.ha_ingestor.coordinators.health import find_state
from custom_components.ha_ingestor.coordinators.pace import (
    find_first_pause,
    find_retry,
)
from custom_components.ha_ingestor.coordinators.success_rate import SuccessRate
from custom_components.ha_ingestor.errors import (
    SourceDataError,
    SourceUnavailableError,
)
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from tests.sources.homes import (
    add,
    create_uk,
    get_source,
    great_britain,
)
from tests.sources.kit import Answer, ProviderServer
from tests.sources.scripted import NOW, Script, pass_time, scripted

# --- when it is asked


async def test_a_first_failure_is_not_the_last_attempt(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer, freezer: Any
) -> None:
    provider.answers = [Answer(path="/", status=503)]
    await add(hass, hub, create_uk("north", "North"))
    source = get_source(hub, "north")
    assert find_state(source) == "failing"
    provider.answers = great_britain(143)
    await pass_time(hass, freezer, 50)
    assert find_state(source) == "failing"
    await pass_time(hass, freezer, 20)
    assert find_state(source) == "ok"


async def test_failures_are_further_and_further_apart(
    hass: HomeAssistant, hub: MockConfigEntry, script: Script, freezer: Any
) -> None:
    async def fail(arguments: Mapping[str, Any]) -> float:
        raise SourceDataError("again")

    script.act = fail
    await add(hass, hub, scripted())
    source = get_source(hub, "one")
    pauses_s: list[float] = []
    for _ in range(9):
        assert source.next_refresh_at is not None
        pause_s = (source.next_refresh_at - dt_util.utcnow()).total_seconds()
        pauses_s.append(pause_s)
        await pass_time(hass, freezer, pause_s + 2)
    expected = [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert [
        (pause_s, at_least)
        for pause_s, at_least in zip(pauses_s, expected, strict=True)
        if not at_least - 1 <= pause_s <= 1.1 * at_least
    ] == []
    assert len(script.asked) == 10
    script.act = Script().act
    await source.async_refresh()
    assert source.next_refresh_at is not None
    pause_s = (source.next_refresh_at - dt_util.utcnow()).total_seconds()
    assert 900 <= pause_s <= 990


async def test_a_provider_that_wants_to_be_left_alone(
    hass: HomeAssistant, hub: MockConfigEntry, script: Script, freezer: Any
) -> None:
    async def refuse(arguments: Mapping[str, Any]) -> float:
        raise SourceUnavailableError(
            "Too many requests", retry_after_s=7200, is_rate_limited=True
        )

    script.act = refuse
    await add(hass, hub, scripted())
    script.act = Script().act
    await pass_time(hass, freezer, 4000)
    assert len(script.asked) == 1
    # A restart is no reason to ask again.
    await hass.config_entries.async_reload(hub.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(script.asked) == 1
    await pass_time(hass, freezer, 3300)
    assert len(script.asked) == 2
    assert find_state(get_source(hub, "one")) == "ok"


async def test_a_clock_that_went_back_holds_nothing_up(
    hass: HomeAssistant, hub: MockConfigEntry, script: Script, freezer: Any
) -> None:
    freezer.tick(365 * 24 * 3600)
    await add(hass, hub, scripted())
    await hass.config_entries.async_unload(hub.entry_id)
    freezer.tick(-365 * 24 * 3600)
    await hass.config_entries.async_setup(hub.entry_id)
    await pass_time(hass, freezer, 1000)
    assert len(script.asked) == 2


@given(
    failures=st.integers(0, 10_000),
    retry_after_s=st.none() | st.floats(0, 86_400),
    longest_s=st.none() | st.floats(1, 3600),
)
def test_every_pause_after_a_failure(
    failures: int, retry_after_s: float | None, longest_s: float | None
) -> None:
    error = SourceUnavailableError("x", retry_after_s=retry_after_s)
    longest = None if longest_s is None else timedelta(seconds=longest_s)
    pause_s = find_retry(error, failures, longest=longest).total_seconds()
    own_s = min(60 * 2 ** max(0, failures - 1), 3600, longest_s or 3600)
    assert pause_s >= max(own_s, retry_after_s or 0) - 1e-5
    assert pause_s <= max(1.1 * own_s, retry_after_s or 0) + 1e-5


@given(
    age_s=st.none() | st.floats(-1e8, 1e8),
    interval_s=st.floats(60, 86_400),
    left_alone_s=st.none() | st.floats(-1e8, 1e8),
)
def test_every_pause_at_the_start(
    age_s: float | None, interval_s: float, left_alone_s: float | None
) -> None:
    pause_s = find_first_pause(
        NOW,
        timedelta(seconds=interval_s),
        None if age_s is None else NOW - timedelta(seconds=age_s),
        None if left_alone_s is None else NOW + timedelta(seconds=left_alone_s),
    ).total_seconds()
    due_s = 0.0 if age_s is None else min(max(interval_s - age_s, 0.0), interval_s)
    expected_s = max(due_s, min(left_alone_s or 0.0, 86_400.0))
    assert pause_s == pytest.approx(expected_s, abs=1e-5)


# --- how reliable it is


def test_the_success_rate_forgets_after_30_days() -> None:
    rate = SuccessRate()
    assert rate.percent is None
    for day in range(30):
        rate.note((NOW + timedelta(days=day)).date(), is_success=day != 0)
    assert rate.attempts == 30
    assert rate.percent == pytest.approx(100 * 29 / 30)
    rate.note((NOW + timedelta(days=30)).date(), is_success=True)
    assert (rate.attempts, rate.percent) == (30, 100)
    again = SuccessRate(rate.to_json())
    assert (again.attempts, again.percent) == (30, 100)
    again.note((NOW + timedelta(days=90)).date(), is_success=False)
    assert (again.attempts, again.percent) == (1, 0)

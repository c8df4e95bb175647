"""Sources that are removed, unloaded or changed while they are being asked."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
)

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.coordinators import fetcher
from custom_components.ha_ingestor.coordinators.health import find_state
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from tests.sources.homes import (
    add,
    get_source,
)
from tests.sources.scripted import (
    SECRET,
    Script,
    fire_later,
    hang,
    hang_on_to_it,
    let_start,
    scripted,
)

# --- stopped and changed in the middle of it


@pytest.mark.parametrize("act", [hang, hang_on_to_it])
async def test_removed_while_it_hangs(
    hass: HomeAssistant,
    *,
    hub: MockConfigEntry,
    script: Script,
    hass_storage: dict[str, Any],
    act: Any,
) -> None:
    script.act = act
    await let_start(hass, hub, scripted())
    source = get_source(hub, "one")
    assert len(script.asked) == 1
    hass.config_entries.async_remove_subentry(hub, "one")
    await hass.async_block_till_done()
    assert hub.runtime_data.sources.coordinators == []
    await fire_later(hass, 3600)
    assert f"{DOMAIN}/source_one" not in hass_storage
    assert len(script.asked) == 1
    assert source.success_rate.attempts == 0


async def test_unloaded_while_it_hangs(
    hass: HomeAssistant, hub: MockConfigEntry, script: Script
) -> None:
    script.act = hang
    await let_start(hass, hub, scripted())
    async with asyncio.timeout(10):
        assert await hass.config_entries.async_unload(hub.entry_id)
    assert hub.state is ConfigEntryState.NOT_LOADED
    script.act = Script().act
    assert await hass.config_entries.async_setup(hub.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    source = get_source(hub, "one")
    assert source.data.intensity == 100
    # What was cut off was neither a success nor a failure.
    assert (source.success_rate.attempts, source.success_rate.percent) == (1, 100)


async def test_changed_while_it_hangs(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    script: Script,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def hang_with_old_key(arguments: Mapping[str, Any]) -> float:
        return await hang(arguments) if arguments["api_key"] == SECRET else 7.0

    script.act = hang_with_old_key
    await let_start(hass, hub, scripted())
    hass.config_entries.async_update_subentry(
        hub, hub.subentries["one"], data=scripted(api_key="another").data
    )
    await hass.async_block_till_done(wait_background_tasks=True)
    source = get_source(hub, "one")
    assert source.data.intensity == 7
    assert [item["api_key"] for item in script.asked] == [SECRET, "another"]
    assert (source.success_rate.attempts, source.success_rate.percent) == (1, 100)
    assert "Error" not in caplog.text


async def test_an_answer_to_an_old_question_is_not_believed(
    hass: HomeAssistant, hub: MockConfigEntry, script: Script
) -> None:
    async def answer_late(arguments: Mapping[str, Any]) -> float:
        is_old = arguments["api_key"] == SECRET
        return await hang_on_to_it(arguments) if is_old else 7.0

    script.act = answer_late
    await let_start(hass, hub, scripted())
    seen: list[float | None] = []
    source = get_source(hub, "one")
    source.async_add_listener(
        lambda: seen.append(source.data.intensity if source.data else None)
    )
    hass.config_entries.async_update_subentry(
        hub, hub.subentries["one"], data=scripted(api_key="another").data
    )
    await hass.async_block_till_done(wait_background_tasks=True)
    assert source.data.intensity == 7
    assert 666.0 not in seen


async def test_who_hangs_is_asked_again(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetcher, "FETCH_TIMEOUT_S", 0.05)
    script.act = hang
    await add(hass, hub, scripted())
    source = get_source(hub, "one")
    assert source.last_error == "No answer in time"
    script.act = Script().act
    await fire_later(hass, 70)
    assert find_state(source) == "ok"

"""What is said and kept of a source: log, repair issues, cache on disk."""

from collections.abc import Mapping
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
)

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.coordinators.health import find_state
from custom_components.ha_ingestor.errors import (
    SourceArgumentError,
    SourceAuthError,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from tests.sources.homes import (
    add,
    get_source,
)
from tests.sources.scripted import (
    SECRET,
    Script,
    pass_time,
    raise_unexpected,
    register,
    scripted,
)

# --- what is said of it


async def test_what_nobody_expects_is_logged_once_and_without_secrets(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    script: Script,
    caplog: pytest.LogCaptureFixture,
) -> None:
    script.act = raise_unexpected
    await add(hass, hub, scripted())
    source = get_source(hub, "one")
    await source.async_refresh()
    await source.async_refresh()
    assert caplog.text.count("Unexpected error while asking One") == 1
    assert "ZeroDivisionError: with ***" in caplog.text
    assert source.last_error == "Unexpected ZeroDivisionError"

    script.act = Script().act
    await source.async_refresh()
    script.act = raise_unexpected
    await source.async_refresh()
    assert caplog.text.count("Unexpected error while asking One") == 2
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        SourceAuthError(f"Key {SECRET} is bad"),
        SourceAuthError("Look at https://x.example/?key=k3y%20of%20the%20user%2F7"),
        SourceArgumentError("zone", "unknown_zone", {"key": SECRET}),
    ],
)
async def test_what_only_a_person_can_mend(
    hass: HomeAssistant,
    *,
    hub: MockConfigEntry,
    script: Script,
    issue_registry: ir.IssueRegistry,
    error: Exception,
) -> None:
    async def refuse(arguments: Mapping[str, Any]) -> float:
        raise error

    script.act = refuse
    await add(hass, hub, scripted())
    source = get_source(hub, "one")
    assert not issue_registry.issues
    await source.async_refresh()
    [issue] = issue_registry.issues.values()
    assert issue.issue_id == "source_one"
    shown = str(issue.translation_placeholders) + str(source.last_error)
    assert "k3y" not in shown

    script.act = Script().act
    await source.async_refresh()
    assert not issue_registry.issues


async def test_nobody_can_give_credentials_where_there_are_none(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = register(monkeypatch, arguments=())

    async def refuse(arguments: Mapping[str, Any]) -> float:
        raise SourceAuthError("HTTP status 403")

    script.act = refuse
    await add(hass, hub, scripted())
    await get_source(hub, "one").async_refresh()
    assert not issue_registry.issues


# --- on disk


@pytest.mark.parametrize(
    "stored",
    [
        {"version": 99, "minor_version": 1, "data": {"answer": 1}},
        {"version": 1, "minor_version": 1, "data": {"answer": 1}},
        {"version": 1, "minor_version": 1, "data": [1, 2]},
        {"version": 1, "minor_version": 1, "data": "?"},
    ],
    ids=["newer", "incomplete", "list", "text"],
)
async def test_a_cache_that_cannot_be_used(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    script: Script,
    hass_storage: dict[str, Any],
    stored: dict[str, Any],
) -> None:
    key = f"{DOMAIN}/source_one"
    hass_storage[key] = {"key": key, **stored}
    await add(hass, hub, scripted())
    assert find_state(get_source(hub, "one")) == "ok"
    await hass.config_entries.async_reload(hub.entry_id)
    assert hass_storage[key]["data"]["answer"]["intensity"] == 100


async def test_the_cache_is_written_while_the_source_is_busy(
    hass: HomeAssistant,
    *,
    hub: MockConfigEntry,
    script: Script,
    hass_storage: dict[str, Any],
    freezer: Any,
) -> None:
    await add(hass, hub, scripted())
    source = get_source(hub, "one")
    for _ in range(4):
        await source.async_refresh()
        await pass_time(hass, freezer, 10)
    assert hass_storage[f"{DOMAIN}/source_one"]["data"]["answer"]["intensity"] == 100


async def test_no_secret_is_on_disk_outside_the_entry(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    script: Script,
    hass_storage: dict[str, Any],
) -> None:
    await add(hass, hub, scripted())
    await hass.config_entries.async_reload(hub.entry_id)
    assert SECRET not in str(hass_storage[f"{DOMAIN}/source_one"])

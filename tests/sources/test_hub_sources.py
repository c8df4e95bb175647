"""Sources that misbehave in every way: none touches another, the hub, or the disk."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
)

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.coordinators.carbon import CarbonCoordinator
from custom_components.ha_ingestor.coordinators.health import find_state
from custom_components.ha_ingestor.coordinators.source import SourceCoordinator
from devlib.influxd import InfluxServer
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from tests.sources.homes import (
    add,
    create_source_entry,
    create_uk,
    get_source,
    great_britain,
)
from tests.sources.kit import ProviderServer
from tests.sources.scripted import (
    KEY,
    Script,
    hang,
    let_start,
    raise_unexpected,
    scripted,
)

# --- one and the others


TROUBLES: dict[str, Callable[[pytest.MonkeyPatch, Script], None]] = {}


def trouble(
    make: Callable[[pytest.MonkeyPatch, Script], None],
) -> Callable[[pytest.MonkeyPatch, Script], None]:
    TROUBLES[make.__name__] = make
    return make


def fail(*_: Any) -> Any:
    raise ZeroDivisionError


async def fail_later(*_: Any) -> Any:
    raise ZeroDivisionError


def break_method(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let a method of the kind fail, for the scripted source only."""
    method = getattr(CarbonCoordinator, name)

    def call(self: CarbonCoordinator, *args: Any) -> Any:
        return fail() if self.description.key == KEY else method(self, *args)

    monkeypatch.setattr(CarbonCoordinator, name, call)


@trouble
def making(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    script.create = fail


@trouble
def closing(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    script.close = fail_later


@trouble
def asking(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    script.act = raise_unexpected


@trouble
def hanging(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    script.act = hang


@trouble
def broken_view(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    break_method(monkeypatch, "evaluate")


@trouble
def broken_points(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    break_method(monkeypatch, "create_points")


@trouble
def broken_pace(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    break_method(monkeypatch, "get_interval")


@trouble
def broken_settings(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    break_method(monkeypatch, "settings_changed")


@trouble
def broken_start(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    break_method(monkeypatch, "async_start")


@trouble
def broken_stop(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    break_method(monkeypatch, "async_forget")


@trouble
def broken_context(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    break_method(monkeypatch, "get_context_value")


@pytest.mark.parametrize("make_trouble", TROUBLES.values(), ids=TROUBLES)
async def test_one_in_trouble_touches_nothing_else(
    hass: HomeAssistant,
    *,
    hub: MockConfigEntry,
    provider: ProviderServer,
    influxdb: InfluxServer,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
    make_trouble: Callable[[pytest.MonkeyPatch, Script], None],
) -> None:
    make_trouble(monkeypatch, script)
    provider.answers = great_britain(143)
    await let_start(hass, hub, scripted(), create_uk("north", "North"))
    await hass.config_entries.async_reload(hub.entry_id)
    await get_source(hub, "north").async_refresh()
    hass.states.async_set("sensor.kitchen", "1")
    await hass.services.async_call(DOMAIN, "flush", blocking=True)

    assert hub.state is ConfigEntryState.LOADED
    assert find_state(get_source(hub, "north")) == "ok"
    assert hass.states.get("sensor.north_carbon_intensity").state == "143.0"
    rows = await hass.async_add_executor_job(
        influxdb.rows,
        "SELECT value FROM home_assistant_events WHERE entity_id = 'sensor.kitchen'",
        "test",
    )
    assert len(rows) == 1
    hass.config_entries.async_remove_subentry(hub, "one")
    await hass.async_block_till_done()
    sources = hub.runtime_data.sources.coordinators
    assert [source.subentry.subentry_id for source in sources] == ["north"]


async def test_a_source_of_a_later_version_is_left_alone(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider.answers = great_britain(143)
    unknown = create_source_entry(
        "later", "Later", kind="carbon_intensity", provider="from_the_future"
    )
    strange = create_source_entry("odd", "Odd", kind="tides", provider="moon")
    await add(hass, hub, unknown, strange, create_uk("north", "North"))
    sources = hub.runtime_data.sources.coordinators
    assert [source.subentry.subentry_id for source in sources] == ["north"]
    assert "No source of this version: from_the_future" in caplog.text
    assert set(hub.subentries) == {"later", "odd", "north"}


async def test_who_begins_to_listen_meanwhile_is_told_once(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[SourceCoordinator[Any, Any]] = []
    start = SourceCoordinator.async_start

    async def listen_and_start(source: SourceCoordinator[Any, Any]) -> None:
        hub.runtime_data.sources.async_listen(told.append)
        await start(source)

    monkeypatch.setattr(SourceCoordinator, "async_start", listen_and_start)
    await add(hass, hub, scripted())
    assert told == [get_source(hub, "one")]


async def test_a_home_without_a_hub_has_no_sources_running(
    hass: HomeAssistant, hub: MockConfigEntry, script: Script
) -> None:
    await add(hass, hub, scripted())
    source = get_source(hub, "one")
    hass.config_entries.async_update_subentry(
        hub,
        hub.subentries["one"],
        data=MappingProxyType(dict(hub.subentries["one"].data)),
    )
    await hass.config_entries.async_unload(hub.entry_id)
    asked = len(script.asked)
    await source.async_refresh()
    assert len(script.asked) == asked
    await hass.config_entries.async_setup(hub.entry_id)

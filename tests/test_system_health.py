"""System health shows all hubs together."""

from collections.abc import Mapping
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.errors import SourceUnavailableError
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from tests.conftest import entry_data
from tests.sources.homes import add, create_source_entry, get_source
from tests.sources.scripted import KEY, Script, register


async def get_health(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator
) -> dict[str, Any]:
    """Ask as the page does, until all parts have arrived."""
    assert await async_setup_component(hass, "system_health", {})
    await hass.async_block_till_done()
    client = await hass_ws_client()
    await client.send_json_auto_id({"type": "system_health/info"})
    assert (await client.receive_json())["success"]
    info: dict[str, Any] = {}
    while (event := (await client.receive_json())["event"])["type"] != "finish":
        if event["type"] == "initial":
            info.update(event["data"][DOMAIN]["info"])
        elif event["domain"] == DOMAIN:
            info[event["key"]] = event["data"]
    return info


async def test_one_hub(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, hub: MockConfigEntry
) -> None:
    hass.states.async_set("sensor.a", "1")
    await hass.services.async_call(DOMAIN, "flush", {}, blocking=True)
    info = await get_health(hass, hass_ws_client)
    version = info.pop("version")
    assert version.count(".") == 2
    assert info == {
        "hubs": "1/1",
        "connected": "1/1",
        "can_reach_server": "ok",
        "server_versions": "1.6.7~rc0",
        "backlog_points": 0,
        "dropped": 0,
        "sources": 0,
        "sources_failing": 0,
        "storage_problems": 0,
        "dead_letters": 0,
    }


async def test_sources_that_fail_are_counted(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    hub: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = register(monkeypatch)

    async def fail_with_second(arguments: Mapping[str, Any]) -> float:
        if arguments["api_key"] == "second":
            raise SourceUnavailableError("away")
        return 100.0

    script.act = fail_with_second
    await add(
        hass,
        hub,
        *(
            create_source_entry(
                name,
                name,
                kind="carbon_intensity",
                provider=KEY,
                arguments={"api_key": name},
            )
            for name in ("first", "second")
        ),
    )
    info = await get_health(hass, hass_ws_client)
    assert (info["sources"], info["sources_failing"]) == (2, 1)
    script.act = Script().act
    await get_source(hub, "second").async_refresh()
    info = await get_health(hass, hass_ws_client)
    assert (info["sources"], info["sources_failing"]) == (2, 0)


async def test_one_of_two_hubs_is_dead_and_recovers(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    hub: MockConfigEntry,
    influxdb: InfluxServer,
    unused_tcp_port: int,
) -> None:
    dead = MockConfigEntry(
        domain=DOMAIN, data=entry_data(influxdb, port=unused_tcp_port)
    )
    dead.add_to_hass(hass)
    assert await hass.config_entries.async_setup(dead.entry_id)
    hass.states.async_set("sensor.a", "1")
    await hub.runtime_data.pipeline.async_flush()
    await dead.runtime_data.pipeline.async_flush()
    info = await get_health(hass, hass_ws_client)
    assert info["hubs"] == "2/2"
    assert info["connected"] == "1/2"
    assert info["can_reach_server"] == {"type": "failed", "error": "unreachable"}
    assert info["server_versions"] == "1.6.7~rc0"
    assert info["backlog_points"] >= 1
    await hass.config_entries.async_unload(hub.entry_id)
    info = await get_health(hass, hass_ws_client)
    assert info["hubs"] == "1/2"
    assert info["server_versions"] == "?"
    await hass.config_entries.async_setup(hub.entry_id)
    hass.config_entries.async_update_entry(
        dead, data=entry_data(influxdb, store="second")
    )
    await hass.async_add_executor_job(influxdb.query, 'CREATE DATABASE "second"')
    await hass.async_block_till_done()
    await dead.runtime_data.pipeline.async_flush()
    await hub.runtime_data.pipeline.async_flush()
    info = await get_health(hass, hass_ws_client)
    assert (info["hubs"], info["connected"]) == ("2/2", "2/2")
    assert info["can_reach_server"] == "ok"
    assert info["backlog_points"] == 0
    await hass.config_entries.async_remove(dead.entry_id)
    await hass.async_add_executor_job(influxdb.query, 'DROP DATABASE "second"')

"""A hub from set-up to removal, against a real server."""

from collections.abc import Callable
from pathlib import Path
import time
from typing import Any
from unittest.mock import patch

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.ingest.collector import MAX_COLLECTING_S
from custom_components.ha_ingestor.pipeline import buffer_path
from devlib.influxd import InfluxServer
from homeassistant.config_entries import ConfigEntryDisabler, ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_FINAL_WRITE
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from tests.conftest import entry_data


async def flush(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, Any]:
    answer = await hass.services.async_call(
        DOMAIN,
        "flush",
        {"config_entry_id": entry.entry_id},
        blocking=True,
        return_response=True,
    )
    assert answer is not None
    return dict(answer)


async def stored(
    hass: HomeAssistant, influxdb: InfluxServer, entity_id: str, db: str = "test"
) -> list[list[Any]]:
    """Return state, previous state and value of an entity's points, by time."""
    rows = await hass.async_add_executor_job(
        influxdb.rows,
        "SELECT state, previous_state, value FROM home_assistant_events"
        f" WHERE entity_id = '{entity_id}'",
        db,
    )
    return [row[1:] for row in rows]


def set_numbers(hass: HomeAssistant, first: int, last: int) -> None:
    for number in range(first, last):
        hass.states.async_set("sensor.number", str(number))


def numbers(first: int, last: int) -> list[list[Any]]:
    """Return what is stored for `set_numbers` from an entity's first state on."""
    return [
        [str(n), None if n == 0 else str(n - 1), float(n)] for n in range(first, last)
    ]


async def test_states_are_stored(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    assert hub.state is ConfigEntryState.LOADED
    set_numbers(hass, 0, 100)
    figures = await flush(hass, hub)
    assert figures["backlog_points"] == 0
    assert figures["is_connected"] is True
    assert figures["last_error"] is None
    assert await stored(hass, influxdb, "sensor.number") == numbers(0, 100)


async def test_states_from_before_are_captured_once(
    hass: HomeAssistant, entry: MockConfigEntry, influxdb: InfluxServer
) -> None:
    hass.states.async_set("sensor.early", "1")
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    first = await flush(hass, entry)
    assert await stored(hass, influxdb, "sensor.early") == [["1", None, 1.0]]
    # Set up anew after a restart: what is on disk already is not taken again.
    await hass.config_entries.async_unload(entry.entry_id)
    hass.data.pop(f"{DOMAIN}_collectors")[entry.entry_id].stop()
    hass.states.async_set("sensor.late", "2")
    assert await hass.config_entries.async_setup(entry.entry_id)
    second = await flush(hass, entry)
    assert await stored(hass, influxdb, "sensor.late") == [["2", None, 2.0]]
    # The state that changed meanwhile, and what the set-up itself has caused.
    assert "sensor.early" not in await new_entities(hass, influxdb, first, second)
    await hass.config_entries.async_remove(entry.entry_id)


async def new_entities(
    hass: HomeAssistant,
    influxdb: InfluxServer,
    first: dict[str, Any],
    second: dict[str, Any],
) -> set[str]:
    """Return the entities that have more than one point."""
    assert second["captured"] > first["captured"]
    rows = await hass.async_add_executor_job(
        influxdb.query,
        "SELECT count(state) FROM home_assistant_events GROUP BY entity_id",
        "test",
    )
    return {
        series["tags"]["entity_id"]
        for series in rows["results"][0]["series"]
        if series["values"][0][1] > 1
    }


async def test_a_reload_misses_nothing(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    set_numbers(hass, 0, 10)
    before = await flush(hass, hub)
    assert await hass.config_entries.async_unload(hub.entry_id)
    set_numbers(hass, 10, 20)
    assert await hass.config_entries.async_setup(hub.entry_id)
    set_numbers(hass, 20, 30)
    after = await flush(hass, hub)
    assert await stored(hass, influxdb, "sensor.number") == numbers(0, 30)
    assert after["dropped"] == after["rejected"] == 0
    assert after["captured"] - before["captured"] >= 20
    assert after["captured"] == after["written"]


async def test_a_hub_that_stays_unloaded_is_given_up(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    listeners = hass.bus.async_listeners()["state_changed"]
    assert await hass.config_entries.async_unload(hub.entry_id)
    assert hass.bus.async_listeners()["state_changed"] == listeners
    async_fire_time_changed(
        hass, dt_util.utcnow() + dt_util.dt.timedelta(seconds=MAX_COLLECTING_S + 1)
    )
    await hass.async_block_till_done()
    assert hass.bus.async_listeners().get("state_changed", 0) == listeners - 1


async def test_a_disabled_hub_collects_nothing(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    listeners = hass.bus.async_listeners()["state_changed"]
    await hass.config_entries.async_set_disabled_by(
        hub.entry_id, ConfigEntryDisabler.USER
    )
    assert hass.bus.async_listeners().get("state_changed", 0) == listeners - 1


async def test_removal_leaves_no_file(
    hass: HomeAssistant, entry: MockConfigEntry, influxdb: InfluxServer
) -> None:
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    path = buffer_path(hass, entry.entry_id)
    assert path.exists()
    hass.states.async_set("sensor.a", "1")
    await flush(hass, entry)
    await hass.config_entries.async_remove(entry.entry_id)
    assert list(path.parent.iterdir()) == []
    # What was written stays.
    assert await stored(hass, influxdb, "sensor.a") == [["1", None, 1.0]]


async def test_stop_of_home_assistant_takes_everything_along(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    await flush(hass, hub)
    set_numbers(hass, 0, 500)
    started_at = time.monotonic()
    hass.bus.async_fire(EVENT_HOMEASSISTANT_FINAL_WRITE)
    await hass.async_block_till_done()
    assert time.monotonic() - started_at < 1
    assert await stored(hass, influxdb, "sensor.number") == numbers(0, 500)


async def test_a_database_that_is_down_does_not_stop_set_up(
    hass: HomeAssistant, influxdb: InfluxServer, unused_tcp_port: int
) -> None:
    entry = MockConfigEntry(
        domain=DOMAIN, data=entry_data(influxdb, port=unused_tcp_port)
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED
    set_numbers(hass, 0, 5)
    # The database comes back, here at another address: a reload does that.
    hass.config_entries.async_update_entry(entry, data=entry_data(influxdb))
    await hass.async_block_till_done()
    set_numbers(hass, 5, 10)
    await flush(hass, entry)
    assert await stored(hass, influxdb, "sensor.number") == numbers(0, 10)
    await hass.config_entries.async_remove(entry.entry_id)


async def test_a_buffer_that_cannot_be_opened_is_said_plainly(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    folder = buffer_path(hass, entry.entry_id).parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file where the folder should be")
    entry.add_to_hass(hass)
    try:
        assert not await hass.config_entries.async_setup(entry.entry_id)
        assert entry.state is ConfigEntryState.SETUP_ERROR
        assert entry.error_reason_translation_key == "buffer_unusable"
        assert hass.bus.async_listeners().get("state_changed", 0) == 0
    finally:
        folder.unlink()
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED
    await hass.config_entries.async_remove(entry.entry_id)


async def test_options_apply_without_a_reload(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    hass.states.async_set("sensor.a", "1")
    await flush(hass, hub)
    pipeline = hub.runtime_data.pipeline
    hass.config_entries.async_update_entry(
        hub,
        options={
            "exclude_entities": ["sensor.a"],
            "attributes": ["sensor.color"],
            "static_tags": {"site": "home"},
            "flush_interval_s": 0.05,
            "buffer_mib": 16,
            "full_sync": True,
        },
    )
    await hass.async_block_till_done()
    assert hub.runtime_data.pipeline is pipeline
    hass.states.async_set("sensor.a", "2")
    hass.states.async_set("sensor.b", "3", {"color": "red"})
    await flush(hass, hub)
    assert await stored(hass, influxdb, "sensor.a") == [["1", None, 1.0]]
    rows = await hass.async_add_executor_job(
        influxdb.rows,
        "SELECT value, attr_color_text, site FROM home_assistant_events"
        " WHERE entity_id = 'sensor.b'",
        "test",
    )
    assert [row[1:] for row in rows] == [[3.0, "red", "home"]]
    assert pipeline.buffer.max_bytes == 16 * 1024 * 1024


async def test_two_hubs_one_dead(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    influxdb: InfluxServer,
    unused_tcp_port: int,
) -> None:
    dead = MockConfigEntry(
        domain=DOMAIN, data=entry_data(influxdb, port=unused_tcp_port)
    )
    dead.add_to_hass(hass)
    assert await hass.config_entries.async_setup(dead.entry_id)
    set_numbers(hass, 0, 50)
    await flush(hass, hub)
    assert await stored(hass, influxdb, "sensor.number") == numbers(0, 50)
    snapshot = dead.runtime_data.pipeline.snapshot()
    assert snapshot.backlog_points >= 50
    assert snapshot.written == 0
    await hass.config_entries.async_remove(dead.entry_id)


async def test_counters_go_on_after_a_restart(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    set_numbers(hass, 0, 20)
    before = await flush(hass, entry)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_FINAL_WRITE)
    await hass.async_block_till_done()
    await hass.config_entries.async_unload(entry.entry_id)
    assert await hass.config_entries.async_setup(entry.entry_id)
    after = await flush(hass, entry)
    assert after["written"] >= before["written"] >= 20
    assert after["captured"] >= before["captured"]
    await hass.config_entries.async_remove(entry.entry_id)


async def test_damaged_buffer_is_reported_and_replaced(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    influxdb: InfluxServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path: Path = buffer_path(hass, entry.entry_id)
    write: Callable[[], int] = lambda: path.write_bytes(b"no database" * 1_000)  # noqa: E731
    path.parent.mkdir(parents=True, exist_ok=True)
    write()
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert "was damaged; it was moved to" in caplog.text
    set_numbers(hass, 0, 5)
    await flush(hass, entry)
    assert await stored(hass, influxdb, "sensor.number") == numbers(0, 5)
    await hass.config_entries.async_remove(entry.entry_id)


async def test_default_bound_follows_the_free_disk(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    entry.add_to_hass(hass)
    with patch(
        "custom_components.ha_ingestor.pipeline.shutil.disk_usage",
        return_value=type("Usage", (), {"free": 10 * 77}),
    ):
        assert await hass.config_entries.async_setup(entry.entry_id)
    assert entry.runtime_data.pipeline.buffer.max_bytes == 77
    await hass.config_entries.async_remove(entry.entry_id)

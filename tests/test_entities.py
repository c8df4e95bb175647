"""The device "Pipeline": what a person sees of a hub."""

from datetime import timedelta

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.coordinator import _catch_up_s
from custom_components.ha_ingestor.store.stats import LinkState
from devlib.influxd import InfluxServer
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.util import dt as dt_util
from tests.conftest import entry_data

KEYS = {
    "backlog_bytes",
    "backlog_points",
    "captured",
    "catch_up",
    "connectivity",
    "dead_letters",
    "dropped",
    "filtered",
    "flush",
    "job_progress",
    "oldest_age",
    "rejected",
    "repaired",
    "sampled",
    "write_latency",
    "write_rate",
    "written",
}
QUIET_KEYS = {
    "backlog_bytes",
    "filtered",
    "repaired",
    "sampled",
    "write_latency",
    "write_rate",
}
OWN_NAME = "sensor.pipeline_points_written"


async def press_flush(hass: HomeAssistant) -> None:
    await hass.services.async_call(
        "button", "press", {"entity_id": "button.pipeline_flush"}, blocking=True
    )


async def test_one_device_with_all_entities(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    entity_registry: er.EntityRegistry,
    device_registry: dr.DeviceRegistry,
) -> None:
    device = device_registry.async_get_device_by_identifier(
        (DOMAIN, hub.entry_id), hub.entry_id
    )
    assert device is not None
    entries = er.async_entries_for_device(
        entity_registry, device.id, include_disabled_entities=True
    )
    assert {entry.unique_id for entry in entries} == {
        f"{hub.entry_id}_{key}" for key in KEYS
    }
    assert {entry.entity_category for entry in entries} == {
        er.EntityCategory.DIAGNOSTIC
    }
    disabled = {entry.translation_key for entry in entries if entry.disabled_by}
    assert disabled == QUIET_KEYS
    assert device.name == "Pipeline"
    assert device.entry_type is dr.DeviceEntryType.SERVICE


async def test_names_and_units_are_translated(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    state = hass.states.get(OWN_NAME)
    assert state is not None
    assert state.attributes["friendly_name"] == "Pipeline Points written"
    assert state.attributes["unit_of_measurement"] == "points"
    assert state.attributes["state_class"] == "total_increasing"


async def test_figures_follow_twice_a_minute(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    # The first success shows at once; from then on the clock decides.
    await hub.runtime_data.pipeline.async_flush()
    await hass.async_block_till_done()
    before = hass.states.get(OWN_NAME)
    assert before is not None
    for number in range(40):
        hass.states.async_set("sensor.number", str(number))
    await hub.runtime_data.pipeline.async_flush()
    same = hass.states.get(OWN_NAME)
    assert same is not None
    assert same.state == before.state
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=31))
    await hass.async_block_till_done()
    after = hass.states.get(OWN_NAME)
    assert after is not None
    assert int(after.state) >= int(before.state) + 40


async def test_flush_button(hass: HomeAssistant, hub: MockConfigEntry) -> None:
    hass.states.async_set("sensor.number", "1")
    await press_flush(hass)
    figures = hub.runtime_data.coordinator.data.figures
    assert figures.written == figures.captured > 0
    assert figures.backlog_points == 0
    backlog = hass.states.get("sensor.pipeline_backlog")
    assert backlog is not None
    assert backlog.state == "0"


async def test_flush_button_says_why_it_failed_and_then_works(
    hass: HomeAssistant, influxdb: InfluxServer, unused_tcp_port: int
) -> None:
    entry = MockConfigEntry(
        domain=DOMAIN, data=entry_data(influxdb, port=unused_tcp_port)
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    hass.states.async_set("sensor.number", "1")
    with pytest.raises(HomeAssistantError) as caught:
        await press_flush(hass)
    assert caught.value.translation_key == "flush_failed"
    placeholders = caught.value.translation_placeholders
    assert placeholders is not None
    assert int(placeholders["backlog"]) > 0
    await hass.async_block_till_done()
    link = hass.states.get("binary_sensor.pipeline_influxdb")
    assert link is not None
    assert link.state == STATE_OFF
    hass.config_entries.async_update_entry(entry, data=entry_data(influxdb))
    await hass.async_block_till_done()
    await press_flush(hass)
    await hass.async_block_till_done()
    link = hass.states.get("binary_sensor.pipeline_influxdb")
    assert link is not None
    assert link.state == STATE_ON
    await hass.config_entries.async_remove(entry.entry_id)


async def test_connection_is_unknown_before_the_first_try(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    pipeline = hub.runtime_data.pipeline
    await pipeline.async_flush()
    pipeline.stats.link = LinkState.UNTRIED
    hub.runtime_data.coordinator.async_refresh_now()
    await hass.async_block_till_done()
    link = hass.states.get("binary_sensor.pipeline_influxdb")
    assert link is not None
    assert link.state == STATE_UNKNOWN


async def test_own_figures_are_not_captured(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    await press_flush(hass)
    await press_flush(hass)
    rows = await hass.async_add_executor_job(
        influxdb.rows, "SHOW TAG VALUES WITH KEY = entity_id", "test"
    )
    assert [row for row in rows if "pipeline" in row[1]] == []


@pytest.mark.parametrize(
    ("backlog", "written", "shrunk", "elapsed_s", "expected"),
    [
        pytest.param(0, 0, 0, 30.0, 0.0, id="nothing-waits"),
        pytest.param(40, 100, -5, 30.0, 0.0, id="between-two-requests"),
        pytest.param(9_000, 6_000, 3_000, 30.0, 90.0, id="shrinking"),
        pytest.param(9_000, 0, -3_000, 30.0, None, id="growing"),
        pytest.param(9_000, 0, 0, 0.0, None, id="no-time-passed"),
    ],
)
def test_time_to_catch_up(
    backlog: int,
    written: int,
    shrunk: int,
    elapsed_s: float,
    expected: float | None,
) -> None:
    assert _catch_up_s(backlog, written, shrunk, elapsed_s) == expected

"""A hub from set-up to removal, against a real server."""

from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.const import DOMAIN
from devlib.influxd import InfluxServer
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant


async def flush(hass: HomeAssistant) -> dict[str, int]:
    answer = await hass.services.async_call(
        DOMAIN, "flush", {}, blocking=True, return_response=True
    )
    assert answer is not None
    return answer  # type: ignore[return-value]


async def test_states_are_stored(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    assert hub.state is ConfigEntryState.LOADED
    hass.states.async_set("sensor.kitchen", "21.5", {"unit_of_measurement": "°C"})
    hass.states.async_set("sensor.kitchen", "21.6", {"unit_of_measurement": "°C"})
    figures = await flush(hass)
    assert figures["backlog_points"] == 0
    rows = await hass.async_add_executor_job(
        influxdb.rows,
        "SELECT value, state, previous_state FROM home_assistant_events"
        " WHERE entity_id = 'sensor.kitchen'",
        "test",
    )
    assert [row[1:] for row in rows] == [[21.5, "21.5", None], [21.6, "21.6", "21.5"]]

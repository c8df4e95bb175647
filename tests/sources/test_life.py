"""A source of a running hub: added, shown, written, broken, mended, removed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.coordinators.environment import DATA_BASE_URLS
from custom_components.ha_ingestor.models import ContextField
from devlib.influxd import InfluxServer
from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)
from homeassistant.util import dt as dt_util
from tests.sources.kit import Answer, ProviderServer

SENSOR = "sensor.uk_carbon_intensity_carbon_intensity"
CLEAN = "binary_sensor.uk_carbon_intensity_grid_is_clean"
RATE = "sensor.uk_carbon_intensity_success_rate"


def half_hours(value: float, count: int = 96) -> list[dict[str, Any]]:
    """Slots from the present one on, each one dirtier by 1 g than the last."""
    now = datetime.now(UTC)
    start = now.replace(minute=30 * (now.minute // 30), second=0, microsecond=0)
    pattern = "%Y-%m-%dT%H:%MZ"
    return [
        {
            "from": (start + index * timedelta(minutes=30)).strftime(pattern),
            "to": (start + (index + 1) * timedelta(minutes=30)).strftime(pattern),
            "intensity": {"forecast": value + index, "actual": None, "index": "low"},
        }
        for index in range(count)
    ]


class AnyIntensity(Answer):
    """The path holds the minute."""

    def fits(self, request: Any) -> bool:
        return request.path.startswith("/intensity/")


def good(value: float = 143) -> list[Answer]:
    return [
        AnyIntensity(path="", body={"data": half_hours(value)}),
        Answer(
            path="/generation",
            body={
                "data": {
                    "generationmix": [
                        {"fuel": "gas", "perc": 40.0},
                        {"fuel": "wind", "perc": 35.5},
                    ]
                }
            },
        ),
    ]


async def add_source(hass: HomeAssistant, hub: MockConfigEntry) -> dict[str, Any]:
    flows = hass.config_entries.subentries
    result = await flows.async_init(
        (hub.entry_id, "carbon_intensity"), context={"source": SOURCE_USER}
    )
    if result["step_id"] == "user":
        result = await flows.async_configure(
            result["flow_id"], {"provider": "uk_carbon_intensity"}
        )
    assert result["step_id"] == "uk_carbon_intensity"
    return await flows.async_configure(result["flow_id"], {})


@pytest.fixture
async def source_id(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer
) -> str:
    """A source that answers, added through its flow."""
    provider.answers = good()
    result = await add_source(hass, hub)
    assert result["step_id"] == "settings"
    assert result["description_placeholders"]["answer"] == "143 gCO2eq/kWh"
    result = await hass.config_entries.subentries.async_configure(
        result["flow_id"], {"clean_below": 150}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done(wait_background_tasks=True)
    return next(iter(hub.subentries))


async def refresh(hass: HomeAssistant, hub: MockConfigEntry) -> None:
    """Let the next poll be due."""
    [coordinator] = hub.runtime_data.sources.coordinators
    await coordinator.async_refresh()
    await hass.async_block_till_done()


async def test_a_source_is_shown_and_written(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    source_id: str,
    influxdb: InfluxServer,
    device_registry: dr.DeviceRegistry,
) -> None:
    assert hass.states.get(SENSOR).state == "143.0"
    assert hass.states.get(SENSOR).attributes["stale"] is False
    assert hass.states.get(CLEAN).state == "on"
    assert hass.states.get(RATE).state == "100.0"
    device = device_registry.async_get_device_by_identifier(
        (DOMAIN, source_id), hub.entry_id
    )
    assert device.config_subentry_id == source_id

    hass.states.async_set("sensor.kitchen", "1")
    await hass.services.async_call(DOMAIN, "flush", blocking=True)

    rows = influxdb.rows(
        "SELECT carbon_intensity_gco2_kwh FROM carbon_intensity", "test"
    )
    assert [row[1] for row in rows] == [143.0]
    events = influxdb.rows(
        "SELECT carbon_intensity FROM home_assistant_events"
        " WHERE entity_id = 'sensor.kitchen'",
        "test",
    )
    assert [row[1] for row in events] == [143.0]


async def test_the_next_slot_is_shown_when_it_begins(
    hass: HomeAssistant, hub: MockConfigEntry, source_id: str, freezer: Any
) -> None:
    freezer.move_to(dt_util.utcnow() + timedelta(minutes=30))
    async_fire_time_changed(hass)
    await hass.async_block_till_done()

    assert hass.states.get(SENSOR).state == "144.0"


async def test_a_failure_keeps_what_is_true_then_recovers(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    source_id: str,
    provider: ProviderServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider.answers = [AnyIntensity(path="", status=503)]
    await refresh(hass, hub)
    await refresh(hass, hub)

    assert hass.states.get(SENSOR).state == "143.0"
    assert hass.states.get(SENSOR).attributes["stale"] is True
    assert hass.states.get(RATE).state == "33.3333333333333"
    assert hass.states.get(RATE).attributes["last_error"] == "HTTP status 503"
    assert caplog.text.count("Error fetching UK Carbon Intensity (Test) data") == 1

    provider.answers = good(160)
    await refresh(hass, hub)

    assert hass.states.get(SENSOR).state == "160.0"
    assert hass.states.get(SENSOR).attributes["stale"] is False
    assert hass.states.get(CLEAN).state == "off"
    assert caplog.text.count("Fetching UK Carbon Intensity (Test) data recovered") == 1


async def test_what_has_expired_is_not_shown(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    source_id: str,
    provider: ProviderServer,
    freezer: Any,
) -> None:
    provider.answers = []
    freezer.move_to(dt_util.utcnow() + timedelta(hours=4))
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)

    assert hass.states.get(SENSOR).state == "unavailable"
    coordinator = hub.runtime_data.sources.coordinators[0]
    assert coordinator.get_context_value() is None

    provider.answers = good(150)
    await coordinator.async_refresh()
    await hass.async_block_till_done()

    assert hass.states.get(SENSOR).state == "150.0"
    assert coordinator.get_context_value() == 150.0


async def test_refused_credentials_ask_for_help_until_they_are_accepted(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    source_id: str,
    provider: ProviderServer,
    issue_registry: ir.IssueRegistry,
) -> None:
    provider.answers = [
        AnyIntensity(path="", status=400, body={"error": {"message": "bad postcode"}})
    ]
    await refresh(hass, hub)
    assert not issue_registry.issues

    await refresh(hass, hub)
    assert (DOMAIN, f"source_{source_id}") in issue_registry.issues

    provider.answers = good()
    await refresh(hass, hub)
    assert not issue_registry.issues


async def test_a_restart_shows_the_cache_and_asks_nobody(
    hass: HomeAssistant, hub: MockConfigEntry, source_id: str, provider: ProviderServer
) -> None:
    asked = len(provider.requests)

    await hass.config_entries.async_reload(hub.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)

    assert hass.states.get(SENSOR).state == "143.0"
    assert len(provider.requests) == asked


async def test_reconfigured_settings_apply_at_once(
    hass: HomeAssistant, hub: MockConfigEntry, source_id: str
) -> None:
    flows = hass.config_entries.subentries
    result = await flows.async_init(
        (hub.entry_id, "carbon_intensity"),
        context={"source": "reconfigure", "subentry_id": source_id},
    )
    result = await flows.async_configure(result["flow_id"], {})
    result = await flows.async_configure(result["flow_id"], {"clean_below": 100})
    await hass.async_block_till_done(wait_background_tasks=True)

    assert result["reason"] == "reconfigure_successful"
    assert hass.states.get(CLEAN).state == "off"


async def test_a_removed_source_leaves_nothing(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    source_id: str,
    entity_registry: er.EntityRegistry,
    hass_storage: dict[str, Any],
) -> None:
    await hass.config_entries.async_reload(hub.entry_id)
    cache = f"{DOMAIN}/source_{source_id}"
    assert cache in hass_storage

    hass.config_entries.async_remove_subentry(hub, source_id)
    await hass.async_block_till_done()

    assert hass.states.get(SENSOR) is None
    assert entity_registry.async_get(SENSOR) is None
    assert cache not in hass_storage
    assert hub.runtime_data.sources.coordinators == []


@pytest.mark.parametrize(
    ("answers", "errors"),
    [
        pytest.param([], {"base": "unreadable"}, id="not-found"),
        pytest.param(
            [AnyIntensity(path="", status=503)], {"base": "unavailable"}, id="down"
        ),
        pytest.param(
            [AnyIntensity(path="", status=429)],
            {"base": "rate_limited"},
            id="too-often",
        ),
        pytest.param(
            [AnyIntensity(path="", status=400, body={"message": "postcode"})],
            {"postcode": "unknown_postcode"},
            id="argument",
        ),
        pytest.param(
            [AnyIntensity(path="", body="<html>")], {"base": "unreadable"}, id="garbage"
        ),
    ],
)
async def test_the_form_says_what_is_wrong_and_goes_on(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    answers: list[Answer],
    errors: dict[str, str],
) -> None:
    provider.answers = answers
    result = await add_source(hass, hub)
    assert result["errors"] == errors

    provider.answers = good()
    flows = hass.config_entries.subentries
    result = await flows.async_configure(result["flow_id"], {"postcode": ""})
    result = await flows.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.CREATE_ENTRY

    result = await add_source(hass, hub)
    assert result["reason"] == "already_configured"


async def test_a_host_that_is_away_costs_no_time(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    source_id: str,
    provider: ProviderServer,
    unused_tcp_port_factory: Callable[[], int],
) -> None:
    base_url = f"http://127.0.0.1:{unused_tcp_port_factory()}"
    hass.data[DATA_BASE_URLS] = {"uk_carbon_intensity": base_url}
    await hass.config_entries.async_reload(hub.entry_id)

    await refresh(hass, hub)

    [coordinator] = hub.runtime_data.sources.coordinators
    assert coordinator.last_error == "No working connection (ClientConnectorError)"
    values = hub.runtime_data.pipeline._listener.context.values
    assert values[ContextField.CARBON_INTENSITY] == 143.0

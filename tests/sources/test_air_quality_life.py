"""Air quality in a running hub: changes of category, failures, and what expires."""

from datetime import UTC, datetime, timedelta
import logging
from typing import Any, Final

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.ha_ingestor.const import DOMAIN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from tests.sources.air_quality_kit import (
    MEASURED_AT,
    PLACE,
    add,
    add_open_meteo,
    find_home,
    open_meteo,
    poll,
)
from tests.sources.kit import Answer, ProviderServer

AQI: Final = "sensor.open_meteo_air_quality_index"
PM25: Final = "sensor.open_meteo_pm2_5"
CHANGED: Final = "event.open_meteo_air_quality_changed"
LOGGER: Final = "custom_components.ha_ingestor.coordinators.air_quality"


async def test_a_change_of_category_is_an_event_and_a_line(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    await add_open_meteo(hass, hub, provider, us=61)
    assert hass.states.get(CHANGED).state == "unknown"

    # Another number of the same category is none.
    await poll(hass, provider, open_meteo(us=80), hub)
    assert hass.states.get(CHANGED).state == "unknown"
    assert [item for item in caplog.records if item.name == LOGGER] == []

    await poll(hass, provider, open_meteo(us=160), hub)
    worse = hass.states.get(CHANGED)
    assert worse.state != "unknown"
    assert {
        key: worse.attributes[key]
        for key in ("event_type", "from", "to", "aqi", "scale")
    } == {
        "event_type": "worse",
        "from": "moderate",
        "to": "unhealthy",
        "aqi": 160,
        "scale": "us",
    }

    await poll(hass, provider, open_meteo(us=20), hub)
    assert hass.states.get(CHANGED).attributes["event_type"] == "better"
    name = "Air quality of Open-Meteo (Test)"
    assert [item.getMessage() for item in caplog.records if item.name == LOGGER] == [
        f"{name} has changed from moderate to unhealthy (AQI 160)",
        f"{name} has changed from unhealthy to good (AQI 20)",
    ]


async def test_a_change_is_noticed_across_a_restart(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer
) -> None:
    await add_open_meteo(hass, hub, provider, us=61)
    await hass.config_entries.async_reload(hub.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    before = hass.states.get(CHANGED).state

    await poll(hass, provider, open_meteo(us=20), hub)

    assert hass.states.get(CHANGED).state != before
    assert hass.states.get(CHANGED).attributes["from"] == "moderate"


async def test_another_scale_is_no_change(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer
) -> None:
    coordinator = await add_open_meteo(hass, hub, provider, us=61)
    flows = hass.config_entries.subentries
    result = await flows.async_init(
        (hub.entry_id, "air_quality"),
        context={
            "source": "reconfigure",
            "subentry_id": coordinator.subentry.subentry_id,
        },
    )
    home = {"location": find_home(hass)}
    result = await flows.async_configure(result["flow_id"], home)
    result = await flows.async_configure(result["flow_id"], {"scale": "european"})
    await hass.async_block_till_done(wait_background_tasks=True)

    assert result["reason"] == "reconfigure_successful"
    assert hass.states.get(AQI).state == "42"
    assert hass.states.get(CHANGED).state == "unknown"

    await poll(hass, provider, open_meteo(european=70), hub)
    assert hass.states.get(CHANGED).attributes["to"] == "poor"


async def test_another_place_is_no_change(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer
) -> None:
    coordinator = await add_open_meteo(hass, hub, provider, us=61)
    provider.answers = open_meteo(us=20)
    flows = hass.config_entries.subentries
    result = await flows.async_init(
        (hub.entry_id, "air_quality"),
        context={
            "source": "reconfigure",
            "subentry_id": coordinator.subentry.subentry_id,
        },
    )
    result = await flows.async_configure(
        result["flow_id"], {"location": {"latitude": 47.0, "longitude": 8.0}}
    )
    result = await flows.async_configure(result["flow_id"], {"scale": "us"})
    await hass.async_block_till_done(wait_background_tasks=True)

    assert hass.states.get(AQI).state == "20"
    assert hass.states.get(CHANGED).state == "unknown"


async def test_a_failure_keeps_what_is_true_then_recovers(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer
) -> None:
    await add_open_meteo(hass, hub, provider)

    await poll(hass, provider, [Answer(path="/v1/air-quality", status=502)], hub)
    assert hass.states.get(AQI).state == "61"
    assert hass.states.get(AQI).attributes["stale"] is True

    await poll(hass, provider, open_meteo(us=70), hub)
    assert hass.states.get(AQI).state == "70"
    assert hass.states.get(AQI).attributes["stale"] is False


async def test_three_hours_after_the_measurement_nothing_is_shown(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer, freezer: Any
) -> None:
    await add_open_meteo(hass, hub, provider)
    provider.answers = []

    freezer.move_to(MEASURED_AT + timedelta(hours=3, seconds=1))
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert hass.states.get(AQI).state == "unavailable"
    assert hass.states.get(PM25).state == "unavailable"

    later = MEASURED_AT + timedelta(hours=3)
    await poll(hass, provider, open_meteo(us=30, measured_at=later), hub)
    assert hass.states.get(AQI).state == "30"
    # It was not seen for hours, but it has changed.
    assert hass.states.get(CHANGED).attributes["event_type"] == "better"


async def test_a_value_goes_when_it_is_too_old_though_others_stay(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer, freezer: Any
) -> None:
    now = datetime.now(UTC)
    moments = {1: now - timedelta(hours=2), 2: now - timedelta(minutes=5)}
    station = {
        "id": 7,
        "name": "Del Norte",
        "sensors": [
            {"id": 1, "parameter": {"name": "o3", "units": "ppm"}},
            {"id": 2, "parameter": {"name": "pm25", "units": "µg/m³"}},
        ],
    }
    latest = [
        {"sensorsId": key, "value": 0.03, "datetime": {"utc": moment.isoformat()}}
        for key, moment in moments.items()
    ]
    provider.answers = [
        Answer(path="/locations", body={"results": [station]}),
        Answer(path="/locations/7/latest", body={"results": latest}),
    ]
    arguments = {"api_key": "x" * 8, "location": PLACE}
    await add(hass, hub, "openaq", arguments, "us")
    name = "sensor.openaq_del_norte"
    assert hass.states.get(f"{name}_dominant_pollutant").state == "o3"

    provider.answers = []
    freezer.move_to(now + timedelta(hours=1, seconds=5))
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)

    assert hass.states.get(f"{name}_ozone").state == "unknown"
    assert hass.states.get(f"{name}_pm2_5").state == "0.03"
    assert hass.states.get(f"{name}_dominant_pollutant").state == "pm25"


async def test_a_refused_key_asks_for_help_until_it_is_accepted(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    issue_registry: ir.IssueRegistry,
) -> None:
    feed = {
        "aqi": 57,
        "city": {"name": "Berlin"},
        "iaqi": {"pm25": {"v": 57}},
        "time": {"iso": datetime.now(UTC).isoformat()},
    }
    path = "/feed/geo:52.52;13.40/"
    good = [Answer(path=path, body={"status": "ok", "data": feed})]
    refused = [Answer(path=path, body={"status": "error", "data": "Invalid key"})]
    provider.answers = good
    arguments = {"api_token": "x" * 8, "location": PLACE}
    coordinator = await add(hass, hub, "waqi", arguments, "us")
    issue = (DOMAIN, f"source_{coordinator.subentry.subentry_id}")

    await poll(hass, provider, refused, hub)
    assert issue not in issue_registry.issues
    await poll(hass, provider, refused, hub)
    assert issue in issue_registry.issues

    await poll(hass, provider, good, hub)
    assert issue not in issue_registry.issues
    assert hass.states.get(
        "sensor.world_air_quality_index_berlin_air_quality"
    ).state == ("moderate")

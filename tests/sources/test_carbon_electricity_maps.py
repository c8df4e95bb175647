"""Electricity Maps: plans that include more or less, and keys that do not fit."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.coordinators.environment import create_source
from custom_components.ha_ingestor.sources.carbon.electricity_maps import (
    ELECTRICITY_MAPS,
)
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
from tests.sources.carbon_kit import add_carbon, refresh, start_flow
from tests.sources.kit import Answer, ProviderServer, create_case_context

KEY = "stand-in-key"
LATEST = "/carbon-intensity/latest"
BREAKDOWN = "/power-breakdown/latest"
FORECAST = "/carbon-intensity/forecast"
DENIED = Answer(path=LATEST, status=403, body="Access denied")
NO_FORECAST = Answer(path=FORECAST, status=403, body="Access denied")


def present_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def latest(value: float = 300) -> Answer:
    body = {
        "zone": "DE",
        "carbonIntensity": value,
        "datetime": f"{present_hour():%FT%TZ}",
    }
    return Answer(path=LATEST, body=body)


def mix() -> Answer:
    body = {"zone": "DE", "fossilFreePercentage": 61, "renewablePercentage": 58}
    return Answer(path=BREAKDOWN, body=body)


def forecast(first: float = 310) -> Answer:
    hours = [
        {
            "carbonIntensity": first - 5 * hour,
            "datetime": f"{present_hour() + timedelta(hours=hour):%FT%TZ}",
        }
        for hour in range(25)
    ]
    return Answer(path=FORECAST, body={"zone": "DE", "forecast": hours})


def list_paths(provider: ProviderServer) -> list[str]:
    return [path.partition("?")[0] for _, path, _, _ in provider.requests]


async def test_a_full_plan_shows_everything(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    influxdb: InfluxServer,
) -> None:
    provider.answers = [latest(), mix(), forecast()]
    source = await add_carbon(
        hass, hub, "electricity_maps", {"api_key": KEY, "zone": "DE"}, {}
    )

    name = "sensor.electricity_maps_de"
    assert hass.states.get(f"{name}_carbon_intensity").state == "300.0"
    assert hass.states.get(f"{name}_renewable_power").state == "58.0"
    assert hass.states.get(f"{name}_fossil_power").state == "39.0"
    # What was measured stands in for the forecast of the present hour alone.
    assert [slot.value for slot in source.slots][:3] == [300, 305, 300]
    assert {headers["auth-token"] for _, _, headers, _ in provider.requests} == {KEY}

    await hass.services.async_call(DOMAIN, "flush", blocking=True)
    rows = influxdb.rows(
        "SELECT carbon_intensity_gco2_kwh, forecast_1h, forecast_24h, region"
        " FROM carbon_intensity",
        "test",
    )
    assert [row[1:] for row in rows] == [[300, 305, 190, "DE"]]


async def test_what_a_plan_does_not_include_is_left_out(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer
) -> None:
    provider.answers = [latest(), mix(), NO_FORECAST]
    source = await add_carbon(hass, hub, "electricity_maps", {"api_key": KEY}, {})
    provider.requests.clear()

    await refresh(hass, source)
    await refresh(hass, source)

    assert list_paths(provider) == [LATEST, BREAKDOWN] * 2
    assert source.last_error is None
    name = "sensor.electricity_maps_de"
    assert hass.states.get(f"{name}_carbon_intensity").state == "300.0"
    assert hass.states.get(f"{name}_lowest_carbon_window_start") is None
    assert hass.states.get(f"{name}_carbon_intensity").attributes["forecast"] == []
    # The present is all there is, and holds as long as the data do.
    [slot] = source.slots
    assert (slot.value, slot.end) == (300.0, present_hour() + timedelta(hours=3))


@pytest.mark.parametrize("status", [401, 402, 403, 404])
async def test_a_larger_plan_is_noticed_within_a_day(
    hass: HomeAssistant, provider: ProviderServer, status: int
) -> None:
    refusal = Answer(path=FORECAST, status=status)
    provider.answers = [latest(), mix(), refusal]
    source = create_source(hass, ELECTRICITY_MAPS, {"api_key": KEY, "zone": "DE"})
    now = datetime.now(UTC)

    async def ask(hours: float) -> Any:
        moment = now + timedelta(hours=hours)
        home = create_case_context({"now": moment.isoformat()})
        return (await source.async_fetch(home)).data.forecast

    assert await ask(0) == ()
    provider.answers[-1] = forecast()
    assert await ask(23) == ()
    assert len(await ask(24)) == 25


async def test_a_key_for_home_assistant_alone_is_enough(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer
) -> None:
    inner = {
        "carbonIntensity": 474,
        "datetime": f"{present_hour():%FT%TZ}",
        "fossilFuelPercentage": 42.22,
    }
    body = {"status": "ok", "countryCode": "DE", "data": inner}
    only = Answer(path="/home-assistant", body=body)
    provider.answers = [DENIED, only]
    source = await add_carbon(hass, hub, "electricity_maps", {"api_key": KEY}, {})
    provider.requests.clear()

    await refresh(hass, source)

    assert list_paths(provider) == ["/home-assistant"]
    assert hass.states.get("sensor.electricity_maps_de_fossil_power").state == "42.22"


@pytest.mark.parametrize(
    ("answers", "errors"),
    [
        pytest.param(
            [Answer(path=LATEST, status=401, body={"error": "Invalid auth-token"})],
            {"api_key": "refused"},
            id="key",
        ),
        pytest.param(
            [DENIED, Answer(path="/home-assistant", status=403)],
            {"zone": "zone_refused"},
            id="zone",
        ),
        pytest.param(
            [Answer(path=LATEST, body={"status": "no-data"})],
            {"base": "unreadable"},
            id="no-data",
        ),
        pytest.param(
            [Answer(path=LATEST, status=400, body={"message": "What?"})],
            {"base": "unreadable"},
            id="other-status",
        ),
        pytest.param(
            [Answer(path=LATEST, status=429)], {"base": "rate_limited"}, id="too-often"
        ),
        pytest.param(
            [Answer(path=LATEST, status=502)], {"base": "unavailable"}, id="down"
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
    entered = {"api_key": KEY, "zone": "DE"}
    provider.answers = answers
    flows = hass.config_entries.subentries
    result = await start_flow(hass, hub, "electricity_maps")
    result = await flows.async_configure(result["flow_id"], entered)
    assert result["errors"] == errors

    provider.answers = [latest(), NO_FORECAST]
    result = await flows.async_configure(result["flow_id"], entered)
    result = await flows.async_configure(result["flow_id"], {})
    await hass.async_block_till_done(wait_background_tasks=True)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Electricity Maps DE"


async def test_a_key_that_is_refused_later_asks_for_help(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    issue_registry: ir.IssueRegistry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider.answers = [latest(), mix(), NO_FORECAST]
    source = await add_carbon(hass, hub, "electricity_maps", {"api_key": KEY}, {})
    issue_id = (DOMAIN, f"source_{source.subentry.subentry_id}")
    provider.answers = [
        Answer(path=LATEST, status=401, body={"error": f"No token {KEY}"})
    ]

    await refresh(hass, source)
    await refresh(hass, source)
    assert issue_id in issue_registry.issues
    assert KEY not in caplog.text
    assert KEY not in str(source.last_error)

    provider.answers = [latest(280), mix(), NO_FORECAST]
    await refresh(hass, source)
    assert issue_id not in issue_registry.issues
    assert (
        hass.states.get("sensor.electricity_maps_de_carbon_intensity").state == "280.0"
    )

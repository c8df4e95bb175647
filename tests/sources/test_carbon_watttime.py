"""WattTime: tokens, plans, and what a form says about them."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
import json
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.coordinators.environment import create_source
from custom_components.ha_ingestor.errors import SourceAuthError
from custom_components.ha_ingestor.sources.base import Source
from custom_components.ha_ingestor.sources.carbon.model import CarbonData
from custom_components.ha_ingestor.sources.carbon.watttime import WATTTIME
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from tests.sources.carbon_kit import KIND, add_carbon, refresh, start_flow
from tests.sources.kit import Answer, ProviderServer, create_case_context

NOW = datetime(2026, 6, 1, 10, 3, tzinfo=UTC)
ACCOUNT = {"username": "anna", "password": "stand-in-word"}
ARGUMENTS = {**ACCOUNT, "region": "CAISO_NORTH"}
SCOPE = {"error": "Invalid query parameters", "message": "Invalid scope. Not yours."}
NO_SCOPE = Answer(path="/v3/forecast", status=403, body=SCOPE)


def login(word: str = "first") -> Answer:
    return Answer(path="/login", body={"token": word})


def index(value: float = 42, at: datetime = NOW) -> Answer:
    moment = at.replace(second=0, microsecond=0).isoformat()
    body = {"data": [{"point_time": moment, "value": value}]}
    return Answer(path="/v3/signal-index", body=body)


def forecast(start: datetime, count: int = 576) -> Answer:
    start = start.replace(minute=start.minute // 5 * 5, second=0, microsecond=0)
    data = [
        {"point_time": (start + step * timedelta(minutes=5)).isoformat(), "value": 1000}
        for step in range(count)
    ]
    meta = {"units": "lbs_co2_per_mwh", "data_point_period_seconds": 300}
    return Answer(path="/v3/forecast", body={"data": data, "meta": meta})


REGION = Answer(
    path="/v3/region-from-loc",
    body={"region": "PSCO", "region_full_name": "Public Service Co of Colorado"},
)
EXPIRED = Answer(path="/v3/signal-index", status=401, body={"error": "Token expired"})
FORBIDDEN = Answer(path="/v3/signal-index", status=403, body="Forbidden")


@pytest.fixture
async def source(
    hass: HomeAssistant, provider: ProviderServer
) -> AsyncGenerator[Source[CarbonData]]:
    """A source that has its token already."""
    provider.answers = [login(), index(), NO_SCOPE]
    made = create_source(hass, WATTTIME, ARGUMENTS)
    await made.async_fetch(create_case_context({"now": NOW.isoformat()}))
    provider.requests.clear()
    yield made
    await made.async_close()


def list_paths(provider: ProviderServer) -> list[str]:
    return [path.partition("?")[0] for _, path, _, _ in provider.requests]


def list_tokens(provider: ProviderServer) -> list[str]:
    return [headers["Authorization"] for _, _, headers, _ in provider.requests]


async def ask(source: Source[CarbonData], minutes: float) -> CarbonData:
    now = NOW + timedelta(minutes=minutes)
    result = await source.async_fetch(create_case_context({"now": now.isoformat()}))
    return result.data


async def test_a_token_is_used_until_it_is_about_to_expire(
    source: Source[CarbonData], provider: ProviderServer
) -> None:
    await ask(source, 15)
    assert list_tokens(provider) == ["Bearer first"]

    provider.requests.clear()
    provider.answers = [login("second"), index(), NO_SCOPE]
    await ask(source, 25)

    assert list_paths(provider) == ["/login", "/v3/signal-index"]
    assert list_tokens(provider)[0].startswith("Basic ")
    assert list_tokens(provider)[1:] == ["Bearer second"]


@pytest.mark.parametrize(
    "refusal", [pytest.param(EXPIRED, id="401"), pytest.param(FORBIDDEN, id="403")]
)
async def test_a_token_that_expired_early_is_renewed_once(
    source: Source[CarbonData], provider: ProviderServer, refusal: Answer
) -> None:
    provider.answers = [refusal, login("second"), index(77)]

    data = await ask(source, 15)

    assert data.percentile == 77
    assert list_paths(provider) == ["/v3/signal-index", "/login", "/v3/signal-index"]


async def test_a_refusal_that_stays_is_not_asked_for_ever(
    source: Source[CarbonData], provider: ProviderServer
) -> None:
    provider.answers = [EXPIRED, Answer(path="/login", status=401, body="no")]

    with pytest.raises(SourceAuthError) as caught:
        await ask(source, 15)

    assert caught.value.argument == "password"
    assert list_paths(provider) == ["/v3/signal-index", "/login"]

    provider.answers = [login("second"), index(12), NO_SCOPE]
    assert (await ask(source, 16)).percentile == 12


async def test_a_plan_without_a_forecast_is_asked_once_a_day(
    source: Source[CarbonData], provider: ProviderServer
) -> None:
    provider.answers = [login(), index(), forecast(NOW + timedelta(days=1, minutes=1))]

    assert (await ask(source, 15)).forecast == ()
    assert "/v3/forecast" not in list_paths(provider)

    data = await ask(source, 24 * 60 + 1)
    assert len(data.forecast) == 576
    assert data.intensity == 453.592


async def test_a_busy_forecast_is_left_in_peace(
    hass: HomeAssistant, provider: ProviderServer
) -> None:
    busy = Answer(path="/v3/forecast", status=429, headers={"Retry-After": "1800"})
    provider.answers = [login(), index(), busy]
    source = create_source(hass, WATTTIME, ARGUMENTS)

    await ask(source, 0)
    await ask(source, 15)
    assert list_paths(provider).count("/v3/forecast") == 1

    await ask(source, 30)
    assert list_paths(provider).count("/v3/forecast") == 2


async def test_the_region_is_found_once(
    hass: HomeAssistant, provider: ProviderServer
) -> None:
    provider.answers = [login(), REGION, index(), NO_SCOPE]
    source = create_source(hass, WATTTIME, ACCOUNT)

    first = await ask(source, 0)
    second = await ask(source, 15)

    assert (first.region, second.region) == ("PSCO", "PSCO")
    assert list_paths(provider).count("/v3/region-from-loc") == 1


async def test_without_a_subscription_there_is_a_percentile_only(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    influxdb: InfluxServer,
) -> None:
    provider.answers = [login(), REGION, index(20, datetime.now(UTC)), NO_SCOPE]
    source = await add_carbon(
        hass,
        hub,
        "watttime",
        {**ACCOUNT, "location": {"latitude": 39.7, "longitude": -105, "radius": 9}},
        {"clean_below": 200, "clean_percentile": 30},
    )

    shown = {
        state.entity_id: state.state
        for state in hass.states.async_all(["sensor", "binary_sensor"])
        if "watttime" in state.entity_id
    }
    name = "watttime_public_service_co_of_colorado"
    assert shown == {
        f"sensor.{name}_success_rate": "100.0",
        f"sensor.{name}_carbon_intensity_percentile": "20.0",
        f"binary_sensor.{name}_grid_is_clean": "on",
    }
    assert source.current() is None
    assert source.slots == ()
    assert source.get_context_value() is None

    await hass.services.async_call(DOMAIN, "flush", blocking=True)
    rows = influxdb.rows(
        "SELECT percentile, region, provider FROM carbon_intensity", "test"
    )
    assert [row[1:] for row in rows] == [[20, "PSCO", "watttime"]]


async def test_who_subscribes_later_gets_the_rest_within_a_day(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer, freezer: Any
) -> None:
    provider.answers = [login(), REGION, index(20, datetime.now(UTC)), NO_SCOPE]
    source = await add_carbon(hass, hub, "watttime", ACCOUNT, {})
    freezer.move_to(datetime.now(UTC) + timedelta(days=1, minutes=1))
    now = datetime.now(UTC)
    provider.answers = [login(), REGION, index(20, now), forecast(now)]
    await refresh(hass, source)
    state = hass.states.get(
        "sensor.watttime_public_service_co_of_colorado_carbon_intensity"
    )
    assert state.state == "453.592"
    assert state.attributes["is_marginal"] is True
    assert 90 < len(state.attributes["forecast"]) <= 160
    assert len(json.dumps(dict(state.attributes), default=str)) < 16 * 1024
    assert len(source.slots) >= 575


@pytest.mark.parametrize(
    ("answers", "errors"),
    [
        pytest.param(
            [Answer(path="/login", status=403, body={"error": "Wrong"})],
            {"password": "refused"},
            id="credentials",
        ),
        pytest.param(
            [
                login(),
                Answer(
                    path="/v3/region-from-loc",
                    status=404,
                    body={"error": "No coverage available"},
                ),
            ],
            {"location": "no_coverage"},
            id="location",
        ),
        pytest.param(
            [
                login(),
                REGION,
                Answer(path="/v3/signal-index", status=403, body=SCOPE),
            ],
            {"region": "region_refused"},
            id="region",
        ),
        pytest.param(
            [login(), Answer(path="/v3/region-from-loc", status=403)],
            {"password": "refused"},
            id="account",
        ),
        pytest.param(
            [Answer(path="/login", status=429)],
            {"base": "rate_limited"},
            id="too-often",
        ),
        pytest.param(
            [Answer(path="/login", status=500)], {"base": "unavailable"}, id="down"
        ),
        pytest.param(
            [login(), Answer(path="/v3/region-from-loc", body="<html>")],
            {"base": "unreadable"},
            id="garbage",
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
    flows = hass.config_entries.subentries
    result = await start_flow(hass, hub, "watttime")
    result = await flows.async_configure(result["flow_id"], ACCOUNT)
    assert result["errors"] == errors

    provider.answers = [login(), REGION, index(), NO_SCOPE]
    result = await flows.async_configure(result["flow_id"], ACCOUNT)
    result = await flows.async_configure(result["flow_id"], {})
    await hass.async_block_till_done(wait_background_tasks=True)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "WattTime Public Service Co of Colorado"
    [subentry] = hub.subentries.values()
    assert subentry.subentry_type == KIND
    assert dict(subentry.data["arguments"]) == ACCOUNT


async def test_no_secret_is_shown(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    caplog: pytest.LogCaptureFixture,
    freezer: Any,
) -> None:
    provider.answers = [login(), REGION, index(at=datetime.now(UTC)), NO_SCOPE]
    source = await add_carbon(hass, hub, "watttime", ACCOUNT, {})
    provider.answers = [Answer(path="/login", status=401, body={"error": "no"})]
    freezer.move_to(datetime.now(UTC) + timedelta(minutes=26))
    await refresh(hass, source)

    shown: list[Any] = [state.as_dict() for state in hass.states.async_all()]
    text = f"{shown} {caplog.text} {source.last_error}"
    assert source.last_error == "no"
    assert "stand-in-word" not in text
    assert "first" not in caplog.text

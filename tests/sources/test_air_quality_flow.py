"""Adding air quality in the UI: defaults for the home, and which field is wrong."""

from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from homeassistant.core import HomeAssistant
from tests.sources.air_quality_kit import PLACE, open_meteo, start_flow
from tests.sources.kit import Answer, ProviderServer


async def test_the_form_begins_with_the_home_and_its_scale(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer
) -> None:
    hass.config.country = "AT"
    hass.config.latitude, hass.config.longitude = 48.2082, 16.3738
    flows = hass.config_entries.subentries

    result = await start_flow(hass, hub, "open_meteo")
    [place] = result["data_schema"].schema
    assert place.description["suggested_value"] == {
        "latitude": 48.2082,
        "longitude": 16.3738,
    }
    provider.answers = open_meteo()
    result = await flows.async_configure(
        result["flow_id"], {"location": {**PLACE, "radius": 100}}
    )

    assert result["description_placeholders"]["answer"] == "US AQI 61, EU AQI 42"
    [scale] = result["data_schema"].schema
    assert scale.description["suggested_value"] == "european"
    [(_, path, _, _)] = provider.requests
    assert "latitude=52.52&longitude=13.40" in path

    result = await flows.async_configure(result["flow_id"], {"scale": "european"})
    # It is not the home, so its title tells where it is.
    assert result["title"] == "Open-Meteo 52.52, 13.40"


@pytest.mark.parametrize(
    ("country", "latitude", "longitude", "scale"),
    [
        pytest.param("US", 48.0, 11.0, "us", id="country-goes-before-place"),
        pytest.param("NO", 32.9, -117.2, "european", id="no-member-of-the-union"),
        pytest.param(None, 48.1, 11.6, "european", id="munich"),
        pytest.param(None, 32.9, -117.2, "us", id="san-diego"),
        pytest.param(None, -33.9, 18.4, "us", id="cape-town"),
    ],
)
async def test_the_scale_that_people_know(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    country: str | None,
    latitude: float,
    longitude: float,
    scale: str,
) -> None:
    hass.config.country = country
    hass.config.latitude, hass.config.longitude = latitude, longitude
    provider.answers = open_meteo()

    result = await start_flow(hass, hub, "open_meteo")
    result = await hass.config_entries.subentries.async_configure(
        result["flow_id"], {"location": PLACE}
    )

    [field] = result["data_schema"].schema
    assert field.description["suggested_value"] == scale


@pytest.mark.parametrize(
    ("provider_key", "arguments", "answer", "errors"),
    [
        pytest.param(
            "airnow",
            {"api_key": "x" * 8, "location": PLACE},
            Answer(
                path="/aq/observation/current/ziplatlong/",
                body={"WebServiceError": [{"Message": "Invalid API key"}]},
            ),
            {"api_key": "refused"},
            id="airnow-key",
        ),
        pytest.param(
            "waqi",
            {"api_token": "x" * 8, "location": PLACE},
            Answer(
                path="/feed/geo:52.52;13.40/",
                body={"status": "error", "data": "Invalid key"},
            ),
            {"api_token": "refused"},
            id="waqi-token",
        ),
        pytest.param(
            "waqi",
            {"api_token": "x" * 8, "location": PLACE, "station": "@1"},
            Answer(
                path="/feed/@1/", body={"status": "error", "data": "Unknown station"}
            ),
            {"station": "unknown_station"},
            id="waqi-station",
        ),
        pytest.param(
            "openaq",
            {"api_key": "x" * 8, "location": PLACE, "location_id": "1"},
            Answer(path="/locations/1", status=404, body={"detail": "None"}),
            {"location_id": "unknown_location"},
            id="openaq-station",
        ),
        pytest.param(
            "openaq",
            {"api_key": "x" * 8, "location": PLACE, "location_id": "Rome"},
            Answer(path="/"),
            {"location_id": "invalid_location_id"},
            id="openaq-number",
        ),
        pytest.param(
            "openaq",
            {"api_key": "x" * 8, "location": PLACE},
            Answer(path="/locations", status=429),
            {"base": "rate_limited"},
            id="openaq-too-often",
        ),
        pytest.param(
            "purpleair",
            {"api_key": "x" * 8, "sensor_index": "1"},
            Answer(path="/v1/sensors/1", status=404, body={"error": "NotFoundError"}),
            {"sensor_index": "unknown_sensor_index"},
            id="purpleair-sensor",
        ),
        pytest.param(
            "purpleair",
            {"api_key": "x" * 8, "sensor_index": "mine"},
            Answer(path="/"),
            {"sensor_index": "invalid_sensor_index"},
            id="purpleair-number",
        ),
        pytest.param(
            "air_quality_entity",
            {"aqi_scale": "us"},
            Answer(path="/"),
            {"aqi_entity": "no_entity"},
            id="no-entity",
        ),
        pytest.param(
            "air_quality_entity",
            {"aqi_scale": "us", "pm25_entity": "sensor.mass"},
            Answer(path="/"),
            {"pm25_entity": "wrong_unit"},
            id="wrong-unit",
        ),
    ],
)
async def test_the_form_marks_the_wrong_field(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    provider_key: str,
    arguments: dict[str, Any],
    answer: Answer,
    errors: dict[str, str],
) -> None:
    hass.states.async_set("sensor.mass", "3", {"unit_of_measurement": "kg"})
    provider.answers = [answer]

    result = await start_flow(hass, hub, provider_key)
    result = await hass.config_entries.subentries.async_configure(
        result["flow_id"], arguments
    )

    assert result["errors"] == errors

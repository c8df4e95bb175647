"""Air quality in a running hub: what is shown and what is written."""

from datetime import UTC, datetime
from typing import Final

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from custom_components.ha_ingestor.const import DOMAIN
from devlib.influxd import InfluxServer
from homeassistant.components.sensor.const import (
    DEVICE_CLASS_STATE_CLASSES,
    DEVICE_CLASS_UNITS,
    SensorDeviceClass,
)
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import HomeAssistant
from tests.sources.air_quality_kit import (
    MEASURED_AT,
    PLACE,
    add,
    add_open_meteo,
    open_meteo,
    poll,
)
from tests.sources.kit import Answer, ProviderServer

AQI: Final = "sensor.open_meteo_air_quality_index"
CATEGORY: Final = "sensor.open_meteo_air_quality"
DOMINANT: Final = "sensor.open_meteo_dominant_pollutant"
PM25: Final = "sensor.open_meteo_pm2_5"
CHANGED: Final = "event.open_meteo_air_quality_changed"
GASES: Final = ("ozone", "nitrogen_dioxide", "sulphur_dioxide", "carbon_monoxide")


async def test_everything_is_shown_on_the_scale_of_the_user(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer
) -> None:
    await add_open_meteo(hass, hub, provider, "european")

    aqi = hass.states.get(AQI)
    assert aqi.state == "42"
    assert aqi.attributes["device_class"] == "aqi"
    assert aqi.attributes["scale"] == "european"
    assert aqi.attributes["estimated"] is False
    assert aqi.attributes["measured_at"] == MEASURED_AT
    assert "unit_of_measurement" not in aqi.attributes
    assert hass.states.get(CATEGORY).state == "moderate"
    assert hass.states.get(DOMINANT).state == "pm25"
    assert hass.states.get(PM25).state == "14.2"
    assert hass.states.get(PM25).attributes["aqi"] == 42
    assert "computed_from_aqi" not in hass.states.get(PM25).attributes
    assert hass.states.get("sensor.open_meteo_sulfur_dioxide").state == "3.1"
    assert hass.states.get(CHANGED).state == "unknown"


@pytest.mark.parametrize(
    ("name", "device_class"),
    [
        ("air_quality_index", SensorDeviceClass.AQI),
        ("pm2_5", SensorDeviceClass.PM25),
        ("pm10", SensorDeviceClass.PM10),
        ("ozone", SensorDeviceClass.OZONE),
        ("nitrogen_dioxide", SensorDeviceClass.NITROGEN_DIOXIDE),
        ("sulfur_dioxide", SensorDeviceClass.SULPHUR_DIOXIDE),
        ("carbon_monoxide", SensorDeviceClass.CO),
    ],
)
async def test_units_and_classes_are_home_assistants(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    name: str,
    device_class: SensorDeviceClass,
) -> None:
    await add_open_meteo(hass, hub, provider)

    attributes = hass.states.get(f"sensor.open_meteo_{name}").attributes
    assert attributes["device_class"] == device_class
    unit = attributes.get("unit_of_measurement")
    assert unit in DEVICE_CLASS_UNITS[device_class]
    assert attributes["state_class"] in DEVICE_CLASS_STATE_CLASSES[device_class]


async def test_a_pollutant_has_a_sensor_from_the_day_that_it_is_measured(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer
) -> None:
    none: dict[str, None] = dict.fromkeys(GASES)
    await add_open_meteo(hass, hub, provider, **none)
    ozone = "sensor.open_meteo_ozone"
    assert hass.states.get(ozone) is None

    await poll(hass, provider, open_meteo(**{**none, "ozone": 30.0}), hub)
    assert hass.states.get(ozone).state == "30.0"

    await poll(hass, provider, open_meteo(**none), hub)
    assert hass.states.get(ozone).state == "unknown"

    await hass.config_entries.async_reload(hub.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert hass.states.get(ozone).state == "unknown"


async def test_what_comes_from_an_index_says_so(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer
) -> None:
    now = datetime.now(UTC)
    item = {
        "dateObserved": f"{now:%Y-%m-%d}",
        "hourObserved": f"{now:%H}:00",
        "localTimeZone": "UTC",
        "reportingAreaName": "Central LA CO",
        "reportingAgency": "South Coast AQMD",
    }
    body = [
        {**item, "parameterName": "PM2.5", "nowcastAQI": 101},
        {**item, "parameterName": "OZONE", "nowcastAQI": 44},
    ]
    provider.answers = [Answer(path="/aq/observation/current/ziplatlong/", body=body)]
    arguments = {"api_key": "x" * 8, "location": PLACE}
    await add(hass, hub, "airnow", arguments, "us")

    name = "sensor.airnow_central_la_co"
    aqi = hass.states.get(f"{name}_air_quality_index")
    assert aqi.state == "101"
    assert aqi.attributes["origins"] == ["South Coast AQMD"]
    assert hass.states.get(f"{name}_air_quality").state == (
        "unhealthy_for_sensitive_groups"
    )
    pm25 = hass.states.get(f"{name}_pm2_5")
    assert pm25.state == "35.5"
    assert pm25.attributes["computed_from_aqi"] is True
    assert hass.states.get(f"{name}_carbon_monoxide") is None


async def test_an_index_that_nobody_gives_is_an_estimate(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer
) -> None:
    sensor = {
        "name": "Mariners Bluff",
        "last_seen": round(datetime.now(UTC).timestamp()),
        "confidence": 100,
        "humidity": 33,
        "pm2.5_atm": 22.0,
    }
    provider.answers = [Answer(path="/v1/sensors/131075", body={"sensor": sensor})]
    arguments = {"api_key": "x" * 8, "sensor_index": "131075"}
    await add(hass, hub, "purpleair", arguments, "us")

    name = "sensor.purpleair_mariners_bluff"
    aqi = hass.states.get(f"{name}_air_quality_index")
    assert aqi.state == "61"
    assert aqi.attributes["estimated"] is True
    pm25 = hass.states.get(f"{name}_pm2_5")
    assert float(pm25.state) == pytest.approx(14.433, abs=1e-3)
    assert pm25.attributes["correction"] == "epa_2021"


async def test_an_index_that_the_provider_does_not_know_now_is_unknown(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    influxdb: InfluxServer,
) -> None:
    feed = {
        "aqi": "-",
        "city": {"name": "Berlin"},
        "iaqi": {"no2": {"v": 2}},
        "time": {"iso": datetime.now(UTC).isoformat()},
    }
    body = {"status": "ok", "data": feed}
    provider.answers = [Answer(path="/feed/@6337/", body=body)]
    arguments = {"api_token": "x" * 8, "location": PLACE, "station": "6337"}
    await add(hass, hub, "waqi", arguments, "us")

    name = "sensor.world_air_quality_index_berlin"
    assert hass.states.get(f"{name}_air_quality_index").state == "unknown"
    assert hass.states.get(f"{name}_air_quality").state == "unknown"
    assert hass.states.get(f"{name}_nitrogen_dioxide").attributes["aqi"] == 2
    await hass.services.async_call(DOMAIN, "flush", blocking=True)
    rows = influxdb.rows("SELECT aqi, parameter FROM air_quality", "test")
    assert [row[1:] for row in rows] == [[2, "no2"]]


async def test_entities_are_followed_at_once_in_any_unit(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer
) -> None:
    micrograms = {"unit_of_measurement": "μg/m³"}
    hass.states.async_set("sensor.dust", "8", micrograms)
    hass.states.async_set("sensor.gas", "0.4", {"unit_of_measurement": "mg/m³"})
    hass.states.async_set("sensor.index", "130")
    arguments = {
        "aqi_entity": "sensor.index",
        "aqi_scale": "us",
        "pm25_entity": "sensor.dust",
        "co_entity": "sensor.gas",
    }
    await add(hass, hub, "air_quality_entity", arguments, "us")

    name = "sensor.air_quality"
    assert hass.states.get(f"{name}_carbon_monoxide").state == "400.0"
    assert hass.states.get(f"{name}_air_quality_index").state == "130"
    assert hass.states.get(f"{name}_dominant_pollutant").state == "unknown"

    hass.states.async_set("sensor.dust", "9.5", micrograms)
    await hass.async_block_till_done(wait_background_tasks=True)

    assert hass.states.get(f"{name}_pm2_5").state == "9.5"


@pytest.mark.parametrize(
    ("arguments", "aqi", "scale"),
    [
        pytest.param({"aqi_entity": "sensor.index"}, "130", "us", id="only-index"),
        pytest.param({"pm25_entity": "sensor.dust"}, "26", "european", id="dust"),
        # Carbon monoxide is not on the European scale.
        pytest.param({"co_entity": "sensor.gas"}, "4", "us", id="only-gas"),
    ],
)
async def test_the_scale_that_a_source_does_not_have_is_estimated_or_left(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    arguments: dict[str, str],
    aqi: str,
    scale: str,
) -> None:
    hass.states.async_set("sensor.index", "130")
    hass.states.async_set("sensor.dust", "8", {"unit_of_measurement": "μg/m³"})
    hass.states.async_set("sensor.gas", "0.4", {"unit_of_measurement": "mg/m³"})
    arguments = {**arguments, "aqi_scale": "us"}
    await add(hass, hub, "air_quality_entity", arguments, "european")

    name = "sensor.air_quality"
    state = hass.states.get(f"{name}_air_quality_index")
    assert (state.state, state.attributes["scale"]) == (aqi, scale)


# --- what is written


async def test_points_are_written_with_the_time_of_the_measurement(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    influxdb: InfluxServer,
) -> None:
    none = dict.fromkeys(GASES)
    await add_open_meteo(hass, hub, provider, **{**none, "ozone": 31.0})
    await hass.services.async_call(DOMAIN, "flush", blocking=True)

    rows = influxdb.rows(
        "SELECT aqi, concentration, unit, category, location, parameter, provider,"
        " scale FROM air_quality",
        "test",
    )
    # The ozone of this answer has no index of its own.
    same = ["Home", "open_meteo", "us"]
    expected = [
        [61, None, None, "moderate", same[0], "aqi", *same[1:]],
        [None, 31.0, "μg/m³", None, same[0], "o3", *same[1:]],
        [20, 21.4, "μg/m³", "good", same[0], "pm10", *same[1:]],
        [61, 14.2, "μg/m³", "moderate", same[0], "pm25", *same[1:]],
    ]
    assert sorted((row[1:] for row in rows), key=lambda row: row[5]) == expected
    assert {row[0] for row in rows} == {round(MEASURED_AT.timestamp()) * 10**9}


async def test_only_what_is_new_is_written(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await add_open_meteo(hass, hub, provider)
    written: list[str] = []
    monkeypatch.setattr(
        hub.runtime_data.sources,
        "put_points",
        lambda points: written.extend(point.tags["parameter"] for point in points),
    )

    await poll(hass, provider, open_meteo(), hub)
    assert written == []

    await poll(hass, provider, open_meteo(ozone=32.0), hub)
    assert written == ["o3"]


async def test_a_poll_without_news_writes_no_new_value(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer
) -> None:
    await add_open_meteo(hass, hub, provider)
    events = async_capture_events(hass, EVENT_STATE_CHANGED)

    await poll(hass, provider, open_meteo(), hub)

    changed = [
        event.data["entity_id"]
        for event in events
        if event.data["old_state"].state != event.data["new_state"].state
        and "open_meteo" in event.data["entity_id"]
    ]
    assert changed == []

"""The moment of an event: weather, price, carbon, who is home, daylight."""

from typing import Any

import pytest

from custom_components.ha_ingestor.ingest.context import ContextTracker
from custom_components.ha_ingestor.models import ContextField
from custom_components.ha_ingestor.options import HubOptions
from custom_components.ha_ingestor.units import (
    is_carbon_unit,
    is_price_unit,
    price_factor,
)
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED
from homeassistant.core import HomeAssistant
from tests.ingest.kit import Capture

ALL: dict[str, Any] = {"context_fields": [*ContextField]}
WEATHER = {
    "temperature": 21.5,
    "temperature_unit": "°C",
    "humidity": 60,
    "pressure": 1013.0,
    "pressure_unit": "hPa",
}
PRICE = {"unit_of_measurement": "EUR/kWh"}
CARBON = {"unit_of_measurement": "gCO2eq/kWh"}


def track(hass: HomeAssistant, **options: Any) -> dict[str, Any]:
    """Give the context fields of this moment."""
    tracker = ContextTracker(hass, HubOptions.from_entry_options(ALL | options))
    return {str(field): value for field, value in tracker.values.items()}


def context_of(capture: Capture, hass: HomeAssistant) -> dict[str, Any]:
    """Give the context fields that an event of this moment is stored with."""
    hass.states.async_set("sensor.any", "1", force_update=True)
    fields = capture.last("sensor.any").fields
    return {name: fields[name] for name in ContextField if name in fields}


def test_no_entities_no_fields(hass: HomeAssistant) -> None:
    assert track(hass) == {}


def test_all_fields(hass: HomeAssistant) -> None:
    hass.states.async_set("weather.home", "sunny", WEATHER)
    hass.states.async_set("sensor.price", "0.25", PRICE)
    hass.states.async_set("sensor.co2_intensity", "300", CARBON)
    hass.states.async_set("person.anna", "home")
    hass.states.async_set("zone.home", "1")
    hass.states.async_set("sun.sun", "above_horizon")

    assert track(hass) == {
        "outdoor_temperature": 21.5,
        "outdoor_humidity": 60.0,
        "outdoor_pressure": 1013.0,
        "outdoor_condition": "sunny",
        "carbon_intensity": 300.0,
        "electricity_price": 0.25,
        "anyone_home": True,
        "daylight": True,
    }


@pytest.mark.parametrize("field", list(ContextField))
def test_each_field_can_be_switched_off(
    hass: HomeAssistant, field: ContextField
) -> None:
    test_all_fields(hass)

    fields = track(
        hass, context_fields=[other for other in ContextField if other != field]
    )
    assert fields.keys() == {*ContextField} - {field}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        pytest.param(
            {"temperature": 71.6, "temperature_unit": "°F"},
            {"outdoor_temperature": 22.0},
            id="fahrenheit",
        ),
        pytest.param(
            {"temperature": 295.15, "temperature_unit": "K"},
            {"outdoor_temperature": 22.0},
            id="kelvin",
        ),
        pytest.param(
            {"temperature": "22"}, {"outdoor_temperature": 22.0}, id="without-unit"
        ),
        pytest.param(
            {"pressure": 29.92, "pressure_unit": "inHg"},
            {"outdoor_pressure": 1013.21},
            id="inches-of-mercury",
        ),
        pytest.param(
            {"pressure": 760, "pressure_unit": "mmHg"},
            {"outdoor_pressure": 1013.25},
            id="millimetres-of-mercury",
        ),
        pytest.param(
            {"pressure": 1013, "pressure_unit": None},
            {"outdoor_pressure": 1013.0},
            id="pressure-without-unit",
        ),
        pytest.param({"temperature": None, "humidity": "?"}, {}, id="no-numbers"),
        pytest.param({"temperature": float("nan")}, {}, id="nan"),
        pytest.param({"humidity": 10**400}, {}, id="beyond-a-float"),
    ],
)
def test_units_of_the_weather(
    hass: HomeAssistant, attributes: dict[str, Any], expected: dict[str, float]
) -> None:
    hass.states.async_set("weather.home", "sunny", attributes)

    expected_fields = {"outdoor_condition": "sunny"} | expected
    assert track(hass) == pytest.approx(expected_fields, abs=0.01)


def test_a_station_without_a_word_for_the_sky(hass: HomeAssistant) -> None:
    hass.states.async_set("weather.home", "unknown", WEATHER)

    assert track(hass) == {
        "outdoor_temperature": 21.5,
        "outdoor_humidity": 60.0,
        "outdoor_pressure": 1013.0,
    }


def test_weather_that_is_unavailable(hass: HomeAssistant) -> None:
    hass.states.async_set("weather.home", "unavailable", WEATHER)

    assert track(hass) == {}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["zzz", "forecast_home", "home"], 3.0),
        (["aaa", "forecast_home"], 2.0),
        (["bbb", "aaa"], 2.0),
    ],
)
def test_which_weather_is_taken(
    hass: HomeAssistant, names: list[str], expected: float
) -> None:
    for number, name in enumerate(names, start=1):
        hass.states.async_set(f"weather.{name}", "sunny", {"temperature": number})

    assert track(hass)["outdoor_temperature"] == expected


def test_entities_that_the_user_has_chosen(hass: HomeAssistant) -> None:
    hass.states.async_set("weather.home", "sunny", WEATHER)
    hass.states.async_set("weather.balcony", "rainy", WEATHER | {"temperature": 5})
    hass.states.async_set("sensor.outside", "41", {"unit_of_measurement": "°F"})
    hass.states.async_set("sensor.price", "0.25", PRICE)
    hass.states.async_set("sensor.next_price", "30", {"unit_of_measurement": "ct/kWh"})
    hass.states.async_set("sensor.co2", "0.3", {"unit_of_measurement": "kgCO2/kWh"})

    assert track(
        hass,
        weather_entity="weather.balcony",
        outdoor_temperature_entity="sensor.outside",
        electricity_price_entity="sensor.next_price",
        carbon_intensity_entity="sensor.co2",
    ) == pytest.approx(
        {
            "outdoor_temperature": 5.0,
            "outdoor_humidity": 60.0,
            "outdoor_pressure": 1013.0,
            "outdoor_condition": "rainy",
            "carbon_intensity": 300.0,
            "electricity_price": 0.3,
        }
    )


@pytest.mark.parametrize("state", ["unavailable", "unknown", "", "nan", "warm"])
def test_the_weather_stands_in_for_a_chosen_sensor(
    hass: HomeAssistant, state: str
) -> None:
    hass.states.async_set("weather.home", "sunny", WEATHER)
    hass.states.async_set("sensor.outside", state, {"unit_of_measurement": "°C"})

    fields = track(hass, outdoor_temperature_entity="sensor.outside")
    assert fields["outdoor_temperature"] == 21.5


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("EUR/kWh", 1.0),
        ("€/kWh", 1.0),
        ("€ / kWh", 1.0),
        ("SEK/kWh", 1.0),
        ("kr/kWh", 1.0),
        ("EUR/MWh", 0.001),
        ("GBP/Wh", 1000.0),
        ("ct/kWh", 0.01),
        ("Cent/kWh", 0.01),
        ("c/kWh", 0.01),
        ("¢/kWh", 0.01),
        ("öre/kWh", 0.01),
        ("p/kWh", 0.01),
        ("ct/MWh", 0.00001),
        ("EUR/kwh", 1.0),
    ],
)
def test_units_of_prices(hass: HomeAssistant, unit: str, factor: float) -> None:
    hass.states.async_set("sensor.price", "200", {"unit_of_measurement": unit})

    assert is_price_unit(unit)
    assert track(hass)["electricity_price"] == pytest.approx(200 * factor)


@pytest.mark.parametrize(
    "unit", ["EUR", "kWh", "EUR/m³", "EUR/h", "kWh/kWh", "gCO2/kWh", "", "W/Wh", "None"]
)
def test_what_is_no_price(hass: HomeAssistant, unit: str) -> None:
    hass.states.async_set("sensor.price", "200", {"unit_of_measurement": unit})

    assert not is_price_unit(unit)
    assert price_factor(unit) == 1.0
    assert "electricity_price" not in track(hass)


def test_an_odd_unit_of_a_chosen_sensor_is_taken_as_it_is(hass: HomeAssistant) -> None:
    hass.states.async_set("sensor.tariff", "0.25")

    fields = track(hass, electricity_price_entity="sensor.tariff")
    assert fields["electricity_price"] == 0.25


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("gCO2eq/kWh", 400.0),
        ("gCO₂/kWh", 400.0),
        ("g CO2e/kWh", 400.0),
        ("kgCO2eq/MWh", 400.0),
        ("kgCO2/kWh", 400_000.0),
        ("lb CO2/MWh", 181.437),
        ("lbs/MWh", 181.437),
    ],
)
def test_units_of_carbon(hass: HomeAssistant, unit: str, expected: float) -> None:
    hass.states.async_set("sensor.grid", "400", {"unit_of_measurement": unit})

    assert is_carbon_unit(unit)
    fields = track(hass)
    assert fields == {"carbon_intensity": pytest.approx(expected, abs=0.001)}


@pytest.mark.parametrize(
    ("entity_ids", "expected"),
    [
        pytest.param(["price"], 1.0, id="the-only-one"),
        pytest.param(["a_price", "b_price"], None, id="two"),
        pytest.param(["price", "current_price"], 2.0, id="one-is-called-current"),
        pytest.param(["a_current_price", "b_current_price"], None, id="both-current"),
        pytest.param(["price_next_hour"], None, id="of-another-time"),
        pytest.param(["average_price", "price", "highest_price"], 2.0, id="statistics"),
        pytest.param(["feed_in_tariff", "import_tariff"], 2.0, id="what-is-sold"),
    ],
)
def test_an_unclear_price_is_not_guessed(
    hass: HomeAssistant, entity_ids: list[str], expected: float | None
) -> None:
    for number, name in enumerate(entity_ids, start=1):
        hass.states.async_set(f"sensor.{name}", str(number), PRICE)

    assert track(hass).get("electricity_price") == expected


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({"person.a": "home", "zone.home": "1"}, True),
        ({"person.a": "work", "zone.home": "0"}, False),
        ({"person.a": "home", "zone.home": "unknown"}, None),
        ({"person.a": "home"}, None),
        # Without persons the zone counts nobody, which is not the same as nobody.
        ({"zone.home": "0"}, None),
    ],
)
def test_who_is_home(
    hass: HomeAssistant, states: dict[str, str], expected: bool | None
) -> None:
    for entity_id, state in states.items():
        hass.states.async_set(entity_id, state)

    assert track(hass).get("anyone_home") is expected


@pytest.mark.parametrize(
    ("state_a", "state_b", "expected"),
    [
        ("home", "not_home", True),
        ("Work", "not_home", False),
        ("unknown", "home", True),
        ("unknown", "not_home", False),
        ("unknown", "unavailable", None),
    ],
)
def test_who_is_home_of_those_chosen(
    hass: HomeAssistant, state_a: str, state_b: str, expected: bool | None
) -> None:
    hass.states.async_set("zone.home", "5")
    hass.states.async_set("person.c", "home")
    hass.states.async_set("person.a", state_a)
    hass.states.async_set("device_tracker.b", state_b)

    fields = track(hass, presence_entities=["person.a", "device_tracker.b"])
    assert fields.get("anyone_home") is expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [("above_horizon", True), ("below_horizon", False), ("unavailable", None)],
)
def test_daylight(hass: HomeAssistant, state: str, expected: bool | None) -> None:
    hass.states.async_set("sun.sun", state)

    assert track(hass).get("daylight") is expected


@pytest.mark.parametrize("hub_options", [ALL])
def test_a_change_holds_from_its_own_event_on(
    hass: HomeAssistant, capture: Capture
) -> None:
    hass.states.async_set("weather.home", "sunny", {"temperature": 20})
    hass.states.async_set("sensor.a", "1")
    hass.states.async_set("weather.home", "sunny", {"temperature": 21})
    hass.states.async_set("sensor.a", "2")

    weather, before, changed, after = capture.points()
    assert weather.fields["outdoor_temperature"] == 20.0
    assert before.fields["outdoor_temperature"] == 20.0
    assert changed.fields["outdoor_temperature"] == 21.0
    assert after.fields["outdoor_temperature"] == 21.0


@pytest.mark.parametrize("hub_options", [ALL])
@pytest.mark.parametrize(
    ("entity_id", "state", "attributes", "expected"),
    [
        ("weather.late", "sunny", WEATHER, "outdoor_temperature"),
        ("sensor.price", "0.25", PRICE, "electricity_price"),
        ("sensor.co2", "300", CARBON, "carbon_intensity"),
        ("sun.sun", "above_horizon", {}, "daylight"),
        ("person.anna", "home", {}, "anyone_home"),
    ],
)
def test_an_entity_that_appears_later_and_goes_again(
    hass: HomeAssistant,
    idle_capture: Capture,
    entity_id: str,
    state: str,
    attributes: dict[str, Any],
    expected: str,
) -> None:
    hass.states.async_set("zone.home", "1")
    capture = idle_capture
    capture.start()
    assert context_of(capture, hass) == {}

    hass.states.async_set(entity_id, state, attributes)
    assert expected in context_of(capture, hass)

    hass.states.async_remove(entity_id)
    hass.states.async_remove("zone.home")
    assert context_of(capture, hass) == {}

    hass.states.async_set("zone.home", "1")
    hass.states.async_set(entity_id, state, attributes)
    assert expected in context_of(capture, hass)
    capture.listener.async_stop()


@pytest.mark.parametrize("hub_options", [ALL | {"exclude_domains": ["weather"]}])
def test_an_entity_that_is_not_captured_is_read_all_the_same(
    hass: HomeAssistant, capture: Capture
) -> None:
    hass.states.async_set("weather.home", "sunny", {"temperature": 20})
    hass.states.async_set("weather.home", "sunny", {"temperature": 21})

    assert context_of(capture, hass)["outdoor_temperature"] == 21.0
    assert capture.states("weather.home") == []


@pytest.mark.parametrize("hub_options", [ALL])
def test_a_number_that_is_no_sensor_is_no_price(
    hass: HomeAssistant, capture: Capture
) -> None:
    hass.states.async_set("number.price_limit", "0.5", PRICE)

    assert context_of(capture, hass) == {}


def test_only_what_is_wanted_is_looked_for(
    hass: HomeAssistant, capture: Capture
) -> None:
    capture.set_options({"context_fields": []})
    hass.states.async_set("weather.home", "sunny", WEATHER)
    hass.states.async_set("person.anna", "home")
    hass.states.async_set("sensor.price", "0.25", PRICE)

    assert context_of(capture, hass) == {}
    assert capture.listener.context.entities == frozenset()


def test_options_hold_from_the_next_event_on(
    hass: HomeAssistant, capture: Capture
) -> None:
    hass.states.async_set("weather.home", "sunny", WEATHER)
    hass.states.async_set("weather.balcony", "rainy", {"temperature": 5})
    assert context_of(capture, hass) == {"outdoor_temperature": 21.5}

    capture.set_options(ALL | {"weather_entity": "weather.balcony"})
    assert context_of(capture, hass) == {
        "outdoor_temperature": 5.0,
        "outdoor_condition": "rainy",
    }
    hass.states.async_set("weather.balcony", "rainy", {"temperature": 6})
    assert context_of(capture, hass)["outdoor_temperature"] == 6.0

    capture.set_options({"context_fields": []})
    assert context_of(capture, hass) == {}


def test_a_chosen_entity_may_be_missing_for_a_while(
    hass: HomeAssistant, capture: Capture
) -> None:
    hass.states.async_set("weather.home", "sunny", WEATHER)
    capture.set_options(ALL | {"weather_entity": "weather.balcony"})
    assert context_of(capture, hass) == {}

    hass.states.async_set("weather.balcony", "rainy", {"temperature": 5})
    assert context_of(capture, hass)["outdoor_temperature"] == 5.0
    hass.states.async_remove("weather.balcony")
    assert context_of(capture, hass) == {}
    hass.states.async_set("weather.balcony", "rainy", {"temperature": 7})
    assert context_of(capture, hass)["outdoor_temperature"] == 7.0


async def test_a_better_entity_is_found_once_all_have_started(
    hass: HomeAssistant, capture: Capture
) -> None:
    hass.states.async_set("weather.aaa", "sunny", {"temperature": 5})
    hass.states.async_set("weather.home", "sunny", {"temperature": 6})
    assert context_of(capture, hass) == {"outdoor_temperature": 5.0}

    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await hass.async_block_till_done()

    assert context_of(capture, hass) == {"outdoor_temperature": 6.0}


@pytest.mark.parametrize("hub_options", [ALL, ALL | {"exclude_domains": ["sensor"]}])
def test_a_unit_may_come_later_than_its_sensor(
    hass: HomeAssistant, capture: Capture
) -> None:
    hass.states.async_set("zone.any", "0")
    hass.states.async_set("sensor.price", "unavailable")
    hass.states.async_set("sensor.price", "unknown")
    hass.states.async_set("sensor.price", "0.25", PRICE)

    hass.states.async_set("zone.any", "1")
    assert capture.last("zone.any").fields["electricity_price"] == 0.25

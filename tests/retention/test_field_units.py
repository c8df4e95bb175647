"""Units of stored fields."""

import pytest

from custom_components.ha_ingestor.retention.field_units import field_units


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("total_energy", "kWh"),
        ("energy_cost", "EUR"),
        ("electricity_price", "EUR/kWh"),
        ("avg_electricity_price", "EUR/kWh"),
        ("avg_outdoor_temperature", "°C"),
        ("avg_daylight_seconds", "s"),
        ("carbon_intensity_gco2_kwh", "gCO2eq/kWh"),
    ],
)
def test_a_field_has_its_unit(key: str, expected: str) -> None:
    assert field_units("EUR")[key] == expected


def test_the_value_of_an_entity_has_the_unit_of_its_row() -> None:
    assert (
        not {"value", "avg_value", "state", "concentration"} & field_units("EUR").keys()
    )


def test_units_are_plain_text() -> None:
    assert {type(text) for pair in field_units("EUR").items() for text in pair} == {str}

"""Whatever a provider answers, its parser says so in our own words."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ha_ingestor.errors import SourceArgumentError, SourceDataError
from custom_components.ha_ingestor.sources.carbon import (
    electricity_maps,
    uk_carbon_intensity as uk,
    watttime,
)
from custom_components.ha_ingestor.sources.carbon.shapes import parse_series
from custom_components.ha_ingestor.sources.slots import Slots
from custom_components.ha_ingestor.units import carbon_factor

BERLIN = ZoneInfo("Europe/Berlin")
KEYS = (
    "actual",
    "carbonIntensity",
    "data",
    "data_point_period_seconds",
    "datetime",
    "end",
    "forecast",
    "fossilFreePercentage",
    "fossilFuelPercentage",
    "from",
    "fuel",
    "generationmix",
    "intensity",
    "meta",
    "perc",
    "point_time",
    "renewablePercentage",
    "start",
    "status",
    "to",
    "units",
    "value",
    "zone",
)
TEXTS = (
    "2026-06-01T10:00Z",
    "2026-06-01T10:30:00+02:00",
    "2026-06-01T10:00:00",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "gas",
    "lbs_co2_per_mwh",
    "NaN",
    "1e999",
    "ok",
    "",
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(TEXTS),
    st.text(max_size=5),
)
ANSWERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    ),
    max_leaves=25,
)


def parse_uk(payload: Any) -> None:
    uk.parse_slots(payload)
    uk.parse_shares(uk.find_mix(payload, datetime(2026, 6, 1, 10, tzinfo=UTC)))


@pytest.mark.parametrize(
    "parse",
    [
        pytest.param(parse_uk, id="uk"),
        pytest.param(uk.parse_shares, id="uk-shares"),
        pytest.param(electricity_maps.parse_latest, id="electricity-maps"),
        pytest.param(electricity_maps.parse_breakdown, id="electricity-maps-mix"),
        pytest.param(electricity_maps.parse_forecast, id="electricity-maps-forecast"),
        pytest.param(watttime.parse_index, id="watttime-index"),
        pytest.param(watttime.parse_forecast, id="watttime-forecast"),
        pytest.param(lambda payload: parse_series(payload, BERLIN), id="attributes"),
    ],
)
@settings(max_examples=150, deadline=None)
@given(payload=ANSWERS)
def test_no_answer_is_a_surprise(parse: Callable[[Any], Any], payload: Any) -> None:
    problem: Exception | None = None
    try:
        parse(payload)
    except SourceDataError as err:
        problem = err

    assert problem is None or str(problem)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RG41", "RG41"),
        ("rg41 5ab", "RG41"),
        ("rg415ab", "RG41"),
        ("E1 6AN", "E1"),
        ("w1a1aa", "W1A"),
    ],
)
def test_a_postcode_is_cut(text: str, expected: str) -> None:
    assert uk.parse_postcode(text) == expected


@pytest.mark.parametrize("text", ["", "10115", "Berlin", "RG41/../x", "RG41?x=1"])
def test_what_is_no_postcode_is_refused(text: str) -> None:
    with pytest.raises(SourceArgumentError):
        uk.parse_postcode(text)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("gCO2eq/kWh", 1.0),
        ("g CO₂/kWh", 1.0),
        ("kgCO2e/kWh", 1000.0),
        ("kg/MWh", 1.0),
        ("lbs/MWh", 0.45359237),
        ("lb CO2/MWh", 0.45359237),
        ("%", None),
        ("EUR/kWh", None),
        ("", None),
    ],
)
def test_units_of_carbon(unit: str, expected: float | None) -> None:
    assert carbon_factor(unit) == expected


def starts(slots: Slots) -> list[str]:
    return [slot.start.strftime("%H:%M") for slot in slots]


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        pytest.param(
            [{"start": "2026-06-01T12:00:00", "value": "5"}], ["10:00"], id="local-time"
        ),
        pytest.param(
            [{"start": datetime(2026, 6, 1, 10, tzinfo=UTC), "value": 5}],
            ["10:00"],
            id="moment",
        ),
        pytest.param(
            {"forecast": [{"from": "2026-06-01T10:00Z", "co2": 5}]},
            ["10:00"],
            id="list-inside",
        ),
        pytest.param(((1780308000, 5), (1780309800, None)), ["10:00"], id="pairs"),
        pytest.param(
            [{"start": "2026-06-01T10:00Z", "value": True}], [], id="no-number"
        ),
        pytest.param([], [], id="empty"),
    ],
)
def test_usual_shapes(attribute: Any, expected: list[str]) -> None:
    assert starts(parse_series(attribute, BERLIN)) == expected


@pytest.mark.parametrize(
    "attribute",
    [
        pytest.param("soon", id="text"),
        pytest.param(5, id="number"),
        pytest.param([5], id="list-of-numbers"),
        pytest.param([{"value": 5}], id="no-time"),
        pytest.param(
            [{"start": "2026-06-01T10:00Z", "end": "2026-06-01T09:00Z", "value": 5}],
            id="ends-before-it-begins",
        ),
    ],
)
def test_what_has_no_usual_shape_is_refused(attribute: Any) -> None:
    with pytest.raises(SourceDataError):
        parse_series(attribute, BERLIN)

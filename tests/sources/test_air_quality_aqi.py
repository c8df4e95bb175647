"""Scales of air quality: both ways, monotone, and right where EPA and EEA say so."""

from hypothesis import given, strategies as st
import pytest

from custom_components.ha_ingestor.sources.air_quality.aqi import (
    Category,
    Pollutant,
    Scale,
    categorize,
    compute_aqi,
    compute_concentration,
    rank_category,
    round_aqi,
    to_micrograms,
)
from custom_components.ha_ingestor.sources.air_quality.purpleair import correct_pm25

UNIT = "μg/m³"

scales = st.sampled_from(Scale)
pollutants = st.sampled_from(Pollutant)
# Carbon monoxide is not on the European scale.
pairs = st.tuples(scales, pollutants).filter(
    lambda pair: pair != (Scale.EUROPEAN, Pollutant.CARBON_MONOXIDE)
)
concentrations = st.floats(min_value=0, max_value=1e6)


@given(pair=pairs, aqi=st.integers(min_value=0, max_value=2000))
def test_an_index_survives_the_way_there_and_back(
    pair: tuple[Scale, Pollutant], aqi: int
) -> None:
    concentration = compute_concentration(*pair, aqi)

    assert concentration is not None
    assert compute_aqi(*pair, concentration) == pytest.approx(aqi, abs=1e-3)


@given(pollutant=pollutants, concentration=concentrations)
def test_a_concentration_survives_on_the_european_scale(
    pollutant: Pollutant, concentration: float
) -> None:
    aqi = compute_aqi(Scale.EUROPEAN, pollutant, concentration)

    back = (
        None if aqi is None else compute_concentration(Scale.EUROPEAN, pollutant, aqi)
    )
    known = None if pollutant is Pollutant.CARBON_MONOXIDE else concentration
    assert back == pytest.approx(known, rel=1e-9, abs=1e-9)


@given(pair=pairs, one=concentrations, other=concentrations)
def test_more_is_never_better(
    pair: tuple[Scale, Pollutant], one: float, other: float
) -> None:
    low, high = sorted((one, other))

    assert compute_aqi(*pair, low) <= compute_aqi(*pair, high)


@given(
    pair=pairs,
    one=st.floats(min_value=0, max_value=1000),
    other=st.floats(min_value=0, max_value=1000),
)
def test_a_higher_index_is_never_less(
    pair: tuple[Scale, Pollutant], one: float, other: float
) -> None:
    low, high = sorted((one, other))

    assert compute_concentration(*pair, low) <= compute_concentration(*pair, high)


@given(scale=scales, one=concentrations, other=concentrations)
def test_categories_are_in_order(scale: Scale, one: float, other: float) -> None:
    low, high = sorted((one, other))

    assert rank_category(scale, categorize(scale, low)) <= rank_category(
        scale, categorize(scale, high)
    )


# EPA-454/B-24-002 (May 2024), table 6: both ends of every band.
@pytest.mark.parametrize(
    ("pollutant", "unit", "ends"),
    [
        (
            Pollutant.PM25,
            UNIT,
            (0, 9.0, 9.1, 35.4, 35.5, 55.4, 55.5, 125.4, 125.5, 225.4, 225.5, 325.4),
        ),
        (
            Pollutant.PM10,
            UNIT,
            (0, 54, 55, 154, 155, 254, 255, 354, 355, 424, 425, 604),
        ),
        (
            Pollutant.OZONE,
            "ppm",
            (
                0,
                0.054,
                0.055,
                0.07,
                0.071,
                0.085,
                0.086,
                0.105,
                0.106,
                0.2,
                0.201,
                0.604,
            ),
        ),
        (
            Pollutant.CARBON_MONOXIDE,
            "ppm",
            (0, 4.4, 4.5, 9.4, 9.5, 12.4, 12.5, 15.4, 15.5, 30.4, 30.5, 50.4),
        ),
        (
            Pollutant.SULPHUR_DIOXIDE,
            "ppb",
            (0, 35, 36, 75, 76, 185, 186, 304, 305, 604, 605, 1004),
        ),
        (
            Pollutant.NITROGEN_DIOXIDE,
            "ppb",
            (0, 53, 54, 100, 101, 360, 361, 649, 650, 1249, 1250, 2049),
        ),
    ],
)
def test_the_us_breakpoints_are_epas(
    pollutant: Pollutant, unit: str, ends: tuple[float, ...]
) -> None:
    computed = [
        compute_aqi(Scale.US, pollutant, to_micrograms(end, unit, pollutant))
        for end in ends
    ]

    known = [0, 50, 51, 100, 101, 150, 151, 200, 201, 300, 301, 500]
    assert computed == pytest.approx(known)


# ETC HE Report 2024/17: the highest concentration of each band but the last.
@pytest.mark.parametrize(
    ("pollutant", "ends"),
    [
        (Pollutant.PM25, (5, 15, 50, 90, 140)),
        (Pollutant.PM10, (15, 45, 120, 195, 270)),
        (Pollutant.NITROGEN_DIOXIDE, (10, 25, 60, 100, 150)),
        (Pollutant.OZONE, (60, 100, 120, 160, 180)),
        (Pollutant.SULPHUR_DIOXIDE, (20, 40, 125, 190, 275)),
    ],
)
def test_the_european_bands_are_eeas(
    pollutant: Pollutant, ends: tuple[float, ...]
) -> None:
    computed = [compute_aqi(Scale.EUROPEAN, pollutant, end) for end in ends]
    names = [categorize(Scale.EUROPEAN, aqi) for aqi in computed if aqi is not None]

    assert computed == [20, 40, 60, 80, 100]
    assert names == ["good", "fair", "moderate", "poor", "very_poor"]


@pytest.mark.parametrize(
    ("pollutant", "concentration", "aqi"),
    [
        # Cut off, not rounded: 9.09 is 9.0, and 54.9 is 54.
        pytest.param(Pollutant.PM25, 9.09, 50, id="in-the-gap"),
        pytest.param(Pollutant.PM10, 54.9, 50, id="whole-numbers"),
        pytest.param(Pollutant.PM25, -0.5, 0, id="noise-below-zero"),
        # The last line goes on: twice as far is twice as much above 301.
        pytest.param(Pollutant.PM25, 425.3, 699, id="beyond-the-index"),
    ],
)
def test_between_and_beyond_the_breakpoints(
    pollutant: Pollutant, concentration: float, aqi: float
) -> None:
    assert compute_aqi(Scale.US, pollutant, concentration) == pytest.approx(aqi)


def test_carbon_monoxide_is_not_european() -> None:
    carbon_monoxide = Pollutant.CARBON_MONOXIDE

    assert compute_aqi(Scale.EUROPEAN, carbon_monoxide, 400) is None
    assert compute_concentration(Scale.EUROPEAN, carbon_monoxide, 40) is None


@pytest.mark.parametrize(
    ("scale", "aqi", "category"),
    [
        (Scale.US, 0, Category.GOOD),
        (Scale.US, 50.4, Category.GOOD),
        (Scale.US, 50.5, Category.MODERATE),
        (Scale.US, 150, Category.UNHEALTHY_FOR_SENSITIVE_GROUPS),
        (Scale.US, 200, Category.UNHEALTHY),
        (Scale.US, 300, Category.VERY_UNHEALTHY),
        (Scale.US, 301, Category.HAZARDOUS),
        (Scale.US, 999, Category.HAZARDOUS),
        (Scale.EUROPEAN, 20, Category.GOOD),
        (Scale.EUROPEAN, 21, Category.FAIR),
        (Scale.EUROPEAN, 101, Category.EXTREMELY_POOR),
    ],
)
def test_categories(scale: Scale, aqi: float, category: Category) -> None:
    assert categorize(scale, aqi) is category


def test_categories_of_another_scale_have_no_rank() -> None:
    with pytest.raises(ValueError, match="not in"):
        rank_category(Scale.US, Category.FAIR)


@pytest.mark.parametrize(
    ("value", "unit", "pollutant", "micrograms"),
    [
        # 24.465 litres per mole at 25 degC and 1 atm.
        pytest.param(1, "ppb", Pollutant.OZONE, 1.962, id="ozone"),
        pytest.param(1, "ppb", Pollutant.NITROGEN_DIOXIDE, 1.880, id="no2"),
        pytest.param(1, "ppb", Pollutant.SULPHUR_DIOXIDE, 2.619, id="so2"),
        pytest.param(1, "ppm", Pollutant.CARBON_MONOXIDE, 1144.9, id="co"),
        pytest.param(3, "µg/m³", Pollutant.PM25, 3, id="micro-sign"),
        pytest.param(3, "μg/m³", Pollutant.PM25, 3, id="greek-mu"),
        pytest.param(3, "ug/m3", Pollutant.PM25, 3, id="ascii"),
        pytest.param(3, " UG / m^3 ", Pollutant.PM25, 3, id="any-way-to-write"),
        pytest.param(0.4, "mg/m³", Pollutant.CARBON_MONOXIDE, 400, id="milligrams"),
        pytest.param(1, "ppm", Pollutant.PM25, None, id="particles-are-no-gas"),
        pytest.param(1, "AQI", Pollutant.PM25, None, id="no-concentration"),
        pytest.param(1, None, Pollutant.PM25, None, id="no-unit"),
    ],
)
def test_units(
    value: float, unit: str | None, pollutant: Pollutant, micrograms: float | None
) -> None:
    assert to_micrograms(value, unit, pollutant) == pytest.approx(micrograms, rel=4e-4)


@given(value=st.floats(min_value=0, max_value=1e5), pollutant=pollutants)
def test_a_thousand_ppb_are_one_ppm(value: float, pollutant: Pollutant) -> None:
    assert to_micrograms(value * 1000, "ppb", pollutant) == pytest.approx(
        to_micrograms(value, "ppm", pollutant)
    )


@pytest.mark.parametrize(("aqi", "shown"), [(0.5, 1), (1.49, 1), (2.5, 3), (0, 0)])
def test_halves_go_up(aqi: float, shown: int) -> None:
    assert round_aqi(aqi) == shown


@pytest.mark.parametrize(
    ("raw", "humidity", "corrected"),
    [
        (10, 40, 7.542),
        (40, 40, 28.502),
        (100, 50, 80.04),
        (235, 50, 200.04245),
        (300, 50, 289.526),
        (0, 100, 0),
    ],
)
def test_the_correction_of_epa(raw: float, humidity: float, corrected: float) -> None:
    assert correct_pm25(raw, humidity) == pytest.approx(corrected)


@given(
    piece=st.sampled_from((30.0, 50.0, 210.0, 260.0)),
    humidity=st.floats(min_value=0, max_value=100),
)
def test_the_correction_has_no_steps(piece: float, humidity: float) -> None:
    before, after = (
        correct_pm25(piece - 1e-9, humidity),
        correct_pm25(piece + 1e-9, humidity),
    )

    assert before == pytest.approx(after, abs=1e-6)

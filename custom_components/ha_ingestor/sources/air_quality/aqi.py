"""Air quality indices: what is in the air, on the scales that people know.

The US index is a line between breakpoints from 0 to 500 and on. The European one has
six bands; as Open-Meteo does, each is shown as 20 steps of a number, so that 0 to 20
is "good" and more than 100 is "extremely poor".

Both are meant for means of 1 to 24 hours. Computed of the latest values, as here, they
are estimates, which is why data tell which index is the provider's own.

Sources: EPA-454/B-24-002, Technical Assistance Document for the Reporting of Daily
Air Quality (May 2024), table 6; ETC HE Report 2024/17, EEA's revision of the European
air quality index bands (hourly values), both read 2026-11-21.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
import math
from typing import Final

from homeassistant.const import UnitOfDensity, UnitOfRatio


class Pollutant(StrEnum):
    """What is measured in the air; the values are tags and parts of unique ids."""

    PM25 = "pm25"
    PM10 = "pm10"
    OZONE = "o3"
    NITROGEN_DIOXIDE = "no2"
    SULPHUR_DIOXIDE = "so2"
    CARBON_MONOXIDE = "co"


class Scale(StrEnum):
    """Scales of an index."""

    US = "us"
    EUROPEAN = "european"


class Category(StrEnum):
    """Names of the parts of both scales; some are in both, with another meaning."""

    GOOD = "good"
    FAIR = "fair"
    MODERATE = "moderate"
    UNHEALTHY_FOR_SENSITIVE_GROUPS = "unhealthy_for_sensitive_groups"
    UNHEALTHY = "unhealthy"
    VERY_UNHEALTHY = "very_unhealthy"
    HAZARDOUS = "hazardous"
    POOR = "poor"
    VERY_POOR = "very_poor"
    EXTREMELY_POOR = "extremely_poor"


# The highest index of each category but the last, which has no end.
_CATEGORIES: Final[Mapping[Scale, tuple[tuple[float, Category], ...]]] = {
    Scale.US: (
        (50, Category.GOOD),
        (100, Category.MODERATE),
        (150, Category.UNHEALTHY_FOR_SENSITIVE_GROUPS),
        (200, Category.UNHEALTHY),
        (300, Category.VERY_UNHEALTHY),
        (math.inf, Category.HAZARDOUS),
    ),
    Scale.EUROPEAN: (
        (20, Category.GOOD),
        (40, Category.FAIR),
        (60, Category.MODERATE),
        (80, Category.POOR),
        (100, Category.VERY_POOR),
        (math.inf, Category.EXTREMELY_POOR),
    ),
}

# g/mol, of the NIST Chemistry WebBook.
_MOLAR_MASSES: Final[Mapping[Pollutant, float]] = {
    Pollutant.OZONE: 47.9982,
    Pollutant.NITROGEN_DIOXIDE: 46.0055,
    Pollutant.SULPHUR_DIOXIDE: 64.064,
    Pollutant.CARBON_MONOXIDE: 28.0101,
}
# Litres per mole at 25 degC and 1 atm, which EPA's figures refer to (40 CFR 50.3).
# Home Assistant's own converters take 20 degC, the European reference: 1.7 % more.
_MOLAR_VOLUME_L: Final = 8.314462618 * 298.15 / 101.325
# Factors to ug/m3, of units as `_simplify_unit` leaves them.
_DENSITIES: Final[Mapping[str, float]] = {"ug/m3": 1.0, "mg/m3": 1e3, "g/m3": 1e6}
_RATIOS: Final[Mapping[str, float]] = {"ppb": 1.0, "ppm": 1e3}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Breakpoints:
    """One row of the US table: concentrations of the bands' ends.

    Attributes:
        unit: EPA's own.
        decimals: Concentrations are cut off, not rounded, to as many.
        bands: Lowest and highest concentration, in the order of `_US_BANDS`.
    """

    unit: str
    decimals: int
    bands: tuple[tuple[float, float], ...]


_US_BANDS: Final = ((0, 50), (51, 100), (101, 150), (151, 200), (201, 300), (301, 500))
_PPB: Final = UnitOfRatio.PARTS_PER_BILLION
_PPM: Final = UnitOfRatio.PARTS_PER_MILLION
_DENSITY: Final = UnitOfDensity.MICROGRAMS_PER_CUBIC_METER
_US: Final[Mapping[Pollutant, _Breakpoints]] = {
    Pollutant.PM25: _Breakpoints(
        unit=_DENSITY,
        decimals=1,
        bands=(
            (0.0, 9.0),
            (9.1, 35.4),
            (35.5, 55.4),
            (55.5, 125.4),
            (125.5, 225.4),
            (225.5, 325.4),
        ),
    ),
    Pollutant.PM10: _Breakpoints(
        unit=_DENSITY,
        decimals=0,
        bands=((0, 54), (55, 154), (155, 254), (255, 354), (355, 424), (425, 604)),
    ),
    # Means of eight hours up to 300; these do not go further, so the last band leads
    # to the end of the table for one hour.
    Pollutant.OZONE: _Breakpoints(
        unit=_PPM,
        decimals=3,
        bands=(
            (0.0, 0.054),
            (0.055, 0.070),
            (0.071, 0.085),
            (0.086, 0.105),
            (0.106, 0.200),
            (0.201, 0.604),
        ),
    ),
    Pollutant.NITROGEN_DIOXIDE: _Breakpoints(
        unit=_PPB,
        decimals=0,
        bands=(
            (0, 53),
            (54, 100),
            (101, 360),
            (361, 649),
            (650, 1249),
            (1250, 2049),
        ),
    ),
    Pollutant.SULPHUR_DIOXIDE: _Breakpoints(
        unit=_PPB,
        decimals=0,
        bands=((0, 35), (36, 75), (76, 185), (186, 304), (305, 604), (605, 1004)),
    ),
    Pollutant.CARBON_MONOXIDE: _Breakpoints(
        unit=_PPM,
        decimals=1,
        bands=(
            (0.0, 4.4),
            (4.5, 9.4),
            (9.5, 12.4),
            (12.5, 15.4),
            (15.5, 30.4),
            (30.5, 50.4),
        ),
    ),
}

# ug/m3 at the end of each European band; the last one goes on with the slope of the
# one before it. Carbon monoxide is not part of this index.
_EUROPEAN: Final[Mapping[Pollutant, tuple[float, ...]]] = {
    Pollutant.PM25: (0, 5, 15, 50, 90, 140),
    Pollutant.PM10: (0, 15, 45, 120, 195, 270),
    Pollutant.NITROGEN_DIOXIDE: (0, 10, 25, 60, 100, 150),
    Pollutant.OZONE: (0, 60, 100, 120, 160, 180),
    Pollutant.SULPHUR_DIOXIDE: (0, 20, 40, 125, 190, 275),
}
_EUROPEAN_STEP: Final = 20.0
# Conversions leave this much dust behind the last decimal, which must not be cut off.
_DUST: Final = 1e-6


def _simplify_unit(unit: str) -> str:
    """Return a unit without the differences in how it is written."""
    # Folding makes one of the two characters that look like a mu.
    simple = unit.casefold().replace("\N{GREEK SMALL LETTER MU}", "u")
    return (
        simple.replace("\N{SUPERSCRIPT THREE}", "3").replace("^", "").replace(" ", "")
    )


def to_micrograms(value: float, unit: str | None, pollutant: Pollutant) -> float | None:
    """Return a concentration in micrograms per cubic meter at 25 degC and 1 atm.

    Args:
        unit: A density; of gases also ppm or ppb.

    Returns:
        None for a unit that no concentration of this pollutant has.
    """
    simple = _simplify_unit(unit or "")
    if (factor := _DENSITIES.get(simple)) is not None:
        return value * factor
    ratio, molar_mass = _RATIOS.get(simple), _MOLAR_MASSES.get(pollutant)
    if ratio is None or molar_mass is None:
        return None
    return value * ratio * molar_mass / _MOLAR_VOLUME_L


def _from_micrograms(value: float, unit: str, pollutant: Pollutant) -> float:
    one = to_micrograms(1.0, unit, pollutant)
    return value if one is None else value / one


def compute_aqi(
    scale: Scale, pollutant: Pollutant, concentration: float
) -> float | None:
    """Return the index that a concentration stands for, not rounded.

    Args:
        concentration: ug/m3.

    Returns:
        None for a pollutant that is not on the scale.
    """
    if scale is Scale.US:
        return _compute_us(pollutant, max(0.0, concentration))
    ends = _EUROPEAN.get(pollutant)
    if ends is None:
        return None
    concentration = max(0.0, concentration)
    band = 1
    while band < len(ends) - 1 and concentration > ends[band]:
        band += 1
    low, high = ends[band - 1], ends[band]
    return _EUROPEAN_STEP * (band - 1 + (concentration - low) / (high - low))


def _compute_us(pollutant: Pollutant, concentration: float) -> float:
    row = _US[pollutant]
    value = _from_micrograms(concentration, row.unit, pollutant)
    power = 10**row.decimals
    cut = math.floor(value * power + _DUST) / power
    last = len(row.bands) - 1
    band = next((i for i in range(last) if cut <= row.bands[i][1]), last)
    (low, high), (index_low, index_high) = row.bands[band], _US_BANDS[band]
    if band < last:
        # What was cut off must not reach into the gap before the next band.
        value = min(value, high)
    share = (max(value, low) - low) / (high - low)
    return index_low + share * (index_high - index_low)


def compute_concentration(
    scale: Scale, pollutant: Pollutant, aqi: float
) -> float | None:
    """Return the concentration that an index of one pollutant stands for; ug/m3.

    Returns:
        None for a pollutant that is not on the scale.
    """
    aqi = max(0.0, aqi)
    if scale is Scale.EUROPEAN:
        ends = _EUROPEAN.get(pollutant)
        if ends is None:
            return None
        band = min(max(1, math.ceil(aqi / _EUROPEAN_STEP)), len(ends) - 1)
        share = aqi / _EUROPEAN_STEP - (band - 1)
        return ends[band - 1] + share * (ends[band] - ends[band - 1])
    row = _US[pollutant]
    last = len(row.bands) - 1
    band = next((i for i in range(last) if aqi <= _US_BANDS[i][1]), last)
    (low, high), (index_low, index_high) = row.bands[band], _US_BANDS[band]
    share = (max(aqi, index_low) - index_low) / (index_high - index_low)
    value = low + share * (high - low)
    one = to_micrograms(1.0, row.unit, pollutant)
    return value if one is None else value * one


def round_aqi(aqi: float) -> int:
    """Return an index as the whole number that it is shown as; halves go up."""
    return math.floor(aqi + 0.5)


def categorize(scale: Scale, aqi: float) -> Category:
    """Return the name of the part of a scale that an index is in."""
    rounded = round_aqi(aqi)
    return next(name for highest, name in _CATEGORIES[scale] if rounded <= highest)


def rank_category(scale: Scale, category: Category) -> int:
    """Return how bad a category is: 0 is the best of its scale.

    Raises:
        ValueError: The scale has no such category.
    """
    return [name for _, name in _CATEGORIES[scale]].index(category)

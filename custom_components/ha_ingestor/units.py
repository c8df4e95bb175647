"""Units that other integrations write in many ways: money and carbon per energy."""

from collections.abc import Mapping
import re
from typing import Final

# "EUR/kWh", "ct/kWh", "EUR/MWh", "¢/kWh"
_HUNDREDTHS: Final = frozenset({"ct", "cent", "cents", "c", "¢", "p", "øre", "öre"})
_PRICE_UNIT: Final = re.compile(
    r"(?P<money>[A-Z]{3}|[€£$¥₹₺₴₽₩]|(?i:kr|zł|Kč|Ft|lei|лв|Fr|"
    rf"{'|'.join(sorted(_HUNDREDTHS))}))/(?P<energy>(?i:Wh|kWh|MWh))"
)
_PER_KWH: Final[Mapping[str, float]] = {"wh": 1000.0, "kwh": 1.0, "mwh": 0.001}

# 1 lb is 0.45359237 kg, and 1 kg/MWh is 1 g/kWh.
LBS_PER_MWH: Final = 0.45359237
# To gCO2eq/kWh.
_CARBON_FACTORS: Final[Mapping[str, float]] = {
    "gco2eq/kwh": 1.0,
    "gco2e/kwh": 1.0,
    "gco2/kwh": 1.0,
    "kgco2/kwh": 1000.0,
    "kgco2e/kwh": 1000.0,
    "kgco2eq/kwh": 1000.0,
    "kgco2/mwh": 1.0,
    "kgco2e/mwh": 1.0,
    "kgco2eq/mwh": 1.0,
    # "lb CO2/MWh" is what WattTime has.
    "lbco2/mwh": LBS_PER_MWH,
    "lbsco2/mwh": LBS_PER_MWH,
    "lbs/mwh": LBS_PER_MWH,
}
# Clear only where somebody says that it is carbon dioxide.
_PLAIN_MASSES: Final[Mapping[str, float]] = {
    "g/kwh": 1.0,
    "kg/kwh": 1000.0,
    "kg/mwh": 1.0,
    "lb/mwh": LBS_PER_MWH,
}


def is_carbon_unit(unit: str) -> bool:
    """Tell whether a unit is a mass of carbon dioxide per energy."""
    return _squeeze(unit) in _CARBON_FACTORS


def carbon_factor(unit: str) -> float | None:
    """Return what a value is multiplied by to be in gCO2eq/kWh.

    None for a unit that is no mass per energy.
    """
    squeezed = _squeeze(unit)
    return _CARBON_FACTORS.get(squeezed, _PLAIN_MASSES.get(squeezed))


def is_price_unit(unit: str) -> bool:
    """Tell whether a unit is money per energy."""
    return not is_carbon_unit(unit) and _match_price(unit) is not None


def price_factor(unit: str) -> float:
    """Return what a price in this unit is multiplied by to be in currency/kWh."""
    if (match := _match_price(unit)) is None:
        return 1.0
    hundredths = 0.01 if match["money"].lower() in _HUNDREDTHS else 1.0
    return hundredths * _PER_KWH[match["energy"].lower()]


def _match_price(unit: str) -> re.Match[str] | None:
    return _PRICE_UNIT.fullmatch(unit.replace(" ", ""))


def _squeeze(unit: str) -> str:
    return unit.lower().replace(" ", "").replace("₂", "2")

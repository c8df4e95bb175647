"""Units of stored fields, for the schema of archived files.

Fields that hold the entity's own value are not here: their unit is the tag `unit` of
each row.
"""

from collections.abc import Mapping
from typing import Final

from homeassistant.const import (
    PERCENTAGE,
    UnitOfEnergy,
    UnitOfPower,
    UnitOfPressure,
    UnitOfTemperature,
    UnitOfTime,
)

from ..models import ContextField

_CARBON_INTENSITY: Final = "gCO2eq/kWh"
_KWH: Final = UnitOfEnergy.KILO_WATT_HOUR
_S: Final = UnitOfTime.SECONDS
_CONTEXT: Final[Mapping[str, str]] = {
    ContextField.OUTDOOR_TEMPERATURE: UnitOfTemperature.CELSIUS,
    ContextField.OUTDOOR_HUMIDITY: PERCENTAGE,
    ContextField.OUTDOOR_PRESSURE: UnitOfPressure.HPA,
    ContextField.CARBON_INTENSITY: _CARBON_INTENSITY,
}
_FIXED: Final[Mapping[str, str]] = {
    # Events and their aggregates.
    "duration_s": _S,
    "covered_seconds": _S,
    "window_seconds": _S,
    "value_seconds": _S,
    "on_seconds": _S,
    "top_state_seconds": _S,
    "total_energy": _KWH,
    "energy_carbon": "gCO2eq",
    # Sources.
    "carbon_intensity_gco2_kwh": _CARBON_INTENSITY,
    "renewable_percentage": PERCENTAGE,
    "fossil_percentage": PERCENTAGE,
    "forecast_1h": _CARBON_INTENSITY,
    "forecast_24h": _CARBON_INTENSITY,
    "slot_minutes": UnitOfTime.MINUTES,
    "travel_time_minutes": UnitOfTime.MINUTES,
    "away_duration_hours": UnitOfTime.HOURS,
    "total_power_w": UnitOfPower.WATT,
    "power_w": UnitOfPower.WATT,
    "daily_kwh": _KWH,
    "percentage": PERCENTAGE,
}


def field_units(currency: str) -> dict[str, str]:
    """Return the unit of each field that always has the same.

    Args:
        currency: Of the home, such as `EUR`.
    """
    price = f"{currency}/kWh"
    context = {**_CONTEXT, ContextField.ELECTRICITY_PRICE: price}
    units = {
        **_FIXED,
        **context,
        **{f"avg_{key}": unit for key, unit in context.items()},
        **{f"avg_{key}_seconds": _S for key in ContextField},
        "energy_cost": currency,
        "current_price": price,
    }
    return {str(key): str(unit) for key, unit in units.items()}

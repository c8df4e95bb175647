"""What the unit and the class of an entity mean for its aggregate."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
import math
from typing import Final

from homeassistant.const import UnitOfEnergy, UnitOfPower
from homeassistant.util.unit_conversion import (
    AreaConverter,
    BaseUnitConverter,
    DataRateConverter,
    DistanceConverter,
    DurationConverter,
    ElectricCurrentConverter,
    ElectricPotentialConverter,
    EnergyConverter,
    FrequencyConverter,
    InformationConverter,
    MassConverter,
    PowerConverter,
    PressureConverter,
    SpeedConverter,
    TemperatureConverter,
    VolumeConverter,
    VolumeFlowRateConverter,
)

from ..models import FieldValue

# Units that users change, and that integrations choose by the size of the number.
_CONVERTERS: Final[tuple[type[BaseUnitConverter], ...]] = (
    TemperatureConverter,
    PowerConverter,
    EnergyConverter,
    PressureConverter,
    SpeedConverter,
    DistanceConverter,
    MassConverter,
    VolumeConverter,
    VolumeFlowRateConverter,
    DataRateConverter,
    InformationConverter,
    DurationConverter,
    ElectricCurrentConverter,
    ElectricPotentialConverter,
    FrequencyConverter,
    AreaConverter,
)

# A counter that falls by more has been set back; a smaller fall is one of its own
# corrections. Home Assistant's statistics draw the line there
# (components/sensor/recorder.py: reset_detected).
_RESET_BELOW: Final = 0.9
# A balance (state class "total") may fall. It has been set back when it jumps close
# to zero, which its meter does not do by itself.
_BALANCE_RESET_BELOW: Final = 0.1
_BALANCE_RESET_KWH: Final = 0.1

# A number far from 1, to find out whether a conversion is a straight line.
_PROBE: Final = 1_000.0

_TRACKER_DOMAINS: Final = frozenset({"person", "device_tracker"})
# Of these, all states but "off" are ways of being on: "heat", "playing".
_MODE_DOMAINS: Final = frozenset({"climate", "media_player", "water_heater"})
_OFF_STATES: Final = frozenset({"off", "standby"})


class Quantity(StrEnum):
    """How an entity's numbers become energy."""

    POWER = "power"  # the area under them
    COUNTER = "counter"  # their increase; they fall only when set back
    BALANCE = "balance"  # their change; they may fall


@dataclass(frozen=True, slots=True, kw_only=True)
class Nature:
    """What the tags of a row say about its numbers.

    Attributes:
        quantity: None where they are no energy.
        factor: To kW or kWh.
        is_tracker: Its states are names of places, whatever they look like.
        has_modes: Its states are "off" and ways of being on.
    """

    unit: str
    quantity: Quantity | None
    factor: float
    is_tracker: bool
    has_modes: bool

    def is_on(self, state: str, value: FieldValue | None) -> bool | None:
        """Tell whether a state that is no number is on; None if it has no such side.

        Args:
            value: What stands beside it: 1 for on, open, home and the like, 0 for
                their opposites.
        """
        if self.has_modes:
            return state not in _OFF_STATES
        return None if value is None else value == 1


def nature_of(tags: Mapping[str, str]) -> Nature:
    """Read what an entity is from the tags of one of its rows."""
    return _nature(
        tags.get("unit", ""),
        tags.get("device_class", ""),
        tags.get("state_class", ""),
        tags.get("domain", ""),
    )


@lru_cache(maxsize=1_024)
def _nature(unit: str, device_class: str, state_class: str, domain: str) -> Nature:
    quantity, factor = None, 1.0
    if unit in PowerConverter.VALID_UNITS and device_class in {"power", ""}:
        quantity = Quantity.POWER
        factor = PowerConverter.convert(1.0, unit, UnitOfPower.KILO_WATT)
    elif unit in EnergyConverter.VALID_UNITS and (
        # Without a class, calories are more likely food than heat.
        device_class == "energy" or (not device_class and unit.endswith("Wh"))
    ):
        factor = EnergyConverter.convert(1.0, unit, UnitOfEnergy.KILO_WATT_HOUR)
        if state_class == "total_increasing":
            quantity = Quantity.COUNTER
        elif state_class == "total":
            quantity = Quantity.BALANCE
    return Nature(
        unit=unit,
        quantity=quantity,
        factor=factor,
        is_tracker=domain in _TRACKER_DOMAINS,
        has_modes=domain in _MODE_DOMAINS,
    )


def increase(quantity: Quantity, before_kwh: float, now_kwh: float) -> float:
    """Return the energy between two readings of a counter, across a reset.

    After a reset the counter has counted from zero; what it counted before the reset
    and after the reading before is lost.
    """
    if quantity is Quantity.COUNTER:
        is_reset = now_kwh < _RESET_BELOW * before_kwh
        # Less than nothing is no reading of such a counter.
        return max(now_kwh, 0.0) if is_reset else now_kwh - before_kwh
    is_reset = (
        abs(now_kwh) <= _BALANCE_RESET_BELOW * abs(before_kwh)
        and abs(now_kwh - before_kwh) >= _BALANCE_RESET_KWH
    )
    return now_kwh if is_reset else now_kwh - before_kwh


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A way from one unit to another that means can go as well.

    Attributes:
        factor, offset: What a number is multiplied by, and what is added then.
        convert: The same for a single number, as Home Assistant does it.
    """

    factor: float
    offset: float
    convert: Callable[[float], float]


@lru_cache(maxsize=1_024)
def conversion(old_unit: str, new_unit: str) -> Conversion | None:
    """Return the way from one unit to another.

    None where there is none, or none that means can go: the Beaufort scale is no
    straight line.
    """
    for converter in _CONVERTERS:
        if {old_unit, new_unit} <= converter.VALID_UNITS:
            convert = converter.converter_factory(old_unit, new_unit)
            offset = convert(0.0)
            factor = (convert(_PROBE) - offset) / _PROBE
            is_line = math.isclose(convert(1.0), offset + factor, rel_tol=1e-9)
            if not is_line or factor <= 0:
                return None
            return Conversion(factor=factor, offset=offset, convert=convert)
    return None

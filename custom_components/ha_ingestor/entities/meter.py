"""The entities of a meter."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import (
    PERCENTAGE,
    UnitOfEnergy,
    UnitOfMass,
    UnitOfPower,
)

from ..coordinators.meter import (
    EVENT_POWER_LIMIT,
    LIMIT_EXCEEDED,
    LIMIT_RESTORED,
    CircuitView,
    MeterView,
)
from ..coordinators.source import SourceCoordinator
from ..sources.meter.model import MeterData
from .source import SourceEventDescription, SourceSensorDescription

METER_SENSORS: Final = (
    SourceSensorDescription[MeterView](
        key="power",
        translation_key="meter_power",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=lambda view: view.power_w,
        attributes=lambda view: {"derived_from_energy": view.is_derived},
    ),
    SourceSensorDescription[MeterView](
        key="energy_today",
        translation_key="meter_energy_today",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        value=lambda view: view.energy_today_kwh,
        reset_at=lambda view: view.day_start,
        attributes=lambda view: {
            "estimated_kwh": view.estimated_kwh,
            "yesterday_kwh": view.yesterday_kwh,
        },
    ),
    SourceSensorDescription[MeterView](
        key="cost_today",
        translation_key="meter_cost_today",
        device_class=SensorDeviceClass.MONETARY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        value=lambda view: view.cost_today,
        unit=lambda view: view.currency,
        reset_at=lambda view: view.day_start,
        attributes=lambda view: {"kwh_without_price": view.unpriced_kwh},
    ),
    SourceSensorDescription[MeterView](
        key="carbon_today",
        translation_key="meter_carbon_today",
        device_class=SensorDeviceClass.WEIGHT,
        native_unit_of_measurement=UnitOfMass.GRAMS,
        suggested_unit_of_measurement=UnitOfMass.KILOGRAMS,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        value=lambda view: view.carbon_today_g,
        reset_at=lambda view: view.day_start,
        attributes=lambda view: {"kwh_without_intensity": view.uncounted_kwh},
    ),
    SourceSensorDescription[MeterView](
        key="peak_demand_today",
        translation_key="meter_peak_demand_today",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        suggested_display_precision=0,
        value=lambda view: view.peak_w,
        attributes=lambda view: {"at": view.peak_at},
    ),
    SourceSensorDescription[MeterView](
        key="peak_quarter_hour_today",
        translation_key="meter_peak_quarter_hour_today",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        suggested_display_precision=0,
        entity_registry_enabled_default=False,
        value=lambda view: view.quarter_peak_w,
    ),
    SourceSensorDescription[MeterView](
        key="base_load",
        translation_key="meter_base_load",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=lambda view: view.base_load_w,
        attributes=lambda view: {"nights": view.base_load_nights},
    ),
    SourceSensorDescription[MeterView](
        key="phantom_load_yearly_cost",
        translation_key="meter_phantom_load_yearly_cost",
        device_class=SensorDeviceClass.MONETARY,
        suggested_display_precision=0,
        value=lambda view: view.base_load_yearly_cost,
        unit=lambda view: view.currency,
    ),
)

METER_EVENTS: Final = (
    SourceEventDescription(
        key=EVENT_POWER_LIMIT,
        translation_key="meter_power_limit",
        event_types=[LIMIT_EXCEEDED, LIMIT_RESTORED],
    ),
)


def _read(
    key: str, value: Callable[[CircuitView], float | None]
) -> Callable[[MeterView], float | None]:
    def read(view: MeterView) -> float | None:
        circuit = view.circuits.get(key)
        return None if circuit is None else value(circuit)

    return read


# What each circuit has; key, name and value are put in for every one of them.
CIRCUIT_POWER: Final = SourceSensorDescription[MeterView](
    key="circuit_power",
    translation_key="meter_circuit_power",
    device_class=SensorDeviceClass.POWER,
    native_unit_of_measurement=UnitOfPower.WATT,
    state_class=SensorStateClass.MEASUREMENT,
    suggested_display_precision=0,
    value=_read("", lambda circuit: circuit.power_w),
)
CIRCUIT_SHARE: Final = SourceSensorDescription[MeterView](
    key="circuit_share",
    translation_key="meter_circuit_share",
    native_unit_of_measurement=PERCENTAGE,
    state_class=SensorStateClass.MEASUREMENT,
    suggested_display_precision=1,
    value=_read("", lambda circuit: circuit.share),
)


def list_meter_sensors(
    coordinator: SourceCoordinator[Any, Any],
) -> Iterable[SourceSensorDescription[Any]]:
    """Return the sensors of a meter, with those of the circuits it has now."""
    yield from METER_SENSORS
    data: MeterData | None = coordinator.answer
    for circuit in () if data is None else data.circuits:
        placeholders = {"circuit": circuit.name}
        yield replace(
            CIRCUIT_POWER,
            key=f"circuit_{circuit.key}_power",
            placeholders=placeholders,
            value=_read(circuit.key, lambda item: item.power_w),
        )
        yield replace(
            CIRCUIT_SHARE,
            key=f"circuit_{circuit.key}_share",
            placeholders=placeholders,
            value=_read(circuit.key, lambda item: item.share),
        )

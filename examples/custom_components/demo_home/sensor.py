"""Sensors of the demo home."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    PERCENTAGE,
    EntityCategory,
    UnitOfEnergy,
    UnitOfLength,
    UnitOfPower,
    UnitOfPressure,
    UnitOfSpeed,
    UnitOfTemperature,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import ATTR_ROW
from .entity import DemoHomeEntity
from .house import METER_DEVICE, PLAYER_DEVICE, ROOMS, STATION_DEVICE, Room, room_device
from .player import DemoHomeConfigEntry, Player, PlayOrder
from .recording import (
    COLUMN_APPLIANCES,
    COLUMN_LIGHTS,
    COLUMN_STATION_DEW_POINT,
    COLUMN_STATION_HUMIDITY,
    COLUMN_STATION_PRESSURE,
    COLUMN_STATION_TEMPERATURE,
    COLUMN_STATION_VISIBILITY,
    COLUMN_STATION_WIND_SPEED,
    Row,
)

PARALLEL_UPDATES = 0

# Wh of ten minutes to their mean in W.
WATTS_PER_WATT_HOUR: Final = 6


@dataclass(frozen=True, kw_only=True)
class DemoSensorDescription(SensorEntityDescription):
    """A sensor and how its value is read from a row; the key is its object id."""

    value: Callable[[Row], float | datetime]


def _from_column(column: str) -> Callable[[Row], float]:
    """Read a column as it is."""
    return lambda row: row.values[column]


def _describe_room(room: Room) -> tuple[DemoSensorDescription, ...]:
    """Describe what the climate sensor of a room measures."""
    return (
        DemoSensorDescription(
            key=f"{room.key}_climate_temperature",
            device_class=SensorDeviceClass.TEMPERATURE,
            state_class=SensorStateClass.MEASUREMENT,
            native_unit_of_measurement=UnitOfTemperature.CELSIUS,
            suggested_display_precision=1,
            value=_from_column(f"T{room.number}"),
        ),
        DemoSensorDescription(
            key=f"{room.key}_climate_humidity",
            device_class=SensorDeviceClass.HUMIDITY,
            state_class=SensorStateClass.MEASUREMENT,
            native_unit_of_measurement=PERCENTAGE,
            suggested_display_precision=0,
            value=_from_column(f"RH_{room.number}"),
        ),
    )


STATION_SENSORS: Final = (
    DemoSensorDescription(
        key="chievres_airport_temperature",
        device_class=SensorDeviceClass.TEMPERATURE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfTemperature.CELSIUS,
        suggested_display_precision=1,
        value=_from_column(COLUMN_STATION_TEMPERATURE),
    ),
    DemoSensorDescription(
        key="chievres_airport_humidity",
        device_class=SensorDeviceClass.HUMIDITY,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=PERCENTAGE,
        suggested_display_precision=0,
        value=_from_column(COLUMN_STATION_HUMIDITY),
    ),
    # Suggesting the unit of the recording keeps Home Assistant from converting
    # it to the one of its unit system, as it does in the weather entity.
    DemoSensorDescription(
        key="chievres_airport_pressure",
        device_class=SensorDeviceClass.ATMOSPHERIC_PRESSURE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfPressure.MMHG,
        suggested_unit_of_measurement=UnitOfPressure.MMHG,
        suggested_display_precision=1,
        value=_from_column(COLUMN_STATION_PRESSURE),
    ),
    DemoSensorDescription(
        key="chievres_airport_wind_speed",
        device_class=SensorDeviceClass.WIND_SPEED,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfSpeed.METERS_PER_SECOND,
        suggested_unit_of_measurement=UnitOfSpeed.METERS_PER_SECOND,
        suggested_display_precision=1,
        value=_from_column(COLUMN_STATION_WIND_SPEED),
    ),
    DemoSensorDescription(
        key="chievres_airport_visibility",
        translation_key="visibility",
        device_class=SensorDeviceClass.DISTANCE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfLength.KILOMETERS,
        suggested_display_precision=0,
        value=_from_column(COLUMN_STATION_VISIBILITY),
    ),
    DemoSensorDescription(
        key="chievres_airport_dew_point",
        translation_key="dew_point",
        device_class=SensorDeviceClass.TEMPERATURE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfTemperature.CELSIUS,
        suggested_display_precision=1,
        value=_from_column(COLUMN_STATION_DEW_POINT),
    ),
)

METER_SENSORS: Final = (
    DemoSensorDescription(
        key="electricity_meter_appliances_power",
        translation_key="appliances_power",
        device_class=SensorDeviceClass.POWER,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfPower.WATT,
        value=lambda row: row.values[COLUMN_APPLIANCES] * WATTS_PER_WATT_HOUR,
    ),
    DemoSensorDescription(
        key="electricity_meter_appliances_energy",
        translation_key="appliances_energy",
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        value=lambda row: row.appliances_total_wh,
    ),
    DemoSensorDescription(
        key="electricity_meter_lights_power",
        translation_key="lights_power",
        device_class=SensorDeviceClass.POWER,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfPower.WATT,
        value=lambda row: row.values[COLUMN_LIGHTS] * WATTS_PER_WATT_HOUR,
    ),
    DemoSensorDescription(
        key="electricity_meter_lights_energy",
        translation_key="lights_energy",
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        value=lambda row: row.lights_total_wh,
    ),
)

RECORDED_AT: Final = DemoSensorDescription(
    key="demo_home_recorded_at",
    translation_key="recorded_at",
    device_class=SensorDeviceClass.TIMESTAMP,
    entity_category=EntityCategory.DIAGNOSTIC,
    value=lambda row: row.recorded_at,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: DemoHomeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the sensors."""
    player = entry.runtime_data
    by_device = (
        *((room_device(room), _describe_room(room)) for room in ROOMS),
        (STATION_DEVICE, STATION_SENSORS),
        (METER_DEVICE, METER_SENSORS),
    )
    async_add_entities(
        [
            *(
                DemoSensor(player, description, device)
                for device, descriptions in by_device
                for description in descriptions
            ),
            RecordedAtSensor(player, RECORDED_AT, PLAYER_DEVICE),
        ]
    )


class DemoSensor(DemoHomeEntity, SensorEntity):
    """A reading of the current row."""

    entity_description: DemoSensorDescription

    def __init__(
        self, player: Player, description: DemoSensorDescription, device: DeviceInfo
    ) -> None:
        """Attach the reading to its device."""
        super().__init__(player, f"sensor.{description.key}")
        self.entity_description = description
        self._attr_device_info = device

    @property
    @override
    def native_value(self) -> float | datetime | None:
        """The reading; unknown before the first row."""
        return None if self.row is None else self.entity_description.value(self.row)


class RecordedAtSensor(DemoSensor):
    """The moment that is being played."""

    play_order = PlayOrder.PROGRESS

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """The row, so that a reader can tell how far the play has come."""
        return None if self.row is None else {ATTR_ROW: self.row.index}

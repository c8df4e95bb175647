"""Weather of the demo home."""

from typing import Final, override

from homeassistant.components.weather import (
    ATTR_CONDITION_FOG,
    ATTR_CONDITION_WINDY,
    WeatherEntity,
)
from homeassistant.const import (
    UnitOfLength,
    UnitOfPressure,
    UnitOfSpeed,
    UnitOfTemperature,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import DemoHomeEntity
from .house import STATION_DEVICE
from .player import DemoHomeConfigEntry, PlayOrder
from .recording import (
    COLUMN_STATION_DEW_POINT,
    COLUMN_STATION_HUMIDITY,
    COLUMN_STATION_PRESSURE,
    COLUMN_STATION_TEMPERATURE,
    COLUMN_STATION_VISIBILITY,
    COLUMN_STATION_WIND_SPEED,
)

PARALLEL_UPDATES = 0

# The definition of fog in weather observation.
FOG_BELOW_KM: Final = 1.0
# 6 Beaufort, strong breeze.
WINDY_FROM_M_S: Final = 10.8


async def async_setup_entry(
    hass: HomeAssistant,
    entry: DemoHomeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the weather."""
    async_add_entities([StationWeather(entry.runtime_data, "weather.chievres_airport")])


class StationWeather(DemoHomeEntity, WeatherEntity):
    """What the weather station reports."""

    _attr_device_info = STATION_DEVICE
    _attr_name = None
    _attr_native_pressure_unit = UnitOfPressure.MMHG
    _attr_native_temperature_unit = UnitOfTemperature.CELSIUS
    _attr_native_visibility_unit = UnitOfLength.KILOMETERS
    _attr_native_wind_speed_unit = UnitOfSpeed.METERS_PER_SECOND
    play_order = PlayOrder.WEATHER

    @override
    def on_row(self) -> None:
        """Take the values of the current row."""
        if self.row is not None:
            values = self.row.values
            self._attr_native_temperature = values[COLUMN_STATION_TEMPERATURE]
            self._attr_native_dew_point = values[COLUMN_STATION_DEW_POINT]
            self._attr_humidity = values[COLUMN_STATION_HUMIDITY]
            self._attr_native_pressure = values[COLUMN_STATION_PRESSURE]
            self._attr_native_visibility = values[COLUMN_STATION_VISIBILITY]
            self._attr_native_wind_speed = values[COLUMN_STATION_WIND_SPEED]
            self._attr_condition = _judge_condition(
                visibility_km=values[COLUMN_STATION_VISIBILITY],
                wind_speed_m_s=values[COLUMN_STATION_WIND_SPEED],
            )
        super().on_row()


def _judge_condition(*, visibility_km: float, wind_speed_m_s: float) -> str | None:
    """Name the condition where the values imply one.

    The recording has no clouds and no rain: a sunny or rainy sky is not known.
    """
    if visibility_km < FOG_BELOW_KM:
        return ATTR_CONDITION_FOG
    if wind_speed_m_s >= WINDY_FROM_M_S:
        return ATTR_CONDITION_WINDY
    return None

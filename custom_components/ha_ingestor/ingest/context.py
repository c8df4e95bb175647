"""The moment of an event: weather, price, carbon, who is home.

The fields are kept as ready line protocol and replaced when one of the entities
behind them changes, so that an event costs no more than taking a reference.
Event loop only.
"""

from collections.abc import Callable, Iterable, Mapping
import math
import re
from typing import Any, Final

from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_HOME,
    STATE_ON,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    UnitOfPressure,
    UnitOfTemperature,
)
from homeassistant.core import HomeAssistant, State, callback
from homeassistant.util.unit_conversion import PressureConverter, TemperatureConverter

from ..models import ContextField, FieldValue
from ..options import HubOptions
from ..store.line_protocol import format_field
from ..units import carbon_factor, is_carbon_unit, is_price_unit, price_factor

SUN_ENTITY: Final = "sun.sun"
HOME_ZONE: Final = "zone.home"

_ABSENT: Final = frozenset({STATE_UNKNOWN, STATE_UNAVAILABLE, ""})
# A price or intensity of another time than now.
_OTHER_TIMES: Final = re.compile(
    r"(?<![a-z])(next|previous|last|tomorrow|yesterday|forecast|max|min|avg|average"
    r"|mean|median|highest|lowest|high|low|export|feed|peak|threshold)(?![a-z])"
)
_WEATHER_FIELDS: Final = frozenset(
    {
        ContextField.OUTDOOR_TEMPERATURE,
        ContextField.OUTDOOR_HUMIDITY,
        ContextField.OUTDOOR_PRESSURE,
        ContextField.OUTDOOR_CONDITION,
    }
)
_PREFERRED_WEATHER: Final = ("weather.home", "weather.forecast_home")


class ContextTracker:
    """Knows the context fields of this moment.

    Attributes:
        text: Fields as line protocol, each with a comma before it; empty for none.
        entities: The entities that the fields are taken from.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        options: HubOptions,
        get_state: Callable[[str], State | None] | None = None,
    ) -> None:
        """Find the entities behind the fields among the states that exist now.

        Args:
            get_state: Where their values are read, for moments other than now.
        """
        self._hass = hass
        self._get_state = get_state or hass.states.get
        self.text = ""
        self.entities: frozenset[str] = frozenset()
        self._values: dict[ContextField, FieldValue] = {}
        self._source_values: Mapping[ContextField, FieldValue | None] = {}
        self.set_options(options)

    @callback
    def set_options(self, options: HubOptions) -> None:
        """Take over what the user has chosen."""
        self._options = options
        self.resolve()

    @callback
    def set_source_values(
        self, values: Mapping[ContextField, FieldValue | None]
    ) -> None:
        """Take over what the hub's own sources say of this moment.

        Args:
            values: The fields that sources feed, in the units of ContextField. None
                is one that is not known now: no entity stands in for a source.
        """
        is_same = values.keys() == self._source_values.keys()
        self._source_values = dict(values)
        if is_same:
            self.refresh()
        else:
            self.resolve()

    @property
    def values(self) -> Mapping[ContextField, FieldValue]:
        """The fields of this moment; what is unknown is left out."""
        return self._values

    @property
    def found(self) -> Mapping[ContextField, tuple[str, ...]]:
        """The entities behind the fields; a field without any is left out."""
        return {
            field: entity_ids
            for field, entity_ids in (
                (ContextField.OUTDOOR_CONDITION, _as_tuple(self._weather)),
                (ContextField.OUTDOOR_TEMPERATURE, _as_tuple(self._temperature)),
                (ContextField.CARBON_INTENSITY, _as_tuple(self._carbon)),
                (ContextField.ELECTRICITY_PRICE, _as_tuple(self._price)),
                (ContextField.ANYONE_HOME, self._presence),
            )
            if entity_ids
        }

    @callback
    def resolve(self) -> None:
        """Find the entities behind the fields, then read them."""
        options = self._options
        wanted = options.context_fields - self._source_values.keys()
        self._weather = self._temperature = self._carbon = self._price = None
        self._presence: tuple[str, ...] = ()
        if wanted & _WEATHER_FIELDS:
            self._weather = options.weather_entity or self._find_weather()
        if ContextField.OUTDOOR_TEMPERATURE in wanted:
            self._temperature = options.outdoor_temperature_entity
        if ContextField.CARBON_INTENSITY in wanted:
            self._carbon = options.carbon_intensity_entity or self._find_sensor(
                is_carbon_unit
            )
        if ContextField.ELECTRICITY_PRICE in wanted:
            self._price = options.electricity_price_entity or self._find_sensor(
                is_price_unit
            )
        if ContextField.ANYONE_HOME in wanted:
            self._presence = options.presence_entities or self._find_presence()
        found = [self._weather, self._temperature, self._carbon, self._price]
        if ContextField.DAYLIGHT in wanted:
            found.append(SUN_ENTITY)
        self.entities = frozenset(filter(None, (*found, *self._presence)))
        self.refresh()

    def is_interesting(self, entity_id: str, attributes: Mapping[str, Any]) -> bool:
        """Tell whether an entity that has just appeared may be a better source."""
        if entity_id in self.entities:
            return False
        domain = entity_id.partition(".")[0]
        if domain == "weather":
            return self._weather is None
        fed = self._source_values
        if domain == "person":
            return not self._presence and ContextField.ANYONE_HOME not in fed
        unit = str(attributes.get(ATTR_UNIT_OF_MEASUREMENT, ""))
        if is_price_unit(unit):
            return self._price is None and ContextField.ELECTRICITY_PRICE not in fed
        return (
            is_carbon_unit(unit)
            and self._carbon is None
            and ContextField.CARBON_INTENSITY not in fed
        )

    @callback
    def refresh(self) -> None:
        """Read the entities again."""
        values: dict[ContextField, FieldValue] = {}
        wanted = self._options.context_fields
        self._read_weather(values)
        if (temperature := self._number(self._temperature)) is not None:
            values[ContextField.OUTDOOR_TEMPERATURE] = _to_celsius(*temperature)
        if (carbon := self._number(self._carbon)) is not None:
            factor = carbon_factor(carbon[1])
            values[ContextField.CARBON_INTENSITY] = carbon[0] * (factor or 1.0)
        if (price := self._number(self._price)) is not None:
            values[ContextField.ELECTRICITY_PRICE] = price[0] * price_factor(price[1])
        if (anyone_home := self._anyone_home()) is not None:
            values[ContextField.ANYONE_HOME] = anyone_home
        if (
            ContextField.DAYLIGHT in wanted
            and (sun := self._get_state(SUN_ENTITY)) is not None
            and sun.state not in _ABSENT
        ):
            values[ContextField.DAYLIGHT] = sun.state == "above_horizon"
        values.update(
            (field, value)
            for field, value in self._source_values.items()
            if value is not None
        )
        self._values = {
            field: values[field]
            for field in ContextField
            if field in values and field in wanted
        }
        texts = [format_field(field, value) for field, value in self._values.items()]
        self.text = "".join(f",{text}" for text in texts if text is not None)

    def _read_weather(self, values: dict[ContextField, FieldValue]) -> None:
        if self._weather is None:
            return
        state = self._get_state(self._weather)
        # "unknown" is a station without a word for the sky; its numbers hold.
        if state is None or state.state == STATE_UNAVAILABLE:
            return
        attributes = state.attributes
        if state.state not in _ABSENT:
            values[ContextField.OUTDOOR_CONDITION] = state.state
        if (temperature := _as_float(attributes.get("temperature"))) is not None:
            values[ContextField.OUTDOOR_TEMPERATURE] = _to_celsius(
                temperature, str(attributes.get("temperature_unit", ""))
            )
        if (humidity := _as_float(attributes.get("humidity"))) is not None:
            values[ContextField.OUTDOOR_HUMIDITY] = humidity
        if (pressure := _as_float(attributes.get("pressure"))) is not None:
            unit = attributes.get("pressure_unit")
            if unit in PressureConverter.VALID_UNITS:
                pressure = PressureConverter.convert(pressure, unit, UnitOfPressure.HPA)
            values[ContextField.OUTDOOR_PRESSURE] = pressure

    def _anyone_home(self) -> bool | None:
        """Return None where nobody's whereabouts are known."""
        known = [
            _is_home(state)
            for entity_id in self._presence
            if (state := self._state(entity_id)) is not None
        ]
        return any(known) if known else None

    def _state(self, entity_id: str | None) -> State | None:
        if entity_id is None:
            return None
        state = self._get_state(entity_id)
        return None if state is None or state.state in _ABSENT else state

    def _number(self, entity_id: str | None) -> tuple[float, str] | None:
        """Return value and unit of a sensor."""
        if (state := self._state(entity_id)) is None:
            return None
        if (value := _as_float(state.state)) is None:
            return None
        return value, str(state.attributes.get(ATTR_UNIT_OF_MEASUREMENT, ""))

    def _find_weather(self) -> str | None:
        found = sorted(self._hass.states.async_entity_ids("weather"))
        for preferred in _PREFERRED_WEATHER:
            if preferred in found:
                return preferred
        return found[0] if found else None

    def _find_sensor(self, is_unit: Callable[[str], bool]) -> str | None:
        """Return the sensor of the present value, None where that is not plain.

        A wrong price on every point would be worse than none.
        """
        found = [
            state.entity_id
            for state in self._hass.states.async_all("sensor")
            if is_unit(str(state.attributes.get(ATTR_UNIT_OF_MEASUREMENT, "")))
            and not _OTHER_TIMES.search(state.entity_id)
        ]
        current = [entity_id for entity_id in found if "current" in entity_id]
        return _only(current) or _only(found)

    def _find_presence(self) -> tuple[str, ...]:
        if not self._hass.states.async_entity_ids("person"):
            return ()
        return (HOME_ZONE,)


def _as_tuple(entity_id: str | None) -> tuple[str, ...]:
    return () if entity_id is None else (entity_id,)


def _only(found: Iterable[str]) -> str | None:
    items = list(found)
    return items[0] if len(items) == 1 else None


def _to_celsius(value: float, unit: str) -> float:
    if unit in TemperatureConverter.VALID_UNITS:
        return TemperatureConverter.convert(value, unit, UnitOfTemperature.CELSIUS)
    return value


def _as_float(value: Any) -> float | None:
    try:
        number = float(value)
    except TypeError, ValueError, OverflowError:
        return None
    return number if math.isfinite(number) else None


def _is_home(state: State) -> bool:
    if state.domain == "zone":
        return (_as_float(state.state) or 0) > 0
    return state.state in {STATE_HOME, STATE_ON}

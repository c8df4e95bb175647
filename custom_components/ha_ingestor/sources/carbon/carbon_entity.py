"""Entities of Home Assistant: whatever another integration knows of the grid.

Delivers the intensity of a sensor (g, kg or lbs of CO2 per kWh or MWh, converted to
gCO2eq/kWh), percentages of two others, and a forecast that one of them has as an
attribute. Resolution and delay are those of the entities; read whenever they change.

Source: https://www.home-assistant.io/docs/configuration/state_object/
"""

from collections.abc import Mapping
from datetime import timedelta
import math
from typing import Any, Final, override

from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
)

from ...errors import SourceArgumentError, SourceDataError, SourceUnavailableError
from ...models import SourceKind
from ...units import carbon_factor
from ..base import (
    Argument,
    ArgumentType,
    EntityState,
    Source,
    SourceContext,
    SourceDescription,
    SourceDocumentation,
    SourceEnvironment,
    SourceResult,
)
from ..slots import Slots, map_slots
from .model import CarbonData
from .shapes import USUAL_ATTRIBUTES, parse_series

CONF_INTENSITY_ENTITY: Final = "intensity_entity"
CONF_RENEWABLE_ENTITY: Final = "renewable_entity"
CONF_FOSSIL_ENTITY: Final = "fossil_entity"
CONF_FORECAST_ENTITY: Final = "forecast_entity"
CONF_FORECAST_ATTRIBUTE: Final = "forecast_attribute"

_DOMAINS: Final = ("sensor", "number", "input_number")
_ABSENT: Final = frozenset({STATE_UNKNOWN, STATE_UNAVAILABLE, ""})
# Where integrations say which grid it is.
_REGION_ATTRIBUTES: Final = ("region", "zone", "country_code")
_MOST_PERCENT: Final = 100.0


def parse_percentage(state: EntityState | None) -> float | None:
    """Return the percentage that an entity shows; None where it shows none."""
    number = None if state is None else _as_number(state.state)
    if number is None or not 0 <= number <= _MOST_PERCENT:
        return None
    return number


def parse_intensity(entity_id: str, state: EntityState | None) -> float:
    """Return what an entity shows in gCO2eq/kWh.

    Raises:
        SourceUnavailableError: It is not there, or shows nothing.
        SourceArgumentError: Its unit is no mass per energy.
        SourceDataError: It shows no number.
    """
    if state is None:
        raise SourceUnavailableError(f"{entity_id} does not exist")
    factor = find_factor(state)
    if state.state in _ABSENT:
        raise SourceUnavailableError(f"{entity_id} is {state.state or 'empty'}")
    number = _as_number(state.state)
    if number is None:
        raise SourceDataError(f"{entity_id} is no number")
    return number * factor


def find_factor(state: EntityState) -> float:
    """Return what makes gCO2eq/kWh of an entity's values; 1 where it has no unit.

    Raises:
        SourceArgumentError: Its unit is no mass per energy.
    """
    unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
    if not unit:
        return 1.0
    if (factor := carbon_factor(str(unit))) is None:
        raise SourceArgumentError(
            CONF_INTENSITY_ENTITY, "unknown_unit", {"unit": str(unit)[:20]}
        )
    return factor


def _as_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


class CarbonEntity(Source[CarbonData]):
    """Reads entities that somebody else maintains."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        """Take the entities."""
        self._arguments = arguments
        self._intensity_entity: str = arguments[CONF_INTENSITY_ENTITY]

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[CarbonData]:
        entity_id = self._intensity_entity
        state = context.get_state(entity_id)
        intensity = parse_intensity(entity_id, state)
        assert state is not None  # noqa: S101 - that is what has just been checked
        region = next(
            (
                value
                for name in _REGION_ATTRIBUTES
                if isinstance(value := state.attributes.get(name), str) and value
            ),
            entity_id,
        )
        data = CarbonData(
            region=region,
            measured_at=state.last_updated,
            # An entity that does not change says the same as before; one that knows
            # nothing any more becomes unavailable.
            confirmed_at=context.now,
            intensity=intensity,
            renewable_percentage=self._read_percentage(CONF_RENEWABLE_ENTITY, context),
            fossil_percentage=self._read_percentage(CONF_FOSSIL_ENTITY, context),
            forecast=self._read_forecast(state, context),
        )
        return SourceResult(data=data)

    def _read_percentage(self, key: str, context: SourceContext) -> float | None:
        entity_id = self._arguments.get(key)
        if entity_id is None:
            return None
        return parse_percentage(context.get_state(entity_id))

    def _read_forecast(self, state: EntityState, context: SourceContext) -> Slots:
        """Return the forecast; an error only where an attribute was named."""
        holder: EntityState | None = state
        if entity_id := self._arguments.get(CONF_FORECAST_ENTITY):
            holder = context.get_state(entity_id)
        if holder is None or holder.state == STATE_UNAVAILABLE:
            return ()
        # A forecast's own entity may show something else, such as a time.
        unit = holder.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
        factor = carbon_factor(str(unit)) if unit else None
        if factor is None:
            factor = find_factor(state)
        named = self._arguments.get(CONF_FORECAST_ATTRIBUTE)
        if named is not None:
            if named not in holder.attributes:
                if holder.state in _ABSENT:
                    # Its integration has not filled it in yet.
                    return ()
                raise SourceArgumentError(CONF_FORECAST_ATTRIBUTE, "unknown_attribute")
            slots = parse_series(holder.attributes[named], context.time_zone)
        else:
            slots = _find_series(holder, context)
        return map_slots(slots, lambda slot: slot.value * factor)


def _find_series(holder: EntityState, context: SourceContext) -> Slots:
    for name in USUAL_ATTRIBUTES:
        if name in holder.attributes:
            try:
                return parse_series(holder.attributes[name], context.time_zone)
            except SourceDataError:
                continue
    return ()


def _create(_: SourceEnvironment, arguments: Mapping[str, Any]) -> Source[CarbonData]:
    return CarbonEntity(arguments)


CARBON_ENTITY: Final = SourceDescription(
    key="carbon_entity",
    kind=SourceKind.CARBON_INTENSITY,
    name="Home Assistant entities",
    title="Carbon intensity",
    update_interval=timedelta(minutes=15),
    create=_create,
    arguments=(
        Argument(key=CONF_INTENSITY_ENTITY, type=ArgumentType.ENTITY, domains=_DOMAINS),
        Argument(
            key=CONF_RENEWABLE_ENTITY,
            type=ArgumentType.ENTITY,
            is_required=False,
            domains=_DOMAINS,
        ),
        Argument(
            key=CONF_FOSSIL_ENTITY,
            type=ArgumentType.ENTITY,
            is_required=False,
            domains=_DOMAINS,
        ),
        Argument(
            key=CONF_FORECAST_ENTITY,
            type=ArgumentType.ENTITY,
            is_required=False,
            domains=("sensor",),
        ),
        Argument(
            key=CONF_FORECAST_ATTRIBUTE, type=ArgumentType.TEXT, is_required=False
        ),
    ),
    documentation=SourceDocumentation(
        delivers="What entities of other integrations, templates or MQTT show:"
        " intensity, shares of renewable and fossil power, and a forecast from an"
        " attribute.",
        resolution="That of the entities.",
        delay="None: it is read whenever an entity changes.",
        rate_limit="None: nobody is asked.",
        licence="That of the integration behind the entities.",
        url="https://www.home-assistant.io/docs/configuration/state_object/",
        limits="The intensity is shown for three hours after the entity has become"
        " unavailable.",
    ),
)

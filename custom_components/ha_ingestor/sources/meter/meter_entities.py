"""Meter of Home Assistant: entities that any other integration maintains.

Delivers the home's power (W; several phases are added up), its energy counters (kWh),
and the power of any number of circuits. Resolution: as fine as the entities, at most
every ten seconds. No delay, no key, no request.

Source: https://www.home-assistant.io/integrations/sensor/
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
import math
from typing import Any, Final, override

from homeassistant.const import (
    ATTR_FRIENDLY_NAME,
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    UnitOfEnergy,
    UnitOfPower,
)
from homeassistant.util.unit_conversion import (
    BaseUnitConverter,
    EnergyConverter,
    PowerConverter,
)

from ...errors import SourceArgumentError, SourceDataError, SourceUnavailableError
from ...models import SourceKind
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
from .model import Circuit, Circuits, Counter, MeterData, name_apart

CONF_POWER: Final = "power_entities"
CONF_ENERGY: Final = "energy_entities"
CONF_CIRCUITS: Final = "circuit_entities"

UPDATE_INTERVAL: Final = timedelta(minutes=1)
# No home draws exactly the same power for so long: the entity is stuck, and going on
# to count it would make energy of nothing.
STUCK_AFTER: Final = timedelta(hours=1)

_SENSOR: Final = "sensor"
# A sensor with this state class may also go down, such as a net counter.
_STATE_CLASS_TOTAL: Final = "total"
_NAME_END: Final = " power"


def read_number(
    state: EntityState | None,
    converter: type[BaseUnitConverter],
    unit: str,
) -> float | None:
    """Return the value of an entity in a unit; None while it is not known.

    Raises:
        SourceDataError: It is no number.
        ValueError: It has another kind of unit.
    """
    if state is None or state.state in {STATE_UNAVAILABLE, STATE_UNKNOWN, ""}:
        return None
    own_unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
    if own_unit not in converter.VALID_UNITS:
        raise ValueError("none" if own_unit is None else str(own_unit))
    try:
        number = float(state.state)
    except ValueError:
        raise SourceDataError(f"Not a number: {state.state:.40}") from None
    if not math.isfinite(number):
        raise SourceDataError(f"Not a number: {state.state:.40}")
    return converter.convert(number, own_unit, unit)


class MeterEntities(Source[MeterData]):
    """Reads the entities of a meter."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        """Take the entities."""
        self._power: list[str] = arguments.get(CONF_POWER, [])
        self._energy: list[str] = arguments.get(CONF_ENERGY, [])
        self._circuits: list[str] = arguments.get(CONF_CIRCUITS, [])

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[MeterData]:
        if not self._power and not self._energy:
            raise SourceArgumentError(CONF_POWER, "entity_needed")
        power_w = self._read_power(context)
        counters = self._read_counters(context)
        if power_w is None and all(item.kwh is None for item in counters):
            missing = ", ".join(self._power + self._energy)
            raise SourceUnavailableError(f"No value of {missing}")
        circuits = self._read_circuits(context)
        data = MeterData(
            meter_id=(self._power or self._energy)[0],
            measured_at=self._find_time(context),
            power_w=power_w,
            counters=counters,
            circuits=circuits,
        )
        return SourceResult(data=data)

    def _read_power(self, context: SourceContext) -> float | None:
        """Return the sum of all phases; None if one of them is not known."""
        total = 0.0
        for entity_id in self._power:
            state = context.get_state(entity_id)
            value = _read(CONF_POWER, entity_id, state, PowerConverter)
            if state is None or value is None or _is_stuck(state, value, context.now):
                return None
            total += value
        return total if self._power else None

    def _read_counters(self, context: SourceContext) -> tuple[Counter, ...]:
        counters: list[Counter] = []
        for entity_id in self._energy:
            state = context.get_state(entity_id)
            value = _read(CONF_ENERGY, entity_id, state, EnergyConverter)
            attributes = {} if state is None else state.attributes
            period = attributes.get("last_reset")
            counters.append(
                Counter(
                    key=entity_id,
                    kwh=value,
                    may_fall=attributes.get("state_class") == _STATE_CLASS_TOTAL,
                    period=None if period is None else str(period),
                )
            )
        return tuple(counters)

    def _read_circuits(self, context: SourceContext) -> Circuits:
        circuits: list[Circuit] = []
        for entity_id in self._circuits:
            state = context.get_state(entity_id)
            try:
                power_w = _read(CONF_CIRCUITS, entity_id, state, PowerConverter)
            except SourceDataError:
                # One circuit with nonsense takes nothing from the others.
                power_w = None
            attributes = {} if state is None else state.attributes
            name = _name_circuit(attributes.get(ATTR_FRIENDLY_NAME)) or entity_id
            circuits.append(Circuit(key=entity_id, name=name, power_w=power_w))
        return name_apart(circuits)

    def _find_time(self, context: SourceContext) -> datetime:
        """Return when the newest of the home's values came.

        Values that have not changed since the last look are true now.
        """
        newest = max(
            (
                min(state.last_updated, context.now)
                for entity_id in self._power + self._energy
                if (state := context.get_state(entity_id)) is not None
            ),
            default=context.now,
        )
        return newest if context.now - newest < UPDATE_INTERVAL / 2 else context.now


def _read(
    argument: str,
    entity_id: str,
    state: EntityState | None,
    converter: type[BaseUnitConverter],
) -> float | None:
    unit: str = UnitOfPower.WATT
    if converter is EnergyConverter:
        unit = UnitOfEnergy.KILO_WATT_HOUR
    try:
        return read_number(state, converter, unit)
    except ValueError as err:
        raise SourceArgumentError(
            argument, "wrong_unit", {"entity": entity_id, "unit": str(err)}
        ) from None
    except SourceDataError as err:
        raise SourceDataError(f"{entity_id}: {err}") from None


def _is_stuck(state: EntityState, value: float, now: datetime) -> bool:
    """Tell whether nobody has reported a power for too long; none may be so."""
    return bool(value) and now - state.last_reported > STUCK_AFTER


def _name_circuit(name: object) -> str:
    """Return a sensor's name without what its kind adds; empty if it has none.

    "Oven power" is the power of the circuit "Oven".
    """
    text = name.strip() if isinstance(name, str) else ""
    if text.casefold().endswith(_NAME_END):
        return text[: -len(_NAME_END)].rstrip()
    return text


def list_arguments() -> Iterable[Argument]:
    """Return what it asks for."""
    for key, device_class in (
        (CONF_POWER, "power"),
        (CONF_ENERGY, "energy"),
        (CONF_CIRCUITS, "power"),
    ):
        yield Argument(
            key=key,
            type=ArgumentType.ENTITIES,
            is_required=False,
            domains=(_SENSOR,),
            device_classes=(device_class,),
        )


def _create(
    environment: SourceEnvironment, arguments: Mapping[str, Any]
) -> Source[MeterData]:
    return MeterEntities(arguments)


METER_ENTITIES: Final = SourceDescription(
    key="meter_entities",
    kind=SourceKind.SMART_METER,
    name="Home Assistant entities",
    title="Smart meter",
    update_interval=UPDATE_INTERVAL,
    create=_create,
    arguments=tuple(list_arguments()),
    documentation=SourceDocumentation(
        delivers="The power and the energy of the home and of its circuits, from"
        " sensors of any other integration: DSMR, Shelly, HomeWizard, Tasmota,"
        " ESPHome, Emporia, Sense and many more.",
        resolution="That of the sensors, at most every 10 seconds.",
        delay="None.",
        rate_limit="None.",
        licence="Your own data.",
        url="https://www.home-assistant.io/docs/energy/electricity-grid/",
        limits="A power that nobody has reported for an hour is taken for unknown.",
    ),
)

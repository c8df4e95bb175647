"""Price entity: any price sensor that another integration maintains.

Delivers what the sensor shows, converted to currency/kWh, and the prices of today and
tomorrow where its attributes, or those of further entities, hold them in one of the
usual shapes (see `entity_shapes`). Resolution, delay and licence are the other
integration's. Where no attribute holds prices, only the present one is known, up to
the end of the hour; today's fill up as they come. No request, no rate limit.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
import math
from typing import Any, Final, override

from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
)

from ...errors import SourceArgumentError, SourceDataError, SourceUnavailableError
from ...models import SourceKind
from ...units import is_price_unit, price_factor
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
from ..slots import Slot, Slots, arrange_slots, cut_slots, find_slot
from .currency import CONF_CURRENCY, read_currency
from .entity_shapes import Shape, read_slots
from .model import PriceData
from .statistics import HOUR, floor_hour

CONF_ENTITY: Final = "entity"
CONF_MORE_ENTITIES: Final = "more_entities"

_UPDATE_INTERVAL: Final = timedelta(minutes=5)
# A price that does not change at the full hour must not go away until it is read
# again, which is after an update interval and some chance.
_SHORTEST_SLOT: Final = 2 * _UPDATE_INTERVAL
_ABSENT: Final = frozenset({STATE_UNAVAILABLE, STATE_UNKNOWN, ""})
_CODE_LENGTH: Final = 3


def find_unit(state: EntityState) -> str | None:
    """Return the unit of an entity's prices, None where it has none."""
    unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
    return unit if isinstance(unit, str) and unit else None


def find_currency(unit: str | None) -> str | None:
    """Return the currency that a unit names by its code, as EUR/kWh does."""
    code = (unit or "").partition("/")[0].strip()
    is_code = len(code) == _CODE_LENGTH and code.isascii() and code.isalpha()
    return code if is_code and code.isupper() else None


def read_state(state: EntityState, factor: float, context: SourceContext) -> Slot:
    """Return the present price, open until the end of the hour.

    Raises:
        SourceDataError: The state is no number.
    """
    try:
        value = float(state.state) * factor
    except ValueError:
        raise SourceDataError(f"Not a number: {state.state[:40]}") from None
    if not math.isfinite(value):
        raise SourceDataError(f"Not a number: {state.state[:40]}")
    now = context.now
    hour = floor_hour(now, context.time_zone)
    changed_at = _floor_minute(state.last_updated)
    end = max(hour + HOUR, _floor_minute(now) + _SHORTEST_SLOT)
    start = max(hour, min(changed_at, now))
    return Slot(start=start, end=end, value=value)


def _floor_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


class PriceEntity(Source[PriceData]):
    """Reads entities; those that do not exist yet are waited for."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        """Take the entities."""
        self._arguments = arguments

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[PriceData]:
        entity_id: str = self._arguments[CONF_ENTITY]
        if (state := context.get_state(entity_id)) is None:
            raise SourceUnavailableError(f"{entity_id} does not exist")
        unit = find_unit(state)
        if unit is not None and not is_price_unit(unit):
            raise SourceArgumentError(CONF_ENTITY, "no_price", {"unit": unit})
        currency = find_currency(unit) or read_currency(self._arguments, context)
        slots = self._read_lists(entity_id, context)
        if find_slot(slots, context.now) is None:
            present = self._read_present(entity_id, state, slots, context)
            if present is not None:
                slots = arrange_slots((*slots, present))
        data = PriceData(currency=currency, slots=slots, fetched_at=context.now)
        return SourceResult(data=data)

    def _read_lists(self, entity_id: str, context: SourceContext) -> Slots:
        """Return the prices in the attributes of all entities."""
        more: list[str] = self._arguments.get(CONF_MORE_ENTITIES) or []
        found: Slots = ()
        for item in (entity_id, *more):
            state = context.get_state(item)
            if state is None:
                continue
            updated_at = state.last_updated.astimezone(context.time_zone)
            shape = Shape(
                factor=price_factor(find_unit(state) or ""),
                today=updated_at.date(),
                time_zone=context.time_zone,
            )
            # What an entity says holds where a later one says something else.
            new = [
                slot
                for slot in read_slots(state.attributes, shape)
                if not cut_slots(found, slot.start, slot.end)
            ]
            found = arrange_slots((*found, *new))
        return found

    def _read_present(
        self,
        entity_id: str,
        state: EntityState,
        slots: Slots,
        context: SourceContext,
    ) -> Slot | None:
        """Return the slot of the state itself, where no attribute has one.

        Raises:
            SourceUnavailableError: There is nothing that holds now or later.
            SourceDataError: The state is no number, likewise.
        """
        has_more = bool(slots) and slots[-1].end > context.now
        if state.state in _ABSENT:
            if has_more:
                return None
            raise SourceUnavailableError(f"{entity_id} is {state.state or 'empty'}")
        if find_unit(state) is None and has_more:
            # Of an event, it is a time; of others, nobody knows what it is.
            return None
        factor = price_factor(find_unit(state) or "")
        present = read_state(state, factor, context)
        following = next(
            (slot.start for slot in slots if slot.start > present.start), None
        )
        if following is None:
            return present
        end = min(present.end, following)
        return Slot(start=present.start, end=end, value=present.value)


def _create(
    environment: SourceEnvironment, arguments: Mapping[str, Any]
) -> Source[PriceData]:
    return PriceEntity(arguments)


PRICE_ENTITY: Final = SourceDescription(
    key="price_entity",
    kind=SourceKind.ELECTRICITY_PRICE,
    name="Home Assistant entities",
    title="Electricity price",
    # A change of the entities wakes it; this is for what ends by time alone.
    update_interval=_UPDATE_INTERVAL,
    create=_create,
    arguments=(
        Argument(
            key=CONF_ENTITY,
            type=ArgumentType.ENTITY,
            domains=("sensor", "event", "input_number", "number"),
        ),
        Argument(
            key=CONF_MORE_ENTITIES,
            type=ArgumentType.ENTITIES,
            is_required=False,
            domains=("sensor", "event"),
        ),
        Argument(
            key=CONF_CURRENCY,
            type=ArgumentType.TEXT,
            is_required=False,
            default=lambda context: context.currency,
        ),
    ),
    documentation=SourceDocumentation(
        delivers="The price that another integration shows, such as Nord Pool,"
        " ENTSO-E, EPEX Spot, Octopus Energy or Amber Electric, with the prices of"
        " today and tomorrow where its attributes hold them.",
        resolution="That of the other integration.",
        delay="None: it follows every change of the entities.",
        rate_limit="None: nobody is asked.",
        licence="That of the other integration's data.",
        url="https://www.home-assistant.io/integrations/#energy",
        limits="Without prices in the attributes, only the present one is known, and"
        " today's fill up as they come.",
    ),
)

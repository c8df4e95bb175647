"""Entities of Home Assistant: whatever integration measures the air already.

Delivers what the chosen sensors show, in the units that they show it in (converted to
ug/m3). Follows their changes; asks nobody outside.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, override

from homeassistant.const import ATTR_UNIT_OF_MEASUREMENT, CONF_NAME

from ...errors import SourceArgumentError, SourceUnavailableError
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
from .answers import HOME, read_aqi, read_concentration, read_number
from .aqi import Pollutant, Scale, to_micrograms
from .model import AirIndex, AirQualityData, AirReading

CONF_AQI_ENTITY: Final = "aqi_entity"
CONF_AQI_SCALE: Final = "aqi_scale"
ENTITY_ARGUMENTS: Final[Mapping[Pollutant, str]] = {
    pollutant: f"{pollutant}_entity" for pollutant in Pollutant
}

_DEVICE_CLASSES: Final[Mapping[Pollutant, str]] = {
    Pollutant.PM25: "pm25",
    Pollutant.PM10: "pm10",
    Pollutant.OZONE: "ozone",
    Pollutant.NITROGEN_DIOXIDE: "nitrogen_dioxide",
    Pollutant.SULPHUR_DIOXIDE: "sulphur_dioxide",
    Pollutant.CARBON_MONOXIDE: "carbon_monoxide",
}


def read_entity(
    state: EntityState, pollutant: Pollutant, *, now: datetime
) -> AirReading | None:
    """Return what an entity shows; None where it shows nothing now.

    Raises:
        SourceArgumentError: Its unit is not one of this pollutant.
    """
    shown = {"state": state.state}
    if read_number(shown, "state") is None:
        return None
    unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
    if not isinstance(unit, str) or to_micrograms(1.0, unit, pollutant) is None:
        raise SourceArgumentError(
            ENTITY_ARGUMENTS[pollutant], "wrong_unit", {"unit": str(unit or "-")}
        )
    concentration = read_concentration(shown, "state", unit, pollutant)
    if concentration is None:
        return None
    return AirReading(
        concentration=concentration,
        measured_at=state.last_updated,
        # An entity that does not change says the same as before; one that knows
        # nothing any more becomes unavailable.
        holds_at=now,
    )


class AirQualityEntity(Source[AirQualityData]):
    """Reads a sensor for each pollutant, and one for the index."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        """Take the entities."""
        self._arguments = arguments

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[AirQualityData]:
        names = (CONF_AQI_ENTITY, *ENTITY_ARGUMENTS.values())
        if not any(self._arguments.get(name) for name in names):
            raise SourceArgumentError(CONF_AQI_ENTITY, "no_entity")
        readings = {
            pollutant: reading
            for pollutant, argument in ENTITY_ARGUMENTS.items()
            if (state := self._get_state(argument, context)) is not None
            and (reading := read_entity(state, pollutant, now=context.now)) is not None
        }
        moments = [reading.measured_at for reading in readings.values()]
        indices: dict[Scale, AirIndex] = {}
        index = self._get_state(CONF_AQI_ENTITY, context)
        aqi = None if index is None else read_aqi({"state": index.state}, "state")
        if index is not None and aqi is not None:
            scale = Scale(self._arguments.get(CONF_AQI_SCALE, Scale.US))
            indices[scale] = AirIndex(aqi=aqi)
            moments.append(index.last_updated)
        if not moments:
            raise SourceUnavailableError("None of the entities shows a value")
        place = self._arguments.get(CONF_NAME)
        return SourceResult(
            place=place,
            data=AirQualityData(
                location=place or HOME,
                measured_at=max(moments),
                holds_at=context.now,
                readings=readings,
                indices=indices,
            ),
        )

    def _get_state(self, argument: str, context: SourceContext) -> EntityState | None:
        entity_id = self._arguments.get(argument)
        return None if entity_id is None else context.get_state(entity_id)


def _create(
    environment: SourceEnvironment, arguments: Mapping[str, Any]
) -> Source[AirQualityData]:
    return AirQualityEntity(arguments)


def _create_argument(key: str, device_class: str) -> Argument:
    return Argument(
        key=key,
        type=ArgumentType.ENTITY,
        is_required=False,
        domains=("sensor",),
        device_classes=(device_class,),
    )


AIR_QUALITY_ENTITY: Final = SourceDescription(
    key="air_quality_entity",
    kind=SourceKind.AIR_QUALITY,
    name="Home Assistant entities",
    title="Air quality",
    update_interval=timedelta(minutes=15),
    create=_create,
    arguments=(
        Argument(key=CONF_NAME, type=ArgumentType.TEXT, is_required=False),
        _create_argument(CONF_AQI_ENTITY, "aqi"),
        Argument(
            key=CONF_AQI_SCALE,
            type=ArgumentType.SELECT,
            options=tuple(Scale),
            translation_key="air_quality_scale",
            default=Scale.US,
        ),
        *(
            _create_argument(ENTITY_ARGUMENTS[pollutant], device_class)
            for pollutant, device_class in _DEVICE_CLASSES.items()
        ),
    ),
    documentation=SourceDocumentation(
        delivers="Index and concentrations of sensors that Home Assistant has already,"
        " whatever their integration and unit.",
        resolution="Every change of the entities.",
        delay="None.",
        rate_limit="None: nobody outside is asked.",
        licence="That of the entities' own source.",
        url="https://www.home-assistant.io/integrations/sensor/#device-class",
        limits="Where no entity has the index, it is computed from the latest"
        " concentrations: it is an estimate, and says so.",
    ),
)

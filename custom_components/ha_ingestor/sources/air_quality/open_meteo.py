"""Open-Meteo: the air as Copernicus' models (CAMS) have it, for every place on earth.

Delivers concentrations (ug/m3) of six pollutants, the US and the European index with
their parts; hourly; 11 km in Europe, 45 km elsewhere. No key. Model values, not
measured ones. Licence: CC BY 4.0, free for non-commercial use. Rate limit: 10,000
requests a day; asked hourly.

Source: https://open-meteo.com/en/docs/air-quality-api
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, override

from ...errors import SourceDataError
from ...models import SourceKind
from ..base import (
    Source,
    SourceContext,
    SourceDescription,
    SourceDocumentation,
    SourceEnvironment,
    SourceResult,
)
from ..http import HttpClient
from ..places import format_position
from .answers import (
    HOME,
    LOCATION,
    as_mapping,
    as_text,
    check_age,
    name_position,
    parse_unix_time,
    read_aqi,
    read_concentration,
    read_number,
)
from .aqi import Pollutant, Scale
from .model import AirIndex, AirQualityData, AirReading, find_dominant

_NAME: Final = "Open-Meteo"
_VARIABLES: Final[Mapping[Pollutant, str]] = {
    Pollutant.PM25: "pm2_5",
    Pollutant.PM10: "pm10",
    Pollutant.OZONE: "ozone",
    Pollutant.NITROGEN_DIOXIDE: "nitrogen_dioxide",
    Pollutant.SULPHUR_DIOXIDE: "sulphur_dioxide",
    Pollutant.CARBON_MONOXIDE: "carbon_monoxide",
}
_INDICES: Final[Mapping[Scale, str]] = {
    Scale.US: "us_aqi",
    Scale.EUROPEAN: "european_aqi",
}
_MICROGRAMS: Final = "ug/m3"


def list_variables() -> list[str]:
    """Return what is asked for: concentrations, indices, and the indices' parts."""
    variables = [*_VARIABLES.values(), *_INDICES.values()]
    for scale, index in _INDICES.items():
        variables.extend(
            f"{index}_{variable}"
            for pollutant, variable in _VARIABLES.items()
            # The European index knows no carbon monoxide.
            if scale is Scale.US or pollutant is not Pollutant.CARBON_MONOXIDE
        )
    return variables


def parse_current(
    payload: Any, *, now: datetime, location: str = HOME
) -> AirQualityData:
    """Turn the present values of `GET /v1/air-quality` into data.

    Args:
        payload: Decoded answer; times as Unix time, or as local ISO text with
            `utc_offset_seconds` beside it.
        location: What to call the place; the answer only has its position.

    Raises:
        SourceDataError: The provider says no, or has no value at all for the place.
    """
    answer = as_mapping(payload)
    if answer.get("error"):
        raise SourceDataError(as_text(answer.get("reason")) or "An error without words")
    current, units = as_mapping(answer.get("current")), answer.get("current_units")
    if not current:
        raise SourceDataError("No present values")
    measured_at = _parse_time(current.get("time"), answer)
    check_age(measured_at, now)
    readings: dict[Pollutant, AirReading] = {}
    for pollutant, variable in _VARIABLES.items():
        unit = as_text(as_mapping(units).get(variable)) or _MICROGRAMS
        concentration = read_concentration(current, variable, unit, pollutant)
        if concentration is not None:
            readings[pollutant] = AirReading(
                concentration=concentration, measured_at=measured_at
            )
    indices = {
        scale: index
        for scale, variable in _INDICES.items()
        if (index := _parse_index(current, variable)) is not None
    }
    if not readings and not indices:
        raise SourceDataError("No values for this place")
    return AirQualityData(
        location=location, measured_at=measured_at, readings=readings, indices=indices
    )


def _parse_index(current: Mapping[str, Any], variable: str) -> AirIndex | None:
    if (aqi := read_aqi(current, variable)) is None:
        return None
    sub_indices = {
        pollutant: part
        for pollutant, name in _VARIABLES.items()
        if (part := read_aqi(current, f"{variable}_{name}")) is not None
    }
    return AirIndex(
        aqi=aqi, sub_indices=sub_indices, dominant=find_dominant(sub_indices)
    )


def _parse_time(value: Any, answer: Mapping[str, Any]) -> datetime:
    if not isinstance(value, str):
        return parse_unix_time(value)
    try:
        local = datetime.fromisoformat(value).replace(tzinfo=UTC)
        offset_s = read_number(answer, "utc_offset_seconds") or 0.0
        return local - timedelta(seconds=offset_s)
    except (ValueError, OverflowError) as err:
        raise SourceDataError(f"Not a time: {value:.40}") from err


class OpenMeteo(Source[AirQualityData]):
    """Asks for the present values of a place."""

    def __init__(self, http: HttpClient, arguments: Mapping[str, Any]) -> None:
        """Take the place."""
        self._http = http
        self._arguments = arguments

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[AirQualityData]:
        latitude, longitude = format_position(self._arguments, context)
        answer = await self._http.async_request(
            "GET",
            "/v1/air-quality",
            params={
                "latitude": latitude,
                "longitude": longitude,
                "current": ",".join(list_variables()),
                "timeformat": "unixtime",
            },
        )
        if not answer.is_json:
            raise SourceDataError(answer.words)
        place = name_position(self._arguments, context)
        data = parse_current(answer.payload, now=context.now, location=place or HOME)
        return SourceResult(data=data, place=place)


def _create(
    environment: SourceEnvironment, arguments: Mapping[str, Any]
) -> Source[AirQualityData]:
    return OpenMeteo(environment.http, arguments)


OPEN_METEO: Final = SourceDescription(
    key="open_meteo",
    kind=SourceKind.AIR_QUALITY,
    name=_NAME,
    base_url="https://air-quality-api.open-meteo.com",
    update_interval=timedelta(hours=1),
    create=_create,
    arguments=(LOCATION,),
    attribution="Open-Meteo, with data of Copernicus (CAMS), CC BY 4.0",
    documentation=SourceDocumentation(
        delivers="Concentrations of six pollutants, the US and the European air quality"
        " index, for every place on earth.",
        resolution="One hour; 11 km in Europe, 45 km elsewhere.",
        delay="None: the values are those of a forecast model for the present hour.",
        rate_limit="10,000 requests a day. Asked hourly.",
        licence="CC BY 4.0; the free service is for non-commercial use.",
        url="https://open-meteo.com/en/docs/air-quality-api",
        limits="These are values of a model, not of a station nearby: smoke of the"
        " neighbor's stove is not in them.",
    ),
)

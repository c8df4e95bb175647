"""AirNow: what the stations of the United States measure, as EPA publishes it.

Delivers the NowCast AQI of each pollutant, hourly, for the United States, parts of
Canada and Mexico, and US embassies. It gives no concentrations: those are computed
from the AQI, and say so. Needs a free key. Licence: public domain, preliminary data.
Rate limit: 500 requests an hour; asked twice an hour.

The services that answered in capitalized field names ended on September 30, 2026;
this is their successor.

Source: https://docs.airnowapi.org/webservices
"""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final, override

from homeassistant.const import CONF_API_KEY

from ...errors import SourceAuthError, SourceDataError, SourceUnavailableError
from ...models import SourceKind
from ..base import (
    Argument,
    ArgumentType,
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
    LOCATION,
    as_list,
    as_mapping,
    as_text,
    compute_readings,
    read_aqi,
)
from .aqi import Pollutant, Scale
from .model import (
    VALID_FOR,
    AirIndex,
    AirQualityData,
    AirReading,
    find_dominant,
)

_NAME: Final = "AirNow"
_PARAMETERS: Final[Mapping[str, Pollutant]] = {
    "PM2.5": Pollutant.PM25,
    "PM10": Pollutant.PM10,
    "OZONE": Pollutant.OZONE,
    "O3": Pollutant.OZONE,
    "NO2": Pollutant.NITROGEN_DIOXIDE,
    "SO2": Pollutant.SULPHUR_DIOXIDE,
    "CO": Pollutant.CARBON_MONOXIDE,
}
# Hours from UTC of the abbreviations that it gives, mostly of standard time.
_ZONES: Final[Mapping[str, float]] = {
    "NST": -3.5,
    "NDT": -2.5,
    "AST": -4,
    "ADT": -3,
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
    "AKT": -9,
    "AKST": -9,
    "AKDT": -8,
    "HST": -10,
    "HDT": -9,
    "SST": -11,
    "CHST": 10,
    "GMT": 0,
    "UTC": 0,
}
# A value is the mean of the hour that begins at its time.
_HOUR: Final = timedelta(hours=1)


def parse_hour(item: Mapping[str, Any], *, now: datetime) -> datetime | None:
    """Return when the hour of an observation began, None where nobody can tell.

    An hour that has not begun yet is one whose zone is not what it says: clocks show
    daylight saving time, the abbreviation that of standard time. It is the present
    hour then, as are those of a zone that we do not know.

    Args:
        item: With `dateObserved` (2026-11-20), `hourObserved` (15:00, or 15) and
            `localTimeZone` (an abbreviation).
    """
    present = now.replace(minute=0, second=0, microsecond=0)
    hours = _ZONES.get((as_text(item.get("localTimeZone")) or "").upper())
    if hours is None:
        return present
    hour, _, minute = str(item.get("hourObserved")).partition(":")
    try:
        observed = datetime.fromisoformat(str(item.get("dateObserved")).strip())
        local = observed.replace(
            hour=int(hour),
            minute=int(minute or 0),
            tzinfo=timezone(timedelta(hours=hours)),
        )
        return min(local.astimezone(now.tzinfo), present)
    except ValueError, OverflowError:
        return None


def parse_observations(payload: Any, *, now: datetime) -> AirQualityData:
    """Turn the present observations around a place into data.

    Args:
        payload: Decoded answer of `/aq/observation/current/ziplatlong/`: one object
            for each pollutant, or an object that tells of an error.

    Raises:
        SourceAuthError: The key is refused.
        SourceUnavailableError: It was asked too often.
        SourceDataError: There is no station, or nothing that still holds.
    """
    _raise_error(payload)
    sub_indices: dict[Pollutant, int] = {}
    readings: dict[Pollutant, AirReading] = {}
    names: list[str] = []
    agencies: list[str] = []
    for item in map(as_mapping, as_list(payload)):
        parameter = (as_text(item.get("parameterName")) or "").upper()
        pollutant = _PARAMETERS.get(parameter)
        aqi = read_aqi(item, "nowcastAQI")
        began_at = parse_hour(item, now=now)
        if pollutant is None or aqi is None or began_at is None:
            continue
        # The first one is of the nearest station.
        if pollutant in sub_indices or began_at + _HOUR + VALID_FOR <= now:
            continue
        sub_indices[pollutant] = aqi
        readings |= compute_readings({pollutant: aqi}, began_at, began_at + _HOUR)
        names.extend(_list_texts(item, "reportingAreaName", "siteName"))
        agencies.extend(_list_texts(item, "reportingAgency"))
    if not sub_indices:
        raise SourceDataError("No observations near this place in the last hours")
    measured_at = max(reading.measured_at for reading in readings.values())
    return AirQualityData(
        location=names[0] if names else _NAME,
        measured_at=measured_at,
        holds_at=measured_at + _HOUR,
        readings=readings,
        indices={
            Scale.US: AirIndex(
                aqi=max(sub_indices.values()),
                sub_indices=sub_indices,
                dominant=find_dominant(sub_indices),
            )
        },
        origins=tuple(dict.fromkeys(agencies)),
    )


def _list_texts(item: Mapping[str, Any], *keys: str) -> list[str]:
    return [text for key in keys if (text := as_text(item.get(key))) is not None]


def _raise_error(payload: Any) -> None:
    """Tell what an error envelope says; most come with status 200."""
    if isinstance(payload, list):
        return
    errors = as_mapping(payload).get("WebServiceError")
    first = errors[0] if isinstance(errors, list) and errors else errors
    message = as_text(as_mapping(first).get("Message")) or as_text(first)
    if message is None:
        raise SourceDataError("Neither observations nor an error")
    words = message.lower()
    if "api key" in words or "authenticated" in words:
        raise SourceAuthError(message)
    if "limit exceeded" in words:
        raise SourceUnavailableError(message, is_rate_limited=True)
    raise SourceDataError(message)


class AirNow(Source[AirQualityData]):
    """Asks for the present observations around a place."""

    def __init__(self, http: HttpClient, arguments: Mapping[str, Any]) -> None:
        """Take key and place."""
        self._http = http
        self._arguments = arguments

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[AirQualityData]:
        latitude, longitude = format_position(self._arguments, context)
        answer = await self._http.async_request(
            "GET",
            "/aq/observation/current/ziplatlong/",
            params={
                "latitude": latitude,
                "longitude": longitude,
                "format": "application/json",
                "API_KEY": self._arguments[CONF_API_KEY],
            },
        )
        # What an envelope says is more than what its status does.
        is_error = "WebServiceError" in as_mapping(answer.payload)
        payload = answer.payload if is_error else answer.get_json()
        data = parse_observations(payload, now=context.now)
        return SourceResult(data=data, place=data.location)


def _create(
    environment: SourceEnvironment, arguments: Mapping[str, Any]
) -> Source[AirQualityData]:
    return AirNow(environment.http, arguments)


AIRNOW: Final = SourceDescription(
    key="airnow",
    kind=SourceKind.AIR_QUALITY,
    name=_NAME,
    base_url="https://www.airnowapi.org",
    update_interval=timedelta(minutes=30),
    create=_create,
    arguments=(Argument(key=CONF_API_KEY, type=ArgumentType.SECRET), LOCATION),
    attribution="U.S. EPA AirNow",
    countries=frozenset({"US"}),
    documentation=SourceDocumentation(
        delivers="The NowCast AQI of every pollutant that stations around the place"
        " measure; concentrations are computed from it.",
        resolution="One hour.",
        delay="Half an hour to an hour after the end of the hour.",
        rate_limit="500 requests an hour. Asked twice an hour.",
        licence="Public domain; the data are preliminary.",
        url="https://docs.airnowapi.org/webservices",
        signup="Open docs.airnowapi.org, choose Log in, then Request an AirNow API"
        " account. The key is on the page Web Services.",
        limits="The United States, parts of Canada and Mexico. It gives no"
        " concentrations: those of the sensors are computed from the AQI, which their"
        " attribute computed_from_aqi says.",
    ),
)

"""World Air Quality Index: stations of agencies and citizens all over the world.

Delivers the US AQI of a station and of each of its pollutants, hourly. The values
under `iaqi` are indices, though they look like concentrations; those are computed
from them, and say so. Needs a free token. Rate limit: 1,000 requests a second; asked
twice an hour. Terms: attribution; data must not be sold, used in paid services, or
redistributed as cached or archived data.

Source: https://aqicn.org/json-api/doc/
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
import re
from typing import Any, Final, Never, override
from urllib.parse import quote

from homeassistant.const import CONF_API_TOKEN

from ...errors import (
    SourceArgumentError,
    SourceAuthError,
    SourceDataError,
    SourceUnavailableError,
)
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
from ..parsing import parse_time
from ..places import format_position
from .answers import (
    LOCATION,
    as_list,
    as_mapping,
    as_text,
    check_age,
    compute_readings,
    read_aqi,
    read_number,
)
from .aqi import Pollutant, Scale, round_aqi
from .model import AirIndex, AirQualityData, find_dominant

CONF_STATION: Final = "station"

_NAME: Final = "World Air Quality Index"
_NUMBER: Final = re.compile(r"@?(-?)(\d{1,12})")


def format_station(text: str) -> str:
    """Return the part of the path that names a station.

    Args:
        text: Its number, as in its address (`@6337`; those of citizens are below
            zero, or begin with an A), or the name of a city.
    """
    if (number := _NUMBER.fullmatch(text)) is not None:
        return ("A" if number[1] else "@") + number[2]
    return quote(text, safe="@")


def parse_feed(payload: Any, *, now: datetime) -> AirQualityData:
    """Turn the feed of a station into data.

    Args:
        payload: Decoded answer of `GET /feed/<place>/`.

    Raises:
        SourceAuthError: The token is refused.
        SourceArgumentError: There is no such station.
        SourceUnavailableError: It was asked too often.
        SourceDataError: There are no values, or only old ones.
    """
    answer = as_mapping(payload)
    feed = answer.get("data")
    inner = as_mapping(feed)
    if answer.get("status") != "ok":
        _raise_error(as_text(feed) or as_text(answer.get("msg")))
    if inner.get("status") == "error":
        _raise_error(as_text(inner.get("msg")))
    measured_at = parse_feed_time(as_mapping(inner.get("time")))
    check_age(measured_at, now)
    parts = as_mapping(inner.get("iaqi"))
    exact = {
        pollutant: value
        for pollutant in Pollutant
        if (value := read_number(as_mapping(parts.get(pollutant)), "v")) is not None
        and read_aqi(as_mapping(parts.get(pollutant)), "v") is not None
    }
    # A dash while too few of its values are there.
    aqi = read_aqi(inner, "aqi")
    if aqi is None and not exact:
        raise SourceDataError("The station has no values now")
    sub_indices = {pollutant: round_aqi(value) for pollutant, value in exact.items()}
    dominant = as_text(inner.get("dominentpol"))
    return AirQualityData(
        location=as_text(as_mapping(inner.get("city")).get("name")) or _NAME,
        measured_at=measured_at,
        readings=compute_readings(exact, measured_at),
        indices={
            Scale.US: AirIndex(
                aqi=aqi,
                sub_indices=sub_indices,
                # Some are none of ours, such as "neph", a measure of haze.
                dominant=Pollutant(dominant)
                if dominant in set(Pollutant)
                else find_dominant(sub_indices),
            )
        },
        origins=_parse_origins(inner),
    )


def parse_feed_time(time: Mapping[str, Any]) -> datetime:
    """Return when a station has measured; UTC.

    Its `v` looks like Unix time but counts local seconds: it is not used.

    Raises:
        SourceDataError: It does not say.
    """
    if (iso := as_text(time.get("iso"))) is not None:
        return parse_time(iso)
    return parse_time(f"{time.get('s')}{time.get('tz')}")


def _parse_origins(feed: Mapping[str, Any]) -> tuple[str, ...]:
    names = (
        as_text(as_mapping(item).get("name"))
        for item in as_list(feed.get("attributions"))
    )
    return tuple(name for name in names if name is not None)


def _raise_error(message: str | None) -> Never:
    words = (message or "").lower()
    if "key" in words or "token" in words:
        raise SourceAuthError(message or "")
    if "quota" in words:
        raise SourceUnavailableError(message or "", is_rate_limited=True)
    if "unknown" in words or "no such" in words:
        raise SourceArgumentError(CONF_STATION, "unknown_station")
    raise SourceDataError(message or "An error without words")


class Waqi(Source[AirQualityData]):
    """Asks for the feed of a station, or of the one nearest to a place."""

    def __init__(self, http: HttpClient, arguments: Mapping[str, Any]) -> None:
        """Take token and place."""
        self._http = http
        self._arguments = arguments

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[AirQualityData]:
        station = self._arguments.get(CONF_STATION)
        if station is None:
            latitude, longitude = format_position(self._arguments, context)
            path = f"geo:{latitude};{longitude}"
        else:
            path = format_station(station)
        answer = await self._http.async_get_json(
            f"/feed/{path}/", params={"token": self._arguments[CONF_API_TOKEN]}
        )
        data = parse_feed(answer, now=context.now)
        return SourceResult(data=data, place=data.location)


def _create(
    environment: SourceEnvironment, arguments: Mapping[str, Any]
) -> Source[AirQualityData]:
    return Waqi(environment.http, arguments)


WAQI: Final = SourceDescription(
    key="waqi",
    kind=SourceKind.AIR_QUALITY,
    name=_NAME,
    base_url="https://api.waqi.info",
    update_interval=timedelta(minutes=30),
    create=_create,
    arguments=(
        Argument(key=CONF_API_TOKEN, type=ArgumentType.SECRET),
        LOCATION,
        Argument(key=CONF_STATION, type=ArgumentType.TEXT, is_required=False),
    ),
    attribution="World Air Quality Index Project",
    documentation=SourceDocumentation(
        delivers="The US AQI of a station and of each of its pollutants;"
        " concentrations are computed from it.",
        resolution="One hour.",
        delay="One to two hours.",
        rate_limit="1,000 requests a second. Asked twice an hour.",
        licence="Its own terms: attribution to the project and to the agency that has"
        " measured; data must not be sold, used in paid applications or services, or"
        " redistributed as cached or archived data.",
        url="https://aqicn.org/json-api/doc/",
        signup="Enter your email address at aqicn.org/data-platform/token. The token"
        " comes in the email.",
        limits="Stored values are for your own eyes: its terms do not let you pass"
        " them on. It gives no concentrations: those of the sensors are computed from"
        " the AQI, which their attribute computed_from_aqi says.",
    ),
)

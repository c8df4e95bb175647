"""OpenAQ: what reference stations and community sensors measure, all over the world.

Delivers concentrations in the station's own units (converted to ug/m3), mostly
hourly. Needs a free key. Rate limit: 60 requests a minute, 2,000 an hour; asked twice
an hour with at most a dozen requests. Licence: that of each owner.

A station lists its sensors, its latest values name only their numbers; and many
stations and sensors have been silent for years, which only the times tell.

Source: https://docs.openaq.org/
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
import math
import re
from typing import Any, Final, override

from homeassistant.const import CONF_API_KEY, CONF_RADIUS

from ...errors import SourceArgumentError, SourceDataError
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
    is_live,
    read_concentration,
    read_number,
)
from .aqi import Pollutant
from .model import AirQualityData, AirReading

CONF_LOCATION_ID: Final = "location_id"

_NAME: Final = "OpenAQ"
_DEFAULT_RADIUS_KM: Final = 25.0  # the most that it allows
# Stations come in the order of their numbers, at about 2 KB each: first those are
# listed that are really near, since a big city has more than an answer may hold.
_NEAR_KM: Final = 5.0
_MAX_STATIONS: Final = 400
# The list of stations is renewed more slowly than their values.
_LIST_DELAY: Final = timedelta(days=1)
# Stations that look alive but are not: the next ones are asked, up to so many.
_MAX_TRIES: Final = 5
_NUMBER: Final = re.compile(r"\d{1,12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """What one sensor of a station measures, and in which unit."""

    pollutant: Pollutant
    unit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """One place with sensors; OpenAQ calls it a location."""

    number: int
    name: str
    sensors: Mapping[int, Sensor]
    origins: tuple[str, ...]
    distance_m: float


def parse_stations(payload: Any, *, now: datetime) -> list[Station]:
    """Return the stations that measure now, the nearest first.

    Args:
        payload: Decoded answer of `GET /v3/locations`, or of one of them.

    Raises:
        SourceDataError: It is no such answer.
    """
    results = as_mapping(payload).get("results")
    if not isinstance(results, list):
        raise SourceDataError("No list of stations")
    stations = [
        station
        for item in map(as_mapping, results)
        if (station := _parse_station(item)) is not None and _may_live(item, now)
    ]
    return sorted(stations, key=lambda station: station.distance_m)


def _parse_station(item: Mapping[str, Any]) -> Station | None:
    number = _read_id(item, "id")
    sensors: dict[int, Sensor] = {}
    for entry in map(as_mapping, as_list(item.get("sensors"))):
        parameter = as_mapping(entry.get("parameter"))
        sensor_id, name = _read_id(entry, "id"), as_text(parameter.get("name"))
        if sensor_id is not None and name in set(Pollutant):
            sensors[sensor_id] = Sensor(
                pollutant=Pollutant(name), unit=as_text(parameter.get("units"))
            )
    if number is None or not sensors:
        return None
    distance_m = read_number(item, "distance")
    return Station(
        number=number,
        name=as_text(item.get("name")) or as_text(item.get("locality")) or _NAME,
        sensors=sensors,
        origins=tuple(_list_origins(item)),
        distance_m=math.inf if distance_m is None else distance_m,
    )


def _list_origins(item: Mapping[str, Any]) -> Iterator[str]:
    """List who has to be named: the licences say it, else provider and owner do."""
    names = [
        as_text(as_mapping(as_mapping(entry).get("attribution")).get("name"))
        for entry in as_list(item.get("licenses"))
    ]
    if not any(names):
        names = [
            as_text(as_mapping(item.get(key)).get("name"))
            for key in ("provider", "owner")
        ]
    # In the order of the answer, each one once.
    yield from dict.fromkeys(name for name in names if name is not None)


def _may_live(item: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether its newest value may be a present one, and of one place."""
    if item.get("isMobile") is True:
        return False
    try:
        return _parse_utc(item.get("datetimeLast")) > now - _LIST_DELAY
    except SourceDataError:
        # It does not say: its values will.
        return True


def _parse_utc(moment: Any) -> datetime:
    return parse_time(as_mapping(moment).get("utc"))


def _read_id(item: Mapping[str, Any], key: str) -> int | None:
    value = item.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def parse_latest(
    payload: Any, station: Station, *, now: datetime
) -> AirQualityData | None:
    """Join the latest values of a station with its sensors.

    Args:
        payload: Decoded answer of `GET /v3/locations/<id>/latest`.

    Returns:
        None where all of its sensors are silent.
    """
    readings: dict[Pollutant, AirReading] = {}
    for item in map(as_mapping, as_list(as_mapping(payload).get("results"))):
        sensor = station.sensors.get(_read_id(item, "sensorsId") or -1)
        if sensor is None:
            continue
        try:
            measured_at = _parse_utc(item.get("datetime"))
        except SourceDataError:
            continue
        value = read_concentration(item, "value", sensor.unit, sensor.pollutant)
        if value is None or not is_live(measured_at, now):
            continue
        known = readings.get(sensor.pollutant)
        # A station may have several of a kind, some of them given up.
        if known is None or known.measured_at < measured_at:
            readings[sensor.pollutant] = AirReading(
                concentration=value, measured_at=measured_at
            )
    if not readings:
        return None
    return AirQualityData(
        location=station.name,
        measured_at=max(reading.measured_at for reading in readings.values()),
        readings=readings,
        origins=station.origins,
    )


class OpenAq(Source[AirQualityData]):
    """Asks for the latest values of a station, or of the nearest that measures."""

    def __init__(self, http: HttpClient, arguments: Mapping[str, Any]) -> None:
        """Take key and place."""
        self._http = http
        self._arguments = arguments
        self._headers = {"X-API-Key": arguments[CONF_API_KEY]}

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[AirQualityData]:
        number = self._arguments.get(CONF_LOCATION_ID)
        if number is not None:
            data = await self._async_ask(
                await self._async_find(number, context.now), context.now
            )
        else:
            radius_km = self._arguments.get(CONF_RADIUS, _DEFAULT_RADIUS_KM)
            data = await self._async_ask_near(context, min(radius_km, _NEAR_KM))
            if data is None and radius_km > _NEAR_KM:
                data = await self._async_ask_near(context, radius_km)
        if data is None:
            raise SourceDataError(
                "No station here has measured in the last three hours"
            )
        return SourceResult(data=data, place=data.location)

    async def _async_ask_near(
        self, context: SourceContext, radius_km: float
    ) -> AirQualityData | None:
        answer = await self._http.async_get_json(
            "/locations",
            params={
                "coordinates": ",".join(format_position(self._arguments, context)),
                "radius": f"{radius_km * 1000:.0f}",
                "limit": f"{_MAX_STATIONS}",
            },
            headers=self._headers,
        )
        stations = parse_stations(answer, now=context.now)
        return await self._async_ask(stations, context.now)

    async def _async_ask(
        self, stations: Sequence[Station], now: datetime
    ) -> AirQualityData | None:
        """Return the values of the first station that has present ones."""
        for station in stations[:_MAX_TRIES]:
            latest = await self._http.async_get_json(
                f"/locations/{station.number}/latest", headers=self._headers
            )
            if (data := parse_latest(latest, station, now=now)) is not None:
                return data
        return None

    async def _async_find(self, number: str, now: datetime) -> list[Station]:
        if not _NUMBER.fullmatch(number):
            raise SourceArgumentError(CONF_LOCATION_ID, "invalid_location_id")
        path = f"/locations/{number}"
        answer = await self._http.async_request("GET", path, headers=self._headers)
        if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}:
            raise SourceArgumentError(CONF_LOCATION_ID, "unknown_location")
        return parse_stations(answer.get_json(), now=now)


def _create(
    environment: SourceEnvironment, arguments: Mapping[str, Any]
) -> Source[AirQualityData]:
    return OpenAq(environment.http, arguments)


OPENAQ: Final = SourceDescription(
    key="openaq",
    kind=SourceKind.AIR_QUALITY,
    name=_NAME,
    base_url="https://api.openaq.org/v3",
    update_interval=timedelta(minutes=30),
    create=_create,
    arguments=(
        Argument(key=CONF_API_KEY, type=ArgumentType.SECRET),
        LOCATION,
        Argument(
            key=CONF_RADIUS,
            type=ArgumentType.NUMBER,
            is_required=False,
            default=_DEFAULT_RADIUS_KM,
            minimum=1,
            maximum=_DEFAULT_RADIUS_KM,
            unit="km",
        ),
        Argument(key=CONF_LOCATION_ID, type=ArgumentType.TEXT, is_required=False),
    ),
    attribution="OpenAQ",
    documentation=SourceDocumentation(
        delivers="Measured concentrations of the nearest station that has values of"
        " the last three hours, or of a station that you choose.",
        resolution="Mostly one hour.",
        delay="One to two hours.",
        rate_limit="60 requests a minute and 2,000 an hour. Asked twice an hour.",
        licence="That of the owner of each station; the attribute origins names who"
        " has to be named.",
        url="https://docs.openaq.org/",
        signup="Register at explore.openaq.org/register. The key is in the settings"
        " of the account.",
        limits="The index is computed from the latest values, not from means of 8 or"
        " 24 hours as the official one: it is an estimate, and says so.",
    ),
)

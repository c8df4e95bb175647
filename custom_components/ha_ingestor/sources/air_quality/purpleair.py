"""PurpleAir: one low-cost particle sensor, of one's own or of the neighborhood.

Delivers PM2.5, every two minutes. Needs a key that pays with points, of which a new
account has a million for free; each field of each request costs some, so few fields
are asked for, every 15 minutes. Licence: the project's data licence, with attribution.

The sensors read too high. Where the sensor gives its humidity, the value is corrected
by EPA's formula of October 2021.

Source: https://api.purpleair.com/
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
import re
from typing import Any, Final, override

from homeassistant.const import CONF_API_KEY

from ...errors import SourceArgumentError, SourceAuthError, SourceDataError
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
from .answers import (
    as_mapping,
    as_text,
    check_age,
    parse_unix_time,
    read_concentration,
    read_number,
)
from .aqi import Pollutant
from .model import AirQualityData, AirReading

CONF_READ_KEY: Final = "read_key"
CONF_SENSOR_INDEX: Final = "sensor_index"

_NAME: Final = "PurpleAir"
# Each costs points at every request.
_FIELDS: Final = "name,last_seen,confidence,humidity,pm2.5_atm"
_EPA_CORRECTION: Final = "epa_2021"
# Half of it is what two lasers come to that contradict each other.
_MIN_CONFIDENCE: Final = 50.0
_MAX_HUMIDITY: Final = 100.0
# ug/m3 where the pieces of the correction meet.
_PIECES: Final = (30.0, 50.0, 210.0, 260.0)
# A bare number, or the address of the map with the sensor selected.
_INDEX: Final = re.compile(r"(?:.*[?&]select=)?(\d{1,12})(?:[^\d].*)?")


def correct_pm25(raw: float, humidity: float) -> float:
    """Return PM2.5 as a reference station would have measured it, about.

    EPA's correction for the whole United States, with smoke, of October 2021. Its
    five pieces join without a step.

    Args:
        raw: `pm2.5_atm` in ug/m3.
        humidity: That of the sensor itself, in percent.

    Source: AirNow Fire and Smoke Map, Questions and Answers; Barkjohn et al. 2022,
        Sensors 22, 9669.
    """
    wet = 0.0862 * humidity
    smoke = 2.966 + 0.69 * raw + 8.84e-4 * raw**2
    low, middle, high, highest = _PIECES
    if raw < low:
        corrected = 0.524 * raw - wet + 5.75
    elif raw < middle:
        share = (raw - low) / (middle - low)
        slope = 0.786 * share + 0.524 * (1 - share)
        corrected = slope * raw - wet + 5.75
    elif raw < high:
        corrected = 0.786 * raw - wet + 5.75
    elif raw < highest:
        share = (raw - high) / (highest - high)
        corrected = share * smoke + (1 - share) * (0.786 * raw - wet + 5.75)
    else:
        corrected = smoke
    return max(0.0, corrected)


def parse_sensor_index(text: str) -> str:
    """Return the number of a sensor.

    Raises:
        SourceArgumentError: There is none in the text.
    """
    if (found := _INDEX.fullmatch(text)) is None:
        raise SourceArgumentError(CONF_SENSOR_INDEX, "invalid_sensor_index")
    return found[1]


def parse_sensor(payload: Any, *, now: datetime) -> AirQualityData:
    """Turn the state of a sensor into data.

    Args:
        payload: Decoded answer of `GET /v1/sensors/<index>`.

    Raises:
        SourceDataError: It has no value, is silent, or its two lasers disagree.
    """
    sensor = as_mapping(as_mapping(payload).get("sensor"))
    raw = read_concentration(sensor, "pm2.5_atm", "ug/m3", Pollutant.PM25)
    if raw is None:
        raise SourceDataError("The sensor gives no PM2.5")
    measured_at = parse_unix_time(sensor.get("last_seen"))
    check_age(measured_at, now)
    confidence = read_number(sensor, "confidence")
    if confidence is not None and confidence < _MIN_CONFIDENCE:
        raise SourceDataError(
            f"The two lasers of the sensor disagree (confidence {confidence:.0f} %)"
        )
    humidity = read_number(sensor, "humidity")
    if is_corrected := humidity is not None and 0 <= humidity <= _MAX_HUMIDITY:
        raw = correct_pm25(raw, humidity)
    return AirQualityData(
        location=as_text(sensor.get("name")) or _NAME,
        measured_at=measured_at,
        readings={
            Pollutant.PM25: AirReading(
                concentration=raw,
                measured_at=measured_at,
                correction=_EPA_CORRECTION if is_corrected else None,
            )
        },
    )


class PurpleAir(Source[AirQualityData]):
    """Asks for the latest value of a sensor."""

    def __init__(self, http: HttpClient, arguments: Mapping[str, Any]) -> None:
        """Take keys and sensor."""
        self._http = http
        self._arguments = arguments

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[AirQualityData]:
        index = parse_sensor_index(self._arguments[CONF_SENSOR_INDEX])
        params = {"fields": _FIELDS}
        if (read_key := self._arguments.get(CONF_READ_KEY)) is not None:
            params["read_key"] = read_key
        answer = await self._http.async_request(
            "GET",
            f"/v1/sensors/{index}",
            params=params,
            headers={"X-API-Key": self._arguments[CONF_API_KEY]},
        )
        if answer.status == HTTPStatus.NOT_FOUND:
            raise SourceArgumentError(CONF_SENSOR_INDEX, "unknown_sensor_index")
        if answer.status == HTTPStatus.PAYMENT_REQUIRED:
            # The points are used up: only the user can help.
            raise SourceAuthError(answer.words)
        data = parse_sensor(answer.get_json(), now=context.now)
        return SourceResult(data=data, place=data.location)


def _create(
    environment: SourceEnvironment, arguments: Mapping[str, Any]
) -> Source[AirQualityData]:
    return PurpleAir(environment.http, arguments)


PURPLEAIR: Final = SourceDescription(
    key="purpleair",
    kind=SourceKind.AIR_QUALITY,
    name=_NAME,
    base_url="https://api.purpleair.com",
    update_interval=timedelta(minutes=15),
    create=_create,
    arguments=(
        Argument(key=CONF_API_KEY, type=ArgumentType.SECRET),
        Argument(key=CONF_SENSOR_INDEX, type=ArgumentType.TEXT),
        Argument(key=CONF_READ_KEY, type=ArgumentType.SECRET, is_required=False),
    ),
    attribution="PurpleAir",
    documentation=SourceDocumentation(
        delivers="PM2.5 of one sensor, corrected by EPA's formula of October 2021"
        " where the sensor gives its humidity.",
        resolution="Two minutes; asked every 15.",
        delay="Two minutes.",
        rate_limit="Paid with points, of which a new account has 1,000,000; a request"
        " costs about a dozen. Asked every 15 minutes, with five fields.",
        licence="PurpleAir's data licence agreement; attribution.",
        url="https://api.purpleair.com/",
        signup="Log in at develop.purpleair.com with a Google account, then create a"
        " key of the type READ.",
        limits="Low-cost sensors: PM2.5 only. The index is computed from the latest"
        " value, not from a mean of hours: it is an estimate, and says so.",
    ),
)

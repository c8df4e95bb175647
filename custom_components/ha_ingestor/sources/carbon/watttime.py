"""WattTime: how dirty one more kilowatt-hour is.

Delivers the marginal intensity as a percentile of the last month (0 the cleanest, 100
the dirtiest) for every account, in steps of 5 minutes; in lbs CO2/MWh, with a forecast,
for subscribers only, converted to gCO2/kWh. Other accounts may read the region
CAISO_NORTH in full. It tells no shares of renewable or fossil power.
Licence: the provider's own. Rate limit: 3,000 requests in 5 minutes, 100 logins in 5
minutes; asked every 15 minutes, with at most four requests.

Source: https://docs.watttime.org/
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final, override

from homeassistant.const import (
    CONF_LOCATION,
    CONF_PASSWORD,
    CONF_REGION,
    CONF_USERNAME,
)

from ...errors import (
    SourceArgumentError,
    SourceAuthError,
    SourceDataError,
    SourceUnavailableError,
)
from ...models import SourceKind
from ...units import LBS_PER_MWH
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
from ..http import HttpAnswer, HttpClient
from ..parsing import parse_number, parse_time
from ..places import find_home, format_position
from ..slots import Slots, find_slot
from .forecast import slots_from_moments
from .model import CarbonData
from .plan import PlanMemory

_LOGIN: Final = "/login"
_REGION: Final = "/v3/region-from-loc"
_INDEX: Final = "/v3/signal-index"
_FORECAST: Final = "/v3/forecast"
_SIGNAL: Final = "co2_moer"
# A day ahead is asked for, and some hours more, so that it is always there.
_HORIZON_HOURS: Final = "48"
# A token holds for 30 minutes.
_TOKEN_LIFE: Final = timedelta(minutes=25)
_REFUSALS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_MOST_PERCENT: Final = 100


def parse_moments(payload: Any) -> list[tuple[datetime, float]]:
    """Return the values of an answer with their times, in the order given.

    Args:
        payload: Decoded answer of `/v3/signal-index` or `/v3/forecast`; the items of
            `/v3/forecast/historical` hold one forecast each, of which the last holds.

    Raises:
        SourceDataError: It is not as described.
    """
    items = payload.get("data") if isinstance(payload, Mapping) else None
    if not isinstance(items, Sequence):
        raise SourceDataError("No values in the answer")
    if items and isinstance(items[-1], Mapping) and "forecast" in items[-1]:
        return parse_moments({"data": items[-1]["forecast"]})
    moments: list[tuple[datetime, float]] = []
    for item in items:
        if not isinstance(item, Mapping):
            raise SourceDataError("Not a value with its time")
        if (value := parse_number(item, "value")) is not None:
            moments.append((parse_time(item.get("point_time")), value))
    return moments


def parse_index(payload: Any) -> tuple[datetime, float] | None:
    """Return the percentile and its time; None where there is none.

    Raises:
        SourceDataError: The answer is not as described.
    """
    if not (moments := parse_moments(payload)):
        return None
    measured_at, percentile = max(moments)
    if not 0 <= percentile <= _MOST_PERCENT:
        raise SourceDataError(f"Not a percentile: {percentile}")
    return measured_at, percentile


def parse_forecast(payload: Any) -> Slots:
    """Return the forecast in gCO2/kWh.

    Raises:
        SourceDataError: The answer is not as described, or of another unit.
    """
    moments = parse_moments(payload)
    meta = payload.get("meta")
    if not isinstance(meta, Mapping):
        meta = {}
    if (unit := meta.get("units", "lbs_co2_per_mwh")) != "lbs_co2_per_mwh":
        raise SourceDataError(f"Not a unit of emissions: {unit!s:.40}")
    seconds = parse_number(meta, "data_point_period_seconds")
    step = timedelta(seconds=seconds) if seconds and seconds > 0 else None
    return slots_from_moments(
        ((start, round(value * LBS_PER_MWH, 3)) for start, value in moments), step
    )


class WattTime(Source[CarbonData]):
    """Logs in when it has to, and asks for the percentile and the forecast."""

    def __init__(self, http: HttpClient, arguments: Mapping[str, Any]) -> None:
        """Take credentials and place."""
        self._http = http
        self._credentials: tuple[str, str] = (
            arguments[CONF_USERNAME],
            arguments[CONF_PASSWORD],
        )
        self._region: str | None = arguments.get(CONF_REGION)
        self._arguments = arguments
        self._region_name: str | None = None
        self._token = ""
        self._renew_at: datetime | None = None
        self._plan = PlanMemory()

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[CarbonData]:
        now = context.now
        region = self._region or await self._async_find_region(context)
        index = await self._async_fetch_index(region, now)
        forecast = await self._async_fetch_forecast(region, now)
        current = find_slot(forecast, now)
        if index is None and current is None:
            raise SourceDataError("No value for now")
        measured_at = now if current is None else current.start
        return SourceResult(
            data=CarbonData(
                region=region,
                measured_at=measured_at if index is None else index[0],
                intensity=None if current is None else current.value,
                is_marginal=True,
                percentile=None if index is None else index[1],
                forecast=forecast,
            ),
            place=self._region_name or region,
        )

    async def _async_find_region(self, context: SourceContext) -> str:
        latitude, longitude = format_position(self._arguments, context)
        params = {
            "latitude": latitude,
            "longitude": longitude,
            "signal_type": _SIGNAL,
        }
        answer = await self._async_get(_REGION, params, context.now)
        payload = answer.payload
        if "coverage" in answer.words.lower():
            raise SourceArgumentError(CONF_LOCATION, "no_coverage")
        if answer.status in _REFUSALS:
            raise SourceAuthError(answer.words, argument=CONF_PASSWORD)
        region = payload.get("region") if isinstance(payload, Mapping) else None
        if not isinstance(region, str) or not region:
            raise SourceDataError(answer.words)
        name = payload.get("region_full_name")
        self._region_name = name if isinstance(name, str) and name else None
        # Homes do not move; where they do, Home Assistant is started again.
        self._region = region
        return region

    async def _async_fetch_index(
        self, region: str, now: datetime
    ) -> tuple[datetime, float] | None:
        answer = await self._async_get(
            _INDEX, {"region": region, "signal_type": _SIGNAL}, now
        )
        if answer.status in _REFUSALS:
            raise SourceArgumentError(CONF_REGION, "region_refused")
        payload = answer.payload
        if not isinstance(payload, Mapping) or "data" not in payload:
            raise SourceDataError(answer.words)
        return parse_index(payload)

    async def _async_fetch_forecast(self, region: str, now: datetime) -> Slots:
        """Return what only subscribers get; empty for all others."""
        if not self._plan.is_open(_FORECAST, now):
            return ()
        params = {
            "region": region,
            "signal_type": _SIGNAL,
            "horizon_hours": _HORIZON_HOURS,
        }
        try:
            answer = await self._async_get(_FORECAST, params, now)
            if answer.status in _REFUSALS:
                self._plan.note_refusal(_FORECAST, now)
                return ()
            return parse_forecast(answer.payload)
        except SourceUnavailableError as err:
            self._plan.note_failure(_FORECAST, err, now)
        except SourceDataError:
            # The percentile is worth more than the forecast beside it.
            pass
        return ()

    async def _async_get(
        self, path: str, params: Mapping[str, str], now: datetime
    ) -> HttpAnswer:
        """Ask with a token; with a new one if the old one does not hold any more."""
        is_fresh = False
        if self._renew_at is None or now >= self._renew_at:
            await self._async_login(now)
            is_fresh = True
        answer = await self._async_ask(path, params)
        is_refused = answer.status in _REFUSALS and not _is_about_plan(answer)
        if is_refused and not is_fresh:
            await self._async_login(now)
            answer = await self._async_ask(path, params)
        return answer

    async def _async_ask(self, path: str, params: Mapping[str, str]) -> HttpAnswer:
        headers = {"Authorization": f"Bearer {self._token}"}
        return await self._http.async_request(
            "GET", path, params=params, headers=headers
        )

    async def _async_login(self, now: datetime) -> None:
        self._renew_at = None
        answer = await self._http.async_request("GET", _LOGIN, auth=self._credentials)
        if answer.status in _REFUSALS:
            raise SourceAuthError(answer.words, argument=CONF_PASSWORD)
        payload = answer.payload
        token = payload.get("token") if isinstance(payload, Mapping) else None
        if not isinstance(token, str) or not token:
            raise SourceDataError(answer.words)
        self._token = token
        self._renew_at = now + _TOKEN_LIFE


def _is_about_plan(answer: HttpAnswer) -> bool:
    """Tell a plan that is too small from a token that has expired."""
    return "scope" in answer.words.lower()


def _create(
    environment: SourceEnvironment, arguments: Mapping[str, Any]
) -> Source[CarbonData]:
    return WattTime(environment.http, arguments)


WATTTIME: Final = SourceDescription(
    key="watttime",
    kind=SourceKind.CARBON_INTENSITY,
    name="WattTime",
    base_url="https://api.watttime.org",
    update_interval=timedelta(minutes=15),
    create=_create,
    arguments=(
        Argument(key=CONF_USERNAME, type=ArgumentType.TEXT),
        Argument(key=CONF_PASSWORD, type=ArgumentType.SECRET),
        Argument(
            key=CONF_LOCATION,
            type=ArgumentType.LOCATION,
            is_required=False,
            default=find_home,
        ),
        Argument(key=CONF_REGION, type=ArgumentType.TEXT, is_required=False),
    ),
    attribution="WattTime",
    documentation=SourceDocumentation(
        delivers="How dirty one more kilowatt-hour is, as a percentile of the last"
        " month; for subscribers also in gCO2/kWh, with a forecast.",
        resolution="5 minutes.",
        delay="About 5 minutes.",
        rate_limit="3,000 requests in 5 minutes. At most four every 15 minutes.",
        licence="Its own terms.",
        url="https://docs.watttime.org/",
        signup="Register once through the API, as its documentation shows, with a user"
        " name, a password and an email address; then confirm the email.",
        limits="Without a subscription there is a percentile, but no intensity and no"
        " forecast, except for the region CAISO_NORTH. It tells no shares of renewable"
        " or fossil power.",
    ),
)

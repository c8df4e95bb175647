"""Electricity Maps: grids all over the world.

Delivers intensity (gCO2eq/kWh, life cycle), shares of renewable and fossil power, by
the hour; a forecast where the user's plan includes it. Needs a key, which is free for
one zone and for private use. Values of the last hours are estimates at first.
Licence: the provider's own; no redistribution. Rate limit: not published; asked every
15 minutes, with at most three requests.

Source: https://docs.electricitymaps.com/
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final, override

from homeassistant.const import CONF_LOCATION

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
from ..http import HttpAnswer, HttpClient
from ..parsing import parse_number, parse_time
from ..places import find_home, format_position
from ..slots import Slots
from .forecast import slots_from_moments
from .model import CarbonData
from .plan import PlanMemory

CONF_API_KEY: Final = "api_key"
CONF_ZONE: Final = "zone"

_LATEST: Final = "/carbon-intensity/latest"
# What keys that were given out for Home Assistant may always ask for.
_HOME_ASSISTANT: Final = "/home-assistant"
_BREAKDOWN: Final = "/power-breakdown/latest"
_FORECAST: Final = "/carbon-intensity/forecast"
_REFUSALS: Final = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.PAYMENT_REQUIRED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestIntensity:
    """The present, without the forecast."""

    zone: str | None
    measured_at: datetime
    intensity: float
    fossil_percentage: float | None


def parse_latest(payload: Any) -> LatestIntensity:
    """Read `/carbon-intensity/latest`, or `/home-assistant`, which has it nested.

    Raises:
        SourceDataError: It says that there are no data, or is not as described.
    """
    if not isinstance(payload, Mapping):
        raise SourceDataError("The answer is empty")
    status = payload.get("status", "ok")
    if status != "ok":
        raise SourceDataError(f"No data for this zone now ({status!s:.40})")
    inner = payload.get("data", payload)
    if not isinstance(inner, Mapping):
        raise SourceDataError("The answer is empty")
    intensity = parse_number(inner, "carbonIntensity")
    if intensity is None:
        raise SourceDataError("No data for this zone now")
    zone = payload.get("zone") or payload.get("countryCode")
    return LatestIntensity(
        zone=zone if isinstance(zone, str) else None,
        measured_at=parse_time(inner.get("datetime")),
        intensity=intensity,
        fossil_percentage=parse_number(inner, "fossilFuelPercentage"),
    )


def parse_breakdown(payload: Any) -> tuple[float | None, float | None]:
    """Return the shares of renewable and of fossil power, in percent.

    Args:
        payload: Decoded answer of `/power-breakdown/latest`.

    Raises:
        SourceDataError: It is not as described.
    """
    if not isinstance(payload, Mapping):
        raise SourceDataError("The answer is empty")
    fossil_free = parse_number(payload, "fossilFreePercentage")
    return (
        parse_number(payload, "renewablePercentage"),
        None if fossil_free is None else round(100 - fossil_free, 3),
    )


def parse_forecast(payload: Any) -> Slots:
    """Return the forecast; hours without a value are left out.

    Args:
        payload: Decoded answer of `/carbon-intensity/forecast`.

    Raises:
        SourceDataError: It is not as described.
    """
    items = payload.get("forecast") if isinstance(payload, Mapping) else None
    if not isinstance(items, Sequence):
        raise SourceDataError("No forecast in the answer")
    moments: list[tuple[datetime, float]] = []
    for item in items:
        if not isinstance(item, Mapping):
            raise SourceDataError("Not an hour of a forecast")
        if (value := parse_number(item, "carbonIntensity")) is not None:
            moments.append((parse_time(item.get("datetime")), value))
    return slots_from_moments(moments)


class ElectricityMaps(Source[CarbonData]):
    """Asks for the present, then for what the plan includes beside it."""

    def __init__(self, http: HttpClient, arguments: Mapping[str, Any]) -> None:
        """Take key and zone."""
        self._http = http
        self._key: str = arguments[CONF_API_KEY]
        self._zone: str | None = arguments.get(CONF_ZONE)
        self._arguments = arguments
        self._plan = PlanMemory()

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[CarbonData]:
        params = self._find_params(context)
        latest = await self._async_fetch_latest(params, context.now)
        renewable, fossil = None, latest.fossil_percentage
        forecast: Slots = ()
        breakdown = await self._async_try(_BREAKDOWN, params, context.now)
        outlook = await self._async_try(_FORECAST, params, context.now)
        try:
            if breakdown is not None:
                renewable, fossil_now = parse_breakdown(breakdown)
                fossil = fossil if fossil_now is None else fossil_now
            if outlook is not None:
                forecast = parse_forecast(outlook)
        except SourceDataError:
            # The present intensity is worth more than what comes beside it.
            pass
        region = latest.zone or self._zone or ""
        return SourceResult(
            data=CarbonData(
                region=region,
                measured_at=latest.measured_at,
                intensity=latest.intensity,
                renewable_percentage=renewable,
                fossil_percentage=fossil,
                forecast=forecast,
            ),
            place=region or None,
        )

    def _find_params(self, context: SourceContext) -> dict[str, str]:
        if self._zone is not None:
            return {"zone": self._zone}
        latitude, longitude = format_position(self._arguments, context)
        return {"lat": latitude, "lon": longitude}

    async def _async_fetch_latest(
        self, params: Mapping[str, str], now: datetime
    ) -> LatestIntensity:
        answer: HttpAnswer | None = None
        if self._plan.is_open(_LATEST, now):
            answer = await self._async_get(_LATEST, params)
        if answer is None or answer.status in _REFUSALS - {HTTPStatus.UNAUTHORIZED}:
            answer = await self._async_get(_HOME_ASSISTANT, params)
            if answer.status == HTTPStatus.OK:
                self._plan.note_refusal(_LATEST, now)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise SourceAuthError(answer.words, argument=CONF_API_KEY)
        if answer.status in _REFUSALS:
            # Whether it is the key or its zone that is wrong, it does not say.
            raise SourceArgumentError(CONF_ZONE, "zone_refused")
        if answer.status != HTTPStatus.OK:
            raise SourceDataError(answer.words)
        return parse_latest(answer.payload)

    async def _async_try(
        self, path: str, params: Mapping[str, str], now: datetime
    ) -> Any:
        """Return what the plan may not include; None for nothing."""
        if not self._plan.is_open(path, now):
            return None
        try:
            answer = await self._async_get(path, params)
        except SourceUnavailableError as err:
            self._plan.note_failure(path, err, now)
            return None
        except SourceDataError:
            return None
        if answer.status in _REFUSALS:
            self._plan.note_refusal(path, now)
        return answer.payload if answer.status == HTTPStatus.OK else None

    async def _async_get(self, path: str, params: Mapping[str, str]) -> HttpAnswer:
        return await self._http.async_request(
            "GET", path, params=params, headers={"auth-token": self._key}
        )


def _create(
    environment: SourceEnvironment, arguments: Mapping[str, Any]
) -> Source[CarbonData]:
    return ElectricityMaps(environment.http, arguments)


ELECTRICITY_MAPS: Final = SourceDescription(
    key="electricity_maps",
    kind=SourceKind.CARBON_INTENSITY,
    name="Electricity Maps",
    base_url="https://api.electricitymaps.com/v3",
    update_interval=timedelta(minutes=15),
    create=_create,
    arguments=(
        Argument(key=CONF_API_KEY, type=ArgumentType.SECRET),
        Argument(key=CONF_ZONE, type=ArgumentType.TEXT, is_required=False),
        Argument(
            key=CONF_LOCATION,
            type=ArgumentType.LOCATION,
            is_required=False,
            default=find_home,
        ),
    ),
    attribution="Electricity Maps",
    documentation=SourceDocumentation(
        delivers="Carbon intensity of the power used in a zone (life cycle), the shares"
        " of renewable and fossil power, and a forecast where the plan includes it.",
        resolution="1 hour.",
        delay="None; the values of the last hours are estimates at first.",
        rate_limit="Not published. At most three requests every 15 minutes.",
        licence="Its own terms; free keys are for private use, and for one zone.",
        url="https://docs.electricitymaps.com/",
        signup="Get a free key at electricitymaps.com/free-tier, for the zone of the"
        " home. The portal shows the key and the zone that it is valid for.",
        limits="Forecasts are part of paid plans. A key whose zone is changed later"
        " refuses the old one.",
    ),
)

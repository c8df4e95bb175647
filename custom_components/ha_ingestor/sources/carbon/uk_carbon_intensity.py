"""UK Carbon Intensity: Great Britain's grid, as its operator NESO states it.

Delivers intensity (gCO2/kWh) and the share of each fuel, for a region or all of
Great Britain, in slots of 30 minutes, with a forecast of 48 hours. No key.
Licence: CC BY 4.0. Rate limit: none stated; asked every 15 minutes.

Source: https://carbon-intensity.github.io/api-definitions/
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
import re
from typing import Any, Final, override

from ...errors import SourceArgumentError, SourceDataError, SourceUnavailableError
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
from ..parsing import parse_number, parse_time
from ..slots import Slot, Slots, arrange_slots, find_slot
from .model import CarbonData

CONF_POSTCODE: Final = "postcode"

_OPERATOR: Final = "NESO"
_NATIONAL: Final = "Great Britain"
# The first half of a postcode, which is all that the provider takes.
_OUTWARD: Final = re.compile(r"[A-Z]{1,2}[0-9][A-Z0-9]?")
_MAX_OUTWARD: Final = 4
_RENEWABLE: Final = frozenset({"hydro", "solar", "wind"})
_FOSSIL: Final = frozenset({"coal", "gas"})


def parse_postcode(text: str) -> str:
    """Return the outward code of a postcode, in capitals.

    Raises:
        SourceArgumentError: It is no British postcode.
    """
    parts = text.upper().split()
    if len(parts) == 1 and len(parts[0]) > _MAX_OUTWARD:
        # Written without its space: the second half always has three characters.
        parts = [parts[0][:-3]]
    if not parts or not _OUTWARD.fullmatch(parts[0]):
        raise SourceArgumentError(CONF_POSTCODE, "invalid_postcode")
    return parts[0]


def parse_slots(items: Any) -> Slots:
    """Turn half hours into slots.

    Args:
        items: `data` of `/intensity/{from}/fw48h`, or of its regional sibling. It
            may begin with the half hour before. The actual value, which only Great
            Britain as a whole has, holds where it is known; else the forecast.

    Raises:
        SourceDataError: An item is not as described.
    """
    slots: list[Slot] = []
    for item in _read_list(items):
        values = item.get("intensity")
        if not isinstance(values, Mapping):
            raise SourceDataError("A half hour without an intensity")
        value = parse_number(values, "actual")
        if value is None:
            value = parse_number(values, "forecast")
        start, end = parse_time(item.get("from")), parse_time(item.get("to"))
        if value is not None:
            slots.append(Slot(start=start, end=end, value=value))
    return arrange_slots(slots)


def parse_shares(mix: Any) -> dict[str, float]:
    """Return the percentage of each fuel; those that are not known are left out.

    Args:
        mix: `generationmix` of an answer.

    Raises:
        SourceDataError: An item is not as described.
    """
    return {
        fuel: share
        for item in _read_list(mix)
        if isinstance(fuel := item.get("fuel"), str)
        and (share := parse_number(item, "perc")) is not None
    }


def find_mix(items: Any, now: datetime) -> Any:
    """Return the mix of the present half hour; empty for none.

    Args:
        items: `data` of a regional answer, which has passed `parse_slots`.
    """
    for item in _read_list(items):
        if parse_time(item.get("from")) <= now < parse_time(item.get("to")):
            return item.get("generationmix") or ()
    return ()


def sum_shares(shares: Mapping[str, float], fuels: frozenset[str]) -> float | None:
    """Return the percentage of some fuels; None where the mix is not known."""
    known = [share for fuel, share in shares.items() if fuel in fuels]
    # Sums of tenths have a long tail of digits otherwise.
    return round(sum(known), 3) if known else None


def _read_list(items: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(items, Sequence) or not all(
        isinstance(item, Mapping) for item in items
    ):
        raise SourceDataError("Not a list of values")
    return items


def _take_first(value: Any) -> Mapping[str, Any]:
    """Return an object that is documented as a list of one, or the reverse."""
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, Mapping):
        raise SourceDataError("The answer is empty")
    return value


class UkCarbonIntensity(Source[CarbonData]):
    """Asks for the next 48 hours; of a region, or of Great Britain."""

    def __init__(self, http: HttpClient, arguments: Mapping[str, Any]) -> None:
        """Take the postcode, if there is one."""
        self._http = http
        self._postcode = arguments.get(CONF_POSTCODE)

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[CarbonData]:
        start = context.now.strftime("%Y-%m-%dT%H:%MZ")
        if self._postcode is None:
            return await self._async_fetch_national(start, context.now)
        return await self._async_fetch_regional(
            parse_postcode(self._postcode), start, context.now
        )

    async def _async_fetch_national(
        self, start: str, now: datetime
    ) -> SourceResult[CarbonData]:
        slots = parse_slots(await self._async_get(f"/intensity/{start}/fw48h"))
        try:
            generation = _take_first(await self._async_get("/generation"))
            shares = parse_shares(generation.get("generationmix") or ())
        except SourceDataError, SourceUnavailableError:
            # The intensity is worth more than the mix beside it.
            shares = {}
        return SourceResult(data=create_data(_NATIONAL, slots, shares, now))

    async def _async_fetch_regional(
        self, postcode: str, start: str, now: datetime
    ) -> SourceResult[CarbonData]:
        region = _take_first(
            await self._async_get(
                f"/regional/intensity/{start}/fw48h/postcode/{postcode}"
            )
        )
        items = region.get("data")
        slots = parse_slots(items)
        shares = parse_shares(find_mix(items, now))
        name = region.get("shortname")
        place = name if isinstance(name, str) and name else postcode
        return SourceResult(data=create_data(place, slots, shares, now), place=place)

    async def _async_get(self, path: str) -> Any:
        answer = await self._http.async_request("GET", path)
        payload = answer.payload
        if (
            answer.status == HTTPStatus.BAD_REQUEST
            and "postcode" in answer.words.lower()
        ):
            raise SourceArgumentError(CONF_POSTCODE, "unknown_postcode")
        if not isinstance(payload, Mapping) or "data" not in payload:
            raise SourceDataError(answer.words)
        return payload["data"]


def create_data(
    region: str, slots: Slots, shares: Mapping[str, float], now: datetime
) -> CarbonData:
    """Put an answer together.

    Raises:
        SourceDataError: It says nothing of now.
    """
    if (current := find_slot(slots, now)) is None:
        raise SourceDataError("No value for this half hour")
    return CarbonData(
        region=region,
        grid_operator=_OPERATOR,
        measured_at=current.start,
        intensity=current.value,
        renewable_percentage=sum_shares(shares, _RENEWABLE),
        fossil_percentage=sum_shares(shares, _FOSSIL),
        forecast=slots,
    )


def _create(
    environment: SourceEnvironment, arguments: Mapping[str, Any]
) -> Source[CarbonData]:
    return UkCarbonIntensity(environment.http, arguments)


UK_CARBON_INTENSITY: Final = SourceDescription(
    key="uk_carbon_intensity",
    kind=SourceKind.CARBON_INTENSITY,
    name="UK Carbon Intensity",
    base_url="https://api.carbonintensity.org.uk",
    update_interval=timedelta(minutes=15),
    create=_create,
    arguments=(Argument(key=CONF_POSTCODE, type=ArgumentType.TEXT, is_required=False),),
    attribution="National Energy System Operator (NESO), CC BY 4.0",
    countries=frozenset({"GB"}),
    documentation=SourceDocumentation(
        delivers="Carbon intensity of the power used in a region of Great Britain, or"
        " in all of it, the share of each fuel, and a forecast of 48 hours.",
        resolution="30 minutes.",
        delay="None: the present half hour is a forecast until its actual value is"
        " known, which regions never have.",
        rate_limit="None stated. Asked every 15 minutes.",
        licence="CC BY 4.0.",
        url="https://carbon-intensity.github.io/api-definitions/",
    ),
)

"""aWATTar: the day-ahead price of Germany and Luxembourg, or of Austria.

Delivers the price of the exchange EPEX SPOT in EUR/MWh, without taxes and fees,
for each hour from yesterday to as far as it is known; it may be negative. No key.
Delay: tomorrow's prices come at about 14:00. Licence: none stated. Rate limit: about
100 requests a day as fair use; asked once an hour.

The hours are those of the hourly product: since October 2025 the exchange also has
quarter hours, whose mean is close to the hour's price, but not the same.

Source: https://www.awattar.de/services/api
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, override

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
from ..parsing import parse_number
from ..slots import Slot, Slots, arrange_slots
from .answers import convert_price, create_prices, find_period
from .model import PriceData

CONF_COUNTRY: Final = "country"

GERMANY: Final = "de"
AUSTRIA: Final = "at"

_CURRENCY: Final = "EUR"
_UNIT: Final = "eur/mwh"
_KWH_PER_MWH: Final = 1000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def parse_prices(payload: Any) -> Slots:
    """Turn an answer of `/v1/marketdata` into slots, EUR/kWh.

    Args:
        payload: `data` holds the hours, in any order, in EUR/MWh.

    Raises:
        SourceDataError: It is not as described.
    """
    items = payload.get("data") if isinstance(payload, Mapping) else None
    if not isinstance(items, list):
        raise SourceDataError("No list of prices")
    return arrange_slots(slot for item in items if (slot := _parse_slot(item)))


def _parse_slot(item: Any) -> Slot | None:
    """Return an hour; None where it has no price."""
    if not isinstance(item, Mapping):
        raise SourceDataError(f"Not a price: {item!r:.40}")
    unit = item.get("unit", _UNIT)
    if not isinstance(unit, str) or unit.casefold() != _UNIT:
        raise SourceDataError(f"Not a known unit: {unit!r:.40}")
    price = parse_number(item, "marketprice")
    if price is None:
        return None
    return Slot(
        start=_parse_milliseconds(item, "start_timestamp"),
        end=_parse_milliseconds(item, "end_timestamp"),
        value=convert_price(price, _KWH_PER_MWH),
    )


def _parse_milliseconds(item: Mapping[str, Any], key: str) -> datetime:
    value = item.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise SourceDataError(f"Not a time: {key}")
    try:
        return _EPOCH + value * _MILLISECOND
    except OverflowError:
        raise SourceDataError(f"Not a time: {key}") from None


def format_milliseconds(moment: datetime) -> str:
    """Return a moment as the provider takes it."""
    return str((moment - _EPOCH) // _MILLISECOND)


class Awattar(Source[PriceData]):
    """Asks for yesterday, today and tomorrow at once."""

    def __init__(self, http: HttpClient) -> None:
        """Take the way to the country's host."""
        self._http = http

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[PriceData]:
        start, end = find_period(context)
        try:
            payload = await self._http.async_get_json(
                "/v1/marketdata",
                params={
                    "start": format_milliseconds(start),
                    "end": format_milliseconds(end),
                },
            )
        except SourceAuthError as err:
            # There is no key to refuse: the address has asked too often.
            raise SourceUnavailableError(str(err), is_rate_limited=True) from err
        prices = create_prices(_CURRENCY, parse_prices(payload), context)
        return SourceResult(data=prices)


def _create(
    environment: SourceEnvironment, arguments: Mapping[str, Any]
) -> Source[PriceData]:
    return Awattar(environment.http)


def _choose_country(context: SourceContext) -> str:
    return AUSTRIA if context.country == "AT" else GERMANY


def _get_base_url(arguments: Mapping[str, Any]) -> str:
    domain = AUSTRIA if arguments.get(CONF_COUNTRY) == AUSTRIA else GERMANY
    return f"https://api.awattar.{domain}"


AWATTAR: Final = SourceDescription(
    key="awattar",
    kind=SourceKind.ELECTRICITY_PRICE,
    name="aWATTar",
    base_url=_get_base_url,
    update_interval=timedelta(hours=1),
    create=_create,
    arguments=(
        Argument(
            key=CONF_COUNTRY,
            type=ArgumentType.SELECT,
            default=_choose_country,
            options=(GERMANY, AUSTRIA),
            translation_key="awattar_country",
        ),
    ),
    attribution="aWATTar, EPEX SPOT",
    countries=frozenset({"AT", "DE"}),
    documentation=SourceDocumentation(
        delivers="The day-ahead price of the exchange EPEX SPOT for Germany or"
        " Austria, of yesterday, today and tomorrow.",
        resolution="60 minutes.",
        delay="None: tomorrow's prices come at about 14:00.",
        rate_limit="About 100 requests a day are seen as fair use. Asked once an hour.",
        licence="None stated.",
        url="https://www.awattar.de/services/api",
        limits="The price of the exchange alone: taxes, fees and the surcharge of the"
        " supplier are added by the price formula of the settings. Only for contracts"
        " by the hour: the exchange's quarter hours are not offered.",
    ),
)

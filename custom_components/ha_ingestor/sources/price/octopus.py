"""Octopus Energy: the tariffs of a supplier of Great Britain, Agile and others.

Delivers unit rates in pence/kWh, here GBP/kWh, with VAT or without, as long as they
hold: half hours (Agile), parts of the day (Go, Cosy), days (Tracker) or for good; they
may be negative. No key. Delay: the rates of tomorrow come between 16:00 and 20:00 and
end at 23:00. Licence: none stated. Rate limit: none stated; asked once an hour. The
standing charge is per day, not per kWh, and is left out.

Tariffs with day and night rates (Economy 7) come as two series without the hours, since
the meter decides: on a smart meter night is 00:30 to 07:30 UTC all year.

Source: https://developer.octopus.energy/rest/guides/endpoints
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from http import HTTPStatus
import re
from typing import Any, Final, override
from urllib.parse import parse_qs, urlsplit

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
from ..parsing import parse_number, parse_time
from ..slots import Slot, Slots, arrange_slots, cut_slots
from .answers import convert_price, create_prices, find_period
from .model import PriceData

CONF_REGION: Final = "region"
CONF_PRODUCT: Final = "product"
CONF_PAYMENT: Final = "payment"
CONF_WITH_VAT: Final = "with_vat"
CONF_NIGHT_START: Final = "night_start"
CONF_NIGHT_END: Final = "night_end"

SECTION_TWO_RATES: Final = "two_rates"

# Groups of grid supply points; there is no I and no O.
REGIONS: Final = tuple("abcdefghjklmnp")
DIRECT_DEBIT: Final = "direct_debit"
OTHER_PAYMENT: Final = "other"

_CURRENCY: Final = "GBP"
_PENCE: Final = 100
_AGILE: Final = "AGILE"
_DEFAULT_NIGHT_START: Final = "00:30:00"
_DEFAULT_NIGHT_END: Final = "07:30:00"
# Three days of half hours for two ways to pay are 288.
_PAGE_SIZE: Final = 500
# More pages than that are no answer to what was asked.
_MAX_PAGES: Final = 5

_PRODUCT: Final = re.compile(r"[A-Z0-9]+(?:[-_][A-Z0-9]+)*")
_TARIFF: Final = re.compile(r"([EG]-[A-Z0-9]*R)-(.+)-([A-HJ-NP])")
_ONE_RATE: Final = "E-1R"
_TWO_RATES: Final = "E-2R"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """One price list of one region.

    Attributes:
        product: Its code, such as `AGILE-24-10-01`.
        registers: `E-1R` for one rate at a time, `E-2R` for day and night.
        region: Letter of the grid supply point group.
        argument: Which field is wrong if the product has no such tariff.
    """

    product: str
    registers: str
    region: str
    argument: str = CONF_REGION

    @property
    def code(self) -> str:
        """As the provider writes it."""
        return f"{self.registers}-{self.product}-{self.region}"

    @property
    def path(self) -> str:
        """Where its rates are, up to the kind of rate."""
        return f"/v1/products/{self.product}/electricity-tariffs/{self.code}"


def read_tariff(arguments: Mapping[str, Any]) -> Tariff | None:
    """Return which tariff is meant; None for the newest Agile one.

    Raises:
        SourceArgumentError: It makes no sense, or the region is missing.
    """
    text = str(arguments.get(CONF_PRODUCT) or _AGILE).strip().upper()
    placeholders = {"tariff": text}
    if not _PRODUCT.fullmatch(text):
        raise SourceArgumentError(CONF_PRODUCT, "invalid_product", placeholders)
    if (parts := _TARIFF.fullmatch(text)) is not None:
        registers, product, region = parts.groups()
        if registers not in {_ONE_RATE, _TWO_RATES}:
            raise SourceArgumentError(CONF_PRODUCT, "unsupported_tariff", placeholders)
        return Tariff(
            product=product, registers=registers, region=region, argument=CONF_PRODUCT
        )
    region = str(arguments.get(CONF_REGION) or "").upper()
    if not region:
        raise SourceArgumentError(CONF_REGION, "region_missing")
    if text == _AGILE:
        return None
    return Tariff(product=text, registers=_ONE_RATE, region=region)


def find_agile(items: list[Any], now: datetime) -> str:
    """Return the code of the newest Agile product that is offered.

    Args:
        items: `results` of `/v1/products/`.

    Raises:
        SourceDataError: There is none.
    """
    offered: list[tuple[datetime, str]] = []
    for item in items:
        code = item.get("code") if isinstance(item, Mapping) else None
        if (
            not isinstance(code, str)
            or not code.startswith(f"{_AGILE}-")
            or not _PRODUCT.fullmatch(code)
            or item.get("direction", "IMPORT") != "IMPORT"
            or item.get("is_business") is True
        ):
            continue
        start, end = item.get("available_from"), item.get("available_to")
        begins_at = parse_time(start)
        if begins_at <= now and (end is None or parse_time(end) > now):
            offered.append((begins_at, code))
    if not offered:
        raise SourceDataError("No Agile product is offered")
    return max(offered)[1]


def parse_rates(
    items: list[Any], *, until: datetime, with_vat: bool, is_direct_debit: bool
) -> Slots:
    """Turn rates into slots, GBP/kWh.

    Args:
        items: `results` of `/standard-unit-rates/` or its siblings, in any order; one
            item for each way to pay where that makes a difference.
        until: Where a rate ends that holds for good.

    Raises:
        SourceDataError: An item is not as described.
    """
    if any(not isinstance(item, Mapping) for item in items):
        raise SourceDataError("Not a list of rates")
    key = "value_inc_vat" if with_vat else "value_exc_vat"
    slots: list[Slot] = []
    for item in _choose_payment(items, is_direct_debit=is_direct_debit):
        rate = parse_number(item, key)
        start = parse_time(item.get("valid_from"))
        valid_to = item.get("valid_to")
        end = until if valid_to is None else min(parse_time(valid_to), until)
        # Rates that were withdrawn end when they begin.
        if rate is not None and start < end:
            value = convert_price(rate, _PENCE)
            slots.append(Slot(start=start, end=end, value=value))
    return arrange_slots(slots)


def _choose_payment(
    items: list[Mapping[str, Any]], *, is_direct_debit: bool
) -> Iterator[Mapping[str, Any]]:
    """List the rates of one way to pay; of the other one where there is no choice."""
    wanted = "DIRECT_DEBIT" if is_direct_debit else "NON_DIRECT_DEBIT"
    common = [item for item in items if item.get("payment_method") is None]
    own = [item for item in items if item.get("payment_method") == wanted]
    # Of two with the same start the last one holds.
    yield from common
    yield from own
    if not common and not own:
        yield from items


def list_nights(
    start: datetime, end: datetime, night_start: time, night_end: time
) -> list[tuple[datetime, datetime]]:
    """Return the nights that touch a period, and one beyond; UTC, as in the meter."""
    nights: list[tuple[datetime, datetime]] = []
    day = timedelta(days=1)
    date = (start - day).date()
    while date <= (end + day).date():
        begins_at = datetime.combine(date, night_start, start.tzinfo)
        ends_at = datetime.combine(date, night_end, start.tzinfo)
        if ends_at <= begins_at:
            ends_at += day
        nights.append((begins_at, ends_at))
        date += day
    return nights


def merge_rates(
    day_rates: Slots, night_rates: Slots, nights: list[tuple[datetime, datetime]]
) -> tuple[Slots, Slots]:
    """Put the rates of day and night into turns; returns all, and those of the day."""
    at_night: list[Slot] = []
    by_day: list[Slot] = []
    for (begins_at, ends_at), following in zip(
        nights, [*nights[1:], None], strict=True
    ):
        at_night += cut_slots(night_rates, begins_at, ends_at)
        if following is not None:
            by_day += cut_slots(day_rates, ends_at, following[0])
    return arrange_slots([*by_day, *at_night]), arrange_slots(by_day)


def find_next_page(payload: Mapping[str, Any]) -> str | None:
    """Return the number of the next page; never an address to ask at."""
    address = payload.get("next")
    if not isinstance(address, str):
        return None
    try:
        pages = parse_qs(urlsplit(address).query).get("page", [])
    except ValueError:
        return None
    page = pages[0] if pages else ""
    return page if page.isascii() and page.isdigit() else None


class Octopus(Source[PriceData]):
    """Asks for the rates of yesterday, today and tomorrow."""

    def __init__(self, http: HttpClient, arguments: Mapping[str, Any]) -> None:
        """Take what says which tariff."""
        self._http = http
        self._arguments = arguments

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[PriceData]:
        tariff = read_tariff(self._arguments)
        place = None if tariff is None else f"{tariff.product} {tariff.region}"
        if tariff is None:
            region = str(self._arguments[CONF_REGION]).upper()
            product = await self._async_find_agile(context.now)
            tariff = Tariff(product=product, registers=_ONE_RATE, region=region)
            # Without the product's date: it is another product some day.
            place = f"Agile {region}"
        if tariff.registers == _TWO_RATES:
            return SourceResult(
                data=await self._async_fetch_two_rates(tariff, context), place=place
            )
        slots = await self._async_fetch_rates(tariff, "standard", context)
        return SourceResult(data=create_prices(_CURRENCY, slots, context), place=place)

    async def _async_fetch_two_rates(
        self, tariff: Tariff, context: SourceContext
    ) -> PriceData:
        night_start = self._read_time(CONF_NIGHT_START, _DEFAULT_NIGHT_START)
        night_end = self._read_time(CONF_NIGHT_END, _DEFAULT_NIGHT_END)
        if night_start == night_end:
            raise SourceArgumentError(CONF_NIGHT_END, "invalid_night")
        slots, day_slots = merge_rates(
            await self._async_fetch_rates(tariff, "day", context),
            await self._async_fetch_rates(tariff, "night", context),
            list_nights(*find_period(context), night_start, night_end),
        )
        return create_prices(_CURRENCY, slots, context, peak_slots=day_slots)

    def _read_time(self, key: str, default: str) -> time:
        try:
            return time.fromisoformat(self._arguments.get(key) or default)
        except ValueError:
            raise SourceArgumentError(key, "invalid_night") from None

    async def _async_fetch_rates(
        self, tariff: Tariff, rate: str, context: SourceContext
    ) -> Slots:
        start, end = find_period(context)
        items = await self._async_get_pages(
            f"{tariff.path}/{rate}-unit-rates/",
            {
                "period_from": start.strftime("%Y-%m-%dT%H:%MZ"),
                "period_to": end.strftime("%Y-%m-%dT%H:%MZ"),
                "page_size": str(_PAGE_SIZE),
            },
            tariff,
        )
        return parse_rates(
            items,
            until=end,
            with_vat=self._arguments.get(CONF_WITH_VAT, True),
            is_direct_debit=self._arguments.get(CONF_PAYMENT) != OTHER_PAYMENT,
        )

    async def _async_find_agile(self, now: datetime) -> str:
        items = await self._async_get_pages(
            "/v1/products/",
            {"brand": "OCTOPUS_ENERGY", "is_variable": "true", "is_business": "false"},
            None,
        )
        return find_agile(items, now)

    async def _async_get_pages(
        self, path: str, params: Mapping[str, str], tariff: Tariff | None
    ) -> list[Any]:
        """Return `results` of all pages."""
        found: list[Any] = []
        page: str | None = None
        for _ in range(_MAX_PAGES):
            answer = await self._http.async_request(
                "GET", path, params={**params, "page": page} if page else params
            )
            if answer.status == HTTPStatus.NOT_FOUND and tariff is not None:
                raise _describe_missing(answer.words, tariff)
            payload = answer.payload
            if not isinstance(payload, Mapping) or not isinstance(
                payload.get("results"), list
            ):
                raise SourceDataError(answer.words)
            found += payload["results"]
            if (page := find_next_page(payload)) is None:
                return found
        raise SourceDataError("More pages than there can be")


def _describe_missing(words: str, tariff: Tariff) -> SourceArgumentError:
    """Return which field is wrong: the product, or that it has no such tariff."""
    placeholders = {"product": tariff.product, "tariff": tariff.code}
    if "tariff" in words.lower():
        return SourceArgumentError(tariff.argument, "unknown_tariff", placeholders)
    return SourceArgumentError(CONF_PRODUCT, "unknown_product", placeholders)


def _create(
    environment: SourceEnvironment, arguments: Mapping[str, Any]
) -> Source[PriceData]:
    return Octopus(environment.http, arguments)


OCTOPUS: Final = SourceDescription(
    key="octopus",
    kind=SourceKind.ELECTRICITY_PRICE,
    name="Octopus Energy",
    base_url="https://api.octopus.energy",
    update_interval=timedelta(hours=1),
    create=_create,
    arguments=(
        Argument(
            key=CONF_REGION,
            type=ArgumentType.SELECT,
            is_required=False,
            options=REGIONS,
            translation_key="octopus_region",
        ),
        Argument(key=CONF_PRODUCT, type=ArgumentType.TEXT, is_required=False),
        Argument(
            key=CONF_PAYMENT,
            type=ArgumentType.SELECT,
            default=DIRECT_DEBIT,
            options=(DIRECT_DEBIT, OTHER_PAYMENT),
            translation_key="octopus_payment",
        ),
        Argument(key=CONF_WITH_VAT, type=ArgumentType.BOOLEAN, default=True),
        Argument(
            key=CONF_NIGHT_START,
            type=ArgumentType.TIME,
            is_required=False,
            default=_DEFAULT_NIGHT_START,
            section=SECTION_TWO_RATES,
        ),
        Argument(
            key=CONF_NIGHT_END,
            type=ArgumentType.TIME,
            is_required=False,
            default=_DEFAULT_NIGHT_END,
            section=SECTION_TWO_RATES,
        ),
    ),
    attribution="Octopus Energy",
    countries=frozenset({"GB"}),
    documentation=SourceDocumentation(
        delivers="The unit rates of an electricity tariff of Octopus Energy in Great"
        " Britain, with VAT or without, of yesterday, today and tomorrow: Agile,"
        " Tracker, Go, Cosy, Flexible, fixed and export ones, with one rate at a time"
        " or with day and night rates.",
        resolution="30 minutes with Agile; with other tariffs as long as a rate holds.",
        delay="None: the Agile rates of the next day come between 16:00 and 20:00, and"
        " end at 23:00.",
        rate_limit="None stated. Asked once an hour.",
        licence="None stated.",
        url="https://developer.octopus.energy/rest/guides/endpoints",
        limits="The standing charge is left out, since it is not per kWh. Agile"
        " contracts keep the product that they began with: whoever has an older one"
        " enters its code, which the bill and the account page show. The hours of day"
        " and night are the meter's, which the provider does not tell: 00:30 to 07:30"
        " UTC unless entered otherwise.",
    ),
)

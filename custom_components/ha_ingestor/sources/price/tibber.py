"""Tibber: what its customers pay, by the quarter of an hour.

Delivers the total price, with taxes and VAT, in the currency of the home, for each
quarter of an hour of today and, from about 13:00 on, of tomorrow; it may be negative.
Needs a personal access token. Licence: for one's own use. Rate limit: 100 requests in
5 minutes for each IP address; asked once an hour.

The answer is GraphQL: an error has the HTTP status 200, and a list of `errors`.

Source: https://developer.tibber.com/docs/reference
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from itertools import pairwise
from typing import Any, Final, override

from homeassistant.const import __version__

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
from ..slots import Slot, Slots, arrange_slots
from .answers import create_prices, parse_currency
from .model import PriceData

CONF_TOKEN: Final = "token"  # noqa: S105 - the name of the field
CONF_HOME: Final = "home"

_PATH: Final = "/v1-beta/gql"
# Tibber wants to see the platform and the client, each with a name.
_USER_AGENT: Final = f"HomeAssistant/{__version__} ha_ingestor"

_HOUR: Final = timedelta(hours=1)
_QUARTER: Final = timedelta(minutes=15)
_RESOLUTIONS: Final = {_QUARTER: "QUARTER_HOURLY", _HOUR: "HOURLY"}

_REFUSED: Final = frozenset({"UNAUTHENTICATED", "FORBIDDEN"})
_BUSY: Final = frozenset({"INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT"})
# Enough to choose from; an account has one or two.
_MAX_CHOICES: Final = 10
_MAX_NAME: Final = 60


def create_query(resolution: timedelta | None) -> str:
    """Return the question; None for how it was before there were resolutions."""
    argument = ""
    if resolution is not None:
        argument = f"(resolution: {_RESOLUTIONS[resolution]})"
    prices = "{total startsAt currency}"
    return (
        "{viewer{homes{id appNickname address{address1} currentSubscription{"
        f"priceInfo{argument}{{today{prices} tomorrow{prices}}}}}}}}}}}"
    )


def list_errors(payload: Any) -> list[tuple[str, str]]:
    """Return code and message of each error of an answer."""
    found = payload.get("errors") if isinstance(payload, Mapping) else None
    errors: list[tuple[str, str]] = []
    for error in found if isinstance(found, list) else ():
        item = error if isinstance(error, Mapping) else {}
        extensions = item.get("extensions")
        code = extensions.get("code") if isinstance(extensions, Mapping) else None
        errors.append((str(code or ""), str(item.get("message") or "No reason given")))
    return errors


def is_resolution_refused(payload: Any) -> bool:
    """Tell whether the question is not understood because of its resolution."""
    return any(
        word in message.casefold()
        for code, message in list_errors(payload)
        if code not in _BUSY
        for word in ("resolution", "quarter_hourly")
    )


def raise_error(payload: Any) -> None:
    """Raise the first error of an answer, if there is one.

    Raises:
        SourceAuthError: The token is refused.
        SourceUnavailableError: It is busy.
        SourceDataError: Any other one.
    """
    errors = list_errors(payload)
    for code, message in errors:
        if code in _REFUSED:
            raise SourceAuthError(message[:200], argument=CONF_TOKEN)
    for code, message in errors:
        if code in _BUSY:
            raise SourceUnavailableError(message[:200])
        raise SourceDataError(message[:200])


def list_homes(payload: Any) -> list[Mapping[str, Any]]:
    """Return the homes of an answer.

    Raises:
        SourceDataError: There is no list of them.
    """
    place = payload
    for key in ("data", "viewer", "homes"):
        place = place.get(key) if isinstance(place, Mapping) else None
    if not isinstance(place, list):
        raise SourceDataError("No list of homes")
    return [home for home in place if isinstance(home, Mapping)]


def list_names(home: Mapping[str, Any]) -> Iterator[str]:
    """List what a home may be called; the best name first."""
    address = home.get("address")
    street = address.get("address1") if isinstance(address, Mapping) else None
    for name in (home.get("appNickname"), street, home.get("id")):
        if isinstance(name, str) and name.strip():
            yield name.strip()[:_MAX_NAME]


def get_prices(home: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the prices of a home; None where it has no contract."""
    subscription = home.get("currentSubscription")
    if not isinstance(subscription, Mapping):
        return None
    prices = subscription.get("priceInfo")
    return prices if isinstance(prices, Mapping) else None


def choose_home(
    homes: Sequence[Mapping[str, Any]], wanted: str | None
) -> Mapping[str, Any]:
    """Return the home that is meant: the only one with prices, if none is named.

    Raises:
        SourceArgumentError: It is not known, has no contract, or there are several.
    """
    found = with_prices = [home for home in homes if get_prices(home) is not None]
    if not with_prices:
        raise SourceArgumentError(CONF_HOME, "no_home")
    placeholders = {"choices": _describe(with_prices), "home": wanted or ""}
    if wanted is not None:
        name = wanted.strip().casefold()[:_MAX_NAME]
        named = [
            home
            for home in homes
            if name in {known.casefold() for known in list_names(home)}
        ]
        if not named:
            raise SourceArgumentError(CONF_HOME, "unknown_home", placeholders)
        # Of two with one name the one that has prices.
        found = [home for home in named if home in with_prices]
        if not found:
            raise SourceArgumentError(CONF_HOME, "no_contract", placeholders)
    if len(found) > 1:
        raise SourceArgumentError(CONF_HOME, "choose_home", placeholders)
    return found[0]


def _describe(homes: Sequence[Mapping[str, Any]]) -> str:
    """Return the names of homes; with their IDs where names are not enough."""
    names = [next(list_names(home), "?") for home in homes]
    described = [
        name if names.count(name) == 1 else f"{name} ({home.get('id')})"[:_MAX_NAME]
        for name, home in zip(names, homes, strict=True)
    ]
    return ", ".join(described[:_MAX_CHOICES])


def parse_prices(prices: Mapping[str, Any], asked: timedelta) -> tuple[str, Slots]:
    """Turn `priceInfo` into a currency and slots, currency/kWh.

    Args:
        asked: The resolution that was asked for.

    Raises:
        SourceDataError: It is not as described, or holds no price.
    """
    starts: dict[datetime, float] = {}
    currencies: set[str] = set()
    for item in _list_items(prices):
        if (total := parse_number(item, "total")) is None:
            continue
        starts[parse_time(item.get("startsAt"))] = total
        currencies.add(parse_currency(item.get("currency")))
    if len(currencies) != 1:
        raise SourceDataError("Several currencies" if currencies else "No prices")
    length = _find_length(sorted(starts), asked)
    try:
        slots = arrange_slots(
            Slot(start=start, end=start + length, value=total)
            for start, total in starts.items()
        )
    except OverflowError:
        raise SourceDataError("Not a time") from None
    return currencies.pop(), slots


def _list_items(prices: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in ("today", "tomorrow"):
        # Null, or an empty list, until the prices of tomorrow are known.
        items = prices.get(key) or []
        if not isinstance(items, list):
            raise SourceDataError(f"Not a list: {key}")
        for item in items:
            if not isinstance(item, Mapping):
                raise SourceDataError(f"Not a price: {item!r:.40}")
            yield item


def _find_length(starts: Sequence[datetime], asked: timedelta) -> timedelta:
    """Return how long a price holds; no more and no less may be asked than is given."""
    shortest = min((b - a for a, b in pairwise(starts)), default=asked)
    return _HOUR if shortest >= _HOUR else _QUARTER


class Tibber(Source[PriceData]):
    """Asks for today and tomorrow of one home."""

    def __init__(self, http: HttpClient, arguments: Mapping[str, Any]) -> None:
        """Take the token, and the home if one is named."""
        self._http = http
        self._token: str = arguments[CONF_TOKEN]
        self._home: str | None = arguments.get(CONF_HOME)

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[PriceData]:
        asked = _QUARTER
        payload = await self._async_ask(create_query(_QUARTER))
        if is_resolution_refused(payload):
            asked = _HOUR
            payload = await self._async_ask(create_query(None))
        home = self._choose_home(payload)
        currency, slots = parse_prices(get_prices(home) or {}, asked)
        return SourceResult(
            data=create_prices(currency, slots, context),
            place=next(list_names(home), None),
        )

    def _choose_home(self, payload: Any) -> Mapping[str, Any]:
        try:
            homes = list_homes(payload)
            if self._home is None and len(homes) > 1:
                # The one that is missing may be the one that is meant.
                raise_error(payload)
            return choose_home(homes, self._home)
        except SourceArgumentError, SourceDataError:
            # What is missing may be so because of an error, which says more then.
            raise_error(payload)
            raise

    async def _async_ask(self, query: str) -> Any:
        if not self._token.isprintable():
            # No header can hold it.
            raise SourceAuthError("This is no token", argument=CONF_TOKEN)
        answer = await self._http.async_request(
            "POST",
            _PATH,
            headers={
                "Authorization": f"Bearer {self._token}",
                "User-Agent": _USER_AGENT,
            },
            json_body={"query": query},
        )
        _check_status(answer)
        return answer.payload


def _check_status(answer: HttpAnswer) -> None:
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise SourceAuthError(answer.words, argument=CONF_TOKEN)
    if answer.status == HTTPStatus.PRECONDITION_REQUIRED:
        # Tibber's other way to say so.
        raise SourceUnavailableError("Too many requests", is_rate_limited=True)
    if list_errors(answer.payload):
        # They say more than the status, which was 400 for a refused token once.
        return
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES or not answer.is_json:
        raise SourceDataError(answer.words)


def _create(
    environment: SourceEnvironment, arguments: Mapping[str, Any]
) -> Source[PriceData]:
    return Tibber(environment.http, arguments)


TIBBER: Final = SourceDescription(
    key="tibber",
    kind=SourceKind.ELECTRICITY_PRICE,
    name="Tibber",
    base_url="https://api.tibber.com",
    update_interval=timedelta(hours=1),
    create=_create,
    arguments=(
        Argument(key=CONF_TOKEN, type=ArgumentType.SECRET),
        Argument(key=CONF_HOME, type=ArgumentType.TEXT, is_required=False),
    ),
    attribution="Tibber",
    countries=frozenset({"DE", "NL", "NO", "SE"}),
    documentation=SourceDocumentation(
        delivers="The total price that a customer of Tibber pays, with taxes and VAT,"
        " of today and tomorrow, in the currency of the home.",
        resolution="15 minutes; 60 minutes where Tibber does not offer them.",
        delay="None: tomorrow's prices come at about 13:00.",
        rate_limit="100 requests in 5 minutes for each IP address. Asked once an hour.",
        licence="For the customer's own use.",
        url="https://developer.tibber.com",
        signup="Have a power contract with Tibber. Open the page of Tibber for"
        " developers and sign in with the account of the Tibber app. Open the settings"
        " for access tokens there and create a personal access token; the scope for"
        " homes is the one that is needed. Copy the token into the form. The token"
        " belongs to the whole account: where it has several homes, enter the name of"
        " one in the form, and add one source for each.",
        limits="Only for customers of Tibber. The price contains what Tibber itself"
        " bills: where the grid is billed by somebody else, add its fee by the price"
        " formula of the settings. Yesterday's prices are not asked for.",
    ),
)

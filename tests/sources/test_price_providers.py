"""Providers of prices: what they make of any answer."""

from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime, time, timedelta
import json
from typing import Any, Final, override
from zoneinfo import ZoneInfo

from hypothesis import assume, given, strategies as st
import pytest

from custom_components.ha_ingestor.errors import (
    SourceArgumentError,
    SourceDataError,
    SourceError,
)
from custom_components.ha_ingestor.sources.base import (
    SourceContext,
    SourceEnvironment,
    SourceResult,
)
from custom_components.ha_ingestor.sources.catalog import SOURCES
from custom_components.ha_ingestor.sources.http import HttpAnswer, HttpClient
from custom_components.ha_ingestor.sources.price.answers import (
    find_period,
    parse_currency,
)
from custom_components.ha_ingestor.sources.price.model import PriceData
from custom_components.ha_ingestor.sources.price.octopus import (
    find_next_page,
    list_nights,
    merge_rates,
    parse_rates,
    read_tariff,
)
from custom_components.ha_ingestor.sources.price.tibber import choose_home, create_query
from custom_components.ha_ingestor.sources.slots import Slot, find_slot
from tests.sources.kit import (
    create_case_context,
    list_cases,
)

TOKEN: Final = "t0ken-of-the-user"
AGILE: Final = "AGILE-24-10-01"

# --- any answer

# What forms and answers hold where something else was meant to be.
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        [
            "2026-11-20T00:00:00Z",
            "2026-11-20T00:00:00",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59Z",
            "EUR",
            "DIRECT_DEBIT",
            "Eur/MWh",
            "UNAUTHENTICATED",
            AGILE,
        ]
    )
)
# Every key that a provider is asked for, so that garbage gets as deep as it can.
KEYS = st.sampled_from(
    [
        *("data", "start_timestamp", "end_timestamp", "marketprice", "unit"),
        *("errors", "message", "extensions", "code", "viewer", "homes", "id"),
        *("appNickname", "address", "address1", "currentSubscription", "priceInfo"),
        *("today", "tomorrow", "total", "startsAt", "currency"),
        *("results", "next", "direction", "available_from", "available_to"),
        *("valid_from", "valid_to", "value_inc_vat", "payment_method", "detail"),
    ]
)
GARBAGE = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5)
    ),
    max_leaves=20,
)


class CannedHttp(HttpClient):
    """Gives the same answer to everything, without a network."""

    def __init__(self, payload: Any, status: int = 200) -> None:
        self._answer = HttpAnswer(
            status=status, payload=payload, is_json=payload is not None
        )

    @override
    async def async_request(self, *args: Any, **kwargs: Any) -> HttpAnswer:
        return self._answer


def finish[ResultT](work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Return what a coroutine gives that waits for nothing."""
    with pytest.raises(StopIteration) as caught:
        work.send(None)
    result: ResultT = caught.value.value
    return result


def understand(
    key: str, payload: Any, context: SourceContext, status: int = 200, **arguments: Any
) -> SourceResult[Any] | SourceError:
    """Return what a provider makes of an answer; only our own errors are caught."""
    environment = SourceEnvironment(
        http=CannedHttp(payload, status), run_blocking=context.get_events
    )
    source = SOURCES[key].create(environment, ARGUMENTS[key] | arguments)

    async def ask() -> SourceResult[Any] | SourceError:
        try:
            return await source.async_fetch(context)
        except SourceError as err:
            return err

    return finish(ask())


ARGUMENTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "awattar": {"country": "de"},
    "octopus": {"region": "c", "product": AGILE, "payment": "direct_debit"},
    "tibber": {"token": TOKEN},
}
CONTEXT: Final = create_case_context(
    {"now": "2026-11-20T12:00:00Z", "time_zone": "Europe/Berlin"}
)


def is_sound(outcome: SourceResult[Any] | SourceError) -> bool:
    """Whether it is an error of ours, or prices that keep their promises."""
    if isinstance(outcome, SourceError):
        return TOKEN not in str(outcome)
    data = outcome.data
    start, end = find_period(CONTEXT)
    return (
        isinstance(data, PriceData)
        and start <= data.slots[0].start
        and CONTEXT.now < data.valid_until <= end
        and PriceData.from_json(json.loads(json.dumps(data.to_json()))) == data
    )


@pytest.mark.parametrize("key", ARGUMENTS)
@given(payload=GARBAGE, status=st.sampled_from([200, 204, 302, 400, 401, 403, 404]))
def test_any_answer_is_prices_or_an_error_of_ours(
    key: str, payload: Any, status: int
) -> None:
    assert is_sound(understand(key, payload, CONTEXT, status))


def spoil(payload: Any, path: list[int], value: Any) -> Any:
    """Return an answer of which one part, found by numbers, is something else."""
    if not path or not payload or not isinstance(payload, dict | list):
        return value
    spoiled = payload.copy()
    keys = list(spoiled) if isinstance(spoiled, dict) else range(len(spoiled))
    key = keys[path[0] % len(keys)]
    spoiled[key] = spoil(payload[key], path[1:], value)
    return spoiled


def read_normal(key: str, name: str, file: str) -> Any:
    [case] = [
        case
        for case in list_cases()
        if case.provider == key and case.folder.name == name
    ]
    return case.read(file)


NORMAL: Final = {
    "awattar": read_normal("awattar", "tomorrow_missing", "response_marketdata.json"),
    "octopus": read_normal("octopus", "fixed", "response_rates.json"),
    "tibber": read_normal("tibber", "tomorrow_missing", "response_homes.json"),
}


@pytest.mark.parametrize("key", ARGUMENTS)
@given(path=st.lists(st.integers(0, 100), max_size=9), value=GARBAGE)
def test_a_good_answer_with_one_wrong_part(
    key: str, path: list[int], value: Any
) -> None:
    assert is_sound(understand(key, spoil(NORMAL[key], path, value), CONTEXT))


def home_with(prices: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer of Tibber with these prices for its only home."""
    found = {"id": "1", "currentSubscription": {"priceInfo": prices}}
    return {"data": {"viewer": {"homes": [found]}}}


PRICE: Final = {"total": 1, "startsAt": "2026-11-20T00:00:00Z", "currency": "EUR"}
WRONG_SLOT: Final = {"marketprice": 1, "start_timestamp": 0, "end_timestamp": 10**400}
LATE_PRICE: Final = {"total": 1, "startsAt": "9999-12-31T23:59:59Z", "currency": "EUR"}
TWO_RATES: Final = {"product": "E-2R-VAR-22-11-01-C"}


@pytest.mark.parametrize(
    ("key", "payload", "arguments", "words"),
    [
        pytest.param(
            "awattar",
            {"data": [WRONG_SLOT]},
            {},
            "Not a time: end_timestamp",
            id="awattar-endless-time",
        ),
        pytest.param(
            "awattar", {"data": [7]}, {}, "Not a price: 7", id="awattar-no-price"
        ),
        pytest.param(
            "octopus", {"results": [7]}, {}, "Not a list of rates", id="octopus-no-rate"
        ),
        pytest.param(
            "octopus",
            {"results": []},
            TWO_RATES | {"night_end": "noon"},
            "night_end: invalid_night",
            id="octopus-no-time",
        ),
        pytest.param(
            "tibber",
            home_with({"today": [LATE_PRICE]}),
            {},
            "Not a time",
            id="tibber-end-of-time",
        ),
        pytest.param(
            "tibber",
            home_with({"today": "soon"}),
            {},
            "Not a list: today",
            id="tibber-no-list",
        ),
        pytest.param(
            "tibber",
            home_with({"tomorrow": ["high"]}),
            {},
            "Not a price: 'high'",
            id="tibber-no-price",
        ),
        pytest.param(
            "tibber",
            home_with({"today": [LATE_PRICE | {"currency": "NOK"}, PRICE]}),
            {},
            "Several currencies",
            id="tibber-two-currencies",
        ),
        pytest.param(
            "tibber",
            {"errors": [{"message": "Too complex", "extensions": None}], "data": None},
            {},
            "Too complex",
            id="tibber-error",
        ),
        pytest.param(
            "tibber", None, {"token": "a\nb"}, "This is no token", id="tibber-no-token"
        ),
    ],
)
def test_what_is_wrong_is_said(
    key: str, payload: Any, arguments: dict[str, Any], words: str
) -> None:
    assert str(understand(key, payload, CONTEXT, **arguments)) == words


def find_path(product: str, region: str) -> str:
    """Return where the rates are looked for; empty where they are not."""
    try:
        tariff = read_tariff({"product": product, "region": region})
    except SourceArgumentError:
        return ""
    return "" if tariff is None else tariff.path


@given(
    product=st.text(max_size=40) | st.from_regex(r"[EGa-z]-[12]R-.{1,20}-[A-P]"),
    region=st.sampled_from(["", "a", "p"]),
)
def test_any_product_is_a_path_or_refused(product: str, region: str) -> None:
    path = find_path(product, region)

    assert not set(path) & set(" .?#%\\\r\n")
    assert path.count("/") in {0, 5}


# --- times


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        pytest.param("2026-11-20T12:00:00Z", 72, id="three-days"),
        pytest.param("2026-10-24T12:00:00Z", 73, id="long-day-tomorrow"),
        pytest.param("2026-10-25T23:30:00Z", 73, id="long-day-yesterday"),
        pytest.param("2026-03-28T22:59:59Z", 71, id="short-day-tomorrow"),
        pytest.param("2026-03-29T21:59:59Z", 71, id="short-day"),
        pytest.param("2026-03-31T22:30:00Z", 72, id="after-the-short-day"),
    ],
)
def test_the_period_has_whole_days(now: str, hours: int) -> None:
    context = create_case_context({"now": now, "time_zone": "Europe/Berlin"})

    start, end = find_period(context)

    assert (end - start) / timedelta(hours=1) == hours
    zone = ZoneInfo("Europe/Berlin")
    assert {start.astimezone(zone).time(), end.astimezone(zone).time()} == {time()}


MOMENTS = st.integers(1_767_225_600, 1_798_675_200).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)
TIMES = st.times().map(lambda value: value.replace(second=0, microsecond=0))


def is_between(moment: time, begins: time, ends: time) -> bool:
    """Whether a time lies in a stretch of the day that may hold midnight."""
    if begins < ends:
        return begins <= moment < ends
    return moment >= begins or moment < ends


@given(start=MOMENTS, moment=st.floats(0, 1), begins=TIMES, ends=TIMES)
def test_each_moment_has_the_rate_of_the_meter(
    start: datetime, moment: float, begins: time, ends: time
) -> None:
    assume(begins != ends)
    end = start + timedelta(days=3)
    asked = start + moment * timedelta(days=2.999)

    def forever(value: float) -> tuple[Slot]:
        return (Slot(start=start - timedelta(9), end=end + timedelta(9), value=value),)

    slots, day_slots = merge_rates(
        forever(30.0), forever(12.0), list_nights(start, end, begins, ends)
    )

    is_night = is_between(asked.time(), begins, ends)
    slot = find_slot(slots, asked)
    assert slot is not None
    assert slot.value == (12.0 if is_night else 30.0)
    assert (find_slot(day_slots, asked) is None) is is_night


# --- single rules


@pytest.mark.parametrize(
    ("address", "page"),
    [
        pytest.param("https://api.octopus.energy/v1/x/?page=2", "2", id="own-host"),
        pytest.param("https://elsewhere.example/?a=1&page=17", "17", id="other-host"),
        pytest.param("?page=../../accounts", None, id="no-number"),
        pytest.param("?page=%D9%A3", None, id="number-of-another-script"),
        pytest.param("?cursor=abc", None, id="no-page"),
        pytest.param("http://[::1?page=2", None, id="no-address"),
        pytest.param(None, None, id="last-page"),
        pytest.param(7, None, id="no-text"),
    ],
)
def test_only_the_number_of_the_next_page_is_taken(
    address: Any, page: str | None
) -> None:
    assert find_next_page({"next": address}) == page


@pytest.mark.parametrize("value", [None, 5, "", "EURO", "€€€", "E1R", "ÄÖÜ"])
def test_a_currency_is_three_letters(value: Any) -> None:
    with pytest.raises(SourceDataError, match="Not a currency"):
        parse_currency(value)


def test_a_withdrawn_rate_is_left_out() -> None:
    rates = [
        {"value_inc_vat": 9, "valid_from": moment, "valid_to": end}
        for moment, end in (
            ("2026-11-20T00:00:00Z", "2026-11-20T00:00:00Z"),
            ("2026-11-19T00:00:00Z", "2026-11-20T00:00:00Z"),
            ("2026-11-22T00:00:00Z", None),
        )
    ]

    slots = parse_rates(
        rates,
        until=datetime(2026, 11, 22, tzinfo=UTC),
        with_vat=True,
        is_direct_debit=True,
    )

    assert [(slot.start.day, slot.value) for slot in slots] == [(19, 0.09)]


def home(name: str | None, home_id: str, *, has_prices: bool = True) -> dict[str, Any]:
    subscription = {"priceInfo": {}} if has_prices else None
    return {"id": home_id, "appNickname": name, "currentSubscription": subscription}


HOMES: Final = (
    home("Cabin", "1"),
    home("Cabin", "2"),
    home("Flat", "3"),
    home("Flat", "4", has_prices=False),
    home(None, "5", has_prices=False),
)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        pytest.param("2", "2", id="by-id"),
        pytest.param(" flat ", "3", id="the-one-with-prices"),
    ],
)
def test_a_home_is_found(wanted: str, found: str) -> None:
    assert choose_home(HOMES, wanted)["id"] == found


@pytest.mark.parametrize(
    ("wanted", "key"),
    [
        pytest.param(None, "choose_home", id="none-named"),
        pytest.param("cabin", "choose_home", id="two-of-that-name"),
        pytest.param("Castle", "unknown_home", id="unknown"),
        pytest.param("5", "no_contract", id="no-contract"),
    ],
)
def test_homes_are_offered_by_names_that_tell_them_apart(
    wanted: str | None, key: str
) -> None:
    with pytest.raises(SourceArgumentError) as caught:
        choose_home(HOMES, wanted)

    assert caught.value.key == key
    assert caught.value.placeholders["choices"] == "Cabin (1), Cabin (2), Flat"


def test_many_homes_do_not_fill_the_screen() -> None:
    homes = [home(f"Home {number}", str(number)) for number in range(100)]

    with pytest.raises(SourceArgumentError) as caught:
        choose_home(homes, None)

    assert caught.value.placeholders["choices"].count(",") == 9


@pytest.mark.parametrize(
    ("resolution", "argument"),
    [
        pytest.param(timedelta(minutes=15), "(resolution: QUARTER_HOURLY)", id="15"),
        pytest.param(None, "", id="unstated"),
    ],
)
def test_the_question_is_graphql(resolution: timedelta | None, argument: str) -> None:
    query = create_query(resolution)

    assert f"priceInfo{argument}{{today{{total" in query
    assert query.count("{") == query.count("}") == 8


@pytest.mark.parametrize(
    ("country", "expected"),
    [("AT", "at"), ("DE", "de"), ("LU", "de"), (None, "de")],
)
def test_awattar_begins_with_the_country_of_the_home(
    country: str | None, expected: str
) -> None:
    context = create_case_context({"now": "2026-11-20T12:00:00Z", "country": country})
    [argument] = SOURCES["awattar"].arguments

    assert argument.get_default(context) == expected
    assert (
        SOURCES["awattar"].get_base_url({"country": expected})
        == f"https://api.awattar.{expected}"
    )

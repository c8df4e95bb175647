"""The actions find_cheapest_window, find_greenest_window and find_best_window."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
import probatio
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.ha_ingestor.actions.moments import find_period
from custom_components.ha_ingestor.const import DOMAIN
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import ServiceValidationError, Unauthorized, UnknownUser
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.util import dt as dt_util
from tests.flows.texts import load_translations
from tests.sources.kit import ProviderServer
from tests.window_kit import (
    HOUR,
    add_carbon_source,
    add_price_source,
    next_hour,
    serve,
    start_provider,
)

PRICES = [0.4, 0.3, 0.1, 0.2, -0.1, 0.3]
GRAMS = [100, 300, 200, 150, 400, 350]


@pytest.fixture(autouse=True)
async def _zone(hass: HomeAssistant) -> None:
    await hass.config.async_set_time_zone("Europe/Berlin")


@pytest.fixture
async def provider(hass: HomeAssistant) -> AsyncGenerator[ProviderServer]:
    """What both sources ask."""
    server = await start_provider(hass)
    yield server
    await server.stop()


@pytest.fixture
def base() -> datetime:
    """When the known hours begin, and when the actions are called."""
    return next_hour()


@pytest.fixture
async def price_source(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer, base: datetime
) -> str:
    serve(provider, base, prices=PRICES, grams=GRAMS)
    return await add_price_source(hass, hub)


@pytest.fixture
async def carbon_source(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer, base: datetime
) -> str:
    serve(provider, base, prices=PRICES, grams=GRAMS)
    return await add_carbon_source(hass, hub)


@pytest.fixture
def now(
    request: pytest.FixtureRequest, hub: MockConfigEntry, base: datetime
) -> datetime:
    """The clock stands at the first of the known hours."""
    # Asked for last, so that time goes on before the hub is removed.
    freezer: FrozenDateTimeFactory = request.getfixturevalue("freezer")
    freezer.move_to(base)
    return base


async def find(
    hass: HomeAssistant,
    what: str = "cheapest",
    *,
    context: Context | None = None,
    **data: Any,
) -> Any:
    return await hass.services.async_call(
        DOMAIN,
        f"find_{what}_window",
        {key: value for key, value in data.items() if value is not None},
        blocking=True,
        return_response=True,
        context=context,
    )


def local(moment: datetime) -> str:
    return moment.astimezone(ZoneInfo("Europe/Berlin")).isoformat()


def hours(window: dict[str, Any], base: datetime) -> list[tuple[float, float]]:
    return [
        (
            (datetime.fromisoformat(part["start"]) - base) / HOUR,
            (datetime.fromisoformat(part["end"]) - base) / HOUR,
        )
        for part in window["parts"]
    ]


async def test_the_cheapest_window(
    hass: HomeAssistant, price_source: str, now: datetime
) -> None:
    assert await find(hass, duration={"hours": 2}, power_kw=1.5) == {
        "duration_minutes": 120,
        "power_kw": 1.5,
        "is_power_assumed": False,
        "energy_kwh": 3,
        "earliest": local(now),
        "latest": local(now + 6 * HOUR),
        "known_until": local(now + 6 * HOUR),
        "is_complete": True,
        "source": "Prices",
        "unit": "EUR/kWh",
        "total_unit": "EUR",
        "start_now": {"mean": 0.35, "total": 1.05},
        "windows": [
            {
                "start": local(now + 3 * HOUR),
                "end": local(now + 5 * HOUR),
                "parts": [
                    {"start": local(now + 3 * HOUR), "end": local(now + 5 * HOUR)}
                ],
                "mean": 0.05,
                "total": 0.15,
                "saving": 0.9,
                "saving_percent": 85.7,
            }
        ],
    }


async def test_the_greenest_window(
    hass: HomeAssistant, carbon_source: str, now: datetime
) -> None:
    answer = await find(hass, "greenest", duration="01:30", earliest=now + HOUR)
    assert (answer["unit"], answer["total_unit"]) == ("gCO2eq/kWh", "gCO2eq")
    assert answer["is_power_assumed"] is True
    assert answer["power_kw"] == 1
    [window] = answer["windows"]
    assert hours(window, now) == [(2.5, 4)]
    assert window["mean"] == pytest.approx((0.5 * 200 + 150) / 1.5)
    assert window["total"] == 250
    assert window["saving"] == 0
    assert answer["start_now"]["total"] == 250


async def test_the_best_window_weighs_both(
    hass: HomeAssistant, price_source: str, carbon_source: str, now: datetime
) -> None:
    answer = await find(
        hass, "best", duration=3600, power_kw=2, price_weight=30, carbon_weight=10
    )
    assert answer["price"] == {
        "source": "Prices",
        "unit": "EUR/kWh",
        "total_unit": "EUR",
        "weight": 0.75,
        "start_now": {"mean": 0.4, "total": 0.8},
    }
    assert answer["carbon"]["weight"] == 0.25
    [window] = answer["windows"]
    # The dirtiest hour pays for its emissions with the lowest price of all.
    assert hours(window, now) == [(4, 5)]
    assert window["score"] == 0.25
    assert window["price"]["total"] == -0.2
    assert window["price"]["saving"] == 1.0
    assert window["price"]["saving_percent"] == 125.0
    assert window["carbon"]["total"] == 800
    assert window["carbon"]["saving"] == -600
    assert window["carbon"]["saving_percent"] == -300.0

    answer = await find(hass, "best", duration=3600, price_weight=0)
    assert hours(answer["windows"][0], now) == [(0, 1)]


async def test_alternatives_come_best_first(
    hass: HomeAssistant, price_source: str, now: datetime
) -> None:
    answer = await find(hass, duration="02:00", alternatives=3)
    assert [hours(window, now) for window in answer["windows"]] == [
        [(3, 5)],
        [(1, 3)],
    ]
    assert [window["total"] for window in answer["windows"]] == [0.1, 0.4]


async def test_a_run_may_pause(
    hass: HomeAssistant, price_source: str, now: datetime
) -> None:
    answer = await find(hass, duration="02:30", contiguous=False)
    [window] = answer["windows"]
    assert hours(window, now) == [(2, 3.5), (4, 5)]
    answer = await find(
        hass, duration="02:30", contiguous=False, minimum_part={"minutes": 90}
    )
    [window] = answer["windows"]
    assert hours(window, now) == [(2.5, 5)]


async def test_a_profile_is_followed(
    hass: HomeAssistant, price_source: str, now: datetime
) -> None:
    answer = await find(
        hass, power_profile=[2, 0, 0.5], profile_interval={"minutes": 30}
    )
    assert answer["duration_minutes"] == 90
    assert answer["energy_kwh"] == 1.25
    [window] = answer["windows"]
    assert hours(window, now) == [(4, 5.5)]
    assert window["total"] == pytest.approx(1.0 * -0.1 + 0.25 * 0.3)


async def test_the_time_until_the_data_end_is_told(
    hass: HomeAssistant, price_source: str, now: datetime
) -> None:
    answer = await find(hass, duration="01:00", latest=now + 12 * HOUR)
    assert answer["is_complete"] is False
    assert answer["latest"] == local(now + 12 * HOUR)
    assert answer["known_until"] == local(now + 6 * HOUR)


async def test_what_starting_now_costs_may_not_be_known(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    base: datetime,
    request: pytest.FixtureRequest,
) -> None:
    serve(provider, base, prices=[0.2, None, 0.1, 0.1])
    await add_price_source(hass, hub)
    request.getfixturevalue("freezer").move_to(base + timedelta(seconds=0.4))
    answer = await find(hass, duration="02:00")
    assert answer["earliest"] == local(base + timedelta(seconds=1))
    assert answer["start_now"] is None
    [window] = answer["windows"]
    assert hours(window, base) == [(2, 4)]
    assert window["saving"] is None
    assert window["saving_percent"] is None


async def test_where_starting_now_earns_money_there_is_no_percentage(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    base: datetime,
    request: pytest.FixtureRequest,
) -> None:
    serve(provider, base, prices=[-0.1, -0.3])
    await add_price_source(hass, hub)
    request.getfixturevalue("freezer").move_to(base)
    [window] = (await find(hass, duration="01:00"))["windows"]
    assert (window["saving"], window["saving_percent"]) == (0.2, None)


# --- which source


async def test_a_source_is_chosen_by_device_entity_or_id(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    price_source: str,
    provider: ProviderServer,
    base: datetime,
    device_registry: dr.DeviceRegistry,
    entity_registry: er.EntityRegistry,
    now: datetime,
) -> None:
    serve(provider, base, prices=[0.9, 0.8])
    other = await add_price_source(hass, hub, "Other")
    device = device_registry.async_get_device_by_identifier(
        (DOMAIN, other), hub.entry_id
    )
    assert device is not None
    entity_id = entity_registry.async_get_entity_id(
        "sensor", DOMAIN, f"{other}_current_price"
    )
    answers = [
        await find(hass, duration="01:00", source=named)
        for named in (None, "", device.id, entity_id, other)
    ]
    assert [answer["source"] for answer in answers] == [
        "Prices",
        "Prices",
        "Other",
        "Other",
        "Other",
    ]
    answer = await find(hass, duration="01:00", config_entry_id=hub.entry_id)
    assert answer["source"] == "Prices"


@pytest.mark.parametrize(
    ("what", "data", "key"),
    [
        pytest.param("greenest", {}, "no_carbon_source", id="no-carbon"),
        pytest.param("best", {}, "no_carbon_source", id="no-carbon-for-both"),
        pytest.param("cheapest", {"source": "gone"}, "source_not_found", id="unknown"),
        pytest.param(
            "greenest",
            {"source": "sensor.prices_current_price"},
            "source_not_found",
            id="of-another-kind",
        ),
        pytest.param(
            "cheapest", {"source": "sensor.elsewhere"}, "source_not_found", id="foreign"
        ),
    ],
)
async def test_a_source_that_is_not_there(
    hass: HomeAssistant,
    price_source: str,
    entity_registry: er.EntityRegistry,
    what: str,
    data: dict[str, Any],
    key: str,
) -> None:
    entity_registry.async_get_or_create(
        "sensor", "demo", "1", suggested_object_id="elsewhere"
    )
    with pytest.raises(ServiceValidationError) as caught:
        await find(hass, what, duration="01:00", **data)
    assert caught.value.translation_key == key
    assert str(caught.value)


async def test_without_prices(hass: HomeAssistant, hub: MockConfigEntry) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await find(hass, duration="01:00")
    assert caught.value.translation_key == "no_price_source"


# --- what cannot be found


@pytest.mark.parametrize(
    ("data", "key"),
    [
        pytest.param({}, "window_no_duration", id="no-duration"),
        pytest.param(
            {"duration": "07:00"}, "window_not_enough_data", id="longer-than-data"
        ),
        pytest.param(
            {"duration": "01:00", "earliest": 5.5},
            "window_not_enough_data",
            id="too-little-left",
        ),
        pytest.param(
            {"duration": "01:00", "earliest": 7}, "window_not_known_yet", id="not-yet"
        ),
        pytest.param(
            {"duration": "01:00", "latest": -1}, "window_in_the_past", id="past"
        ),
        pytest.param(
            {"duration": "01:00", "earliest": 3, "latest": 2},
            "window_backwards",
            id="backwards",
        ),
        pytest.param(
            {"duration": "03:00", "earliest": 1, "latest": 3},
            "window_too_long",
            id="too-long",
        ),
        pytest.param({"power_profile": [0, 0]}, "window_profile_empty", id="empty"),
        pytest.param(
            {"power_profile": [1, 2], "duration": "01:00"},
            "window_profile_length",
            id="two-lengths",
        ),
        pytest.param(
            {"power_profile": [1], "contiguous": False},
            "window_profile_split",
            id="split-profile",
        ),
    ],
)
async def test_what_cannot_be_found_is_said(
    hass: HomeAssistant,
    price_source: str,
    now: datetime,
    data: dict[str, Any],
    key: str,
) -> None:
    limits = {
        name: now + value * HOUR
        for name, value in data.items()
        if name in {"earliest", "latest"}
    }
    with pytest.raises(ServiceValidationError) as caught:
        await find(hass, **data | limits)
    assert caught.value.translation_key == key
    text = load_translations()["exceptions"][key]["message"]
    placeholders = caught.value.translation_placeholders or {}
    assert str(caught.value) == text.format(**placeholders).rstrip(".")

    assert (await find(hass, duration="01:00"))["windows"]


async def test_a_source_that_knows_nothing_yet(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer, base: datetime
) -> None:
    provider.answers = []
    await add_price_source(hass, hub)
    with pytest.raises(ServiceValidationError) as caught:
        await find(hass, duration="01:00")
    assert caught.value.translation_key == "window_no_data"

    serve(provider, base, prices=PRICES)
    await hub.runtime_data.sources.coordinators[0].async_refresh()
    assert (await find(hass, duration="01:00"))["windows"]


async def test_weights_must_mean_something(
    hass: HomeAssistant, price_source: str, carbon_source: str
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await find(hass, "best", duration="01:00", price_weight=0, carbon_weight=0)
    assert caught.value.translation_key == "window_weights"


@pytest.mark.parametrize(
    "data",
    [
        {"duration": "00:00:30"},
        {"duration": "200:00"},
        {"duration": "01:00", "power_kw": 0},
        {"duration": "01:00", "power_kw": "nan"},
        {"duration": "01:00", "power_kw": 1, "power_profile": [1]},
        {"power_profile": [-1]},
        {"power_profile": []},
        {"duration": "01:00", "alternatives": 11},
        {"duration": "01:00", "earliest": "soon"},
        {"duration": "01:00", "latest": 7},
    ],
    ids=str,
)
async def test_nonsense_is_refused(
    hass: HomeAssistant, price_source: str, data: dict[str, Any]
) -> None:
    with pytest.raises(probatio.Invalid):
        await find(hass, **data)


# --- who may ask


async def test_only_who_may_see_the_sensor_may_ask(
    hass: HomeAssistant,
    price_source: str,
    carbon_source: str,
    entity_registry: er.EntityRegistry,
    hass_read_only_user: MockUser,
) -> None:
    price = entity_registry.async_get_entity_id(
        "sensor", DOMAIN, f"{price_source}_current_price"
    )
    carbon = entity_registry.async_get_entity_id(
        "sensor", DOMAIN, f"{carbon_source}_carbon_intensity"
    )
    assert price is not None
    assert carbon is not None
    hass_read_only_user.mock_policy(
        {"entities": {"entity_ids": {price: {"read": True}}}}
    )
    context = Context(user_id=hass_read_only_user.id)

    assert await find(hass, duration="01:00", context=context)
    with pytest.raises(Unauthorized):
        await find(hass, "greenest", duration="01:00", context=context)
    with pytest.raises(Unauthorized):
        await find(hass, "best", duration="01:00", context=context)
    with pytest.raises(UnknownUser):
        await find(hass, duration="01:00", context=Context(user_id="gone"))

    # A sensor that was deleted opens nothing to whom it was shown.
    entity_registry.async_remove(price)
    with pytest.raises(Unauthorized):
        await find(hass, duration="01:00", context=context)
    hass_read_only_user.mock_policy({"entities": True})
    assert await find(hass, duration="01:00", context=context)


# --- times of day


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("now_text", "earliest", "latest", "expected"),
    [
        pytest.param(
            "2026-11-20 18:00", None, time(7), ("20T18:00", "21T07:00"), id="deadline"
        ),
        pytest.param(
            "2026-11-20 07:00", None, time(7), ("20T07:00", "21T07:00"), id="right-now"
        ),
        pytest.param(
            "2026-11-20 18:00",
            time(22),
            time(6),
            ("20T22:00", "21T06:00"),
            id="night-to-come",
        ),
        pytest.param(
            "2026-11-20 23:00",
            time(22),
            time(6),
            ("20T23:00", "21T06:00"),
            id="in-the-night",
        ),
        pytest.param(
            "2026-11-20 03:00",
            time(22),
            time(6),
            ("20T03:00", "20T06:00"),
            id="after-midnight",
        ),
        pytest.param(
            "2026-11-20 18:00", time(22), None, ("20T22:00", None), id="start-alone"
        ),
        pytest.param(
            "2026-11-20 18:00",
            moment("2026-11-21 08:00"),
            time(7),
            ("21T08:00", "22T07:00"),
            id="end-after-the-start",
        ),
        pytest.param(
            "2026-11-20 18:00",
            time(22),
            moment("2026-11-21 08:00"),
            ("20T22:00", "21T08:00"),
            id="end-is-a-moment",
        ),
        pytest.param(
            "2026-11-20 18:00",
            moment("2026-11-20 08:00"),
            moment("2026-11-20 20:00"),
            ("20T18:00", "20T20:00"),
            id="past-means-now",
        ),
        # The clock skips from two to three, and shows this half hour only later.
        pytest.param(
            "2026-03-29 01:00",
            None,
            time(2, 30),
            ("29T01:00", "29T03:30"),
            id="skipped",
        ),
        # It shows the hour from two to three twice.
        pytest.param(
            "2026-10-25 02:40",
            None,
            time(2, 30),
            ("25T02:40", "25T02:30"),
            id="repeated",
        ),
    ],
)
async def test_a_time_of_day_is_the_next_one(
    hass: HomeAssistant,
    now_text: str,
    earliest: Any,
    latest: Any,
    expected: tuple[str, str | None],
) -> None:
    now = moment(now_text).astimezone(UTC)
    found = find_period(earliest, latest, now)
    assert (
        tuple(
            None if at is None else dt_util.as_local(at).strftime("%dT%H:%M")
            for at in found
        )
        == expected
    )
    assert found[0] >= now


async def test_limits_are_read_from_text(
    hass: HomeAssistant, price_source: str, now: datetime
) -> None:
    until = now + 3 * HOUR
    answers = [
        await find(hass, duration="01:00", latest=text)
        for text in (
            dt_util.as_local(until).strftime("%H:%M"),
            dt_util.as_local(until).strftime("%H:%M:%S"),
            dt_util.as_local(until).strftime("%Y-%m-%d %H:%M:%S"),
            until.isoformat(),
            dt_util.as_local(until).time(),
        )
    ]
    assert {answer["latest"] for answer in answers} == {local(until)}
    assert {answer["windows"][0]["start"] for answer in answers} == {
        local(now + 2 * HOUR)
    }

"""The actions find_cheapest_window, find_greenest_window and find_best_window."""

from datetime import datetime, timedelta

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from homeassistant.core import HomeAssistant
from tests.sources.kit import ProviderServer
from tests.window_actions.kit import find, hours, local
from tests.window_kit import (
    HOUR,
    add_price_source,
    serve,
)


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

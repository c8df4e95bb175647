"""Prices in a running hub: shown, kept, asked for and written."""

from datetime import UTC, datetime, timedelta
import json
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.const import DOMAIN
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
from tests.sources.kit import ProviderServer
from tests.sources.price_kit import (
    CHEAPEST,
    CURRENT,
    DAY,
    DEAREST,
    DEMAND,
    HOUR,
    LEVEL,
    NEXT,
    PEAK,
    RANK,
    TOMORROW,
    WINDOW,
    add_market,
    add_source,
    get_coordinator,
    go_to,
    local,
    marketdata,
    prices,
    reconfigure,
    set_market,
    value,
)

pytestmark = pytest.mark.usefixtures("berlin")


async def test_a_day_at_noon(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(local("2026-07-01 12:30"))
    set_market(hass, prices(local("2026-07-01"), DAY))
    await add_market(hass, hub)

    assert value(hass, CURRENT) == "0.14"
    assert hass.states.get(CURRENT).attributes["unit_of_measurement"] == "EUR/kWh"
    assert "device_class" not in hass.states.get(CURRENT).attributes
    assert value(hass, NEXT) == "-0.02"
    assert value(hass, "sensor.electricity_price_lowest_price_today") == "-0.02"
    assert value(hass, "sensor.electricity_price_highest_price_today") == "0.6"
    average = float(value(hass, "sensor.electricity_price_average_price_today"))
    assert average == pytest.approx(sum(DAY) / 24)
    quantile = float(value(hass, "sensor.electricity_price_price_quantile"))
    assert quantile == pytest.approx(100 * 3 / 24)
    assert value(hass, RANK) == "4"
    assert hass.states.get(RANK).attributes["slots"] == 24
    assert value(hass, LEVEL) == "cheap"
    assert value(hass, PEAK) == "off"
    assert value(hass, TOMORROW) == "off"
    assert value(hass, WINDOW) == local("2026-07-01 13:00").isoformat()
    window = hass.states.get(WINDOW).attributes
    assert window["average"] == pytest.approx(0.05)
    assert window["end"] == local("2026-07-01 15:00")
    assert value(hass, CHEAPEST) == local("2026-07-01 13:00").isoformat()
    assert hass.states.get(CHEAPEST).attributes["today"] == [
        "2026-07-01T02:00:00+02:00",
        "2026-07-01T13:00:00+02:00",
        "2026-07-01T14:00:00+02:00",
    ]
    assert value(hass, DEAREST) == local("2026-07-01 18:00").isoformat()
    assert hass.states.get(DEAREST).attributes["today"] == [
        "2026-07-01T18:00:00+02:00",
        "2026-07-01T19:00:00+02:00",
        "2026-07-01T20:00:00+02:00",
    ]
    assert hass.states.get(DEMAND) is None


async def test_every_slot_is_shown_when_it_begins(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(local("2026-07-01 12:30"))
    set_market(hass, prices(local("2026-07-01"), DAY))
    await add_market(hass, hub)

    await go_to(hass, freezer, local("2026-07-01 13:00"))
    assert (value(hass, CURRENT), value(hass, LEVEL)) == ("-0.02", "very_cheap")
    # What begins in this minute is not over for those that wait for it.
    assert value(hass, WINDOW) == local("2026-07-01 13:00").isoformat()

    await go_to(hass, freezer, local("2026-07-01 18:00"))
    assert (value(hass, CURRENT), value(hass, LEVEL)) == ("0.6", "very_expensive")
    assert value(hass, PEAK) == "on"

    await go_to(hass, freezer, local("2026-07-01 20:00"))
    # 0.33 is dearer than 21 of 24 hours.
    assert value(hass, PEAK) == "on"

    await go_to(hass, freezer, local("2026-07-01 21:00"))
    assert value(hass, PEAK) == "off"
    assert value(hass, CHEAPEST) == "unknown"


async def test_midnight_belongs_to_the_new_day(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(local("2026-07-01 23:10"))
    tomorrow = prices(local("2026-07-02"), [price + 1 for price in DAY])
    set_market(hass, prices(local("2026-07-01"), DAY), tomorrow)
    await add_market(hass, hub)
    assert (value(hass, CURRENT), value(hass, NEXT)) == ("0.21", "1.2")
    assert value(hass, TOMORROW) == "on"
    assert value(hass, CHEAPEST) == local("2026-07-02 02:00").isoformat()

    await go_to(hass, freezer, local("2026-07-02 00:00"))

    assert value(hass, CURRENT) == "1.2"
    assert value(hass, "sensor.electricity_price_lowest_price_today") == "0.98"
    assert value(hass, TOMORROW) == "off"
    assert value(hass, CHEAPEST) == local("2026-07-02 02:00").isoformat()


async def test_prices_of_yesterday_are_not_shown(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(local("2026-07-01 23:10"))
    set_market(hass, prices(local("2026-07-01"), DAY), state="unknown")
    await add_market(hass, hub)

    await go_to(hass, freezer, local("2026-07-02 00:00"))

    assert value(hass, CURRENT) == "unavailable"
    assert get_coordinator(hub).current(dt_util.utcnow()) is None
    assert get_coordinator(hub).get_context_value() is None

    set_market(hass, prices(local("2026-07-02"), DAY))
    await go_to(hass, freezer, local("2026-07-02 00:02"))
    assert value(hass, CURRENT) == "0.2"
    assert get_coordinator(hub).get_context_value() == 0.2


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        pytest.param("2026-03-29", 23, id="short-day"),
        pytest.param("2026-10-25", 25, id="long-day"),
    ],
)
async def test_a_day_has_its_own_hours(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    day: str,
    hours: int,
) -> None:
    """The last hour of the day is its cheapest, and is the day's."""
    freezer.move_to(local(f"{day} 12:00"))
    day_prices = [float(hours - index) for index in range(hours)]
    following = local(day) + hours * HOUR
    set_market(hass, prices(local(day), day_prices), prices(following, [0.0] * 24))
    await add_market(hass, hub)

    assert hass.states.get(RANK).attributes["slots"] == hours
    assert hass.states.get(CHEAPEST).attributes["today"] == [
        dt_util.as_local(following - count * HOUR).isoformat() for count in (3, 2, 1)
    ]
    average = float(value(hass, "sensor.electricity_price_average_price_today"))
    assert average == pytest.approx((hours + 1) / 2)
    assert value(hass, TOMORROW) == "on"


async def test_quarters_can_be_hours(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(local("2026-07-01 12:20"))
    quarters = [0.1 * (index % 4) for index in range(96)]
    set_market(hass, prices(local("2026-07-01"), quarters, minutes=15))
    await add_market(hass, hub, {"resolution": "hourly"})

    assert float(value(hass, CURRENT)) == pytest.approx(0.15)
    assert hass.states.get(RANK).attributes["slots"] == 24

    await reconfigure(hass, hub, {"resolution": "as_given"})

    assert float(value(hass, CURRENT)) == pytest.approx(0.1)
    assert hass.states.get(RANK).attributes["slots"] == 96


async def test_the_forecast_fits_and_is_not_recorded(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    entity_registry: er.EntityRegistry,
) -> None:
    """The longest there is: the day with 25 hours and another one, in quarters."""
    freezer.move_to(local("2026-10-24 13:00"))
    today = prices(local("2026-10-24"), [-0.123456] * 96, minutes=15)
    tomorrow = prices(local("2026-10-25"), [-0.234567] * 100, minutes=15)
    set_market(hass, today, tomorrow)
    await add_market(hass, hub)

    state = hass.states.get(CURRENT)
    forecast = state.attributes["forecast"]
    assert len(forecast) == 196
    assert forecast[0] == {
        "start": "2026-10-23T22:00Z",
        "end": "2026-10-23T22:15Z",
        "value": -0.123456,
    }
    size = len(json.dumps(dict(state.attributes), default=str, separators=(",", ":")))
    assert size < 16384
    assert "forecast" in state.state_info["unrecorded_attributes"]


async def test_more_slots_than_fit_are_shown_by_the_hour(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(local("2026-07-01 12:00"))
    set_market(hass, prices(local("2026-07-01"), [0.1, 0.3] * 288, minutes=5))
    await add_market(hass, hub)

    forecast = hass.states.get(CURRENT).attributes["forecast"]
    assert len(forecast) == 48
    assert forecast[0]["value"] == pytest.approx(0.2)


# --- today fills up where only the present is known


async def test_the_past_is_kept_when_an_answer_begins_later(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(local("2026-07-01 12:30"))
    set_market(hass, prices(local("2026-07-01"), DAY))
    await add_market(hass, hub)

    later = prices(local("2026-07-01 13:00"), [0.5] * 11)
    set_market(hass, later)
    await go_to(hass, freezer, local("2026-07-01 13:10"))

    assert value(hass, CURRENT) == "0.5"
    # 13 hours, the last of which the state itself has cut in two.
    assert value(hass, RANK) == "15"
    assert value(hass, "sensor.electricity_price_lowest_price_today") == "0.1"


async def test_of_little_of_a_day_nothing_is_said(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(local("2026-07-01 12:30"))
    set_market(hass, [], state="0.42")
    await add_market(hass, hub)

    assert value(hass, CURRENT) == "0.42"
    assert value(hass, NEXT) == "unknown"
    assert value(hass, RANK) == "unknown"
    assert value(hass, LEVEL) == "unknown"
    assert value(hass, PEAK) == "unknown"
    assert value(hass, "sensor.electricity_price_average_price_today") == "unknown"


# --- when it is asked


async def test_late_prices_are_asked_for_again_and_again(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    freezer: FrozenDateTimeFactory,
) -> None:
    freezer.move_to(local("2026-07-01 12:30"))
    provider.answers = marketdata(local("2026-07-01"), DAY)
    result = await add_source(hass, hub, "awattar", {"country": "de"}, {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    known = next(
        entity_id
        for entity_id in hass.states.async_entity_ids("binary_sensor")
        if entity_id.endswith("prices_of_tomorrow_known")
    )
    assert value(hass, known) == "off"
    coordinator = get_coordinator(hub)

    def minutes_left() -> float:
        return (coordinator.next_refresh_at - dt_util.utcnow()) / timedelta(minutes=1)

    # They are due at one o'clock.
    assert 30 <= minutes_left() <= 37

    asked = len(provider.requests)
    await go_to(hass, freezer, local("2026-07-01 13:08"))
    assert len(provider.requests) == asked + 1
    assert 10 <= minutes_left() <= 15
    assert value(hass, known) == "off"

    provider.answers = marketdata(local("2026-07-01"), DAY + DAY)
    await go_to(hass, freezer, local("2026-07-01 13:24"))
    assert len(provider.requests) == asked + 2
    assert value(hass, known) == "on"
    assert 60 <= minutes_left() <= 67


# --- what is written


async def test_prices_are_written(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    """Without a frozen clock: the present hour is what it is."""
    hass.states.async_set("binary_sensor.saving", "on")
    now = dt_util.utcnow()
    midnight = dt_util.start_of_local_day()
    set_market(hass, prices(midnight, [0.25] * 48))
    await add_market(hass, hub, {"demand_response_entity": "binary_sensor.saving"})
    hass.states.async_set("sensor.kitchen", "1")
    await hass.services.async_call(DOMAIN, "flush", blocking=True)

    fields = "current_price, peak_period, rank, quantile, demand_response"
    [row] = influxdb.rows(
        f"SELECT {fields}, provider, currency FROM electricity_pricing", "test"
    )
    start = now.replace(minute=0, second=0, microsecond=0)
    assert read_time(row[0]) == start
    assert row[1:] == [0.25, False, 1.0, 0.0, True, "price_entity", "EUR"]

    rows = influxdb.rows(
        "SELECT value, slot_minutes, issued_at, provider, currency"
        " FROM electricity_pricing_forecast",
        "test",
    )
    assert len(rows) == (midnight + 48 * HOUR - start) // HOUR
    assert read_time(rows[0][0]) == start
    assert {tuple(row[1:3] + row[4:]) for row in rows} == {
        (0.25, 60.0, "price_entity", "EUR")
    }
    assert {row[3] for row in rows} == {
        get_coordinator(hub).answer.fetched_at.isoformat()
    }
    events = influxdb.rows(
        "SELECT electricity_price FROM home_assistant_events"
        " WHERE entity_id = 'sensor.kitchen'",
        "test",
    )
    assert [row[1] for row in events] == [0.25]


def read_time(value: Any) -> datetime:
    """The time of a row, ns or RFC 3339."""
    if isinstance(value, int):
        return datetime.fromtimestamp(value / 1e9, UTC)
    return datetime.fromisoformat(value)


async def test_a_repeated_price_keeps_when_it_was_issued(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(local("2026-07-01 12:30"))
    set_market(hass, prices(local("2026-07-01"), DAY))
    await add_market(hass, hub)
    coordinator = get_coordinator(hub)
    before = local("2026-07-01 12:30").isoformat()

    freezer.move_to(local("2026-07-01 12:45"))
    set_market(
        hass, prices(local("2026-07-01"), DAY), prices(local("2026-07-02"), [0.7])
    )
    await go_to(hass, freezer, local("2026-07-01 12:46"))

    points = [
        point
        for point in coordinator.create_points(dt_util.utcnow())
        if point.measurement == "electricity_pricing_forecast"
    ]
    issued = [point.fields["issued_at"] for point in points]
    assert issued[:-1] == [before] * 12
    assert issued[-1] > before


async def test_a_restart_shows_the_cache(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    freezer: FrozenDateTimeFactory,
) -> None:
    freezer.move_to(local("2026-07-01 10:30"))
    provider.answers = marketdata(local("2026-07-01"), DAY)
    await add_source(hass, hub, "awattar", {"country": "de"}, {})
    asked = len(provider.requests)

    await hass.config_entries.async_reload(hub.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)

    assert get_coordinator(hub).current(dt_util.utcnow()) == 0.2
    assert len(provider.requests) == asked


async def test_a_hub_that_has_stopped_starts_no_source(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    """A change may still be on its way when the hub is unloaded."""
    await add_source(hass, hub, "tariff", {"base_price": 0.3}, {})
    sources = hub.runtime_data.sources
    await hass.config_entries.async_unload(hub.entry_id)

    await sources.async_apply()

    assert sources.coordinators == []


async def test_surcharges_change_at_once_and_are_gone_at_once(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(local("2026-07-01 12:30"))
    set_market(hass, prices(local("2026-07-01"), DAY))
    await add_market(hass, hub, {"formula": {"surcharge": 0.1}})
    assert float(value(hass, CURRENT)) == pytest.approx(0.24)

    await reconfigure(hass, hub, {})

    assert value(hass, CURRENT) == "0.14"
    assert float(value(hass, "sensor.electricity_price_lowest_price_today")) == -0.02

"""Peak period, price spikes and demand response in a running hub."""

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from homeassistant.core import HomeAssistant
from tests.sources.price_kit import (
    DAY,
    DEMAND,
    PEAK,
    SAVING,
    SPIKE,
    add_market,
    add_source,
    go_to,
    local,
    prices,
    reconfigure,
    set_market,
    value,
)

pytestmark = pytest.mark.usefixtures("berlin")


async def test_peak_may_be_a_price(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(local("2026-07-01 12:30"))
    set_market(hass, prices(local("2026-07-01"), DAY))
    await add_market(hass, hub, {"peak_period": {"peak": "price", "peak_price": 0.3}})
    assert value(hass, PEAK) == "off"

    await go_to(hass, freezer, local("2026-07-01 17:00"))
    assert value(hass, PEAK) == "on"


async def test_peak_may_be_the_tariff_s(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(local("2026-07-01 16:59"))
    row = {"name": "Evening", "price": 0.5, "is_peak": True}
    row |= {"start": "17:00:00", "end": "20:30:00"}
    await add_source(hass, hub, "tariff", {"base_price": 0.3, "periods": [row]}, {})
    peak = "binary_sensor.tariff_peak_period"
    assert value(hass, peak) == "off"
    assert value(hass, "binary_sensor.tariff_prices_of_tomorrow_known") == "on"

    await go_to(hass, freezer, local("2026-07-01 17:00"))
    assert (value(hass, peak), value(hass, "sensor.tariff_current_price")) == (
        "on",
        "0.5",
    )
    await go_to(hass, freezer, local("2026-07-01 20:30"))
    assert (value(hass, peak), value(hass, "sensor.tariff_current_price")) == (
        "off",
        "0.3",
    )


async def test_a_spike_starts_and_ends_once(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(local("2026-07-01 17:30"))
    set_market(hass, prices(local("2026-07-01"), DAY))
    await add_market(hass, hub, {"price_spike": {"spike_factor": 2}})
    assert value(hass, SPIKE) == "unknown"

    await go_to(hass, freezer, local("2026-07-01 18:00"))
    spike = hass.states.get(SPIKE).attributes
    assert spike["event_type"] == "started"
    assert spike["price"] == 0.6
    assert spike["average"] == pytest.approx(sum(DAY) / 24)
    assert spike["start"] == local("2026-07-01 18:00")
    assert spike["end"] == local("2026-07-01 20:00")
    started = value(hass, SPIKE)

    await go_to(hass, freezer, local("2026-07-01 19:00"))
    assert value(hass, SPIKE) == started

    await hass.config_entries.async_reload(hub.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert value(hass, SPIKE) == started

    await go_to(hass, freezer, local("2026-07-01 20:00"))
    spike = hass.states.get(SPIKE).attributes
    assert spike["event_type"] == "ended"
    assert spike["start"] == local("2026-07-01 18:00")
    assert spike["end"] == local("2026-07-01 20:00")


async def test_a_spike_that_goes_on_already_is_told(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(local("2026-07-01 18:30"))
    set_market(hass, prices(local("2026-07-01"), DAY))
    await add_market(hass, hub, {"price_spike": {"spike_price": 0.58}})

    assert hass.states.get(SPIKE).attributes["event_type"] == "started"
    assert hass.states.get(SPIKE).attributes["end"] == local("2026-07-01 19:00")


async def test_demand_response_comes_from_an_entity(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(local("2026-07-01 12:30"))
    hass.states.async_set("binary_sensor.saving", "off", {"friendly_name": "Saving"})
    set_market(hass, prices(local("2026-07-01"), DAY))
    await add_market(hass, hub)
    assert hass.states.get(DEMAND) is None

    await reconfigure(hass, hub, {"demand_response_entity": "binary_sensor.saving"})
    assert value(hass, DEMAND) == "off"

    hass.states.async_set(
        "binary_sensor.saving", "on", {"friendly_name": "Saving", "target": 0.2}
    )
    await hass.async_block_till_done()
    assert value(hass, DEMAND) == "on"
    assert hass.states.get(DEMAND).attributes["target"] == 0.2
    assert hass.states.get(SAVING).attributes["event_type"] == "started"
    assert hass.states.get(SAVING).attributes["target"] == 0.2

    hass.states.async_set("binary_sensor.saving", "off")
    await hass.async_block_till_done()
    assert value(hass, DEMAND) == "off"
    assert hass.states.get(SAVING).attributes["event_type"] == "ended"

    await reconfigure(hass, hub, {})
    assert value(hass, DEMAND) == "unknown"
    hass.states.async_set("binary_sensor.saving", "on")
    await hass.async_block_till_done()
    assert value(hass, DEMAND) == "unknown"


async def test_demand_response_of_an_event_ends_by_time(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(local("2026-07-01 12:30"))
    times = {"start": "2026-07-01T12:40:00+02:00", "end": "2026-07-01T12:50:00+02:00"}
    hass.states.async_set("event.saving", "2026-07-01T10:00:00+00:00", times)
    set_market(hass, prices(local("2026-07-01"), DAY))
    await add_market(hass, hub, {"demand_response_entity": "event.saving"})
    assert value(hass, DEMAND) == "off"

    await go_to(hass, freezer, local("2026-07-01 12:40"))
    assert value(hass, DEMAND) == "on"

    await go_to(hass, freezer, local("2026-07-01 12:50"))
    assert value(hass, DEMAND) == "off"

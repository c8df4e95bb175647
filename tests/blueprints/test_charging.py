"""The blueprint that charges by a deadline, driven by time."""

from datetime import datetime

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
)

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from tests.blueprints.kit import (
    MINUTE,
    Pass,
    add_helpers,
    import_blueprint,
    restart,
    switch,
)
from tests.window_kit import (
    HOUR,
)

# --- charge by a deadline


@pytest.fixture
async def charging(
    hass: HomeAssistant,
    sources: MockConfigEntry,
    _homeassistant: None,
    base: datetime,
    clock: Pass,
) -> None:
    """A car that is away; a full hour of charging is missing, done in eight hours."""
    await add_helpers(
        hass, "input_boolean", charger={"name": "Charger"}, plugged={"name": "Plugged"}
    )
    hass.states.async_set("sensor.battery", "60")
    await import_blueprint(
        hass,
        "charge_by_deadline",
        charger="input_boolean.charger",
        plugged_in="input_boolean.plugged",
        battery_level="sensor.battery",
        capacity_kwh=50,
        power_kw=10,
        efficiency=100,
        target_level=80,
        finished_by=dt_util.as_local(base + 8 * HOUR).strftime("%H:%M:%S"),
    )


def is_charging(hass: HomeAssistant) -> bool:
    return hass.states.get("input_boolean.charger").state == "on"


@pytest.mark.usefixtures("charging")
async def test_a_car_is_charged_in_the_cheapest_hours(
    hass: HomeAssistant, clock: Pass
) -> None:
    await clock(5 * MINUTE)
    assert not is_charging(hass)
    await switch(hass, "input_boolean.plugged", is_on=True)
    assert not is_charging(hass)
    await clock(4 * HOUR - 6 * MINUTE)
    assert not is_charging(hass)
    await clock(MINUTE)
    assert is_charging(hass)

    # It charges more slowly than was thought: the next cheap hour takes the rest.
    await clock(30 * MINUTE)
    hass.states.async_set("sensor.battery", "65")
    await clock(31 * MINUTE)
    assert not is_charging(hass)
    await clock(2 * HOUR)
    assert is_charging(hass)
    hass.states.async_set("sensor.battery", "80")
    await hass.async_block_till_done()
    assert not is_charging(hass)


@pytest.mark.usefixtures("charging")
async def test_a_car_that_comes_late_is_charged_at_once(
    hass: HomeAssistant, clock: Pass
) -> None:
    await clock(7 * HOUR)
    hass.states.async_set("sensor.battery", "50")
    await switch(hass, "input_boolean.plugged", is_on=True)
    assert is_charging(hass)
    await switch(hass, "input_boolean.plugged", is_on=False)
    assert not is_charging(hass)


@pytest.mark.usefixtures("charging")
async def test_a_restart_does_not_lose_the_charging(
    hass: HomeAssistant, clock: Pass, base: datetime, freezer: FrozenDateTimeFactory
) -> None:
    await switch(hass, "input_boolean.plugged", is_on=True)
    freezer.move_to(base + 4 * HOUR + 10 * MINUTE)
    await restart(hass)
    assert is_charging(hass)


@pytest.mark.usefixtures("charging")
async def test_a_level_that_is_lost_is_waited_for_and_then_charged_without(
    hass: HomeAssistant, clock: Pass
) -> None:
    hass.states.async_set("sensor.battery", "unavailable")
    await switch(hass, "input_boolean.plugged", is_on=True)
    await clock(10 * MINUTE)
    assert not is_charging(hass)
    await clock(10 * MINUTE)
    assert is_charging(hass)
    hass.states.async_set("sensor.battery", "60")
    await hass.async_block_till_done()
    assert not is_charging(hass)


@pytest.mark.usefixtures("charging")
async def test_without_prices_a_car_is_charged_when_it_has_to(
    hass: HomeAssistant, sources: MockConfigEntry, clock: Pass
) -> None:
    price = sources.runtime_data.sources.coordinators[0]
    hass.config_entries.async_remove_subentry(sources, price.subentry.subentry_id)
    await hass.async_block_till_done()
    await switch(hass, "input_boolean.plugged", is_on=True)
    await clock(6 * HOUR + 45 * MINUTE)
    assert not is_charging(hass)
    await clock(10 * MINUTE)
    assert is_charging(hass)

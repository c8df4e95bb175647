"""Fixtures for tests of the blueprints."""

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    async_mock_service,
)

from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from tests.blueprints.kit import AUTOMATION, MINUTE, Pass
from tests.sources.kit import ProviderServer
from tests.window_kit import (
    add_carbon_source,
    add_price_source,
    next_hour,
    serve,
    start_provider,
)


@pytest.fixture(autouse=True)
async def _automation_off(hass: HomeAssistant) -> AsyncGenerator[None]:
    """Take back what automations wait for."""
    yield
    if hass.states.get(AUTOMATION) is not None:
        await hass.services.async_call(
            "automation", "turn_off", {"entity_id": AUTOMATION}, blocking=True
        )


@pytest.fixture
async def provider(hass: HomeAssistant) -> AsyncGenerator[ProviderServer]:
    """What both sources ask."""
    server = await start_provider(hass)
    yield server
    await server.stop()


@pytest.fixture
def base() -> datetime:
    """When the known hours begin."""
    return next_hour()


@pytest.fixture
async def sources(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer, base: datetime
) -> MockConfigEntry:
    """A hub that knows twelve hours; the fifth is cheap, the second is clean."""
    await hass.config.async_set_time_zone("Europe/Berlin")
    prices = [0.30, 0.31, 0.32, 0.30, 0.10, 0.30, 0.33, 0.2, 0.34, 0.35, 0.36, 0.37]
    grams = [300, 100, 310, 320, 330, 340, 350, 360, 370, 380, 390, 400]
    serve(provider, base, prices=prices, grams=grams)
    await add_price_source(hass, hub)
    await add_carbon_source(hass, hub)
    return hub


@pytest.fixture
def clock(request: pytest.FixtureRequest, hass: HomeAssistant, base: datetime) -> Pass:
    """Stand at the first known hour, and let time pass from there."""
    # Asked for last, so that time goes on before the hub is removed.
    freezer: FrozenDateTimeFactory = request.getfixturevalue("freezer")
    freezer.move_to(base)

    async def let_pass(duration: timedelta) -> None:
        target = dt_util.utcnow() + duration
        while dt_util.utcnow() < target:
            freezer.tick(MINUTE)
            async_fire_time_changed(hass)
            # Sources are asked in the background.
            await hass.async_block_till_done(wait_background_tasks=True)

    return let_pass


@pytest.fixture
def calls(hass: HomeAssistant) -> list[ServiceCall]:
    """What the user's own actions were called with."""
    return async_mock_service(hass, "test", "act")


@pytest.fixture
async def _homeassistant(hass: HomeAssistant) -> None:
    assert await async_setup_component(hass, "homeassistant", {})

"""Fixtures for tests of the window actions."""

from collections.abc import AsyncGenerator
from datetime import datetime

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from homeassistant.core import HomeAssistant
from tests.sources.kit import ProviderServer
from tests.window_actions.kit import GRAMS, PRICES
from tests.window_kit import (
    add_carbon_source,
    add_price_source,
    next_hour,
    serve,
    start_provider,
)


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

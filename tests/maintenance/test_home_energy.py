"""Which entities measure what the home takes: those of the Energy dashboard."""

from typing import Any

import pytest

from custom_components.ha_ingestor.maintenance.home_energy import (
    async_get_home_entities,
)
from homeassistant.components.energy.data import async_get_manager
from homeassistant.core import CoreState, HomeAssistant


def grid(stat: str | None) -> dict[str, Any]:
    """A connection to the grid."""
    return {
        "type": "grid",
        "stat_energy_from": stat,
        "stat_energy_to": "sensor.feed_in",
        "stat_cost": None,
        "entity_energy_price": None,
        "number_energy_price": None,
        "stat_compensation": None,
        "entity_energy_price_export": None,
        "number_energy_price_export": None,
        "cost_adjustment_day": 0.0,
    }


@pytest.fixture
def _energy(hass: HomeAssistant) -> None:
    """The integration is there; its panel is not needed."""
    hass.config.components.add("energy")


async def test_while_starting_nobody_knows(hass: HomeAssistant) -> None:
    assert await async_get_home_entities(hass) == ()

    hass.set_state(CoreState.starting)
    hass.set_state(CoreState.not_running)
    assert await async_get_home_entities(hass) is None

    hass.set_state(CoreState.running)
    assert await async_get_home_entities(hass) == ()


@pytest.mark.usefixtures("_energy")
async def test_meters_of_the_grid(hass: HomeAssistant) -> None:
    assert await async_get_home_entities(hass) == ()
    manager = await async_get_manager(hass)
    solar = {
        "type": "solar",
        "stat_energy_from": "sensor.roof",
        "config_entry_solar_forecast": None,
    }

    await manager.async_update(
        {
            "energy_sources": [  # type: ignore[typeddict-item]
                grid("sensor.night"),
                solar,
                grid("sensor.day"),
                grid("opower:abc_elec"),
                grid(None),
            ]
        }
    )

    assert await async_get_home_entities(hass) == ("sensor.day", "sensor.night")

    await manager.async_update({"energy_sources": []})
    assert await async_get_home_entities(hass) == ()

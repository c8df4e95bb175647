"""Carbon intensity from entities that another integration maintains."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.coordinators.carbon import CarbonCoordinator
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.util import dt as dt_util
from tests.sources.carbon_kit import add_carbon, start_flow

GRID = "sensor.grid"
SHARE = "sensor.grid_renewable"
SHOWN = "sensor.carbon_intensity_carbon_intensity"
RENEWABLE = "sensor.carbon_intensity_renewable_power"
UNIT = {"unit_of_measurement": "kgCO2eq/kWh", "friendly_name": "Grid of Germany"}


def list_hours(*values: float) -> list[dict[str, Any]]:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return [
        {"start": (start + hour * timedelta(hours=1)).isoformat(), "value": value}
        for hour, value in enumerate(values)
    ]


@pytest.fixture
async def source(hass: HomeAssistant, hub: MockConfigEntry) -> CarbonCoordinator:
    """A source of an intensity with a forecast, and a share."""
    attributes = {**UNIT, "country_code": "DE", "forecast": list_hours(0.3, 0.2, 0.1)}
    hass.states.async_set(GRID, "0.25", attributes)
    hass.states.async_set(SHARE, "58")
    return await add_carbon(
        hass,
        hub,
        "carbon_entity",
        {"intensity_entity": GRID, "renewable_entity": SHARE},
        {"window": {"hours": 0, "minutes": 30, "seconds": 0}},
    )


async def change(
    hass: HomeAssistant,
    source: CarbonCoordinator,
    entity_id: str,
    state: str,
    **more: Any,
) -> None:
    """Let an entity change, and the pause between two looks pass."""
    old = hass.states.get(entity_id)
    hass.states.async_set(entity_id, state, {**old.attributes, **more})
    await hass.async_block_till_done(wait_background_tasks=True)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=2))
    await hass.async_block_till_done(wait_background_tasks=True)


async def test_an_entity_is_shown_and_written_in_our_unit(
    hass: HomeAssistant, source: CarbonCoordinator, influxdb: InfluxServer
) -> None:
    assert hass.states.get(SHOWN).state == "250.0"
    assert hass.states.get(SHOWN).attributes["region"] == "DE"
    assert hass.states.get(RENEWABLE).state == "58.0"
    assert [slot.value for slot in source.slots] == pytest.approx([250, 200, 100])

    await hass.services.async_call(DOMAIN, "flush", blocking=True)
    rows = influxdb.rows(
        "SELECT carbon_intensity_gco2_kwh, renewable_percentage, region, provider"
        " FROM carbon_intensity",
        "test",
    )
    assert [row[1:] for row in rows] == [[250, 58, "DE", "carbon_entity"]]
    changed_at = hass.states.get(GRID).last_updated_timestamp
    assert abs(rows[0][0] / 1e9 - changed_at) < 1e-5


async def test_every_entity_is_followed(
    hass: HomeAssistant, source: CarbonCoordinator
) -> None:
    await change(hass, source, GRID, "0.4")
    assert hass.states.get(SHOWN).state == "400.0"
    assert source.get_context_value() == 400.0

    await change(hass, source, SHARE, "unknown")
    assert hass.states.get(RENEWABLE).state == "unknown"

    await change(hass, source, SHARE, "12.5")
    assert hass.states.get(RENEWABLE).state == "12.5"


async def test_an_entity_that_fails_keeps_its_value_then_recovers(
    hass: HomeAssistant, source: CarbonCoordinator
) -> None:
    await change(hass, source, GRID, "unavailable")
    assert hass.states.get(SHOWN).state == "250.0"
    assert hass.states.get(SHOWN).attributes["stale"] is True
    assert source.last_error == "sensor.grid is unavailable"

    await change(hass, source, GRID, "0.12")
    assert hass.states.get(SHOWN).state == "120.0"
    assert hass.states.get(SHOWN).attributes["stale"] is False


async def test_an_entity_that_does_not_change_does_not_expire(
    hass: HomeAssistant, source: CarbonCoordinator, freezer: Any
) -> None:
    freezer.move_to(dt_util.utcnow() + timedelta(hours=5))
    await source.async_refresh()
    await hass.async_block_till_done()

    assert hass.states.get(SHOWN).state == "250.0"


async def test_an_entity_that_is_gone_expires(
    hass: HomeAssistant, source: CarbonCoordinator, freezer: Any
) -> None:
    hass.states.async_remove(GRID)
    freezer.move_to(dt_util.utcnow() + timedelta(hours=3, minutes=1))
    await source.async_refresh()
    await hass.async_block_till_done()

    assert hass.states.get(SHOWN).state == "unavailable"
    assert source.last_error == "sensor.grid does not exist"

    hass.states.async_set(GRID, "0.2", UNIT)
    await source.async_refresh()
    await hass.async_block_till_done()
    assert hass.states.get(SHOWN).state == "200.0"


@pytest.mark.parametrize("state", ["unavailable", "unknown"])
async def test_an_entity_without_a_value_yet_is_accepted(
    hass: HomeAssistant, hub: MockConfigEntry, state: str
) -> None:
    hass.states.async_set(GRID, state, {"unit_of_measurement": "g/kWh"})
    flows = hass.config_entries.subentries
    result = await flows.async_init(
        (hub.entry_id, "carbon_intensity"), context={"source": "user"}
    )
    result = await flows.async_configure(
        result["flow_id"], {"provider": "carbon_entity"}
    )
    result = await flows.async_configure(result["flow_id"], {"intensity_entity": GRID})

    assert result["step_id"] == "settings"
    assert result["description_placeholders"]["answer"] == "-"


@pytest.mark.parametrize(
    ("state", "attributes", "more", "errors"),
    [
        pytest.param(
            "42",
            {"unit_of_measurement": "%"},
            {},
            {"intensity_entity": "unknown_unit"},
            id="unit",
        ),
        pytest.param(
            "42",
            {},
            {"forecast_attribute": "outlook"},
            {"forecast_attribute": "unknown_attribute"},
            id="attribute",
        ),
        pytest.param("high", {}, {}, {"base": "unreadable"}, id="no-number"),
    ],
)
async def test_the_form_says_what_is_wrong_and_goes_on(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    state: str,
    attributes: dict[str, Any],
    more: dict[str, Any],
    errors: dict[str, str],
) -> None:
    hass.states.async_set(GRID, state, attributes)
    flows = hass.config_entries.subentries
    result = await start_flow(hass, hub, "carbon_entity")
    result = await flows.async_configure(
        result["flow_id"], {"intensity_entity": GRID, **more}
    )
    assert result["errors"] == errors

    hass.states.async_set(GRID, "42", UNIT)
    result = await flows.async_configure(result["flow_id"], {"intensity_entity": GRID})
    result = await flows.async_configure(result["flow_id"], {})
    await hass.async_block_till_done(wait_background_tasks=True)
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize("gone", ["unavailable", "unknown"])
async def test_a_forecast_may_be_another_entitys(
    hass: HomeAssistant, hub: MockConfigEntry, gone: str
) -> None:
    hass.states.async_set(GRID, "0.25", UNIT)
    hass.states.async_set(
        "sensor.outlook",
        "2026",
        {"hours": list_hours(0.1, 0.2), "unit_of_measurement": "h"},
    )
    source = await add_carbon(
        hass,
        hub,
        "carbon_entity",
        {
            "intensity_entity": GRID,
            "forecast_entity": "sensor.outlook",
            "forecast_attribute": "hours",
        },
        {},
    )
    assert [slot.value for slot in source.slots] == pytest.approx([250, 200])

    hass.states.async_set("sensor.outlook", gone)
    await hass.async_block_till_done(wait_background_tasks=True)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=2))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert [slot.value for slot in source.slots] == [250]
    assert source.last_error is None


async def test_sources_of_entities_are_called_by_their_kind_and_told_apart(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    hass.states.async_set(GRID, "250", {**UNIT, "unit_of_measurement": "gCO2eq/kWh"})
    hass.states.async_set("sensor.other", "300")

    for entity_id in (GRID, "sensor.other"):
        await add_carbon(
            hass, hub, "carbon_entity", {"intensity_entity": entity_id}, {}
        )

    titles = [subentry.title for subentry in hub.subentries.values()]
    assert titles == ["Carbon intensity", "Carbon intensity 2"]
    assert (
        hass.states.get("sensor.carbon_intensity_2_carbon_intensity").state == "300.0"
    )

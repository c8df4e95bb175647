"""A source that reads entities: at Home Assistant's start, and if it reads itself."""

from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from homeassistant.config_entries import ConfigSubentryData
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED
from homeassistant.core import CoreState, HomeAssistant

GRID = "sensor.grid"
UNIT = {"unit_of_measurement": "g/kWh"}
SHOWN = "sensor.carbon_carbon_intensity"


def create_subentry(entity_id: str) -> ConfigSubentryData:
    return ConfigSubentryData(
        data={
            "provider": "carbon_entity",
            "arguments": {"intensity_entity": entity_id},
            "settings": {},
        },
        subentry_type="carbon_intensity",
        title="Carbon",
        unique_id=None,
    )


async def set_up(hass: HomeAssistant, entry: MockConfigEntry, entity_id: str) -> Any:
    reader = MockConfigEntry(
        domain=entry.domain,
        title="Reader",
        data=entry.data,
        options=entry.options,
        subentries_data=[create_subentry(entity_id)],
    )
    reader.add_to_hass(hass)
    assert await hass.config_entries.async_setup(reader.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    return reader


async def test_an_entity_that_comes_late_is_waited_for(
    hass: HomeAssistant, entry: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    hass.set_state(CoreState.starting)
    reader = await set_up(hass, entry, GRID)
    [source] = reader.runtime_data.sources.coordinators
    assert source.success_rate.attempts == 0

    hass.states.async_set(GRID, "250", UNIT)
    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await hass.async_block_till_done(wait_background_tasks=True)

    assert hass.states.get(SHOWN).state == "250.0"
    assert source.success_rate.percent == 100.0
    assert "Error fetching" not in caplog.text
    await hass.config_entries.async_remove(reader.entry_id)


async def test_an_entity_that_never_comes_is_missed_after_the_start(
    hass: HomeAssistant, entry: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    hass.set_state(CoreState.starting)
    reader = await set_up(hass, entry, GRID)
    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await hass.async_block_till_done(wait_background_tasks=True)

    [source] = reader.runtime_data.sources.coordinators
    assert source.last_error == "sensor.grid does not exist"
    assert caplog.text.count("Error fetching") == 1
    await hass.config_entries.async_remove(reader.entry_id)


@pytest.mark.parametrize(
    ("entity_id", "asked_more"),
    [pytest.param(SHOWN, 0, id="own"), pytest.param("sensor.b", 1, id="another")],
)
async def test_a_source_does_not_follow_itself(
    hass: HomeAssistant, entry: MockConfigEntry, entity_id: str, asked_more: int
) -> None:
    hass.states.async_set(GRID, "250", UNIT)
    hass.states.async_set("sensor.b", "250", UNIT)
    reader = await set_up(hass, entry, GRID)
    [subentry] = reader.subentries.values()
    hass.config_entries.async_update_subentry(
        reader,
        subentry,
        data={**subentry.data, "arguments": {"intensity_entity": entity_id}},
    )
    await hass.async_block_till_done(wait_background_tasks=True)
    [source] = reader.runtime_data.sources.coordinators
    asked = source.success_rate.attempts

    hass.states.async_set(entity_id, "100", UNIT)
    await hass.async_block_till_done(wait_background_tasks=True)

    assert source.success_rate.attempts == asked + asked_more
    await hass.config_entries.async_remove(reader.entry_id)

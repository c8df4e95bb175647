"""Which source feeds the events: what the form offers, and what holds then."""

from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.flows.context_choices import SOURCE_FIELDS
from custom_components.ha_ingestor.models import ContextField
from custom_components.ha_ingestor.sources.catalog import list_sources
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import InvalidData
from tests.flows.options_kit import open_form, submit
from tests.flows.texts import check_flow_texts, get_field_names, get_suggestions
from tests.sources.homes import (
    add,
    create_source_entry,
    create_uk,
    get_source,
    great_britain,
    region,
)
from tests.sources.kit import ProviderServer

FIELD = "carbon_intensity_source"


@pytest.fixture
async def sources(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer
) -> MockConfigEntry:
    """A hub with two sources of one kind, and a sensor that could do as well."""
    hass.states.async_set(
        "sensor.mine",
        "300",
        {"unit_of_measurement": "gCO2eq/kWh", "friendly_name": "Mine"},
    )
    provider.answers = [*great_britain(143), region("RG41", 90)]
    await add(hass, hub, create_uk("north", "North"))
    await add(hass, hub, create_uk("south", "South", postcode="RG41"))
    return hub


def read_context(hub: MockConfigEntry) -> Any:
    """Return what events are told now."""
    values = hub.runtime_data.pipeline._listener.context.values
    return values.get(ContextField.CARBON_INTENSITY)


async def choose(
    hass: HomeAssistant, hub: MockConfigEntry, **user_input: Any
) -> dict[str, Any]:
    form = await open_form(hass, hub, "context")
    result = await submit(hass, form, user_input)
    await hass.async_block_till_done()
    return result


async def test_the_form_offers_the_sources_by_name(
    hass: HomeAssistant, sources: MockConfigEntry
) -> None:
    await add(hass, sources, create_uk("twin", "South", postcode="M1"))
    with check_flow_texts():
        form = await open_form(hass, sources, "context")
    field = form["data_schema"].schema[FIELD]
    assert field.config["options"] == [
        {"value": "north", "label": "North"},
        {"value": "south", "label": "South"},
        {"value": "twin", "label": "South (2)"},
    ]
    assert "occupancy_source" not in get_field_names(form["data_schema"])
    with pytest.raises(InvalidData):
        await submit(hass, form, {FIELD: "gone"})
    await submit(hass, form, {FIELD: "south"})
    assert sources.options[FIELD] == "south"
    form = await open_form(hass, sources, "context")
    assert get_suggestions(form["data_schema"])[FIELD] == "south"


@pytest.mark.parametrize("field", SOURCE_FIELDS)
async def test_each_kind_has_its_field(
    hass: HomeAssistant, hub: MockConfigEntry, field: str
) -> None:
    kind, _ = SOURCE_FIELDS[field]
    hass.config_entries.async_add_subentry(
        hub,
        create_source_entry(
            "one", "One", kind=kind.value, provider=list_sources(kind)[0].key
        ),
    )
    form = await open_form(hass, hub, "context")
    shown = get_field_names(form["data_schema"])
    assert [name for name in shown if name in SOURCE_FIELDS] == [field]
    # Only the form is of interest; the source has no arguments to run with.
    hass.config_entries.async_remove_subentry(hub, "one")
    await hass.async_block_till_done(wait_background_tasks=True)


async def test_a_source_of_a_later_version_is_not_offered(
    hass: HomeAssistant, sources: MockConfigEntry
) -> None:
    await add(
        hass,
        sources,
        create_source_entry(
            "later", "Later", kind="electricity_price", provider="from_the_future"
        ),
    )
    form = await open_form(hass, sources, "context")
    assert "electricity_price_source" not in get_field_names(form["data_schema"])


async def test_the_form_says_what_is_taken_where_nothing_is_chosen(
    hass: HomeAssistant, sources: MockConfigEntry
) -> None:
    hass.states.async_set("weather.home", "sunny", {"friendly_name": "Outside"})
    hass.states.async_set("person.ada", "home")
    hass.states.async_set("zone.home", "1", {"friendly_name": "Home"})
    form = await open_form(hass, sources, "context")
    assert form["description_placeholders"] == {
        "found_weather": "Outside (weather.home)",
        "found_carbon_intensity": "North",
        "found_electricity_price": "—",
        "found_presence": "Home (zone.home)",
    }
    for subentry_id in ("north", "south"):
        hass.config_entries.async_remove_subentry(sources, subentry_id)
    await hass.async_block_till_done()
    form = await open_form(hass, sources, "context")
    placeholders = form["description_placeholders"]
    assert placeholders["found_carbon_intensity"] == "Mine (sensor.mine)"


@pytest.mark.parametrize(
    ("user_input", "expected", "without_south"),
    [
        pytest.param({}, 143, 143, id="first-source"),
        pytest.param({FIELD: "north"}, 143, 143, id="chosen-first"),
        pytest.param({FIELD: "south"}, 90, 143, id="chosen-second"),
        pytest.param(
            {"carbon_intensity_entity": "sensor.mine"}, 300, 300, id="chosen-entity"
        ),
        pytest.param(
            {FIELD: "south", "carbon_intensity_entity": "sensor.mine"},
            90,
            300,
            id="source-before-entity",
        ),
    ],
)
async def test_who_feeds_the_events(
    hass: HomeAssistant,
    *,
    sources: MockConfigEntry,
    user_input: dict[str, Any],
    expected: float,
    without_south: float,
) -> None:
    await choose(hass, sources, **user_input)
    assert read_context(sources) == expected

    hass.config_entries.async_remove_subentry(sources, "south")
    await hass.async_block_till_done()
    assert read_context(sources) == without_south
    # A choice that is gone is not shown, and saving the form forgets it.
    form = await open_form(hass, sources, "context")
    assert get_suggestions(form["data_schema"]).get(FIELD) != "south"
    await submit(hass, form, get_suggestions(form["data_schema"]))
    assert sources.options.get(FIELD) != "south"

    hass.config_entries.async_remove_subentry(sources, "north")
    await hass.async_block_till_done()
    # The sensor that is found, or was chosen.
    assert read_context(sources) == 300


async def test_a_source_that_is_not_known_now_is_not_made_up_for(
    hass: HomeAssistant, sources: MockConfigEntry, provider: ProviderServer
) -> None:
    await choose(hass, sources, **{FIELD: "south"})
    source = get_source(sources, "south")
    source.answer = None
    source.async_refresh_view()
    assert read_context(sources) is None
    await source.async_refresh()
    assert read_context(sources) == 90


async def test_what_is_chosen_is_written_beside_the_events(
    hass: HomeAssistant, sources: MockConfigEntry, influxdb: InfluxServer
) -> None:
    await choose(hass, sources, **{FIELD: "south"})
    hass.states.async_set("sensor.kitchen", "1")
    await hass.services.async_call(DOMAIN, "flush", blocking=True)
    rows = await hass.async_add_executor_job(
        influxdb.rows,
        "SELECT carbon_intensity FROM home_assistant_events"
        " WHERE entity_id = 'sensor.kitchen'",
        "test",
    )
    assert [row[1] for row in rows] == [90]

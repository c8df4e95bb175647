"""A person's calendars, added and changed in the UI."""

from typing import Any

from pytest_homeassistant_custom_component.common import MockConfigEntry

from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from tests.flows.texts import find_faults, get_suggestions, load_translations
from tests.sources.calendars import add_calendars, broken, set_person

TEXTS = load_translations()["config_subentries"]["occupancy"]
MORE = {"other_events": "away_with_location", "tentative": False, "days_ahead": 7}


async def start(hass: HomeAssistant, hub: MockConfigEntry) -> Any:
    result = await hass.config_entries.subentries.async_init(
        (hub.entry_id, "occupancy"), context={"source": SOURCE_USER}
    )
    assert find_faults(TEXTS, result) == []
    return result


async def go_on(hass: HomeAssistant, result: Any, user_input: dict[str, Any]) -> Any:
    result = await hass.config_entries.subentries.async_configure(
        result["flow_id"], user_input
    )
    assert find_faults(TEXTS, result) == []
    return result


async def test_without_a_calendar_it_leads_to_one(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    result = await start(hass, hub)

    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "no_calendar"
    text = TEXTS["abort"]["no_calendar"].format(**result["description_placeholders"])
    for domain in ("google", "caldav", "remote_calendar", "local_calendar"):
        assert f"(/config/integrations/dashboard/add?domain={domain})" in text


async def test_a_person_is_added(hass: HomeAssistant, hub: MockConfigEntry) -> None:
    [calendar] = await add_calendars(hass, ["anna"])
    calendar.put(("2020-01-01", "2040-01-01", "WFH"), ("2020-01-01", "2040-01-01", "x"))
    set_person(hass, "Anna", "home")

    result = await start(hass, hub)
    assert result["step_id"] == "calendar"
    suggested = get_suggestions(result["data_schema"])
    assert "WFH" in suggested["words"]["words_work_from_home"]
    assert "HOME" in suggested["words"]["words_home"]
    entered = {
        "calendars": ["calendar.anna"],
        "person": "person.anna",
        "words": suggested["words"],
        "more": {**suggested["more"], "tentative": False},
    }
    result = await go_on(hass, result, entered)
    assert result["step_id"] == "settings"
    assert result["description_placeholders"]["answer"] == "1/2"
    settings = get_suggestions(result["data_schema"])
    assert settings["travel_minutes"] == 30
    assert settings["prepare_minutes"] == 15
    result = await go_on(hass, result, {**settings, "home_otherwise": False})

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Calendar Anna"
    await hass.async_block_till_done(wait_background_tasks=True)
    state = hass.states.get("binary_sensor.calendar_anna_working_from_home_today")
    assert state is not None
    assert state.state == "on"

    again = await go_on(hass, await start(hass, hub), entered)
    assert again["reason"] == "already_configured"


async def test_a_calendar_that_cannot_be_read_is_named(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    [calendar] = await add_calendars(hass, ["anna"])
    calendar.error = broken()
    entered = {"calendars": ["calendar.anna"], "words": {}, "more": MORE}

    result = await go_on(hass, await start(hass, hub), entered)
    assert result["errors"] == {"base": "unavailable"}
    assert result["description_placeholders"]["error"] == "Sign in again"

    calendar.error = None
    result = await go_on(hass, result, entered)
    assert result["step_id"] == "settings"


async def test_no_calendar_is_chosen(hass: HomeAssistant, hub: MockConfigEntry) -> None:
    await add_calendars(hass, ["anna"])
    entered = {"calendars": [], "words": {}, "more": MORE}

    result = await go_on(hass, await start(hass, hub), entered)

    assert result["errors"] == {"calendars": "no_calendar_chosen"}


async def test_words_are_changed(hass: HomeAssistant, hub: MockConfigEntry) -> None:
    [calendar] = await add_calendars(hass, ["anna"])
    calendar.put(("2020-01-01", "2040-01-01", "Heimarbeit"))
    entered = {"calendars": ["calendar.anna"], "words": {}, "more": MORE}
    result = await go_on(hass, await start(hass, hub), entered)
    settings = get_suggestions(result["data_schema"])
    await go_on(hass, result, {**settings, "home_otherwise": False})
    await hass.async_block_till_done(wait_background_tasks=True)
    wfh = "binary_sensor.calendar_anna_working_from_home_today"
    assert hass.states.get(wfh).state == "off"
    [subentry_id] = hub.subentries

    result = await hub.start_subentry_reconfigure_flow(hass, subentry_id)
    suggested = get_suggestions(result["data_schema"])
    assert suggested["calendars"] == ["calendar.anna"]
    assert suggested["words"] == {}
    words = {"words_work_from_home": ["Heimarbeit"]}
    result = await go_on(hass, result, {**entered, "words": words})
    result = await go_on(hass, result, {**settings, "home_otherwise": True})
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done(wait_background_tasks=True)

    assert hass.states.get(wfh).state == "on"

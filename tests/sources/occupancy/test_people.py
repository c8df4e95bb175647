"""What is learned of people, and what their settings do."""

from datetime import timedelta

from freezegun.api import FrozenDateTimeFactory
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
)

from custom_components.ha_ingestor.models import ContextField
from homeassistant.core import HomeAssistant
from tests.sources.calendars import (
    StandInCalendar,
    add_calendars,
    create_event,
    create_person,
    refresh,
    set_person,
)
from tests.sources.homes import add, get_source
from tests.sources.occupancy.kit import CONFIDENCE, HOME, PLANNED, at, show, state_of


async def sample(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    week: int,
    states: list[str],
) -> None:
    """Poll in the quarters of an hour of a Monday, with Anna here or there."""
    for quarter, state in enumerate(states):
        moment = at("2026-12-07T10:01") + timedelta(weeks=week, minutes=15 * quarter)
        freezer.move_to(moment)
        set_person(hass, "Anna", state)
        await hass.async_block_till_done()
        await refresh(hass, hub)


async def test_confidence_is_learned_and_kept(
    hass: HomeAssistant,
    berlin: MockConfigEntry,
    calendar: StandInCalendar,
    freezer: FrozenDateTimeFactory,
) -> None:
    """The calendar says at home on Mondays at ten; it is right 14 times of 16."""
    freezer.move_to(at("2026-12-07T10:00"))
    await hass.async_block_till_done()
    calendar.events = [
        create_event(f"{day:%Y-%m-%d}", f"{day + timedelta(days=1):%Y-%m-%d}", "WFH")
        for day in (at("2026-12-07T12:00") + timedelta(weeks=week) for week in range(6))
    ]
    set_person(hass, "Anna", "unknown")
    await add(hass, berlin, create_person("Anna", person="person.anna"))
    right, wrong = ["home"] * 4, ["home", "home", "not_home", "not_home"]
    for week, states in enumerate([right, wrong, right]):
        await sample(hass, berlin, freezer, week, states)
    assert show(hass, CONFIDENCE) == ["unknown"]

    await sample(hass, berlin, freezer, 3, right)

    assert show(hass, CONFIDENCE) == ["87.5"]
    attributes = state_of(hass, CONFIDENCE).attributes
    assert [attributes[key] for key in ("samples", "days", "basis")] == [
        16,
        4,
        "weekday_and_hour",
    ]

    await hass.config_entries.async_reload(berlin.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert show(hass, CONFIDENCE) == ["87.5"]

    [other] = await add_calendars(hass, ["ben"])
    subentry = berlin.subentries["id_anna"]
    changed = create_person("Anna", calendars=[other.entity_id], person="person.anna")
    hass.config_entries.async_update_subentry(berlin, subentry, data=changed.data)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert show(hass, CONFIDENCE) == ["unknown"]
    source = get_source(berlin, "id_anna")
    assert source.save_state()["record"]["slots"] == {}


async def test_settings_are_followed_at_once(
    hass: HomeAssistant,
    berlin: MockConfigEntry,
    calendar: StandInCalendar,
    freezer: FrozenDateTimeFactory,
) -> None:
    freezer.move_to(at("2026-12-07T08:30"))
    calendar.put(("2026-12-07", "2026-12-08", "WFH"))
    await add(hass, berlin, create_person("Anna"))
    asked_count = calendar.asked_count
    assert show(hass, PLANNED) == ["unknown"]

    changed = create_person(
        "Anna", settings={"work_start": "08:00", "travel_entity": "sensor.way_home"}
    )
    subentry = berlin.subentries["id_anna"]
    hass.config_entries.async_update_subentry(berlin, subentry, data=changed.data)
    await hass.async_block_till_done(wait_background_tasks=True)

    assert show(hass, PLANNED) == ["work_from_home"]
    hass.states.async_set("sensor.way_home", "12", {"unit_of_measurement": "min"})
    await hass.async_block_till_done()
    assert get_source(berlin, "id_anna").data.travel_minutes == 12
    assert calendar.asked_count == asked_count


async def test_two_people(hass: HomeAssistant, berlin: MockConfigEntry) -> None:
    await add_calendars(hass, ["anna", "ben"])
    set_person(hass, "Anna", "not_home")
    set_person(hass, "Ben", "home")
    await add(
        hass,
        berlin,
        create_person("Anna", person="person.anna"),
        create_person("Ben", calendars=["calendar.ben"], person="person.ben"),
    )
    fed = berlin.runtime_data.sources
    ben = "binary_sensor.calendar_ben_currently_home"
    assert show(hass, HOME, ben) == ["off", "on"]
    assert fed._fed[ContextField.ANYONE_HOME] is True

    set_person(hass, "Ben", "not_home")
    await hass.async_block_till_done()
    assert fed._fed[ContextField.ANYONE_HOME] is False

    set_person(hass, "Ben", "unknown")
    await hass.async_block_till_done()
    assert show(hass, ben) == ["unknown"]
    assert fed._fed[ContextField.ANYONE_HOME] is False

    set_person(hass, "Anna", "unknown")
    await hass.async_block_till_done()
    assert fed._fed[ContextField.ANYONE_HOME] is None


async def test_one_of_two_people_can_be_chosen(
    hass: HomeAssistant, berlin: MockConfigEntry
) -> None:
    await add_calendars(hass, ["anna", "ben"])
    set_person(hass, "Anna", "not_home")
    set_person(hass, "Ben", "home")
    await add(
        hass,
        berlin,
        create_person("Anna", person="person.anna"),
        create_person("Ben", calendars=["calendar.ben"], person="person.ben"),
    )

    options = {**berlin.options, "occupancy_source": "id_anna"}
    hass.config_entries.async_update_entry(berlin, options=options)
    await hass.async_block_till_done(wait_background_tasks=True)

    fed = berlin.runtime_data.sources._fed
    assert fed[ContextField.ANYONE_HOME] is False

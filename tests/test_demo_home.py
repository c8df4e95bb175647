"""The demo home of examples/: the house it makes and the rows it plays.

What it should show comes from `devlib.played`, which reads the recording by
itself and is also what `scripts/develop --once` compares InfluxDB with.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from itertools import zip_longest
from pathlib import Path
import shutil
from typing import Any

import probatio
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

import custom_components
from devlib.played import (
    ExpectedPoint,
    PlayedEntity,
    expect_points,
    list_played_entities,
    load_records,
)
from homeassistant.config_entries import SOURCE_USER, ConfigEntryState
from homeassistant.const import ATTR_ENTITY_ID, EVENT_STATE_CHANGED
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    floor_registry as fr,
)

DOMAIN = "demo_home"
EXAMPLES = Path(__file__).parent.parent / "examples"
RECORDING = EXAMPLES / "home-energy-2016.csv"
PLAYING = "binary_sensor.demo_home_playing"
RECORDED_AT = "sensor.demo_home_recorded_at"
LIGHTS = "light.house_lights"
WEATHER = "weather.chievres_airport"
PLAYED = list_played_entities()


@pytest.fixture(autouse=True)
def _examples(monkeypatch: pytest.MonkeyPatch, hass_config_dir: str) -> None:
    """Install the demo home and its recording, as scripts/develop does."""
    folders = [*custom_components.__path__, str(EXAMPLES / "custom_components")]
    monkeypatch.setattr(custom_components, "__path__", folders)
    shutil.copy(RECORDING, hass_config_dir)


@pytest.fixture(autouse=True)
async def _quiet(hass: HomeAssistant) -> AsyncGenerator[None]:
    """Let each test end only when nothing goes on any more."""
    yield
    await hass.async_block_till_done(wait_background_tasks=True)


@pytest.fixture
async def entry(hass: HomeAssistant) -> MockConfigEntry:
    """A demo home that is set up."""
    entry = MockConfigEntry(domain=DOMAIN, data={"path": RECORDING.name})
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


@pytest.fixture
def changes(hass: HomeAssistant) -> list[EventStateChangedData]:
    """All changes of states from here on."""
    seen: list[EventStateChangedData] = []

    @callback
    def collect(event: Event[EventStateChangedData]) -> None:
        seen.append(event.data)

    hass.bus.async_listen(EVENT_STATE_CHANGED, collect)
    return seen


@pytest.fixture
def spoiled_recording(hass_config_dir: str) -> Callable[[Callable[[str], str]], None]:
    """Install a recording as other.csv, spoilt in a way."""

    def install(spoil: Callable[[str], str]) -> None:
        Path(hass_config_dir, "other.csv").write_text(spoil(RECORDING.read_text()))

    return install


async def play(hass: HomeAssistant, start_row: int, rows: int) -> dict[str, Any]:
    """Play rows as fast as it goes, to the end."""
    done = asyncio.Event()

    @callback
    def on_change(event: Event[EventStateChangedData]) -> None:
        new = event.data["new_state"]
        if event.data["entity_id"] == PLAYING and new and new.state == "off":
            done.set()

    unsubscribe = hass.bus.async_listen(EVENT_STATE_CHANGED, on_change)
    response = await hass.services.async_call(
        DOMAIN,
        "play",
        {"start_row": start_row, "rows": rows, "rows_per_second": 1000},
        blocking=True,
        return_response=True,
    )
    async with asyncio.timeout(10):
        await done.wait()
    unsubscribe()
    assert response is not None
    return dict(response)


def shown_readings(
    changes: list[EventStateChangedData], entity: PlayedEntity
) -> list[object]:
    """Return what an entity has shown, numbers as numbers."""
    is_number = entity.tags.get("state_class") is not None
    return [
        float(new.state) if is_number and new.state != "unknown" else new.state
        for data in changes
        if data["entity_id"] == entity.entity_id and (new := data["new_state"])
    ]


def readings_of(points: list[ExpectedPoint]) -> list[object]:
    return [point.reading for point in points]


# The second ones cross the change to summer time, fog and strong wind.
@pytest.mark.parametrize(
    ("start_row", "rows"), [(0, 30), (2_660, 60)], ids=["start", "summer time"]
)
async def test_every_entity_shows_what_was_recorded(
    hass: HomeAssistant,
    changes: list[EventStateChangedData],
    entry: MockConfigEntry,
    start_row: int,
    rows: int,
) -> None:
    await play(hass, start_row, rows)
    records = load_records(start_row, rows)
    # A whole diff of all of them takes pytest minutes.
    first_differences = {
        entity.entity_id: next(
            pair
            for pair in zip_longest(
                shown_readings(changes, entity),
                readings_of(expect_points(entity, records)),
            )
            if pair[0] != pair[1]
        )
        for entity in PLAYED
        if shown_readings(changes, entity)
        != readings_of(expect_points(entity, records))
    }
    assert first_differences == {}


async def test_the_moment_of_a_row_is_known_before_its_readings(
    hass: HomeAssistant,
    changes: list[EventStateChangedData],
    entry: MockConfigEntry,
) -> None:
    await play(hass, 0, 1)
    entity_ids = [
        data["entity_id"]
        for data in changes
        if data["old_state"] and not data["entity_id"].startswith("zone.")
    ]
    assert entity_ids[:3] == [PLAYING, WEATHER, "device_tracker.resident"]
    assert entity_ids[-2:] == [RECORDED_AT, PLAYING]


async def test_the_weather_is_in_the_units_of_home_assistant(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    await play(hass, 0, 1)
    weather = hass.states.get(WEATHER)
    assert weather is not None
    assert weather.attributes["temperature"] == 6.2
    assert weather.attributes["humidity"] == 92
    assert weather.attributes["pressure"] == 978.32
    assert weather.attributes["wind_speed"] == 21.6
    assert weather.attributes["visibility"] == 51.5
    assert weather.attributes["dew_point"] == 5.0


async def test_the_recording_is_read_as_winter_time(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    # 2016-03-27 02:50, an hour that no clock in Belgium showed.
    await play(hass, 2_681, 1)
    state = hass.states.get(RECORDED_AT)
    assert state is not None
    assert state.state == "2016-03-27T01:50:00+00:00"
    assert state.attributes["row"] == 2_681


async def test_tags_come_from_classes_units_areas_and_floors(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    entities, devices = er.async_get(hass), dr.async_get(hass)
    areas, floors = ar.async_get(hass), fr.async_get(hass)
    found = {}
    for entity in PLAYED:
        state, registered = hass.states.get(entity.entity_id), None
        registered = entities.async_get(entity.entity_id)
        assert state
        assert registered
        device = devices.async_get(registered.device_id or "")
        area = areas.async_get_area(device.area_id or "") if device else None
        floor = floors.async_get_floor(area.floor_id or "") if area else None
        tags = {
            "device_class": state.attributes.get("device_class"),
            "state_class": state.attributes.get("state_class"),
            "unit": state.attributes.get("unit_of_measurement"),
            "device": device and device.name,
            "area": area and area.name,
            "floor": floor and floor.name,
            "integration": registered.platform,
        }
        found[entity.entity_id] = {key: tag for key, tag in tags.items() if tag}
    assert found == {entity.entity_id: dict(entity.tags) for entity in PLAYED}


async def test_a_house_that_somebody_has_arranged_stays_so(
    hass: HomeAssistant,
    area_registry: ar.AreaRegistry,
    floor_registry: fr.FloorRegistry,
) -> None:
    attic = floor_registry.async_create("Attic")
    office = area_registry.async_create("Office", floor_id=attic.floor_id)
    kitchen = area_registry.async_create("Kitchen")
    entry = MockConfigEntry(domain=DOMAIN, data={"path": RECORDING.name})
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    placed = {area.name: area.floor_id for area in area_registry.async_list_areas()}
    assert placed["Office"] == attic.floor_id
    assert placed["Kitchen"] == "ground_floor"
    assert area_registry.async_get_area_by_name("office") is not None
    assert {office.id, kitchen.id} <= {
        area.id for area in area_registry.async_list_areas()
    }
    assert len(placed) == 9


async def test_play_answers_what_it_will_show(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    # Ten asked for, two left in the file.
    assert await play(hass, 4_930, 10) == {
        "first_row": 4_930,
        "last_row": 4_931,
        "from": "2016-05-27T17:20:00+01:00",
        "to": "2016-05-27T17:40:00+01:00",
    }


async def test_stop_leaves_what_is_shown(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    await hass.services.async_call(
        DOMAIN, "play", {"rows_per_second": 0.01}, blocking=True
    )
    await asyncio.sleep(0)
    assert hass.states.is_state(PLAYING, "on")
    await hass.services.async_call(DOMAIN, "stop", {}, blocking=True)
    assert hass.states.is_state(PLAYING, "off")
    assert hass.states.is_state(RECORDED_AT, "2016-01-11T16:30:00+00:00")
    # Stopping what does not play is nothing wrong.
    await hass.services.async_call(DOMAIN, "stop", {}, blocking=True)
    assert hass.states.is_state(PLAYING, "off")


async def test_a_new_play_takes_over(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    await hass.services.async_call(
        DOMAIN, "play", {"rows_per_second": 0.01}, blocking=True
    )
    await play(hass, 100, 2)
    state = hass.states.get(RECORDED_AT)
    assert state is not None
    assert state.attributes["row"] == 101


async def test_unloading_ends_a_play(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    await hass.services.async_call(
        DOMAIN, "play", {"rows_per_second": 0.01}, blocking=True
    )
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert hass.states.is_state(PLAYING, "unavailable")
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert hass.states.is_state(PLAYING, "off")
    assert hass.states.is_state(RECORDED_AT, "unknown")


async def test_a_row_that_does_not_exist_is_refused(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    with pytest.raises(ServiceValidationError) as refusal:
        await hass.services.async_call(
            DOMAIN, "play", {"start_row": 4_932}, blocking=True
        )
    assert refusal.value.translation_key == "row_out_of_range"
    await play(hass, 4_931, 1)
    assert hass.states.is_state(RECORDED_AT, "2016-05-27T16:40:00+00:00")


@pytest.mark.parametrize(
    "data",
    [{"rows": 0}, {"start_row": -1}, {"rows_per_second": 0}, {"rows_per_second": 1001}],
    ids=str,
)
async def test_a_senseless_play_is_refused(
    hass: HomeAssistant, entry: MockConfigEntry, data: dict[str, Any]
) -> None:
    with pytest.raises(probatio.Invalid):
        await hass.services.async_call(DOMAIN, "play", data, blocking=True)
    assert hass.states.is_state(PLAYING, "off")


async def test_somebody_switches_the_lights_until_the_next_row(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    await play(hass, 0, 1)
    assert hass.states.is_state(LIGHTS, "on")
    target = {ATTR_ENTITY_ID: LIGHTS}
    await hass.services.async_call("light", "turn_off", target, blocking=True)
    assert hass.states.is_state(LIGHTS, "off")
    await play(hass, 1, 1)
    assert hass.states.is_state(LIGHTS, "on")
    # A row without light, which somebody switches on.
    await play(hass, 2_674, 1)
    await hass.services.async_call("light", "turn_on", target, blocking=True)
    assert hass.states.is_state(LIGHTS, "on")


async def test_the_flow_takes_the_recording(hass: HomeAssistant) -> None:
    flow = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert flow["type"] is FlowResultType.FORM
    result = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"path": RECORDING.name}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["result"].state is ConfigEntryState.LOADED
    again = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert again["reason"] == "single_instance_allowed"


def without_column(text: str) -> str:
    return text.replace("RH_9", "RH_ninth", 1)


def with_word(text: str) -> str:
    return text.replace(",19.89,", ",warm,", 1)


def with_nan(text: str) -> str:
    return text.replace(",19.89,", ",nan,", 1)


def with_short_row(text: str) -> str:
    return f"{text}2016-05-27 19:00:00,50\n"


def only_head(text: str) -> str:
    return text.splitlines()[0]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (without_column, "columns missing: RH_9"),
        (with_word, "line 2: could not convert string to float: 'warm'"),
        (with_nan, "line 2: nan is not finite"),
        (with_short_row, "line 4934: float() argument must be"),
        (only_head, "no rows"),
    ],
)
async def test_the_flow_says_what_is_wrong_with_a_file(
    hass: HomeAssistant,
    spoiled_recording: Callable[[Callable[[str], str]], None],
    spoil: Callable[[str], str],
    reason: str,
) -> None:
    spoiled_recording(spoil)
    flow = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    result = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"path": "other.csv"}
    )
    assert result["errors"] == {"path": "not_a_recording"}
    placeholders = result["description_placeholders"]
    assert placeholders is not None
    assert placeholders["reason"].startswith(reason)
    missing = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"path": "nowhere.csv"}
    )
    assert missing["errors"] == {"path": "file_unreadable"}
    mended = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"path": RECORDING.name}
    )
    assert mended["type"] is FlowResultType.CREATE_ENTRY


async def test_a_recording_that_has_gone_is_named(hass: HomeAssistant) -> None:
    entry = MockConfigEntry(domain=DOMAIN, data={"path": "gone.csv"})
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert entry.error_reason_translation_key == "recording_unusable"
    shutil.copy(RECORDING, hass.config.path("gone.csv"))
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED

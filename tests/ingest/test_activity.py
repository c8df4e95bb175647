"""What happens besides state changes."""

from collections.abc import Iterator, Mapping
import json
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockModule,
    mock_config_flow,
    mock_integration,
    mock_platform,
)

from custom_components.ha_ingestor.models import EventKind
from homeassistant.config_entries import ConfigEntryState, ConfigFlow
from homeassistant.const import (
    EVENT_HOMEASSISTANT_START,
    EVENT_HOMEASSISTANT_STARTED,
    EVENT_HOMEASSISTANT_STOP,
)
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    floor_registry as fr,
    label_registry as lr,
)
from tests.ingest.kit import Capture, Stored

KINDS = [kind for kind in EventKind if kind is not EventKind.STATES]


def data_of(point: Stored) -> dict[str, Any]:
    """Give the data of an activity."""
    data: dict[str, Any] = json.loads(str(point.fields["data"]))
    return data


def actions_of(points: list[Stored]) -> list[tuple[Any, Any]]:
    """Give what was done, and the name of what it was done to."""
    return [(point.fields["action"], point.fields.get("name")) for point in points]


def test_an_automation(hass: HomeAssistant, capture: Capture) -> None:
    hass.bus.async_fire(
        "automation_triggered",
        {"name": "Lights", "entity_id": "automation.lights", "source": "sunset"},
        context=Context(id="01A", parent_id="01P", user_id="anna"),
    )

    point = capture.point()
    assert point.measurement == "home_assistant_activity"
    assert point.tags == {
        "domain": "automation",
        "event_type": "automation_triggered",
        "integration": "automation",
    }
    assert point.fields == {
        "name": "Lights",
        "entity_id": "automation.lights",
        "data": ('{"name":"Lights","entity_id":"automation.lights","source":"sunset"}'),
        "context_id": "01A",
        "context_parent_id": "01P",
        "context_user_id": "anna",
    }


def test_a_script(hass: HomeAssistant, capture: Capture) -> None:
    hass.bus.async_fire("script_started", {"name": "Off", "entity_id": "script.off"})

    point = capture.point(event_type="script_started")
    assert point.tags["domain"] == point.tags["integration"] == "script"
    assert point.fields["name"] == "Off"
    assert point.fields["entity_id"] == "script.off"


async def test_an_action(hass: HomeAssistant, capture: Capture) -> None:
    hass.services.async_register("light", "turn_on", lambda _: None)

    await hass.services.async_call(
        "light",
        "turn_on",
        {"entity_id": ["light.b", "light.a"], "brightness": 5},
        blocking=True,
        context=Context(user_id="anna"),
    )

    point = capture.point(event_type="call_service")
    assert point.tags == {"domain": "light", "event_type": "call_service"}
    assert point.fields["name"] == "light.turn_on"
    assert point.fields["entity_id"] == "light.a,light.b"
    assert point.fields["context_user_id"] == "anna"
    assert data_of(point)["service_data"]["brightness"] == 5


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"domain": "light", "service": "turn_off"}, {}),
        (
            {
                "domain": "light",
                "service": "turn_off",
                "service_data": {"entity_id": "light.a"},
            },
            {"entity_id": "light.a"},
        ),
        ({"domain": "light", "service": "turn_off", "service_data": None}, {}),
        # Anybody may fire an event of this name.
        ({"domain": "light", "service": "turn_off", "service_data": "x"}, {}),
    ],
)
def test_the_entities_of_an_action(
    hass: HomeAssistant,
    capture: Capture,
    data: Mapping[str, Any],
    expected: dict[str, str],
) -> None:
    hass.bus.async_fire("call_service", data)

    fields = capture.point().fields
    assert fields["name"] == "light.turn_off"
    assert {key: fields[key] for key in fields if key == "entity_id"} == expected


@pytest.mark.parametrize(
    "event_type", ["call_service", "automation_triggered", "script_started"]
)
def test_an_event_without_data(
    hass: HomeAssistant, capture: Capture, event_type: str
) -> None:
    hass.bus.async_fire(event_type)

    assert capture.point().tags["event_type"] == event_type


def test_entities(
    hass: HomeAssistant, capture: Capture, entity_registry: er.EntityRegistry
) -> None:
    entity_registry.async_get_or_create(
        "sensor", "demo", "1", suggested_object_id="a", original_name="A"
    )
    entity_registry.async_update_entity("sensor.a", name="B")
    entity_registry.async_update_entity("sensor.a", new_entity_id="sensor.b")
    entity_registry.async_remove("sensor.b")

    points = capture.points(event_type="entity_registry_updated")
    assert actions_of(points) == [
        ("create", "A"),
        ("update", "B"),
        ("update", "B"),
        ("remove", None),
    ]
    renamed = points[2]
    assert renamed.fields["entity_id"] == "sensor.b"
    assert renamed.fields["previous_entity_id"] == "sensor.a"
    assert renamed.tags["integration"] == "demo"
    assert data_of(points[1])["changes"] == {"name": None}
    assert "previous_entity_id" not in points[1].fields
    assert points[3].fields["entity_id"] == "sensor.b"


def test_devices(
    hass: HomeAssistant, capture: Capture, device_registry: dr.DeviceRegistry
) -> None:
    entry = MockConfigEntry(domain="demo")
    entry.add_to_hass(hass)
    device = device_registry.async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={("demo", "1")}, name="Plug"
    )
    device_registry.async_update_device(device.id, name_by_user="My plug")
    device_registry.async_remove_device(device.id)

    points = capture.points(event_type="device_registry_updated")
    assert actions_of(points) == [
        ("create", "Plug"),
        ("update", "My plug"),
        ("remove", None),
    ]
    assert data_of(points[2])["device"]["name_by_user"] == "My plug"


def test_areas_floors_and_labels(
    hass: HomeAssistant,
    capture: Capture,
    area_registry: ar.AreaRegistry,
    floor_registry: fr.FloorRegistry,
    label_registry: lr.LabelRegistry,
) -> None:
    area = area_registry.async_create("Hall")
    area_registry.async_update(area.id, name="Big hall")
    area_registry.async_delete(area.id)
    floor = floor_registry.async_create("Attic")
    floor_registry.async_update(floor.floor_id, name="Top")
    floor_registry.async_delete(floor.floor_id)
    label = label_registry.async_create("Red")
    label_registry.async_update(label.label_id, name="Blue")
    label_registry.async_delete(label.label_id)

    for_type = {
        kind: actions_of(capture.points(event_type=f"{kind}_registry_updated"))
        for kind in ("area", "floor", "label")
    }
    assert for_type == {
        "area": [("create", "Hall"), ("update", "Big hall"), ("remove", None)],
        "floor": [("create", "Attic"), ("update", "Top"), ("remove", None)],
        "label": [("create", "Red"), ("update", "Blue"), ("remove", None)],
    }


@pytest.mark.parametrize(
    "event_type",
    [EVENT_HOMEASSISTANT_START, EVENT_HOMEASSISTANT_STARTED, EVENT_HOMEASSISTANT_STOP],
)
def test_start_and_stop(hass: HomeAssistant, capture: Capture, event_type: str) -> None:
    hass.bus.async_fire(event_type)

    assert capture.point().tags == {"event_type": event_type}


async def test_users(hass: HomeAssistant, idle_capture: Capture) -> None:
    # The first user is the owner, who cannot be removed.
    await hass.auth.async_create_user("Owner")
    old = await hass.auth.async_create_user("Old")
    idle_capture.start()

    anna = await hass.auth.async_create_user("Anna")
    await hass.auth.async_update_user(anna, name="Anne")
    await hass.auth.async_remove_user(anna)
    await hass.auth.async_remove_user(old)
    nameless = await hass.auth.async_create_system_user("")
    await hass.async_block_till_done()
    idle_capture.listener.async_stop()

    points = idle_capture.points()
    assert [
        (point.tags["event_type"], point.fields.get("name"), data_of(point)["user_id"])
        for point in points
    ] == [
        ("user_added", "Anna", anna.id),
        ("user_updated", "Anne", anna.id),
        ("user_removed", "Anne", anna.id),
        ("user_removed", "Old", old.id),
        ("user_added", None, nameless.id),
    ]


class DemoFlow(ConfigFlow):
    """A config flow, as every integration with entries has one."""


@pytest.fixture
def demo(hass: HomeAssistant) -> Iterator[dict[str, Any]]:
    """An integration whose set-up does what `error` says."""
    behaviour: dict[str, Any] = {"error": None}

    async def set_up(hass: HomeAssistant, entry: MockConfigEntry) -> bool:
        if behaviour["error"]:
            raise behaviour["error"]
        return True

    async def unload(hass: HomeAssistant, entry: MockConfigEntry) -> bool:
        return True

    mock_integration(
        hass,
        MockModule("demo", async_setup_entry=set_up, async_unload_entry=unload),
    )
    mock_platform(hass, "demo.config_flow")
    with mock_config_flow("demo", DemoFlow):
        yield behaviour


async def test_states_of_an_integration(
    hass: HomeAssistant, capture: Capture, demo: dict[str, Any]
) -> None:
    entry = MockConfigEntry(domain="demo", title="My demo")
    await hass.config_entries.async_add(entry)
    hass.config_entries.async_update_entry(entry, title="Renamed")
    await hass.config_entries.async_unload(entry.entry_id)
    demo["error"] = ConfigEntryNotReady("Nobody answers")
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.config_entries.async_remove(entry.entry_id)

    points = capture.points(event_type="config_entry_changed")
    changes = [data_of(point) for point in points]
    assert [
        (change["change"], change.get("previous_state"), change["state"])
        for change in changes
    ] == [
        ("added", None, "not_loaded"),
        ("updated", "not_loaded", "setup_in_progress"),
        ("updated", "setup_in_progress", "loaded"),
        ("updated", "loaded", "unload_in_progress"),
        ("updated", "unload_in_progress", "not_loaded"),
        ("updated", "not_loaded", "setup_in_progress"),
        ("updated", "setup_in_progress", "setup_retry"),
        ("updated", "setup_retry", "not_loaded"),
        ("removed", "not_loaded", "not_loaded"),
    ]
    assert {point.tags["integration"] for point in points} == {"demo"}
    assert points[0].fields["name"] == "My demo"
    assert points[-1].fields["name"] == "Renamed"
    assert points[0].fields["action"] == "added"
    assert changes[6]["reason"] == "Nobody answers"


async def test_an_integration_from_before_has_a_previous_state(
    hass: HomeAssistant, idle_capture: Capture, demo: dict[str, Any]
) -> None:
    entry = MockConfigEntry(domain="demo")
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED

    idle_capture.start()
    await hass.config_entries.async_unload(entry.entry_id)
    idle_capture.listener.async_stop()

    first = idle_capture.points(event_type="config_entry_changed")[0]
    assert data_of(first)["previous_state"] == "loaded"


async def do_everything(hass: HomeAssistant) -> None:
    """Let one event of each kind happen."""
    hass.bus.async_fire("automation_triggered", {"name": "A", "entity_id": "a.a"})
    hass.bus.async_fire("script_started", {"name": "S", "entity_id": "script.s"})
    hass.bus.async_fire("call_service", {"domain": "light", "service": "turn_on"})
    ar.async_get(hass).async_create("Hall")
    entry = MockConfigEntry(domain="demo")
    await hass.config_entries.async_add(entry)
    await hass.auth.async_create_user("Anna")
    hass.bus.async_fire(EVENT_HOMEASSISTANT_START)
    hass.states.async_set("sensor.a", "1")
    await hass.async_block_till_done()


EVENT_TYPES = {
    EventKind.AUTOMATIONS: {"automation_triggered"},
    EventKind.SCRIPTS: {"script_started"},
    EventKind.ACTIONS: {"call_service"},
    EventKind.REGISTRIES: {"area_registry_updated"},
    EventKind.INTEGRATIONS: {"config_entry_changed"},
    EventKind.USERS: {"user_added"},
    EventKind.HOME_ASSISTANT: {"homeassistant_start"},
}


def types_of(capture: Capture) -> set[str]:
    """Give the types of event that were recorded."""
    return {point.tags.get("event_type", "states") for point in capture.points()}


async def test_all_kinds(
    hass: HomeAssistant, capture: Capture, demo: dict[str, Any]
) -> None:
    await do_everything(hass)

    assert types_of(capture) == {"states"}.union(*EVENT_TYPES.values())


@pytest.mark.parametrize(
    ("hub_options", "kind"),
    [pytest.param({"event_kinds": [kind]}, kind, id=kind) for kind in KINDS],
)
async def test_one_kind_alone(
    hass: HomeAssistant, capture: Capture, demo: dict[str, Any], kind: EventKind
) -> None:
    await do_everything(hass)

    assert types_of(capture) == EVENT_TYPES[kind]


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_can_be_switched_off_while_it_runs(
    hass: HomeAssistant, capture: Capture, demo: dict[str, Any], kind: EventKind
) -> None:
    capture.set_options({"event_kinds": [other for other in KINDS if other != kind]})
    await do_everything(hass)

    assert types_of(capture) == set().union(
        *(types for other, types in EVENT_TYPES.items() if other != kind)
    )


async def test_changed_options_double_nothing(
    hass: HomeAssistant, capture: Capture
) -> None:
    capture.set_options({})
    capture.set_options({"static_tags": {"home": "Berlin"}})
    hass.bus.async_fire("script_started", {"name": "S"})
    await hass.auth.async_create_user("Anna")

    assert len(capture.points(home="Berlin")) == len(capture.records) == 2


def test_a_huge_event_is_cut(hass: HomeAssistant, capture: Capture) -> None:
    hass.bus.async_fire(
        "call_service",
        {
            "domain": "notify",
            "service": "send",
            "service_data": {"message": "x" * 1_000_000, "entity_id": ["a.b"] * 50_000},
        },
    )

    point = capture.point()
    assert data_of(point)["truncated_bytes"] > 1_000_000
    assert len(str(point.fields["entity_id"])) <= 16 * 1024

"""Tags from the registries, kept right while a user renames and moves things."""

from collections.abc import Callable
from enum import Enum
from typing import Any, override

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockEntityPlatform,
    MockPlatform,
)

from homeassistant.core import HomeAssistant
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    floor_registry as fr,
)
from homeassistant.helpers.entity import Entity
from tests.ingest.kit import Capture

SENSOR = "sensor.kitchen_reading"
CHILD_SENSOR = "sensor.probe_reading"


class OldEnum(str, Enum):  # noqa: UP042 - what older integrations still have
    """An enum whose str() is not its value."""

    ENERGY = "energy"


class Reading(Entity):
    """A sensor of a device, as an integration makes it."""

    _attr_has_entity_name = True
    _attr_name = "Reading"
    _attr_should_poll = False

    def __init__(self, device: str) -> None:
        """Belong to a device of this name."""
        self._attr_unique_id = f"{device}_reading"
        self._attr_device_info = dr.DeviceInfo(
            identifiers={("demo", device)}, name=device
        )
        self._attr_unit_of_measurement = "°C"
        self._attr_device_class = "temperature"
        self.value = 1

    @property
    @override
    def state(self) -> int:
        return self.value

    def change(self) -> None:
        """Change the state."""
        self.value += 1
        self.async_write_ha_state()


@pytest.fixture
def demo_entry(hass: HomeAssistant) -> MockConfigEntry:
    """A config entry of another integration."""
    entry = MockConfigEntry(domain="demo", title="Demo")
    entry.add_to_hass(hass)
    return entry


@pytest.fixture
async def reading(hass: HomeAssistant, demo_entry: MockConfigEntry) -> Reading:
    """A sensor of the device "Kitchen" that runs."""
    reading = Reading("Kitchen")

    async def set_up(hass: HomeAssistant, entry: Any, add: Any) -> None:
        add([reading])

    platform = MockEntityPlatform(
        hass,
        domain="sensor",
        platform_name="demo",
        platform=MockPlatform(async_setup_entry=set_up),
    )
    assert await platform.async_setup_entry(demo_entry)
    await hass.async_block_till_done()
    return reading


@pytest.fixture
def device(
    reading: Reading, device_registry: dr.DeviceRegistry, demo_entry: MockConfigEntry
) -> dr.DeviceEntry:
    """The device of the sensor."""
    (device,) = dr.async_entries_for_config_entry(device_registry, demo_entry.entry_id)
    assert isinstance(device, dr.DeviceEntry)
    return device


@pytest.fixture
def area(
    area_registry: ar.AreaRegistry,
    floor_registry: fr.FloorRegistry,
    device_registry: dr.DeviceRegistry,
    device: dr.DeviceEntry,
) -> ar.AreaEntry:
    """The area that the device is in."""
    floor = floor_registry.async_create("Ground floor")
    area = area_registry.async_create("Kitchen area", floor_id=floor.floor_id)
    device_registry.async_update_device(device.id, area_id=area.id)
    return area


@pytest.fixture
def busy(capture: Capture, reading: Reading, area: ar.AreaEntry) -> Capture:
    """A capture that has seen the sensor."""
    reading.change()
    capture.clear()
    return capture


TAGS = {
    "area": "Kitchen area",
    "device": "Kitchen",
    "device_class": "temperature",
    "domain": "sensor",
    "entity_id": SENSOR,
    "floor": "Ground floor",
    "integration": "demo",
    "unit": "°C",
}


def test_all_that_is_known_of_an_entity(busy: Capture, reading: Reading) -> None:
    reading.change()

    assert busy.last(SENSOR).tags == TAGS


def test_an_entity_that_no_registry_knows(
    hass: HomeAssistant, capture: Capture
) -> None:
    hass.states.async_set("sensor.yaml", "1")

    assert capture.last("sensor.yaml").tags == {
        "domain": "sensor",
        "entity_id": "sensor.yaml",
    }


def test_classes_and_unit_come_from_the_state(
    hass: HomeAssistant, capture: Capture
) -> None:
    hass.states.async_set(
        "sensor.meter",
        "1",
        {
            "device_class": OldEnum.ENERGY,
            "state_class": "total_increasing",
            "unit_of_measurement": "kWh",
        },
    )

    tags = capture.last("sensor.meter").tags
    assert tags["device_class"] == "energy"
    assert tags["state_class"] == "total_increasing"
    assert tags["unit"] == "kWh"


def test_a_changed_unit_is_a_new_series(hass: HomeAssistant, capture: Capture) -> None:
    hass.states.async_set("sensor.a", "20", {"unit_of_measurement": "°C"})
    hass.states.async_set("sensor.a", "68", {"unit_of_measurement": "°F"})
    hass.states.async_set("sensor.a", "69", {"unit_of_measurement": "°F"})
    hass.states.async_set("sensor.a", "69", {})

    units = [point.tags.get("unit") for point in capture.states("sensor.a")]
    assert units == ["°C", "°F", "°F", None]


def test_renaming_the_area(
    busy: Capture, reading: Reading, area_registry: ar.AreaRegistry, area: ar.AreaEntry
) -> None:
    area_registry.async_update(area.id, name="Galley")

    reading.change()
    assert busy.last(SENSOR).tags == TAGS | {"area": "Galley"}


def test_removing_the_area(
    busy: Capture, reading: Reading, area_registry: ar.AreaRegistry, area: ar.AreaEntry
) -> None:
    area_registry.async_delete(area.id)

    reading.change()
    assert busy.last(SENSOR).tags.keys() == TAGS.keys() - {"area", "floor"}


def test_renaming_the_floor(
    busy: Capture,
    reading: Reading,
    floor_registry: fr.FloorRegistry,
    area: ar.AreaEntry,
) -> None:
    assert area.floor_id
    floor_registry.async_update(area.floor_id, name="Basement")

    reading.change()
    assert busy.last(SENSOR).tags == TAGS | {"floor": "Basement"}


def test_removing_the_floor(
    busy: Capture,
    reading: Reading,
    floor_registry: fr.FloorRegistry,
    area: ar.AreaEntry,
) -> None:
    assert area.floor_id
    floor_registry.async_delete(area.floor_id)

    reading.change()
    assert busy.last(SENSOR).tags.keys() == TAGS.keys() - {"floor"}


def test_moving_the_area_to_another_floor(
    busy: Capture,
    reading: Reading,
    area_registry: ar.AreaRegistry,
    floor_registry: fr.FloorRegistry,
    area: ar.AreaEntry,
) -> None:
    attic = floor_registry.async_create("Attic")
    area_registry.async_update(area.id, floor_id=attic.floor_id)

    reading.change()
    assert busy.last(SENSOR).tags == TAGS | {"floor": "Attic"}


async def test_renaming_the_device(
    hass: HomeAssistant,
    busy: Capture,
    device_registry: dr.DeviceRegistry,
    device: dr.DeviceEntry,
) -> None:
    device_registry.async_update_device(device.id, name_by_user="Big kitchen")
    await hass.async_block_till_done()

    # The sensor has a new friendly name, so this is an event of its own.
    assert busy.point(entity_id=SENSOR).tags == TAGS | {"device": "Big kitchen"}


def test_moving_the_device(
    busy: Capture,
    reading: Reading,
    area_registry: ar.AreaRegistry,
    device_registry: dr.DeviceRegistry,
    device: dr.DeviceEntry,
) -> None:
    garden = area_registry.async_create("Garden")
    device_registry.async_update_device(device.id, area_id=garden.id)

    reading.change()
    assert busy.last(SENSOR).tags["area"] == "Garden"
    assert "floor" not in busy.last(SENSOR).tags


def test_moving_the_entity(
    busy: Capture,
    reading: Reading,
    area_registry: ar.AreaRegistry,
    entity_registry: er.EntityRegistry,
) -> None:
    garden = area_registry.async_create("Garden")
    entity_registry.async_update_entity(SENSOR, area_id=garden.id)
    reading.change()
    entity_registry.async_update_entity(SENSOR, area_id=None)
    reading.change()

    areas = [point.tags["area"] for point in busy.states(SENSOR)]
    assert areas == ["Garden", "Kitchen area"]


async def test_moving_and_renaming_the_entity_at_once(
    hass: HomeAssistant,
    busy: Capture,
    area_registry: ar.AreaRegistry,
    entity_registry: er.EntityRegistry,
) -> None:
    garden = area_registry.async_create("Garden")
    entity_registry.async_update_entity(SENSOR, area_id=garden.id, name="Outside")
    await hass.async_block_till_done()

    # The new name is an event of its own, which already has the new area.
    assert busy.point(entity_id=SENSOR).tags["area"] == "Garden"


async def test_a_new_entity_id(
    hass: HomeAssistant,
    busy: Capture,
    reading: Reading,
    entity_registry: er.EntityRegistry,
) -> None:
    entity_registry.async_update_entity(SENSOR, new_entity_id="sensor.galley")
    await hass.async_block_till_done()
    reading.change()

    removal, first, second = busy.points(device="Kitchen")
    assert removal.tags == TAGS
    assert removal.fields["state"] == "removed"
    assert first.tags == second.tags == TAGS | {"entity_id": "sensor.galley"}
    activity = busy.point(event_type="entity_registry_updated")
    assert activity.fields["entity_id"] == "sensor.galley"
    assert activity.fields["previous_entity_id"] == SENSOR
    assert activity.fields["action"] == "update"


@pytest.mark.parametrize(
    "forget",
    [
        pytest.param(lambda it: it.listener.planner.forget_all(), id="area-renamed"),
        pytest.param(lambda it: it.set_options({}), id="options-changed"),
    ],
)
async def test_a_new_entity_id_while_nothing_is_cached(
    hass: HomeAssistant,
    busy: Capture,
    entity_registry: er.EntityRegistry,
    forget: Callable[[Capture], None],
) -> None:
    forget(busy)

    entity_registry.async_update_entity(SENSOR, new_entity_id="sensor.galley")
    await hass.async_block_till_done()

    assert busy.last(SENSOR).fields["state"] == "removed"
    assert busy.last(SENSOR).tags == TAGS


async def test_an_entity_that_was_silent_since_the_start_is_removed(
    hass: HomeAssistant,
    idle_capture: Capture,
    area: ar.AreaEntry,
    reading: Reading,
    entity_registry: er.EntityRegistry,
) -> None:
    idle_capture.start()
    # Nothing is newer than the end of time.
    assert idle_capture.listener.capture_states(9e9, 9e9) == 0

    entity_registry.async_remove(SENSOR)
    await hass.async_block_till_done()
    idle_capture.listener.async_stop()

    assert idle_capture.last(SENSOR).fields["state"] == "removed"
    assert idle_capture.last(SENSOR).tags == TAGS


async def test_a_removed_device_takes_its_entities_along(
    hass: HomeAssistant,
    busy: Capture,
    device_registry: dr.DeviceRegistry,
    device: dr.DeviceEntry,
) -> None:
    device_registry.async_remove_device(device.id)
    await hass.async_block_till_done()

    point = busy.point(entity_id=SENSOR)
    assert point.fields["state"] == "removed"
    assert point.tags == TAGS


async def test_an_entity_that_comes_back_is_looked_up_again(
    hass: HomeAssistant,
    busy: Capture,
    entity_registry: er.EntityRegistry,
) -> None:
    entity_registry.async_remove(SENSOR)
    await hass.async_block_till_done()

    hass.states.async_set(SENSOR, "5")

    assert busy.last(SENSOR).tags == {"domain": "sensor", "entity_id": SENSOR}


async def test_a_child_device_follows_its_parent(
    hass: HomeAssistant,
    capture: Capture,
    area: ar.AreaEntry,
    device: dr.DeviceEntry,
    demo_entry: MockConfigEntry,
    area_registry: ar.AreaRegistry,
    device_registry: dr.DeviceRegistry,
    entity_registry: er.EntityRegistry,
) -> None:
    child = device_registry.async_get_or_create_child(
        config_entry_id=demo_entry.entry_id,
        identifiers={("demo", "probe")},
        name="Probe",
        parent_device_id=device.id,
    )
    entity_registry.async_get_or_create(
        "sensor",
        "demo",
        "probe",
        device_id=child.id,
        object_id_base="probe_reading",
    )
    (entry,) = er.async_entries_for_device(entity_registry, child.id)
    garden = area_registry.async_create("Garden")

    hass.states.async_set(entry.entity_id, "1")
    device_registry.async_update_device(device.id, area_id=garden.id)
    hass.states.async_set(entry.entity_id, "2")
    device_registry.async_update_child_device(child.id, name_by_user="Long probe")
    hass.states.async_set(entry.entity_id, "3")

    tags = [point.tags for point in capture.states(entry.entity_id)]
    assert [(tag["device"], tag["area"]) for tag in tags] == [
        ("Probe", "Kitchen area"),
        ("Probe", "Garden"),
        ("Long probe", "Garden"),
    ]


@pytest.mark.parametrize("hub_options", [{"static_tags": {"home": "Berlin", "a": "b"}}])
async def test_static_tags_are_on_every_point(
    hass: HomeAssistant, capture: Capture
) -> None:
    hass.states.async_set("sensor.a", "1")
    hass.bus.async_fire("script_started", {"name": "S", "entity_id": "script.s"})
    hass.states.async_remove("sensor.a")

    points = capture.points(home="Berlin", a="b")
    assert len(points) == len(capture.lines) == 3


async def test_static_tags_can_be_changed(
    hass: HomeAssistant, capture: Capture
) -> None:
    hass.states.async_set("sensor.a", "1")
    capture.set_options({"static_tags": {"home": "Berlin"}})
    hass.states.async_set("sensor.a", "2")

    first, second = capture.states("sensor.a")
    assert "home" not in first.tags
    assert second.tags["home"] == "Berlin"


@pytest.mark.parametrize("hub_options", [{"attributes": ["sensor.*", "*.a?"]}])
def test_attributes_by_glob(hass: HomeAssistant, capture: Capture) -> None:
    attributes: dict[Any, Any] = {"b": 1, "a1": "x", 5: "no name", "c": None}
    hass.states.async_set("sensor.a", "1", attributes)
    hass.states.async_set("light.a", "on", attributes)

    sensor, light = capture.last("sensor.a").fields, capture.last("light.a").fields
    assert {name for name in sensor if name.startswith("attr_")} == {
        "attr_a1_text",
        "attr_b",
    }
    assert {name for name in light if name.startswith("attr_")} == {"attr_a1_text"}


def test_attributes_by_default(hass: HomeAssistant, capture: Capture) -> None:
    hass.states.async_set(
        "climate.hall",
        "heat",
        {"current_temperature": 20.5, "hvac_action": "heating", "friendly_name": "H"},
    )

    fields = capture.last("climate.hall").fields
    assert fields["attr_current_temperature"] == 20.5
    assert fields["attr_hvac_action_text"] == "heating"
    assert not any("friendly" in name for name in fields)


def test_attributes_can_be_chosen_while_it_runs(
    hass: HomeAssistant, capture: Capture
) -> None:
    hass.states.async_set("light.a", "on", {"brightness": 100, "effect": "rain"})
    capture.set_options({"attributes": ["light.effect"]})
    hass.states.async_set("light.a", "on", {"brightness": 101, "effect": "snow"})

    first, second = capture.states("light.a")
    assert first.fields["attr_brightness"] == 100.0
    assert "attr_brightness" not in second.fields
    assert second.fields["attr_effect_text"] == "snow"

"""Rules by area, label and device, and the entities that follow them."""

from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.ingest.filter import (
    EntityFacts,
    EntityFilter,
    FilterReason,
)
from custom_components.ha_ingestor.options import HubOptions
from homeassistant.core import HomeAssistant
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    label_registry as lr,
)
from tests.ingest.kit import Capture

FACTS = EntityFacts(
    device_ids=("child", "parent"), label_ids=frozenset({"noisy"}), area_id="garage"
)
EVERYTHING: dict[str, Any] = {
    "entities": frozenset({"sensor.a"}),
    "globs": ("sensor.*",),
    "devices": frozenset({"parent"}),
    "labels": frozenset({"noisy"}),
    "areas": frozenset({"garage"}),
    "domains": frozenset({"sensor"}),
}
KINDS = list(EVERYTHING)


@pytest.mark.parametrize("wider", range(1, len(KINDS)))
def test_the_more_specific_rule_wins(wider: int) -> None:
    specific = KINDS[wider - 1]
    included = {f"include_{specific}": EVERYTHING[specific]}
    excluded = {f"exclude_{kind}": EVERYTHING[kind] for kind in KINDS[wider:]}
    decision = EntityFilter(HubOptions(**included, **excluded)).decide(
        "sensor.a", facts=FACTS
    )
    assert decision.is_captured
    excluded = {f"exclude_{specific}": EVERYTHING[specific]}
    included = {f"include_{kind}": EVERYTHING[kind] for kind in KINDS[wider:]}
    decision = EntityFilter(HubOptions(**included, **excluded)).decide(
        "sensor.a", facts=FACTS
    )
    assert not decision.is_captured


@pytest.mark.parametrize("kind", KINDS)
def test_exclude_wins_a_tie(kind: str) -> None:
    rules = {f"include_{kind}": EVERYTHING[kind], f"exclude_{kind}": EVERYTHING[kind]}
    decision = EntityFilter(HubOptions(**rules)).decide("sensor.a", facts=FACTS)
    assert not decision.is_captured
    assert decision.reason.startswith("excluded_")


@pytest.mark.parametrize("kind", ["areas", "labels", "devices"])
def test_a_list_of_includes_is_complete(kind: str) -> None:
    rules = HubOptions(**{f"include_{kind}": frozenset({"other"})})
    decision = EntityFilter(rules).decide("sensor.a", facts=FACTS)
    assert decision.reason is FilterReason.NOT_INCLUDED


@pytest.mark.parametrize("kind", ["areas", "labels", "devices"])
def test_a_list_of_excludes_leaves_the_rest(kind: str) -> None:
    rules = HubOptions(**{f"exclude_{kind}": frozenset({"other"})})
    decision = EntityFilter(rules).decide("sensor.a", facts=FACTS)
    assert decision.reason is FilterReason.DEFAULT


def count(capture: Capture) -> int:
    return len(capture.points(entity_id="sensor.demo_a"))


@pytest.fixture
def device(
    hass: HomeAssistant,
    device_registry: dr.DeviceRegistry,
    entity_registry: er.EntityRegistry,
) -> dr.DeviceEntry:
    """A device with the entity sensor.demo_a."""
    entry = MockConfigEntry(domain="demo")
    entry.add_to_hass(hass)
    device = device_registry.async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={("demo", "1")}
    )
    entity_registry.async_get_or_create(
        "sensor",
        "demo",
        "a",
        device_id=device.id,
        config_entry=entry,
        suggested_object_id="demo_a",
    )
    return device


@pytest.mark.parametrize("hub_options", [{"exclude_areas": ["garage"]}])
async def test_an_entity_that_is_moved_follows_the_rules_of_its_area(
    hass: HomeAssistant,
    capture: Capture,
    device: dr.DeviceEntry,
    device_registry: dr.DeviceRegistry,
    area_registry: ar.AreaRegistry,
) -> None:
    area_registry.async_create("Garage")
    hass.states.async_set("sensor.demo_a", "1")
    device_registry.async_update_device(device.id, area_id="garage")
    hass.states.async_set("sensor.demo_a", "2")
    device_registry.async_update_device(device.id, area_id=None)
    hass.states.async_set("sensor.demo_a", "3")
    assert count(capture) == 2


@pytest.mark.parametrize("hub_options", [{"exclude_labels": ["noisy"]}])
@pytest.mark.parametrize("where", ["entity", "device", "area"])
async def test_a_label_counts_wherever_it_hangs(
    hass: HomeAssistant,
    capture: Capture,
    device: dr.DeviceEntry,
    device_registry: dr.DeviceRegistry,
    entity_registry: er.EntityRegistry,
    area_registry: ar.AreaRegistry,
    label_registry: lr.LabelRegistry,
    where: str,
) -> None:
    label_registry.async_create("Noisy")
    area = area_registry.async_create("Garage")
    device_registry.async_update_device(device.id, area_id=area.id)
    hass.states.async_set("sensor.demo_a", "1")
    assert count(capture) == 1
    hang = {
        "entity": lambda labels: entity_registry.async_update_entity(
            "sensor.demo_a", labels=labels
        ),
        "device": lambda labels: device_registry.async_update_device(
            device.id, labels=labels
        ),
        "area": lambda labels: area_registry.async_update(area.id, labels=labels),
    }[where]
    hang({"noisy"})
    hass.states.async_set("sensor.demo_a", "2")
    assert count(capture) == 1
    hang(set())
    hass.states.async_set("sensor.demo_a", "3")
    assert count(capture) == 2


async def test_rules_by_device(
    hass: HomeAssistant, capture: Capture, device: dr.DeviceEntry
) -> None:
    capture.set_options({"include_devices": [device.id]})
    hass.states.async_set("sensor.demo_a", "1")
    hass.states.async_set("sensor.other", "1")
    assert count(capture) == 1
    assert capture.points(entity_id="sensor.other") == []


async def test_all_decisions_without_an_event(
    hass: HomeAssistant, capture: Capture, device: dr.DeviceEntry
) -> None:
    hass.states.async_set("sensor.demo_a", "1")
    hass.states.async_set("light.b", "on")
    capture.set_options({"exclude_devices": [device.id]})
    decisions = capture.listener.planner.decide_all()
    assert {name: decision.is_captured for name, decision in decisions.items()} == {
        "sensor.demo_a": False,
        "light.b": True,
    }

"""What a change means is shown before it is saved, from a real recorder."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
import threading
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.ha_ingestor.estimate import recorder_queries
from custom_components.ha_ingestor.flows import hub_options
from custom_components.ha_ingestor.flows.confirmation import format_number
from homeassistant.components.recorder import Recorder
from homeassistant.components.recorder.core import MAX_DB_EXECUTOR_WORKERS
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    label_registry as lr,
)
from tests.flows.options_kit import choose, fill, open_form, submit
from tests.flows.texts import get_suggestions

RULE = {"glob": "sensor.power", "min_interval_s": 3600.0}


@pytest.fixture(autouse=True)
def _custom_integrations(
    recorder_mock: Recorder, enable_custom_integrations: None
) -> None:
    """Start the recorder before Home Assistant, as it has to be."""


@pytest.fixture
async def home(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """A day of a home: 60 changes of one sensor, few of two others."""
    hass.states.async_set("sensor.quiet", "1")
    await async_wait_recording_done(hass)
    freezer.tick(timedelta(hours=25))
    for number in range(60):
        hass.states.async_set("sensor.power", str(number))
    for number in range(3):
        hass.states.async_set("sensor.room", str(number))
        hass.states.async_set("light.hall", "on", {"brightness": number})
    await async_wait_recording_done(hass)


async def confirm(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    step_id: str,
    user_input: dict[str, Any],
) -> dict[str, Any]:
    """Fill a form; returns the confirmation."""
    form = await open_form(hass, entry, step_id)
    menu = await submit(hass, form, user_input)
    assert menu["type"] is FlowResultType.MENU
    assert menu["menu_options"] == ["save", "edit"]
    assert entry.options == {}
    return menu


@pytest.mark.usefixtures("home")
async def test_capture(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    menu = await confirm(
        hass, entry, "capture", fill("capture", "exclude_entities", ["sensor.power"])
    )
    assert menu["step_id"] == "confirm"
    assert menu["description_placeholders"] == {
        "captured": "3",
        "total": "4",
        "added": "0",
        "removed": "1",
        "points": "6",
        "points_now": "66",
        # 6 points x 365 days x 44 bytes are 96 kB, 66 are 1.1 MB.
        "megabytes": "0.1",
        "megabytes_now": "1.1",
        "hours": "24",
        "bytes_per_point": "44",
        "busiest": "- `light.hall`: 3\n- `sensor.room`: 3",
    }
    result = await choose(hass, menu, "save")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options == {"exclude_entities": ["sensor.power"]}

    # Now the other way round.
    form = await open_form(hass, entry, "capture")
    menu = await submit(hass, form, fill("capture", "exclude_domains", ["light"]))
    shown = menu["description_placeholders"]
    assert (shown["added"], shown["removed"]) == ("1", "1")
    assert (shown["points"], shown["points_now"]) == ("63", "6")


@pytest.mark.usefixtures("home")
async def test_sampling(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    menu = await confirm(hass, entry, "sampling", {"sampling": [RULE]})
    shown = menu["description_placeholders"]
    assert (shown["captured"], shown["added"], shown["removed"]) == ("4", "0", "0")
    assert (shown["points"], shown["points_now"]) == ("30", "66")
    assert shown["busiest"].splitlines()[0] == "- `sensor.power`: 24"
    await choose(hass, menu, "save")
    assert entry.options == {"sampling": [RULE]}


@pytest.mark.usefixtures("home")
async def test_nothing_is_captured(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    menu = await confirm(
        hass, entry, "capture", fill("capture", "event_kinds", ["users"])
    )
    shown = menu["description_placeholders"]
    assert (shown["captured"], shown["removed"]) == ("0", "4")
    assert (shown["points"], shown["megabytes"]) == ("0", "0")
    assert shown["busiest"] == "\N{EN DASH}"


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("step_id", "first", "second", "expected"),
    [
        pytest.param(
            "capture",
            fill("capture", "include_globs", [" sensor.* "]),
            fill("capture", "include_globs", ["light.*"]),
            {"include_globs": ["light.*"]},
            id="capture",
        ),
        pytest.param(
            "sampling",
            {"sampling": [RULE]},
            {"sampling": [{**RULE, "glob": "light.*"}]},
            {"sampling": [{**RULE, "glob": "light.*"}]},
            id="sampling",
        ),
    ],
)
async def test_going_back_to_change(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    step_id: str,
    first: dict[str, Any],
    second: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    menu = await confirm(hass, entry, step_id, first)
    form = await choose(hass, menu, "edit")
    assert form["type"] is FlowResultType.FORM
    assert form["step_id"] == step_id
    assert not form["errors"]
    # As it was filled, not as it is stored.
    assert get_suggestions(form["data_schema"]) == first
    menu = await submit(hass, form, second)
    assert menu["step_id"] == "confirm"
    await choose(hass, menu, "save")
    assert entry.options == expected


@pytest.mark.usefixtures("home")
async def test_closing_the_confirmation_saves_nothing(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    menu = await confirm(hass, entry, "sampling", {"sampling": [RULE]})
    hass.config_entries.options.async_abort(menu["flow_id"])
    assert entry.options == {}


async def test_rules_by_registries(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    area_registry: ar.AreaRegistry,
    device_registry: dr.DeviceRegistry,
    entity_registry: er.EntityRegistry,
    label_registry: lr.LabelRegistry,
) -> None:
    kitchen = area_registry.async_create("Kitchen")
    noisy = label_registry.async_create("Noisy")
    device = device_registry.async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={("test", "1")}
    )
    names = []
    for number in range(4):
        item = entity_registry.async_get_or_create(
            "sensor",
            "test",
            str(number),
            config_entry=entry,
            device_id=device.id if number < 2 else None,
        )
        names.append(item.entity_id)
        hass.states.async_set(item.entity_id, "1")
    entity_registry.async_update_entity(names[2], area_id=kitchen.id)
    entity_registry.async_update_entity(names[1], labels={noisy.label_id})

    form = await open_form(hass, entry, "capture")
    filled = {
        "include": {"include_devices": [device.id], "include_areas": [kitchen.id]},
        "exclude": {"exclude_labels": [noisy.label_id]},
    }
    menu = await submit(hass, form, filled)
    shown = menu["description_placeholders"]
    # A device goes before a label, so its noisy entity stays.
    assert (shown["captured"], shown["total"], shown["removed"]) == ("3", "4", "1")

    form = await choose(hass, menu, "edit")
    filled["include"].pop("include_devices")
    menu = await submit(hass, form, filled)
    assert menu["description_placeholders"]["captured"] == "1"
    await choose(hass, menu, "save")
    assert entry.options == {
        "include_areas": [kitchen.id],
        "exclude_labels": [noisy.label_id],
    }


@contextmanager
def keep_busy(recorder: Recorder) -> Iterator[None]:
    """Occupy all threads of the recorder that answer questions."""
    is_free = threading.Event()
    for _ in range(MAX_DB_EXECUTOR_WORKERS):
        recorder.async_add_executor_job(is_free.wait, 10)
    try:
        with patch.object(hub_options, "COUNT_TIMEOUT_S", 0.05):
            yield
    finally:
        is_free.set()


async def test_recorder_that_takes_too_long(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    recorder_mock: Recorder,
) -> None:
    # Without the frozen clock, by which no time-out would ever end.
    hass.states.async_set("sensor.power", "1")
    await async_wait_recording_done(hass)
    count = recorder_queries.count_states
    with patch.object(recorder_queries, "count_states", side_effect=count) as asked:
        with keep_busy(recorder_mock):
            menu = await confirm(hass, entry, "sampling", {"sampling": [RULE]})
        assert menu["step_id"] == "confirm_without_estimate"
        assert menu["description_placeholders"] == {
            "captured": "1",
            "total": "1",
            "added": "0",
            "removed": "0",
        }
        form = await choose(hass, menu, "edit")
        menu = await submit(hass, form, {"sampling": [RULE]})
    assert menu["step_id"] == "confirm"
    assert menu["description_placeholders"]["points"] == "24"
    # A second question would only have made it slower.
    assert asked.call_count == 1
    await choose(hass, menu, "save")
    assert entry.options == {"sampling": [RULE]}


async def test_nobody_waits_for_a_closed_dialog(
    hass: HomeAssistant, entry: MockConfigEntry, recorder_mock: Recorder
) -> None:
    with keep_busy(recorder_mock):
        menu = await confirm(hass, entry, "sampling", {"sampling": [RULE]})
        [flow] = hass.config_entries.options._progress.values()
        hass.config_entries.options.async_abort(menu["flow_id"])
        await asyncio.wait([flow._counting], timeout=1)
        assert flow._counting.cancelled()


@pytest.mark.usefixtures("home")
async def test_recorder_that_is_starting(
    hass: HomeAssistant, entry: MockConfigEntry, recorder_mock: Recorder
) -> None:
    ready = recorder_mock.async_db_ready
    recorder_mock.async_db_ready = hass.loop.create_future()
    menu = await confirm(hass, entry, "sampling", {"sampling": [RULE]})
    assert menu["step_id"] == "confirm_without_estimate"
    recorder_mock.async_db_ready = ready
    form = await choose(hass, menu, "edit")
    menu = await submit(hass, form, {"sampling": [RULE]})
    assert menu["step_id"] == "confirm"
    await choose(hass, menu, "save")
    assert entry.options == {"sampling": [RULE]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (0.04, "0"),
        (0.05001, "0.1"),
        (3, "3"),
        (9.94, "9.9"),
        (9.96, "10"),
        (12.7, "13"),
        (1234567.8, "1\u202f234\u202f568"),
    ],
)
def test_numbers_read_the_same_in_every_language(value: float, expected: str) -> None:
    assert format_number(value) == expected

"""The options flow: each form saves, clears and refuses as it says."""

from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.models import ContextField, EventKind
from custom_components.ha_ingestor.options import (
    DEFAULT_ATTRIBUTES,
    HubOptions,
    SamplingRule,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from tests.flows.options_kit import SECTIONS, choose, fill, open_form, save, submit
from tests.flows.texts import get_field_names, get_suggestions


@pytest.mark.parametrize(
    ("step_id", "user_input", "expected"),
    [
        pytest.param(
            "capture",
            {
                "include": {
                    "include_entities": ["light.hall"],
                    "include_globs": [" sensor.*_power ", "", "sensor.*_power"],
                    "include_devices": ["device-1"],
                    "include_labels": ["energy", "costs"],
                    "include_areas": ["kitchen"],
                    "include_domains": ["sensor"],
                },
                "exclude": {
                    "exclude_entities": ["sensor.noise"],
                    "exclude_globs": ["sensor.a?_[xy]"],
                    "exclude_devices": ["device-2", "device-3"],
                    "exclude_labels": ["noisy"],
                    "exclude_areas": ["garden"],
                    "exclude_domains": ["sun"],
                },
                "event_kinds": ["states", "users"],
                "attributes": ["climate.temperature", "*.Battery Level"],
            },
            HubOptions(
                include_domains=frozenset({"sensor"}),
                include_globs=("sensor.*_power",),
                include_entities=frozenset({"light.hall"}),
                include_devices=frozenset({"device-1"}),
                include_labels=frozenset({"energy", "costs"}),
                include_areas=frozenset({"kitchen"}),
                exclude_devices=frozenset({"device-2", "device-3"}),
                exclude_labels=frozenset({"noisy"}),
                exclude_areas=frozenset({"garden"}),
                exclude_domains=frozenset({"sun"}),
                exclude_globs=("sensor.a?_[xy]",),
                exclude_entities=frozenset({"sensor.noise"}),
                event_kinds=frozenset({EventKind.STATES, EventKind.USERS}),
                attributes=("climate.temperature", "*.Battery Level"),
            ),
            id="capture",
        ),
        pytest.param(
            "sampling",
            {
                "sampling": [
                    {
                        "glob": " sensor.power_* ",
                        "min_interval_s": 10,
                        "deadband": 0.5,
                        "deadband_percent": 2,
                        "heartbeat_s": 600,
                    },
                    {"glob": "*.[!a]?", "deadband": 1, "heartbeat_s": None},
                ]
            },
            HubOptions(
                sampling=(
                    SamplingRule(
                        glob="sensor.power_*",
                        min_interval_s=10.0,
                        deadband=0.5,
                        deadband_percent=2.0,
                        heartbeat_s=600.0,
                    ),
                    SamplingRule(glob="*.[!a]?", deadband=1.0),
                )
            ),
            id="sampling",
        ),
        pytest.param(
            "context",
            {
                "context_fields": ["daylight"],
                "weather_entity": "weather.home",
                "outdoor_temperature_entity": "sensor.outside",
                "carbon_intensity_entity": "sensor.carbon",
                "electricity_price_entity": "sensor.price",
                "presence_entities": ["person.ada", "zone.home"],
            },
            HubOptions(
                context_fields=frozenset({ContextField.DAYLIGHT}),
                weather_entity="weather.home",
                outdoor_temperature_entity="sensor.outside",
                carbon_intensity_entity="sensor.carbon",
                electricity_price_entity="sensor.price",
                presence_entities=("person.ada", "zone.home"),
            ),
            id="context",
        ),
        pytest.param(
            "writer",
            {
                "flush_interval_s": 0.5,
                "buffer_mib": 64,
                "full_sync": True,
                "newest_first": True,
                "static_tags": ["site = cottage", " ", "zone=a=b"],
            },
            HubOptions(
                flush_interval_s=0.5,
                buffer_bytes=64 * 1024 * 1024,
                is_full_sync=True,
                is_newest_first=True,
                static_tags=(("site", "cottage"), ("zone", "a=b")),
            ),
            id="writer",
        ),
    ],
)
async def test_form_saves(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    step_id: str,
    user_input: dict[str, Any],
    expected: HubOptions,
) -> None:
    form = await open_form(hass, entry, step_id)
    result = await save(hass, form, user_input)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert HubOptions.from_entry_options(entry.options) == expected

    # The next time the form shows what has been saved, and saving it changes nothing.
    saved = dict(entry.options)
    form = await open_form(hass, entry, step_id)
    await save(hass, form, get_suggestions(form["data_schema"]))
    assert entry.options == saved


@pytest.mark.parametrize("step_id", ["capture", "sampling", "context", "writer"])
async def test_untouched_form_stores_nothing(
    hass: HomeAssistant, entry: MockConfigEntry, step_id: str
) -> None:
    form = await open_form(hass, entry, step_id)
    await save(hass, form, get_suggestions(form["data_schema"]))
    # What follows its default must be free to follow a better one later.
    assert entry.options == {}


async def test_forms_show_defaults(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    hass.states.async_set("vacuum.robbie", "docked")
    form = await open_form(hass, entry, "capture")
    shown = get_suggestions(form["data_schema"])
    assert shown["attributes"] == list(DEFAULT_ATTRIBUTES)
    assert set(shown["event_kinds"]) == {kind.value for kind in EventKind}
    include = form["data_schema"].schema["include"].schema.schema
    assert "vacuum" in include["include_domains"].config["options"]
    form = await open_form(hass, entry, "context")
    shown = get_suggestions(form["data_schema"])
    assert "outdoor_temperature" in shown["context_fields"]
    form = await open_form(hass, entry, "writer")
    shown = get_suggestions(form["data_schema"])
    assert shown == {
        "flush_interval_s": 1.0,
        "full_sync": False,
        "newest_first": False,
        "static_tags": [],
    }


@pytest.mark.parametrize(
    "options",
    [
        {
            "include_domains": ["sensor"],
            "exclude_globs": ["sensor.x*"],
            "exclude_areas": ["garden"],
            "sampling": [{"glob": "sensor.*", "min_interval_s": 10.0}],
            "event_kinds": ["states"],
            "attributes": ["sun.elevation"],
            "weather_entity": "weather.home",
            "presence_entities": ["person.ada"],
            "buffer_mib": 64,
            "full_sync": True,
            "newest_first": True,
            "static_tags": {"site": "cottage"},
        }
    ],
)
@pytest.mark.parametrize(
    ("step_id", "cleared", "removed"),
    [
        (
            "capture",
            {"include": {}, "exclude": {"exclude_areas": []}},
            {
                "include_domains",
                "exclude_globs",
                "exclude_areas",
                "event_kinds",
                "attributes",
            },
        ),
        ("sampling", {"sampling": []}, {"sampling"}),
        ("context", {}, {"weather_entity", "presence_entities"}),
        ("writer", {}, {"buffer_mib", "full_sync", "newest_first", "static_tags"}),
    ],
)
async def test_cleared_values_are_removed(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    options: dict[str, Any],
    step_id: str,
    cleared: dict[str, Any],
    removed: set[str],
) -> None:
    form = await open_form(hass, entry, step_id)
    shown = get_suggestions(form["data_schema"])
    shown |= shown.pop("include", {}) | shown.pop("exclude", {})
    assert removed <= set(shown)
    await save(hass, form, cleared)
    # Nothing of this form is left, everything of the others is.
    assert set(entry.options) == set(options) - removed


@pytest.mark.parametrize(
    ("step_id", "field"), [("capture", "attributes"), ("context", "context_fields")]
)
async def test_empty_list_means_none(
    hass: HomeAssistant, entry: MockConfigEntry, step_id: str, field: str
) -> None:
    form = await open_form(hass, entry, step_id)
    await save(hass, form, fill(step_id, field, []))
    assert entry.options == {field: []}
    assert not getattr(HubOptions.from_entry_options(entry.options), field)


@pytest.mark.parametrize(
    ("step_id", "field", "wrong", "error", "named", "right"),
    [
        pytest.param(*case, id=f"{case[1]}-{case[3]}-{index}")
        for index, case in enumerate(
            [
                ("capture", "include_domains", ["Sensor!"], "invalid_domain", "Sensor!", ["sensor"]),
                ("capture", "exclude_domains", ["a.b", "c"], "invalid_domain", "a.b", ["c"]),
                ("capture", "include_globs", ["Sensor.*"], "invalid_glob", "Sensor.*", ["sensor.*"]),
                ("capture", "include_globs", ["sensor.[ab"], "invalid_glob", "sensor.[ab", ["sensor.[ab]"]),
                ("capture", "exclude_globs", ["sensor. x", "a]"], "invalid_glob", "sensor. x, a]", ["sensor.[!a]*"]),
                ("capture", "attributes", ["temperature"], "invalid_attribute", "temperature", ["climate.temperature"]),
                ("capture", "attributes", ["climate."], "invalid_attribute", "climate.", ["climate.*"]),
                ("capture", "attributes", [".x"], "invalid_attribute", ".x", ["*.x"]),
                ("capture", "attributes", ["cl[x.y"], "invalid_attribute", "cl[x.y", ["cl[x].y"]),
                ("capture", "attributes", ["a.x[y"], "invalid_attribute", "a.x[y", ["a.x[y]"]),
                ("capture", "attributes", ["a. x"], "invalid_attribute", "a. x", ["a.x"]),
                ("capture", "attributes", ["a.x\ny"], "invalid_attribute", "a.x\ny", ["a.xy"]),
                ("writer", "static_tags", ["site"], "tag_incomplete", "site", ["site=a"]),
                ("writer", "static_tags", ["=a"], "tag_incomplete", "=a", ["site=a"]),
                ("writer", "static_tags", ["site="], "tag_incomplete", "site=", ["site=a"]),
                ("writer", "static_tags", ["si\nte=a"], "tag_unprintable", "si\nte=a", ["site=a"]),
                ("writer", "static_tags", ["site=a\x07b"], "tag_unprintable", "site=a\x07b", ["site=ab"]),
                ("writer", "static_tags", ["_site=a"], "tag_underscore", "_site=a", ["site=a"]),
                ("writer", "static_tags", ["area=a"], "tag_reserved", "area=a", ["wing=a"]),
                ("writer", "static_tags", ["value=a"], "tag_reserved", "value=a", ["values=a"]),
                ("writer", "static_tags", ["daylight=a"], "tag_reserved", "daylight=a", ["light=a"]),
                ("writer", "static_tags", ["attr_x=a"], "tag_reserved", "attr_x=a", ["attribute_x=a"]),
                ("writer", "static_tags", ["a=1", "a=2"], "tag_repeated", "a=2", ["a=1", "b=2"]),
            ]
        )
    ],
)  # fmt: skip
async def test_wrong_text_is_named_on_its_field(
    hass: HomeAssistant,
    *,
    entry: MockConfigEntry,
    step_id: str,
    field: str,
    wrong: list[str],
    error: str,
    named: str,
    right: list[str],
) -> None:
    form = await open_form(hass, entry, step_id)
    form = await submit(hass, form, fill(step_id, field, wrong))
    assert form["type"] is FlowResultType.FORM
    # Of a section only the section itself can be marked.
    assert form["errors"] == {SECTIONS.get(field.partition("_")[0], field): error}
    assert form["description_placeholders"] == {"invalid": named}
    # What was typed is still there to be corrected, and nothing has been stored.
    assert get_suggestions(form["data_schema"]) == fill(step_id, field, wrong)
    assert entry.options == {}

    result = await save(hass, form, fill(step_id, field, right))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert list(entry.options) == [field]


@pytest.mark.parametrize("options", [{"exclude_areas": ["garden"]}])
async def test_sections_with_something_to_see_are_open(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    def list_open(form: dict[str, Any]) -> list[str]:
        return [
            name
            for name in SECTIONS.values()
            if not form["data_schema"].schema[name].options["collapsed"]
        ]

    form = await open_form(hass, entry, "capture")
    assert list_open(form) == ["exclude"]
    form = await submit(hass, form, fill("capture", "include_globs", ["Sensor.*"]))
    assert list_open(form) == ["include"]
    form = await submit(hass, form, fill("capture", "attributes", ["wrong"]))
    assert list_open(form) == []
    await save(hass, form, fill("capture", "include_globs", ["sensor.*"]))
    assert entry.options == {"include_globs": ["sensor.*"]}


@pytest.mark.parametrize(
    ("step_id", "user_input"),
    [
        ("capture", fill("capture", "exclude_domains", ["sun"])),
        ("sampling", {"sampling": [{"glob": "sun.*", "min_interval_s": 60}]}),
    ],
)
async def test_home_without_a_recorder(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    step_id: str,
    user_input: dict[str, Any],
) -> None:
    hass.states.async_set("sun.sun", "above_horizon")
    form = await open_form(hass, entry, step_id)
    menu = await submit(hass, form, user_input)
    assert menu["step_id"] == "confirm_without_estimate"
    assert menu["description_placeholders"]["total"] == "1"
    # Coming back does not find one either, and saves all the same.
    form = await choose(hass, menu, "edit")
    menu = await submit(hass, form, user_input)
    assert menu["step_id"] == "confirm_without_estimate"
    result = await choose(hass, menu, "save")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert len(entry.options) == 1


async def test_no_event_kind_is_refused(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    form = await open_form(hass, entry, "capture")
    form = await submit(hass, form, fill("capture", "event_kinds", []))
    assert form["errors"] == {"event_kinds": "no_event_kinds"}
    await save(hass, form, fill("capture", "event_kinds", ["scripts"]))
    assert entry.options == {"event_kinds": ["scripts"]}


@pytest.mark.parametrize(
    ("field", "wrong", "right"),
    [
        ("flush_interval_s", 0.04, 0.05),
        ("flush_interval_s", 60.1, 60.0),
        ("buffer_mib", 15, 16),
        ("buffer_mib", 102_401, 102_400),
    ],
)
async def test_number_out_of_range(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    field: str,
    wrong: float,
    right: float,
) -> None:
    form = await open_form(hass, entry, "writer")
    with pytest.raises(InvalidData) as raised:
        await submit(hass, form, {field: wrong})
    assert list(raised.value.schema_errors) == [field]
    await submit(hass, form, {field: right})
    assert entry.options == {field: right}


async def test_optional_values_have_no_default_that_would_come_back(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    form = await open_form(hass, entry, "context")
    assert get_field_names(form["data_schema"]) == [
        "context_fields",
        "weather_entity",
        "outdoor_temperature_entity",
        "carbon_intensity_entity",
        "electricity_price_entity",
        "presence_entities",
    ]
    assert form["data_schema"]({}) == {}

"""The form of the sampling rules: what is wrong is said of the rule that it is in."""

from typing import Any

import probatio
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.flows.sampling_rules import SAMPLING_SCHEMA
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.helpers import config_validation as cv
from tests.flows.options_kit import open_form, save, submit
from tests.flows.texts import get_suggestions, load_translations

NEEDED = {"name", "description"}
GOOD: dict[str, Any] = {"glob": "sensor.power_*", "min_interval_s": 10.0}


@pytest.mark.parametrize(
    ("wrong", "error", "bounds"),
    [
        pytest.param({"glob": "sensor"}, "rule_glob", None, id="no-dot"),
        pytest.param({"glob": "*"}, "rule_glob", None, id="only-a-star"),
        pytest.param({"glob": "sensor."}, "rule_glob", None, id="no-name"),
        pytest.param({"glob": ".power"}, "rule_glob", None, id="no-domain"),
        pytest.param({"glob": "sensor.a.b"}, "rule_glob", None, id="two-dots"),
        pytest.param({"glob": "Sensor.*"}, "rule_glob", None, id="capital"),
        pytest.param({"glob": "sensor.[ab"}, "rule_glob", None, id="bracket"),
        pytest.param({"glob": " "}, "rule_glob", None, id="blank"),
        pytest.param({"glob": 5}, "rule_glob", None, id="no-text"),
        pytest.param({}, "rule_incomplete", None, id="nothing-but-a-glob"),
        pytest.param(
            {"deadband": None, "heartbeat_s": ""}, "rule_incomplete", None, id="emptied"
        ),
        pytest.param(
            {"min_interval_s": 0.05},
            "rule_min_interval",
            ("0.1", "86400"),
            id="short-interval",
        ),
        pytest.param(
            {"min_interval_s": 86_401},
            "rule_min_interval",
            ("0.1", "86400"),
            id="long-interval",
        ),
        pytest.param(
            {"min_interval_s": "soon"},
            "rule_min_interval",
            ("0.1", "86400"),
            id="no-number",
        ),
        pytest.param(
            {"min_interval_s": [1]},
            "rule_min_interval",
            ("0.1", "86400"),
            id="list-of-numbers",
        ),
        pytest.param(
            {"deadband": 0},
            "rule_deadband",
            ("0.000001", "1000000000000"),
            id="deadband",
        ),
        pytest.param(
            {"deadband": float("nan")},
            "rule_deadband",
            ("0.000001", "1000000000000"),
            id="deadband-nan",
        ),
        pytest.param(
            {"deadband_percent": 101},
            "rule_deadband_percent",
            ("0.001", "100"),
            id="percent",
        ),
        pytest.param(
            {"heartbeat_s": 0.5}, "rule_heartbeat", ("1", "604800"), id="heartbeat"
        ),
        pytest.param(
            {"min_interval_s": 60, "heartbeat_s": 59},
            "rule_heartbeat_short",
            None,
            id="heartbeat-before-interval",
        ),
    ],
)
async def test_wrong_rule_is_named(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    wrong: dict[str, Any],
    error: str,
    bounds: tuple[str, str] | None,
) -> None:
    rule = {"glob": "light.*", **wrong}
    form = await open_form(hass, entry, "sampling")
    form = await submit(hass, form, {"sampling": [GOOD, rule]})
    assert form["type"] is FlowResultType.FORM
    assert form["errors"] == {"sampling": error}
    named = {"rule": "2", "glob": str(rule["glob"])}
    limits = dict(zip(("minimum", "maximum"), bounds or (), strict=False))
    assert form["description_placeholders"] == named | limits
    # Both rules are still there, the good one and the one to be corrected.
    assert get_suggestions(form["data_schema"])["sampling"][0] == GOOD
    assert list(get_suggestions(form["data_schema"])["sampling"][1]) == list(rule)
    assert entry.options == {}

    right = {"glob": "light.*", "heartbeat_s": 600}
    result = await save(hass, form, {"sampling": [GOOD, right]})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options == {"sampling": [GOOD, right]}


async def test_rule_that_would_never_be_used(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    again = {"glob": "sensor.power_* ", "deadband": 5}
    form = await open_form(hass, entry, "sampling")
    form = await submit(hass, form, {"sampling": [GOOD, again]})
    assert form["errors"] == {"sampling": "rule_repeated"}
    assert form["description_placeholders"]["rule"] == "2"
    other = {"glob": "sensor.power", "deadband": 5}
    await save(hass, form, {"sampling": [GOOD, other]})
    assert entry.options == {"sampling": [GOOD, other]}


@pytest.mark.parametrize(
    "wrong",
    [GOOD, "sensor.*", ["sensor.*"], [{**GOOD, "unit": "W"}]],
    ids=["no-list", "text", "list-of-texts", "unknown-field"],
)
async def test_what_no_browser_sends(
    hass: HomeAssistant, entry: MockConfigEntry, wrong: Any
) -> None:
    form = await open_form(hass, entry, "sampling")
    with pytest.raises(InvalidData):
        await submit(hass, form, {"sampling": wrong})
    await save(hass, form, {"sampling": [GOOD]})
    assert entry.options == {"sampling": [GOOD]}


def test_browser_gets_the_fields() -> None:
    [field] = probatio.to_field_list(
        SAMPLING_SCHEMA, custom_serializer=cv.custom_serializer
    )
    config = field["selector"]["object"]
    assert config["multiple"] is True
    assert list(config["fields"]) == [
        "glob",
        "min_interval_s",
        "deadband",
        "deadband_percent",
        "heartbeat_s",
    ]
    assert config["fields"]["glob"]["required"] is True
    units = {
        name: inner["selector"]["number"].get("unit_of_measurement")
        for name, inner in config["fields"].items()
        if "number" in inner["selector"]
    }
    assert units == {
        "min_interval_s": "s",
        "deadband": None,
        "deadband_percent": "%",
        "heartbeat_s": "s",
    }
    texts = load_translations()["selector"][config["translation_key"]]["fields"]
    bare = [name for name in config["fields"] if set(texts[name]) != NEEDED]
    assert bare == []
    assert list(texts) == list(config["fields"])

"""The step that offers to create a database or bucket."""

from typing import Any
from unittest.mock import MagicMock

import pytest

from custom_components.ha_ingestor.errors import (
    StoreAuthError,
    StoreMissingError,
    StorePermissionError,
    StoreRight,
)
from custom_components.ha_ingestor.store.influx.target import Target
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from tests.flows.kit import (
    DATA,
    INPUTS,
    V1_DATA,
    V1_INPUT,
    V2_INPUT,
    add_entry,
    has_only,
    start,
    submit,
    tried_targets,
)
from tests.flows.texts import get_suggestions

pytestmark = pytest.mark.usefixtures("probe")


@pytest.mark.parametrize("step_id", ["v1", "v2", "v3"])
async def test_store_is_created(
    hass: HomeAssistant, probe: MagicMock, step_id: str
) -> None:
    probe.side_effect = has_only()
    form = await start(hass, step_id)
    form = await submit(hass, form, INPUTS[step_id])
    assert form["type"] is FlowResultType.FORM
    assert form["step_id"] == "create_store"
    assert form["errors"] is None
    assert get_suggestions(form["data_schema"]) == {"store": "home_assistant"}
    target = Target.from_entry_data(DATA[step_id])
    assert form["description_placeholders"] == {
        "store": "home_assistant",
        "url": target.url,
    }
    # Nothing is created before the user has agreed.
    assert tried_targets(probe) == [(target, False)]

    result = await submit(hass, form, {"store": "home_assistant"})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"] == DATA[step_id]
    assert tried_targets(probe)[-1] == (target, True)


async def test_name_of_store_is_corrected(
    hass: HomeAssistant, probe: MagicMock
) -> None:
    probe.side_effect = has_only("ha")
    form = await start(hass, "v1")
    form = await submit(hass, form, V1_INPUT)
    form = await submit(hass, form, {"store": "h/a"})
    assert form["errors"] == {"store": "invalid_store"}
    assert get_suggestions(form["data_schema"]) == {"store": "h/a"}
    result = await submit(hass, form, {"store": "ha"})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "ha on influx.local"
    assert result["data"] == {**V1_DATA, "store": "ha"}
    assert not any(is_created for _, is_created in tried_targets(probe))


async def test_corrected_name_is_another_hub(
    hass: HomeAssistant, probe: MagicMock
) -> None:
    add_entry(hass, {**V1_DATA, "store": "ha"})
    probe.side_effect = has_only("ha")
    form = await start(hass, "v1")
    form = await submit(hass, form, V1_INPUT)
    result = await submit(hass, form, {"store": "ha"})
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"


@pytest.mark.parametrize(
    ("step_id", "changes", "command"),
    [
        (
            "v1",
            {},
            'CREATE DATABASE "home_assistant"; GRANT ALL ON "home_assistant" TO "ada"',
        ),
        ("v1", {"username": ""}, 'CREATE DATABASE "home_assistant"'),
        (
            "v2",
            {},
            'influx bucket create --name "home_assistant" --org "home" --retention 0',
        ),
        ("v3", {}, 'influxdb3 create database "home_assistant"'),
    ],
)
async def test_store_may_not_be_created(
    hass: HomeAssistant,
    probe: MagicMock,
    step_id: str,
    changes: dict[str, Any],
    command: str,
) -> None:
    form = await start(hass, step_id)
    probe.side_effect = StoreMissingError("missing")
    form = await submit(hass, form, {**INPUTS[step_id], **changes})
    probe.side_effect = [
        StoreMissingError("missing"),
        StorePermissionError("no", right=StoreRight.CREATE),
    ]
    form = await submit(hass, form, {"store": "home_assistant"})
    assert form["step_id"] == "create_store"
    assert form["errors"] == {"base": "create_not_allowed"}
    assert form["description_placeholders"]["command"] == command

    # An administrator has created it by now: it must not be created again.
    probe.side_effect = None
    probe.reset_mock()
    result = await submit(hass, form, {"store": "home_assistant"})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert [is_created for _, is_created in tried_targets(probe)] == [False]


async def test_credentials_refused_while_creating(
    hass: HomeAssistant, probe: MagicMock
) -> None:
    form = await start(hass, "v2")
    probe.side_effect = StoreMissingError("missing")
    form = await submit(hass, form, V2_INPUT)
    # The form has no token to mark, so the error stands above it.
    probe.side_effect = StoreAuthError("no")
    form = await submit(hass, form, {"store": "home_assistant"})
    assert form["errors"] == {"base": "token_refused"}
    probe.side_effect = None
    result = await submit(hass, form, {"store": "home_assistant"})
    assert result["type"] is FlowResultType.CREATE_ENTRY

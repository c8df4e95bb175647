"""Reauthentication and reconfiguration of a hub."""

from typing import Any
from unittest.mock import MagicMock

import pytest

from custom_components.ha_ingestor.errors import (
    StoreAuthError,
    StoreMissingError,
    StoreRefusedError,
    StoreVersionError,
)
from custom_components.ha_ingestor.store.influx.target import Target
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from tests.flows.kit import (
    DATA,
    V1_DATA,
    V1_INPUT,
    V2_DATA,
    V2_INPUT,
    V3_DATA,
    add_entry,
    has_only,
    submit,
)
from tests.flows.texts import get_field_names, get_suggestions

pytestmark = pytest.mark.usefixtures("probe")


@pytest.mark.parametrize(
    ("step_id", "fields", "user_input", "stored", "raised", "error"),
    [
        (
            "v1",
            ["username", "password"],
            {"username": " bob ", "password": " new "},
            {"username": "bob", "password": " new "},
            StoreAuthError("x"),
            {"password": "password_refused"},
        ),
        (
            "v2",
            ["token"],
            {"token": " new "},
            {"token": "new"},
            StoreAuthError("x"),
            {"token": "token_refused"},
        ),
        (
            "v3",
            ["token"],
            {"token": "new"},
            {"token": "new"},
            StoreRefusedError("x"),
            {"base": "connection_refused"},
        ),
        (
            "v3",
            ["token"],
            {"token": "new"},
            {"token": "new"},
            StoreMissingError("x"),
            {"base": "store_missing"},
        ),
    ],
)
async def test_reauth(
    hass: HomeAssistant,
    *,
    probe: MagicMock,
    step_id: str,
    fields: list[str],
    user_input: dict[str, Any],
    stored: dict[str, str],
    raised: Exception,
    error: dict[str, str],
) -> None:
    entry = add_entry(hass, DATA[step_id])
    form: Any = await entry.start_reauth_flow(hass)
    assert form["step_id"] == "reauth_confirm"
    assert get_field_names(form["data_schema"]) == fields
    assert not set(get_suggestions(form["data_schema"])) - {"username"}

    probe.side_effect = raised
    form = await submit(hass, form, user_input)
    assert form["errors"] == error
    assert dict(entry.data) == DATA[step_id]

    probe.side_effect = None
    result = await submit(hass, form, user_input)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reauth_successful"
    assert dict(entry.data) == {**DATA[step_id], **stored}
    assert probe.call_args.args[0] == Target.from_entry_data(dict(entry.data))


@pytest.mark.parametrize(
    ("step_id", "changes", "stored"),
    [
        pytest.param(
            "v1",
            {"host": "new.local", "password": ""},
            {"host": "new.local", "password": " secret "},
            id="v1-password kept",
        ),
        pytest.param(
            "v1", {"password": "new"}, {"password": "new"}, id="v1-password changed"
        ),
        pytest.param(
            "v1",
            {"username": "", "password": ""},
            {"username": "", "password": ""},
            id="v1-user removed",
        ),
        pytest.param(
            "v2",
            {"organization": "work"},
            {"organization": "work", "token": "token-2"},
            id="v2-token kept",
        ),
        pytest.param("v2", {"token": "new"}, {"token": "new"}, id="v2-token changed"),
        pytest.param("v3", {"store": "new"}, {"store": "new"}, id="v3-store changed"),
    ],
)
async def test_reconfigure(
    hass: HomeAssistant, step_id: str, changes: dict[str, Any], stored: dict[str, Any]
) -> None:
    entry = add_entry(hass, DATA[step_id])
    form: Any = await entry.start_reconfigure_flow(hass)
    assert form["step_id"] == f"reconfigure_{step_id}"
    shown = get_suggestions(form["data_schema"])
    # Secrets stay out of the browser.
    assert not {"password", "token"} & set(shown)

    result = await submit(hass, form, {**shown, **changes})
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    assert dict(entry.data) == {**DATA[step_id], **stored}
    assert entry.title == f"{entry.data['store']} on {entry.data['host']}"


async def test_reconfigure_keeps_a_given_title(hass: HomeAssistant) -> None:
    entry = add_entry(hass, V1_DATA)
    hass.config_entries.async_update_entry(entry, title="Cellar")
    form: Any = await entry.start_reconfigure_flow(hass)
    await submit(hass, form, {**V1_INPUT, "store": "other"})
    assert entry.data["store"] == "other"
    assert entry.title == "Cellar"


async def test_reconfigure_recovers_from_an_error(
    hass: HomeAssistant, probe: MagicMock
) -> None:
    entry = add_entry(hass, V2_DATA)
    form: Any = await entry.start_reconfigure_flow(hass)
    shown = get_suggestions(form["data_schema"])
    probe.side_effect = StoreRefusedError("x")
    form = await submit(hass, form, {**shown, "url": "http://other"})
    assert form["step_id"] == "reconfigure_v2"
    assert form["errors"] == {"url": "connection_refused"}
    assert dict(entry.data) == V2_DATA
    probe.side_effect = None
    await submit(hass, form, {**shown, "url": "http://other"})
    assert entry.data["host"] == "other"


async def test_reconfigure_creates_the_store(
    hass: HomeAssistant, probe: MagicMock
) -> None:
    entry = add_entry(hass, V3_DATA)
    probe.side_effect = has_only("home_assistant")
    form: Any = await entry.start_reconfigure_flow(hass)
    shown = get_suggestions(form["data_schema"])
    form = await submit(hass, form, {**shown, "store": "new"})
    assert form["step_id"] == "create_store"
    result = await submit(hass, form, {"store": "new"})
    assert result["reason"] == "reconfigure_successful"
    assert dict(entry.data) == {**V3_DATA, "store": "new"}


async def test_reconfigure_to_the_target_of_another_hub(hass: HomeAssistant) -> None:
    add_entry(hass, V1_DATA)
    entry = add_entry(hass, {**V1_DATA, "store": "other"})
    form: Any = await entry.start_reconfigure_flow(hass)
    result = await submit(hass, form, V1_INPUT)
    assert result["reason"] == "already_configured"
    assert entry.data["store"] == "other"


async def test_reconfigure_after_an_upgrade_of_the_server(
    hass: HomeAssistant, probe: MagicMock
) -> None:
    entry = add_entry(hass, V1_DATA)
    form: Any = await entry.start_reconfigure_flow(hass)
    probe.side_effect = StoreVersionError("2.7", expected="1", found="2")
    form = await submit(hass, form, V1_INPUT)
    assert form["step_id"] == "reconfigure_v2"
    assert form["errors"] == {"base": "generation_changed"}
    shown = get_suggestions(form["data_schema"])
    assert shown["url"] == "http://influx.local:8086/influxdb/a"
    assert shown["store"] == "home_assistant"

    probe.side_effect = None
    user_input = {**shown, "organization": "home", "token": "t"}
    result = await submit(hass, form, user_input)
    assert result["reason"] == "reconfigure_successful"
    assert dict(entry.data) == {
        **V1_DATA,
        "api_version": "2",
        "username": "",
        "password": "",
        "organization": "home",
        "token": "t",
    }


async def test_reconfigure_of_a_hub_with_few_keys(hass: HomeAssistant) -> None:
    entry = add_entry(
        hass, {"api_version": "2", "host": "a", "port": 8086, "store": "ha"}
    )
    form: Any = await entry.start_reconfigure_flow(hass)
    user_input = {**V2_INPUT, "url": "http://a"}
    await submit(hass, form, user_input)
    assert entry.data["token"] == "token-2"
    assert set(entry.data) == set(V1_DATA)

"""A new hub, with a scripted connection test; see test_flow_servers.py."""

from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.errors import (
    StoreAuthError,
    StoreHostUnknownError,
    StoreOrganizationMissingError,
    StorePermissionError,
    StoreProtocolError,
    StoreQueryError,
    StoreRefusedError,
    StoreRight,
    StoreTimeoutError,
    StoreUnavailableError,
    StoreUnsupportedError,
    StoreVersionError,
)
from custom_components.ha_ingestor.store.influx.target import Target
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from tests.flows.kit import (
    BAD_PEM,
    DATA,
    INPUTS,
    NO_TLS,
    TLS,
    UNTRUSTED,
    V1_DATA,
    V1_INPUT,
    V2_INPUT,
    V3_INPUT,
    add_entry,
    start,
    submit,
    tried_targets,
)
from tests.flows.texts import get_suggestions

pytestmark = pytest.mark.usefixtures("probe")


@pytest.mark.parametrize("step_id", ["v1", "v2", "v3"])
async def test_new_hub(
    hass: HomeAssistant, probe: MagicMock, setup_entry: AsyncMock, step_id: str
) -> None:
    form = await start(hass, step_id)
    result = await submit(hass, form, INPUTS[step_id])
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "home_assistant on influx.local"
    assert result["data"] == DATA[step_id]
    assert tried_targets(probe) == [(Target.from_entry_data(DATA[step_id]), False)]
    assert setup_entry.await_count == 1
    assert result["result"].unique_id is None


@pytest.mark.parametrize(
    ("step_id", "user_input", "expected"),
    [
        pytest.param(
            "v1",
            {"host": "localhost", "port": 1, "ssl": True, "store": "x", "tls": TLS},
            {"host": "localhost", "port": 1, "ssl": True, "username": "", "path": ""},
            id="only what is required",
        ),
        pytest.param(
            "v1",
            {**V1_INPUT, "host": "[FE80:0::1]", "username": ""},
            {"host": "fe80::1", "username": "", "password": ""},
            id="address, password without user",
        ),
        pytest.param("v3", V3_INPUT, {"token": "", "port": 8181}, id="no token"),
        pytest.param(
            "v2",
            {**V2_INPUT, "url": "http://[::1]"},
            {"host": "::1", "port": 8086, "ssl": False},
            id="IPv6",
        ),
        pytest.param(
            "v2",
            {**V2_INPUT, "tls": {"verify_ssl": False, "ca_certificate": ""}},
            {"verify_ssl": False, "ca_certificate": ""},
            id="upload taken out again",
        ),
    ],
)
async def test_new_hub_variants(
    hass: HomeAssistant,
    step_id: str,
    user_input: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    form = await start(hass, step_id)
    result = await submit(hass, form, user_input)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"] == {**result["data"], **expected}
    assert set(result["data"]) == set(V1_DATA)


@pytest.mark.parametrize(
    ("step_id", "field", "wrong", "error_field", "error"),
    [
        ("v1", "host", "http://influx.local", "host", "invalid_host"),
        ("v1", "host", "influx.local:8086", "host", "invalid_host"),
        ("v1", "host", " ", "host", "invalid_host"),
        ("v1", "tls", {**TLS, "path": "a?b"}, "tls", "invalid_path"),
        ("v1", "store", "a/b", "store", "invalid_store"),
        ("v1", "store", "_internal", "store", "invalid_store"),
        ("v1", "store", " ", "store", "invalid_store"),
        ("v2", "url", "ftp://influx.local", "url", "invalid_url"),
        ("v2", "url", "http://ada:x@influx.local", "url", "invalid_url"),
        ("v2", "url", "http://influx.local:99999", "url", "invalid_url"),
        ("v2", "url", "http://in%flux.local", "url", "invalid_host"),
        ("v3", "url", "http://influx.local/%7", "url", "invalid_path"),
    ],
)
async def test_unusable_entry(
    hass: HomeAssistant,
    *,
    probe: MagicMock,
    step_id: str,
    field: str,
    wrong: Any,
    error_field: str,
    error: str,
) -> None:
    form = await start(hass, step_id)
    form = await submit(hass, form, {**INPUTS[step_id], field: wrong})
    assert form["type"] is FlowResultType.FORM
    assert form["errors"] == {error_field: error}
    assert get_suggestions(form["data_schema"])[field] == wrong
    probe.assert_not_called()

    result = await submit(hass, form, INPUTS[step_id])
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"] == DATA[step_id]


NO_USER = {key: V1_INPUT[key] for key in ("host", "port", "ssl", "store", "tls")}
UNVERIFIED = {"tls": {"verify_ssl": False}}


@pytest.mark.parametrize(
    ("step_id", "changes", "raised", "field", "error"),
    [
        pytest.param(step_id, changes, raised, field, error, id=f"{step_id}-{error}")
        for step_id, changes, raised, field, error in [
            ("v1", {}, StoreHostUnknownError("x"), "host", "host_unknown"),
            ("v2", {}, StoreHostUnknownError("x"), "url", "host_unknown"),
            ("v1", {}, StoreRefusedError("x"), "host", "connection_refused"),
            ("v3", {}, StoreRefusedError("x"), "url", "connection_refused"),
            ("v1", {}, StoreTimeoutError("x"), "host", "timeout"),
            ("v2", {}, StoreUnavailableError("x"), "url", "unavailable"),
            ("v1", {}, StoreProtocolError("x"), "host", "not_influxdb"),
            ("v3", {}, StoreProtocolError("x"), "url", "not_influxdb"),
            ("v2", {}, StoreUnsupportedError("x"), "url", "too_old"),
            ("v1", {}, UNTRUSTED, "tls", "certificate_not_trusted"),
            ("v2", {}, BAD_PEM, "tls", "certificate_not_trusted"),
            ("v1", {}, NO_TLS, "ssl", "tls_not_spoken"),
            ("v2", {}, NO_TLS, "url", "tls_not_spoken"),
            ("v2", UNVERIFIED, BAD_PEM, "url", "tls_not_spoken"),
            ("v1", {}, StoreAuthError("x"), "password", "password_refused"),
            ("v1", {"username": ""}, StoreAuthError("x"), "username", "user_needed"),
            ("v2", {}, StoreAuthError("x"), "token", "token_refused"),
            ("v3", {"token": ""}, StoreAuthError("x"), "token", "token_needed"),
            ("v1", {}, StorePermissionError("x"), "username", "right_missing"),
            (
                "v1",
                {},
                StorePermissionError("x", right=StoreRight.WRITE),
                "username",
                "right_missing_write",
            ),
            (
                "v2",
                {},
                StorePermissionError("x", right=StoreRight.READ),
                "token",
                "right_missing_read",
            ),
            (
                "v3",
                {},
                StorePermissionError("x", right=StoreRight.DELETE),
                "token",
                "right_missing_delete",
            ),
            (
                "v2",
                {},
                StoreOrganizationMissingError("x"),
                "organization",
                "organization_missing",
            ),
            ("v1", {}, StoreQueryError("x"), "base", "test_failed"),
            ("v2", {}, RuntimeError("x"), "base", "unknown"),
        ]
    ],
)
async def test_failed_connection(
    hass: HomeAssistant,
    *,
    probe: MagicMock,
    step_id: str,
    changes: dict[str, Any],
    raised: Exception,
    field: str,
    error: str,
) -> None:
    form = await start(hass, step_id)
    probe.side_effect = raised
    user_input = {**INPUTS[step_id], **changes}
    form = await submit(hass, form, user_input)
    assert form["type"] is FlowResultType.FORM
    assert form["step_id"] == step_id
    assert form["errors"] == {field: error}
    # Nothing has to be typed again.
    assert get_suggestions(form["data_schema"]) == user_input

    probe.side_effect = None
    result = await submit(hass, form, INPUTS[step_id])
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"] == DATA[step_id]


async def test_tls_section_opens_with_its_error(
    hass: HomeAssistant, probe: MagicMock
) -> None:
    form = await start(hass, "v1")
    assert form["data_schema"].schema["tls"].options == {"collapsed": True}
    probe.side_effect = UNTRUSTED
    form = await submit(hass, form, V1_INPUT)
    assert form["data_schema"].schema["tls"].options == {"collapsed": False}
    probe.side_effect = None
    result = await submit(hass, form, V1_INPUT)
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(
    ("step_id", "words"),
    [
        ("v1", {"expected": "1", "found": "2"}),
        ("v3", {"expected": "3", "found": "1"}),
    ],
)
async def test_wrong_generation_is_named(
    hass: HomeAssistant, probe: MagicMock, step_id: str, words: dict[str, str]
) -> None:
    form = await start(hass, step_id)
    probe.side_effect = StoreVersionError("This is another", **words)
    form = await submit(hass, form, INPUTS[step_id])
    assert list(form["errors"].values()) == ["wrong_generation"]
    assert form["errors"].keys() <= {"host", "url"}
    assert form["description_placeholders"].items() >= words.items()
    probe.side_effect = None
    result = await submit(hass, form, INPUTS[step_id])
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"host": "INFLUX.local", "tls": {**TLS, "path": "/influxdb/a"}},
        {"username": "bob", "ssl": True},
    ],
)
async def test_same_target_twice(
    hass: HomeAssistant, probe: MagicMock, changes: dict[str, Any]
) -> None:
    add_entry(hass, V1_DATA)
    form = await start(hass, "v1")
    result = await submit(hass, form, {**V1_INPUT, **changes})
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"
    probe.assert_not_called()


@pytest.mark.parametrize(
    "changes", [{"host": "other"}, {"port": 8087}, {"tls": TLS}, {"store": "other"}]
)
async def test_several_hubs(hass: HomeAssistant, changes: dict[str, Any]) -> None:
    add_entry(hass, V1_DATA)
    form = await start(hass, "v1")
    result = await submit(hass, form, {**V1_INPUT, **changes})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert len(hass.config_entries.async_entries(DOMAIN)) == 2

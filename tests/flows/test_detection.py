"""Detection of the generation, with a scripted server."""

from typing import Any
from unittest.mock import MagicMock

import pytest

from custom_components.ha_ingestor.errors import (
    StoreAuthError,
    StoreError,
    StoreHostUnknownError,
    StorePermissionError,
    StoreProtocolError,
    StoreRefusedError,
    StoreTimeoutError,
)
from custom_components.ha_ingestor.store.influx.detect import ServerInfo
from custom_components.ha_ingestor.store.influx.target import ApiVersion
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from tests.flows.kit import (
    NO_TLS,
    TLS,
    UNTRUSTED,
    V1_INPUT,
    start,
    submit,
)
from tests.flows.texts import get_suggestions

pytestmark = pytest.mark.usefixtures("probe")


@pytest.mark.parametrize(
    ("api_version", "step_id", "shown", "asked"),
    [
        (
            ApiVersion.V1,
            "v1",
            {
                "host": "influx.local",
                "port": 443,
                "ssl": True,
                "tls": {"verify_ssl": False, "path": "/x"},
                "username": "ada",
                "password": "secret",
            },
            {},
        ),
        (
            ApiVersion.V2,
            "v2",
            {"url": "https://influx.local/x", "token": "t"},
            {"organization": "home"},
        ),
        (ApiVersion.V3, "v3", {"url": "https://influx.local/x", "token": "t"}, {}),
    ],
)
async def test_detection_leads_to_the_right_form(
    hass: HomeAssistant,
    *,
    detect: MagicMock,
    api_version: ApiVersion,
    step_id: str,
    shown: dict[str, Any],
    asked: dict[str, Any],
) -> None:
    detect.return_value = ServerInfo(version="x", api_version=api_version)
    form = await start(hass, "detect")
    form = await submit(
        hass,
        form,
        {
            "url": "https://influx.local/x",
            "username": "ada",
            "password": "secret",
            "token": "t",
            "tls": {"verify_ssl": False},
        },
    )
    detect.assert_called_once_with(
        "https://influx.local/x",
        username="ada",
        password="secret",
        token="t",
        verify_ssl=False,
        ca_certificate="",
    )
    assert form["step_id"] == step_id
    assert form["errors"] is None
    tls = {"tls": {"verify_ssl": False}}
    assert get_suggestions(form["data_schema"]) == {**tls, **shown}

    result = await submit(hass, form, {**tls, **shown, **asked, "store": "ha"})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"]["api_version"] == api_version.value
    assert result["data"]["verify_ssl"] is False


@pytest.mark.parametrize(
    ("url", "raised", "field", "error"),
    [
        ("ftp://x", None, "url", "invalid_url"),
        ("x.local", StoreHostUnknownError("x"), "url", "host_unknown"),
        ("x.local", StoreRefusedError("x"), "url", "connection_refused"),
        ("x.local", StoreTimeoutError("x"), "url", "timeout"),
        ("x.local", StoreProtocolError("x"), "url", "not_influxdb"),
        ("x.local", UNTRUSTED, "tls", "certificate_not_trusted"),
        ("x.local", NO_TLS, "url", "tls_not_spoken"),
        ("x.local", StoreAuthError("x"), "base", "credentials_needed"),
        ("x.local", StorePermissionError("x"), "base", "credentials_needed"),
        ("x.local", StoreError("x"), "base", "test_failed"),
        ("x.local", RuntimeError("x"), "base", "unknown"),
    ],
)
async def test_failed_detection(
    hass: HomeAssistant,
    *,
    detect: MagicMock,
    url: str,
    raised: Exception | None,
    field: str,
    error: str,
) -> None:
    form = await start(hass, "detect")
    detect.side_effect = raised
    form = await submit(hass, form, {"url": url, "tls": TLS})
    assert form["step_id"] == "detect"
    assert form["errors"] == {field: error}
    assert get_suggestions(form["data_schema"]) == {"url": url, "tls": TLS}

    detect.side_effect = None
    form = await submit(hass, form, {"url": "x.local", "tls": TLS})
    assert form["step_id"] == "v1"
    result = await submit(hass, form, V1_INPUT)
    assert result["type"] is FlowResultType.CREATE_ENTRY

"""What the tests of the config flow share: filled forms and the way through them."""

from collections.abc import Callable
import ssl
from typing import Any
from unittest.mock import MagicMock

from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.errors import StoreMissingError, StoreTlsError
from custom_components.ha_ingestor.store.influx.detect import ServerInfo
from custom_components.ha_ingestor.store.influx.probe import ProbeResult
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

SERVER = ServerInfo(version="1.8.10", api_version=ApiVersion.V1)
SUCCESS = ProbeResult(server=SERVER, can_delete=True, has_created=False)

TLS: dict[str, Any] = {"verify_ssl": True}
V1_INPUT: dict[str, Any] = {
    "host": " Influx.LOCAL ",
    "port": 8086,
    "ssl": False,
    "username": " ada ",
    "password": " secret ",
    "store": " home_assistant ",
    "tls": {**TLS, "path": "influxdb//a/"},
}
V2_INPUT: dict[str, Any] = {
    "url": "https://Influx.local/x/",
    "organization": "home",
    "token": " token-2 ",
    "store": "home_assistant",
    "tls": TLS,
}
V3_INPUT: dict[str, Any] = {
    "url": "influx.local",
    "store": "home_assistant",
    "tls": TLS,
}
INPUTS: dict[str, dict[str, Any]] = {
    "v1": V1_INPUT,
    "v2": V2_INPUT,
    "v3": {**V3_INPUT, "token": "token-3"},
}

V1_DATA: dict[str, Any] = {
    "api_version": "1",
    "host": "influx.local",
    "port": 8086,
    "ssl": False,
    "path": "/influxdb/a",
    "verify_ssl": True,
    "ca_certificate": "",
    "username": "ada",
    "password": " secret ",
    "token": "",
    "organization": "",
    "store": "home_assistant",
}
V2_DATA: dict[str, Any] = {
    **V1_DATA,
    "api_version": "2",
    "port": 443,
    "ssl": True,
    "path": "/x",
    "username": "",
    "password": "",
    "token": "token-2",
    "organization": "home",
}
V3_DATA: dict[str, Any] = {
    **V2_DATA,
    "api_version": "3",
    "port": 8181,
    "ssl": False,
    "path": "",
    "token": "token-3",
    "organization": "",
}
DATA: dict[str, dict[str, Any]] = {"v1": V1_DATA, "v2": V2_DATA, "v3": V3_DATA}


def tls_error(cause: Exception | None, message: str) -> StoreTlsError:
    """Make the error as the transport does, with what was behind it."""
    error = StoreTlsError(message)
    error.__cause__ = cause
    return error


UNTRUSTED = tls_error(
    Exception("urllib3's", ssl.SSLCertVerificationError(1, "self-signed")),
    "Certificate not accepted: self-signed certificate",
)
NO_TLS = tls_error(
    Exception("urllib3's", ssl.SSLError(1, "WRONG_VERSION_NUMBER")),
    "wrong version number",
)
BAD_PEM = tls_error(None, "The CA certificate is not in PEM format")


async def start(hass: HomeAssistant, step_id: str) -> dict[str, Any]:
    """Begin a flow and choose in its menu."""
    result = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert result["type"] is FlowResultType.MENU
    assert result["menu_options"] == ["detect", "v1", "v2", "v3"]
    form = await submit(hass, result, {"next_step_id": step_id})
    assert form["type"] is FlowResultType.FORM
    assert form["step_id"] == step_id
    assert form["errors"] is None
    return form


async def submit(
    hass: HomeAssistant, form: Any, user_input: dict[str, Any]
) -> dict[str, Any]:
    """Send a form."""
    result = await hass.config_entries.flow.async_configure(form["flow_id"], user_input)
    await hass.async_block_till_done()
    return dict(result)


def add_entry(hass: HomeAssistant, data: dict[str, Any]) -> MockConfigEntry:
    """Add a hub as the flow would have made it."""
    entry = MockConfigEntry(
        domain=DOMAIN, title=f"{data['store']} on {data['host']}", data=data
    )
    entry.add_to_hass(hass)
    return entry


def tried_targets(probe: MagicMock) -> list[tuple[Target, bool]]:
    """Return what has been tried, and whether it was to be created."""
    return [(call.args[0], call.kwargs["create"]) for call in probe.call_args_list]


def has_only(*stores: str) -> Callable[..., ProbeResult]:
    """Make a connection test for a server with these stores."""
    known = set(stores)

    def try_target(target: Target, *, create: bool = False) -> ProbeResult:
        if target.store not in known and not create:
            raise StoreMissingError("missing")
        known.add(target.store)
        return SUCCESS

    return try_target

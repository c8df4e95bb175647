"""The forms that ask where a hub writes to, and what they store."""

from collections.abc import Mapping
from dataclasses import dataclass
import ipaddress
import re
from typing import Any, Final

import probatio

from homeassistant.const import (
    CONF_HOST,
    CONF_PASSWORD,
    CONF_PATH,
    CONF_PORT,
    CONF_SSL,
    CONF_TOKEN,
    CONF_URL,
    CONF_USERNAME,
    CONF_VERIFY_SSL,
)
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)

from ..const import (
    CONF_API_VERSION,
    CONF_CA_CERTIFICATE,
    CONF_ORGANIZATION,
    CONF_STORE,
)
from ..store.influx.detect import DEFAULT_PORT, parse_url
from ..store.influx.target import ApiVersion, Target
from .certificate import create_certificate_selector
from .problems import FormProblemError

CONF_REMOVE_CA_CERTIFICATE: Final = "remove_ca_certificate"
SECTION_TLS: Final = "tls"

DEFAULT_STORE: Final = "home_assistant"
# 3.x listens there unless told otherwise; the older ones on `DEFAULT_PORT`.
DEFAULT_PORT_V3: Final = 8181

# Letters of all scripts are allowed in names; what separates the parts of a URL is not.
_NOT_IN_HOST: Final = re.compile(r"[\s/\\?#@%:\[\]]")
_NOT_IN_PATH: Final = re.compile(r"[\s\\?#%]")
# A store's name goes into statements, URLs and other stores' names.
_NOT_IN_STORE: Final = re.compile(r"[\x00-\x1f\x7f\"'\\/]")

_TEXT: Final = TextSelector()
_URL: Final = TextSelector(
    TextSelectorConfig(type=TextSelectorType.URL, autocomplete="url")
)
_USERNAME: Final = TextSelector(TextSelectorConfig(autocomplete="username"))
_SECRET: Final = TextSelector(
    TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="current-password")
)
_PORT: Final = probatio.All(
    NumberSelector(
        NumberSelectorConfig(min=1, max=65535, step=1, mode=NumberSelectorMode.BOX)
    ),
    probatio.Coerce(int),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsInput:
    """The TLS section as entered; the certificate already read."""

    verify_ssl: bool = True
    ca_certificate: str = ""


def _create_tls_section(
    *, is_open: bool, has_certificate: bool, has_path: bool = False
) -> section:
    """Return the section of what few need, above all the certificate.

    Args:
        is_open: Whether its fields are visible at once, as they should with an error.
        has_certificate: Whether one is stored that a person may want to remove.
        has_path: Whether it also asks for a path prefix, where no URL holds one.
            A longer form would hide the errors at its top.
    """
    fields: dict[probatio.Marker, Any] = {}
    if has_path:
        fields[probatio.Optional(CONF_PATH)] = _TEXT
    fields |= {
        probatio.Required(CONF_VERIFY_SSL, default=True): BooleanSelector(),
        probatio.Optional(CONF_CA_CERTIFICATE): create_certificate_selector(),
    }
    if has_certificate:
        fields[probatio.Required(CONF_REMOVE_CA_CERTIFICATE, default=False)] = (
            BooleanSelector()
        )
    return section(probatio.Schema(fields), {"collapsed": not is_open})


def create_detect_schema(*, is_tls_open: bool) -> probatio.Schema:
    """Return the form that asks only for a URL."""
    return probatio.Schema(
        {
            probatio.Required(CONF_URL): _URL,
            probatio.Optional(CONF_USERNAME): _USERNAME,
            probatio.Optional(probatio.Secret(CONF_PASSWORD)): _SECRET,
            probatio.Optional(probatio.Secret(CONF_TOKEN)): _SECRET,
            probatio.Required(SECTION_TLS): _create_tls_section(
                is_open=is_tls_open, has_certificate=False
            ),
        }
    )


def create_target_schema(
    api_version: ApiVersion, *, is_tls_open: bool, stored: Mapping[str, Any] | None
) -> probatio.Schema:
    """Return the form of one generation.

    Args:
        api_version: The generation.
        is_tls_open: Whether the TLS section is shown open.
        stored: Data of the entry that is changed, None for a new one. A change
            may leave secrets empty to keep them.
    """
    fields = (
        _create_v1_fields()
        if api_version is ApiVersion.V1
        else _create_token_fields(
            api_version, has_token=bool(stored and stored.get(CONF_TOKEN))
        )
    )
    fields[probatio.Required(CONF_STORE, default=DEFAULT_STORE)] = _TEXT
    fields[probatio.Required(SECTION_TLS)] = _create_tls_section(
        is_open=is_tls_open,
        has_certificate=bool(stored and stored.get(CONF_CA_CERTIFICATE)),
        has_path=api_version is ApiVersion.V1,
    )
    return probatio.Schema(fields)


def _create_v1_fields() -> dict[probatio.Marker, Any]:
    """Return what only 1.x asks for."""
    return {
        probatio.Required(CONF_HOST): _TEXT,
        probatio.Required(CONF_PORT, default=DEFAULT_PORT): _PORT,
        probatio.Required(CONF_SSL, default=False): BooleanSelector(),
        probatio.Optional(CONF_USERNAME): _USERNAME,
        probatio.Optional(probatio.Secret(CONF_PASSWORD)): _SECRET,
    }


def _create_token_fields(
    api_version: ApiVersion, *, has_token: bool
) -> dict[probatio.Marker, Any]:
    """Return what 2.x and 3.x ask for.

    The token may be left out where one is stored, and always on 3.x, which can run
    without authorization.
    """
    fields: dict[probatio.Marker, Any] = {probatio.Required(CONF_URL): _URL}
    if api_version is ApiVersion.V2:
        fields[probatio.Required(CONF_ORGANIZATION)] = _TEXT
    is_token_required = not has_token and api_version is ApiVersion.V2
    token_marker = probatio.Required if is_token_required else probatio.Optional
    fields[token_marker(probatio.Secret(CONF_TOKEN))] = _SECRET
    return fields


def create_credentials_schema(api_version: ApiVersion) -> probatio.Schema:
    """Return the form that asks for new credentials only."""
    if api_version is ApiVersion.V1:
        return probatio.Schema(
            {
                probatio.Required(CONF_USERNAME): _USERNAME,
                probatio.Required(probatio.Secret(CONF_PASSWORD)): _SECRET,
            }
        )
    return probatio.Schema({probatio.Required(probatio.Secret(CONF_TOKEN)): _SECRET})


def create_store_schema() -> probatio.Schema:
    """Return the form that offers to create the store, or to correct its name."""
    return probatio.Schema({probatio.Required(CONF_STORE): _TEXT})


def get_form_values(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return entry data as the forms show it; secrets stay out of the browser."""
    target = Target.from_entry_data(data)
    return {
        CONF_URL: target.url,
        CONF_HOST: target.host,
        CONF_PORT: target.port,
        CONF_SSL: target.ssl,
        CONF_USERNAME: target.username,
        CONF_ORGANIZATION: target.organization,
        CONF_STORE: target.store,
        SECTION_TLS: {CONF_PATH: target.path, CONF_VERIFY_SSL: target.verify_ssl},
    }


def build_entry_data(
    api_version: ApiVersion,
    user_input: Mapping[str, Any],
    tls: TlsInput,
    stored: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what an entry stores: all keys of a target, in plain types.

    Args:
        api_version: The generation whose form it is.
        user_input: The filled form.
        tls: Its TLS section.
        stored: Data of the entry that is changed; supplies secrets left empty.

    Raises:
        FormProblemError: A field cannot be used.
    """
    kept = stored or {}
    username = user_input.get(CONF_USERNAME, "").strip()
    password = user_input.get(CONF_PASSWORD, "") or kept.get(CONF_PASSWORD, "")
    token = user_input.get(CONF_TOKEN, "").strip() or kept.get(CONF_TOKEN, "")
    return {
        CONF_API_VERSION: api_version.value,
        **_read_address(api_version, user_input),
        CONF_VERIFY_SSL: tls.verify_ssl,
        CONF_CA_CERTIFICATE: tls.ca_certificate,
        CONF_USERNAME: username,
        # A password without a user is of no use; taking out the user removes both.
        CONF_PASSWORD: password if username else "",
        CONF_TOKEN: "" if api_version is ApiVersion.V1 else token,
        CONF_ORGANIZATION: user_input.get(CONF_ORGANIZATION, "").strip(),
        CONF_STORE: parse_store(user_input[CONF_STORE]),
    }


def read_credentials(user_input: Mapping[str, Any]) -> dict[str, str]:
    """Return new credentials; a password may begin or end with a space."""
    return {
        key: value if key == CONF_PASSWORD else value.strip()
        for key, value in user_input.items()
    }


def _read_address(
    api_version: ApiVersion, user_input: Mapping[str, Any]
) -> dict[str, Any]:
    """Return host, port, TLS and path of a form, whichever way it asks for them."""
    if CONF_URL in user_input:
        return read_url(user_input[CONF_URL], api_version)
    return {
        CONF_HOST: _parse_host(user_input[CONF_HOST], CONF_HOST),
        CONF_PORT: user_input[CONF_PORT],
        CONF_SSL: user_input[CONF_SSL],
        # The browser shows no error inside a section, only above it.
        CONF_PATH: _parse_path(user_input[SECTION_TLS].get(CONF_PATH, ""), SECTION_TLS),
    }


def read_url(text: str, api_version: ApiVersion | None = None) -> dict[str, Any]:
    """Return the parts of a URL under their keys in entry data.

    Args:
        text: What was typed.
        api_version: Decides which port is meant where none is written.

    Raises:
        FormProblemError: It is not the URL of a server.
    """
    try:
        host, port, ssl, path = parse_url(
            text,
            default_port=DEFAULT_PORT_V3
            if api_version is ApiVersion.V3
            else DEFAULT_PORT,
        )
    except ValueError as err:
        raise FormProblemError(CONF_URL, "invalid_url") from err
    return {
        CONF_HOST: _parse_host(host, CONF_URL),
        CONF_PORT: port,
        CONF_SSL: ssl,
        CONF_PATH: _parse_path(path, CONF_URL),
    }


def _parse_host(text: str, field: str) -> str:
    """Return a name or address in the one form by which targets are compared."""
    host = text.strip().lower().removeprefix("[").removesuffix("]")
    try:
        return ipaddress.ip_address(host).compressed
    except ValueError:
        if not host or _NOT_IN_HOST.search(host):
            raise FormProblemError(field, "invalid_host") from None
        return host


def _parse_path(text: str, field: str) -> str:
    """Return a path prefix as empty text or `/like/this`."""
    if _NOT_IN_PATH.search(text.strip()):
        raise FormProblemError(field, "invalid_path")
    return "".join(f"/{part}" for part in text.strip().split("/") if part)


def parse_store(text: str) -> str:
    """Return the name of a database or bucket.

    Raises:
        FormProblemError: It is empty, or no name that all generations take.
    """
    name = text.strip()
    # A leading underscore belongs to the server's own stores.
    if not name or name.startswith("_") or _NOT_IN_STORE.search(name):
        raise FormProblemError(CONF_STORE, "invalid_store")
    return name

"""Where a hub writes to: host, credentials and store of one InfluxDB."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from homeassistant.const import (
    CONF_HOST,
    CONF_PASSWORD,
    CONF_PATH,
    CONF_PORT,
    CONF_SSL,
    CONF_TOKEN,
    CONF_USERNAME,
    CONF_VERIFY_SSL,
)

from ...const import (
    CONF_API_VERSION,
    CONF_CA_CERTIFICATE,
    CONF_ORGANIZATION,
    CONF_STORE,
)


class ApiVersion(StrEnum):
    """Generation of the server."""

    V1 = "1"
    V2 = "2"
    V3 = "3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One store on one server.

    Secrets are kept out of `repr`, so that no log line or traceback shows them.

    Attributes:
        store: Database on 1.x and 3.x, bucket on 2.x.
        path: Prefix before the API's paths: empty or `/like/this`.
        username, password: 1.x only; empty where the server asks for none.
        token: 2.x and 3.x.
        organization: 2.x only.
        ca_certificate: PEM text of an authority beside the system's; empty for none.
    """

    api_version: ApiVersion
    host: str
    port: int
    ssl: bool = False
    path: str = ""
    verify_ssl: bool = True
    ca_certificate: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    organization: str = ""
    store: str = "home_assistant"

    @property
    def url(self) -> str:
        """Base URL without a trailing slash and without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.ssl else ''}://{host}:{self.port}{self.path}"

    @classmethod
    def from_entry_data(cls, data: Mapping[str, Any]) -> Self:
        """Read what the config flow has stored."""
        return cls(
            api_version=ApiVersion(data[CONF_API_VERSION]),
            host=data[CONF_HOST],
            port=data[CONF_PORT],
            ssl=data.get(CONF_SSL, False),
            path=data.get(CONF_PATH, ""),
            verify_ssl=data.get(CONF_VERIFY_SSL, True),
            ca_certificate=data.get(CONF_CA_CERTIFICATE, ""),
            username=data.get(CONF_USERNAME, ""),
            password=data.get(CONF_PASSWORD, ""),
            token=data.get(CONF_TOKEN, ""),
            organization=data.get(CONF_ORGANIZATION, ""),
            store=data[CONF_STORE],
        )

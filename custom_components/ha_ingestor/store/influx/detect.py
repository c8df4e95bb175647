"""What kind of InfluxDB answers at an address, if any."""

from dataclasses import dataclass
from http import HTTPStatus
import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from ...errors import StoreError, StoreProtocolError, StoreRight
from .answers import Answer, status_error
from .target import ApiVersion
from .transport import Transport
from .v2 import BASIC_USER

# 1.x and 2.x; 3.x listens on 8181, which a user has to write.
DEFAULT_PORT: Final = 8086
HTTPS_PORT: Final = 443

_VERSION: Final = re.compile(r"v?(\d+)\.\d+")
_GENERATIONS: Final = {
    # 0.9 to 0.13 speak what 1.x speaks.
    0: ApiVersion.V1,
    1: ApiVersion.V1,
    2: ApiVersion.V2,
    3: ApiVersion.V3,
}


class Address(NamedTuple):
    """Where a server is, as `Target` keeps it."""

    host: str
    port: int
    ssl: bool
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """What a server says it is.

    Attributes:
        version: As the server writes it, without a leading "v": "1.6.7~rc0".
        build: "OSS", "ENT", "cloud2", "InfluxDB 3 Core"; None if it does not say.
    """

    version: str
    api_version: ApiVersion
    build: str | None = None


def parse_url(text: str, *, default_port: int = DEFAULT_PORT) -> Address:
    """Read the URL of a server, as a person types it.

    Args:
        text: `http` is assumed where no scheme is written.
        default_port: For `http` without a port; `https` without one means 443.

    Raises:
        ValueError: It is no URL, has another scheme, or holds what has no place in
            it: user, password, query or fragment.
    """
    text = text.strip()
    parts = urlsplit(text if "://" in text else f"http://{text}")
    if parts.scheme not in {"http", "https"}:
        raise ValueError("Only http and https are possible")
    if "@" in parts.netloc:
        raise ValueError("User and password have no place in the URL")
    if "?" in text or "#" in text:
        raise ValueError("A query has no place in the URL")
    host = parts.hostname or ""
    if not host or re.search(r"[\s\x00-\x1f\\]", f"{parts.netloc}{parts.path}"):
        raise ValueError("There is no host in the URL")
    is_ssl = parts.scheme == "https"
    port = parts.port or (HTTPS_PORT if is_ssl else default_port)
    return Address(host=host, port=port, ssl=is_ssl, path=parts.path.rstrip("/"))


def detect(
    url: str,
    *,
    username: str = "",
    password: str = "",
    token: str = "",
    verify_ssl: bool = True,
    ca_certificate: str = "",
    timeout_s: float = 10.0,
) -> ServerInfo:
    """Ask the server at a URL what it is; blocking.

    Args:
        token: Of 2.x or 3.x; goes before user and password.

    Raises:
        ValueError: See `parse_url`.
        StoreAuthError: It tells only those whom it knows, as 3.x does.
        StoreProtocolError: Something answers that is not an InfluxDB.
        StoreError: It cannot be reached.
    """
    address = parse_url(url)
    credentials = (BASIC_USER, token) if token else (username, password)
    transport = Transport(
        **address._asdict(),
        verify_ssl=verify_ssl,
        ca_certificate=ca_certificate,
        credentials=credentials if credentials[0] else None,
        timeout_s=timeout_s,
    )
    try:
        return identify(transport)
    finally:
        transport.close()


def identify(transport: Transport, *, timeout_s: float | None = None) -> ServerInfo:
    """Ask over an existing transport; see `detect`."""
    answer = transport.request("GET", "/ping", timeout_s=timeout_s)
    if info := _read_ping(answer):
        return info
    # A proxy may have taken the headers away, and a development build has a
    # version that says nothing.
    health = transport.request("GET", "/health", timeout_s=timeout_s)
    if info := _read_health(health):
        return info
    raise _error_of(answer, transport)


def _read_ping(answer: Answer) -> ServerInfo | None:
    """Read `/ping`: 1.x and 2.x answer in headers, 3.x with JSON as well."""
    version = answer.headers.get("x-influxdb-version", "")
    build = answer.headers.get("x-influxdb-build")
    payload = answer.payload
    if answer.status == HTTPStatus.OK and isinstance(payload, dict):
        version = str(payload.get("version") or version)
        product = payload.get("product_name")
        build = product if isinstance(product, str) and product else build
        # Anything may answer JSON with a version; 3.x adds what it was built from.
        if "x-influxdb-version" not in answer.headers and "revision" not in payload:
            return None
    return _info(version, build)


def _read_health(answer: Answer) -> ServerInfo | None:
    """Read `/health` of 1.8 and 2.x."""
    payload = answer.payload
    if not isinstance(payload, dict) or payload.get("name") != "influxdb":
        return None
    return _info(str(payload.get("version", "")), None)


def _info(version: str, build: str | None) -> ServerInfo | None:
    match = _VERSION.match(version)
    api_version = _GENERATIONS.get(int(match[1])) if match else None
    if api_version is None:
        # Cloud names a build, not a version, and speaks what 2.x speaks.
        if build is None or not build.lower().startswith("cloud"):
            return None
        api_version = ApiVersion.V2
    return ServerInfo(
        version=version.removeprefix("v"), api_version=api_version, build=build
    )


def _error_of(answer: Answer, transport: Transport) -> StoreError:
    if answer.status < HTTPStatus.MULTIPLE_CHOICES or answer.status in {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
    }:
        return StoreProtocolError("It gives no version")
    return status_error(answer, transport.redact(answer.words), right=StoreRight.READ)

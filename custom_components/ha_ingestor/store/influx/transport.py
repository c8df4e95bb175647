"""HTTP to one server: connections, TLS, credentials and what can go wrong with them."""

import base64
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
import errno
from http.client import HTTPException, IncompleteRead
import re
import socket
import ssl
from typing import Final, override
from urllib.parse import quote

import certifi
import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    SSLError,
    TimeoutError as Urllib3TimeoutError,
)
from urllib3.response import BaseHTTPResponse

from ...errors import (
    BatchTooLargeError,
    StoreError,
    StoreHostUnknownError,
    StoreProtocolError,
    StoreRefusedError,
    StoreTimeoutError,
    StoreTlsError,
    StoreUnavailableError,
)
from .answers import Answer

# What a person can read of an error, and what a list of names may take.
MAX_BODY_BYTES: Final = 64 * 1024
# 1.x and proxies close the socket while a body that is too large is still being
# sent. urllib3 then reads on and mostly finds the 413; where the reset has overtaken
# it, a reset is all that is seen. No limit that anyone sets is below this, and below
# it a reset is a server that went away.
MIN_SUSPECT_BODY_BYTES: Final = 1_000_000
# The sender and one reader; more are opened where needed but not kept.
_KEPT_CONNECTIONS: Final = 2
_MIN_TIMEOUT_S: Final = 0.001
_STREAM_PIECE_BYTES: Final = 64 * 1024
# A secret of one or two letters is in every other word.
_MIN_PLAIN_SECRET: Final = 4

_URLLIB3_ERRORS: Final = (HTTPError, HTTPException, OSError, UnicodeError)


class _UnverifiedPool(urllib3.HTTPSConnectionPool):
    """Connections to a server whose certificate the user chose not to check."""

    @override
    def _validate_conn(self, conn: HTTPConnection) -> None:  # type: ignore[override]
        # urllib3 warns at each connection, which would fill the log of a user who
        # has switched verification off knowingly.
        if conn.is_closed:
            conn.connect()


class Transport:
    """Sends requests to one server and maps what fails on the way.

    Blocking, and safe to share between threads. Never used on the event loop: even
    its making reads certificates from disk.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        ssl: bool = False,
        path: str = "",
        verify_ssl: bool = True,
        ca_certificate: str = "",
        credentials: tuple[str, str] | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            path: Prefix before every path: empty or `/like/this`.
            ca_certificate: PEM text of authorities to trust beside the system's.
            credentials: User and secret for HTTP Basic, which all generations take.
            timeout_s: For connecting, and for each wait for the server.

        Raises:
            StoreTlsError: The PEM text holds no certificate.
        """
        self._prefix = quote(path, safe="/%")
        self._timeout_s = timeout_s
        self._headers = {"User-Agent": "ha-ingestor", "Accept": "application/json"}
        secrets: list[str] = []
        if credentials is not None:
            basic = base64.b64encode(":".join(credentials).encode()).decode()
            self._headers["Authorization"] = f"Basic {basic}"
            secrets = [basic, credentials[1], quote(credentials[1], safe="")]
        self._secrets = _secret_pattern(secrets)
        self._pool: urllib3.HTTPConnectionPool
        if not ssl:
            self._pool = urllib3.HTTPConnectionPool(
                host, port, maxsize=_KEPT_CONNECTIONS
            )
            return
        context = create_ssl_context(
            verify_ssl=verify_ssl, ca_certificate=ca_certificate
        )
        pool = urllib3.HTTPSConnectionPool if verify_ssl else _UnverifiedPool
        self._pool = pool(
            host,
            port,
            maxsize=_KEPT_CONNECTIONS,
            ssl_context=context,
            cert_reqs="CERT_REQUIRED" if verify_ssl else "CERT_NONE",
            assert_hostname=None if verify_ssl else False,
        )

    def redact(self, text: str) -> str:
        """Take the secrets out of what a server has echoed."""
        return text if self._secrets is None else self._secrets.sub("**", text)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> Answer:
        """Send one request and read its answer, whatever its status.

        Raises:
            StoreUnavailableError and its kinds: It could not be sent or answered.
            BatchTooLargeError: A large body was cut off while it was being sent.
            StoreProtocolError: What answers does not speak HTTP.
        """
        with self.open(
            method, path, body=body, headers=headers, timeout_s=timeout_s
        ) as response:
            return read_answer(response, max_body_bytes=max_body_bytes)

    @contextmanager
    def open(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Iterator[BaseHTTPResponse]:
        """Send one request; the answer can be read while the context is open."""
        response: BaseHTTPResponse | None = None
        try:
            response = self._pool.urlopen(
                method,
                f"{self._prefix}{path}",
                body=body,
                headers={**self._headers, **(headers or {})},
                # Not by urllib3: the writer owns the schedule, and credentials
                # must not follow a redirect to another host.
                retries=False,
                redirect=False,
                timeout=self._timeout(timeout_s),
                preload_content=False,
            )
            yield response
        except _URLLIB3_ERRORS as err:
            if body is not None and _was_cut_off(err, body_bytes=len(body)):
                raise BatchTooLargeError(
                    "The server closed the connection while the batch was sent"
                ) from err
            raise connection_error(err, redact=self.redact) from err
        finally:
            # Read to its end it has gone back to the pool; half read it must not.
            if response is not None:
                response.close()

    def _timeout(self, timeout_s: float | None) -> urllib3.Timeout:
        seconds = self._timeout_s if timeout_s is None else timeout_s
        # What is left of an orderly stop may be nothing, which urllib3 refuses.
        return urllib3.Timeout(total=max(seconds, _MIN_TIMEOUT_S))

    def close(self) -> None:
        """Close the idle connections. A request under way ends by itself."""
        self._pool.close()


def create_ssl_context(*, verify_ssl: bool, ca_certificate: str) -> ssl.SSLContext:
    """Make a context that trusts what Home Assistant trusts, and one more.

    Raises:
        StoreTlsError: The PEM text holds no certificate.
    """
    context = ssl.create_default_context()
    if not verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    # Home Assistant's own list; the system's may be missing in a container.
    context.load_verify_locations(cafile=certifi.where())
    if ca_certificate.strip():
        try:
            context.load_verify_locations(cadata=ca_certificate)
        except (ssl.SSLError, ValueError) as err:
            raise StoreTlsError("The CA certificate is not in PEM format") from err
    return context


def read_answer(
    response: BaseHTTPResponse, *, max_body_bytes: int = MAX_BODY_BYTES
) -> Answer:
    """Read an answer up to a bound; what is longer is cut and marked so."""
    body = response.read(max_body_bytes + 1, decode_content=True)
    return Answer(
        status=response.status,
        headers={name.lower(): value for name, value in response.headers.items()},
        body=body[:max_body_bytes],
        is_truncated=len(body) > max_body_bytes,
    )


def stream_body(response: BaseHTTPResponse) -> Iterator[bytes]:
    """Read an answer in pieces, as they arrive."""
    return response.stream(_STREAM_PIECE_BYTES, decode_content=True)


def connection_error(err: Exception, *, redact: Callable[[str], str]) -> StoreError:
    """Map an error of the way to the server; messages hold no secret."""
    words = redact(_words_of(err))
    if isinstance(err, NameResolutionError | LocationValueError | UnicodeError):
        return StoreHostUnknownError(words)
    if isinstance(err, SSLError):
        return StoreTlsError(words)
    if isinstance(err, NewConnectionError):
        cause = err.__cause__
        if isinstance(cause, OSError) and cause.errno == errno.ECONNREFUSED:
            return StoreRefusedError(words)
        return StoreUnavailableError(words)
    if isinstance(err, ConnectTimeoutError | Urllib3TimeoutError | TimeoutError):
        return StoreTimeoutError("No answer in time")
    if isinstance(err, ProtocolError) and _is_nonsense(err):
        return StoreProtocolError(f"It does not speak HTTP ({words})")
    return StoreUnavailableError(words)


def _words_of(err: Exception) -> str:
    """Shorten urllib3's messages to what a person needs."""
    cause: object = err.__cause__
    if isinstance(err, ProtocolError | SSLError) and err.args:
        cause = err.args[-1]
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"Certificate not accepted: {cause.verify_message}"
    if isinstance(cause, socket.gaierror | OSError) and cause.strerror:
        return cause.strerror
    return str(cause or err) or type(err).__name__


def _is_nonsense(err: ProtocolError) -> bool:
    """Whether a connection carried something else than HTTP, as opposed to broke."""
    cause = err.args[-1] if err.args else None
    return isinstance(cause, HTTPException) and not isinstance(
        # A connection that was closed without an answer is both, an answer that was
        # cut short the second.
        cause,
        OSError | IncompleteRead,
    )


def _was_cut_off(err: Exception, *, body_bytes: int) -> bool:
    return (
        body_bytes > MIN_SUSPECT_BODY_BYTES
        and isinstance(err, ProtocolError)
        and bool(err.args)
        and isinstance(err.args[-1], ConnectionResetError | BrokenPipeError)
    )


def _secret_pattern(secrets: Collection[str]) -> re.Pattern[str] | None:
    # Longest first, since one may be a part of another.
    terms = [
        re.escape(secret)
        if len(secret) >= _MIN_PLAIN_SECRET
        else rf"(?<!\w){re.escape(secret)}(?!\w)"
        for secret in sorted(set(secrets), key=len, reverse=True)
        if secret
    ]
    return re.compile("|".join(terms)) if terms else None

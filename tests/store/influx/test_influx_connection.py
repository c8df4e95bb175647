"""Where no answer comes at all: names, connections, TLS."""

from collections.abc import Callable, Iterator
from dataclasses import replace
import errno
import socket
import struct
import threading

import pytest

from custom_components.ha_ingestor.errors import (
    BatchTooLargeError,
    StoreError,
    StoreHostUnknownError,
    StoreProtocolError,
    StoreRefusedError,
    StoreTimeoutError,
    StoreTlsError,
    StoreUnavailableError,
)
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from tests.stand_ins.certificates import Certificates
from tests.stand_ins.server import HttpStandIn, Reply

type MakeClient = Callable[..., InfluxClient]

LINE = b"m value=1 1\n"
WRITTEN = Reply(status=204)


@pytest.fixture
def http_target(http: HttpStandIn) -> Target:
    return Target(api_version=ApiVersion.V1, host="127.0.0.1", port=http.port)


@pytest.fixture
def scripted(make_client: MakeClient, http_target: Target) -> InfluxClient:
    return make_client(http_target)


class TestWay:
    """Where no answer comes at all."""

    def test_unknown_host(
        self,
        http: HttpStandIn,
        http_target: Target,
        make_client: MakeClient,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        client = make_client(replace(http_target, host="nowhere.invalid"))
        real = socket.getaddrinfo

        def fail(*args: object, **kwargs: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        with pytest.raises(StoreHostUnknownError, match="not known"):
            client.write(LINE, is_gzip=False)

        # The name is known again, and is looked up again.
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda _, *rest, **kw: real("127.0.0.1", *rest, **kw)
        )
        http.script(WRITTEN)
        client.write(LINE, is_gzip=False)

    @pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example"])
    def test_a_host_that_cannot_be_a_name(
        self, http_target: Target, make_client: MakeClient, host: str
    ) -> None:
        with pytest.raises(StoreHostUnknownError):
            make_client(replace(http_target, host=host)).ping()

    def test_refused(self, http_target: Target, make_client: MakeClient) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]

        with pytest.raises(StoreRefusedError):
            make_client(replace(http_target, port=port)).ping()

    def test_no_route(
        self, scripted: InfluxClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: object, **kwargs: object) -> None:
            raise OSError(errno.EHOSTUNREACH, "No route to host")

        monkeypatch.setattr("urllib3.util.connection.create_connection", fail)

        with pytest.raises(StoreUnavailableError, match="No route to host") as caught:
            scripted.write(LINE, is_gzip=False)

        assert type(caught.value) is StoreUnavailableError

    @pytest.mark.parametrize(
        ("size", "error"),
        [(4_000_000, BatchTooLargeError), (10_000, StoreUnavailableError)],
        ids=["large", "small"],
    )
    def test_reset_while_sending(
        self,
        http_target: Target,
        make_client: MakeClient,
        size: int,
        error: type[StoreError],
    ) -> None:
        # What remains of a 413 that the reset has overtaken. A small batch cannot
        # have been too large: there the server went away.
        with socket.create_server(("127.0.0.1", 0)) as server:
            client = make_client(
                replace(http_target, port=server.getsockname()[1]), timeout_s=5
            )
            with (
                RunAside(lambda: _reset(server)),
                pytest.raises(StoreError) as caught,
            ):
                client.write(LINE * (size // len(LINE)), is_gzip=False)

        assert type(caught.value) is error

    def test_timeout(self, http: HttpStandIn, scripted: InfluxClient) -> None:
        http.script(Reply(status=204, delay_s=30), WRITTEN)

        with pytest.raises(StoreTimeoutError):
            scripted.write(LINE, is_gzip=False, timeout_s=0.1)
        scripted.write(LINE, is_gzip=False)

    def test_no_time_left(self, scripted: InfluxClient) -> None:
        with pytest.raises(StoreUnavailableError):
            scripted.write(LINE, is_gzip=False, timeout_s=0.0)

    def test_not_http(self, http_target: Target, make_client: MakeClient) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            client = make_client(
                replace(http_target, port=server.getsockname()[1]), timeout_s=5
            )
            # What SSH says before anybody asks; the connection waits in the backlog.
            with (
                RunAside(lambda: _say(server, b"SSH-2.0-OpenSSH_9.2\r\n")),
                pytest.raises(StoreProtocolError, match="does not speak HTTP"),
            ):
                client.ping()

    def test_hung_up(self, http_target: Target, make_client: MakeClient) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            client = make_client(
                replace(http_target, port=server.getsockname()[1]), timeout_s=5
            )
            with (
                RunAside(lambda: _say(server, b"")),
                pytest.raises(StoreUnavailableError) as caught,
            ):
                client.write(LINE, is_gzip=False)

        assert type(caught.value) is StoreUnavailableError


class TestTls:
    """A server behind TLS with a certificate of an authority of one's own."""

    @pytest.fixture
    def https(self, certificates: Certificates) -> Iterator[HttpStandIn]:
        with HttpStandIn(tls=certificates.server_context()) as stand_in:
            yield stand_in

    @pytest.fixture
    def https_target(self, https: HttpStandIn) -> Target:
        return Target(
            api_version=ApiVersion.V1, host="127.0.0.1", port=https.port, ssl=True
        )

    def test_an_unknown_authority_is_refused(
        self, https_target: Target, make_client: MakeClient
    ) -> None:
        with pytest.raises(StoreTlsError, match="Certificate not accepted"):
            make_client(https_target).write(LINE, is_gzip=False)

    def test_an_authority_can_be_added(
        self,
        https: HttpStandIn,
        https_target: Target,
        certificates: Certificates,
        make_client: MakeClient,
    ) -> None:
        https.script(WRITTEN)
        client = make_client(
            replace(https_target, ca_certificate=certificates.authority_pem)
        )

        client.write(LINE, is_gzip=False)

        assert https.last.body == LINE

    def test_a_name_that_the_certificate_lacks_is_refused(
        self,
        https_target: Target,
        certificates: Certificates,
        make_client: MakeClient,
    ) -> None:
        client = make_client(
            replace(
                https_target,
                host="localhost",
                ca_certificate=certificates.authority_pem,
            )
        )

        with pytest.raises(StoreTlsError, match="Hostname mismatch"):
            client.write(LINE, is_gzip=False)

    def test_verification_can_be_switched_off(
        self, https: HttpStandIn, https_target: Target, make_client: MakeClient
    ) -> None:
        https.script(WRITTEN)

        make_client(replace(https_target, verify_ssl=False)).write(LINE, is_gzip=False)

        assert https.last.body == LINE

    @pytest.mark.parametrize(
        "pem",
        ["nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"],
    )
    def test_a_broken_certificate_is_told_at_once(
        self, https_target: Target, pem: str
    ) -> None:
        with pytest.raises(StoreTlsError, match="PEM"):
            InfluxClient(replace(https_target, ca_certificate=pem))

    def test_tls_where_there_is_none(
        self, http_target: Target, make_client: MakeClient
    ) -> None:
        with pytest.raises(StoreTlsError):
            make_client(replace(http_target, ssl=True)).write(LINE, is_gzip=False)

    def test_no_tls_where_there_is_some(
        self, https_target: Target, make_client: MakeClient
    ) -> None:
        with pytest.raises(StoreError):
            make_client(replace(https_target, ssl=False)).write(LINE, is_gzip=False)


class RunAside:
    """Runs a function on a thread while the context is open."""

    def __init__(self, run: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=run)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()


def _say(server: socket.socket, text: bytes) -> None:
    """Take one connection, say something, and hang up."""
    connection, _ = server.accept()
    with connection:
        connection.sendall(text)
        connection.recv(65_536)


def _reset(server: socket.socket) -> None:
    """Take one connection, read the beginning, and reset it."""
    connection, _ = server.accept()
    connection.recv(1_000)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()

"""An HTTP server on loopback that a test can script; the base of the stand-ins."""

import base64
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
import socket
import ssl
import threading
from typing import Any, Self, override
from urllib.parse import parse_qsl, urlsplit
import zlib


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it arrived, its body decompressed.

    Attributes:
        query: Of the URL.
        form: Of the body, where it is one.
        secret: Password or token, whichever way it came.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def secret(self) -> str:
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            return base64.b64decode(value).decode().partition(":")[2]
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer.

    Attributes:
        pieces: Sent as HTTP chunks instead of `body`.
        is_cut: The connection ends without the last chunk.
        delay_s: Before anything is sent.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    pieces: tuple[bytes, ...] | None = None
    is_cut: bool = False
    delay_s: float = 0.0

    @classmethod
    def json(cls, payload: Any, status: int = 200, **headers: str) -> Self:
        return cls(
            status=status,
            headers={"Content-Type": "application/json", **headers},
            body=json.dumps(payload).encode(),
        )


class HttpStandIn:
    """Answers with what was scripted, else with `answer`, which a subclass gives."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.replies: deque[Reply] = deque()
        self._stopping = threading.Event()
        self._server = _Server(self, tls)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._scheme = "http" if tls is None else "https"

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def last(self) -> Request:
        return self.requests[-1]

    def script(self, *replies: Reply) -> None:
        """Answer the next requests with these, whatever they ask."""
        self.replies.extend(replies)

    def answer(self, request: Request) -> Reply:
        raise AssertionError(f"Unexpected {request.method} {request.path}")

    def reply_to(self, request: Request) -> Reply:
        self.requests.append(request)
        reply = self.replies.popleft() if self.replies else self.answer(request)
        self._stopping.wait(reply.delay_s)
        return reply

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    # Joined at the end: no thread may outlive its test.
    daemon_threads = False
    block_on_close = True

    def __init__(self, stand_in: HttpStandIn, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stand_in = stand_in
        self._tls = tls
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    @override
    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self._tls is not None:
            # The handshake happens in the handler's thread, at the first read.
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        with self._lock:
            self._connections.add(connection)
        return connection, address

    @override
    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Wake the handlers that wait for the next request of a kept connection."""
        with self._lock:
            connections = tuple(self._connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep silent: tests break connections on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _handle(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = zlib.decompress(body, wbits=31)
        reply = self.server.stand_in.reply_to(
            Request(
                method=self.command,
                path=url.path,
                query=dict(parse_qsl(url.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=body,
            )
        )
        self._send(reply)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.pieces is not None:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in reply.pieces:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if reply.is_cut:
                self.close_connection = True
            else:
                self.wfile.write(b"0\r\n\r\n")
            return
        if reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = _handle  # noqa: N815

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Keep silent."""

"""A proxy in front of a real server that misbehaves in every way a network can."""

from collections.abc import Callable
import gzip
import socket
import socketserver
import struct
import threading
import time
from typing import Final, override

# Longer than any timeout of the tests.
_HANG_S: Final = 30.0
_HEAD_END: Final = b"\r\n\r\n"

type Fault = Callable[[FaultyConnection], None]


class FaultProxy:
    """Listens on loopback; `fault` decides what happens to each request.

    Attributes:
        fault: None lets everything pass.
        seen: How many requests have met a fault.
    """

    def __init__(self, upstream_port: int) -> None:
        """Listen; connections are served on threads of their own."""
        self.upstream_port = upstream_port
        self.fault: Fault | None = None
        self.seen = 0
        self.passed = 0
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), FaultyConnection)
        self._server.proxy = self
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening and let every connection end."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = True
    proxy: FaultProxy


class FaultyConnection(socketserver.BaseRequestHandler):
    """One connection of a client; requests on it are served one after another."""

    server: _Server
    request: socket.socket

    @override
    def handle(self) -> None:
        """Serve requests until the client or a fault ends the connection."""
        self.request.settimeout(0.2)
        try:
            while not self.server.proxy.closing.is_set():
                try:
                    raw = self._read_request()
                except TimeoutError:
                    continue
                if not raw:
                    return
                self.raw = raw
                fault = self.server.proxy.fault
                if fault is None:
                    self.answer(self.ask_upstream())
                    self.server.proxy.passed += 1
                else:
                    self.server.proxy.seen += 1
                    fault(self)
                    return
        except OSError:
            return

    def _read_request(self) -> bytes:
        data = b""
        while _HEAD_END not in data:
            piece = self._receive(is_first=not data)
            if not piece:
                return b""
            data += piece
        head, _, body = data.partition(_HEAD_END)
        if b"expect: 100-continue" in head.lower():
            self.request.sendall(b"HTTP/1.1 100 Continue" + _HEAD_END)
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(body) < length:
            body += self._receive(is_first=False)
        return head + _HEAD_END + body

    def _receive(self, *, is_first: bool) -> bytes:
        while True:
            try:
                return self.request.recv(65_536)
            except TimeoutError:
                # Between two requests the proxy looks whether it is to close.
                if is_first or self.server.proxy.closing.is_set():
                    raise

    def ask_upstream(self) -> bytes:
        """Pass the request on and return the whole answer."""
        head, _, body = self.raw.partition(_HEAD_END)
        head = b"\r\n".join(
            line
            for line in head.split(b"\r\n")
            if not line.lower().startswith((b"connection:", b"expect:"))
        )
        address = ("127.0.0.1", self.server.proxy.upstream_port)
        with socket.create_connection(address, 10) as upstream:
            upstream.sendall(head + b"\r\nConnection: close" + _HEAD_END + body)
            answer = b""
            while piece := upstream.recv(65_536):
                answer += piece
        return answer

    def answer(self, data: bytes) -> None:
        """Send bytes to the client."""
        self.request.sendall(data)


def status(code: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer with a status of InfluxDB's own, without asking the server."""

    def fault(connection: FaultyConnection) -> None:
        fields = {
            "Content-Type": "application/json",
            "X-Influxdb-Version": "1.6.7",
            "Content-Length": str(len(body)),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        head = f"HTTP/1.1 {code} Fault\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in fields.items()
        )
        connection.answer(head.encode() + b"\r\n" + body)

    return fault


def hang(connection: FaultyConnection) -> None:
    """Never answer."""
    connection.server.proxy.closing.wait(_HANG_S)


def reset(connection: FaultyConnection) -> None:
    """Reset the connection instead of answering."""
    linger = struct.pack("ii", 1, 0)
    connection.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.request.close()


def close_before_answer(connection: FaultyConnection) -> None:
    """Let the server do the work and lose its answer: the outcome is unknown."""
    connection.ask_upstream()


def close_in_the_middle_of_the_answer(connection: FaultyConnection) -> None:
    """Let the server do the work and cut its answer."""
    # Within the status line: what comes after it does not change the outcome.
    connection.answer(connection.ask_upstream()[:11])


def garbage(connection: FaultyConnection) -> None:
    """Answer with what is no HTTP at all."""
    connection.answer(bytes(range(256)) * 4)


def page(code: int) -> Fault:
    """Answer as something in between does, such as a captive portal."""

    def fault(connection: FaultyConnection) -> None:
        body = b"<html><body>Please log in</body></html>"
        connection.answer(
            b"HTTP/1.1 %d Page\r\nContent-Type: text/html\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (code, len(body), body)
        )

    return fault


def truncated_gzip(connection: FaultyConnection) -> None:
    """Answer with a compressed body that is cut."""
    body = gzip.compress(b'{"error":"' + bytes(range(97, 123)) * 40 + b'"}')[:-20]
    connection.answer(
        b"HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\n"
        b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    )


def slow(connection: FaultyConnection) -> None:
    """Answer rightly, a byte at a time."""
    answer = connection.ask_upstream()
    for byte in answer:
        if connection.server.proxy.closing.is_set():
            return
        connection.answer(bytes([byte]))
        time.sleep(0.01)

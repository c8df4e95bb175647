"""Servers that give a person every reason to be told of an error.

A real InfluxDB 1.x, the stand-ins of the tests for 2.x and 3.x, and some that are no
InfluxDB at all; all of them on loopback.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
import socket
from typing import Final, override

from tests.stand_ins.certificates import make_certificates
from tests.stand_ins.influxdb_v2 import ADMIN_TOKEN, InfluxDb2StandIn
from tests.stand_ins.influxdb_v3 import InfluxDb3StandIn
from tests.stand_ins.points import Points
from tests.stand_ins.server import HttpStandIn, Reply, Request

from .influxd import InfluxServer, free_port
from .settings import DEFAULT_DATABASE, DEV

ADMIN: Final = ("admin", "secret of the admin")
READER: Final = ("reader", "secret of the reader")
WRITER: Final = ("writer", "secret of the writer")
GOOD_TOKEN: Final = ADMIN_TOKEN
TOKEN_WITHOUT_DELETE: Final = "token-that-may-not-delete"  # noqa: S105, opens nothing

_FORBIDDEN: Final = Reply.json(
    {"code": "forbidden", "message": "insufficient permissions"}, 403
)


class WebServer(HttpStandIn):
    """A web server that is no InfluxDB."""

    @override
    def answer(self, request: Request) -> Reply:
        """Show a page, whatever is asked."""
        return Reply(headers={"Content-Type": "text/html"}, body=b"<h1>Welcome</h1>")


class BusyServer(HttpStandIn):
    """What a proxy says while the server behind it starts."""

    @override
    def answer(self, request: Request) -> Reply:
        """Ask for patience."""
        return Reply(status=503, body=b"Service Unavailable")


class FussyServer(InfluxDb2StandIn):
    """A 2.x with a token that may not delete; it can be made to forget."""

    is_forgetful = False

    def add_bucket(self, name: str) -> None:
        """Have one more bucket."""
        self.buckets[name] = Points()

    @override
    def answer(self, request: Request) -> Reply:
        """Refuse what the token lacks."""
        is_query = request.path == "/query"
        statement = request.form["q"] if is_query else ""
        if request.secret == TOKEN_WITHOUT_DELETE and statement.startswith("DELETE"):
            return _FORBIDDEN
        if self.is_forgetful and statement.startswith("SELECT"):
            return Reply.json({"results": [{"statement_id": 0}]})
        return super().answer(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorServers:
    """All that a form may be pointed at.

    Attributes:
        guarded: 1.x that asks for credentials; `READER` and `WRITER` have one right.
        silent_port: Takes connections and never answers.
        closed_port: Nobody listens there.
    """

    guarded: InfluxServer
    fussy: FussyServer
    old: InfluxDb2StandIn
    tls: InfluxDb3StandIn
    v3: InfluxDb3StandIn
    web: WebServer
    busy: BusyServer
    silent_port: int
    closed_port: int


@contextmanager
def run_error_servers(folder: Path) -> Iterator[ErrorServers]:
    """Start them all, and stop them again."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        binary = DEV / "influxdb" / "influxd"
        guarded = stack.enter_context(
            InfluxServer(binary, folder / "guarded", auth=True)
        )
        guarded.create_admin(*ADMIN)
        guarded.query(f'CREATE DATABASE "{DEFAULT_DATABASE}"')
        for (name, password), right in ((READER, "READ"), (WRITER, "WRITE")):
            guarded.query(f"CREATE USER \"{name}\" WITH PASSWORD '{password}'")
            guarded.query(f'GRANT {right} ON "{DEFAULT_DATABASE}" TO "{name}"')
        fussy = FussyServer(buckets=(DEFAULT_DATABASE,))
        fussy.tokens[TOKEN_WITHOUT_DELETE] = frozenset({"read", "write", "orgs"})
        context = make_certificates(folder).server_context()
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        yield ErrorServers(
            guarded=guarded,
            fussy=stack.enter_context(fussy),
            old=stack.enter_context(InfluxDb2StandIn(version="v2.1.1")),
            tls=stack.enter_context(InfluxDb3StandIn(tls=context)),
            v3=stack.enter_context(InfluxDb3StandIn()),
            web=stack.enter_context(WebServer()),
            busy=stack.enter_context(BusyServer()),
            silent_port=silent.getsockname()[1],
            closed_port=free_port(),
        )

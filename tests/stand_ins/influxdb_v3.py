"""Stand-in for InfluxDB 3.x Core: contract from source, not verified on a server.

What it answers follows the public source of 3.x (influxdb3_server/src/http.rs,
core/iox_v1_query_api).

- `/ping` is 200 with JSON.
- `/api/v3/write_lp` with `accept_partial=true` writes what is good and names every
  bad line in `data`, counted from one; it creates the database.
- `/query` is 200 even where a statement fails, and its pieces may follow each other
  without a newline (core/iox_v1_query_api/src/response/json.rs).
- Rows cannot be deleted (iox_query_influxql planner: "not implemented: DELETE").
- Errors of the configuration endpoints may be plain text.
"""

from collections.abc import Iterable
import json
from typing import Any, Final, override

from .points import BadLineError, Points, TypeConflictError
from .server import HttpStandIn, Reply, Request

ADMIN_TOKEN: Final = "apiv3_admin-token-of-the-stand-in"

_TYPES: Final = {"str": "string", "float": "float", "bool": "boolean"}
# influxdb3/src/commands/serve.rs
_MAX_DATABASES: Final = 5


class InfluxDb3StandIn(HttpStandIn):
    """Databases, an admin token, and tokens for data only."""

    def __init__(
        self,
        *,
        version: str = "3.5.0",
        databases: Iterable[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.databases = {name: Points() for name in databases}
        self.tokens: dict[str, frozenset[str]] = {
            ADMIN_TOKEN: frozenset({"data", "admin"})
        }
        self.database_requests: list[dict[str, Any]] = []
        self.dropped_tables: list[tuple[str, str]] = []
        # Enterprise; Core gives a database its retention at creation only.
        self.has_updates = True
        self.updates: list[dict[str, Any]] = []

    @override
    def answer(self, request: Request) -> Reply:
        rights = self.tokens.get(request.secret)
        if rights is None:
            return Reply(
                status=401, body=b'{"error": "the request was not authenticated"}'
            )
        if request.path == "/ping":
            return Reply.json(
                {
                    "product_name": "InfluxDB 3 Core",
                    "version": self.version,
                    "revision": "0123456789",
                    "process_id": "00000000-0000-0000-0000-000000000000",
                }
            )
        if request.path == "/health":
            return Reply(body=b"OK")
        handlers = {
            ("POST", "/api/v3/write_lp"): self._write,
            ("POST", "/query"): self._query,
            ("GET", "/api/v3/configure/database"): self._list_databases,
            ("POST", "/api/v3/configure/database"): self._create_database,
            ("PUT", "/api/v3/configure/database"): self._update_database,
            ("DELETE", "/api/v3/configure/table"): self._drop_table,
        }
        handler = handlers.get((request.method, request.path))
        if handler is None:
            return Reply(status=404, body=b"not found")
        if "/configure/" in request.path and "admin" not in rights:
            return Reply(status=403, body=b'{"error": "forbidden"}')
        return handler(request)

    def _write(self, request: Request) -> Reply:
        name = request.query["db"]
        if name not in self.databases and len(self.databases) >= _MAX_DATABASES:
            return _limit_reached()
        points = self.databases.setdefault(name, Points())
        bad: list[dict[str, Any]] = []
        for number, line in enumerate(request.body.decode().splitlines(), start=1):
            try:
                points.add(points.parse(line))
            except BadLineError:
                bad.append(_bad(line, number, "No fields were provided"))
            except TypeConflictError as err:
                bad.append(
                    _bad(
                        line,
                        number,
                        f"invalid column type for column '{err.field}', expected "
                        f"iox::column_type::field::{_TYPES[err.had]}, got "
                        f"iox::column_type::field::{_TYPES[err.got]}",
                    )
                )
        if bad:
            return Reply(
                status=400,
                body=json.dumps(
                    {"error": "partial write of line protocol occurred", "data": bad}
                ).encode(),
            )
        return Reply(status=204)

    def _query(self, request: Request) -> Reply:
        form = request.form
        result: dict[str, Any] = {"statement_id": 0}
        points = self.databases.get(form["db"])
        if points is None:
            result["error"] = f"Database {form['db']} not found"
        elif form["q"].startswith("DELETE"):
            result["error"] = "not implemented: DELETE"
        elif series := points.query(form["q"], form.get("params")):
            result["series"] = series
        return Reply(
            headers={"Content-Type": "application/json"},
            pieces=(json.dumps({"results": [result]}).encode(),),
        )

    def _list_databases(self, request: Request) -> Reply:
        if "format" not in request.query:
            return Reply(status=400, body=b"serde error: missing field `format`")
        names = ["_internal", *self.databases]
        return Reply.json([{"iox::database": name} for name in names])

    def _create_database(self, request: Request) -> Reply:
        body = request.json
        if body["db"] in self.databases:
            return Reply(status=409, body=b"attempted to create a resource that exists")
        if len(self.databases) >= _MAX_DATABASES:
            return _limit_reached()
        self.database_requests.append(body)
        self.databases[body["db"]] = Points()
        return Reply()

    def _update_database(self, request: Request) -> Reply:
        body = request.json
        if not self.has_updates:
            return Reply(status=405)
        if body["db"] not in self.databases:
            return Reply(status=404, body=b'{"error": "database not found"}')
        self.updates.append(body)
        return Reply()

    def _drop_table(self, request: Request) -> Reply:
        name, table = request.query["db"], request.query["table"]
        points = self.databases[name]
        points.rows = [row for row in points.rows if row.name != table]
        self.dropped_tables.append((name, table))
        return Reply()


def _limit_reached() -> Reply:
    return Reply(
        status=422,
        body=b'{"error": "Update to schema would exceed number of databases limit of 5 '
        b'databases", "data": null}',
    )


def _bad(line: str, number: int, message: str) -> dict[str, Any]:
    return {"original_line": line, "line_number": number, "error_message": message}

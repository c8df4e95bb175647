"""Stand-in for InfluxDB 2.x: contract from source, not verified on a server.

What it answers follows the public source of 2.7: `/ping`, the v1 API (`/write`,
`/query`) and the part of `/api/v2` that `influxdb-client` uses for buckets.

- A type conflict is 422, the rest is written (http/write_handler.go:159-168).
- A line that cannot be read is 400, nothing is written
  (http/points/points_parser.go:70-90).
- A bucket that is missing, or that the token may not read, has no mapping: 404.
- Lacking a permission is 403 on the v1 API and 401 with other words on `/api/v2`
  (authorizer/authorize.go).
"""

from collections.abc import Iterable
import hashlib
from typing import Any, Final, override

from .points import BadLineError, Points, TypeConflictError
from .server import HttpStandIn, Reply, Request

ORGANIZATION: Final = "home"
ORGANIZATION_ID: Final = "0123456789abcdef"
ADMIN_TOKEN: Final = "admin-token-of-the-stand-in"

_TYPES: Final = {"str": "string", "float": "float", "bool": "boolean"}


class InfluxDb2StandIn(HttpStandIn):
    """One organization with buckets, an all-access token and narrower ones."""

    def __init__(
        self,
        *,
        version: str = "v2.7.12",
        buckets: Iterable[str] = ("_monitoring", "_tasks"),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.buckets = {name: Points() for name in buckets}
        # Token to what it may do; the admin token may do all.
        self.tokens: dict[str, frozenset[str]] = {
            ADMIN_TOKEN: frozenset({"read", "write", "create", "orgs"})
        }
        self.bucket_requests: list[dict[str, Any]] = []
        # Name to seconds; those that are not here keep their rows for ever.
        self.retention: dict[str, int] = {}

    @override
    def answer(self, request: Request) -> Reply:
        if request.path == "/ping":
            return Reply(
                status=204,
                headers={
                    "X-Influxdb-Version": self.version,
                    "X-Influxdb-Build": "OSS",
                },
            )
        if request.path == "/health":
            return Reply.json(
                {"name": "influxdb", "status": "pass", "version": self.version}
            )
        rights = self.tokens.get(request.secret)
        if rights is None:
            return _error("unauthorized", "unauthorized access", 401)
        handlers = {
            ("POST", "/write"): self._write,
            ("POST", "/query"): self._query,
            ("GET", "/api/v2/orgs"): self._list_organizations,
            ("GET", "/api/v2/buckets"): self._list_buckets,
            ("POST", "/api/v2/buckets"): self._create_bucket,
        }
        if request.method == "PATCH":
            return self._change_bucket(request, rights)
        handler = handlers.get((request.method, request.path))
        if handler is None:
            return _error("not found", "path not found", 404)
        return handler(request, rights)

    def _write(self, request: Request, rights: frozenset[str]) -> Reply:
        points = self.buckets.get(request.query["db"])
        if points is None or "read" not in rights:
            return _error("not found", "no dbrp mapping found", 404)
        if "write" not in rights:
            return _error("forbidden", "insufficient permissions for write", 403)
        lines = request.body.decode().splitlines()
        try:
            parsed = [points.parse(line) for line in lines]
        except BadLineError as err:
            return _error("invalid", f"unable to parse '{err}': bad", 400)
        conflicts: list[str] = []
        for point in parsed:
            try:
                points.add(point)
            except TypeConflictError as err:
                conflicts.append(
                    f'input field "{err.field}" on measurement "{point.name}" is type '
                    f"{_TYPES[err.got]}, already exists as type {_TYPES[err.had]}"
                )
        if conflicts:
            return _error(
                "unprocessable entity",
                "failure writing points to database: partial write: field type "
                f"conflict: {conflicts[0]} dropped={len(conflicts)}",
                422,
            )
        return Reply(status=204)

    def _query(self, request: Request, rights: frozenset[str]) -> Reply:
        form = request.form
        is_delete = form["q"].startswith("DELETE")
        if ("write" if is_delete else "read") not in rights:
            return _error("forbidden", "insufficient permissions", 403)
        points = self.buckets.get(form["db"])
        if points is None:
            return Reply.json(
                {
                    "results": [
                        {
                            "statement_id": 0,
                            "error": f"database not found: {form['db']}",
                        }
                    ]
                }
            )
        result: dict[str, Any] = {"statement_id": 0}
        if series := points.query(form["q"], form.get("params")):
            result["series"] = series
        return Reply.json({"results": [result]})

    def _list_organizations(self, request: Request, rights: frozenset[str]) -> Reply:
        wanted = request.query.get("org", ORGANIZATION)
        if wanted != ORGANIZATION:
            return _error("not found", f'organization name "{wanted}" not found', 404)
        visible = [{"id": ORGANIZATION_ID, "name": ORGANIZATION}]
        return Reply.json({"orgs": visible if "orgs" in rights else []})

    def _list_buckets(self, request: Request, rights: frozenset[str]) -> Reply:
        wanted = request.query.get("org", ORGANIZATION)
        if wanted not in {ORGANIZATION, ORGANIZATION_ID}:
            return _error("not found", f'organization name "{wanted}" not found', 404)
        names = sorted(self.buckets) if "read" in rights else []
        if (name := request.query.get("name")) is not None:
            names = [name] if name in names else []
        limit = int(request.query.get("limit", 20))
        after = request.query.get("after")
        entries = [
            {
                "id": _bucket_id(name),
                "orgID": ORGANIZATION_ID,
                "name": name,
                "retentionRules": [
                    {"type": "expire", "everySeconds": self.retention[name]}
                ]
                if name in self.retention
                else [],
            }
            for name in names
        ]
        if after is not None:
            ids = [entry["id"] for entry in entries]
            entries = entries[ids.index(after) + 1 :]
        links = {"self": f"/api/v2/buckets?limit={limit}"}
        # A full page has a next one, be that empty (paging.go: NewPagingLinks).
        if len(entries) >= limit:
            links["next"] = f"/api/v2/buckets?limit={limit}&offset={limit}"
        return Reply.json({"links": links, "buckets": entries[:limit]})

    def _create_bucket(self, request: Request, rights: frozenset[str]) -> Reply:
        if "create" not in rights:
            return _error(
                "unauthorized",
                f"write:orgs/{ORGANIZATION_ID}/buckets is unauthorized",
                401,
            )
        body = request.json
        if body["name"] in self.buckets:
            return _error(
                "conflict", f"bucket with name {body['name']} already exists", 422
            )
        self.bucket_requests.append(body)
        self.buckets[body["name"]] = Points()
        for rule in body["retentionRules"]:
            self.retention[body["name"]] = rule["everySeconds"]
        return Reply.json({**body, "id": _bucket_id(body["name"])}, 201)

    def _change_bucket(self, request: Request, rights: frozenset[str]) -> Reply:
        bucket_id = request.path.removeprefix("/api/v2/buckets/")
        by_id = {_bucket_id(name): name for name in self.buckets}
        if bucket_id not in by_id:
            return _error("not found", "bucket not found", 404)
        if "create" not in rights:
            return _error(
                "unauthorized", f"write:buckets/{bucket_id} is unauthorized", 401
            )
        (rule,) = request.json["retentionRules"]
        name = by_id[bucket_id]
        self.retention[name] = rule["everySeconds"]
        return Reply.json({"id": bucket_id, "name": name, "retentionRules": [rule]})


def _bucket_id(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _error(code: str, message: str, status: int) -> Reply:
    return Reply.json(
        {"code": code, "message": message},
        status,
        **{"X-Platform-Error-Code": code},
    )

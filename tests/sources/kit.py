"""A provider on loopback with canned answers, and the cases that are tried with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
import json
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from aiohttp import web
from aiohttp.test_utils import TestServer

from custom_components.ha_ingestor.sources.base import SourceContext

TESTCASES: Final = Path(__file__).parent.parent / "testcases"


@dataclass(slots=True, kw_only=True)
class Answer:
    """What the provider says to requests of a path.

    Attributes:
        query: Parameters that the request must have for this answer.
        body: Sent as it is if it is text, else as JSON.
    """

    path: str
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    def fits(self, request: web.BaseRequest) -> bool:
        """Whether this is the answer to a request."""
        return (
            request.path == self.path
            and request.method == self.method
            and all(request.query.get(key) == v for key, v in self.query.items())
        )


class ProviderServer:
    """Serves answers; of those that fit a request the first one, in turn the next.

    Attributes:
        requests: What was asked: method, path with query, headers, body.
    """

    def __init__(self, answers: Sequence[Answer] = ()) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, str, dict[str, str], str]] = []
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._server = TestServer(app, host="127.0.0.1")

    async def start(self) -> None:
        await self._server.start_server()

    async def stop(self) -> None:
        await self._server.close()

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return str(self._server.make_url("")).rstrip("/")

    async def _handle(self, request: web.Request) -> web.Response:
        self.requests.append(
            (
                request.method,
                request.path_qs,
                dict(request.headers),
                await request.text(),
            )
        )
        answer = next((item for item in self.answers if item.fits(request)), None)
        if answer is None:
            return web.Response(status=404, text="no such path in this test")
        if sum(item.fits(request) for item in self.answers) > 1:
            # The next request gets the next one; the last one stays.
            self.answers.remove(answer)
        body = answer.body
        text = body if isinstance(body, str) else json.dumps(body)
        headers = {"Content-Type": "application/json", **answer.headers}
        return web.Response(status=answer.status, headers=headers, text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One folder below testcases/.

    Its `args.json` holds `arguments`, `now`, optionally `time_zone`, `latitude`,
    `longitude`, `country`, `currency`, `states` (entity id to `state`,
    `attributes`, `last_updated`, `last_reported`), and `answers`: items of `path`,
    `file` (a `response_*` beside it), and optionally `method`, `query`, `status`,
    `headers`.
    """

    kind: str
    provider: str
    folder: Path

    def read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    @property
    def is_error(self) -> bool:
        return (self.folder / "expected_error.json").exists()

    def read_answers(self) -> list[Answer]:
        answers = []
        for item in self.read("args.json").get("answers", []):
            settings = dict(item)
            file = settings.pop("file", None)
            body = None
            if file is not None:
                body = (self.folder / file).read_text(encoding="utf-8")
            answers.append(Answer(**settings, body=body if body is not None else ""))
        return answers


def list_cases() -> list[Case]:
    """List the folders below testcases/<kind>/<provider>/."""
    return [
        Case(
            kind=path.parent.parent.parent.name,
            provider=path.parent.parent.name,
            folder=path.parent,
        )
        for path in sorted(TESTCASES.glob("*/*/*/args.json"))
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CannedState:
    """State of an entity, for adapters."""

    state: str
    attributes: Mapping[str, Any]
    last_updated: datetime
    reported_at: datetime | None = None

    @property
    def last_reported(self) -> datetime:
        """When it was stated last; when it changed, where a case says nothing."""
        return self.reported_at or self.last_updated


def create_case_context(args: Mapping[str, Any]) -> SourceContext:
    """Return the home and the moment of a case."""
    now = datetime.fromisoformat(args["now"]).astimezone(UTC)
    states = {
        entity_id: CannedState(
            state=item["state"],
            attributes=item.get("attributes", {}),
            last_updated=datetime.fromisoformat(item["last_updated"])
            if "last_updated" in item
            else now,
            reported_at=datetime.fromisoformat(item["last_reported"])
            if "last_reported" in item
            else None,
        )
        for entity_id, item in args.get("states", {}).items()
    }

    async def get_events(
        entity_id: str, start: datetime, end: datetime
    ) -> Sequence[Mapping[str, Any]]:
        events: Sequence[Mapping[str, Any]] = args["events"][entity_id]
        return events

    return SourceContext(
        now=now,
        time_zone=ZoneInfo(args.get("time_zone", "UTC")),
        latitude=args.get("latitude", 52.5),
        longitude=args.get("longitude", 13.4),
        country=args.get("country"),
        currency=args.get("currency", "EUR"),
        get_state=states.get,
        get_events=get_events,
    )

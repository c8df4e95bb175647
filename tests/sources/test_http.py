"""Asking a provider over real HTTP: what each answer means, and what leaks nowhere."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
import gzip
import json
import logging
import time
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given, strategies as st
import pytest

from custom_components.ha_ingestor.errors import (
    SourceAuthError,
    SourceDataError,
    SourceError,
    SourceUnavailableError,
)
from custom_components.ha_ingestor.sources import http
from custom_components.ha_ingestor.sources.http import HttpClient, parse_retry_after
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from tests.sources.silent import serve_silence

SECRET = "k3y-of-the-user"

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
type Serve = Callable[[Handler], Awaitable[HttpClient]]


def answer(**settings: Any) -> Handler:
    """Return a handler that gives the same answer to everything."""

    async def handle(request: web.Request) -> web.Response:
        return web.Response(**settings)

    return handle


@pytest.fixture
async def serve(hass: HomeAssistant) -> AsyncGenerator[Serve]:
    """Start a provider; return what asks it."""
    servers: list[TestServer] = []

    async def start(handler: Handler) -> HttpClient:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        server = TestServer(app, host="127.0.0.1")
        servers.append(server)
        await server.start_server()
        base_url = str(server.make_url("")).rstrip("/")
        return HttpClient(async_get_clientsession(hass), base_url)

    yield start
    for server in servers:
        await server.close()


async def fail(client: HttpClient, **settings: Any) -> SourceError:
    """Ask, and return why there was no answer."""
    with pytest.raises(SourceError) as caught:
        await client.async_get_json("/x", **settings)
    return caught.value


async def test_an_answer_comes_back_as_it_was_asked_for(serve: Serve) -> None:
    async def handle(request: web.Request) -> web.Response:
        body = await request.text()
        return web.json_response(
            {
                "path": request.path_qs,
                "method": request.method,
                "key": request.headers.get("X-Key"),
                "login": request.headers.get("Authorization"),
                "body": body,
            }
        )

    client = await serve(handle)
    got = await client.async_get_json(
        "/a/b", params={"q": "ä b"}, headers={"X-Key": "1"}, auth=("ada", "p:w")
    )
    assert got == {
        "path": "/a/b?q=%C3%A4+b",
        "method": "GET",
        "key": "1",
        "login": "Basic YWRhOnA6dw==",
        "body": "",
    }
    posted = await client.async_request("POST", "/a", json_body={"b": 1})
    assert json.loads(posted.payload["body"]) == {"b": 1}
    assert posted.payload["login"] is None


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (204, SourceDataError),
        (300, SourceUnavailableError),
        (302, SourceUnavailableError),
        (304, SourceUnavailableError),
        (400, SourceDataError),
        (401, SourceAuthError),
        (403, SourceAuthError),
        (404, SourceDataError),
        (422, SourceDataError),
        (429, SourceUnavailableError),
        (500, SourceUnavailableError),
        (503, SourceUnavailableError),
        (599, SourceUnavailableError),
    ],
)
async def test_what_a_status_means(
    serve: Serve, status: int, error: type[SourceError]
) -> None:
    client = await serve(answer(status=status))
    assert type(await fail(client)) is error


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"message": "no such zone"}', "no such zone"),
        ('{"Message": "no key"}', "no key"),
        ('{"error": {"code": 7, "message": "no such zone"}}', "no such zone"),
        ('{"errors": [{"detail": "no such zone"}]}', "no such zone"),
        ('[{"message": "first"}, {"message": "second"}]', "first"),
        ('"plain"', "plain"),
        ('{"code": 7}', "HTTP status 404"),
        ('{"message": "' + "x" * 1000 + '"}', "x" * 200),
        ("[" * 50 + '"deep"' + "]" * 50, "HTTP status 404"),
        ("<html>", "HTTP status 404"),
        ("", "HTTP status 404"),
    ],
)
async def test_the_words_of_an_error(serve: Serve, body: str, words: str) -> None:
    client = await serve(answer(status=404, text=body))
    assert str(await fail(client)) == words


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"null",
        b"<html>login</html>",
        b"{",
        b"\xff\xfe{}",
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"1" * 10_000,
    ],
    ids=[
        "empty",
        "blank",
        "null",
        "html",
        "cut",
        "no-text",
        "deep-list",
        "deep-object",
        "long-number",
    ],
)
async def test_what_is_no_json_is_said_to_be_none(serve: Serve, body: bytes) -> None:
    client = await serve(answer(body=body))
    assert isinstance(await fail(client), SourceDataError)


async def test_an_answer_has_a_longest_length(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_ANSWER_BYTES", 1000)
    client = await serve(answer(text='"' + "x" * 998 + '"'))
    assert len(await client.async_get_json("/x")) == 998
    client = await serve(answer(text='"' + "x" * 999 + '"'))
    assert str(await fail(client)) == "The answer is too long"


async def test_what_is_packed_small_is_not_unpacked_without_end(serve: Serve) -> None:
    bomb = gzip.compress(b" " * 64 * 1024 * 1024)
    client = await serve(answer(body=bomb, headers={"Content-Encoding": "gzip"}))
    started_at = time.process_time()
    assert str(await fail(client)) == "The answer is too long"
    assert time.process_time() - started_at < 5


async def test_broken_packing(serve: Serve) -> None:
    client = await serve(answer(body=b"no zip", headers={"Content-Encoding": "gzip"}))
    assert isinstance(await fail(client), SourceUnavailableError)


@pytest.mark.parametrize(
    "first_words",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    ],
    ids=["nothing", "head", "body", "chunk"],
)
async def test_who_is_slow_is_given_up(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, first_words: bytes
) -> None:
    monkeypatch.setattr(http, "REQUEST_TIMEOUT_S", 0.2)
    async with serve_silence(first_words) as silent:
        client = HttpClient(async_get_clientsession(hass), silent.url)
        error = await fail(client)
        assert silent.asked == 1
    assert isinstance(error, SourceUnavailableError)
    assert str(error) == "No answer in time"


@pytest.mark.parametrize(
    "first_words",
    [b"\x00\xff garbage\r\n\r\n", b"HTTP/9.9 abc\r\n\r\n", b"SSH-2.0\r\n"],
)
async def test_what_is_no_http(hass: HomeAssistant, first_words: bytes) -> None:
    async with serve_silence(first_words) as silent:
        client = HttpClient(async_get_clientsession(hass), silent.url)
        error = await fail(client)
    assert isinstance(error, SourceUnavailableError)
    assert "garbage" not in str(error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_credentials_do_not_follow_elsewhere(serve: Serve, status: int) -> None:
    followed: list[web.Request] = []

    async def listen(request: web.Request) -> web.Response:
        followed.append(request)
        return web.json_response({})

    elsewhere = await serve(listen)
    client = await serve(
        answer(status=status, headers={"Location": f"{elsewhere._base_url}/{SECRET}"})
    )
    error = await fail(
        client,
        params={"key": SECRET},
        headers={"X-Key": SECRET, "Cookie": SECRET},
        auth=("ada", SECRET),
    )
    assert followed == []
    assert isinstance(error, SourceUnavailableError)
    assert SECRET not in str(error)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1:1",
        "http://127.0.0.1:1/\x00",
        "nonsense://127.0.0.1",
        "http://[",
    ],
)
async def test_no_error_holds_what_was_asked(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture, base_url: str
) -> None:
    caplog.set_level(logging.DEBUG, "custom_components.ha_ingestor")
    client = HttpClient(async_get_clientsession(hass), base_url)
    error = await fail(client, params={"key": SECRET}, headers={"X-Key": SECRET})
    said = [str(error), repr(error), *(record.message for record in caplog.records)]
    assert [text for text in said if SECRET in text or base_url in text] == []
    # Neither in what a traceback would show.
    assert error.__suppress_context__


async def test_a_key_that_no_header_can_hold(serve: Serve) -> None:
    client = await serve(answer(text="{}"))
    error = await fail(client, headers={"X-Key": f"{SECRET}\r\nX-Other: 1"})
    assert isinstance(error, SourceDataError)
    assert SECRET not in str(error)


@pytest.mark.parametrize(
    ("status", "is_rate_limited"), [(429, True), (503, False), (500, False)]
)
@pytest.mark.parametrize(
    ("retry_after", "expected_s"),
    [
        (None, None),
        ("120", 120),
        ("0", 0),
        ("1.5", 1.5),
        ("-5", None),
        ("soon", None),
        ("nan", None),
        ("inf", 86_400),
        ("999999999", 86_400),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
    ],
)
async def test_how_long_a_provider_wants_to_be_left_alone(
    serve: Serve,
    *,
    status: int,
    is_rate_limited: bool,
    retry_after: str | None,
    expected_s: float | None,
) -> None:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    client = await serve(answer(status=status, headers=headers))
    error = await fail(client)
    assert isinstance(error, SourceUnavailableError)
    assert error.retry_after_s == expected_s
    assert error.is_rate_limited is is_rate_limited


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30))])
def test_a_moment_to_come_back_at(zone: timezone) -> None:
    moment = datetime.now(zone) + timedelta(seconds=90)
    seconds = parse_retry_after(format_datetime(moment, usegmt=zone is UTC))
    assert seconds is not None
    assert 80 < seconds <= 90


@given(
    st.text(max_size=60)
    | st.from_regex(
        r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,5} \d\d:\d\d:\d\d [+-]?\w{1,6}"
    )
)
def test_no_header_is_too_strange(value: str) -> None:
    seconds = parse_retry_after(value)
    assert seconds is None or 0 <= seconds <= 86_400

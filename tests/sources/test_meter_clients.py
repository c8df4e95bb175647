"""What the libraries of Emporia and Sense raise becomes an error of ours."""

from collections.abc import Callable, Generator
import sys
from typing import Any
from unittest.mock import AsyncMock, MagicMock, patch

import aiohttp
import pytest
import requests

from custom_components.ha_ingestor.errors import (
    SourceArgumentError,
    SourceAuthError,
    SourceDataError,
    SourceError,
    SourceUnavailableError,
)
from custom_components.ha_ingestor.sources.base import SourceEnvironment
from custom_components.ha_ingestor.sources.http import MAX_ANSWER_BYTES, HttpClient
from custom_components.ha_ingestor.sources.meter.emporia_client import EmporiaClient
from custom_components.ha_ingestor.sources.meter.sense_client import SenseClient
from tests.sources import meter_libraries as libraries


class WebSocketError(Exception):
    """As the package websockets has them: of no common kind."""

    __module__ = "websockets.exceptions"


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in libraries.create_libraries("http://127.0.0.1:1").items():
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def request_() -> Generator[MagicMock]:
    """What the library of Emporia asks with."""
    with (
        patch.object(libraries.Auth, "refresh_tokens", return_value={}),
        patch.object(libraries.Auth, "request") as request,
    ):
        yield request


def answer(status: int, content: bytes = b"{}") -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response._content = content
    return response


@pytest.mark.parametrize(
    ("outcome", "kind", "words"),
    [
        pytest.param(
            requests.ConnectionError("https://host/?token=x"),
            SourceUnavailableError,
            "No working connection (ConnectionError)",
            id="no-connection",
        ),
        pytest.param(answer(404), SourceDataError, "HTTP status 404", id="not-found"),
        pytest.param(answer(403), SourceAuthError, "HTTP status 403", id="forbidden"),
        pytest.param(
            answer(200, b"[" + b" " * MAX_ANSWER_BYTES + b"]"),
            SourceDataError,
            "The answer is too long",
            id="too-long",
        ),
    ],
)
def test_emporia_fails(
    request_: MagicMock, outcome: Any, kind: type[SourceError], words: str
) -> None:
    request_.side_effect = [outcome, outcome]
    client = EmporiaClient("http://127.0.0.1:1", "a", "b")

    with pytest.raises(kind) as caught:
        client.get_json("customers/devices")
    assert str(caught.value) == words

    request_.side_effect = [answer(200, b'{"devices": []}')]
    assert client.get_json("customers/devices") == {"devices": []}


def test_a_fault_of_emporias_library_is_not_hidden(request_: MagicMock) -> None:
    request_.side_effect = ZeroDivisionError
    client = EmporiaClient("http://127.0.0.1:1", "a", "b")

    with pytest.raises(ZeroDivisionError):
        client.get_json("customers/devices")


@pytest.fixture
async def sense() -> SenseClient:
    async def run(work: Callable[..., Any], *args: Any) -> Any:
        return work(*args)

    http = HttpClient(MagicMock(spec=aiohttp.ClientSession), "http://127.0.0.1:1")
    return SenseClient(SourceEnvironment(http=http, run_blocking=run), "a", "b")


@pytest.mark.parametrize(
    ("err", "kind", "words"),
    [
        pytest.param(
            libraries.SenseMFARequiredException("code"),
            SourceArgumentError,
            "password: second_factor",
            id="second-factor",
        ),
        pytest.param(
            libraries.SenseAuthenticationException("Web Socket Unauthorized"),
            SourceAuthError,
            "Web Socket Unauthorized",
            id="websocket-refused",
        ),
        pytest.param(
            libraries.SenseAPIException(),
            SourceUnavailableError,
            "SenseAPIException",
            id="without-words",
        ),
        pytest.param(
            libraries.SenseAPITimeoutException("API call timed out"),
            SourceUnavailableError,
            "No answer in time",
            id="too-slow",
        ),
        pytest.param(
            TimeoutError(), SourceUnavailableError, "No answer in time", id="timeout"
        ),
        pytest.param(
            libraries.SenseWebsocketException("offline"),
            SourceUnavailableError,
            "The monitor does not answer: offline",
            id="monitor-offline",
        ),
        pytest.param(
            WebSocketError("wss://host/?access_token=x"),
            SourceUnavailableError,
            "No working connection (WebSocketError)",
            id="websocket-broken",
        ),
        pytest.param(
            aiohttp.ClientConnectionError("https://host/?token=x"),
            SourceUnavailableError,
            "No working connection (ClientConnectionError)",
            id="no-connection",
        ),
        pytest.param(
            KeyError("monitors"),
            SourceDataError,
            "The answer is not as the library expects it",
            id="other-shape",
        ),
    ],
)
async def test_sense_fails(
    sense: SenseClient, err: Exception, kind: type[SourceError], words: str
) -> None:
    gateway = libraries.ASyncSenseable
    with (
        patch.object(gateway, "authenticate", AsyncMock(side_effect=err)),
        pytest.raises(kind) as caught,
    ):
        await sense.async_get_realtime()
    assert str(caught.value) == words

    with (
        patch.object(gateway, "authenticate", AsyncMock()),
        patch.object(gateway, "update_realtime", AsyncMock()),
        patch.object(gateway, "get_realtime", return_value={"w": 5}),
    ):
        assert await sense.async_get_realtime() == {"w": 5}


async def test_a_fault_of_senses_library_is_not_hidden(sense: SenseClient) -> None:
    gateway = libraries.ASyncSenseable
    with (
        patch.object(gateway, "authenticate", AsyncMock(side_effect=ZeroDivisionError)),
        pytest.raises(ZeroDivisionError),
    ):
        await sense.async_get_realtime()

    with (
        patch.object(gateway, "authenticate", AsyncMock()),
        patch.object(gateway, "update_realtime", AsyncMock()),
        patch.object(
            gateway, "get_trend_data", AsyncMock(side_effect=ZeroDivisionError)
        ),
    ):
        await sense.async_get_realtime()
        with pytest.raises(ZeroDivisionError):
            await sense.async_get_energy(has_panels=False)

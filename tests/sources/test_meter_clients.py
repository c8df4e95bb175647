"""What the libraries of Emporia and Sense raise becomes an error of ours."""

import asyncio
from collections.abc import Callable
import threading
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
from custom_components.ha_ingestor.sources.http import HttpClient
from custom_components.ha_ingestor.sources.meter.emporia_client import EmporiaClient
from custom_components.ha_ingestor.sources.meter.sense_client import SenseClient
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from tests.sources import meter_libraries as libraries
from tests.sources.kit import Answer, ProviderServer


class WebSocketError(Exception):
    """As the package websockets has them: of no common kind."""

    __module__ = "websockets.exceptions"


@pytest.fixture
async def emporia(hass: HomeAssistant, provider: ProviderServer) -> EmporiaClient:
    provider.answers = [Answer(path="/customers/devices", body={"devices": []})]
    http = HttpClient(async_get_clientsession(hass), provider.url)
    return EmporiaClient(http, "Home@example.com", "hunter2hunter2")


def list_paths(provider: ProviderServer) -> list[str]:
    return [request[1] for request in provider.requests]


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        pytest.param(
            requests.ConnectionError("https://host/?token=x"),
            SourceUnavailableError,
            "No working connection (ConnectionError)",
            id="no-connection",
        ),
        pytest.param(
            libraries.MFAChallengeException(),
            SourceAuthError,
            "The account wants more (MFAChallengeException)",
            id="second-factor",
        ),
    ],
)
async def test_a_login_at_emporia_fails(
    emporia: EmporiaClient, error: Exception, kind: type[SourceError], words: str
) -> None:
    with (
        patch.object(libraries.Auth, "refresh_tokens", side_effect=error),
        pytest.raises(kind) as caught,
    ):
        await emporia.async_get_json("/customers/devices")
    assert str(caught.value) == words

    assert await emporia.async_get_json("/customers/devices") == {"devices": []}


async def test_a_fault_of_emporias_library_is_not_hidden(
    emporia: EmporiaClient,
) -> None:
    with (
        patch.object(libraries.Auth, "refresh_tokens", side_effect=ZeroDivisionError),
        pytest.raises(ZeroDivisionError),
    ):
        await emporia.async_get_json("/customers/devices")

    assert await emporia.async_get_json("/customers/devices") == {"devices": []}


async def test_emporias_token_is_renewed(
    emporia: EmporiaClient, provider: ProviderServer
) -> None:
    await emporia.async_get_json("/customers/devices")
    provider.answers.insert(0, Answer(path="/customers/devices", status=401))
    provider.requests.clear()

    assert await emporia.async_get_json("/customers/devices") == {"devices": []}
    assert list_paths(provider) == [
        "/customers/devices",
        "/login",
        "/customers/devices",
    ]


async def test_what_renews_emporias_token_has_expired(
    emporia: EmporiaClient, provider: ProviderServer
) -> None:
    await emporia.async_get_json("/customers/devices")
    provider.answers.insert(0, Answer(path="/customers/devices", status=401))
    refused = {"code": "NotAuthorizedException", "message": "Refresh Token has expired"}
    provider.answers += [
        Answer(path="/login", method="POST", body=refused),
        Answer(path="/login", method="POST", body={"id_token": "new"}),
    ]

    assert await emporia.async_get_json("/customers/devices") == {"devices": []}
    _, _, headers, _ = provider.requests[-1]
    assert headers["authtoken"] == "new"


async def test_emporia_refuses_even_a_new_token(
    emporia: EmporiaClient, provider: ProviderServer
) -> None:
    await emporia.async_get_json("/customers/devices")
    provider.answers[:] = [Answer(path="/customers/devices", status=403)]
    with pytest.raises(SourceAuthError):
        await emporia.async_get_json("/customers/devices")

    # The account itself is tried next, and once.
    provider.requests.clear()
    with pytest.raises(SourceAuthError):
        await emporia.async_get_json("/customers/devices")
    assert list_paths(provider) == ["/login", "/customers/devices"]

    provider.answers[:] = [Answer(path="/customers/devices", body={"devices": []})]
    assert await emporia.async_get_json("/customers/devices") == {"devices": []}


async def test_nobody_waits_for_a_login_that_hangs(
    hass: HomeAssistant, emporia: EmporiaClient
) -> None:
    is_let_go, has_begun = threading.Event(), threading.Event()

    def hang(_: libraries.Auth) -> None:
        has_begun.set()
        is_let_go.wait()

    with patch.object(libraries.Auth, "refresh_tokens", hang):
        asking = asyncio.create_task(emporia.async_get_json("/customers/devices"))
        await hass.async_add_executor_job(has_begun.wait)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    # It is not asked a second time beside that, however often somebody wants it.
    with pytest.raises(SourceUnavailableError, match="has not ended yet"):
        await emporia.async_get_json("/customers/devices")
    [login] = [item for item in threading.enumerate() if item.name == "Emporia login"]
    assert login.daemon

    is_let_go.set()
    await hass.async_add_executor_job(login.join)
    assert await emporia.async_get_json("/customers/devices") == {"devices": []}


@pytest.fixture
async def sense(provider: ProviderServer) -> SenseClient:
    async def run(work: Callable[..., Any], *args: Any) -> Any:
        return work(*args)

    http = HttpClient(MagicMock(spec=aiohttp.ClientSession), provider.url)
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

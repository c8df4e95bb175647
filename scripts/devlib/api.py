"""Home Assistant's own API, as its frontend uses it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
import json
import time
from typing import Any, Final, Self

import aiohttp

from .hass import HOST
from .settings import DevelopError, StartError

USER_NAME: Final = "demo"
PASSWORD: Final = "demo"  # noqa: S105, for a house on loopback that is not real

# The first start on a slow machine installs packages and makes its database.
START_TIMEOUT_S: Final = 180.0
_POLL_INTERVAL_S: Final = 0.25
_REQUEST_TIMEOUT_S: Final = 60.0
# Access tokens end after half an hour; a new one is fetched in good time.
_TOKEN_MARGIN_S: Final = 300.0


class RefusedError(DevelopError):
    """Home Assistant refused a request."""

    def __init__(self, message: str, reason: str) -> None:
        """Keep its own words apart from what was asked."""
        super().__init__(f"Home Assistant answers {message}")
        self.reason = reason


class HomeAssistantApi:
    """A logged-in client; use as a context manager."""

    def __init__(self, url: str, check_running: Callable[[], None]) -> None:
        """Prepare.

        Args:
            url: Of Home Assistant.
            check_running: Called while waiting; raises if there is nothing to
                wait for.
        """
        self._url = url
        self._check_running = check_running
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_REQUEST_TIMEOUT_S)
        )
        self._access_token = ""
        self._refresh_token = ""
        self._token_ends_at = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    # ------------------------------------------------------------ start, log in
    async def wait_answering(self) -> None:
        """Wait until its frontend answers, and with it all that logging in needs."""

        async def is_answering() -> bool:
            async with self._session.get(f"{self._url}/manifest.json") as response:
                return response.ok

        await self._poll(is_answering)

    async def log_in(self) -> None:
        """Create the user and finish onboarding, or log in where that is done."""
        done = await self._get_onboarding_done()
        if "user" in done:
            await self._fetch_token("authorization_code", code=await self._log_in())
        else:
            created = await self._send_unauthorized(
                "/api/onboarding/users",
                {
                    "name": "Demo",
                    "username": USER_NAME,
                    "password": PASSWORD,
                    "client_id": self._client_id,
                    "language": "en",
                },
            )
            await self._fetch_token("authorization_code", code=created["auth_code"])
        if "analytics" not in done:
            await self.post("/api/onboarding/analytics", {})
        if "integration" not in done:
            await self.post(
                "/api/onboarding/integration",
                {"client_id": self._client_id, "redirect_uri": self._client_id},
            )

    async def wait_started(self) -> None:
        """Wait until every integration has been set up.

        It answers long before; a stop in between leaves its database unclean.
        """

        async def is_running() -> bool:
            config = await self.get("/api/config")
            if config["recovery_mode"]:
                raise StartError("Home Assistant has started in recovery mode")
            return bool(config["state"] == "RUNNING")

        await self._poll(is_running)
        listens_on = (await self.command("http/config"))["stable"].get("server_host")
        if listens_on != [HOST]:
            raise StartError(f"Home Assistant listens on {listens_on}, not on {HOST}")

    async def _poll(self, ask: Callable[[], Awaitable[bool]]) -> None:
        ends_at = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < ends_at:
            self._check_running()
            try:
                if await ask():
                    return
            except aiohttp.ClientConnectionError, TimeoutError:
                pass
            await asyncio.sleep(_POLL_INTERVAL_S)
        raise StartError(
            f"Home Assistant has not started within {START_TIMEOUT_S:.0f} s"
        )

    async def _get_onboarding_done(self) -> set[str]:
        async with self._session.get(f"{self._url}/api/onboarding") as response:
            # Once all steps are done, a start leaves these pages out.
            if response.status == HTTPStatus.NOT_FOUND:
                return {"user", "analytics", "integration"}
            steps = await _read(response)
        return {step["step"] for step in steps if step["done"]}

    @property
    def _client_id(self) -> str:
        return f"{self._url}/"

    async def _log_in(self) -> str:
        """Log the user in; return the authorization code."""
        flow = await self._send_unauthorized(
            "/auth/login_flow",
            {
                "client_id": self._client_id,
                "handler": ["homeassistant", None],
                "redirect_uri": self._client_id,
            },
        )
        result = await self._send_unauthorized(
            f"/auth/login_flow/{flow['flow_id']}",
            {
                "client_id": self._client_id,
                "username": USER_NAME,
                "password": PASSWORD,
            },
        )
        if result["type"] != "create_entry":
            raise DevelopError(
                f"Home Assistant does not let {USER_NAME}/{PASSWORD} in "
                f"({result.get('errors')}); --fresh starts anew"
            )
        code: str = result["result"]
        return code

    async def _fetch_token(self, grant_type: str, **fields: str) -> None:
        form = {"grant_type": grant_type, "client_id": self._client_id, **fields}
        async with self._session.post(f"{self._url}/auth/token", data=form) as response:
            token = await _read(response)
        self._access_token = token["access_token"]
        self._refresh_token = token.get("refresh_token", self._refresh_token)
        self._token_ends_at = time.monotonic() + token["expires_in"]

    async def _send_unauthorized(
        self, path: str, data: Mapping[str, Any]
    ) -> dict[str, Any]:
        async with self._session.post(f"{self._url}{path}", json=data) as response:
            answer: dict[str, Any] = await _read(response)
            return answer

    # ------------------------------------------------------------------ requests
    async def get(self, path: str) -> Any:
        """Ask for something."""
        return await self._request("GET", path)

    async def post(self, path: str, data: Mapping[str, Any]) -> Any:
        """Send something."""
        return await self._request("POST", path, data)

    async def delete(self, path: str) -> Any:
        """Remove something."""
        return await self._request("DELETE", path)

    async def call_action(
        self, domain: str, action: str, **data: Any
    ) -> dict[str, Any]:
        """Call an action that answers; return its answer."""
        result = await self.post(
            f"/api/services/{domain}/{action}?return_response", data
        )
        answer: dict[str, Any] = result["service_response"]
        return answer

    async def get_state(self, entity_id: str) -> dict[str, Any]:
        """Return the state of an entity."""
        state: dict[str, Any] = await self.get(f"/api/states/{entity_id}")
        return state

    async def command(self, kind: str, **fields: Any) -> Any:
        """Send one WebSocket command: what has no address in the REST API."""
        await self._renew_token()
        async with self._session.ws_connect(f"{self._url}/api/websocket") as socket:
            await socket.receive_json()
            await socket.send_json({"type": "auth", "access_token": self._access_token})
            await socket.receive_json()
            await socket.send_json({"id": 1, "type": kind, **fields})
            answer = await socket.receive_json()
        if not answer.get("success"):
            raise DevelopError(f"Home Assistant refuses {kind}: {answer.get('error')}")
        return answer["result"]

    async def _request(
        self, method: str, path: str, data: Mapping[str, Any] | None = None
    ) -> Any:
        await self._renew_token()
        async with self._session.request(
            method,
            f"{self._url}{path}",
            json=data,
            headers={"Authorization": f"Bearer {self._access_token}"},
        ) as response:
            return await _read(response)

    async def _renew_token(self) -> None:
        if time.monotonic() > self._token_ends_at - _TOKEN_MARGIN_S:
            await self._fetch_token("refresh_token", refresh_token=self._refresh_token)


async def _read(response: aiohttp.ClientResponse) -> Any:
    """Return the answer.

    Raises:
        RefusedError: It is a refusal; with the words of Home Assistant.
    """
    if response.ok:
        return await response.json()
    text = (await response.text())[:500]
    with suppress(ValueError, KeyError, TypeError):
        text = json.loads(text)["message"]
    raise RefusedError(
        f"{response.status} at {response.method} {response.url.path}: {text}", text
    )

"""Stand-ins for the libraries of Emporia and Sense, which ask by themselves.

They have the parts of pyemvue 0.18.9, pycognito 2024.5.1 and sense-energy 0.14.3 that
are used, with their ways to fail, and ask a server on loopback over real HTTP. What
AWS does for Emporia is a request to /login there.
"""

from collections.abc import Mapping
from enum import Enum, auto
import json
from types import ModuleType, SimpleNamespace
from typing import Any

import aiohttp
from botocore.exceptions import ClientError
import requests


class WarrantException(Exception):  # noqa: N818 - the library's name
    """Base of the errors of pycognito."""


class MFAChallengeException(WarrantException):
    """A second factor is wanted."""


class Auth:
    """`pyemvue.auth.Auth`."""

    def __init__(
        self,
        host: str,
        username: str | None = None,
        password: str | None = None,
        connect_timeout: float = 6.03,
        read_timeout: float = 10.03,
        *,
        max_retry_attempts: int = 5,
    ) -> None:
        self.host = host
        self.connect_timeout = connect_timeout
        self.read_timeout = read_timeout
        self.tokens: dict[str, Any] = {}
        self.cognito = SimpleNamespace(client=None, user_pool_region="us-east-2")
        self._credentials = {"username": username, "password": password}

    def refresh_tokens(self) -> dict[str, Any]:
        response = requests.post(
            f"{self.host}/login",
            json=self._credentials,
            timeout=(self.connect_timeout, self.read_timeout),
        )
        if response.status_code == 404:
            # Cases without a login are of accounts that may always come in.
            self.tokens = {"id_token": "t"}
            return self.tokens
        answer = response.json()
        if answer.get("challenge"):
            raise MFAChallengeException
        if "code" in answer:
            raise ClientError(
                {"Error": {"Code": answer["code"], "Message": answer["message"]}},
                "InitiateAuth",
            )
        self.tokens = answer
        return self.tokens


class SenseAPITimeoutException(Exception):  # noqa: N818 - the library's name
    pass


class SenseAuthenticationException(Exception):  # noqa: N818 - likewise
    pass


class SenseMFARequiredException(Exception):  # noqa: N818 - likewise
    pass


class SenseWebsocketException(Exception):  # noqa: N818 - likewise
    pass


class SenseAPIException(Exception):  # noqa: N818 - likewise
    pass


class Scale(Enum):
    DAY = auto()


class ASyncSenseable:
    """`sense_energy.ASyncSenseable`; `base_url` is put in by whoever serves."""

    base_url: str

    def __init__(
        self,
        *,
        api_timeout: float,
        wss_timeout: float,
        client_session: aiohttp.ClientSession,
        device_id: str,
    ) -> None:
        self._session = client_session
        self._timeout = aiohttp.ClientTimeout(total=api_timeout)
        self.headers = {"x-sense-device-id": device_id}
        self.rate_limit = 60
        self.sense_monitor_id: int | None = None
        self._realtime: Mapping[str, Any] = {}
        self._trends: dict[str, Any] = {}
        self.devices: list[SimpleNamespace] = []

    async def authenticate(self, username: str, password: str) -> None:
        async with self._session.post(
            f"{self.base_url}/authenticate",
            headers=self.headers,
            data={"email": username, "password": password},
            timeout=self._timeout,
        ) as response:
            data = await _read(response)
            if response.status == 401 and "mfa_token" in (data or {}):
                raise SenseMFARequiredException(data["error_reason"])
            if response.status != 200:
                raise SenseAuthenticationException(
                    "Please check username and password. API Return Code:"
                    f" {response.status}"
                )
        self.sense_monitor_id = data["monitors"][0]["id"]
        found = await self._api_call("devices/overview")
        self.devices = [
            SimpleNamespace(id=item["id"], name=item["name"])
            for item in found["devices"]
        ]

    async def _api_call(self, path: str) -> Any:
        url = f"{self.base_url}/app/monitors/{self.sense_monitor_id}/{path}"
        try:
            async with self._session.get(
                url, headers=self.headers, timeout=self._timeout
            ) as response:
                if response.status in {401, 403, 404}:
                    raise SenseAuthenticationException(
                        f"API Return Code: {response.status}"
                    )
                if response.status != 200:
                    raise SenseAPIException(f"API Return Code: {response.status}")
                return json.loads(await response.text())
        except TimeoutError as err:
            raise SenseAPITimeoutException("API call timed out") from err

    async def update_realtime(self) -> None:
        data = await self._api_call("realtime_update")
        if data.get("devices"):
            self._realtime = data
            # It reads them without a look at what they are.
            self.powers = {item["id"]: float(item["w"]) for item in data["devices"]}

    def get_realtime(self) -> Mapping[str, Any]:
        return self._realtime

    async def get_trend_data(self, scale: Scale) -> None:
        self._trends = await self._api_call("history/usage")

    @property
    def daily_usage(self) -> float:
        return self._trends.get("consumption", {}).get("usage_total_kwh", 0)

    @property
    def daily_from_grid(self) -> float:
        return self._trends.get("total", {}).get("from_grid_kwh", 0)


async def _read(response: aiohttp.ClientResponse) -> Any:
    text = await response.text()
    return json.loads(text) if text else None


def create_libraries(base_url: str) -> dict[str, ModuleType]:
    """Return the modules by the names under which they are imported."""
    pyemvue, auth = ModuleType("pyemvue"), ModuleType("pyemvue.auth")
    auth.Auth = Auth
    pyemvue.auth = auth
    pycognito, exceptions = ModuleType("pycognito"), ModuleType("pycognito.exceptions")
    exceptions.WarrantException = WarrantException
    pycognito.exceptions = exceptions
    sense = ModuleType("sense_energy")
    sense.ASyncSenseable = type(
        "ASyncSenseable", (ASyncSenseable,), {"base_url": base_url}
    )
    for item in (
        SenseAPIException,
        SenseAPITimeoutException,
        SenseAuthenticationException,
        SenseMFARequiredException,
        SenseWebsocketException,
        Scale,
    ):
        setattr(sense, item.__name__, item)
    return {
        "pyemvue": pyemvue,
        "pyemvue.auth": auth,
        "pycognito": pycognito,
        "pycognito.exceptions": exceptions,
        "sense_energy": sense,
    }

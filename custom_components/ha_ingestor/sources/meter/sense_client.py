"""Sense's API through the library sense-energy, which asks by itself."""

from functools import partial
from http import HTTPStatus
import math
import re
from typing import Any, Final
import uuid

import aiohttp

from homeassistant.const import CONF_PASSWORD

from ...errors import (
    SourceArgumentError,
    SourceAuthError,
    SourceDataError,
    SourceError,
    SourceUnavailableError,
)
from ..base import SourceEnvironment
from ..http import REQUEST_TIMEOUT_S

# The library has one kind of error for refused credentials and for a provider that
# is down; the status tells them apart.
_STATUS: Final = re.compile(r"API Return Code: (\d{3})")
_REFUSALS: Final = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
)


class SenseClient:
    """Keeps the session of one account. Event loop only."""

    def __init__(
        self, environment: SourceEnvironment, email: str, password: str
    ) -> None:
        """Take the account; nothing is asked, and nothing imported, before use."""
        self._environment = environment
        self._email = email
        self._password = password
        self._gateway: Any = None

    @property
    def monitor_id(self) -> str:
        """Of the account's first monitor."""
        return str(self._gateway.sense_monitor_id)

    def list_devices(self) -> dict[str, str]:
        """Return the names of all devices by id."""
        return {
            str(device.id): str(device.name or device.id)
            for device in self._gateway.devices
        }

    async def async_get_realtime(self) -> Any:
        """Return the values of this moment; logs in where that is needed.

        Raises:
            SourceError: There are none.
        """
        is_new = self._gateway is None
        try:
            return await self._async_ask()
        except SourceAuthError:
            self._gateway = None
            if is_new:
                raise
            # What renews the token has expired as well.
            return await self._async_ask()

    async def _async_ask(self) -> Any:
        try:
            if self._gateway is None:
                self._gateway = await self._async_log_in()
            await self._gateway.update_realtime()
        except Exception as err:
            if (known := _translate(err)) is None:
                raise
            raise known from None
        return self._gateway.get_realtime()

    async def async_get_energy(self, *, has_panels: bool) -> float | None:
        """Return the energy drawn from the grid today, kWh; None where it fails."""
        from sense_energy import Scale  # noqa: PLC0415 - see requirements

        try:
            await self._gateway.get_trend_data(Scale.DAY)
        except Exception as err:
            if _translate(err) is None:
                raise
            return None
        gateway = self._gateway
        value = gateway.daily_from_grid if has_panels else gateway.daily_usage
        is_number = isinstance(value, int | float) and math.isfinite(value)
        return float(value) if is_number else None

    async def _async_log_in(self) -> Any:
        # Importing it and the certificates read files.
        gateway = await self._environment.run_blocking(
            partial(_create_gateway, self._environment.http.session, self._email)
        )
        await gateway.authenticate(self._email, self._password)
        return gateway


def _create_gateway(session: aiohttp.ClientSession, email: str) -> Any:
    from sense_energy import ASyncSenseable  # noqa: PLC0415 - see requirements

    gateway = ASyncSenseable(
        api_timeout=REQUEST_TIMEOUT_S,
        wss_timeout=REQUEST_TIMEOUT_S,
        client_session=session,
        # The same at every start: the provider keeps a list of devices.
        device_id=uuid.uuid5(uuid.NAMESPACE_DNS, email.lower()).hex,
    )
    # We ask at our own pace; below the library's limit it repeats old values.
    gateway.rate_limit = 0
    return gateway


def _translate(err: Exception) -> SourceError | None:
    """Return our error for one of the library; None for what nobody expects."""
    from sense_energy import (  # noqa: PLC0415 - see requirements
        SenseAPIException,
        SenseAPITimeoutException,
        SenseAuthenticationException,
        SenseMFARequiredException,
        SenseWebsocketException,
    )

    if isinstance(err, SenseMFARequiredException):
        return SourceArgumentError(CONF_PASSWORD, "second_factor")
    if isinstance(err, SenseAuthenticationException | SenseAPIException):
        found = _STATUS.search(str(err))
        status = int(found[1]) if found else None
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return SourceUnavailableError("Too many requests", is_rate_limited=True)
        if status in _REFUSALS or (
            status is None and isinstance(err, SenseAuthenticationException)
        ):
            return SourceAuthError(str(err))
        # 404, too: that is what it says while a monitor connects again.
        words = type(err).__name__ if status is None else f"HTTP status {status}"
        return SourceUnavailableError(words)
    if isinstance(err, TimeoutError | SenseAPITimeoutException):
        return SourceUnavailableError("No answer in time")
    if isinstance(err, SenseWebsocketException):
        return SourceUnavailableError(f"The monitor does not answer: {err}")
    is_websocket = type(err).__module__.startswith("websockets")
    if is_websocket or isinstance(err, aiohttp.ClientError | OSError):
        # Its own words may hold a URL with a token.
        return SourceUnavailableError(f"No working connection ({type(err).__name__})")
    if isinstance(err, AttributeError | LookupError | TypeError | ValueError):
        # The library reads answers without a look at what they are.
        return SourceDataError("The answer is not as the library expects it")
    return None

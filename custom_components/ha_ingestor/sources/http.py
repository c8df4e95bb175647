"""Asking providers: time limit, size limit, and their errors in our own words.

No error holds a URL: some providers want their key in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
import json
from typing import Any, Final

import aiohttp

from ..errors import (
    SourceAuthError,
    SourceDataError,
    SourceUnavailableError,
)

# A provider that is slower than that is down, as far as a home is concerned.
REQUEST_TIMEOUT_S: Final = 5.0
# The longest answers of providers, two days of prices in quarters of an hour, have
# less than a hundredth of it; decoding as much takes the event loop 10 ms.
MAX_ANSWER_BYTES: Final = 1024 * 1024
# What a provider says about an error is shown to people; some send whole pages.
_MAX_WORDS: Final = 200
# A message lies no deeper than that; garbage may.
_MAX_WORDS_DEPTH: Final = 5
_MAX_RETRY_AFTER_S: Final = 24 * 3600.0
# Of as many digits as a day has seconds; Unix time has twice that.
_MAX_DIGITS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What a provider answered.

    Attributes:
        payload: Decoded JSON; None where the body is empty or none.
        is_json: Whether the body could be decoded.
    """

    status: int
    payload: Any
    is_json: bool

    @property
    def words(self) -> str:
        """What the answer says about an error, as short text."""
        if self.status < HTTPStatus.MULTIPLE_CHOICES and not self.is_json:
            return "The answer is no JSON"
        found = _find_words(self.payload)
        return (found or f"HTTP status {self.status}")[:_MAX_WORDS]

    def get_json(self) -> Any:
        """Return the payload of a success.

        Raises:
            SourceAuthError: Status 401 or 403.
            SourceDataError: Any other status that is no success; not JSON.
        """
        if self.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise SourceAuthError(self.words)
        if self.status >= HTTPStatus.MULTIPLE_CHOICES or not self.is_json:
            raise SourceDataError(self.words)
        return self.payload


class HttpClient:
    """Asks one provider. Event loop only; the session is Home Assistant's own."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        """Ask below a base URL, which has no slash at its end."""
        self._session = session
        self._base_url = base_url

    @property
    def session(self) -> aiohttp.ClientSession:
        """For libraries that ask by themselves."""
        return self._session

    @property
    def base_url(self) -> str:
        """Where it asks, without a slash at its end; likewise."""
        return self._base_url

    async def async_get_json(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Any:
        """Return the JSON behind a path.

        Raises:
            SourceUnavailableError: No answer in time, status 3xx, 429 or 5xx.
            SourceAuthError: Status 401 or 403.
            SourceDataError: Any other status that is no success; not JSON.
        """
        answer = await self.async_request(
            "GET", path, params=params, headers=headers, auth=auth
        )
        return answer.get_json()

    async def async_request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        json_body: Any = None,
    ) -> HttpAnswer:
        """Return an answer of any status but those that mean "later".

        Args:
            path: Below the base URL; begins with a slash.
            auth: User and password for HTTP Basic.
            json_body: Sent as JSON; None for no body.

        Raises:
            SourceUnavailableError: No answer in time, status 3xx, 429 or 5xx.
            SourceDataError: The answer is too long.
        """
        all_headers = dict(headers or {})
        if auth is not None:
            all_headers["Authorization"] = aiohttp.encode_basic_auth(*auth)
        try:
            async with self._session.request(
                method,
                self._base_url + path,
                params=params,
                headers=all_headers,
                json=json_body,
                timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
                # Elsewhere a key in a header or in the query would come along.
                allow_redirects=False,
            ) as response:
                _raise_if_busy(response)
                _raise_if_redirected(response)
                body = await response.content.read(MAX_ANSWER_BYTES + 1)
                while len(body) <= MAX_ANSWER_BYTES and not response.content.at_eof():
                    body += await response.content.read(MAX_ANSWER_BYTES + 1)
                status = response.status
        except TimeoutError as err:
            raise SourceUnavailableError("No answer in time") from err
        except aiohttp.ClientError as err:
            # Its own words may hold the URL, and that a key.
            raise SourceUnavailableError(
                f"No working connection ({type(err).__name__})"
            ) from None
        except ValueError:
            # Such as a line break in a key; its words may hold the key.
            raise SourceDataError("The request cannot be sent") from None
        if len(body) > MAX_ANSWER_BYTES:
            raise SourceDataError("The answer is too long")
        try:
            payload = json.loads(body) if body.strip() else None
        except ValueError, RecursionError:
            return HttpAnswer(status=status, payload=None, is_json=False)
        return HttpAnswer(status=status, payload=payload, is_json=payload is not None)


def _raise_if_busy(response: aiohttp.ClientResponse) -> None:
    if response.status == HTTPStatus.TOO_MANY_REQUESTS:
        raise SourceUnavailableError(
            "Too many requests",
            retry_after_s=parse_retry_after(
                response.headers.get("Retry-After")
                # OpenAQ's way to say it; others put Unix time there, which is more
                # than a day of seconds and so means nothing here.
                or _take_seconds(response.headers.get("X-RateLimit-Reset"))
            ),
            is_rate_limited=True,
        )
    if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise SourceUnavailableError(
            f"HTTP status {response.status}",
            retry_after_s=parse_retry_after(response.headers.get("Retry-After")),
        )


def _take_seconds(value: str | None) -> str | None:
    """Return a number of seconds up to a day; None for anything else."""
    is_short = value is not None and value.isdecimal() and len(value) <= _MAX_DIGITS
    return value if is_short else None


def _raise_if_redirected(response: aiohttp.ClientResponse) -> None:
    """Take a portal or a proxy that catches requests for a provider that is away."""
    if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
        raise SourceUnavailableError(
            f"Sent elsewhere instead of answered (HTTP status {response.status})"
        )


def parse_retry_after(value: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for; None for no sense."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError, OverflowError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    if not seconds >= 0:
        return None
    return min(seconds, _MAX_RETRY_AFTER_S)


def _find_words(payload: Any, depth: int = 0) -> str | None:
    """Return the first text that looks like a message."""
    if isinstance(payload, str):
        return payload
    if depth > _MAX_WORDS_DEPTH:
        return None
    if isinstance(payload, list) and payload:
        return _find_words(payload[0], depth + 1)
    if isinstance(payload, Mapping):
        for key in ("message", "Message", "detail", "description", "error", "errors"):
            if words := _find_words(payload.get(key), depth + 1):
                return words
    return None

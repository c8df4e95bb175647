"""Emporia's API: asked as any other, with a token that the library pyemvue gets.

The library is used for what is its own, the way to a token (AWS Cognito). It blocks,
and no time limit of it holds for an answer that comes byte by byte: so it works on a
thread that nobody waits for, neither when the source is closed nor when Home Assistant
stops.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Any, Final

from ...errors import SourceAuthError, SourceError, SourceUnavailableError
from ..http import REQUEST_TIMEOUT_S, HttpClient

# What Cognito says where other credentials are needed; all else may pass.
_REFUSALS: Final = frozenset(
    {
        "InvalidParameterException",
        "NotAuthorizedException",
        "PasswordResetRequiredException",
        "UserNotConfirmedException",
        "UserNotFoundException",
    }
)
_TOO_OFTEN: Final = frozenset({"LimitExceededException", "TooManyRequestsException"})
# One more than the first: AWS drops a connection now and then.
_COGNITO_ATTEMPTS: Final = 2


class EmporiaClient:
    """Keeps the tokens of one account. Event loop only, apart from its logins."""

    def __init__(self, http: HttpClient, email: str, password: str) -> None:
        """Take the account; nothing is asked, and nothing imported, before use."""
        self._http = http
        self._email = email
        self._password = password
        self._auth: Any = None
        self._lock = Lock()

    async def async_get_json(self, path: str) -> Any:
        """Return what the API answers; logs in where that is needed.

        Args:
            path: With a slash at its begin.

        Raises:
            SourceError: It does not answer with JSON.
        """
        if is_new := self._auth is None:
            self._auth = await self._async_run(self._log_in)
        try:
            return await self._async_ask(path)
        except SourceAuthError:
            if is_new:
                self._auth = None
                raise
        # Tokens are good for an hour.
        await self._async_renew()
        try:
            return await self._async_ask(path)
        except SourceAuthError:
            self._auth = None
            raise

    async def _async_ask(self, path: str) -> Any:
        headers = {"authtoken": self._auth.tokens["id_token"]}
        return await self._http.async_get_json(path, headers=headers)

    async def _async_renew(self) -> None:
        try:
            await self._async_run(self._auth.refresh_tokens)
        except SourceAuthError:
            # What renews the token has expired as well, after a month.
            self._auth = None
            self._auth = await self._async_run(self._log_in)

    async def _async_run[ResultT](self, work: Callable[[], ResultT]) -> ResultT:
        """Do what blocks on a thread of its own.

        Home Assistant's own threads are few, and a stop of it waits for them.

        Raises:
            SourceError: The library has failed in a way that it may.
        """
        if not self._lock.acquire(blocking=False):
            raise SourceUnavailableError("The last login has not ended yet")
        future = Future[ResultT]()

        def run() -> None:
            future.set_running_or_notify_cancel()
            try:
                result = _do_translated(work)
            except Exception as err:  # noqa: BLE001 - raised where it is awaited
                self._lock.release()
                future.set_exception(err)
            else:
                self._lock.release()
                future.set_result(result)

        Thread(target=run, name="Emporia login", daemon=True).start()
        return await asyncio.wrap_future(future)

    def _log_in(self) -> Any:
        from boto3 import client as create_client  # noqa: PLC0415 - see requirements
        from botocore import UNSIGNED  # noqa: PLC0415 - likewise
        from botocore.config import Config  # noqa: PLC0415 - likewise
        from pyemvue.auth import Auth  # noqa: PLC0415 - likewise

        auth = Auth(
            self._http.base_url,
            # As the library itself has it: the user pool knows small letters only.
            username=self._email.lower(),
            password=self._password,
            connect_timeout=REQUEST_TIMEOUT_S,
            read_timeout=REQUEST_TIMEOUT_S,
            max_retry_attempts=1,
        )
        # By default it would hold a thread for minutes while AWS is away.
        auth.cognito.client = create_client(
            "cognito-idp",
            region_name=auth.cognito.user_pool_region,
            config=Config(
                connect_timeout=REQUEST_TIMEOUT_S,
                read_timeout=REQUEST_TIMEOUT_S,
                retries={"total_max_attempts": _COGNITO_ATTEMPTS},
                # The way to a token needs none; it would look for one everywhere.
                signature_version=UNSIGNED,
            ),
        )
        auth.refresh_tokens()
        return auth


def _do_translated[ResultT](work: Callable[[], ResultT]) -> ResultT:
    try:
        return work()
    except Exception as err:
        if (known := _translate(err)) is None:
            raise
        raise known from None


def _translate(err: Exception) -> SourceError | None:
    """Return our error for one of the libraries; None for what nobody expects."""
    from botocore.exceptions import (  # noqa: PLC0415 - see requirements
        BotoCoreError,
        ClientError,
    )
    from pycognito.exceptions import WarrantException  # noqa: PLC0415 - likewise
    from requests import RequestException  # noqa: PLC0415 - likewise

    if isinstance(err, ClientError):
        details = err.response.get("Error", {})
        code = str(details.get("Code"))
        words = f"{code}: {details.get('Message')}"
        if code in _REFUSALS:
            return SourceAuthError(words)
        return SourceUnavailableError(words, is_rate_limited=code in _TOO_OFTEN)
    if isinstance(err, WarrantException):
        # A second factor or a new password is wanted, which nobody here can give.
        return SourceAuthError(f"The account wants more ({type(err).__name__})")
    if isinstance(err, RequestException | BotoCoreError):
        return SourceUnavailableError(f"No working connection ({type(err).__name__})")
    return None

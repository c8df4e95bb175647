"""Emporia's API through the library pyemvue, which blocks: for the executor only.

The library is used for what is its own, the way to a token (AWS Cognito). What the API
answers is read here, since the library asks again and again while a value is missing,
and sleeps on the thread meanwhile.
"""

from http import HTTPStatus
from threading import Lock
from typing import Any, Final

from ...errors import (
    SourceAuthError,
    SourceDataError,
    SourceError,
    SourceUnavailableError,
)
from ..http import MAX_ANSWER_BYTES, REQUEST_TIMEOUT_S, parse_retry_after

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
    """Keeps the tokens of one account. Any thread, but one at a time."""

    def __init__(self, host: str, email: str, password: str) -> None:
        """Take the account; nothing is asked, and nothing imported, before use."""
        self._host = host
        self._email = email
        self._password = password
        self._auth: Any = None
        self._lock = Lock()

    def get_json(self, path: str) -> Any:
        """Return what the API answers; logs in where that is needed.

        Args:
            path: Without a slash at its begin.

        Raises:
            SourceError: It does not answer with JSON.
        """
        if not self._lock.acquire(blocking=False):
            raise SourceUnavailableError("The last request has not ended yet")
        try:
            is_new = self._auth is None
            try:
                return self._ask(path)
            except SourceAuthError:
                self._auth = None
                if is_new:
                    raise
                # What renews the token has expired as well, after a month.
                return self._ask(path)
        finally:
            self._lock.release()

    def _ask(self, path: str) -> Any:
        try:
            if self._auth is None:
                self._auth = self._log_in()
            response = self._auth.request("get", path)
        except Exception as err:
            if (known := _translate(err)) is None:
                raise
            raise known from None
        return _read(response)

    def _log_in(self) -> Any:
        from boto3 import client as create_client  # noqa: PLC0415 - see requirements
        from botocore import UNSIGNED  # noqa: PLC0415 - likewise
        from botocore.config import Config  # noqa: PLC0415 - likewise
        from pyemvue.auth import Auth  # noqa: PLC0415 - likewise

        auth = Auth(
            self._host,
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


def _read(response: Any) -> Any:
    """Return the JSON of an answer.

    Raises:
        SourceError: There is none.
    """
    status: int = response.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise SourceUnavailableError(
            "Too many requests",
            retry_after_s=parse_retry_after(response.headers.get("Retry-After")),
            is_rate_limited=True,
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise SourceUnavailableError(
            f"HTTP status {status}",
            retry_after_s=parse_retry_after(response.headers.get("Retry-After")),
        )
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise SourceAuthError(f"HTTP status {status}")
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        raise SourceDataError(f"HTTP status {status}")
    if len(response.content) > MAX_ANSWER_BYTES:
        raise SourceDataError("The answer is too long")
    try:
        return response.json()
    except ValueError, RecursionError:
        raise SourceDataError("The answer is no JSON") from None

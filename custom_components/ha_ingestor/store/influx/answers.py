"""What an answer of a server means: the result classes of all generations."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
import math
import re
from typing import Any, Final

import orjson

from ...errors import (
    BatchTooLargeError,
    StoreAuthError,
    StoreError,
    StoreMissingError,
    StorePermissionError,
    StoreProtocolError,
    StoreQueryError,
    StoreRight,
    StoreUnavailableError,
)

# A server that asks for more is not believed: five minutes keep the backlog
# moving after a mistaken header.
MAX_RETRY_AFTER_S: Final = 300.0
# 1.x repeats every bad line of a batch in its answer. The first are what a person
# reads, and a dead letter holds one line's reason only.
MAX_WORDS: Final = 1_000

# 1.x answers 500 to a missing retention policy, and 200 to a query of a missing
# database; 2.x calls a missing bucket a missing mapping, 3.x has its own order.
_MISSING: Final = re.compile(
    r"(database|bucket|retention policy)\b.{0,300}\bnot found"
    r"|no dbrp mapping found|database name does not exist",
    re.IGNORECASE | re.DOTALL,
)
# 2.x answers 401, not 403, where a valid token lacks a permission:
# "write:orgs/<id>/buckets is unauthorized" (2.7: authorizer/authorize.go).
_LACKS_RIGHT: Final = re.compile(r"^(read|write):\S+ is unauthorized")
# 1.x and 2.x say this of an address, not of a store.
_NO_SUCH_PATH: Final = frozenset({"404 page not found", "path not found"})
_ERROR_BEGIN: Final = re.compile(rb'^\s*\{\s*"(error|code)"\s*:\s*"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, read to its bound.

    Attributes:
        headers: Names in lower case.
        body: Not more than what was asked for.
        is_truncated: The body was longer.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_truncated: bool = False

    @property
    def payload(self) -> Any:
        """Decoded JSON; None if it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    @property
    def is_influx(self) -> bool:
        """Whether an InfluxDB wrote this, and not a proxy or something else."""
        if any(name.startswith("x-influxdb-") for name in self.headers):
            return True
        if self.is_truncated:
            return _ERROR_BEGIN.match(self.body) is not None
        payload = self.payload
        return isinstance(payload, dict) and (
            isinstance(payload.get("error"), str)
            or (
                isinstance(payload.get("code"), str)
                and isinstance(payload.get("message"), str)
            )
        )

    @property
    def words(self) -> str:
        """What the server says about it, shortened; never empty."""
        payload = self.payload
        text = ""
        if isinstance(payload, dict):
            text = payload.get("error") or payload.get("message") or ""
            text = _with_first_detail(text, payload.get("data"))
        if not text and self.is_influx:
            text = self.headers.get("x-influxdb-error", "")
            text = text or self.body.decode(errors="replace").strip()
        if not text:
            text = _phrase(self.status)
        if len(text) <= MAX_WORDS:
            return text
        # 1.x and 2.x quote the line first and say what is wrong with it last.
        return f"{text[: MAX_WORDS // 2]}…{text[1 - MAX_WORDS // 2 :]}"


def _with_first_detail(text: Any, data: Any) -> str:
    """Add the detail in which 3.x has the reason proper."""
    if not isinstance(text, str):
        return ""
    first = data[0] if isinstance(data, list) and data else data
    detail = first.get("error_message") if isinstance(first, dict) else None
    return f"{text}: {detail}" if isinstance(detail, str) else text


def _phrase(status: int) -> str:
    try:
        return f"HTTP status {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP status {status}"


def is_missing(words: str) -> bool:
    """Whether the server says that the store, or a part of it, does not exist."""
    return _MISSING.search(words) is not None


def status_error(answer: Answer, words: str, *, right: StoreRight) -> StoreError:
    """Give the error for a status that means the same in every request.

    Args:
        answer: Anything but a success.
        words: What to tell, without secrets.
        right: What the request needed.
    """
    status = answer.status
    if status == HTTPStatus.UNAUTHORIZED:
        if _LACKS_RIGHT.match(words):
            return StorePermissionError(words, right=right)
        return StoreAuthError(words)
    if status == HTTPStatus.FORBIDDEN:
        return StorePermissionError(words, right=right)
    if (
        status == HTTPStatus.NOT_FOUND
        and answer.is_influx
        and words.lower() not in _NO_SUCH_PATH
    ):
        return StoreMissingError(words)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return BatchTooLargeError(words)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and is_missing(words):
        return StoreMissingError(words)
    if (
        status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT}
        or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    ):
        return StoreUnavailableError(
            words, retry_after_s=retry_after_s(answer.headers.get("retry-after"))
        )
    if (
        HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
        and status != HTTPStatus.NOT_MODIFIED
    ):
        return StoreProtocolError(
            f"Redirected elsewhere ({words}); credentials are not sent after it"
        )
    return StoreProtocolError(f"Not an answer of an InfluxDB ({words})")


def query_error(words: str) -> StoreError:
    """Give the error for a query that was understood and failed."""
    return StoreMissingError(words) if is_missing(words) else StoreQueryError(words)


def retry_after_s(value: str | None, now: datetime | None = None) -> float | None:
    """Read a Retry-After header.

    Args:
        value: Seconds or an HTTP date; None if there was no header.
        now: Aware; the present if not given.

    Returns:
        Seconds from now, at most `MAX_RETRY_AFTER_S`; None if there was none or
        it cannot be read.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        if at.tzinfo is None:  # "-0000" means UTC of unknown zone
            at = at.replace(tzinfo=UTC)
        seconds = (at - (now or datetime.now(UTC))).total_seconds()
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)

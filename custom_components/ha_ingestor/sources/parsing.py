"""Reading single values of an answer; nothing unexpected gets past it."""

from collections.abc import Mapping
from datetime import UTC, datetime
import math
from typing import Any

from ..errors import SourceDataError


def parse_time(value: Any) -> datetime:
    """Return an ISO 8601 text with an offset, or `Z`, as UTC.

    Raises:
        SourceDataError: It is none.
    """
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except TypeError, ValueError, OverflowError:
        raise SourceDataError(f"Not a time: {value!r:.40}") from None
    raise SourceDataError(f"A time without an offset: {value!r:.40}")


def parse_number(payload: Mapping[str, Any], key: str) -> float | None:
    """Return a finite number of an answer, None where there is none.

    Raises:
        SourceDataError: Something is there, but no finite number.
    """
    value = payload.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise SourceDataError(f"Not a number: {key}")
    try:
        number = float(value)
    except ValueError, OverflowError:
        raise SourceDataError(f"Not a number: {key}") from None
    if not math.isfinite(number):
        raise SourceDataError(f"Not a number: {key}")
    return number

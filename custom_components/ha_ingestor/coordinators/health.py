"""How a source is, in one word; for people, not for automations."""

from enum import StrEnum
from typing import Any

from homeassistant.core import callback
from homeassistant.util import dt as dt_util

from .source import SourceCoordinator


class SourceState(StrEnum):
    """How a source is."""

    OK = "ok"  # the last attempt succeeded
    STALE = "stale"  # it failed, but what is shown is still true
    EXPIRED = "expired"  # what it said last is not true any more
    FAILING = "failing"  # it has never said anything, or nothing that can be shown
    WAITING = "waiting"  # it has not been asked yet, or has nothing to say now


@callback
def find_state(source: SourceCoordinator[Any, Any]) -> SourceState:
    """Return how a source is now."""
    if source.data is not None:
        return SourceState.STALE if source.is_stale else SourceState.OK
    answer = source.answer
    if answer is not None and answer.valid_until <= dt_util.utcnow():
        return SourceState.EXPIRED
    return SourceState.WAITING if source.last_error is None else SourceState.FAILING

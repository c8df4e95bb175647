"""When a source is asked again; no Home Assistant state."""

from datetime import datetime, timedelta
import random
from typing import Final

from ..errors import SourceError, SourceUnavailableError

# After a failure; doubled with each one up to the longest.
FIRST_RETRY_S: Final = 60.0
MAX_RETRY_S: Final = 3600.0
# So much of a pause is left to chance, so that homes do not ask all at once.
JITTER: Final = 0.1
# Who wants to be left alone for longer has made a mistake.
MAX_RETRY_AFTER: Final = timedelta(days=1)
# Beyond this doubling is longer than the longest pause by far.
_MAX_DOUBLINGS: Final = 10


def add_jitter(pause: timedelta) -> timedelta:
    """Return a pause that is a little longer by chance."""
    return pause * (1 + random.uniform(0, JITTER))  # noqa: S311 - no secret


def find_first_pause(
    now: datetime,
    interval: timedelta,
    fetched_at: datetime | None,
    not_before: datetime | None,
) -> timedelta:
    """Return how long to wait at the start; nothing if it is due.

    Args:
        now: UTC, as are all times here.
        interval: Pace of the source.
        fetched_at: When the data that are there came, None for no data.
        not_before: Until when the provider wants to be left alone.
    """
    pause = timedelta()
    if fetched_at is not None:
        # A clock that was ahead when it was written must not hold it up.
        pause = min(fetched_at + interval - now, interval)
    if not_before is not None:
        pause = max(pause, min(not_before - now, MAX_RETRY_AFTER))
    return max(pause, timedelta())


def find_retry(
    err: SourceError, failures: int, *, longest: timedelta | None = None
) -> timedelta:
    """Return how long to wait after a failure.

    Args:
        failures: How many there were in a row, with this one.
        longest: Bound of what is not the provider's own wish.
    """
    doublings = min(max(failures - 1, 0), _MAX_DOUBLINGS)
    pause = timedelta(seconds=min(FIRST_RETRY_S * 2.0**doublings, MAX_RETRY_S))
    if longest is not None:
        pause = min(pause, longest)
    pause = add_jitter(pause)
    if (asked_s := find_retry_after(err)) is not None:
        pause = max(pause, timedelta(seconds=asked_s))
    return pause


def find_retry_after(err: SourceError) -> float | None:
    """Return the seconds that the provider itself wants to be left alone."""
    return err.retry_after_s if isinstance(err, SourceUnavailableError) else None

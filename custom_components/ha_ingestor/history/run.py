"""How long the answer to one question may take."""

import time
from typing import Final

from ..errors import StoreTimeoutError
from ..retention.work import Work

# After it a page ends where it is, and the next one goes on from there.
PAGE_S: Final = 20.0
# For a server that is away there is no sense in waiting as long as a job does.
MAX_WAIT_S: Final = 45.0


class Run:
    """The clock of one page; on its thread.

    Args:
        page_s: Time after which a page ends.
    """

    def __init__(self, work: Work, *, page_s: float = PAGE_S) -> None:
        """Start the clock."""
        self._work = work
        self._started_s = time.monotonic()
        self._page_s = page_s

    @property
    def is_late(self) -> bool:
        """Whether the page should end."""
        return time.monotonic() - self._started_s >= self._page_s

    def check(self) -> None:
        """Rest now and then.

        Raises:
            RetentionCancelledError: The run is to stop.
        """
        self._work.check()

    def pause(self, seconds: float) -> None:
        """Wait until a server may have come back.

        Raises:
            StoreTimeoutError: It had time enough.
            RetentionCancelledError: The run is to stop.
        """
        if time.monotonic() + seconds - self._started_s > MAX_WAIT_S:
            raise StoreTimeoutError("InfluxDB has not answered in time")
        self._work.pause(seconds)

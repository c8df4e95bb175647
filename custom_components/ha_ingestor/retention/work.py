"""What a long run on a thread has to ask and to tell, whatever it does.

A run that never rests would take Home Assistant's interpreter from its event loop,
and a small machine from everything else.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import threading
import time
from typing import Final

from ..errors import RetentionCancelledError

# Part of the time in which a run is at work; of one of the machine's cores at most.
WORK_SHARE: Final = 0.5
# Longer at a stretch would be seen as a pause of the event loop.
_MAX_STRETCH_S: Final = 0.02
_MAX_REST_S: Final = 5.0


class Work:
    """A run's way to rest, to stop and to say how far it is.

    The run's thread calls `check`, `pause` and `report`; any thread may `cancel`.

    Args:
        on_progress: Called on the run's thread with how much is done, 0 to 1, and
            what is being done.
        share: Part of the time in which the run may work; 1 for no rest.
    """

    def __init__(
        self,
        *,
        on_progress: Callable[[float, str], object] | None = None,
        share: float = WORK_SHARE,
    ) -> None:
        """Begin to count the time at work."""
        self._on_progress = on_progress
        self._start = 0.0
        self._length = 1.0
        self._rest_per_work = 1 / share - 1
        self._is_cancelled = threading.Event()
        self._resumed_s = time.monotonic()

    def cancel(self) -> None:
        """Ask the run to stop at its next check."""
        self._is_cancelled.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether the run is to stop."""
        return self._is_cancelled.is_set()

    def check(self) -> None:
        """Rest in proportion to what was done since the last time.

        To be called after every few milliseconds of work.

        Raises:
            RetentionCancelledError: The run is to stop.
        """
        worked_s = time.monotonic() - self._resumed_s
        if worked_s >= _MAX_STRETCH_S:
            self.pause(min(worked_s * self._rest_per_work, _MAX_REST_S))
        elif self._is_cancelled.is_set():
            raise RetentionCancelledError("The run was asked to stop")

    def pause(self, seconds: float) -> None:
        """Wait; nobody has to wait for the end of it to stop the run.

        Raises:
            RetentionCancelledError: The run is to stop.
        """
        if self._is_cancelled.wait(seconds):
            raise RetentionCancelledError("The run was asked to stop")
        self._resumed_s = time.monotonic()

    def report(self, progress: float, doing: str) -> None:
        """Say how far the run is, or the part of it that is under way."""
        if self._on_progress is not None:
            self._on_progress(self._start + progress * self._length, doing)

    @contextmanager
    def part(self, start: float, end: float) -> Iterator[None]:
        """Let what is reported meanwhile be of a part of what there was before.

        Args:
            start: How much of it is done, 0 to 1.
            end: How much of it will be.
        """
        before = self._start, self._length
        self._start += start * self._length
        self._length *= end - start
        try:
            yield
        finally:
            self._start, self._length = before

"""The sender thread: claims the oldest points, writes them, ends the batch.

One request is in flight at a time; it takes whatever waits, up to 5,000 points, so
batches grow with the backlog. What an answer means decides, not its wording:
accept, reject (after the bad lines stand alone) or keep.
"""

from collections.abc import Callable
import logging
import random
import threading
import time
from typing import Final, Protocol

from ..errors import (
    BatchRejectedError,
    BatchTooLargeError,
    BufferCorruptError,
    DiskBufferError,
    StoreAuthError,
    StoreError,
    StoreMissingError,
    StorePermissionError,
    StoreProtocolError,
    StoreUnavailableError,
)
from .buffer import Batch, DeadLetter, ReasonClass
from .compression import compress, decompress
from .dead_letters import classify_reason
from .encoder import BATCH_MAX_BYTES, BATCH_POINT_COUNT
from .line_protocol import split_lines
from .sqlite_buffer import SqliteBuffer
from .stats import LinkState, PipelineStats

_LOGGER = logging.getLogger(__name__)

# 3.x answers a write only after its log is flushed, a second later by default.
REQUEST_TIMEOUT_S: Final = 10.0
# One request in so many takes the newest points, where the rest takes the oldest.
NEWEST_EVERY: Final = 4
_FIRST_DELAY_S: Final = 0.5
# A database that is back is noticed within half a minute.
MAX_DELAY_S: Final = 30.0
# Adding a permission or a token is a person's work; asking often does not help.
_LINK_BY_ERROR: Final[tuple[tuple[type[StoreError], LinkState], ...]] = (
    (StoreAuthError, LinkState.AUTH_FAILED),
    (StorePermissionError, LinkState.FORBIDDEN),
    (StoreMissingError, LinkState.MISSING),
    (StoreProtocolError, LinkState.PROTOCOL),
    (StoreError, LinkState.UNREACHABLE),
)


class WriteClient(Protocol):
    """What the sender needs of a client."""

    def write(
        self, body: bytes, *, is_gzip: bool, timeout_s: float | None = None
    ) -> None:
        """Write line protocol, or raise one of errors.py."""

    def close(self) -> None:
        """Close the connections."""


class Sender:
    """Owns the sender thread and its client.

    Args:
        buffer: Opened; only this thread claims from it.
        stats: Counters; this thread owns those of writing.
        make_client: Makes the client, on the sender thread.
        on_link_change: Called on the sender thread when the way to the store is
            lost, changes its kind of failure, or is back.
        target_name: What the log calls the place that is written to: there may be
            several hubs.
    """

    def __init__(
        self,
        buffer: SqliteBuffer,
        stats: PipelineStats,
        make_client: Callable[[], WriteClient],
        on_link_change: Callable[[LinkState], None],
        *,
        flush_interval_s: float,
        is_newest_first: bool = False,
        target_name: str = "",
    ) -> None:
        """Prepare; `start` makes the thread."""
        self._buffer = buffer
        self._stats = stats
        self._make_client = make_client
        self._on_link_change = on_link_change
        self.flush_interval_s = flush_interval_s
        self.is_newest_first = is_newest_first
        self._target_name = target_name
        self._client: WriteClient | None = None
        self._wake = threading.Condition()
        self._due_at: float | None = None
        self._retry_at = 0.0
        self._was_full = False
        self._failure_count = 0
        self._attempt_count = 0
        self._stop_at: float | None = None
        self._is_abandoned = False
        self._thread = threading.Thread(
            target=self._run, name="ha_ingestor sender", daemon=True
        )

    def start(self) -> None:
        """Start the thread; what a former run has left is due at once."""
        if self._buffer.size().point_count:
            self._due_at = time.monotonic()
        self._thread.start()

    def notify_added(self, handed_over_at: float) -> None:
        """Learn of new points; encoder thread."""
        # After a full batch comes more: the end of a burst need not wait either.
        is_busy = self._was_full or self._buffer.size().point_count >= BATCH_POINT_COUNT
        due_at = handed_over_at + (0.0 if is_busy else self.flush_interval_s)
        with self._wake:
            if self._due_at is None or due_at < self._due_at:
                self._due_at = due_at
                self._wake.notify()

    def request_flush(self) -> None:
        """Send now, also in the middle of a pause between tries; any thread."""
        with self._wake:
            self._due_at = time.monotonic()
            self._retry_at = 0.0
            self._wake.notify()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def attempt_count(self) -> int:
        """Requests that have ended, however they ended."""
        return self._attempt_count

    def stop(self, timeout_s: float) -> bool:
        """Send what can be sent in this time, then end the thread; blocking.

        Returns:
            Whether it ended in time. A thread that hangs on a dead server is left
            behind and touches the buffer no more.
        """
        with self._wake:
            self._stop_at = time.monotonic() + timeout_s
            self._wake.notify()
        self._thread.join(timeout_s)
        self._is_abandoned = self._thread.is_alive()
        return not self._is_abandoned

    def _run(self) -> None:
        while True:
            try:
                if not self._wait_until_due():
                    break
                self._send_next()
            except Exception as err:
                # No error may end this thread: without it nothing is written.
                _LOGGER.exception("Unexpected error while sending, trying again")
                self._stats.last_error = str(err)
                self._back_off(None)
        self._send_last()
        if self._client is not None:
            self._client.close()

    def _wait_until_due(self) -> bool:
        """Sleep until there is something to do; returns False to end."""
        with self._wake:
            while self._stop_at is None:
                if self._due_at is None:
                    self._wake.wait()
                    continue
                delay = max(self._due_at, self._retry_at) - time.monotonic()
                if delay <= 0:
                    # Cleared before claiming: what is added from now on sets it anew.
                    self._due_at = None
                    return True
                self._wake.wait(delay)
        return False

    def _send_last(self) -> None:
        """Use what is left of the time to stop, if the server is known to answer."""
        try:
            while (
                self._stop_at is not None
                and self._stats.link is LinkState.CONNECTED
                and self._stop_at - time.monotonic() > 0
                and self._send_next()
            ):
                pass
        except Exception:
            _LOGGER.exception("Unexpected error while sending the rest")

    def _send_next(self) -> bool:
        """Claim and write one batch; returns whether it is done with."""
        try:
            # What happens now is seen soon, however long the backlog is.
            is_turn_of_newest = self._attempt_count % NEWEST_EVERY == NEWEST_EVERY - 1
            batch = self._buffer.begin_batch(
                BATCH_POINT_COUNT,
                BATCH_MAX_BYTES,
                is_newest_first=self.is_newest_first or is_turn_of_newest,
            )
            if batch is None:
                return False
            return self._send(batch)
        except BufferCorruptError as err:
            self._stats.dropped_by_sender += self._buffer.start_clean(err)
            _LOGGER.error(  # noqa: TRY400 - the file is at fault, not the code
                "The buffer file was damaged (%s) and a clean one was started", err
            )
        except DiskBufferError as err:
            # The server may have the points already; sending them again does no harm.
            self._stats.last_error = str(err)
            self._back_off(None)
        return False

    def _send(self, batch: Batch) -> bool:
        started_at = time.monotonic()
        try:
            dead_letters = self._write(batch)
        except StoreError as err:
            self._buffer.keep_batch(batch)
            self._fail(err)
            return False
        finally:
            self._attempt_count += 1
        if self._is_abandoned:
            return False
        self._stats.write_latencies_s.append(time.monotonic() - started_at)
        self._stats.dropped_by_sender += self._buffer.end_batch(batch, dead_letters)
        self._stats.written += batch.point_count - len(dead_letters)
        self._stats.rejected += len(dead_letters)
        self._was_full = batch.point_count > BATCH_POINT_COUNT // 2
        self._succeed()
        if self._buffer.size().point_count:
            with self._wake:
                if self._due_at is None:
                    # Left over by the limit of a batch.
                    self._due_at = time.monotonic()
        return True

    def _write(self, batch: Batch) -> list[DeadLetter]:
        """Write a batch; returns the lines that no server will take.

        Raises:
            StoreError: The batch is to be kept; part of it may have been written.
        """
        try:
            self._request(batch.body)
        except (BatchRejectedError, BatchTooLargeError) as err:
            lines = list(split_lines(decompress(batch.body)))
            return self._isolate(lines, err)
        return []

    def _isolate(
        self, lines: list[bytes], error: BatchRejectedError | BatchTooLargeError
    ) -> list[DeadLetter]:
        """Halve until the bad lines stand alone; the good ones get written."""
        dead_letters: list[DeadLetter] = []
        waiting: list[tuple[list[bytes], BatchRejectedError | BatchTooLargeError]] = [
            (lines, error)
        ]
        while waiting:
            part, reason = waiting.pop()
            named = getattr(reason, "bad_lines", None)
            if named and max(named) < len(part):
                # This server names the bad lines. The others go once more, so that
                # a list which it has cut short loses nothing.
                dead_letters.extend(
                    DeadLetter(
                        line=part[number],
                        reason=text,
                        reason_class=classify_reason(text),
                    )
                    for number, text in sorted(named.items())
                )
                pieces = [[x for n, x in enumerate(part) if n not in named]]
            elif len(part) == 1:
                dead_letters.append(_set_aside(part[0], reason))
                continue
            else:
                middle = len(part) // 2
                pieces = [part[:middle], part[middle:]]
            for piece in filter(None, pieces):
                try:
                    self._request(compress(b"\n".join(piece)))
                except (BatchRejectedError, BatchTooLargeError) as err:
                    waiting.append((piece, err))
        return dead_letters

    def _request(self, body: bytes) -> None:
        if self._client is None:
            self._client = self._make_client()
        timeout_s = REQUEST_TIMEOUT_S
        if self._stop_at is not None:
            timeout_s = max(0.05, self._stop_at - time.monotonic())
        self._client.write(body, is_gzip=True, timeout_s=timeout_s)

    def _succeed(self) -> None:
        self._failure_count = 0
        self._retry_at = 0.0
        self._stats.last_error = None
        self._set_link(LinkState.CONNECTED, None)

    def _fail(self, error: StoreError) -> None:
        self._stats.last_error = str(error)
        self._back_off(
            error.retry_after_s if isinstance(error, StoreUnavailableError) else None
        )
        link = next(link for kind, link in _LINK_BY_ERROR if isinstance(error, kind))
        self._set_link(link, error)

    def _back_off(self, retry_after_s: float | None) -> None:
        """Wait longer after each failure, or as long as the server asks for."""
        delay_s = min(MAX_DELAY_S, _FIRST_DELAY_S * 2 ** min(self._failure_count, 10))
        # Spread, so that several hubs do not return in step.
        delay_s *= random.uniform(0.7, 1.0)  # noqa: S311 - not for cryptography
        self._failure_count += 1
        now = time.monotonic()
        self._retry_at = now + max(delay_s, retry_after_s or 0.0)
        with self._wake:
            self._due_at = self._due_at or now

    def _set_link(self, link: LinkState, error: StoreError | None) -> None:
        previous = self._stats.link
        if link is previous:
            return
        self._stats.link = link
        if error is None:
            if previous is not LinkState.UNTRIED:
                _LOGGER.info("Writing to InfluxDB again (%s)", self._target_name)
        elif previous in (LinkState.UNTRIED, LinkState.CONNECTED):
            _LOGGER.info(
                "Cannot write to InfluxDB (%s: %s); events wait in the buffer",
                self._target_name,
                error,
            )
        else:
            _LOGGER.debug("Still cannot write to InfluxDB (%s)", error)
        self._on_link_change(link)


def _set_aside(
    line: bytes, error: BatchRejectedError | BatchTooLargeError
) -> DeadLetter:
    """Make a dead letter of a line that was refused when it stood alone."""
    words = str(error)
    return DeadLetter(
        line=line,
        reason=words,
        reason_class=ReasonClass.TOO_LARGE
        if isinstance(error, BatchTooLargeError)
        else classify_reason(words),
    )

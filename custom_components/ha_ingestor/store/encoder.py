"""The encoder thread: records to lines to a compressed batch on disk.

Whatever happens here, the thread goes on: a record that cannot be encoded becomes
a dead letter, a disk that is full is tried again while memory has room.
"""

from collections.abc import Callable
import logging
from queue import Empty, SimpleQueue
import threading
import time
from typing import Any, Final

from ..errors import BufferCorruptError, BufferFullError, DiskBufferError
from .buffer import DeadLetter, ReasonClass
from .sqlite_buffer import SqliteBuffer
from .stats import PipelineStats

_LOGGER = logging.getLogger(__name__)

# The knee of the server's curve, and what keeps every generation under its limit
# for one request (3.x: 10 MiB decompressed).
BATCH_POINT_COUNT: Final = 5_000
BATCH_MAX_BYTES: Final = 4 * 1024 * 1024

# From here on the loop lends the encoder its time: flat out, the interpreter gives
# a busy loop nearly all of it, and memory would grow. It lends more the more waits,
# up to what nobody at a dashboard notices.
SOFT_LIMIT_RECORDS: Final = 15_000
LENT_TIME_S: Final = 0.005
MAX_LENT_TIME_S: Final = 0.02
# Some 40 MiB of records, for a card that takes next to nothing while a storm lasts;
# beyond that, only dropping and counting is left.
HARD_LIMIT_RECORDS: Final = 100_000

# Counters on disk may be this much older than those in memory after a crash.
_SAVE_INTERVAL_S: Final = 60.0
_DISK_RETRY_S: Final = 1.0
# An error that nobody foresaw may pass; after so many tries it will not.
_UNEXPECTED_TRIES: Final = 3


class _Command(threading.Event):
    """Asks the encoder to report that all before it is on disk."""


class _Stop(_Command):
    """The last command."""


class Encoder:
    """Owns the encoder thread and the queue in front of it.

    Args:
        buffer: Opened; only this thread adds to it.
        stats: Counters; this thread owns those of encoding and dropping.
        format_record: Record to line; pure.
        on_added: Called on the encoder thread after each commit with the
            monotonic time at which the oldest of the added records was handed over.
    """

    def __init__(
        self,
        buffer: SqliteBuffer,
        stats: PipelineStats,
        format_record: Callable[[Any], str],
        on_added: Callable[[float], None],
    ) -> None:
        """Prepare; `start` makes the thread."""
        self._buffer = buffer
        self._stats = stats
        self._format = format_record
        self._on_added = on_added
        self._queue: SimpleQueue[tuple[float, int, list[Any]] | _Command] = (
            SimpleQueue()
        )
        self._handed_over = 0
        self._finished = 0
        self._is_stopping = threading.Event()
        self._is_disk_failing = False
        self._saved_at = time.monotonic()
        self._thread = threading.Thread(
            target=self._run, name="ha_ingestor encoder", daemon=True
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def unencoded_count(self) -> int:
        """Records handed over that are neither on disk nor counted as lost."""
        return self._handed_over - self._finished

    def put(self, records: list[Any]) -> None:
        """Take records over; event loop only.

        Blocks for at most `MAX_LENT_TIME_S`, and only in a storm that the encoder
        cannot follow.
        """
        waiting = self.unencoded_count
        if waiting > HARD_LIMIT_RECORDS:
            self._stats.dropped_before_encoding += len(records)
            return
        if waiting > SOFT_LIMIT_RECORDS and not self._is_disk_failing:
            lent_s = LENT_TIME_S * waiting / SOFT_LIMIT_RECORDS
            time.sleep(min(lent_s, MAX_LENT_TIME_S))
        self._handed_over += len(records)
        self._queue.put((time.monotonic(), time.time_ns(), records))

    def flush(self) -> threading.Event:
        """Ask for a sign when all that was handed over is on disk."""
        command = _Command()
        self._queue.put(command)
        return command

    def stop(self, timeout_s: float) -> bool:
        """Put the rest on disk and end the thread; blocking.

        Returns:
            Whether it ended in time. What is not on disk by then is counted.
        """
        self._is_stopping.set()
        self._queue.put(_Stop())
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            try:
                if self._work():
                    return
            except Exception:
                # No error may end this thread: without it nothing is kept.
                _LOGGER.exception("Unexpected error while encoding, going on")
                time.sleep(_DISK_RETRY_S)

    def _work(self) -> bool:
        """Encode what is there; returns whether the thread is to end."""
        item = self._queue.get()
        commands: list[_Command] = []
        records: list[Any] = []
        newest_ns = 0
        handed_at = 0.0
        while True:
            if isinstance(item, _Command):
                commands.append(item)
            else:
                handed_at = handed_at or item[0]
                newest_ns = item[1]
                records = records + item[2] if records else item[2]
            if commands or len(records) >= BATCH_POINT_COUNT:
                break
            try:
                item = self._queue.get_nowait()
            except Empty:
                break
        try:
            if records:
                self._encode(records, newest_ns, handed_at)
            self._save_counters_when_due(is_last=bool(commands))
        finally:
            self._finished += len(records)
            for command in commands:
                command.set()
        return any(isinstance(command, _Stop) for command in commands)

    def _encode(self, records: list[Any], newest_ns: int, handed_at: float) -> None:
        lines: list[str] = []
        format_record = self._format
        for record in records:
            try:
                lines.append(format_record(record))
            except Exception as err:  # noqa: BLE001 - one bad value stops nothing else
                self._set_aside(record, err)
        for chunk in _chunks(lines):
            body = self._to_bytes(chunk)
            self._add(body, len(chunk), newest_ns)
        if lines:
            self._on_added(handed_at)

    def _to_bytes(self, lines: list[str]) -> bytes:
        text = "\n".join(lines)
        try:
            return text.encode()
        except UnicodeEncodeError:
            # Half of a surrogate pair is no character; it becomes a question mark.
            self._stats.repaired += 1
            return text.encode("utf-8", "replace")

    def _set_aside(self, record: Any, error: Exception) -> None:
        """Keep what is left of a record that broke the encoder."""
        _LOGGER.debug("Record set aside: %s", error)
        self._stats.rejected_by_encoder += 1
        letter = DeadLetter(
            line=repr(record)[:4096].encode("utf-8", "replace"),
            reason=f"Not encodable: {error}",
            reason_class=ReasonClass.NOT_ENCODABLE,
        )
        try:
            self._stats.dropped_by_encoder += self._buffer.add_dead_letters([letter])
        except DiskBufferError as err:
            _LOGGER.debug("Dead letter not kept: %s", err)

    def _add(self, body: bytes, point_count: int, newest_ns: int) -> None:
        """Commit lines, again and again while the disk refuses."""
        tries_left = _UNEXPECTED_TRIES
        while tries_left:
            try:
                dropped = self._buffer.add(body, point_count, newest_ns)
            except BufferCorruptError as err:
                self._start_clean(err)
            except DiskBufferError as err:
                self._note_disk_failure(err)
                if self._is_stopping.wait(_DISK_RETRY_S):
                    break
            except Exception:
                _LOGGER.exception("Unexpected error while storing events")
                tries_left -= 1
            else:
                self._stats.dropped_by_encoder += dropped
                self._note_disk_success()
                return
        self._stats.dropped_by_encoder += point_count

    def _note_disk_failure(self, error: DiskBufferError) -> None:
        if not self._is_disk_failing:
            self._is_disk_failing = True
            self._stats.buffer_error = str(error)
            self._stats.is_disk_full = isinstance(error, BufferFullError)
            _LOGGER.error(
                "The buffer cannot be written (%s); holding events in memory and"
                " trying again",
                error,
            )

    def _note_disk_success(self) -> None:
        if self._is_disk_failing:
            self._is_disk_failing = False
            self._stats.buffer_error = None
            self._stats.is_disk_full = False
            _LOGGER.info("The buffer can be written again")

    def _start_clean(self, error: BufferCorruptError) -> None:
        lost = self._buffer.start_clean(error)
        self._stats.dropped_by_encoder += lost
        _LOGGER.error(
            "The buffer file was damaged (%s); it was moved to %s with %d points"
            " and a clean one was started",
            error,
            self._buffer.moved_aside,
            lost,
        )

    def _save_counters_when_due(self, *, is_last: bool) -> None:
        now = time.monotonic()
        if not is_last and now - self._saved_at < _SAVE_INTERVAL_S:
            return
        self._saved_at = now
        try:
            self._buffer.save_counters(self._stats.totals())
        except DiskBufferError as err:
            _LOGGER.debug("Counters not saved: %s", err)


def _chunks(lines: list[str]) -> list[list[str]]:
    """Cut lines into what one request may hold."""
    chunks: list[list[str]] = []
    start, size = 0, 0
    if len(lines) <= BATCH_POINT_COUNT and sum(map(len, lines)) * 4 <= BATCH_MAX_BYTES:
        return [lines] if lines else []
    for index, line in enumerate(lines):
        # At most four bytes a character; the exact number would cost an encoding.
        line_size = len(line) if line.isascii() else 4 * len(line)
        is_full = index - start >= BATCH_POINT_COUNT or (
            size + line_size > BATCH_MAX_BYTES and index > start
        )
        if is_full:
            chunks.append(lines[start:index])
            start, size = index, 0
        size += line_size + 1
    if start < len(lines):
        chunks.append(lines[start:])
    return chunks

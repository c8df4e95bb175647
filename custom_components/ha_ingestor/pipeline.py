"""One hub's way of an event: listener, encoder, buffer, sender."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
import dataclasses
from dataclasses import dataclass
import logging
from pathlib import Path
import shutil
import threading
import time
from typing import Final

from homeassistant.core import HomeAssistant, State, callback
from homeassistant.helpers.storage import STORAGE_DIR

from .const import DOMAIN
from .errors import DiskBufferError
from .ingest.collector import Collector, take_collector
from .ingest.filter import FilterDecision
from .ingest.listener import BusListener
from .ingest.normalize import Normalizer
from .ingest.records import POINT, Record
from .models import ContextField, FieldValue, Point
from .options import DEFAULT_BUFFER_MIB, HubOptions, SamplingRule
from .store.buffer import ReasonClass
from .store.dead_letters import LetterSelection, ReplayResult, StoredLetter
from .store.encoder import Encoder
from .store.influx.client import InfluxClient
from .store.influx.target import Target
from .store.line_fields import FieldEdit, edit_line
from .store.sender import Sender
from .store.sqlite_buffer import SqliteBuffer, delete_buffer_files
from .store.stats import LinkState, PipelineStats

_LOGGER = logging.getLogger(__name__)

_MIB: Final = 1024 * 1024
# Orderly stop: together below a second. The encoder needs milliseconds unless the
# disk hangs; the sender gets what one healthy request takes.
_STOP_ENCODER_S: Final = 5.0
_STOP_SENDER_S: Final = 0.5
# How long a flush waits before it answers with what is still waiting.
FLUSH_TIMEOUT_S: Final = 30.0
_FLUSH_POLL_S: Final = 0.05
# A page that shows how things are is not held up by a server that hangs.
_PING_TIMEOUT_S: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSnapshot:
    """The pipeline's figures at one moment.

    Attributes:
        backlog_points: Points waiting, on disk and in memory.
        oldest_age_s: Age of the oldest waiting point, None for no backlog.
        write_latency_s: Median time of the last requests, None before the first.
        backlog_max_bytes: Bound of the backlog on disk.
        dead_letters: Points set aside that wait for a person, by class of reason.
        buffer_error: Why the disk takes nothing at the moment, None if it does.
    """

    captured: int
    sampled: int
    filtered: int
    repaired: int
    written: int
    rejected: int
    dropped: int
    backlog_points: int
    backlog_bytes: int
    backlog_max_bytes: int
    oldest_age_s: float | None
    write_latency_s: float | None
    link: LinkState
    last_error: str | None
    buffer_error: str | None
    is_disk_full: bool
    dead_letters: Mapping[ReasonClass, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """A time in which nothing was captured, as far as the buffer knows.

    Attributes:
        start_s: Unix time of the newest event on disk.
        end_s: Unix time from which on every event is captured.
    """

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkReport:
    """How the parts of a pipeline are, for those who look for a fault.

    Attributes:
        attempt_count: Requests that have ended, however they ended.
        unencoded_count: Events that are neither on disk nor counted as lost.
        plan_count: Entities whose tags are known and ready to use.
    """

    is_encoder_alive: bool
    is_sender_alive: bool
    attempt_count: int
    unencoded_count: int
    plan_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityPreview:
    """What would be written for an entity right now, and why."""

    decision: FilterDecision
    sampling: SamplingRule | None
    lines: list[str]


def buffer_path(hass: HomeAssistant, entry_id: str) -> Path:
    """Return where the buffer of a hub is."""
    return Path(hass.config.path(STORAGE_DIR, DOMAIN, f"{entry_id}.db"))


class Pipeline:
    """Owns listener, threads and buffer of one hub. Event loop only.

    Args:
        on_link_change: Called on the event loop when the way to the store is
            lost, changes its kind of failure, or is back.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        entry_id: str,
        target: Target,
        options: HubOptions,
        on_link_change: Callable[[LinkState], None],
    ) -> None:
        """Prepare; nothing is captured before `async_start`."""
        self._hass = hass
        self._entry_id = entry_id
        self._target = target
        self._options = options
        self._on_link_change = on_link_change
        self._normalizer = Normalizer()
        self.stats = PipelineStats()
        self.absence: Absence | None = None
        self.buffer = SqliteBuffer(
            buffer_path(hass, entry_id),
            max_bytes=DEFAULT_BUFFER_MIB * _MIB,
            is_full_sync=options.is_full_sync,
        )
        self._listener: BusListener | None = None
        self._encoder: Encoder | None = None
        self._sender: Sender | None = None

    async def async_start(self) -> None:
        """Attach to the bus, open the buffer, start the threads.

        Raises:
            BufferUnusableError: There is no place to keep events.
        """
        collector = take_collector(self._hass, self._entry_id)
        is_reload = collector is not None
        if collector is None:
            collector = Collector.start(self._hass, self._options)
        try:
            totals = await self._hass.async_add_executor_job(self._open)
        except BaseException:
            if is_reload:
                # What it holds may still find a place: somebody makes room and
                # reloads.
                collector.leave_in(self._hass, self._entry_id)
            else:
                collector.stop()
            raise
        # Before anything is added: from then on it says when that was.
        newest_ns = self.buffer.newest_ns
        listener = collector.listener
        if is_reload:
            listener.set_options(self._options)
        else:
            listener.stats.restore(totals)
        self.stats = listener.stats
        self.stats.link = LinkState.UNTRIED
        self._encoder = self._start_threads()
        self._listener = collector.give_to(self._encoder.put)
        if not is_reload or not collector.is_complete:
            if newest_ns is not None:
                self.absence = Absence(
                    start_s=newest_ns / 1e9, end_s=collector.attached_at_s
                )
            captured = self._listener.capture_states(
                (newest_ns or 0) / 1e9, collector.attached_at_s
            )
            _LOGGER.debug("Captured %d states at start", captured)

    def _open(self) -> dict[str, int]:
        self.buffer.open()
        self.buffer.max_bytes = self._max_buffer_bytes(self._options)
        if self.buffer.moved_aside is not None:
            _LOGGER.error(
                "The buffer file was damaged; it was moved to %s and a clean one"
                " was started",
                self.buffer.moved_aside,
            )
        return self.buffer.load_counters()

    def _max_buffer_bytes(self, options: HubOptions) -> int:
        if options.buffer_bytes is not None:
            return options.buffer_bytes
        free = shutil.disk_usage(self.buffer.path.parent).free
        return min(DEFAULT_BUFFER_MIB * _MIB, free // 10)

    def _start_threads(self) -> Encoder:
        target = self._target
        self._sender = Sender(
            self.buffer,
            self.stats,
            lambda: InfluxClient(target),
            self._link_changed,
            flush_interval_s=self._options.flush_interval_s,
            is_newest_first=self._options.is_newest_first,
            target_name=f"{target.store} on {target.host}",
        )
        encoder = Encoder(
            self.buffer,
            self.stats,
            self._normalizer.format_record,
            self._sender.notify_added,
        )
        encoder.start()
        self._sender.start()
        return encoder

    def _link_changed(self, link: LinkState) -> None:
        """Pass a change on to the event loop; sender thread."""
        if not self._hass.loop.is_closed():
            self._hass.loop.call_soon_threadsafe(self._on_link_change, link)

    async def async_stop(self, *, is_collecting: bool) -> None:
        """Put everything on disk and end the threads, within a second.

        Args:
            is_collecting: Whether events are to be kept for the next set-up.
        """
        if (listener := self._listener) is None:
            return
        self._listener = None
        if is_collecting:
            listener.hand_over()
            Collector(listener).leave_in(self._hass, self._entry_id)
        else:
            listener.async_stop()
        await self._hass.async_add_executor_job(self._stop_threads)

    def _stop_threads(self) -> None:
        if self._encoder is None or self._sender is None:
            return
        if not self._encoder.stop(_STOP_ENCODER_S):
            _LOGGER.error(
                "The disk did not take the last %d events in time",
                self._encoder.unencoded_count,
            )
        self._sender.stop(_STOP_SENDER_S)
        self.stats.repaired += self._normalizer.repaired_count
        self._normalizer.repaired_count = 0
        try:
            # Again, with what the last request has written.
            self.buffer.save_counters(self.stats.totals())
        except DiskBufferError as err:
            _LOGGER.debug("Counters not saved: %s", err)
        self.buffer.close()

    async def async_set_options(self, options: HubOptions) -> None:
        """Apply changed options from the next event on."""
        self._options = options
        if self._listener is not None and self._sender is not None:
            self._listener.set_options(options)
            self._sender.flush_interval_s = options.flush_interval_s
            self._sender.is_newest_first = options.is_newest_first
        await self._hass.async_add_executor_job(self._set_buffer_options, options)

    def _set_buffer_options(self, options: HubOptions) -> None:
        self.buffer.max_bytes = self._max_buffer_bytes(options)
        self.buffer.set_full_sync(options.is_full_sync)

    async def async_flush(self) -> PipelineSnapshot:
        """Write all that has been captured so far, as far as the server lets us.

        Returns:
            The figures after that; a backlog remains if the server is away.
        """
        if self._listener is None or self._encoder is None or self._sender is None:
            return self.snapshot()
        self._listener.hand_over()
        on_disk = self._encoder.flush()
        await self._hass.async_add_executor_job(on_disk.wait, FLUSH_TIMEOUT_S)
        started_ns = time.time_ns()
        attempts = self._sender.attempt_count
        self._sender.request_flush()
        deadline = self._hass.loop.time() + FLUSH_TIMEOUT_S
        while self._hass.loop.time() < deadline:
            oldest_ns = self.buffer.size().oldest_ns
            if oldest_ns is None or oldest_ns > started_ns:
                break
            is_tried = self._sender.attempt_count > attempts
            if is_tried and self.stats.link is not LinkState.CONNECTED:
                break
            await asyncio.sleep(_FLUSH_POLL_S)
        return self.snapshot()

    @callback
    def put_past(self, records: list[Record]) -> threading.Event:
        """Take over records of the past, behind all events until now.

        Returns:
            What is set once they are on disk.

        Raises:
            RuntimeError: The pipeline is not running.
        """
        if self._listener is None or self._encoder is None:
            raise RuntimeError("The pipeline is not running")
        # The time of what was added last says since when events may be missing.
        self._listener.hand_over()
        self._encoder.put(records)
        return self._encoder.flush()

    @callback
    def put_points(self, points: Iterable[Point]) -> None:
        """Take over points that are no events, such as the readings of a source.

        They get the user's own tags like everything else. What comes before the
        start or after the end of the pipeline is left to the next reading.
        """
        if self._listener is None or self._encoder is None:
            return
        static_tags = dict(self._options.static_tags)
        records: list[Record] = [
            (POINT, dataclasses.replace(point, tags={**static_tags, **point.tags}))
            for point in points
        ]
        # The time of what was added last says since when events may be missing.
        self._listener.hand_over()
        self._encoder.put(records)

    @callback
    def set_source_context(
        self, values: Mapping[ContextField, FieldValue | None]
    ) -> None:
        """Say what the sources know of this moment, for the events from now on."""
        if self._listener is not None:
            self._listener.set_source_context(values)

    @property
    def target(self) -> Target:
        """Where the points go, for those who read them back."""
        return self._target

    @property
    def options(self) -> HubOptions:
        """What the user has chosen."""
        return self._options

    async def async_list_dead_letters(
        self, selection: LetterSelection, limit: int
    ) -> tuple[list[StoredLetter], int]:
        """Return the newest selected dead letters, and how many there are in all.

        Raises:
            DiskBufferError: The disk fails.
        """
        return await self._hass.async_add_executor_job(
            self.buffer.list_dead_letters, selection, limit
        )

    async def async_discard_dead_letters(self, selection: LetterSelection) -> int:
        """Delete dead letters for good; returns how many.

        Raises:
            DiskBufferError: The disk fails; nothing was deleted.
        """
        return await self._hass.async_add_executor_job(
            self.buffer.discard_dead_letters, selection
        )

    async def async_replay_dead_letters(
        self, selection: LetterSelection, edits: Sequence[FieldEdit] = ()
    ) -> ReplayResult:
        """Put dead letters back into the queue, and send them.

        Raises:
            BufferFullError: There is no room for them; nothing was changed.
            DiskBufferError: Any other failure of the disk, likewise.
        """
        result = await self._hass.async_add_executor_job(
            self.buffer.replay_dead_letters,
            selection,
            lambda line: edit_line(line, edits),
        )
        if result.replayed and self._sender is not None:
            self._sender.notify_added(time.monotonic())
        return result

    async def async_ping(self) -> str:
        """Return the version of the server.

        Raises:
            StoreError: It cannot be reached, or is none.
        """
        return await self._hass.async_add_executor_job(self._ping)

    def _ping(self) -> str:
        client = InfluxClient(self._target, timeout_s=_PING_TIMEOUT_S)
        try:
            return client.ping().version
        finally:
            client.close()

    @callback
    def request_flush(self) -> None:
        """Try to write now, also in the middle of a pause between tries."""
        if self._sender is not None:
            self._sender.request_flush()

    @callback
    def work_report(self) -> WorkReport:
        """Return what only diagnostics show."""
        return WorkReport(
            is_encoder_alive=self._encoder is not None and self._encoder.is_alive,
            is_sender_alive=self._sender is not None and self._sender.is_alive,
            attempt_count=self._sender.attempt_count if self._sender else 0,
            unencoded_count=self._encoder.unencoded_count if self._encoder else 0,
            plan_count=len(self._listener.planner.plans) if self._listener else 0,
        )

    @callback
    def snapshot(self) -> PipelineSnapshot:
        """Return the figures of this moment."""
        stats, size = self.stats, self.buffer.size()
        unencoded = self._encoder.unencoded_count if self._encoder else 0
        pending = self._listener.pending_count if self._listener else 0
        return PipelineSnapshot(
            captured=stats.captured + pending,
            sampled=stats.sampled,
            filtered=stats.filtered,
            repaired=stats.repaired + self._normalizer.repaired_count,
            written=stats.written,
            rejected=stats.rejected_total,
            dropped=stats.dropped,
            backlog_points=size.point_count + unencoded + pending,
            backlog_bytes=size.byte_count,
            backlog_max_bytes=self.buffer.max_bytes,
            oldest_age_s=None
            if size.oldest_ns is None
            else max(0.0, (time.time_ns() - size.oldest_ns) / 1e9),
            write_latency_s=stats.write_latency_s,
            link=stats.link,
            last_error=stats.buffer_error or stats.last_error,
            buffer_error=stats.buffer_error,
            is_disk_full=stats.is_disk_full,
            dead_letters=self.buffer.dead_letter_counts,
        )

    @callback
    def preview(self, state: State) -> EntityPreview:
        """Return what would be written for a state, and which rule says so."""
        if self._listener is None:
            raise RuntimeError("The pipeline is not running")
        plan, records = self._listener.preview(state)
        # A normalizer of its own: the encoder thread's counts real events.
        normalizer = Normalizer()
        return EntityPreview(
            decision=plan.decision,
            sampling=plan.sampler.rule if plan.sampler else None,
            lines=[normalizer.format_record(record) for record in records],
        )


async def async_delete_files(hass: HomeAssistant, entry_id: str) -> None:
    """Delete the buffer of a hub that was removed."""
    await hass.async_add_executor_job(delete_buffer_files, buffer_path(hass, entry_id))

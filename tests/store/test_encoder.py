"""The encoder thread: everything ends on disk, as a dead letter or in a counter."""

from collections.abc import Callable, Iterator
import logging
import threading
import time
from typing import Any

import pytest

from custom_components.ha_ingestor.errors import (
    BufferCorruptError,
    BufferFullError,
    DiskBufferError,
)
from custom_components.ha_ingestor.store import encoder as encoder_module
from custom_components.ha_ingestor.store.compression import decompress
from custom_components.ha_ingestor.store.dead_letters import LetterSelection
from custom_components.ha_ingestor.store.encoder import (
    BATCH_MAX_BYTES,
    BATCH_POINT_COUNT,
    Encoder,
)
from custom_components.ha_ingestor.store.sqlite_buffer import SqliteBuffer
from custom_components.ha_ingestor.store.stats import PipelineStats

WAIT_S = 10.0


@pytest.fixture
def added() -> list[float]:
    return []


@pytest.fixture
def encoder(
    buffer: SqliteBuffer, stats: PipelineStats, added: list[float]
) -> Iterator[Encoder]:
    encoder = Encoder(buffer, stats, format_record, added.append)
    encoder.start()
    yield encoder
    encoder.stop(WAIT_S)


def format_record(record: Any) -> str:
    if record == "bad":
        raise TypeError("not a record")
    return str(record)


def flush(encoder: Encoder) -> None:
    assert encoder.flush().wait(WAIT_S)


def stored(buffer: SqliteBuffer) -> list[bytes]:
    lines: list[bytes] = []
    while (batch := buffer.begin_batch(BATCH_POINT_COUNT, BATCH_MAX_BYTES)) is not None:
        lines += decompress(batch.body).split(b"\n")
        buffer.end_batch(batch)
    return lines


def fail(times: int, error: Exception, then: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that raises so many times and then does its work."""
    left = [times]

    def call(*args: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise error
        return then(*args)

    return call


def test_records_are_on_disk_in_order(
    encoder: Encoder, buffer: SqliteBuffer, added: list[float]
) -> None:
    encoder.put([1, 2, 3])
    encoder.put([4])
    flush(encoder)
    assert encoder.unencoded_count == 0
    assert added
    assert stored(buffer) == [b"1", b"2", b"3", b"4"]


def test_watermark_is_when_it_was_handed_over(
    encoder: Encoder, buffer: SqliteBuffer
) -> None:
    before_ns = time.time_ns()
    encoder.put([1])
    flush(encoder)
    assert buffer.newest_ns is not None
    assert before_ns <= buffer.newest_ns <= time.time_ns()


def test_batches_stay_below_the_limit_of_lines(
    encoder: Encoder, buffer: SqliteBuffer
) -> None:
    records = list(range(2 * BATCH_POINT_COUNT + 7))
    encoder.put(records)
    flush(encoder)
    sizes = [
        row[0]
        for row in buffer._connections["claim"].execute("SELECT point_count FROM batch")
    ]
    assert sizes == [BATCH_POINT_COUNT, BATCH_POINT_COUNT, 7]
    assert stored(buffer) == [str(record).encode() for record in records]


@pytest.mark.parametrize("character", ["a", "€"])
def test_batches_stay_below_the_limit_of_bytes(
    encoder: Encoder, buffer: SqliteBuffer, character: str
) -> None:
    records = [character * 400_000 for _ in range(25)]
    records.insert(3, character * BATCH_MAX_BYTES)
    encoder.put(records)
    flush(encoder)
    sizes = buffer._connections["claim"].execute(
        "SELECT raw_bytes, point_count FROM batch"
    )
    too_large = [points for size, points in sizes if size > BATCH_MAX_BYTES]
    assert set(too_large) <= {1}
    assert stored(buffer) == [record.encode() for record in records]


def test_a_bad_record_stops_nothing_else(
    encoder: Encoder, buffer: SqliteBuffer, stats: PipelineStats
) -> None:
    encoder.put([1, "bad", 2])
    flush(encoder)
    assert stored(buffer) == [b"1", b"2"]
    assert stats.rejected_by_encoder == 1
    [letter] = [x.letter for x in buffer.list_dead_letters(LetterSelection(), 10)[0]]
    assert letter.reason == "Not encodable: not a record"
    assert letter.line == b"'bad'"


def test_half_a_surrogate_pair_is_repaired(
    encoder: Encoder, buffer: SqliteBuffer, stats: PipelineStats
) -> None:
    encoder.put(["good", "bad \ud83d half"])
    flush(encoder)
    assert stored(buffer) == [b"good", b"bad ? half"]
    assert stats.repaired == 1


def test_full_disk_holds_events_and_goes_on(
    encoder: Encoder,
    buffer: SqliteBuffer,
    stats: PipelineStats,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(encoder_module, "_DISK_RETRY_S", 0.01)
    error = BufferFullError("database or disk is full")
    monkeypatch.setattr(buffer, "add", fail(5, error, buffer.add))
    caplog.set_level(logging.INFO)
    encoder.put([1])
    encoder.put([2])
    flush(encoder)
    assert stored(buffer) == [b"1", b"2"]
    assert stats.dropped == 0
    assert stats.buffer_error is None
    # One line for the loss and one for the return.
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


def test_stop_while_the_disk_is_full_counts_what_is_lost(
    encoder: Encoder,
    buffer: SqliteBuffer,
    stats: PipelineStats,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = BufferFullError("database or disk is full")
    monkeypatch.setattr(buffer, "add", fail(10_000, error, buffer.add))
    encoder.put([1, 2, 3])
    started_at = time.monotonic()
    assert encoder.stop(WAIT_S)
    assert time.monotonic() - started_at < 0.9
    assert stats.dropped == 3


def test_damaged_file_is_replaced(
    encoder: Encoder,
    buffer: SqliteBuffer,
    stats: PipelineStats,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder.put([1, 2])
    flush(encoder)
    error = BufferCorruptError("malformed", generation=0)
    monkeypatch.setattr(buffer, "add", fail(1, error, buffer.add))
    encoder.put([3])
    flush(encoder)
    assert stats.dropped == 2
    assert stored(buffer) == [b"3"]


def test_dead_letter_on_a_failing_disk_is_counted_all_the_same(
    encoder: Encoder,
    buffer: SqliteBuffer,
    stats: PipelineStats,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = DiskBufferError("disk I/O error")
    monkeypatch.setattr(buffer, "add_dead_letters", fail(1, error, lambda _: 0))
    encoder.put(["bad", 1])
    flush(encoder)
    assert stats.rejected_by_encoder == 1
    assert stored(buffer) == [b"1"]


@pytest.mark.parametrize(
    ("failures", "lines", "dropped"), [(2, [b"1", b"2"], 0), (3, [b"2"], 1)]
)
def test_no_exception_ends_the_thread(
    encoder: Encoder,
    buffer: SqliteBuffer,
    stats: PipelineStats,
    monkeypatch: pytest.MonkeyPatch,
    failures: int,
    lines: list[bytes],
    dropped: int,
) -> None:
    error = ZeroDivisionError("nobody foresaw this")
    monkeypatch.setattr(buffer, "add", fail(failures, error, buffer.add))
    encoder.put([1])
    flush(encoder)
    encoder.put([2])
    flush(encoder)
    assert encoder.unencoded_count == 0
    assert stored(buffer) == lines
    assert stats.dropped == dropped


def test_the_thread_goes_on_after_an_error_of_its_own(
    encoder: Encoder, buffer: SqliteBuffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_module, "_DISK_RETRY_S", 0.01)
    error = ZeroDivisionError("nobody foresaw this")
    monkeypatch.setattr(encoder, "_on_added", fail(1, error, lambda _: None))
    encoder.put([1])
    flush(encoder)
    encoder.put([2])
    flush(encoder)
    assert stored(buffer) == [b"1", b"2"]


def test_a_storm_is_bounded_and_counted(
    buffer: SqliteBuffer, stats: PipelineStats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_module, "SOFT_LIMIT_RECORDS", 10)
    monkeypatch.setattr(encoder_module, "HARD_LIMIT_RECORDS", 20)
    gate = threading.Event()

    def wait(record: Any) -> str:
        gate.wait(WAIT_S)
        return str(record)

    encoder = Encoder(buffer, stats, wait, lambda _: None)
    encoder.start()
    for number in range(10):
        encoder.put([number] * 5)
    assert encoder.unencoded_count == 25
    assert stats.dropped_before_encoding == 25
    gate.set()
    assert encoder.stop(WAIT_S)
    assert len(stored(buffer)) == 25


def test_counters_are_saved_at_stop(
    buffer: SqliteBuffer, stats: PipelineStats, encoder: Encoder
) -> None:
    stats.written = 41
    encoder.put([1])
    encoder.stop(WAIT_S)
    assert buffer.load_counters()["written"] == 41
    again = PipelineStats()
    again.restore(buffer.load_counters())
    assert again.written == 41

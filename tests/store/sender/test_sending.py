"""Sending batches: in order, in time, again where it failed, until the end."""

import logging
import time

import pytest

from custom_components.ha_ingestor.errors import (
    BufferCorruptError,
    DiskBufferError,
    StoreAuthError,
    StoreError,
    StoreMissingError,
    StorePermissionError,
    StoreProtocolError,
    StoreRefusedError,
    StoreUnavailableError,
)
from custom_components.ha_ingestor.store.buffer import Batch, DeadLetter
from custom_components.ha_ingestor.store.sender import Sender, WriteClient
from custom_components.ha_ingestor.store.sqlite_buffer import SqliteBuffer
from custom_components.ha_ingestor.store.stats import LinkState, PipelineStats
from tests.store.sender.kit import (
    WAIT_S,
    Links,
    ScriptedServer,
    add,
    make,
    wait_for,
    wait_until_empty,
)


def test_a_backlog_is_sent_at_start_and_in_order(
    buffer: SqliteBuffer, stats: PipelineStats, server: ScriptedServer, sender: Sender
) -> None:
    for number in range(0, 12_000, 100):
        add(buffer, *range(number, number + 100))
    sender.start()
    wait_until_empty(buffer)
    assert server.accepted == [b"m a=%d %d" % (n, n) for n in range(12_000)]
    # Rows grow together up to the limit of a request.
    assert server.requests == [5_000, 5_000, 2_000]
    wait_for(lambda: stats.written == 12_000)
    assert stats.write_latency_s is not None


def test_a_long_backlog_does_not_hide_what_happens_now(
    buffer: SqliteBuffer, server: ScriptedServer, sender: Sender
) -> None:
    for number in range(0, 40_000, 1_000):
        add(buffer, *range(number, number + 1_000))
    sender.start()
    wait_until_empty(buffer)
    sent = [int(line.split()[-1]) for line in server.accepted]
    assert sorted(sent) == list(range(40_000))
    # The fourth request, with five still to come.
    assert sent[15_000:20_000] == list(range(35_000, 40_000))


def test_newest_first_where_a_user_wants_it(
    buffer: SqliteBuffer, server: ScriptedServer, sender: Sender
) -> None:
    sender.is_newest_first = True
    for number in range(0, 15_000, 1_000):
        add(buffer, *range(number, number + 1_000))
    sender.start()
    wait_until_empty(buffer)
    sent = [int(line.split()[-1]) for line in server.accepted]
    assert sent == [
        *range(10_000, 15_000),
        *range(5_000, 10_000),
        *range(5_000),
    ]


def test_new_points_wait_for_the_flush_interval(
    buffer: SqliteBuffer, server: ScriptedServer, sender: Sender
) -> None:
    sender.flush_interval_s = 0.3
    sender.start()
    added_at = time.monotonic()
    for number in range(3):
        add(buffer, number)
        sender.notify_added(added_at)
    wait_until_empty(buffer)
    assert time.monotonic() - added_at >= 0.3
    assert server.requests == [3]


def test_a_full_batch_does_not_wait(
    buffer: SqliteBuffer, server: ScriptedServer, sender: Sender
) -> None:
    sender.flush_interval_s = 1_000
    sender.start()
    add(buffer, *range(5_000))
    sender.notify_added(time.monotonic())
    wait_until_empty(buffer)
    assert server.requests == [5_000]


def test_flush_does_not_wait_either(buffer: SqliteBuffer, sender: Sender) -> None:
    sender.flush_interval_s = 1_000
    sender.start()
    add(buffer, 1)
    sender.notify_added(time.monotonic())
    sender.request_flush()
    wait_until_empty(buffer)
    assert sender.attempt_count == 1


@pytest.mark.parametrize(
    ("error", "link"),
    [
        (StoreUnavailableError("503"), LinkState.UNREACHABLE),
        (StoreRefusedError("refused"), LinkState.UNREACHABLE),
        (StoreAuthError("401"), LinkState.AUTH_FAILED),
        (StorePermissionError("403"), LinkState.FORBIDDEN),
        (StoreMissingError("404"), LinkState.MISSING),
        (StoreProtocolError("<html>"), LinkState.PROTOCOL),
    ],
    ids=lambda value: getattr(value, "value", type(value).__name__),
)
def test_failures_keep_the_batch_and_heal(
    buffer: SqliteBuffer,
    stats: PipelineStats,
    server: ScriptedServer,
    sender: Sender,
    links: Links,
    caplog: pytest.LogCaptureFixture,
    error: StoreError,
    link: LinkState,
) -> None:
    caplog.set_level(logging.INFO)
    server.answers = [error, error, error]
    add(buffer, 1, 2)
    sender.start()
    wait_until_empty(buffer)
    wait_for(lambda: links.seen == [link, LinkState.CONNECTED])
    assert server.accepted == [b"m a=1 1", b"m a=2 2"]
    assert stats.written == 2
    assert stats.rejected == stats.dropped == 0
    assert stats.last_error is None
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "INFO",
            (
                f"Cannot write to InfluxDB (home on host: {error});"
                " events wait in the buffer"
            ),
        ),
        ("INFO", "Writing to InfluxDB again (home on host)"),
    ]


def test_changing_kinds_of_failure_are_one_loss(
    buffer: SqliteBuffer,
    server: ScriptedServer,
    sender: Sender,
    links: Links,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    server.answers = [StoreRefusedError("no"), StoreAuthError("401")]
    add(buffer, 1)
    sender.start()
    wait_for(lambda: LinkState.CONNECTED in links.seen)
    assert links.seen == [
        LinkState.UNREACHABLE,
        LinkState.AUTH_FAILED,
        LinkState.CONNECTED,
    ]
    assert len(caplog.records) == 2


def test_retry_after_is_honoured(
    buffer: SqliteBuffer, server: ScriptedServer, sender: Sender
) -> None:
    server.answers = [StoreUnavailableError("429", retry_after_s=0.4)]
    add(buffer, 1)
    started_at = time.monotonic()
    sender.start()
    wait_until_empty(buffer)
    assert time.monotonic() - started_at >= 0.4


def test_pauses_grow_and_are_bounded(sender: Sender) -> None:
    pauses = []
    for _ in range(8):
        sender._back_off(None)
        pauses.append(sender._retry_at - time.monotonic())
    assert pauses[0] <= 0.01
    assert 0.03 <= pauses[-1] <= 0.05


def test_no_exception_ends_the_thread(
    buffer: SqliteBuffer,
    stats: PipelineStats,
    server: ScriptedServer,
    sender: Sender,
) -> None:
    server.answers = [ZeroDivisionError("nobody foresaw this")]  # type: ignore[list-item]
    add(buffer, 1)
    sender.start()
    wait_until_empty(buffer)
    wait_for(lambda: stats.written == 1)


def test_a_client_that_cannot_be_made_is_tried_again(
    buffer: SqliteBuffer, stats: PipelineStats, server: ScriptedServer, links: Links
) -> None:
    failures = [StoreUnavailableError("bad certificate")] * 2

    def make_client() -> WriteClient:
        if failures:
            raise failures.pop()
        return server

    sender = make(buffer, stats, make_client, links)
    add(buffer, 1)
    sender.start()
    wait_until_empty(buffer)
    sender.stop(WAIT_S)
    assert server.is_closed


@pytest.mark.parametrize(
    "error",
    [DiskBufferError("disk I/O error"), BufferCorruptError("x", generation=99)],
    ids=["disk", "corrupt"],
)
def test_a_failing_disk_sends_again(
    buffer: SqliteBuffer,
    stats: PipelineStats,
    server: ScriptedServer,
    sender: Sender,
    monkeypatch: pytest.MonkeyPatch,
    error: DiskBufferError,
) -> None:
    end_batch = buffer.end_batch
    failures = [error]

    def fail_once(batch: Batch, letters: list[DeadLetter]) -> int:
        if failures:
            raise failures.pop()
        return end_batch(batch, letters)

    monkeypatch.setattr(buffer, "end_batch", fail_once)
    add(buffer, 1)
    sender.start()
    wait_for(lambda: not failures)
    sender.request_flush()
    wait_until_empty(buffer)
    wait_for(lambda: stats.written == 1)
    # At least once: the same bytes again have no further effect.
    assert server.accepted == [b"m a=1 1"] * 2


def test_stop_sends_the_rest_to_a_healthy_server(
    buffer: SqliteBuffer, server: ScriptedServer, sender: Sender
) -> None:
    sender.flush_interval_s = 1_000
    sender.start()
    add(buffer, 1)
    sender.request_flush()
    wait_until_empty(buffer)
    wait_for(lambda: sender._stats.link is LinkState.CONNECTED)
    add(buffer, 2)
    assert sender.stop(0.5)
    assert server.accepted == [b"m a=1 1", b"m a=2 2"]
    assert server.is_closed


def test_stop_does_not_wait_for_a_dead_server(
    buffer: SqliteBuffer, stats: PipelineStats, server: ScriptedServer, sender: Sender
) -> None:
    server.gate.clear()
    add(buffer, 1)
    sender.start()
    time.sleep(0.05)
    started_at = time.monotonic()
    assert not sender.stop(0.2)
    assert time.monotonic() - started_at < 0.5
    # What the thread that was left behind does later has no effect here.
    server.gate.set()
    sender._thread.join(WAIT_S)
    assert buffer.size().point_count == 1
    assert stats.written == 0

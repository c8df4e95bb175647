"""The sender thread: accept, reject, keep; by result class, on its own thread."""

from collections.abc import Callable, Iterator
import logging
import threading
import time

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ha_ingestor.errors import (
    BatchRejectedError,
    BatchTooLargeError,
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
from custom_components.ha_ingestor.store import sender as sender_module
from custom_components.ha_ingestor.store.buffer import Batch, DeadLetter, ReasonClass
from custom_components.ha_ingestor.store.compression import decompress
from custom_components.ha_ingestor.store.dead_letters import LetterSelection
from custom_components.ha_ingestor.store.line_protocol import split_lines
from custom_components.ha_ingestor.store.sender import Sender, WriteClient
from custom_components.ha_ingestor.store.sqlite_buffer import SqliteBuffer
from custom_components.ha_ingestor.store.stats import LinkState, PipelineStats

WAIT_S = 10.0


class ScriptedServer:
    """Answers writes as told and remembers what it has accepted."""

    def __init__(self) -> None:
        self.answers: list[StoreError] = []
        self.accepted: list[bytes] = []
        self.requests: list[int] = []
        self.is_bad: Callable[[bytes], bool] = lambda _: False
        self.max_lines = 1_000_000
        self.names_bad_lines = False
        self.max_named = 1_000_000
        self.gate = threading.Event()
        self.gate.set()
        self.is_closed = False

    def write(
        self, body: bytes, *, is_gzip: bool, timeout_s: float | None = None
    ) -> None:
        self.gate.wait(timeout_s)
        lines = list(split_lines(decompress(body)))
        self.requests.append(len(lines))
        if self.answers:
            raise self.answers.pop(0)
        if len(lines) > self.max_lines:
            raise BatchTooLargeError("413")
        bad = {
            number: "type conflict"
            for number, line in enumerate(lines)
            if self.is_bad(line)
        }
        self.accepted += [line for line in lines if not self.is_bad(line)]
        if bad:
            raise BatchRejectedError(
                "partial write: type conflict",
                bad_lines=dict(list(bad.items())[: self.max_named])
                if self.names_bad_lines
                else None,
            )

    def close(self) -> None:
        self.is_closed = True


def list_letters(buffer: SqliteBuffer) -> list[DeadLetter]:
    letters, _ = buffer.list_dead_letters(LetterSelection(), 1_000)
    return [stored.letter for stored in letters]


class Links:
    """The states that the sender has reported."""

    def __init__(self) -> None:
        self.seen: list[LinkState] = []

    def __call__(self, link: LinkState) -> None:
        self.seen.append(link)


@pytest.fixture
def server() -> ScriptedServer:
    return ScriptedServer()


@pytest.fixture
def links() -> Links:
    return Links()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_module, "_FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(sender_module, "MAX_DELAY_S", 0.05)


@pytest.fixture
def sender(
    buffer: SqliteBuffer, stats: PipelineStats, server: ScriptedServer, links: Links
) -> Iterator[Sender]:
    sender = make(buffer, stats, lambda: server, links)
    yield sender
    if sender._thread.ident is not None:
        server.gate.set()
        sender.stop(WAIT_S)


def make(
    buffer: SqliteBuffer,
    stats: PipelineStats,
    make_client: Callable[[], WriteClient],
    links: Links,
) -> Sender:
    return Sender(
        buffer,
        stats,
        make_client,
        links,
        flush_interval_s=0.01,
        target_name="home on host",
    )


def add(buffer: SqliteBuffer, *numbers: int) -> None:
    lines = [b"m a=%d %d" % (number, number) for number in numbers]
    buffer.add(b"\n".join(lines), len(lines), 1)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def wait_until_empty(buffer: SqliteBuffer) -> None:
    wait_for(lambda: buffer.size().point_count == 0)


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


@pytest.mark.parametrize("names_bad_lines", [True, False])
@pytest.mark.parametrize("bad", [{7}, {0}, {99}, {1, 2, 50}, set(range(100))])
def test_bad_lines_stand_alone(
    buffer: SqliteBuffer,
    stats: PipelineStats,
    server: ScriptedServer,
    sender: Sender,
    bad: set[int],
    names_bad_lines: bool,
) -> None:
    server.names_bad_lines = names_bad_lines
    server.is_bad = lambda line: int(line.split()[-1]) in bad
    add(buffer, *range(100))
    sender.start()
    wait_until_empty(buffer)
    wait_for(lambda: stats.written + stats.rejected == 100)
    good = set(range(100)) - bad
    assert {int(line.split()[-1]) for line in server.accepted} == good
    letters = list_letters(buffer)
    assert {int(letter.line.split()[-1]) for letter in letters} == bad
    assert len(letters) == len(bad) == stats.rejected
    assert {"type conflict" in letter.reason for letter in letters} == {True}
    assert stats.link is LinkState.CONNECTED


def test_a_list_of_bad_lines_that_is_cut_short_loses_nothing(
    buffer: SqliteBuffer, stats: PipelineStats, server: ScriptedServer, sender: Sender
) -> None:
    server.names_bad_lines = True
    server.max_named = 2
    server.is_bad = lambda line: int(line.split()[-1]) % 10 == 3
    add(buffer, *range(100))
    sender.start()
    wait_until_empty(buffer)
    wait_for(lambda: stats.written + stats.rejected == 100)
    assert stats.rejected == sum(buffer.dead_letter_counts.values()) == 10
    assert len(set(server.accepted)) == 90


@settings(max_examples=30, deadline=None)
@given(
    bad=st.sets(st.integers(min_value=0, max_value=63)),
    max_lines=st.integers(min_value=1, max_value=70),
)
def test_isolation_is_exact(bad: set[int], max_lines: int) -> None:
    server = ScriptedServer()
    server.is_bad = lambda line: int(line) in bad
    server.max_lines = max_lines
    sender = Sender(
        None,  # type: ignore[arg-type] - isolation alone needs no buffer
        PipelineStats(),
        lambda: server,
        lambda _: None,
        flush_interval_s=1,
    )
    lines = [b"%d" % number for number in range(64)]
    letters = sender._isolate(lines, BatchRejectedError("bad"))
    assert {int(letter.line) for letter in letters} == bad
    assert {int(line) for line in server.accepted} == set(range(64)) - bad


def test_too_large_is_split(
    buffer: SqliteBuffer, stats: PipelineStats, server: ScriptedServer, sender: Sender
) -> None:
    server.max_lines = 30
    add(buffer, *range(100))
    sender.start()
    wait_until_empty(buffer)
    assert len(set(server.accepted)) == 100
    assert stats.rejected == 0


def test_a_single_line_that_is_too_large_is_set_aside(
    buffer: SqliteBuffer, stats: PipelineStats, server: ScriptedServer, sender: Sender
) -> None:
    server.max_lines = 0
    add(buffer, 1)
    sender.start()
    wait_for(lambda: stats.rejected == 1)
    assert list_letters(buffer) == [
        DeadLetter(line=b"m a=1 1", reason="413", reason_class=ReasonClass.TOO_LARGE)
    ]


def test_an_outage_in_the_middle_of_isolation_keeps_the_whole_batch(
    buffer: SqliteBuffer, stats: PipelineStats, server: ScriptedServer, sender: Sender
) -> None:
    server.is_bad = lambda line: line.endswith(b" 3")
    server.answers = [
        BatchRejectedError("bad"),
        BatchRejectedError("bad"),
        StoreRefusedError("gone"),
    ]
    add(buffer, *range(10))
    sender.start()
    wait_until_empty(buffer)
    wait_for(lambda: stats.written == 9)
    assert stats.rejected == 1
    assert sum(buffer.dead_letter_counts.values()) == 1


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

"""A server that answers as told, and what waits for the sender."""

from collections.abc import Callable
import threading
import time

from custom_components.ha_ingestor.errors import (
    BatchRejectedError,
    BatchTooLargeError,
    StoreError,
)
from custom_components.ha_ingestor.store.buffer import DeadLetter
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

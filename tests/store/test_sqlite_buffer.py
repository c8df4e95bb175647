"""The queue on disk: nothing lost, nothing doubled, bounded, whatever happens."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
import random
import sqlite3
import subprocess
import sys
import textwrap

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
import pytest

from custom_components.ha_ingestor.errors import (
    BufferCorruptError,
    BufferFullError,
    BufferUnusableError,
    DiskBufferError,
)
from custom_components.ha_ingestor.store.buffer import Batch, DeadLetter, ReasonClass
from custom_components.ha_ingestor.store.compression import decompress
from custom_components.ha_ingestor.store.dead_letters import (
    MAX_DEAD_LETTER_BYTES,
    MAX_DEAD_LETTERS,
    LetterSelection,
    StoredLetter,
)
from custom_components.ha_ingestor.store.schema import SCHEMA_VERSION
from custom_components.ha_ingestor.store.sqlite_buffer import (
    SqliteBuffer,
    delete_buffer_files,
)

MIB = 1024 * 1024


def make(path: Path, *, max_bytes: int = 64 * MIB) -> SqliteBuffer:
    buffer = SqliteBuffer(path, max_bytes=max_bytes, is_full_sync=False)
    buffer.open()
    return buffer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "storage" / "hub.db"


@pytest.fixture
def buffer(path: Path) -> Iterator[SqliteBuffer]:
    buffer = make(path)
    yield buffer
    buffer.close()


def claim(buffer: SqliteBuffer, *, points: int = 5_000, size: int = 4 * MIB) -> Batch:
    batch = buffer.begin_batch(points, size)
    assert batch is not None
    return batch


def conflict(line: bytes) -> DeadLetter:
    return DeadLetter(
        line=line, reason="type conflict", reason_class=ReasonClass.TYPE_CONFLICT
    )


def list_all(buffer: SqliteBuffer) -> list[StoredLetter]:
    return buffer.list_dead_letters(LetterSelection(), 100)[0]


def lines_of(batch: Batch) -> list[bytes]:
    return decompress(batch.body).split(b"\n")


def test_first_in_first_out(buffer: SqliteBuffer) -> None:
    assert buffer.begin_batch(10, MIB) is None
    buffer.add(b"a\nb", 2, 1)
    buffer.add(b"c", 1, 2)
    batch = claim(buffer)
    assert lines_of(batch) == [b"a", b"b", b"c"]
    assert batch.point_count == 3
    buffer.end_batch(batch)
    assert buffer.begin_batch(10, MIB) is None
    assert buffer.size().point_count == buffer.size().byte_count == 0
    assert buffer.size().oldest_ns is None


def test_batches_are_bounded_by_points_and_bytes(buffer: SqliteBuffer) -> None:
    for number in range(4):
        buffer.add(b"%d\n%d" % (number, number), 2, number)
    assert claim(buffer, points=5).point_count == 4
    assert claim(buffer, size=4).point_count == 2
    # A single row that is larger than asked for goes alone.
    assert claim(buffer, points=1).point_count == 2


def test_a_kept_batch_comes_again_with_what_came_since(buffer: SqliteBuffer) -> None:
    buffer.add(b"a", 1, 1)
    buffer.keep_batch(claim(buffer))
    buffer.add(b"b", 1, 2)
    assert lines_of(claim(buffer)) == [b"a", b"b"]


def test_newest_first_claims_from_the_end_in_order(buffer: SqliteBuffer) -> None:
    for number in range(6):
        buffer.add(b"%d" % number, 1, number)
    batch = buffer.begin_batch(2, MIB, is_newest_first=True)
    assert batch is not None
    assert lines_of(batch) == [b"4", b"5"]
    buffer.add(b"6", 1, 6)
    buffer.end_batch(batch)
    assert lines_of(claim(buffer)) == [b"0", b"1", b"2", b"3", b"6"]
    assert buffer.size().point_count == 5


def test_what_is_on_its_way_is_not_dropped_newest_first(path: Path) -> None:
    buffer = make(path, max_bytes=1_500)
    for number in range(10):
        buffer.add(b"line %d" % number, 1, number)
    on_its_way = buffer.begin_batch(2, MIB, is_newest_first=True)
    assert on_its_way is not None
    dropped = sum(buffer.add(b"new %d" % number, 1, number) for number in range(20))
    assert dropped > 8
    waiting = buffer.size().point_count
    buffer.end_batch(on_its_way)
    assert buffer.size().point_count == waiting - 2
    assert buffer.newest_ns == 19
    buffer.close()
    again = make(path)
    assert again.newest_ns == 19
    again.close()


@pytest.mark.parametrize("what", ["file", "everything"])
def test_a_file_that_is_deleted_while_it_is_in_use_comes_back(
    path: Path, buffer: SqliteBuffer, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    for number in range(30):
        buffer.add(b"%d" % number, 1, number)
    patterns = {"file": path.name, "everything": "*"}
    for file in path.parent.glob(patterns[what]):
        file.unlink()
    buffer.add(b"30", 1, 30)
    assert path.exists()
    assert "had been deleted" in caplog.text
    buffer.close()
    again = make(path)
    assert again.moved_aside is None
    assert lines_of(claim(again)) == [b"%d" % number for number in range(31)]
    again.close()


def test_everything_survives_reopening(path: Path) -> None:
    buffer = make(path)
    buffer.add(b"a", 1, 111)
    buffer.add(b"b", 1, 222)
    buffer.end_batch(claim(buffer, points=1), [conflict(b"a")])
    buffer.save_counters({"written": 7})
    buffer.close()
    again = make(path)
    assert again.size().point_count == 1
    assert again.size().byte_count > 0
    assert again.newest_ns == 222
    assert again.dead_letter_counts == {ReasonClass.TYPE_CONFLICT: 1}
    assert again.load_counters() == {"written": 7}
    assert [x.letter for x in list_all(again)] == [conflict(b"a")]
    assert lines_of(claim(again)) == [b"b"]
    again.close()


def test_newest_time_is_known_after_all_was_sent(path: Path) -> None:
    buffer = make(path)
    buffer.add(b"a", 1, 333)
    buffer.end_batch(claim(buffer))
    buffer.close()
    again = make(path)
    assert again.newest_ns == 333
    again.close()


@pytest.mark.parametrize("is_sent", [True, False])
def test_newest_time_follows_a_clock_that_was_set_back(
    path: Path, is_sent: bool
) -> None:
    buffer = make(path)
    buffer.add(b"a", 1, 333)
    buffer.end_batch(claim(buffer))
    buffer.add(b"after the clock was set back", 1, 111)
    batches = [claim(buffer)] * is_sent
    for batch in batches:
        buffer.end_batch(batch)
    assert buffer.newest_ns == 111
    buffer.close()
    again = make(path)
    assert again.newest_ns == 111
    again.close()


def test_oldest_go_when_full_but_never_what_is_on_its_way(path: Path) -> None:
    buffer = make(path, max_bytes=1_500)
    for number in range(10):
        assert buffer.add(b"line %d" % number, 1, number) == 0
    on_its_way = claim(buffer, points=2)
    dropped = sum(buffer.add(b"new %d" % number, 1, number) for number in range(20))
    assert dropped > 0
    assert buffer.size().byte_count <= 1_500
    buffer.end_batch(on_its_way)
    left = lines_of(claim(buffer))
    assert len(left) == 30 - 2 - dropped
    assert left[-1] == b"new 19"
    assert buffer.size().point_count == len(left)
    buffer.close()


def test_file_shrinks_after_a_backlog(path: Path) -> None:
    buffer = make(path)
    noise = random.Random(1)
    for number in range(200):
        buffer.add(noise.randbytes(50_000), 1, number)
    assert path.stat().st_size > 5 * MIB
    while (batch := buffer.begin_batch(5_000, 4 * MIB)) is not None:
        buffer.end_batch(batch)
    buffer.close()
    assert path.stat().st_size < MIB


def test_dead_letters_are_bounded(buffer: SqliteBuffer) -> None:
    letters = [conflict(b"%d" % number) for number in range(MAX_DEAD_LETTERS + 5)]
    assert buffer.add_dead_letters(letters) == 5
    assert buffer.dead_letter_counts == {ReasonClass.TYPE_CONFLICT: MAX_DEAD_LETTERS}
    newest, total = buffer.list_dead_letters(LetterSelection(), 1)
    assert newest[0].letter == letters[-1]
    assert total == MAX_DEAD_LETTERS


def test_dead_letters_are_bounded_by_size(buffer: SqliteBuffer) -> None:
    letters = [
        conflict(b"%d" % number + bytes(MAX_DEAD_LETTER_BYTES // 4 - 100))
        for number in range(6)
    ]
    assert buffer.add_dead_letters(letters[:4]) == 0
    assert buffer.add_dead_letters(letters[4:]) == 2
    kept, total = buffer.list_dead_letters(LetterSelection(), 10)
    assert [item.letter for item in kept] == letters[:1:-1]
    assert total == 4


@pytest.mark.parametrize("damage", ["header", "middle"])
def test_damaged_file_is_moved_aside(path: Path, damage: str) -> None:
    buffer = make(path)
    for number in range(50):
        buffer.add(b"x" * 3_000 + b"%d" % number, 1, number)
    buffer.close()
    content = bytearray(path.read_bytes())
    first_page, last_page = {"header": (0, 1), "middle": (1, 20)}[damage]
    damaged = slice(first_page * 1_024, last_page * 1_024)
    content[damaged] = b"\xff" * len(content[damaged])
    path.write_bytes(content)
    again = make(path)
    assert again.moved_aside is not None
    assert again.moved_aside.exists()
    assert again.size().point_count == 0
    again.add(b"a", 1, 1)
    assert lines_of(claim(again)) == [b"a"]
    again.close()


def test_damage_while_running_is_found_and_replaced_once(buffer: SqliteBuffer) -> None:
    buffer.add(b"a\nb", 2, 1)
    first = BufferCorruptError("malformed", generation=0)
    assert buffer.start_clean(first) == 2
    buffer.add(b"c", 1, 2)
    # The other thread has seen the same damage and asks a moment later.
    assert buffer.start_clean(first) == 0
    assert lines_of(claim(buffer)) == [b"c"]


def test_newer_file_is_left_alone(path: Path) -> None:
    make(path).close()
    with closing(sqlite3.connect(path, autocommit=True)) as connection:
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    buffer = SqliteBuffer(path, max_bytes=MIB, is_full_sync=False)
    with pytest.raises(BufferUnusableError, match="newer version"):
        buffer.open()
    assert path.exists()


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    buffer = SqliteBuffer(
        tmp_path / "file" / "hub.db", max_bytes=MIB, is_full_sync=False
    )
    with pytest.raises(BufferUnusableError):
        buffer.open()


def test_full_disk_stores_nothing_and_recovers(buffer: SqliteBuffer) -> None:
    buffer.add(b"a", 1, 1)
    connection = buffer._connections["add"]
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(BufferFullError):
        buffer.add(bytes(range(256)) * 400, 1, 2)
    assert buffer.size().point_count == 1
    connection.execute("PRAGMA max_page_count=1000000")
    buffer.add(b"b", 1, 3)
    assert lines_of(claim(buffer)) == [b"a", b"b"]


def test_closed_buffer_says_so(path: Path) -> None:
    buffer = make(path)
    buffer.close()
    with pytest.raises(DiskBufferError, match="closed"):
        buffer.add(b"a", 1, 1)
    with pytest.raises(DiskBufferError, match="closed"):
        buffer.begin_batch(1, 1)


@pytest.mark.parametrize(("is_full", "level"), [(True, 2), (False, 1)])
def test_synchronous_follows_the_option(
    buffer: SqliteBuffer, is_full: bool, level: int
) -> None:
    buffer.set_full_sync(is_full)
    levels = {
        connection.execute("PRAGMA synchronous").fetchone()[0]
        for connection in buffer._connections.values()
    }
    assert levels == {level}


def test_delete_takes_everything_of_this_hub_alone(path: Path) -> None:
    buffer = make(path)
    other = make(path.with_name("other.db"))
    path.with_suffix(".corrupt-1").write_text("old")
    buffer.close()
    delete_buffer_files(path)
    other.close()
    assert [file.name for file in path.parent.iterdir()] == ["other.db"]


KILLED_WRITER = """
    import os, sys
    from pathlib import Path
    from custom_components.ha_ingestor.store.sqlite_buffer import SqliteBuffer
    buffer = SqliteBuffer(Path(sys.argv[1]), max_bytes=1 << 30, is_full_sync=False)
    buffer.open()
    for number in range(100_000):
        buffer.add(b"%d" % number, 1, number)
        if number % 7 == 3:
            buffer.end_batch(buffer.begin_batch(3, 1 << 20))
        print(number, flush=True)
        if number == int(sys.argv[2]):
            os._exit(9)
"""


@pytest.mark.parametrize("last", [0, 3, 40, 333])
def test_what_is_committed_survives_a_kill(path: Path, last: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED_WRITER), str(path), str(last)],
        check=False,
        capture_output=True,
    )
    assert done.returncode == 9
    buffer = make(path)
    assert buffer.moved_aside is None
    ended = 3 * ((last + 4) // 7)
    stored: list[bytes] = []
    while (batch := buffer.begin_batch(5_000, MIB)) is not None:
        stored += lines_of(batch)
        buffer.end_batch(batch)
    buffer.close()
    assert stored == [b"%d" % number for number in range(ended, last + 1)]


class BufferMachine(RuleBasedStateMachine):
    """Random adds, claims, ends, keeps and reopenings against a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = MACHINE_FOLDERS.pop()
        self.buffer = make(self.folder / "hub.db")
        self.model: list[bytes] = []
        self.batch: Batch | None = None
        self.number = 0

    @rule(count=st.integers(min_value=1, max_value=20))
    def add(self, count: int) -> None:
        lines = [b"m a=%d" % (self.number + index) for index in range(count)]
        self.number += count
        assert self.buffer.add(b"\n".join(lines), count, self.number) == 0
        self.model += lines

    @precondition(lambda self: self.batch is None and self.model)
    @rule(limit=st.integers(min_value=1, max_value=40))
    def begin(self, limit: int) -> None:
        self.batch = claim(self.buffer, points=limit)
        lines = lines_of(self.batch)
        assert lines == self.model[: self.batch.point_count]

    @precondition(lambda self: self.batch is not None)
    @rule(is_kept=st.booleans())
    def end(self, is_kept: bool) -> None:
        assert self.batch is not None
        if is_kept:
            self.buffer.keep_batch(self.batch)
        else:
            self.buffer.end_batch(self.batch)
            del self.model[: self.batch.point_count]
        self.batch = None

    @rule()
    def reopen(self) -> None:
        self.buffer.close()
        self.buffer = make(self.folder / "hub.db")
        self.batch = None

    @invariant()
    def counts_agree(self) -> None:
        assert self.buffer.size().point_count == len(self.model)
        assert (self.buffer.size().oldest_ns is None) == (not self.model)

    def teardown(self) -> None:
        self.buffer.close()


MACHINE_FOLDERS: list[Path] = []


def test_random_use(tmp_path: Path) -> None:
    MACHINE_FOLDERS.extend(tmp_path / str(number) for number in range(500))
    BufferMachine.TestCase.settings = settings(
        max_examples=40, stateful_step_count=30, deadline=None
    )
    BufferMachine.TestCase("runTest").runTest()

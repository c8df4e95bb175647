"""Dead letters: told apart, selected, put back whole, brought over from older files."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
import shutil
import sqlite3

import pytest

from custom_components.ha_ingestor.errors import (
    BatchRejectedError,
    BufferFullError,
    BufferUnusableError,
    DiskBufferError,
)
from custom_components.ha_ingestor.store import schema as schema_module
from custom_components.ha_ingestor.store.buffer import DeadLetter, ReasonClass
from custom_components.ha_ingestor.store.compression import decompress
from custom_components.ha_ingestor.store.dead_letters import (
    LetterSelection,
    classify_reason,
)
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from custom_components.ha_ingestor.store.line_protocol import split_lines
from custom_components.ha_ingestor.store.schema import SCHEMA_VERSION, create_tables
from custom_components.ha_ingestor.store.sqlite_buffer import SqliteBuffer
from devlib.influxd import InfluxServer

MIB = 1024 * 1024
STORAGE = Path(__file__).parent.parent / "fixtures" / "storage"
ALL = LetterSelection()


def make(path: Path, *, max_bytes: int = 64 * MIB) -> SqliteBuffer:
    buffer = SqliteBuffer(path, max_bytes=max_bytes, is_full_sync=False)
    buffer.open()
    return buffer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hub.db"


@pytest.fixture
def buffer(path: Path) -> Iterator[SqliteBuffer]:
    buffer = make(path)
    yield buffer
    buffer.close()


def letter(number: int, reason_class: ReasonClass = ReasonClass.REFUSED) -> DeadLetter:
    return DeadLetter(
        line=b"m,entity_id=sensor.n%d v=%d %d" % (number % 3, number, number),
        reason="no",
        reason_class=reason_class,
    )


def lines_of(buffer: SqliteBuffer) -> list[bytes]:
    """Claim all that waits, without ending it."""
    batch = buffer.begin_batch(1_000_000, 64 * MIB)
    return [] if batch is None else list(split_lines(decompress(batch.body)))


def same(line: bytes) -> bytes:
    return line


@pytest.mark.parametrize(
    ("words", "reason_class"),
    [
        (
            (
                'partial write: field type conflict: input field "value" on measurement'
                ' "m" is type string, already exists as type float dropped=1'
            ),
            ReasonClass.TYPE_CONFLICT,
        ),
        (
            (
                "failure writing points to database: partial write: field type conflict:"
                " x dropped=1"
            ),
            ReasonClass.TYPE_CONFLICT,
        ),
        (
            (
                "invalid column type for column 'value', expected"
                " iox::column_type::field::float, got iox::column_type::field::string"
            ),
            ReasonClass.TYPE_CONFLICT,
        ),
        # The line that cannot be read may hold any words itself.
        (
            "unable to parse 'm text=\"field type conflict, too large': unbalanced",
            ReasonClass.UNPARSABLE,
        ),
        (
            "Could not parse entire line. Found trailing content: 'x'",
            ReasonClass.UNPARSABLE,
        ),
        ("A generic parsing error occurred: TakeWhile1", ReasonClass.UNPARSABLE),
        ("No fields were provided", ReasonClass.UNPARSABLE),
        (
            "partial write: points beyond retention policy dropped=1",
            ReasonClass.BEYOND_RETENTION,
        ),
        ("point is outside of the retention period", ReasonClass.BEYOND_RETENTION),
        ("HTTP status 413 Request Entity Too Large", ReasonClass.TOO_LARGE),
        ("max key size exceeded", ReasonClass.TOO_LARGE),
        (
            "unable to parse 'm,t=x a=1 1': max key length exceeded: 66004 > 65535",
            ReasonClass.TOO_LARGE,
        ),
        ("Not encodable: no number", ReasonClass.NOT_ENCODABLE),
        (
            "partial write: max-values-per-tag limit exceeded (100000/100000)",
            ReasonClass.REFUSED,
        ),
        ("", ReasonClass.REFUSED),
    ],
)
def test_classes_of_reasons(words: str, reason_class: ReasonClass) -> None:
    assert classify_reason(words) is reason_class


@pytest.mark.parametrize(
    ("line", "reason_class"),
    [
        ('m a="text" 2000000000000000000', ReasonClass.TYPE_CONFLICT),
        ("m a= 2000000000000000000", ReasonClass.UNPARSABLE),
        ("m a=1 x", ReasonClass.UNPARSABLE),
        ("m a=1 1", ReasonClass.BEYOND_RETENTION),
    ],
    ids=["conflict", "no-value", "bad-time", "retention"],
)
def test_words_of_the_real_server(
    influxdb: InfluxServer, line: str, reason_class: ReasonClass
) -> None:
    influxdb.query(
        'ALTER RETENTION POLICY "autogen" ON "test" DURATION 520w SHARD DURATION 1d'
    )
    influxdb.write("m a=1.5 2000000000000000000", "test")
    client = InfluxClient(
        Target(
            api_version=ApiVersion.V1,
            host="127.0.0.1",
            port=influxdb.port,
            store="test",
        )
    )
    with closing(client), pytest.raises(BatchRejectedError) as caught:
        client.write(line.encode(), is_gzip=False)
    assert classify_reason(str(caught.value)) is reason_class


def test_the_reason_is_not_cut_off(influxdb: InfluxServer) -> None:
    """The server quotes the line first."""
    line = f'm s="{"x" * 20_000}",a= 2000000000000000000'
    client = InfluxClient(
        Target(
            api_version=ApiVersion.V1,
            host="127.0.0.1",
            port=influxdb.port,
            store="test",
        )
    )
    with closing(client), pytest.raises(BatchRejectedError) as caught:
        client.write(line.encode(), is_gzip=False)
    assert str(caught.value).startswith("unable to parse 'm s=")
    assert str(caught.value).endswith("missing field value")
    assert len(str(caught.value)) <= 1_000


def test_selections(buffer: SqliteBuffer) -> None:
    conflicts = [letter(number, ReasonClass.TYPE_CONFLICT) for number in range(6)]
    others = [letter(number) for number in range(6, 9)]
    buffer.add_dead_letters([*conflicts, *others])
    letters, total = buffer.list_dead_letters(ALL, 4)
    assert [stored.id for stored in letters] == [9, 8, 7, 6]
    assert total == 9
    assert letters[0].letter == others[-1]
    age_s = (datetime.now(UTC) - letters[0].added_at).total_seconds()
    assert 0 <= age_s < 60
    by_class = LetterSelection(reason_classes=frozenset({ReasonClass.TYPE_CONFLICT}))
    assert buffer.list_dead_letters(by_class, 1)[1] == 6
    by_entity = LetterSelection(entity_id="sensor.n1")
    assert buffer.list_dead_letters(by_entity, 9)[1] == 3
    both = LetterSelection(
        entity_id="sensor.n1", reason_classes=frozenset({ReasonClass.REFUSED})
    )
    assert [x.letter for x in buffer.list_dead_letters(both, 9)[0]] == [others[1]]
    by_id = LetterSelection(ids=frozenset({2, 77}))
    assert [x.letter for x in buffer.list_dead_letters(by_id, 9)[0]] == [conflicts[1]]


def test_discarding(buffer: SqliteBuffer) -> None:
    buffer.add_dead_letters([letter(1, ReasonClass.UNPARSABLE), letter(2), letter(3)])
    selection = LetterSelection(reason_classes=frozenset({ReasonClass.REFUSED}))
    assert buffer.discard_dead_letters(selection) == 2
    assert buffer.dead_letter_counts == {ReasonClass.UNPARSABLE: 1}
    assert buffer.discard_dead_letters(ALL) == 1
    assert buffer.dead_letter_counts == {}
    assert buffer.size().point_count == 0


def test_replaying_puts_lines_behind_what_waits(buffer: SqliteBuffer) -> None:
    buffer.add(b"m v=0 0", 1, 555)
    letters = [letter(number) for number in range(2_500)]
    buffer.add_dead_letters(letters)
    result = buffer.replay_dead_letters(ALL, same)
    assert (result.replayed, result.skipped) == (2_500, 0)
    assert buffer.dead_letter_counts == {}
    assert buffer.size().point_count == 2_501
    assert lines_of(buffer) == [b"m v=0 0", *(x.line for x in letters)]
    # It says nothing about since when events may be missing.
    assert buffer.newest_ns == 555


def test_what_was_replayed_survives_reopening(path: Path) -> None:
    buffer = make(path)
    buffer.add(b"m v=0 0", 1, 555)
    buffer.add_dead_letters([letter(1)])
    buffer.replay_dead_letters(ALL, same)
    before = buffer.size()
    buffer.close()
    with closing(make(path)) as again:
        assert again.size().point_count == before.point_count == 2
        assert again.size().byte_count == before.byte_count
        assert again.newest_ns == 555
        assert again.dead_letter_counts == {}


def test_replaying_into_an_empty_queue(buffer: SqliteBuffer) -> None:
    buffer.add_dead_letters([letter(1)])
    assert buffer.size().oldest_ns is None
    buffer.replay_dead_letters(ALL, same)
    assert buffer.size().oldest_ns is not None
    batch = buffer.begin_batch(10, MIB)
    assert batch is not None
    buffer.end_batch(batch)
    assert buffer.size().byte_count == buffer.size().point_count == 0


def test_replaying_cuts_large_lines_into_rows(buffer: SqliteBuffer) -> None:
    line = b'm v="' + b"x" * 700_000 + b'" 1'
    letters = [DeadLetter(line=line, reason="no", reason_class=ReasonClass.REFUSED)] * 3
    buffer.add_dead_letters(letters)
    buffer.replay_dead_letters(ALL, same)
    batch = buffer.begin_batch(1_000, MIB)
    assert batch is not None
    assert batch.point_count == 1
    assert buffer.size().point_count == 3


def test_what_cannot_be_changed_stays(buffer: SqliteBuffer) -> None:
    buffer.add_dead_letters(
        [letter(1), letter(2), letter(3, ReasonClass.NOT_ENCODABLE)]
    )
    result = buffer.replay_dead_letters(
        ALL, lambda line: None if b"v=1" in line else line
    )
    assert (result.replayed, result.skipped) == (1, 2)
    assert buffer.dead_letter_counts == {
        ReasonClass.REFUSED: 1,
        ReasonClass.NOT_ENCODABLE: 1,
    }
    assert lines_of(buffer) == [letter(2).line]


def test_replaying_never_drops_what_waits(path: Path) -> None:
    buffer = make(path, max_bytes=MIB)
    buffer.add(b"m v=0 0", 1, 1)
    buffer.add_dead_letters([letter(number) for number in range(2_000)])
    buffer.max_bytes = buffer.size().byte_count + 100
    with pytest.raises(BufferFullError):
        buffer.replay_dead_letters(ALL, same)
    # All or none.
    assert buffer.dead_letter_counts == {ReasonClass.REFUSED: 2_000}
    assert lines_of(buffer) == [b"m v=0 0"]
    assert buffer.size().point_count == 1
    buffer.max_bytes = MIB
    assert buffer.replay_dead_letters(ALL, same).replayed == 2_000
    assert len(lines_of(buffer)) == 2_001
    buffer.close()


def test_a_closed_buffer_says_so(path: Path) -> None:
    buffer = make(path)
    buffer.add_dead_letters([letter(1)])
    buffer.close()
    with pytest.raises(DiskBufferError):
        buffer.replay_dead_letters(ALL, same)
    path.unlink()
    with pytest.raises(DiskBufferError):
        buffer.list_dead_letters(ALL, 1)
    # Looking makes no file.
    assert not path.exists()
    buffer.open()
    assert buffer.list_dead_letters(ALL, 1) == ([], 0)
    buffer.close()


# --- files of older versions


@pytest.fixture
def version_1(path: Path) -> Path:
    """A file as version 1 has left it, in use."""
    shutil.copy(STORAGE / "buffer_v1.db", path)
    return path


def test_file_of_version_1(version_1: Path) -> None:
    with closing(make(version_1)) as buffer:
        letters, total = buffer.list_dead_letters(ALL, 10)
        assert total == 6
        assert [x.letter.reason_class for x in reversed(letters)] == [
            ReasonClass.TYPE_CONFLICT,
            ReasonClass.UNPARSABLE,
            ReasonClass.BEYOND_RETENTION,
            ReasonClass.TOO_LARGE,
            ReasonClass.REFUSED,
            ReasonClass.NOT_ENCODABLE,
        ]
        assert {x.added_at for x in letters} == {
            datetime.fromtimestamp(1_763_600_000, UTC)
        }
        assert buffer.dead_letter_counts == dict.fromkeys(ReasonClass, 1)
        assert buffer.load_counters()["captured"] == 10
        assert buffer.newest_ns == 1_763_600_007_000_000_000
        assert len(lines_of(buffer)) == buffer.size().point_count == 3
        assert buffer.replay_dead_letters(ALL, same).replayed == 5


def test_migrated_and_new_files_have_the_same_tables(
    version_1: Path, tmp_path: Path
) -> None:
    make(version_1).close()
    new = tmp_path / "new.db"
    make(new).close()
    migrated, made = (_tables(path) for path in (version_1, new))
    assert migrated == made
    assert migrated["version"] == SCHEMA_VERSION == 2


def _dump(path: Path) -> list[str]:
    """Return all that a file holds."""
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return [str(version), *connection.iterdump()]


def _tables(path: Path) -> dict[str, object]:
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
        ).fetchall()
        return {
            "version": connection.execute("PRAGMA user_version").fetchone()[0],
            "names": names,
            "columns": [
                connection.execute(f"PRAGMA table_info({name})").fetchall()
                for (name,) in names
            ],
            "index": connection.execute(
                "PRAGMA index_info(dead_letter_by_class)"
            ).fetchall(),
        }


def test_a_migration_that_fails_changes_nothing(
    version_1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _dump(version_1)

    def fail(connection: sqlite3.Connection) -> None:
        schema_module.migrate_1_to_2(connection)
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(schema_module, "MIGRATIONS", {1: fail})
        with pytest.raises(BufferUnusableError):
            make(version_1)
    assert _dump(version_1) == before
    with closing(make(version_1)) as buffer:
        assert buffer.list_dead_letters(ALL, 1)[1] == 6


def test_file_of_a_newer_version_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        create_tables(connection)
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    before = _dump(path)
    with pytest.raises(BufferUnusableError):
        make(path)
    assert _dump(path) == before


# --- damaged files, and files at rest


def test_damaged_files_are_known_until_they_are_settled(path: Path) -> None:
    path.write_bytes(b"x" * 4_096)
    with closing(make(path)) as buffer:
        [first] = buffer.damaged_files
        assert first == buffer.moved_aside
    with closing(make(path)) as buffer:
        # Still known in the next run.
        assert buffer.damaged_files == (first,)
        buffer.settle_damaged_files(is_kept=True)
        assert buffer.damaged_files == ()
        assert first.with_name(f"{first.name}.kept").exists()
    path.write_bytes(b"x" * 4_096)
    with closing(make(path)) as buffer:
        [second] = buffer.damaged_files
        buffer.settle_damaged_files(is_kept=False)
        assert buffer.damaged_files == ()
        assert not second.exists()


def test_of_many_damaged_files_the_newest_two_are_left(path: Path) -> None:
    aside = []
    for _ in range(4):
        path.write_bytes(b"x" * 4_096)
        with closing(make(path)) as buffer:
            aside.append(buffer.moved_aside)
    with closing(make(path)) as buffer:
        assert list(buffer.damaged_files) == aside[2:]
    assert [file for file in aside if file is not None and file.exists()] == aside[2:]


def test_a_damaged_file_that_cannot_be_moved(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(b"x" * 4_096)

    def refuse(*_: object) -> None:
        raise PermissionError("read-only")

    with closing(make(path)) as buffer:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", refuse)
            with pytest.raises(DiskBufferError, match="read-only"):
                buffer.settle_damaged_files(is_kept=True)
        assert len(buffer.damaged_files) == 1
        buffer.settle_damaged_files(is_kept=True)
        assert buffer.damaged_files == ()


def test_a_file_at_rest_does_not_change(path: Path, buffer: SqliteBuffer) -> None:
    buffer.add(b"m v=0 0", 1, 1)
    buffer.rest_file()
    before = path.read_bytes()
    for number in range(400):
        buffer.add(b"m v=%d %d" % (number, number) + b"x" * 5_000, 1, number)
    assert path.read_bytes() == before
    buffer.wake_file()
    for number in range(400):
        buffer.add(b"m v=%d %d" % (number, number) + b"x" * 5_000, 1, number)
    assert path.read_bytes() != before


@pytest.mark.parametrize("share", [0.0, 0.31, 0.5, 0.777, 1.0])
def test_a_copy_of_a_file_at_rest_is_whole(
    path: Path, buffer: SqliteBuffer, tmp_path: Path, share: float
) -> None:
    """The WAL is copied while it grows: its end may be missing."""
    for number in range(10):
        buffer.add(b"m v=%d %d" % (number, number), 1, number)
    buffer.rest_file()
    file = path.read_bytes()
    for number in range(10, 60):
        buffer.add(b"m v=%d %d" % (number, number), 1, number)
    wal = path.with_name(f"{path.name}-wal").read_bytes()
    copy = tmp_path / "copy.db"
    copy.write_bytes(file)
    copy.with_name("copy.db-wal").write_bytes(wal[: int(len(wal) * share)])
    with closing(make(copy)) as restored:
        assert restored.moved_aside is None
        lines = lines_of(restored)
        assert lines == [b"m v=%d %d" % (n, n) for n in range(len(lines))]
        assert 10 <= len(lines) <= 60
        assert (len(lines) == 60) is (share == 1.0)

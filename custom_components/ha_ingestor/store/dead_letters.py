"""The table of dead letters: classes of reasons, selecting, counting, putting back.

Functions on a connection, inside a transaction of whoever calls them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
import re
import sqlite3
import time
from typing import Final

from .buffer import DeadLetter, ReasonClass
from .compression import compress
from .line_fields import read_entity_id

# Dead letters are for a person to look at; more than this nobody reads.
MAX_DEAD_LETTERS: Final = 10_000
# Nor may they take the card: lines of a usual size are far below it.
MAX_DEAD_LETTER_BYTES: Final = 32 * 1024 * 1024
# What goes back into the queue at once: rows are joined when they are sent, so
# small ones cost nothing and keep little in memory.
_ROW_POINT_COUNT: Final = 1_000
_ROW_MAX_BYTES: Final = 1024 * 1024
# SQLite takes 32,766 values in one statement; this is enough to be quick.
_IDS_PER_DELETE: Final = 500

# What servers say, the most certain first: a line that cannot be read is quoted in
# the answer, and may hold any words itself. 1.x and 2.x: tsdb/shard.go and
# models/points.go; 3.x: influxdb3_write's validator and influxdb_line_protocol.
_WORDS: Final[tuple[tuple[ReasonClass, re.Pattern[str]], ...]] = tuple(
    (reason_class, re.compile(pattern, re.IGNORECASE))
    for reason_class, pattern in (
        (ReasonClass.NOT_ENCODABLE, r"^not encodable\b"),
        # What is wrong stands behind the quoted line.
        (ReasonClass.TOO_LARGE, r"max key (size|length) exceeded[^']*$"),
        (
            ReasonClass.UNPARSABLE,
            r"^(partial write: )?(unable to|could not|couldn't|failed to) parse",
        ),
        (
            ReasonClass.TYPE_CONFLICT,
            r"field type conflict|already exists as type|invalid column type",
        ),
        (ReasonClass.BEYOND_RETENTION, r"(beyond|outside)\b.{0,20}\bretention"),
        (
            ReasonClass.TOO_LARGE,
            (
                r"too large|too long|size exceeded|larger than"
                r"|exceed\w*\b.{0,40}\b(size|length|bytes)"
            ),
        ),
        (
            ReasonClass.UNPARSABLE,
            (
                r"unable to parse|could not parse|couldn't parse|parsing error"
                r"|invalid (measurement|number|boolean|field format|tag format)"
                r"|missing (measurement|field|tag)|no fields were provided"
                r"|bad timestamp|trailing content|tag set malformed"
                r"|must not (end with|contain)"
            ),
        ),
    )
)


def classify_reason(words: str) -> ReasonClass:
    """Tell from a server's words, or ours, what kind of reason they give."""
    for reason_class, pattern in _WORDS:
        if pattern.search(words):
            return reason_class
    return ReasonClass.REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterSelection:
    """Which dead letters are meant: those that meet all that is given.

    Without anything it means all.
    """

    ids: frozenset[int] | None = None
    reason_classes: frozenset[ReasonClass] | None = None
    entity_id: str | None = None

    def to_sql(self) -> tuple[str, list[int | str]]:
        """Return the condition and its values."""
        terms: list[str] = []
        values: list[int | str] = []
        if self.ids is not None:
            terms.append(f"id IN ({_marks(self.ids)})")
            values += sorted(self.ids)
        if self.reason_classes is not None:
            terms.append(f"reason_class IN ({_marks(self.reason_classes)})")
            values += sorted(self.reason_classes)
        if self.entity_id is not None:
            terms.append("entity_of(line) = ?")
            values.append(self.entity_id)
        return " AND ".join(terms) or "1", values


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLetter:
    """A dead letter with its place in the table."""

    id: int
    added_at: datetime
    letter: DeadLetter


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """Lines that go back into the queue together.

    Attributes:
        body: Compressed.
        raw_bytes: Size of the body before that.
    """

    body: bytes
    raw_bytes: int
    point_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """What became of the letters that were to be replayed.

    Attributes:
        skipped: Those that stay, since no line can be made of them.
    """

    replayed: int
    skipped: int


def _marks(values: Iterable[object]) -> str:
    return ",".join("?" for _ in values)


def _condition(
    connection: sqlite3.Connection, selection: LetterSelection
) -> tuple[str, list[int | str]]:
    connection.create_function("entity_of", 1, read_entity_id, deterministic=True)
    return selection.to_sql()


def insert_letters(
    connection: sqlite3.Connection, letters: Iterable[DeadLetter]
) -> int:
    """Keep letters, the newest of them all if there are too many.

    Returns:
        How many old ones had to go.
    """
    added_ns = time.time_ns()
    rows = [(added_ns, x.reason, x.line, x.reason_class.value) for x in letters]
    if not rows:
        return 0
    connection.executemany(
        "INSERT INTO dead_letter (added_ns, reason, line, reason_class)"
        " VALUES (?, ?, ?, ?)",
        rows,
    )
    # The newest that fit stay. SQLite knows a line's length without reading it.
    return connection.execute(
        "DELETE FROM dead_letter WHERE id IN (SELECT id FROM (SELECT id,"
        " ROW_NUMBER() OVER newest AS number,"
        " SUM(LENGTH(line)) OVER newest AS byte_count FROM dead_letter"
        " WINDOW newest AS (ORDER BY id DESC))"
        " WHERE number > ? OR byte_count > ?)",
        (MAX_DEAD_LETTERS, MAX_DEAD_LETTER_BYTES),
    ).rowcount


def count_letters(connection: sqlite3.Connection) -> Mapping[ReasonClass, int]:
    """Count by class of reason; classes without a letter are left out."""
    return {
        ReasonClass(reason_class): count
        for reason_class, count in connection.execute(
            "SELECT reason_class, COUNT(*) FROM dead_letter GROUP BY reason_class"
        )
    }


def list_letters(
    connection: sqlite3.Connection, selection: LetterSelection, limit: int
) -> tuple[list[StoredLetter], int]:
    """Return the newest of the selected letters, and how many there are in all."""
    condition, values = _condition(connection, selection)
    (total,) = connection.execute(
        f"SELECT COUNT(*) FROM dead_letter WHERE {condition}",  # noqa: S608 - our terms
        values,
    ).fetchone()
    rows = connection.execute(
        "SELECT id, added_ns, reason, line, reason_class FROM dead_letter"  # noqa: S608
        f" WHERE {condition} ORDER BY id DESC LIMIT ?",
        (*values, limit),
    )
    letters = [
        StoredLetter(
            id=letter_id,
            added_at=datetime.fromtimestamp(added_ns / 1e9, UTC),
            letter=DeadLetter(
                line=line, reason=reason, reason_class=ReasonClass(reason_class)
            ),
        )
        for letter_id, added_ns, reason, line, reason_class in rows
    ]
    return letters, total


def delete_letters(connection: sqlite3.Connection, selection: LetterSelection) -> int:
    """Delete the selected letters; returns how many they were."""
    condition, values = _condition(connection, selection)
    return connection.execute(
        f"DELETE FROM dead_letter WHERE {condition}",  # noqa: S608 - our terms
        values,
    ).rowcount


def take_letters(
    connection: sqlite3.Connection,
    selection: LetterSelection,
    edit: Callable[[bytes], bytes | None],
    enqueue: Callable[[QueueRow], None],
) -> ReplayResult:
    """Move the selected letters back into the queue, oldest first.

    Args:
        edit: Line to line; None for a letter that is to stay.
        enqueue: Takes each row while the letters are read.
    """
    condition, values = _condition(connection, selection)
    rows = connection.execute(
        f"SELECT id, line, reason_class FROM dead_letter WHERE {condition} ORDER BY id",  # noqa: S608 - our terms
        values,
    )
    taken: list[int] = []
    skipped = 0

    def edited() -> Iterator[bytes]:
        nonlocal skipped
        for letter_id, line, reason_class in rows:
            # What could not be encoded is no line: it holds the event as Python
            # shows it, for a person to read.
            if reason_class == ReasonClass.NOT_ENCODABLE or (new := edit(line)) is None:
                skipped += 1
                continue
            taken.append(letter_id)
            yield new

    for row in _make_rows(edited()):
        enqueue(row)
    for start in range(0, len(taken), _IDS_PER_DELETE):
        ids = taken[start : start + _IDS_PER_DELETE]
        connection.execute(
            f"DELETE FROM dead_letter WHERE id IN ({_marks(ids)})",  # noqa: S608
            ids,
        )
    return ReplayResult(replayed=len(taken), skipped=skipped)


def _make_rows(lines: Iterable[bytes]) -> Iterator[QueueRow]:
    """Join lines to rows of the queue."""
    pending: list[bytes] = []
    size = 0
    for line in lines:
        if pending and (
            len(pending) >= _ROW_POINT_COUNT or size + len(line) > _ROW_MAX_BYTES
        ):
            yield _make_row(pending)
            pending, size = [], 0
        pending.append(line)
        size += len(line) + 1
    if pending:
        yield _make_row(pending)


def _make_row(lines: list[bytes]) -> QueueRow:
    body = b"\n".join(lines)
    return QueueRow(body=compress(body), raw_bytes=len(body), point_count=len(lines))

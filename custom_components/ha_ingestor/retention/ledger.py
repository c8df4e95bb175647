"""The tables of the checkpoint's file, and how spans are kept in them.

Every function works inside a transaction of its caller.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
import sqlite3
from typing import Final

import orjson

from .spans import Span, merge, overlap, subtract
from .tiers import Tier
from .windows import NS_PER_DAY, NS_PER_S, utc_day_start

# 1: introduced in 0.1.0.
SCHEMA_VERSION: Final = 1
# Dirty spans nearer than this are one: hours are aggregated as a whole anyway.
MERGE_GAP_NS: Final = 3_600 * NS_PER_S
# Dirty spans of one ledger; with more the nearest ones become one, of all entities.
MAX_DIRTY: Final = 2_000
# The last instant of SQLite's integers, and of InfluxDB's.
_LAST_NS: Final = (1 << 63) - 1
# In the column of the entity: all of them.
ALL: Final = ""

TABLES: Final = """
CREATE TABLE verified (
    tier TEXT NOT NULL, measurement TEXT NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL,
    PRIMARY KEY (tier, measurement, start_ns)
) WITHOUT ROWID;
CREATE TABLE segment (
    tier TEXT NOT NULL, measurement TEXT NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL,
    value_count INTEGER NOT NULL,
    window_start_ns INTEGER NOT NULL, window_end_ns INTEGER NOT NULL,
    PRIMARY KEY (tier, measurement, start_ns)
) WITHOUT ROWID;
CREATE TABLE dirty (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tier TEXT NOT NULL, measurement TEXT NOT NULL, entity_id TEXT NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL
);
CREATE INDEX dirty_by_ledger ON dirty (tier, measurement);
CREATE TABLE removal (
    tier TEXT NOT NULL, measurement TEXT NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL,
    entity_ids TEXT, parts TEXT NOT NULL, has_late INTEGER NOT NULL,
    PRIMARY KEY (tier, measurement, start_ns)
) WITHOUT ROWID;
CREATE TABLE removed (
    tier TEXT NOT NULL, measurement TEXT NOT NULL, entity_id TEXT NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL,
    PRIMARY KEY (tier, measurement, entity_id, start_ns)
) WITHOUT ROWID;
"""
OF_LEDGER: Final = "tier = ? AND measurement = ?"
TOUCHES: Final = f"{OF_LEDGER} AND start_ns < ? AND end_ns > ?"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Ledger:
    """One measurement of one tier: rows that go into the next tier's windows."""

    tier: Tier
    measurement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part of a verified window within one UTC day, and what it was made from.

    Attributes:
        value_count: Field values of its source rows.
        window: All of the window.
    """

    start_ns: int
    end_ns: int
    value_count: int
    window: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Dirty:
    """A span that has to be aggregated again.

    Attributes:
        entity_id: None for all entities.
    """

    entity_id: str | None
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Rows that are being deleted: they were proven to be in the next tier.

    Attributes:
        entity_ids: None for all rows of the span.
        parts: Start of a segment to the field values that go from it.
        has_late: Whether rows may have come since it was begun.
    """

    ledger: Ledger
    start_ns: int
    end_ns: int
    entity_ids: tuple[str, ...] | None
    parts: Mapping[int, int]
    has_late: bool = False

    @property
    def value_count(self) -> int:
        """How many field values go."""
        return sum(self.parts.values())


def key_of(ledger: Ledger) -> tuple[str, str]:
    """Return a ledger as the tables name it."""
    return ledger.tier.value, ledger.measurement


def touching(ledger: Ledger, span: Span) -> tuple[str, str, int, int]:
    """Give the values of `TOUCHES`."""
    return (*key_of(ledger), span[1], span[0])


def by_day(span: Span) -> Iterator[tuple[int, Span]]:
    """Cut a span at the midnights of UTC: start of the day, part."""
    day_ns = utc_day_start(span[0])
    while day_ns < span[1]:
        next_ns = day_ns + NS_PER_DAY
        yield day_ns, (max(day_ns, span[0]), min(next_ns, span[1]))
        day_ns = next_ns


def read_segments(db: sqlite3.Connection, ledger: Ledger, span: Span) -> list[Segment]:
    """List the segments that lie in a span, or partly in it, oldest first."""
    rows = db.execute(
        "SELECT * FROM segment"  # noqa: S608
        f" WHERE {TOUCHES} ORDER BY start_ns",
        touching(ledger, span),
    ).fetchall()
    return [
        Segment(
            start_ns=start_ns, end_ns=end_ns, value_count=count, window=tuple(window)
        )
        for _, _, start_ns, end_ns, count, *window in rows
    ]


def read_first_segment_ns(db: sqlite3.Connection, ledger: Ledger) -> int | None:
    """Return when the oldest segment with values begins; None if there is none."""
    found: int | None = db.execute(
        f"SELECT min(start_ns) FROM segment WHERE {OF_LEDGER} AND value_count > 0",  # noqa: S608
        key_of(ledger),
    ).fetchone()[0]
    return found


def read_spans(
    db: sqlite3.Connection, table: str, ledger: Ledger, span: Span | None = None
) -> list[Span]:
    """List the spans of a table that touch a span, or all, oldest first."""
    where, values = (OF_LEDGER, key_of(ledger))
    if span is not None:
        where, values = TOUCHES, touching(ledger, span)  # type: ignore[assignment]
    return list(
        db.execute(
            f"SELECT start_ns, end_ns FROM {table} WHERE {where} ORDER BY start_ns",  # noqa: S608
            values,
        ).fetchall()
    )


def add_span(
    db: sqlite3.Connection, table: str, key: tuple[str, ...], span: Span
) -> None:
    """Add a span to those of a key, and make one of those that touch."""
    entity = " AND entity_id = ?" if table == "removed" else ""
    where = f"{OF_LEDGER}{entity} AND start_ns <= ? AND end_ns >= ?"
    near = db.execute(
        f"SELECT start_ns, end_ns FROM {table} WHERE {where}",  # noqa: S608
        (*key, span[1], span[0]),
    ).fetchall()
    db.execute(
        f"DELETE FROM {table} WHERE {where}",  # noqa: S608
        (*key, span[1], span[0]),
    )
    (whole,) = merge([span, *near])
    marks = ", ".join("?" * (len(key) + 2))
    db.execute(f"INSERT INTO {table} VALUES ({marks})", (*key, *whole))  # noqa: S608


def unverify(db: sqlite3.Connection, ledger: Ledger, span: Span) -> None:
    """Take a span out of what is proven."""
    known = read_spans(db, "verified", ledger, span)
    db.execute(f"DELETE FROM verified WHERE {TOUCHES}", touching(ledger, span))  # noqa: S608
    db.executemany(
        "INSERT INTO verified VALUES (?, ?, ?, ?)",
        [(*key_of(ledger), *part) for part in subtract(known, [span])],
    )


def read_unverified(db: sqlite3.Connection, ledger: Ledger, span: Span) -> list[Span]:
    """List what of a span is not proven, or is dirty."""
    gaps = subtract([span], read_spans(db, "verified", ledger, span))
    dirty = overlap(read_spans(db, "dirty", ledger, span), [span])
    return merge([*gaps, *dirty])


def soil(db: sqlite3.Connection, ledger: Ledger, span: Span, entity_id: str) -> None:
    """Mark a span; under a new number, whatever it becomes one with."""
    where = f"{OF_LEDGER} AND entity_id = ? AND start_ns <= ? AND end_ns >= ?"
    values = (
        *key_of(ledger),
        entity_id,
        span[1] + MERGE_GAP_NS,
        span[0] - MERGE_GAP_NS,
    )
    near = db.execute(
        f"SELECT start_ns, end_ns FROM dirty WHERE {where}",  # noqa: S608
        values,
    ).fetchall()
    db.execute(f"DELETE FROM dirty WHERE {where}", values)  # noqa: S608
    _insert_dirty(db, ledger, entity_id, merge([span, *near], MERGE_GAP_NS))
    (count,) = db.execute(
        f"SELECT count(*) FROM dirty WHERE {OF_LEDGER}",  # noqa: S608
        key_of(ledger),
    ).fetchone()
    if count > MAX_DIRTY:
        spans, gap_ns = read_spans(db, "dirty", ledger), MERGE_GAP_NS
        while len(spans := merge(spans, gap_ns)) > MAX_DIRTY // 2:
            gap_ns *= 2
        db.execute(f"DELETE FROM dirty WHERE {OF_LEDGER}", key_of(ledger))  # noqa: S608
        for part in spans:
            # What lies between two of them may be gone.
            gone = read_removed(db, ledger, part, None)
            _insert_dirty(db, ledger, ALL, subtract([part], gone))


def _insert_dirty(
    db: sqlite3.Connection, ledger: Ledger, entity_id: str, spans: Iterable[Span]
) -> None:
    db.executemany(
        "INSERT INTO dirty (tier, measurement, entity_id, start_ns, end_ns)"
        " VALUES (?, ?, ?, ?, ?)",
        [(*key_of(ledger), entity_id, *span) for span in spans],
    )


def clean(
    db: sqlite3.Connection,
    ledger: Ledger,
    span: Span,
    *,
    mark: int,
    entity_id: str | None,
) -> None:
    """Take a span out of what was dirty at the time of the mark."""
    rows = db.execute(
        f"SELECT id, entity_id, start_ns, end_ns FROM dirty WHERE {TOUCHES}"  # noqa: S608
        " AND id <= ?",
        (*touching(ledger, span), mark),
    ).fetchall()
    for number, owner, start_ns, end_ns in rows:
        if entity_id is not None and owner != entity_id:
            continue
        rest = subtract([(start_ns, end_ns)], [span])
        if not rest:
            db.execute("DELETE FROM dirty WHERE id = ?", (number,))
            continue
        *before, last = rest
        # What comes after keeps its number: the next window may have been read at
        # the same time as this one.
        db.execute(
            "UPDATE dirty SET start_ns = ?, end_ns = ? WHERE id = ?", (*last, number)
        )
        _insert_dirty(db, ledger, owner, before)


def read_removed(
    db: sqlite3.Connection, ledger: Ledger, span: Span, entity_id: str | None
) -> list[Span]:
    """List the parts of a span whose rows are gone, or in a window with such rows."""
    # A local day has 25 hours at most.
    wide = (span[0] - 2 * NS_PER_DAY, min(span[1] + 2 * NS_PER_DAY, _LAST_NS))
    gone = _read_gone(db, ledger, wide, entity_id)
    gone += [
        (segment.start_ns, segment.end_ns)
        for segment in read_segments(db, ledger, span)
        if overlap(gone, [segment.window])
    ]
    return overlap(merge(gone), [span])


def _read_gone(
    db: sqlite3.Connection, ledger: Ledger, span: Span, entity_id: str | None
) -> list[Span]:
    rows = db.execute(
        f"SELECT start_ns, end_ns FROM removed WHERE {TOUCHES}"  # noqa: S608
        " AND entity_id IN (?, ?)",
        (*touching(ledger, span), ALL, entity_id or ALL),
    ).fetchall()
    going = db.execute(
        f"SELECT start_ns, end_ns, entity_ids FROM removal WHERE {TOUCHES}",  # noqa: S608
        touching(ledger, span),
    ).fetchall()
    rows += [
        (start_ns, end_ns)
        for start_ns, end_ns, ids in going
        if ids is None or entity_id in orjson.loads(ids)
    ]
    return merge(rows)


def read_removed_entities(
    db: sqlite3.Connection, ledger: Ledger
) -> dict[str, list[Span]]:
    """List the spans of which the rows of some entities are gone or going."""
    spans: dict[str, list[Span]] = {}
    for entity_id, start_ns, end_ns in db.execute(
        f"SELECT entity_id, start_ns, end_ns FROM removed WHERE {OF_LEDGER}"  # noqa: S608
        " AND entity_id != ? ORDER BY start_ns",
        (*key_of(ledger), ALL),
    ):
        spans.setdefault(entity_id, []).append((start_ns, end_ns))
    for start_ns, end_ns, ids in db.execute(
        f"SELECT start_ns, end_ns, entity_ids FROM removal WHERE {OF_LEDGER}"  # noqa: S608
        " AND entity_ids IS NOT NULL",
        key_of(ledger),
    ):
        for entity_id in orjson.loads(ids):
            spans.setdefault(entity_id, []).append((start_ns, end_ns))
    return {entity_id: merge(parts) for entity_id, parts in spans.items()}


def forget_span(db: sqlite3.Connection, ledger: Ledger, span: Span) -> None:
    """Record that a span has no rows any more."""
    for table in ("segment", "dirty"):
        db.execute(
            f"DELETE FROM {table} WHERE {OF_LEDGER} AND start_ns >= ? AND end_ns <= ?",  # noqa: S608
            (*key_of(ledger), *span),
        )
    db.execute(
        f"DELETE FROM removed WHERE {OF_LEDGER} AND start_ns >= ? AND end_ns <= ?",  # noqa: S608
        (*key_of(ledger), *span),
    )
    add_span(db, "removed", (*key_of(ledger), ALL), span)


def drop_removal(db: sqlite3.Connection, removal: Removal) -> bool:
    """Take a deletion from the list of those that have not ended.

    Returns:
        Whether it was there: another run may have ended it.
    """
    ids = removal.entity_ids
    cursor = db.execute(
        f"DELETE FROM removal WHERE {OF_LEDGER} AND start_ns = ? AND entity_ids IS ?",  # noqa: S608
        (*key_of(removal.ledger), removal.start_ns, names_of(ids)),
    )
    return cursor.rowcount > 0


def names_of(entity_ids: tuple[str, ...] | None) -> str | None:
    """Return entities as the column holds them; None for all."""
    return None if entity_ids is None else orjson.dumps(entity_ids).decode()

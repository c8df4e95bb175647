"""What is proven, what has to be done again, and what is gone: on disk, at any moment.

A file of SQLite, since Home Assistant's own storage is written late and as a whole:
here every step is one transaction that waits for the disk, so that kill -9 between
any two lines leaves the state before or after it. What is lost with the file is only
the proof, never data: windows are then aggregated and verified once more.

Everything is kept per *ledger*: one measurement of one tier, whose rows go into the
windows of the next tier. Spans of time are merged, so that years of proven windows
are one row; what has one row per window are the counts of source rows that are still
there.
"""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
import logging
from pathlib import Path
import sqlite3
import threading
from typing import Final

import orjson

from ..errors import CheckpointError, RetentionUnverifiedError
from ..store.query import Row
from .ledger import (
    ALL,
    OF_LEDGER,
    SCHEMA_VERSION,
    TABLES,
    TOUCHES,
    Dirty,
    Ledger,
    Removal,
    Segment,
    add_span,
    by_day,
    clean,
    drop_removal,
    forget_span,
    key_of,
    names_of,
    read_first_segment_ns,
    read_removed,
    read_removed_entities,
    read_segments,
    read_spans,
    read_unverified,
    soil,
    touching,
    unverify,
)
from .spans import Span, overlap, subtract
from .tiers import Tier
from .windows import utc_day_start

_LOGGER = logging.getLogger(__name__)

_DAMAGED_SUFFIX: Final = ".corrupt"
_BUSY_TIMEOUT_S: Final = 10.0


def count_row(counts: MutableMapping[int, int], row: Row) -> None:
    """Count the values of a row on its UTC day, as `add_verified` wants it."""
    day_ns = utc_day_start(row.time_ns)
    counts[day_ns] = counts.get(day_ns, 0) + len(row.fields)


class Checkpoint:
    """The file of one hub; threads may share it, the event loop must not use it."""

    def __init__(self, path: Path) -> None:
        """Keep the path; `open` does the work."""
        self.path = path
        self.has_lost_proof = False  # a damaged file was moved aside
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open or make the file; a damaged one is moved aside.

        Raises:
            CheckpointError: The folder cannot be written, or the file comes from a
                newer version.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._open()
            except sqlite3.DatabaseError as err:
                if not _is_damage(err):
                    raise
                self._move_aside()
                self._open()
        except (OSError, sqlite3.Error) as err:
            self.close()
            raise CheckpointError(str(err)) from err
        except CheckpointError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def _open(self) -> None:
        connection = sqlite3.connect(
            self.path,
            timeout=_BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
        self._connection = connection
        connection.execute("PRAGMA journal_mode=WAL")
        # A deletion that was begun must be known after a power cut, too.
        connection.execute("PRAGMA synchronous=FULL")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise CheckpointError(f"{self.path.name} was made by a newer version")
        if version == 0:
            connection.executescript(
                f"BEGIN IMMEDIATE;{TABLES}PRAGMA user_version={SCHEMA_VERSION};COMMIT;"
            )
        (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if answer != "ok":
            raise sqlite3.DatabaseError(answer)

    def _move_aside(self) -> None:
        self.close()
        # One is kept: it holds no data, and the next one says no more.
        self.path.replace(self.path.with_suffix(_DAMAGED_SUFFIX))
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        self.has_lost_proof = True
        _LOGGER.warning(
            "The record of verified windows was damaged; they are verified again"
        )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            connection = self._connection
            if connection is None:
                raise CheckpointError("The record of progress is closed")
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except sqlite3.Error as err:
                raise CheckpointError(str(err)) from err
            finally:
                if connection.in_transaction:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")

    # --- what is proven ---

    def dirty_mark(self) -> int:
        """Return a mark; what becomes dirty from now on is newer than it.

        To be taken before the rows of a window are read.
        """
        with self._transaction() as db:
            (mark,) = db.execute(
                "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'dirty'"
            ).fetchone()
        return int(mark)

    def add_verified(
        self,
        ledger: Ledger,
        span: Span,
        *,
        counts: Mapping[int, int],
        mark: int,
        entity_id: str | None = None,
        feeds: Iterable[Ledger] = (),
    ) -> None:
        """Record that a window of the next tier agrees with the rows of this one.

        Args:
            span: The window.
            counts: Start of a UTC day to the field values of the window's rows on
                that day, of all entities; counted while they were read, or before.
            mark: From before they were read: what became dirty since stays so.
            entity_id: The only one that was aggregated; None for all.
            feeds: What is made from the rows of the window: there it has to be
                made again.
        """
        with self._transaction() as db:
            for segment in read_segments(db, ledger, span):
                if segment.start_ns < span[0] or segment.end_ns > span[1]:
                    # Windows have moved, as with another time zone: the rest of the
                    # old one is proven no longer.
                    unverify(db, ledger, (segment.start_ns, segment.end_ns))
            db.execute(f"DELETE FROM segment WHERE {TOUCHES}", touching(ledger, span))  # noqa: S608
            db.executemany(
                "INSERT INTO segment VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (*key_of(ledger), *part, counts.get(day_ns, 0), *span)
                    for day_ns, part in by_day(span)
                    # Of a window that reaches over midnight, that it does.
                    if counts.get(day_ns) or part != span
                ],
            )
            add_span(db, "verified", key_of(ledger), span)
            clean(db, ledger, span, mark=mark, entity_id=entity_id)
            for fed in feeds:
                known = read_spans(db, "verified", fed, span)
                for part in overlap(known, [span]):
                    soil(db, fed, part, ALL)

    def add_empty(self, ledger: Ledger, span: Span, *, mark: int) -> None:
        """Record that windows that were never verified have no rows at all.

        Args:
            span: The windows, of any number.
            mark: See `add_verified`.
        """
        with self._transaction() as db:
            add_span(db, "verified", key_of(ledger), span)
            clean(db, ledger, span, mark=mark, entity_id=None)

    def unverified(self, ledger: Ledger, span: Span) -> list[Span]:
        """List what of a span is not proven, or has to be done again."""
        with self._transaction() as db:
            return read_unverified(db, ledger, span)

    def is_verified(self, ledger: Ledger, span: Span) -> bool:
        """Whether all of a span is proven, and nothing has changed since."""
        return not self.unverified(ledger, span)

    def verified(self, ledger: Ledger) -> list[Span]:
        """List what was proven, oldest first; some of it may be dirty."""
        with self._transaction() as db:
            return read_spans(db, "verified", ledger)

    def segments(self, ledger: Ledger, span: Span) -> list[Segment]:
        """List what verified windows in a span were made from, oldest first."""
        with self._transaction() as db:
            return read_segments(db, ledger, span)

    def accept_counts(
        self, ledger: Ledger, span: Span, counts: Mapping[int, int]
    ) -> None:
        """Record that verified windows have other source rows than they had.

        Args:
            counts: Start of a segment in the span to its field values.

        Raises:
            RetentionUnverifiedError: Something has become dirty; nothing is recorded.
        """
        with self._transaction() as db:
            if spans := read_unverified(db, ledger, span):
                raise RetentionUnverifiedError(
                    "Rows have come since they were verified", tuple(spans)
                )
            db.executemany(
                f"UPDATE segment SET value_count = ? WHERE {OF_LEDGER}"  # noqa: S608
                " AND start_ns = ?",
                [(count, *key_of(ledger), start) for start, count in counts.items()],
            )

    def first_segment_ns(self, ledger: Ledger) -> int | None:
        """Return when the oldest rows began that windows were made from.

        None if none were. Some of them may be gone.
        """
        with self._transaction() as db:
            return read_first_segment_ns(db, ledger)

    # --- what has to be done again ---

    def mark_dirty(
        self, ledger: Ledger, span: Span, entity_id: str | None = None
    ) -> list[Span]:
        """Have a span aggregated again, since rows of it have come late.

        To be called before these rows are written.

        Args:
            entity_id: None for all entities.

        Returns:
            The parts of it whose rows are gone or going: they are not marked, as
            nothing could be aggregated from the late rows alone.
        """
        with self._transaction() as db:
            gone = read_removed(db, ledger, span, entity_id)
            for part in subtract([span], gone):
                soil(db, ledger, part, entity_id or ALL)
            # If that is cut off, not all that is left may have been proven.
            db.execute(
                f"UPDATE removal SET has_late = 1 WHERE {TOUCHES}",  # noqa: S608
                touching(ledger, span),
            )
            return gone

    def dirty(self, ledger: Ledger) -> list[Dirty]:
        """List what has to be done again, oldest first."""
        with self._transaction() as db:
            rows = db.execute(
                f"SELECT entity_id, start_ns, end_ns FROM dirty WHERE {OF_LEDGER}"  # noqa: S608
                " ORDER BY start_ns, entity_id",
                key_of(ledger),
            ).fetchall()
        return [
            Dirty(entity_id=entity_id or None, start_ns=start_ns, end_ns=end_ns)
            for entity_id, start_ns, end_ns in rows
        ]

    # --- what is gone ---

    def begin_removal(self, removal: Removal) -> None:
        """Record that rows are about to be deleted; after a crash it is gone on with.

        Raises:
            RetentionUnverifiedError: Something has become dirty, or another removal
                of the same span has not ended. Nothing is recorded.
        """
        ledger, span = removal.ledger, (removal.start_ns, removal.end_ns)
        ids = removal.entity_ids
        with self._transaction() as db:
            if spans := read_unverified(db, ledger, span):
                raise RetentionUnverifiedError(
                    "Rows have come since they were verified", tuple(spans)
                )
            if db.execute(
                f"SELECT 1 FROM removal WHERE {TOUCHES}",  # noqa: S608
                touching(ledger, span),
            ).fetchone():
                raise RetentionUnverifiedError("A deletion has not ended", (span,))
            db.execute(
                "INSERT INTO removal VALUES (?, ?, ?, ?, ?, ?, 0)",
                (
                    *key_of(ledger),
                    *span,
                    names_of(ids),
                    orjson.dumps(
                        {str(start): count for start, count in removal.parts.items()}
                    ).decode(),
                ),
            )

    def removals(self) -> list[Removal]:
        """List the deletions that were begun and have not ended."""
        with self._transaction() as db:
            rows = db.execute("SELECT * FROM removal ORDER BY start_ns").fetchall()
        return [
            Removal(
                ledger=Ledger(tier=Tier(tier), measurement=measurement),
                start_ns=start_ns,
                end_ns=end_ns,
                entity_ids=None if ids is None else tuple(orjson.loads(ids)),
                parts={int(key): count for key, count in orjson.loads(parts).items()},
                has_late=bool(has_late),
            )
            for tier, measurement, start_ns, end_ns, ids, parts, has_late in rows
        ]

    def finish_removal(self, removal: Removal) -> None:
        """Record that the rows are gone."""
        ledger, span = removal.ledger, (removal.start_ns, removal.end_ns)
        with self._transaction() as db:
            if not drop_removal(db, removal):
                # Counted twice, the values of other entities would be missed.
                return
            if removal.entity_ids is None:
                forget_span(db, ledger, span)
            else:
                db.executemany(
                    "UPDATE segment SET value_count = value_count - ?"  # noqa: S608
                    f" WHERE {OF_LEDGER} AND start_ns = ?",
                    [(n, *key_of(ledger), start) for start, n in removal.parts.items()],
                )
                for entity_id in removal.entity_ids:
                    add_span(db, "removed", (*key_of(ledger), entity_id), span)

    def cancel_removal(self, removal: Removal) -> None:
        """Record that the rows are not deleted after all, and are to be seen again."""
        with self._transaction() as db:
            drop_removal(db, removal)
            soil(db, removal.ledger, (removal.start_ns, removal.end_ns), ALL)

    def forget(self, ledger: Ledger, span: Span) -> None:
        """Record that the server itself has dropped the rows of a span."""
        with self._transaction() as db:
            forget_span(db, ledger, span)

    def removed(
        self, ledger: Ledger, span: Span, entity_id: str | None = None
    ) -> list[Span]:
        """List what of a span is gone or going.

        Args:
            entity_id: Of this entity; None for the spans without rows of any.
        """
        with self._transaction() as db:
            return read_removed(db, ledger, span, entity_id)

    def removed_entities(self, ledger: Ledger) -> dict[str, list[Span]]:
        """List what is gone or going of single entities, beside what is of all."""
        with self._transaction() as db:
            return read_removed_entities(db, ledger)


def _is_damage(err: sqlite3.Error) -> bool:
    code = getattr(err, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

"""The durable queue: compressed batches in an SQLite file in WAL mode.

The encoder thread adds, the sender thread claims and ends; each has a connection
of its own. What is committed survives kill -9; with `synchronous=FULL` also a
power cut.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
import sqlite3
import threading
import time
from typing import Final, override

from ..errors import (
    BufferCorruptError,
    BufferFullError,
    BufferUnusableError,
    DiskBufferError,
)
from .buffer import Batch, Buffer, BufferSize, DeadLetter, ReasonClass
from .compression import compress, decompress
from .dead_letters import (
    LetterSelection,
    QueueRow,
    ReplayResult,
    StoredLetter,
    count_letters,
    delete_letters,
    insert_letters,
    list_letters,
    take_letters,
)
from .schema import SCHEMA_VERSION, create_tables, migrate
from .sqlite_file import BUSY_TIMEOUT_S, Role, SqliteFile

# Key, times and counts of a row beside its body.
_ROW_OVERHEAD_BYTES: Final = 48
# One drop makes room for a while, so that a full buffer does not delete at every add.
_DROP_FRACTION: Final = 0.01
# Free pages worth giving back to the file system.
_VACUUM_PAGES: Final = 1_024
_MAX_ROWS_PER_BATCH: Final = 2_000
_CLAIM_OLDEST: Final = (
    "SELECT id, added_ns, point_count, raw_bytes, body FROM batch ORDER BY id LIMIT ?"
)
_CLAIM_NEWEST: Final = _CLAIM_OLDEST.replace("ORDER BY id", "ORDER BY id DESC")
_INSERT_BATCH: Final = (
    "INSERT INTO batch (added_ns, newest_ns, point_count, raw_bytes, body)"
    " VALUES (?, ?, ?, ?, ?)"
)


class SqliteBuffer(SqliteFile, Buffer):
    """The queue of one hub, and its dead letters.

    Args:
        path: The file; `-wal` and `-shm` stand beside it while it is open.
        max_bytes: Bound of what waits; beyond it the oldest points go.
        is_full_sync: Wait for the disk at every commit.
    """

    def __init__(self, path: Path, *, max_bytes: int, is_full_sync: bool) -> None:
        """Keep the settings; `open` does the work."""
        super().__init__(path, is_full_sync=is_full_sync)
        self.max_bytes = max_bytes
        # Guards the counters, for an instant each.
        self._lock = threading.Lock()
        self._point_count = 0
        self._byte_count = 0
        self._oldest_ns: int | None = None
        # First and last row on their way; a row has never the number 0.
        self._claimed = (0, 0)
        self.newest_ns: int | None = None
        # By class of reason; replaced as a whole, so any thread may read it.
        self.dead_letter_counts: Mapping[ReasonClass, int] = {}

    def open(self) -> None:
        """Open or make the file.

        A damaged file is moved aside and a clean one started.

        Raises:
            BufferUnusableError: The folder cannot be written, or the file comes
                from a newer version.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.look_for_damaged_files()
            with self._translated():
                self._open()
        except BufferCorruptError:
            self._move_aside()
            try:
                with self._translated():
                    self._open()
            except DiskBufferError as err:
                raise BufferUnusableError(str(err)) from err
        except BufferUnusableError:
            self.close()
            raise
        except (OSError, DiskBufferError) as err:
            self.close()
            raise BufferUnusableError(str(err)) from err

    def _open(self) -> None:
        connection = self._connect(Role.ADD)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise BufferUnusableError(
                f"{self.path.name} was made by a newer version of this integration"
            )
        if version == 0:
            create_tables(connection)
        else:
            migrate(connection, version)
        self._connect(Role.CLAIM)
        self._count(connection)

    def _count(self, connection: sqlite3.Connection) -> None:
        """Learn what a former run has left."""
        points, rows, stored, oldest = connection.execute(
            "SELECT TOTAL(point_count), COUNT(*), TOTAL(LENGTH(body)),"
            " MIN(added_ns) FROM batch"
        ).fetchone()
        self._point_count = int(points)
        self._byte_count = int(stored) + rows * _ROW_OVERHEAD_BYTES
        self._oldest_ns = oldest
        # The last one added, not the latest: after a clock was set back, what
        # happened in the hour that came twice must not count as seen.
        last = connection.execute(
            "SELECT newest_ns FROM batch ORDER BY id DESC LIMIT 1"
        ).fetchone()
        self.newest_ns = last[0] if last else self._load(connection, "newest_ns")
        self.dead_letter_counts = count_letters(connection)
        self._claimed = (0, 0)

    @override
    def add(self, lines: bytes, point_count: int, newest_ns: int) -> int:
        r"""Compress and store lines; encoder thread only.

        Args:
            lines: Line protocol, lines joined by `\n`.
            point_count: How many they are.
            newest_ns: When the newest of them was handed over; Unix time.

        Returns:
            How many older points had to go to stay within the bound.

        Raises:
            BufferFullError: The disk is full; nothing was stored.
            BufferCorruptError: The file is damaged.
            DiskBufferError: Any other failure of the disk.
        """
        body = compress(lines)
        added_ns = time.time_ns()
        row_bytes = len(body) + _ROW_OVERHEAD_BYTES
        with self._transaction(Role.ADD) as connection:
            dropped, freed = self._make_room(connection, row_bytes)
            connection.execute(
                _INSERT_BATCH, (added_ns, newest_ns, point_count, len(lines), body)
            )
        with self._lock:
            self._point_count += point_count - dropped
            self._byte_count += row_bytes - freed
            if self._oldest_ns is None:
                self._oldest_ns = added_ns
            self.newest_ns = newest_ns
        return dropped

    def _make_room(
        self, connection: sqlite3.Connection, needed: int
    ) -> tuple[int, int]:
        """Drop the oldest rows that are not on their way; returns points, bytes."""
        with self._lock:
            excess = self._byte_count + needed - self.max_bytes
            first_claimed, last_claimed = self._claimed
        if excess <= 0:
            return 0, 0
        wanted = max(excess, int(self.max_bytes * _DROP_FRACTION))
        points = freed = last_id = 0
        for row_id, point_count, body_bytes in connection.execute(
            "SELECT id, point_count, LENGTH(body) FROM batch"
            " WHERE id NOT BETWEEN ? AND ? ORDER BY id",
            (first_claimed, last_claimed),
        ):
            points += point_count
            freed += body_bytes + _ROW_OVERHEAD_BYTES
            last_id = row_id
            if freed >= wanted:
                break
        connection.execute(
            "DELETE FROM batch WHERE id <= ? AND id NOT BETWEEN ? AND ?",
            (last_id, first_claimed, last_claimed),
        )
        return points, freed

    @override
    def begin_batch(
        self, max_points: int, max_bytes: int, *, is_newest_first: bool = False
    ) -> Batch | None:
        """Claim the oldest points, or the newest; sender thread only.

        Small rows are joined into one body and compressed anew as one gzip member:
        a server that reads only the first of several would lose the rest silently.

        Args:
            max_points: At most so many, unless a single row has more.
            max_bytes: At most so many bytes of line protocol, likewise.

        Returns:
            None if nothing waits.
        """
        row_ids: list[int] = []
        bodies: list[bytes] = []
        points = raw_bytes = oldest_ns = 0
        with self._io_lock, self._translated():
            rows = self._connection(Role.CLAIM).execute(
                _CLAIM_NEWEST if is_newest_first else _CLAIM_OLDEST,
                (_MAX_ROWS_PER_BATCH,),
            )
            for row_id, added_ns, row_points, row_raw_bytes, body in rows:
                points += row_points
                raw_bytes += row_raw_bytes + 1
                if row_ids and (points > max_points or raw_bytes > max_bytes):
                    points -= row_points
                    break
                oldest_ns = min(oldest_ns or added_ns, added_ns)
                row_ids.append(row_id)
                bodies.append(body)
            rows.close()
            if not row_ids:
                return None
            if is_newest_first:
                row_ids.reverse()
                bodies.reverse()
            # Before anybody else may look for room.
            with self._lock:
                self._claimed = (row_ids[0], row_ids[-1])
        body = (
            bodies[0]
            if len(bodies) == 1
            else compress(b"\n".join(map(decompress, bodies)))
        )
        return Batch(
            row_ids=row_ids, body=body, point_count=points, oldest_ns=oldest_ns
        )

    @override
    def end_batch(self, batch: Batch, dead_letters: Iterable[DeadLetter] = ()) -> int:
        """Remove a batch, and keep its dead letters; sender thread only.

        Returns:
            How many old dead letters had to go to stay within the bound.
        """
        first_id, last_id = batch.row_ids[0], batch.row_ids[-1]
        letters = list(dead_letters)
        transaction = self._letter_transaction if letters else self._transaction
        with transaction(Role.CLAIM) as connection:
            discarded = insert_letters(connection, letters)
            points, rows, stored = connection.execute(
                "SELECT TOTAL(point_count), COUNT(*), TOTAL(LENGTH(body))"
                " FROM batch WHERE id BETWEEN ? AND ?",
                (first_id, last_id),
            ).fetchone()
            if self.newest_ns is not None:
                # When all rows are gone, this still says since when nothing is seen.
                self._save(connection, "newest_ns", self.newest_ns)
            connection.execute(
                "DELETE FROM batch WHERE id BETWEEN ? AND ?", (first_id, last_id)
            )
            oldest = connection.execute(
                "SELECT added_ns FROM batch ORDER BY id LIMIT 1"
            ).fetchone()
        with self._lock:
            self._claimed = (0, 0)
            self._point_count -= int(points)
            self._byte_count -= int(stored) + rows * _ROW_OVERHEAD_BYTES
            self._oldest_ns = oldest[0] if oldest else None
        if oldest is None:
            self._give_back_pages()
        return discarded

    @override
    def keep_batch(self, batch: Batch) -> None:
        """Give a claimed batch back, so that the bound applies to it again."""
        with self._lock:
            self._claimed = (0, 0)

    def _give_back_pages(self) -> None:
        """Shrink the file after a backlog has gone."""
        with self._io_lock, self._translated():
            connection = self._connection(Role.CLAIM)
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
            if free > _VACUUM_PAGES:
                connection.execute(f"PRAGMA incremental_vacuum({free})").fetchall()

    def add_dead_letters(self, dead_letters: Iterable[DeadLetter]) -> int:
        """Keep lines that never got into the queue; encoder thread only.

        Returns:
            How many old dead letters had to go to stay within the bound.
        """
        with self._letter_transaction(Role.ADD) as connection:
            return insert_letters(connection, dead_letters)

    @contextmanager
    def _letter_transaction(self, role: Role) -> Iterator[sqlite3.Connection]:
        """Change dead letters; their counts follow the commit, in the same order."""
        with self._io_lock:
            with self._transaction(role) as connection:
                yield connection
                counts = count_letters(connection)
            self.dead_letter_counts = counts

    def list_dead_letters(
        self, selection: LetterSelection, limit: int
    ) -> tuple[list[StoredLetter], int]:
        """Return the newest selected dead letters and their number; not on the loop.

        Reads on a connection of its own: nobody waits for it.
        """
        with self._translated():
            connection = sqlite3.connect(
                # Never makes a file where there is none any more.
                f"{self.path.absolute().as_uri()}?mode=rw",
                uri=True,
                timeout=BUSY_TIMEOUT_S,
            )
            with closing(connection):
                return list_letters(connection, selection, limit)

    def discard_dead_letters(self, selection: LetterSelection) -> int:
        """Delete dead letters for good; not on the loop. Returns how many."""
        with self._letter_transaction(Role.ADD) as connection:
            return delete_letters(connection, selection)

    def replay_dead_letters(
        self, selection: LetterSelection, edit: Callable[[bytes], bytes | None]
    ) -> ReplayResult:
        """Put dead letters back at the end of the queue, all or none; not on the loop.

        Args:
            edit: Line to line; None for a letter that is to stay.

        Raises:
            BufferFullError: Points that wait would have to go for them.
            DiskBufferError: Any other failure of the disk.
        """
        added_ns = time.time_ns()
        # Old events say nothing about since when new ones may be missing.
        newest_ns = self.newest_ns or added_ns
        points = size = 0
        with self._letter_transaction(Role.ADD) as connection:

            def enqueue(row: QueueRow) -> None:
                nonlocal points, size
                points += row.point_count
                size += len(row.body) + _ROW_OVERHEAD_BYTES
                if self._byte_count + size > self.max_bytes:
                    raise BufferFullError("The buffer is full of waiting points")
                connection.execute(
                    _INSERT_BATCH,
                    (added_ns, newest_ns, row.point_count, row.raw_bytes, row.body),
                )

            result = take_letters(connection, selection, edit, enqueue)
        with self._lock:
            self._point_count += points
            self._byte_count += size
            if points and self._oldest_ns is None:
                self._oldest_ns = added_ns
        return result

    @staticmethod
    def _load(connection: sqlite3.Connection, name: str) -> int | None:
        row = connection.execute(
            "SELECT value FROM state WHERE name = ?", (name,)
        ).fetchone()
        return None if row is None else int(row[0])

    @staticmethod
    def _save(connection: sqlite3.Connection, name: str, value: int) -> None:
        connection.execute(
            "INSERT INTO state (name, value) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )

    def load_counters(self) -> dict[str, int]:
        """Return the counters that were saved last."""
        with self._io_lock, self._translated():
            rows = self._connection(Role.ADD).execute(
                "SELECT name, value FROM state WHERE name LIKE 'count.%'"
            )
            return {name.removeprefix("count."): int(value) for name, value in rows}

    def save_counters(self, counters: dict[str, int]) -> None:
        """Keep counters across restarts; encoder thread only."""
        with self._transaction(Role.ADD) as connection:
            for name, value in counters.items():
                self._save(connection, f"count.{name}", value)

    @override
    def size(self) -> BufferSize:
        """Return how much waits; from any thread, without touching the disk."""
        with self._lock:
            return BufferSize(
                point_count=self._point_count,
                byte_count=self._byte_count,
                oldest_ns=self._oldest_ns,
            )

    def start_clean(self, error: BufferCorruptError) -> int:
        """Move the damaged file aside and begin anew; from either thread.

        Returns:
            How many waiting points went with it; 0 if that was done already.
        """
        with self._io_lock:
            if error.generation != self._generation:
                return 0
            lost = self.size().point_count
            self._move_aside()
            with self._translated():
                self._open()
            return lost


def delete_buffer_files(path: Path) -> None:
    """Delete a buffer with all that stands beside it; blocking."""
    for file in path.parent.glob(f"{path.stem}.*"):
        file.unlink(missing_ok=True)

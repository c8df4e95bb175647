"""The file of a buffer: its connections, its transactions, its damage.

SQLite in WAL mode with two connections, one for the thread that adds and one for
the thread that claims. What is committed survives kill -9; with `synchronous=FULL`
also a power cut.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
import logging
from pathlib import Path
import sqlite3
import threading
import time
from typing import Final

from ..errors import BufferCorruptError, BufferFullError, DiskBufferError

_LOGGER = logging.getLogger(__name__)

# Small pages: at a few events a second a commit writes one or two pages, and an
# SD card wears with every one.
_PAGE_BYTES: Final = 1024
# SQLite's own default: the WAL goes into the file after so many pages.
_CHECKPOINT_PAGES: Final = 1_000
# The other thread's transaction takes milliseconds.
BUSY_TIMEOUT_S: Final = 10.0
_DAMAGED_SUFFIX: Final = ".corrupt-"
# A dying card damages file after file, each of which may be as large as the buffer:
# the newest holds what was lost last, the one before it is for comparison.
_MAX_DAMAGED_FILES: Final = 2


class Role(StrEnum):
    """Which thread a connection is for."""

    ADD = "add"
    CLAIM = "claim"


class SqliteFile:
    """One file with its connections.

    Args:
        path: The file; `-wal` and `-shm` stand beside it while it is open.
        is_full_sync: Wait for the disk at every commit.

    Attributes:
        moved_aside: Where the latest damaged file of this run went.
        damaged_files: All that were moved aside, also in former runs, the newest
            last; replaced as a whole.
    """

    def __init__(self, path: Path, *, is_full_sync: bool) -> None:
        """Keep the settings; nothing is opened yet."""
        self.path = path
        self.moved_aside: Path | None = None
        self.damaged_files: tuple[Path, ...] = ()
        self._is_full_sync = is_full_sync
        self._is_at_rest = False
        # Held while SQLite works, so that a damaged file can be replaced safely.
        self._io_lock = threading.RLock()
        self._generation = 0
        self._connections: dict[Role, sqlite3.Connection] = {}

    def _connect(self, role: Role) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            # Made here, used by one thread, closed after that has ended.
            check_same_thread=False,
        )
        self._connections[role] = connection
        connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        sync = "FULL" if self._is_full_sync else "NORMAL"
        connection.execute(f"PRAGMA synchronous={sync}")
        self._set_checkpointing(connection)
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the library's errors into ours."""
        try:
            yield
        except OSError as err:
            raise DiskBufferError(str(err)) from err
        except sqlite3.Error as err:
            code = getattr(err, "sqlite_errorcode", 0) & 0xFF
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise BufferCorruptError(str(err), generation=self._generation) from err
            if code == sqlite3.SQLITE_FULL:
                raise BufferFullError(str(err)) from err
            raise DiskBufferError(str(err)) from err

    def _connection(self, role: Role) -> sqlite3.Connection:
        try:
            return self._connections[role]
        except KeyError:
            raise DiskBufferError("The buffer is closed") from None

    @contextmanager
    def _transaction(self, role: Role) -> Iterator[sqlite3.Connection]:
        with self._io_lock, self._translated():
            self._restore_if_deleted()
            connection = self._connection(role)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def set_full_sync(self, is_full_sync: bool) -> None:  # noqa: FBT001
        """Choose whether a commit waits for the disk; from any thread."""
        self._is_full_sync = is_full_sync
        with self._io_lock, self._translated():
            for connection in self._connections.values():
                connection.execute(
                    f"PRAGMA synchronous={'FULL' if is_full_sync else 'NORMAL'}"
                )

    def _move_aside(self) -> None:
        self.close()
        self._generation += 1
        aside = self.path.with_suffix(f"{_DAMAGED_SUFFIX}{time.time_ns()}")
        if self.path.exists():
            self.path.rename(aside)
            self.moved_aside = aside
            files = (*self.damaged_files, aside)
            self.damaged_files = files[-_MAX_DAMAGED_FILES:]
            for file in files[:-_MAX_DAMAGED_FILES]:
                file.unlink(missing_ok=True)
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def look_for_damaged_files(self) -> None:
        """Learn which files were moved aside, also in a former run; blocking."""
        pattern = f"{self.path.stem}{_DAMAGED_SUFFIX}*[0-9]"
        self.damaged_files = tuple(sorted(self.path.parent.glob(pattern)))

    def settle_damaged_files(self, *, is_kept: bool) -> None:
        """Delete the files that were moved aside, or let them be for good; blocking.

        Args:
            is_kept: They stay, under names that are not looked for.

        Raises:
            DiskBufferError: The disk refuses.
        """
        try:
            for file in self.damaged_files:
                if is_kept:
                    file.rename(file.with_name(f"{file.name}.kept"))
                else:
                    file.unlink(missing_ok=True)
        except OSError as err:
            raise DiskBufferError(str(err)) from err
        finally:
            self.look_for_damaged_files()

    def _restore_if_deleted(self) -> bool:
        """Write the file again if somebody has deleted it; returns whether.

        Its content is still there as long as a connection is open.
        """
        if self.path.exists() or not self._connections:
            return False
        self.path.parent.mkdir(parents=True, exist_ok=True)
        copy = self.path.with_suffix(".restored")
        copy.unlink(missing_ok=True)
        self._connection(Role.ADD).execute("VACUUM INTO ?", (str(copy),))
        self.close()
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        copy.rename(self.path)
        for role in Role:
            self._connect(role)
        _LOGGER.warning(
            "The file of the buffer had been deleted; it was written again, nothing"
            " is lost"
        )
        return True

    def rest_file(self) -> None:
        """Leave the file as it is until `wake_file`; commits go to the WAL alone.

        A copy of both is whole then, however long it takes: the file is that of
        one moment, and SQLite reads a WAL up to its last whole commit.
        """
        with self._io_lock, self._translated():
            self._is_at_rest = True
            for connection in self._connections.values():
                self._set_checkpointing(connection)
            # To keep the WAL small; a reader that hinders it does no harm.
            self._connection(Role.ADD).execute(
                "PRAGMA wal_checkpoint(TRUNCATE)"
            ).fetchone()

    def wake_file(self) -> None:
        """Let commits reach the file again; from any thread but the loop's."""
        with self._io_lock, self._translated():
            self._is_at_rest = False
            for connection in self._connections.values():
                self._set_checkpointing(connection)

    def _set_checkpointing(self, connection: sqlite3.Connection) -> None:
        pages = 0 if self._is_at_rest else _CHECKPOINT_PAGES
        connection.execute(f"PRAGMA wal_autocheckpoint={pages}")

    def close(self) -> None:
        """Close both connections; the last one folds the WAL into the file."""
        while self._connections:
            _, connection = self._connections.popitem()
            connection.close()

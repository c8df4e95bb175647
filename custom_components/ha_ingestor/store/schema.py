"""The tables of the buffer's file, and how older files become newer ones."""

from collections.abc import Callable, Mapping
import sqlite3
from typing import Final

# Introduced in 0.1.0.
SCHEMA_VERSION: Final = 1

_TABLES: Final = """
CREATE TABLE batch (
    id INTEGER PRIMARY KEY,
    added_ns INTEGER NOT NULL,
    newest_ns INTEGER NOT NULL,
    point_count INTEGER NOT NULL,
    raw_bytes INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY,
    added_ns INTEGER NOT NULL,
    reason TEXT NOT NULL,
    line BLOB NOT NULL
);
CREATE TABLE state (
    name TEXT PRIMARY KEY,
    value NOT NULL
) WITHOUT ROWID;
"""

# From version to the step that leads to the next one.
MIGRATIONS: Final[Mapping[int, Callable[[sqlite3.Connection], None]]] = {}


def create_tables(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty file."""
    connection.executescript(
        f"BEGIN IMMEDIATE;{_TABLES}PRAGMA user_version={SCHEMA_VERSION};COMMIT;"
    )


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring an older file up to date, one step and one transaction at a time."""
    while version < SCHEMA_VERSION:
        with connection:
            MIGRATIONS[version](connection)
            version += 1
            connection.execute(f"PRAGMA user_version={version}")

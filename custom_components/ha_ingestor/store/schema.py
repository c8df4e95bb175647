"""The tables of the buffer's file, and how older files become newer ones."""

from collections.abc import Callable, Mapping
import sqlite3
from typing import Final

from .dead_letters import classify_reason

# 1: introduced in 0.1.0. 2: introduced in 0.2.0, dead letters have a class.
SCHEMA_VERSION: Final = 2

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
    line BLOB NOT NULL,
    reason_class TEXT NOT NULL DEFAULT 'refused'
);
CREATE INDEX dead_letter_by_class ON dead_letter (reason_class);
CREATE TABLE state (
    name TEXT PRIMARY KEY,
    value NOT NULL
) WITHOUT ROWID;
"""


def migrate_1_to_2(connection: sqlite3.Connection) -> None:
    """Tell the classes of the reasons from their words."""
    connection.create_function("class_of", 1, classify_reason, deterministic=True)
    connection.execute(
        "ALTER TABLE dead_letter"
        " ADD COLUMN reason_class TEXT NOT NULL DEFAULT 'refused'"
    )
    connection.execute("UPDATE dead_letter SET reason_class = class_of(reason)")
    connection.execute(
        "CREATE INDEX dead_letter_by_class ON dead_letter (reason_class)"
    )


# From version to the step that leads to the next one.
MIGRATIONS: Final[Mapping[int, Callable[[sqlite3.Connection], None]]] = {
    1: migrate_1_to_2,
}


def create_tables(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty file."""
    connection.executescript(
        f"BEGIN IMMEDIATE;{_TABLES}PRAGMA user_version={SCHEMA_VERSION};COMMIT;"
    )


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring an older file up to date, one step and one transaction at a time."""
    while version < SCHEMA_VERSION:
        # The connection begins no transaction by itself.
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            MIGRATIONS[version](connection)
            version += 1
            connection.execute(f"PRAGMA user_version={version}")

"""What the runs of a hub's maintenance have done, across restarts. Event loop only."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NotRequired, TypedDict

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store

from ..const import DOMAIN
from .record import Operation, Outcome, RunRecord

_STORAGE_VERSION: Final = 1
_SAVE_DELAY_S: Final = 10.0


class StoredRecord(TypedDict):
    """A record as it is on disk, and as diagnostics show it.

    Attributes:
        missing, has_disagreed: Not in records of earlier versions.
    """

    operation: str
    outcome: str
    started_at: str
    ended_at: str
    records_processed: int
    records_written: int
    records_deleted: int
    storage_freed_bytes: int
    problems: list[str]
    missing: NotRequired[list[str]]
    has_disagreed: NotRequired[bool | None]
    error: str | None


class StoredJournal(TypedDict):
    """All of it as it is on disk.

    Attributes:
        succeeded_at: Operation to the beginning of its last run that did all it
            should.
        records_moved: Since the hub was added.
        storage_freed_bytes: The same; an estimate.
    """

    records: list[StoredRecord]
    succeeded_at: dict[str, str]
    records_moved: int
    storage_freed_bytes: int


class RunJournal:
    """The last run of each operation, and sums over all runs."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        """Begin empty; `async_load` reads what there is."""
        self._store = _create_store(hass, entry_id)
        self._records: dict[Operation, RunRecord] = {}
        self._succeeded_at: dict[Operation, datetime] = {}
        self.records_moved = 0
        self.storage_freed_bytes = 0

    async def async_load(self) -> None:
        """Read what former runs have left."""
        if (stored := await self._store.async_load()) is None:
            return
        for item in stored["records"]:
            if item["operation"] not in Operation or item["outcome"] not in Outcome:
                # Of a version that knew more.
                continue
            record = from_stored(item)
            self._records[record.operation] = record
        for name, at in stored["succeeded_at"].items():
            if name in Operation:
                self._succeeded_at[Operation(name)] = datetime.fromisoformat(at)
        self.records_moved = stored["records_moved"]
        self.storage_freed_bytes = stored["storage_freed_bytes"]

    @property
    def records(self) -> Mapping[Operation, RunRecord]:
        """The last run of each operation."""
        return self._records

    def succeeded_at(self, operation: Operation) -> datetime | None:
        """Return when the last run that did all it should was begun."""
        return self._succeeded_at.get(operation)

    @callback
    def add(self, record: RunRecord) -> None:
        """Keep a record instead of the former one of its operation."""
        self._records[record.operation] = record
        if record.outcome is Outcome.DONE:
            self._succeeded_at[record.operation] = record.started_at
        self.records_moved += record.records_written
        self.storage_freed_bytes += record.storage_freed_bytes
        self._store.async_delay_save(self._to_stored, _SAVE_DELAY_S)

    async def async_save(self) -> None:
        """Put it on disk now."""
        if self._records:
            await self._store.async_save(self._to_stored())

    def _to_stored(self) -> StoredJournal:
        return StoredJournal(
            records=[to_stored(record) for record in self._records.values()],
            succeeded_at={
                operation.value: at.isoformat()
                for operation, at in self._succeeded_at.items()
            },
            records_moved=self.records_moved,
            storage_freed_bytes=self.storage_freed_bytes,
        )


def to_stored(record: RunRecord) -> StoredRecord:
    """Return a record as it is kept on disk."""
    return StoredRecord(
        operation=record.operation.value,
        outcome=record.outcome.value,
        started_at=record.started_at.isoformat(),
        ended_at=record.ended_at.isoformat(),
        records_processed=record.records_processed,
        records_written=record.records_written,
        records_deleted=record.records_deleted,
        storage_freed_bytes=record.storage_freed_bytes,
        problems=list(record.problems),
        missing=list(record.missing),
        has_disagreed=record.has_disagreed,
        error=record.error,
    )


def from_stored(stored: StoredRecord) -> RunRecord:
    """Read a record from disk."""
    return RunRecord(
        operation=Operation(stored["operation"]),
        outcome=Outcome(stored["outcome"]),
        started_at=datetime.fromisoformat(stored["started_at"]),
        ended_at=datetime.fromisoformat(stored["ended_at"]),
        records_processed=stored["records_processed"],
        records_written=stored["records_written"],
        records_deleted=stored["records_deleted"],
        storage_freed_bytes=stored["storage_freed_bytes"],
        problems=tuple(stored["problems"]),
        missing=tuple(stored.get("missing", ())),
        has_disagreed=stored.get("has_disagreed"),
        error=stored["error"],
    )


def _create_store(hass: HomeAssistant, entry_id: str) -> Store[StoredJournal]:
    return Store(hass, _STORAGE_VERSION, f"{DOMAIN}.storage.{entry_id}")


async def async_delete_journal(hass: HomeAssistant, entry_id: str) -> None:
    """Delete the journal of a hub that was removed."""
    await _create_store(hass, entry_id).async_remove()

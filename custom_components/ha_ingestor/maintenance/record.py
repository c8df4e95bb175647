"""What a run of maintenance did, for sensors, actions, metrics and people."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Operation(StrEnum):
    """Kinds of run; also the `operation_type` of `retention_metrics`."""

    AGGREGATE = "aggregate"
    DOWNSAMPLE_HOURLY = "downsample_hourly"
    DOWNSAMPLE_DAILY = "downsample_daily"
    REFRESH_VIEWS = "refresh_views"
    ARCHIVE = "archive"
    RESTORE = "restore"


class Outcome(StrEnum):
    """How a run ended."""

    DONE = "done"
    CANCELLED = "cancelled"
    # Rows that could not be verified were kept, or rows that were are missing.
    DISAGREED = "disagreed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run.

    Attributes:
        started_at, ended_at: UTC, aware.
        records_processed: Rows that were read and taken into account.
        records_written: Rows that were written anew or replaced.
        records_deleted: Rows or values that are gone from where they were, as the
            operation counts them.
        storage_freed_bytes: Of the server's disk; an estimate.
        problems: What a person should know, the first ones; without secrets.
        missing: Days of which something else has deleted rows; the first ones.
        has_disagreed: Whether what was read back was not what it should be; None
            where that is not known beside the outcome.
        error: Why it failed; None if it did not.
    """

    operation: Operation
    outcome: Outcome
    started_at: datetime
    ended_at: datetime
    records_processed: int = 0
    records_written: int = 0
    records_deleted: int = 0
    storage_freed_bytes: int = 0
    problems: tuple[str, ...] = field(default=())
    missing: tuple[str, ...] = field(default=())
    has_disagreed: bool | None = None
    error: str | None = None

    @property
    def duration_s(self) -> float:
        """How long it took."""
        return (self.ended_at - self.started_at).total_seconds()

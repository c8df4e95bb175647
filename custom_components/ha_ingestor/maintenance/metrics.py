"""Runs of maintenance as points, beside the data that they look after.

Blocking, for threads.
"""

from collections.abc import Iterator
import datetime as dt
from typing import Final, TypedDict

from ..models import FieldValue, Point
from ..retention.stores import TierStores
from ..retention.tiers import Tier
from ..retention.transfer import write_points
from ..retention.windows import to_datetime, to_ns
from ..store.query import read_points
from .record import Outcome, RunRecord

MEASUREMENT_METRICS: Final = "retention_metrics"

OPERATION: Final = "operation_type"
OUTCOME: Final = "outcome"
_PROCESSED: Final = "records_processed"
_WRITTEN: Final = "records_written"
_DELETED: Final = "records_deleted"
_FREED: Final = "storage_freed"
_DURATION: Final = "duration_s"
_ERRORS: Final = "errors"
_FIELDS: Final = (_PROCESSED, _WRITTEN, _DELETED, _FREED, _DURATION, _ERRORS)


class RunView(TypedDict):
    """A run as people see it."""

    operation_type: str
    outcome: str
    started_at: str
    records_processed: int
    records_written: int
    records_deleted: int
    storage_freed_bytes: int
    duration_s: float
    errors: int


def write_record(stores: TierStores, record: RunRecord) -> None:
    """Store what a run did, at the time at which it was begun.

    Raises:
        StoreError: It is not stored.
    """
    write_points(stores.client(Tier.DAILY), [to_point(record)])


def to_point(record: RunRecord) -> Point:
    """Return a run as it is stored."""
    is_failed = record.outcome is Outcome.FAILED
    return Point(
        measurement=MEASUREMENT_METRICS,
        tags={OPERATION: record.operation.value, OUTCOME: record.outcome.value},
        fields={
            _PROCESSED: float(record.records_processed),
            _WRITTEN: float(record.records_written),
            _DELETED: float(record.records_deleted),
            _FREED: float(record.storage_freed_bytes),
            _DURATION: record.duration_s,
            _ERRORS: float(len(record.problems) or is_failed),
        },
        time_ns=to_ns(record.started_at),
    )


def read_runs(
    stores: TierStores, *, since: dt.datetime, until: dt.datetime, limit: int
) -> list[RunView]:
    """Read the runs of a time, newest first.

    Raises:
        StoreError: They cannot be read.
    """
    return list(_iterate_runs(stores, since=since, until=until, limit=limit))


def _iterate_runs(
    stores: TierStores, *, since: dt.datetime, until: dt.datetime, limit: int
) -> Iterator[RunView]:
    for row in read_points(
        stores.client(Tier.DAILY),
        MEASUREMENT_METRICS,
        fields=_FIELDS,
        tag_keys=(OPERATION, OUTCOME),
        start_ns=to_ns(since),
        end_ns=to_ns(until),
        limit=limit,
        is_descending=True,
    ):
        yield RunView(
            operation_type=row.tags.get(OPERATION, ""),
            outcome=row.tags.get(OUTCOME, ""),
            started_at=to_datetime(row.time_ns).isoformat(),
            records_processed=_count(row.fields.get(_PROCESSED)),
            records_written=_count(row.fields.get(_WRITTEN)),
            records_deleted=_count(row.fields.get(_DELETED)),
            storage_freed_bytes=_count(row.fields.get(_FREED)),
            duration_s=round(_number(row.fields.get(_DURATION)), 3),
            errors=_count(row.fields.get(_ERRORS)),
        )


def _number(value: FieldValue | None) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _count(value: FieldValue | None) -> int:
    return round(_number(value))

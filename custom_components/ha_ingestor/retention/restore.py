"""Rows back out of the archive: page by page to whoever asks, or into InfluxDB.

Blocking, for threads. Whatever is asked for, memory holds one page or one slice of a
day; a day's file is on disk meanwhile, and was compared with what was recorded of it.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
import itertools
from pathlib import Path
import re
from typing import Final, override

from ..errors import ArchiveCursorError
from ..models import Point
from ..store.influx.client import InfluxClient
from .archive import ArchiveJob, check_cancelled, fetch, opened, working_folder
from .archive_read import find_days
from .manifest import ArchiveEntry
from .parquet_read import read_points
from .transfer import Plan, Transfer, exact_differences
from .windows import to_ns
from .work import Work

RESTORED_PREFIX: Final = "restored_"

# Rows of one page; what a person or a script takes in at once.
MAX_PAGE_ROWS: Final = 10_000
# Of their texts and numbers, about; an answer of Home Assistant is held in memory
# several times on its way.
MAX_PAGE_BYTES: Final = 4 * 1024 * 1024
# Rows that are written, read back and compared together.
_SLICE_ROWS: Final = 5_000
_VALUE_BYTES: Final = 24
_CURSOR: Final = re.compile(r"(\d{4}-\d{2}-\d{2})\.(\d{1,12})\.([0-9a-f]{12})")


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredPage:
    """Some of the rows that were asked for, in the order of the archive's days.

    Attributes:
        cursor: Where the next page begins; None after the last.
    """

    points: Sequence[Point]
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredRows:
    """What was written back.

    Attributes:
        days: Files that were read.
        rows: Rows that are in InfluxDB now, compared with the archive.
        rows_written: Of these, how many were not there before.
        measurements: Where they are.
    """

    days: int
    rows: int
    rows_written: int
    measurements: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cursor:
    """How many matching rows of which file were given already."""

    day: str
    count: int
    digest: str

    @override
    def __str__(self) -> str:
        """Return it as it is handed out."""
        return f"{self.day}.{self.count}.{self.digest}"


def read_page(
    job: ArchiveJob,
    start_at: datetime,
    end_at: datetime,
    *,
    entity_ids: Collection[str] | None = None,
    limit: int = MAX_PAGE_ROWS,
    cursor: str | None = None,
) -> RestoredPage:
    """Read some rows of a time.

    Args:
        start_at: First instant, inclusive; aware.
        end_at: Last instant, exclusive; aware.
        entity_ids: Only these; None for all rows, also those without an entity.
        limit: Rows at most; there may be fewer where they are large.
        cursor: From the page before.

    Raises:
        ArchiveCursorError: It is none, or the archive has changed since.
        ArchiveError: See `errors`.
    """
    since = None if cursor is None else _parse_cursor(cursor)
    points: list[Point] = []
    size = 0
    for entry, path in _each_day(job, start_at, end_at, since=since):
        day = _name_of(job, entry)
        first = since.count if since is not None and since.day == day else 0
        matching = _read_file(path, start_at, end_at, entity_ids)
        for number, point in enumerate(itertools.islice(matching, first, None), first):
            if len(points) >= limit or (points and size >= MAX_PAGE_BYTES):
                ended = _Cursor(day=day, count=number, digest=_short(entry))
                return RestoredPage(points=points, cursor=str(ended))
            points.append(point)
            size += _size_of(point)
    return RestoredPage(points=points, cursor=None)


def write_back(
    job: ArchiveJob,
    client: InfluxClient,
    start_at: datetime,
    end_at: datetime,
    *,
    work: Work,
    entity_ids: Collection[str] | None = None,
    after_day: str | None = None,
    on_day: Callable[[str, int], object] | None = None,
) -> RestoredRows:
    """Write the rows of a time into measurements of their own.

    Doing it twice changes nothing: rows that are there already are not written again.

    Args:
        client: Of the store to write into.
        after_day: The last one that a former run has finished.
        on_day: Called with each day that is written and compared, and its rows.

    Raises:
        RetentionMismatchError: What was read back is not what the archive has.
        ArchiveError, StoreError: See `errors`.
    """
    transfer = Transfer(client, pause=work.pause)
    days = rows = written = 0
    measurements: set[str] = set()
    span_ns = max(to_ns(end_at) - to_ns(start_at), 1)
    for entry, path in _each_day(job, start_at, end_at, after_day=after_day):
        day = _name_of(job, entry)
        work.report(
            min(max((to_ns(entry.start_at) - to_ns(start_at)) / span_ns, 0), 1), day
        )
        of_day = 0
        for plan in _plans(path, entry, start_at, end_at, entity_ids):
            work.check()
            done = transfer.run(plan)
            of_day += done.point_count
            written += done.written_count
            measurements.add(plan.measurement)
        rows += of_day
        days += 1
        if on_day is not None:
            on_day(day, of_day)
    return RestoredRows(
        days=days,
        rows=rows,
        rows_written=written,
        measurements=tuple(sorted(measurements)),
    )


def _each_day(
    job: ArchiveJob,
    start_at: datetime,
    end_at: datetime,
    *,
    since: _Cursor | None = None,
    after_day: str | None = None,
) -> Iterator[tuple[ArchiveEntry, Path]]:
    """Bring one day after another to disk, from a cursor or after a day on."""
    with working_folder(job.folder) as folder:
        path = folder / "day.parquet"
        for entry in find_days(job, start_at, end_at):
            day = _name_of(job, entry)
            if (since is not None and day < since.day) or (
                after_day is not None and day <= after_day
            ):
                continue
            if since is not None and day == since.day and since.digest != _short(entry):
                raise ArchiveCursorError("The archive has changed since the last page")
            check_cancelled(job)
            fetch(job.files, entry, path)
            yield entry, path


def _read_file(
    path: Path,
    start_at: datetime,
    end_at: datetime,
    entity_ids: Collection[str] | None,
) -> Iterator[Point]:
    with opened(path, "rb") as file:
        yield from read_points(
            file,
            entity_ids=entity_ids,
            start_ns=to_ns(start_at),
            end_ns=to_ns(end_at),
        )


def _plans(
    path: Path,
    entry: ArchiveEntry,
    start_at: datetime,
    end_at: datetime,
    entity_ids: Collection[str] | None,
) -> Iterator[Plan]:
    """Cut a day into slices of time that hold some thousand rows each."""
    start_ns = max(to_ns(entry.start_at), to_ns(start_at))
    end_ns = min(to_ns(entry.end_at), to_ns(end_at))
    slice_count = 1 + entry.row_count // _SLICE_ROWS
    step_ns = -(-(end_ns - start_ns) // slice_count)
    for first_ns in range(start_ns, end_ns, max(step_ns, 1)):
        until_ns = min(first_ns + step_ns, end_ns)
        with opened(path, "rb") as file:
            points = sorted(
                read_points(
                    file, entity_ids=entity_ids, start_ns=first_ns, end_ns=until_ns
                ),
                key=lambda point: point.measurement,
            )
        for name, group in itertools.groupby(points, lambda point: point.measurement):
            measurement = f"{RESTORED_PREFIX}{name}"
            yield Plan(
                measurement=measurement,
                start_ns=first_ns,
                end_ns=until_ns,
                points=tuple(
                    Point(
                        measurement=measurement,
                        tags=point.tags,
                        fields=point.fields,
                        time_ns=point.time_ns,
                    )
                    for point in group
                ),
                differences=exact_differences,
            )


def _parse_cursor(text: str) -> _Cursor:
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise ArchiveCursorError("This is no cursor of a page")
    return _Cursor(day=found[1], count=int(found[2]), digest=found[3])


def _name_of(job: ArchiveJob, entry: ArchiveEntry) -> str:
    day = job.keys.parse_day(entry.key)
    return "" if day is None else day.isoformat()


def _short(entry: ArchiveEntry) -> str:
    return entry.digest.rpartition("-")[2][:12]


def _size_of(point: Point) -> int:
    texts = [*point.tags.values(), *point.tags, *point.fields]
    texts += [value for value in point.fields.values() if isinstance(value, str)]
    return sum(map(len, texts)) + _VALUE_BYTES * len(point.fields)

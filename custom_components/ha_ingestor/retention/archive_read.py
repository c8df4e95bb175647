"""Points back out of the archive."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime

from ..models import Point
from .archive import ArchiveJob, check_cancelled, fetch, opened, working_folder
from .manifest import ArchiveEntry
from .parquet_read import read_points

_EPOCH = datetime.fromtimestamp(0, UTC)


def find_days(
    job: ArchiveJob, start_at: datetime, end_at: datetime
) -> Iterator[ArchiveEntry]:
    """List the days that touch a time, in their order.

    Args:
        start_at: First instant, inclusive; aware.
        end_at: Last instant, exclusive; aware.

    Raises:
        ArchiveError: See `ManifestStore.load`.
    """
    # A day of the home may begin in the year before, or end in the year after.
    for year in range(start_at.year - 1, end_at.year + 2):
        entries = job.manifests.load(year).entries
        for key in sorted(entries):
            entry = entries[key]
            if (
                job.keys.parse_day(key) is not None
                and entry.start_at < end_at
                and entry.end_at > start_at
            ):
                yield entry


def read_archive(
    job: ArchiveJob,
    start_at: datetime,
    end_at: datetime,
    *,
    entity_ids: Collection[str] | None = None,
) -> Iterator[Point]:
    """Read the points of a time, one day's file on disk at a time.

    Each file is compared with what was recorded of it before a point of it is given.

    Args:
        start_at: First instant, inclusive; aware.
        end_at: Last instant, exclusive; aware.
        entity_ids: Only these; None for all points.

    Raises:
        ArchiveMismatchError: A file is not what was recorded.
        ArchiveError: See `errors`.
    """
    with working_folder(job.folder) as folder:
        path = folder / "day.parquet"
        for entry in find_days(job, start_at, end_at):
            check_cancelled(job)
            fetch(job.files, entry, path)
            with opened(path, "rb") as file:
                yield from read_points(
                    file,
                    entity_ids=entity_ids,
                    start_ns=_to_ns(start_at),
                    end_ns=_to_ns(end_at),
                )


def _to_ns(at: datetime) -> int:
    since = at - _EPOCH
    seconds = since.days * 86_400 + since.seconds
    return (seconds * 1_000_000 + since.microseconds) * 1_000

"""One day to the archive: upload, verify, record, and only then report deletable.

Plain orchestration over `ArchiveFiles` and `ManifestStore`, in a thread. A crash at
any line leaves the rows where they were, and the next run finishes the work: what is
in the archive already is merged, never replaced by less.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from io import BytesIO
import logging
from pathlib import Path
import shutil
import tempfile
from typing import IO, Final, override

from ..errors import (
    ArchiveCancelledError,
    ArchiveDiskError,
    ArchiveFormatError,
    ArchiveMismatchError,
    ArchiveMissingError,
)
from ..models import Point
from .digest import Digest, digest_of
from .files import ArchiveFiles, checksums_of
from .keys import ArchiveKeys
from .layout import Layout, LayoutBuilder
from .manifest import (
    LABEL_DIGEST,
    LABEL_END,
    LABEL_START,
    ArchiveEntry,
    ManifestStore,
    read_stored_footer,
)
from .merge import PointReader, merge_points
from .parquet import Compression, write_points
from .parquet_read import read_points
from .windows import to_ns

_LOGGER = logging.getLogger(__name__)

_FOLDER_PREFIX: Final = "archive-"
# How often a job asks whether it is to stop.
_CANCEL_EVERY: Final = 1_000
_NS_PER_US: Final = 1_000
_NS_PER_S: Final = 1_000_000_000


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveJob:
    """What archiving needs beside the rows.

    Attributes:
        folder: Where files are made; its disk needs room for two of them.
        units: Key of a field to its unit.
        labels: Kept in each file.
        is_cancelled: Asked now and then, from the job's thread.
        utcnow: The clock; aware.
    """

    files: ArchiveFiles
    manifests: ManifestStore
    keys: ArchiveKeys
    folder: Path
    units: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    compression: Compression = Compression.GZIP
    is_cancelled: Callable[[], bool] = _never
    utcnow: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySource:
    """The rows of a day.

    Attributes:
        day: In the time of the home.
        start_ns, end_ns: Its first instant, and that of the day after.
        read: Gives all its points, at every call; it is called up to three times.
    """

    day: date
    start_ns: int
    end_ns: int
    read: PointReader


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedDay:
    """What became of a day.

    Attributes:
        entry: Its file; None if there is none, since there never was a row.
        deletable_count: Rows of the source that the archive holds, verified, and
            that may be deleted; the whole day, or 0 if it had no rows.
        was_uploaded: False if all of it was there already.
    """

    entry: ArchiveEntry | None
    deletable_count: int
    was_uploaded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What is to be written."""

    layout: Layout
    digest: str
    count: int


def archive_day(job: ArchiveJob, source: DaySource) -> ArchivedDay:
    """Bring a day to the archive and make sure that it is there.

    Raises:
        ArchiveMismatchError: The archive is not what was written, or the source has
            changed on the way: nothing may be deleted.
        ArchiveError: See `errors`; nothing may be deleted.
        StoreError: As reading the source raises it.
    """
    survey = take_stock(job, _bounded(source))
    if not survey.count:
        found = job.manifests.find(source.day.year, job.keys.day(source.day))
        return ArchivedDay(entry=found, deletable_count=0, was_uploaded=False)
    with working_folder(job.folder) as folder:
        entry, was_uploaded = _bring(job, source, survey, folder)
    entry = job.manifests.record(source.day.year, entry)
    check_cancelled(job)
    # Rows that came in meanwhile are not in the archive.
    if digest_of(_bounded(source)()) != survey.digest:
        raise ArchiveMismatchError("The rows have changed while they were archived")
    return ArchivedDay(
        entry=entry, deletable_count=survey.count, was_uploaded=was_uploaded
    )


def _find(job: ArchiveJob, source: DaySource, folder: Path) -> ArchiveEntry | None:
    """Return what is there, recorded or not; None if nothing is."""
    key = job.keys.day(source.day)
    try:
        found = job.manifests.inspect(key)
    except ArchiveMissingError as err:
        if type(err) is ArchiveMissingError:
            return None
        raise
    recorded = job.manifests.find(source.day.year, key)
    if found is None and recorded is None:
        # Half an upload, taken by a service that does not compare.
        _set_aside(job, key, folder)
        return None
    if recorded is not None and (found is None or recorded.digest == found.digest):
        return recorded
    return found


def _bring(
    job: ArchiveJob, source: DaySource, survey: Survey, folder: Path
) -> tuple[ArchiveEntry, bool]:
    """Return the file that holds all rows, and whether it is a new one."""
    known = _find(job, source, folder)
    if known is not None and known.digest != survey.digest:
        return _merge(job, source, survey, known, folder)
    if known is not None and (verified := recheck(job.files, known)) is not None:
        return verified, False
    # Of a file that is damaged, the source has all that was in it.
    return store_points(job, source, _bounded(source), survey, folder), True


def _merge(
    job: ArchiveJob,
    source: DaySource,
    survey: Survey,
    known: ArchiveEntry,
    folder: Path,
) -> tuple[ArchiveEntry, bool]:
    """Add rows to a file that has others, or has some of them already.

    A source that lost rows to a deletion that was cut short must never replace a
    file that has them still.
    """
    # The home may have been in another time zone, so that the date was another span.
    source = replace(
        source,
        start_ns=min(source.start_ns, to_ns(known.start_at)),
        end_ns=max(source.end_ns, to_ns(known.end_at)),
    )
    old, new = folder / "old.parquet", folder / "new.parquet"
    try:
        known = fetch(job.files, known, old)
    except ArchiveMismatchError:
        # Nothing was ever deleted for the sake of a file that was never verified.
        if known.md5:
            raise
        _set_aside(job, known.key, folder)
        return store_points(job, source, _bounded(source), survey, folder), True
    write_local(job, new, _bounded(source), survey, {})

    def merged() -> Iterator[Point]:
        return merge_points(
            lambda: read_file(old),
            lambda: read_file(new),
            count=known.row_count + survey.count,
        )

    union = take_stock(job, merged)
    if union.digest == known.digest:
        return verify(job.files, known), False
    return store_points(job, source, merged, union, folder), True


def _set_aside(job: ArchiveJob, key: str, folder: Path) -> None:
    """Keep a file that cannot be used under a name that readers skip."""
    _LOGGER.warning("The archived file %s is damaged and is set aside", key)
    path = folder / "damaged"
    size = job.files.head(key).size_bytes
    with opened(path, "wb") as sink:
        job.files.download(key, sink, max_bytes=size)
    parent, _, name = key.rpartition("/")
    with opened(path, "rb") as file:
        sums = checksums_of(file)
        aside = f"{parent}/_damaged_{sums.sha256[:8]}_{name}"
        job.files.upload(aside, file, sums)


def take_stock(job: ArchiveJob, read: PointReader) -> Survey:
    """Find out what is to be written.

    Raises:
        ArchiveError: See `LayoutBuilder`.
    """
    digest, layout = Digest(), LayoutBuilder()
    for point in digest.watch(cancellable(job, read())):
        layout.add(point)
    return Survey(layout=layout.build(), digest=digest.text, count=digest.count)


def store_points(
    job: ArchiveJob,
    source: DaySource,
    read: PointReader,
    survey: Survey,
    folder: Path,
) -> ArchiveEntry:
    """Write the points of a day to a file, upload and verify it."""
    labels = {
        **job.labels,
        LABEL_START: to_iso(source.start_ns),
        LABEL_END: to_iso(source.end_ns),
        "date": source.day.isoformat(),
    }
    path = folder / "day.parquet"
    write_local(job, path, read, survey, labels)
    entry = ArchiveEntry(
        key=job.keys.day(source.day),
        start_at=_at(source.start_ns),
        end_at=_at(source.end_ns),
        row_count=survey.count,
        size_bytes=0,
        md5="",
        sha256="",
        digest=survey.digest,
        archived_at=job.utcnow(),
    )
    return publish(job, path, entry)


def write_local(
    job: ArchiveJob,
    path: Path,
    read: PointReader,
    survey: Survey,
    labels: Mapping[str, str],
) -> None:
    """Write points to a file, and read them back.

    Raises:
        ArchiveMismatchError: They have changed since they were surveyed.
        ArchiveError: See `write_points`.
    """
    own = {"hub": job.keys.hub, "tier": job.keys.tier, LABEL_DIGEST: survey.digest}
    with opened(path, "wb") as sink:
        write_points(
            cancellable(job, read()),
            sink,
            layout=survey.layout,
            labels={**labels, **own},
            units=job.units,
            compression=job.compression,
        )
    if digest_of(cancellable(job, read_file(path))) != survey.digest:
        raise ArchiveMismatchError("The file does not hold what was to be archived")


def publish(job: ArchiveJob, path: Path, entry: ArchiveEntry) -> ArchiveEntry:
    """Upload a file and verify it.

    Args:
        entry: Its sizes and checksums are those of the file, whatever is given.

    Raises:
        ArchiveMismatchError: What is there is something else.
        ArchiveError: See `ArchiveFiles`.
    """
    check_cancelled(job)
    with opened(path, "rb") as file:
        sums = checksums_of(file)
        job.files.upload(entry.key, file, sums, metadata={"rows": str(entry.row_count)})
    full = replace(entry, size_bytes=sums.size_bytes, md5=sums.md5, sha256=sums.sha256)
    return verify(job.files, full)


def verify(files: ArchiveFiles, entry: ArchiveEntry) -> ArchiveEntry:
    """Make sure that a file is stored as it was written.

    Its size, its checksum, and by its footer its rows. Where the service's own
    checksum is not the MD5, as with some kinds of encryption, the whole is read.

    Returns:
        The entry, with its MD5.

    Raises:
        ArchiveMismatchError: It is not.
        ArchiveError: See `ArchiveFiles`.
    """
    try:
        stored = files.head(entry.key)
        is_same = stored.size_bytes == entry.size_bytes and stored.sha256 in {
            None,
            entry.sha256,
        }
        if is_same and stored.etag != entry.md5:
            found = files.download(entry.key, _Nowhere(), max_bytes=entry.size_bytes)
            is_same = found.sha256 == entry.sha256
            entry = replace(entry, md5=found.md5)
        if not is_same:
            raise ArchiveMismatchError("The stored file is not what was uploaded")
        footer = read_stored_footer(files, entry.key, stored.size_bytes)
    except ArchiveMissingError as err:
        if type(err) is not ArchiveMissingError:
            raise
        raise ArchiveMismatchError("The file is not there after its upload") from err
    except ArchiveFormatError as err:
        raise ArchiveMismatchError("The stored file has no footer of ours") from err
    if footer.row_count != entry.row_count or (
        footer.labels.get(LABEL_DIGEST) != entry.digest
    ):
        raise ArchiveMismatchError("The stored file has other rows than were written")
    return entry


def recheck(files: ArchiveFiles, entry: ArchiveEntry) -> ArchiveEntry | None:
    """Verify a file again; None if it is not stored as it was written."""
    try:
        return verify(files, entry)
    except ArchiveMismatchError:
        return None


def fetch(files: ArchiveFiles, entry: ArchiveEntry, path: Path) -> ArchiveEntry:
    """Download a file and make sure that it is whole.

    Returns:
        The entry with the checksums of what was received.

    Raises:
        ArchiveMismatchError: It is not what was recorded.
        ArchiveError: See `ArchiveFiles`.
    """
    with opened(path, "wb") as sink:
        found = files.download(entry.key, sink, max_bytes=entry.size_bytes)
    # A service that keeps no metadata of ours leaves the digest to compare.
    if found.size_bytes != entry.size_bytes or entry.sha256 not in {"", found.sha256}:
        raise ArchiveMismatchError("The stored file is not what was recorded")
    if not entry.sha256 and digest_of(read_file(path)) != entry.digest:
        raise ArchiveMismatchError("The stored file has other rows than it says")
    return replace(entry, md5=found.md5, sha256=found.sha256)


def read_file(path: Path) -> Iterator[Point]:
    """Read the points of a file on disk.

    Raises:
        ArchiveError: See `read_points`.
    """
    with opened(path, "rb") as file:
        yield from read_points(file)


@contextmanager
def opened(path: Path, mode: str) -> Iterator[IO[bytes]]:
    """Open a file of the working folder.

    Raises:
        ArchiveDiskError: It cannot be opened, or not be written to its end.
    """
    try:
        with path.open(mode) as file:
            yield file
    except OSError as err:
        raise ArchiveDiskError("The working folder cannot be used") from err


@contextmanager
def working_folder(parent: Path) -> Iterator[Path]:
    """Give a folder that goes when the work ends.

    Raises:
        ArchiveDiskError: It cannot be made.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX, dir=parent))
    except OSError as err:
        raise ArchiveDiskError("The working folder cannot be used") from err
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(parent: Path) -> None:
    """Remove what killed jobs have left; while no job runs."""
    for folder in parent.glob(f"{_FOLDER_PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)


class _Nowhere(BytesIO):
    """Takes bytes and keeps none."""

    @override
    def write(self, data: object) -> int:
        return 0


def _bounded(source: DaySource) -> PointReader:
    def read() -> Iterator[Point]:
        for point in source.read():
            # Else a deletion of the day would take rows that are not in its file.
            if not source.start_ns <= point.time_ns < source.end_ns:
                raise ArchiveMismatchError("A row is not of the day to be archived")
            yield point

    return read


def cancellable(job: ArchiveJob, points: Iterator[Point]) -> Iterator[Point]:
    """Pass points on until the job is asked to stop."""
    for number, point in enumerate(points):
        if number % _CANCEL_EVERY == 0:
            check_cancelled(job)
        yield point


def check_cancelled(job: ArchiveJob) -> None:
    """Stop if that was asked for.

    Raises:
        ArchiveCancelledError: It was.
    """
    if job.is_cancelled():
        raise ArchiveCancelledError("The job was asked to stop")


def _at(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns // _NS_PER_S, UTC).replace(
        microsecond=time_ns % _NS_PER_S // _NS_PER_US
    )


def to_iso(time_ns: int) -> str:
    """Return an instant as text, in UTC."""
    return _at(time_ns).isoformat()

"""A month in one file, beside its days: fewer and larger files read faster."""

from contextlib import ExitStack
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from ..errors import ArchiveMismatchError
from .archive import (
    ArchiveJob,
    cancellable,
    check_cancelled,
    fetch,
    opened,
    publish,
    read_file,
    recheck,
    working_folder,
)
from .digest import combine, digest_of
from .keys import Month
from .manifest import (
    LABEL_DIGEST,
    LABEL_END,
    LABEL_PARTS,
    LABEL_START,
    ArchiveEntry,
    Manifest,
)
from .parquet import concatenate


def roll_up_month(job: ArchiveJob, month: Month) -> tuple[ArchiveEntry | None, bool]:
    """Make the file of a month from those of its days, which stay.

    Returns:
        Its entry, None if the archive has no day of the month; and whether it is a
        new file: False if it is of the same days already.

    Raises:
        ArchiveMismatchError: A day, or what was written, is not what it should be.
        ArchiveError: See `errors`.
    """
    entries = job.manifests.load(month.year).entries
    days = sorted(
        (
            entry
            for key, entry in entries.items()
            if (day := job.keys.parse_day(key)) and Month.of(day) == month
        ),
        key=lambda entry: entry.key,
    )
    if not days:
        return None, False
    parts = _parts_of(days)
    known = entries.get(job.keys.month(month))
    if known is not None and known.parts == parts:
        verified = recheck(job.files, known)
        if verified is not None:
            return job.manifests.record(month.year, verified), False
    entry = ArchiveEntry(
        key=job.keys.month(month),
        start_at=min(day.start_at for day in days),
        end_at=max(day.end_at for day in days),
        row_count=sum(day.row_count for day in days),
        size_bytes=0,
        md5="",
        sha256="",
        digest=combine(day.digest for day in days),
        archived_at=job.utcnow(),
        parts=parts,
    )
    with working_folder(job.folder) as folder:
        path = folder / "month.parquet"
        _write(job, month, entry, days, path)
        entry = publish(job, path, entry)
    return job.manifests.record(month.year, entry), True


def stale_months(job: ArchiveJob, manifest: Manifest) -> list[Month]:
    """List the months of a year whose roll-up is missing, or older than a day of it."""
    newest: dict[Month, datetime] = {}
    for key, entry in manifest.entries.items():
        if (day := job.keys.parse_day(key)) is not None:
            month = Month.of(day)
            newest[month] = max(newest.get(month, entry.archived_at), entry.archived_at)
    stale = []
    for month, archived_at in newest.items():
        known = manifest.entries.get(job.keys.month(month))
        if known is None or known.archived_at < archived_at:
            stale.append(month)
    return sorted(stale, key=str)


def _parts_of(days: list[ArchiveEntry]) -> str:
    text = "\n".join(f"{day.key} {day.digest}" for day in days)
    return sha256(text.encode()).hexdigest()


def _write(
    job: ArchiveJob,
    month: Month,
    entry: ArchiveEntry,
    days: list[ArchiveEntry],
    path: Path,
) -> None:
    paths = []
    for number, day in enumerate(days):
        check_cancelled(job)
        paths.append(path.with_name(f"{number:02d}.parquet"))
        fetch(job.files, day, paths[-1])
    labels = {
        **job.labels,
        "hub": job.keys.hub,
        "tier": job.keys.tier,
        "month": str(month),
        LABEL_START: entry.start_at.isoformat(),
        LABEL_END: entry.end_at.isoformat(),
        LABEL_DIGEST: entry.digest,
        LABEL_PARTS: entry.parts,
    }
    with ExitStack() as stack:
        sources = [stack.enter_context(opened(source, "rb")) for source in paths]
        sink = stack.enter_context(opened(path, "wb"))
        concatenate(sources, sink, labels=labels, compression=job.compression)
    if digest_of(cancellable(job, read_file(path))) != entry.digest:
        raise ArchiveMismatchError("The roll-up does not hold what its days hold")

"""What an archive has: its files, and how much they are. Blocking, for threads."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
import datetime as dt

from .archive_place import ArchivePlace
from .files import StoredFile
from .keys import ArchiveKeys, Month
from .manifest import ArchiveEntry
from .tiers import Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSize:
    """How much an archive has.

    Attributes:
        file_count: Days, of all tiers; roll-ups repeat them.
        size_bytes: Of all files, roll-ups included: what is paid for.
        oldest, newest: Local dates; None for an empty archive.
    """

    file_count: int = 0
    size_bytes: int = 0
    oldest: dt.date | None = None
    newest: dt.date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile:
    """One file, and what it is of.

    Attributes:
        month: Of a roll-up; None for a day.
        day: None for a roll-up.
    """

    tier: Tier
    day: dt.date | None
    month: Month | None
    entry: ArchiveEntry


def measure(place: ArchivePlace) -> ArchiveSize:
    """Ask the service what there is; a request for each thousand files.

    Raises:
        ArchiveError: See `s3_errors`.
    """
    days: list[dt.date] = []
    size_bytes = 0
    for _, found, day in _list_files(place, tuple(Tier)):
        size_bytes += found.size_bytes
        if day is not None:
            days.append(day)
    return ArchiveSize(
        file_count=len(days),
        size_bytes=size_bytes,
        oldest=min(days, default=None),
        newest=max(days, default=None),
    )


def list_archived(
    place: ArchivePlace, tiers: Collection[Tier], *, has_months: bool = True
) -> list[ArchivedFile]:
    """List the files of tiers as they are recorded: by tier and date.

    Raises:
        ArchiveError: See `ManifestStore.load`.
    """
    files: list[ArchivedFile] = []
    for tier in tiers:
        years = {
            day.year for _, _, day in _list_files(place, (tier,)) if day is not None
        }
        job = place.job(tier)
        for year in sorted(years):
            entries = job.manifests.load(year).entries
            files += [
                file
                for key in sorted(entries)
                if (file := _describe(job.keys, tier, entries[key])) is not None
                and (has_months or file.day is not None)
            ]
    return files


def _describe(
    keys: ArchiveKeys, tier: Tier, entry: ArchiveEntry
) -> ArchivedFile | None:
    day, month = keys.parse_day(entry.key), keys.parse_month(entry.key)
    if day is None and month is None:
        return None
    return ArchivedFile(tier=tier, day=day, month=month, entry=entry)


def _list_files(
    place: ArchivePlace, tiers: Collection[Tier]
) -> Iterator[tuple[Tier, StoredFile, dt.date | None]]:
    for tier in tiers:
        if tier is Tier.ARCHIVE:
            continue
        keys = place.keys(tier)
        for found in place.files.list_all(keys.root):
            yield tier, found, keys.parse_day(found.key)

"""The archive of one hub: one place for files, with a folder for each tier."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from .archive import ArchiveJob
from .files import ArchiveFiles
from .keys import ArchiveKeys
from .manifest import ManifestStore
from .parquet import Compression
from .tiers import Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePlace:
    """Where the archive is, and how its files are made.

    Attributes:
        prefix: Chosen by the user; empty for none.
        hub: Folder that tells two hubs in one bucket apart; must never change.
        folder: On this machine, for files on their way.
        units: Key of a field to its unit.
        labels: Kept in each file.
    """

    files: ArchiveFiles
    prefix: str
    hub: str
    folder: Path
    units: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    compression: Compression = Compression.GZIP

    @property
    def root(self) -> str:
        """Prefix of everything of this hub, with a slash at its end."""
        return self.keys(Tier.DAILY).hub_root

    def keys(self, tier: Tier) -> ArchiveKeys:
        """Return where the files of a tier are."""
        return ArchiveKeys(prefix=self.prefix, hub=self.hub, tier=tier.value)

    def job(
        self, tier: Tier, *, is_cancelled: Callable[[], bool] | None = None
    ) -> ArchiveJob:
        """Return what reading and writing the files of a tier needs.

        Args:
            is_cancelled: Asked now and then, from the job's thread; None for a job
                that nobody stops.
        """
        keys = self.keys(tier)
        return ArchiveJob(
            files=self.files,
            manifests=ManifestStore(self.files, keys),
            keys=keys,
            folder=self.folder,
            units=self.units,
            labels=self.labels,
            compression=self.compression,
            is_cancelled=is_cancelled or _is_never,
        )

    def reader(self, tier: Tier) -> ArchiveJob:
        """Return what only reads, beside the job that writes.

        It has a folder of its own: a run begins with what killed ones have left.
        """
        return replace(self.job(tier), folder=reading_folder(self.folder))


def reading_folder(folder: Path) -> Path:
    """Return where files are read, given where they are made."""
    return folder / "read"


def _is_never() -> bool:
    return False

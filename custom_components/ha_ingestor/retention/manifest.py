"""The list of what a year of an archive has, as JSON beside its files.

The files are the truth: a list that is missing or damaged is made again from them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from io import BytesIO
import json
import logging
from typing import Any, Final, Self

from ..errors import (
    ArchiveFormatError,
    ArchiveMismatchError,
    ArchiveMissingError,
    ArchiveNewerError,
)
from .files import ArchiveFiles, StoredFile, checksums_of
from .keys import ArchiveKeys
from .parquet_read import FOOTER_END_BYTES, Footer, footer_bytes, parse_footer

_LOGGER = logging.getLogger(__name__)

# Raised when a reader of the former would misread the latter.
FORMAT: Final = 1
# A year has at most 378 files, of some 500 bytes each here.
_MAX_BYTES: Final = 4 * 2**20
_CONTENT_TYPE: Final = "application/json"

# Labels of a file that its entry is made of.
LABEL_START: Final = "start"
LABEL_END: Final = "end"
LABEL_DIGEST: Final = "digest"
LABEL_PARTS: Final = "parts"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveEntry:
    """One file of an archive, after it was verified.

    Attributes:
        start_at, end_at: What it is of; the end is exclusive.
        md5: Empty if the file was found, but never verified.
        sha256: Empty if that was not noted at the upload.
        digest: Of its points, see `digest`.
        parts: Of a roll-up: what tells the days that it was made of; else empty.
        archived_at: When it was recorded.
    """

    key: str
    start_at: datetime
    end_at: datetime
    row_count: int
    size_bytes: int
    md5: str
    sha256: str
    digest: str
    archived_at: datetime
    parts: str = ""

    def is_same(self, other: ArchiveEntry) -> bool:
        """Whether both say the same, whenever that was."""
        return replace(self, archived_at=other.archived_at) == other

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `as_json` has given.

        Raises:
            ValueError, KeyError, TypeError: It is something else.
        """
        values: dict[str, Any] = {}
        for item in fields(cls):
            value = data[item.name]
            kind = type(value)
            if item.type is datetime:
                value = datetime.fromisoformat(value)
                if value.tzinfo is None:
                    raise ValueError("A time has no offset")
            elif kind is not item.type:
                raise TypeError(f"{item.name} cannot be {kind.__name__}")
            values[item.name] = value
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The files of a year.

    Attributes:
        entries: By their keys.
    """

    hub: str
    tier: str
    year: int
    entries: Mapping[str, ArchiveEntry] = field(default_factory=dict)

    def with_entry(self, entry: ArchiveEntry) -> Manifest:
        """Return one that has an entry, too; this one itself if it has it already."""
        before = self.entries.get(entry.key)
        if before is not None and before.is_same(entry):
            return self
        return replace(self, entries={**self.entries, entry.key: entry})

    def dump(self) -> bytes:
        """Return it as JSON; the same content gives the same bytes."""
        document = {
            "format": FORMAT,
            "hub": self.hub,
            "tier": self.tier,
            "year": self.year,
            "files": [self.entries[key].as_json() for key in sorted(self.entries)],
        }
        return json.dumps(document, ensure_ascii=False, indent=1).encode()


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        ArchiveNewerError: It is of a newer version.
        ArchiveFormatError: It is none.
    """
    try:
        document = json.loads(data)
        if document["format"] > FORMAT:
            raise ArchiveNewerError("A newer version has made this manifest")
        entries = [ArchiveEntry.from_json(item) for item in document["files"]]
        return Manifest(
            hub=str(document["hub"]),
            tier=str(document["tier"]),
            year=int(document["year"]),
            entries={entry.key: entry for entry in entries},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
        raise ArchiveFormatError("This is no manifest of ours") from err


def read_stored_footer(files: ArchiveFiles, key: str, size_bytes: int) -> Footer:
    """Read the footer of a stored file, and no more of it.

    Raises:
        ArchiveFormatError: It is none of ours.
        ArchiveError: See `ArchiveFiles`.
    """
    if size_bytes < FOOTER_END_BYTES:
        raise ArchiveFormatError("This is no Parquet file of ours")
    end = files.read_range(key, size_bytes - FOOTER_END_BYTES, FOOTER_END_BYTES)
    length = footer_bytes(end)
    if length > size_bytes:
        raise ArchiveFormatError("This is no Parquet file of ours")
    return parse_footer(files.read_range(key, size_bytes - length, length))


class ManifestStore:
    """The manifests of one tier; for one job at a time."""

    def __init__(self, files: ArchiveFiles, keys: ArchiveKeys) -> None:
        """Keep where they are."""
        self._files = files
        self._keys = keys

    def load(self, year: int) -> Manifest:
        """Read the manifest of a year, or make it from the files.

        Raises:
            ArchiveNewerError: It is of a newer version, so it is left alone.
            ArchiveError: See `ArchiveFiles`.
        """
        stored = self._read(year)
        return self.rebuild(year) if stored is None else stored

    def _read(self, year: int) -> Manifest | None:
        """Read the manifest; None if there is none, or it cannot be read."""
        key = self._keys.manifest(year)
        buffer = BytesIO()
        try:
            self._files.download(key, buffer, max_bytes=_MAX_BYTES)
            return parse_manifest(buffer.getvalue())
        except ArchiveNewerError:
            raise
        except ArchiveMissingError as err:
            if type(err) is not ArchiveMissingError:
                raise
        except ArchiveFormatError, ArchiveMismatchError:
            _LOGGER.warning("The manifest %s cannot be read, making it again", key)
        return None

    def find(self, year: int, key: str) -> ArchiveEntry | None:
        """Return what is recorded of a file; None if nothing is.

        Raises:
            ArchiveError: See `load`.
        """
        return self.load(year).entries.get(key)

    def record(self, year: int, entry: ArchiveEntry) -> ArchiveEntry:
        """Add a file to its year; nothing is written if it is there already.

        Returns:
            The entry as it is recorded now: the earlier one, if it says the same.

        Raises:
            ArchiveMismatchError: What was written cannot be read back.
            ArchiveError: See `load`.
        """
        stored = self._read(year)
        if stored is None:
            before = self.rebuild(year)
            after = replace(before, entries={**before.entries, entry.key: entry})
        else:
            after = stored.with_entry(entry)
        if after is not stored:
            self._save(after)
        return after.entries[entry.key]

    def _save(self, manifest: Manifest) -> None:
        data = manifest.dump()
        key = self._keys.manifest(manifest.year)
        file = BytesIO(data)
        # Read at every run, so not in a class that charges for reading.
        self._files.upload(
            key,
            file,
            checksums_of(file),
            content_type=_CONTENT_TYPE,
            storage_class="",
        )
        found = BytesIO()
        self._files.download(key, found, max_bytes=_MAX_BYTES)
        if found.getvalue() != data:
            raise ArchiveMismatchError("The manifest is not what was written")

    def rebuild(self, year: int) -> Manifest:
        """Make a manifest from the files of a year; nothing is written.

        Raises:
            ArchiveError: See `ArchiveFiles`. Files that are none of ours are no error.
        """
        entries = {}
        for prefix in (self._keys.year_root(year), self._keys.months_root(year)):
            for found in self._files.list_all(prefix):
                if self._is_data(found.key) and (entry := self.inspect(found.key)):
                    entries[entry.key] = entry
        return Manifest(
            hub=self._keys.hub, tier=self._keys.tier, year=year, entries=entries
        )

    def _is_data(self, key: str) -> bool:
        return (
            self._keys.parse_day(key) is not None
            or self._keys.parse_month(key) is not None
        )

    def inspect(self, key: str) -> ArchiveEntry | None:
        """Read from a file itself what its entry is; None if it is none of ours.

        Raises:
            ArchiveMissingError: There is no such file.
            ArchiveNewerError: It is of a newer version.
            ArchiveError: See `ArchiveFiles`.
        """
        stored = self._files.head(key)
        try:
            footer = read_stored_footer(self._files, key, stored.size_bytes)
            return _entry_of(stored, footer)
        except ArchiveNewerError:
            raise
        except ArchiveFormatError:
            _LOGGER.warning("The file %s is none of the archive", key)
            return None


def _entry_of(stored: StoredFile, footer: Footer) -> ArchiveEntry | None:
    labels = footer.labels
    try:
        return ArchiveEntry(
            key=stored.key,
            start_at=datetime.fromisoformat(labels[LABEL_START]),
            end_at=datetime.fromisoformat(labels[LABEL_END]),
            row_count=footer.row_count,
            size_bytes=stored.size_bytes,
            # Only a verification knows it.
            md5="",
            # Some services keep no metadata.
            sha256=stored.sha256 or "",
            digest=labels[LABEL_DIGEST],
            archived_at=stored.modified_at,
            parts=labels.get(LABEL_PARTS, ""),
        )
    except (KeyError, ValueError) as err:
        raise ArchiveFormatError("The file lacks labels of ours") from err

"""What the archive needs of a place for files, whatever that is made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
import hashlib
from typing import IO, Final, Protocol

from ..errors import ArchiveDiskError

CHUNK_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksums:
    """Of the bytes of a file.

    Attributes:
        md5, sha256: In hexadecimal digits.
    """

    size_bytes: int
    md5: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """What a service says about a file.

    Attributes:
        etag: Often, but not everywhere, the MD5 in hexadecimal digits.
        sha256: As we have noted it at the upload; None where that is not known.
        storage_class: Empty for the usual one.
    """

    key: str
    size_bytes: int
    etag: str
    modified_at: datetime
    sha256: str | None = None
    storage_class: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a list.

    Attributes:
        next_token: For the next one; None after the last.
    """

    objects: tuple[StoredFile, ...]
    next_token: str | None


def checksums_of(file: IO[bytes]) -> Checksums:
    """Read a file once from its beginning, and wind it back.

    Raises:
        ArchiveDiskError: It cannot be read.
    """
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    try:
        file.seek(0)
        while chunk := file.read(CHUNK_BYTES):
            md5.update(chunk)
            sha256.update(chunk)
            size += len(chunk)
        file.seek(0)
    except OSError as err:
        raise ArchiveDiskError("The working folder cannot be read") from err
    return Checksums(size_bytes=size, md5=md5.hexdigest(), sha256=sha256.hexdigest())


class ArchiveFiles(Protocol):
    """A place for files: a bucket. All raise `ArchiveError`."""

    def upload(
        self,
        key: str,
        file: IO[bytes],
        checksums: Checksums,
        *,
        content_type: str = ...,
        storage_class: str | None = ...,
        metadata: Mapping[str, str] | None = ...,
    ) -> None:
        """Put a file there whole, or not at all."""
        ...

    def head(self, key: str) -> StoredFile:
        """Ask what is there."""
        ...

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """Read some bytes of a file."""
        ...

    def download(self, key: str, sink: IO[bytes], *, max_bytes: int) -> Checksums:
        """Read a whole file into another."""
        ...

    def list_all(self, prefix: str) -> Iterator[StoredFile]:
        """List files in the order of their keys."""
        ...

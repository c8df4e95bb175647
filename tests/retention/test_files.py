"""Checksums of files that are to be archived."""

import hashlib
import io
from typing import override

import pytest

from custom_components.ha_ingestor.errors import ArchiveDiskError
from custom_components.ha_ingestor.retention.files import checksums_of


class _DyingDisk(io.BytesIO):
    """Gives some of its bytes, then fails."""

    _reads = 0

    @override
    def read(self, size: int | None = -1, /) -> bytes:
        self._reads += 1
        if self._reads > 1:
            raise OSError("Input/output error")
        return super().read(1)


def test_a_file_is_read_once_and_wound_back() -> None:
    content = bytes(range(256)) * 5_000
    file = io.BytesIO(content)
    file.seek(17)

    checksums = checksums_of(file)

    assert checksums.size_bytes == len(content)
    assert checksums.sha256 == hashlib.sha256(content).hexdigest()
    assert checksums.md5 == hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert file.tell() == 0


def test_a_disk_that_dies_is_said() -> None:
    with pytest.raises(ArchiveDiskError, match="cannot be read"):
        checksums_of(_DyingDisk(b"abc"))

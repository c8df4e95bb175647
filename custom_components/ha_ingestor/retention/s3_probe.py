"""Whether a bucket can be an archive: tried, not asked."""

from io import BytesIO
from typing import Final

from ..errors import (
    ArchiveMismatchError,
    ArchivePermissionError,
    ArchiveUnsupportedError,
)
from .files import checksums_of
from .s3 import S3Bucket

# One name, so that keys without the right to delete leave one such file.
PROBE_NAME: Final = "_probe.txt"
_CONTENT: Final = b"HA Ingestor tries whether it can use this bucket.\n"


def probe_bucket(bucket: S3Bucket, root: str) -> None:
    """Put a small file, look at it, read it back, list it and delete it.

    Args:
        root: Prefix of the hub, with a slash at its end.

    Raises:
        ArchiveMismatchError: What was read is not what was written.
        ArchiveError: See `s3_errors`.
    """
    key = f"{root}{PROBE_NAME}"
    file = BytesIO(_CONTENT)
    bucket.upload(key, file, checksums_of(file), content_type="text/plain")
    found = BytesIO()
    stored = bucket.head(key)
    bucket.download(key, found, max_bytes=len(_CONTENT))
    page = bucket.list_page(root, limit=1)
    if (
        found.getvalue() != _CONTENT
        or stored.size_bytes != len(_CONTENT)
        or not page.objects
    ):
        raise ArchiveMismatchError("The bucket does not give back what was put there")
    # An archive never deletes: keys without that right are the safer ones. And some
    # buckets keep every file for a while.
    try:
        bucket.delete(key)
    except ArchivePermissionError, ArchiveUnsupportedError:
        return

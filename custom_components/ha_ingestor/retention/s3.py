"""One bucket of any service that speaks S3.

Blocking, for threads. Every request is bounded: in time, in tries and in bytes. All
that is used is what even small services know: an upload carries `Content-MD5`, by
which they refuse a damaged body, instead of the newer checksums, and is never split.
"""

from base64 import b64encode
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
import hashlib
import time
from typing import IO, Any, Final
from urllib.parse import urlsplit

from ..errors import (
    ArchiveDiskError,
    ArchiveMismatchError,
    ArchiveProtocolError,
    ArchiveTargetError,
    ArchiveUnavailableError,
    ArchiveUnsupportedError,
)
from .files import CHUNK_BYTES, Checksums, Page, StoredFile
from .packages import load
from .s3_errors import mapped

# Readable at once, at a sixth of the price of the usual class.
DEFAULT_STORAGE_CLASS: Final = "GLACIER_IR"

_CONNECT_TIMEOUT_S: Final = 10.0
# From one byte to the next; a service that has to thaw something takes its time.
_READ_TIMEOUT_S: Final = 60.0
# With pauses that double, some ten seconds. The job itself tries again another day.
_TRY_COUNT: Final = 4
# For a whole download: a day of raw rows is some tens of megabytes.
_DOWNLOAD_TIMEOUT_S: Final = 1_800.0
# S3 takes no more at once, and a day of ours is a thousandth of it.
_MAX_UPLOAD_BYTES: Final = 5 * 2**30
# The most that one page can have.
_PAGE_COUNT: Final = 1_000
# Services elsewhere ignore it, but a signature needs one.
_ANY_REGION: Final = "us-east-1"
_META_SHA256: Final = "sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Target:
    """A bucket and how to get at it; secrets are kept out of `repr`.

    Attributes:
        endpoint_url: Empty for AWS itself.
        region: Empty for that of the environment, or any.
        is_path_style: Bucket in the path, as most services at home want it.
        access_key_id, secret_access_key: Empty for the environment's own: variables,
            a shared file, or the role of the machine.
        session_token: Only with keys that last for hours; empty otherwise.
        storage_class: Empty for the bucket's own.
        ca_path: File of the authority that signed the service's certificate; empty
            for the system's.
    """

    bucket: str
    endpoint_url: str = ""
    region: str = ""
    is_path_style: bool = False
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    storage_class: str = DEFAULT_STORAGE_CLASS
    verify_ssl: bool = True
    ca_path: str = ""

    def __post_init__(self) -> None:
        """Refuse what would show a secret, or asks for half of the keys.

        Raises:
            ArchiveTargetError: See its message.
        """
        try:
            parts = urlsplit(self.endpoint_url)
            # A port that is none raises.
            is_whole = bool(parts.hostname) and parts.port != 0
        except ValueError as err:
            raise ArchiveTargetError("The address is not valid") from err
        if self.endpoint_url and (
            not is_whole or parts.scheme not in {"http", "https"}
        ):
            raise ArchiveTargetError("The address must begin with https:// or http://")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ArchiveTargetError("The address must be without keys and queries")
        if bool(self.access_key_id) != bool(self.secret_access_key):
            raise ArchiveTargetError("Key and secret belong together")


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Limits:
    """How long to wait and how often to try; tests make it quick."""

    connect_timeout_s: float = _CONNECT_TIMEOUT_S
    read_timeout_s: float = _READ_TIMEOUT_S
    download_timeout_s: float = _DOWNLOAD_TIMEOUT_S
    try_count: int = _TRY_COUNT


class S3Bucket:
    """Files in one bucket; for several threads, made by the first call."""

    def __init__(self, target: S3Target, limits: S3Limits | None = None) -> None:
        """Keep what is needed; nothing is loaded or asked yet."""
        self.target = target
        self._limits = limits or S3Limits()
        self._made: Any = None

    def close(self) -> None:
        """Close the connections; a later call opens them again."""
        made, self._made = self._made, None
        if made is not None:
            made.close()

    @property
    def client(self) -> Any:
        """boto3's client, made on first use; for the modules of this room."""
        if self._made is None:
            with mapped("s3:CreateClient"):
                self._made = self._make_client()
        return self._made

    def _make_client(self) -> Any:
        target, limits = self.target, self._limits
        session = load("boto3.session").Session(
            aws_access_key_id=target.access_key_id or None,
            aws_secret_access_key=target.secret_access_key or None,
            aws_session_token=target.session_token or None,
        )
        config = load("botocore.config").Config(
            connect_timeout=limits.connect_timeout_s,
            read_timeout=limits.read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": limits.try_count},
            s3={"addressing_style": "path" if target.is_path_style else "auto"},
            # Many services do not know the checksums that boto3 adds by itself.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            user_agent_extra="ha_ingestor",
        )
        return session.client(
            "s3",
            region_name=target.region or session.region_name or _ANY_REGION,
            endpoint_url=target.endpoint_url or None,
            verify=(target.ca_path or True) if target.verify_ssl else False,
            config=config,
        )

    def upload(
        self,
        key: str,
        file: IO[bytes],
        checksums: Checksums,
        *,
        content_type: str = "application/vnd.apache.parquet",
        storage_class: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Put a file there whole, or not at all.

        Args:
            file: At its beginning.
            storage_class: Empty for the bucket's own, None for the target's.
            metadata: Kept with the file; small and ASCII.

        Raises:
            ArchiveMismatchError: The service has received something else.
            ArchiveError: See `s3_errors`.
        """
        if checksums.size_bytes > _MAX_UPLOAD_BYTES:
            raise ArchiveUnsupportedError("A file of more than 5 GiB cannot be stored")
        chosen = self.target.storage_class if storage_class is None else storage_class
        arguments: dict[str, Any] = {
            "Body": file,
            "ContentLength": checksums.size_bytes,
            "ContentMD5": b64encode(bytes.fromhex(checksums.md5)).decode(),
            "ContentType": content_type,
            "Metadata": {**(metadata or {}), _META_SHA256: checksums.sha256},
        }
        if chosen:
            arguments["StorageClass"] = chosen
        client = self.client
        with mapped("s3:PutObject"):
            answer = client.put_object(Bucket=self.target.bucket, Key=key, **arguments)
        # A page to log in to some network says yes to everything, too.
        if not answer.get("ETag"):
            raise ArchiveProtocolError("The answer is not one to an upload")

    def head(self, key: str) -> StoredFile:
        """Ask what is there.

        Raises:
            ArchiveMissingError: Nothing is.
            ArchiveError: See `s3_errors`.
        """
        client = self.client
        with mapped("s3:GetObject"):
            answer = client.head_object(Bucket=self.target.bucket, Key=key)
        if "LastModified" not in answer or "ContentLength" not in answer:
            raise ArchiveProtocolError("The answer does not describe a file")
        return StoredFile(
            key=key,
            size_bytes=answer["ContentLength"],
            etag=answer.get("ETag", "").strip('"'),
            modified_at=answer["LastModified"],
            sha256=answer.get("Metadata", {}).get(_META_SHA256),
            storage_class=answer.get("StorageClass", ""),
        )

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """Read some bytes of a file.

        Raises:
            ArchiveMismatchError: The file is shorter.
            ArchiveError: See `s3_errors`.
        """
        span = f"bytes={start}-{start + length - 1}"
        client = self.client
        data = bytearray()
        with mapped("s3:GetObject"):
            answer = client.get_object(Bucket=self.target.bucket, Key=key, Range=span)
            # A service that does not know ranges sends the whole file.
            skipped = 0 if answer.get("ContentRange") else start
            with closing(self._chunks(answer["Body"])) as chunks:
                for chunk in chunks:
                    data += chunk
                    if len(data) >= skipped + length:
                        break
        if len(data) < skipped + length:
            raise ArchiveMismatchError("The file is shorter than it should be")
        return bytes(data[skipped : skipped + length])

    def download(self, key: str, sink: IO[bytes], *, max_bytes: int) -> Checksums:
        """Read a whole file into another, from where that stands.

        Returns:
            Of what was received.

        Raises:
            ArchiveMismatchError: It has more bytes than it should have.
            ArchiveDiskError: The sink takes no more.
            ArchiveError: See `s3_errors`.
        """
        md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
        client = self.client
        with mapped("s3:GetObject"):
            answer = client.get_object(Bucket=self.target.bucket, Key=key)
        with closing(self._chunks(answer["Body"])) as chunks:
            while True:
                with mapped("s3:GetObject"):
                    chunk = next(chunks, b"")
                if not chunk:
                    break
                size += len(chunk)
                if size > max_bytes:
                    raise ArchiveMismatchError(
                        f"The file has more than {max_bytes} bytes"
                    )
                md5.update(chunk)
                sha256.update(chunk)
                _write(sink, chunk)
        return Checksums(
            size_bytes=size, md5=md5.hexdigest(), sha256=sha256.hexdigest()
        )

    def _chunks(self, body: Any) -> Generator[bytes]:
        """Yield what arrives, as long as the whole takes no longer than allowed."""
        deadline = time.monotonic() + self._limits.download_timeout_s
        try:
            # The stream compares with Content-Length at its end.
            while chunk := body.read(CHUNK_BYTES):
                yield chunk
                if time.monotonic() > deadline:
                    raise ArchiveUnavailableError("The download took too long")
        finally:
            body.close()

    def list_page(
        self, prefix: str, *, limit: int = _PAGE_COUNT, token: str | None = None
    ) -> Page:
        """List files in the order of their keys.

        Args:
            token: From the page before.

        Raises:
            ArchiveError: See `s3_errors`.
        """
        arguments = {"ContinuationToken": token} if token else {}
        client = self.client
        with mapped("s3:ListBucket"):
            answer = client.list_objects_v2(
                Bucket=self.target.bucket,
                Prefix=prefix,
                MaxKeys=min(limit, _PAGE_COUNT),
                **arguments,
            )
        if "IsTruncated" not in answer:
            raise ArchiveProtocolError("The answer is no list of files")
        return Page(
            objects=tuple(
                StoredFile(
                    key=found["Key"],
                    size_bytes=found["Size"],
                    etag=found.get("ETag", "").strip('"'),
                    modified_at=found["LastModified"],
                    storage_class=found.get("StorageClass", ""),
                )
                for found in answer.get("Contents", ())
            ),
            next_token=answer.get("NextContinuationToken") or None,
        )

    def list_all(self, prefix: str) -> Iterator[StoredFile]:
        """List files, asking for page after page.

        Raises:
            ArchiveError: See `s3_errors`.
        """
        token: str | None = None
        while True:
            page = self.list_page(prefix, token=token)
            yield from page.objects
            if page.next_token is None or page.next_token == token:
                return
            token = page.next_token

    def delete(self, key: str) -> None:
        """Delete a file; one that is not there is no error. For probes only.

        Raises:
            ArchiveError: See `s3_errors`.
        """
        client = self.client
        with mapped("s3:DeleteObject"):
            client.delete_object(Bucket=self.target.bucket, Key=key)


def _write(sink: IO[bytes], chunk: bytes) -> None:
    try:
        sink.write(chunk)
    except OSError as err:
        raise ArchiveDiskError("The working folder cannot be written to") from err

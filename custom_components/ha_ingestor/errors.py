"""The errors that cross a room's border.

```
IngestorError
  StoreError                     anything that InfluxDB or the way to it answers
    StoreUnavailableError          try again later (connection, 429, 5xx)
      StoreHostUnknownError          the name does not resolve
      StoreRefusedError              nobody listens there
      StoreTlsError                  certificate or protocol not accepted
      StoreTimeoutError              no answer in time
    StoreAuthError                 401: user, password or token refused
    StorePermissionError           403: known, but not allowed to do this
    StoreMissingError              404: database, bucket or organization missing
      StoreOrganizationMissingError  2.x: the organization, not the bucket
    BatchTooLargeError             413: send less at a time
    BatchRejectedError             400, 422: at least one line is bad
    StoreProtocolError             it answers, but not as an InfluxDB does
    StoreVersionError              an InfluxDB, but of another generation
    StoreQueryError                a query was understood and failed
    StoreUnsupportedError          this generation cannot do that
  DiskBufferError
    BufferUnusableError            folder not writable, or a newer version's file
    BufferFullError                the disk has no room
    BufferCorruptError             the file is damaged: move it aside, start clean
  RetentionError                 rows cannot move on to the next tier, or go
    RetentionStoresError           stores are missing that a person has to create
    RetentionMismatchError         what is stored is not what was written
    RetentionRegressionError       a window would be made again from fewer rows
    RetentionUnverifiedError       rows are not proven to be in the next tier
    RetentionLeftoverError         rows are still there after they were deleted
    CheckpointError                the record of what is verified cannot be used
    RetentionCancelledError        the job was asked to stop
  ViewUnknownError               there is no such view
  ViewFilterError                a view has nothing to filter by like that
  SourceError                    an outside source did not give its data
    SourceUnavailableError         try again later (connection, timeout, 429, 5xx)
    SourceAuthError                key, token or password refused
    SourceArgumentError            this source is configured wrongly
    SourceDataError                this answer cannot be read
  HistoryError                   the past cannot be read
    HistoryArgumentError           it was asked for wrongly
  TooManyJobsError               no more long jobs may wait
  PackagesMissingError           packages of a feature cannot be installed
  RecorderMissingError           Home Assistant's recorder is not in use, or is down
  ImportFileError                a file to import is missing, closed, or has changed
    ImportGoneError                an upload was taken already, or never arrived
    ImportTooLargeError            an upload is larger than what may be kept
    ImportColumnsError             its first line names columns, but not all
  ArchiveError                   nothing was lost: data stays where it was
    ArchiveUnavailableError        try again later (connection, 429, 5xx)
    ArchiveAuthError               keys refused, expired, or none found
    ArchivePermissionError         the keys are known, but not allowed to do this
    ArchiveMissingError            no such file in the bucket
      ArchiveBucketMissingError      no such bucket
    ArchiveTargetError             bucket, region or address is configured wrongly
    ArchiveUnsupportedError        this service has no such function
    ArchiveFrozenError             lies in cold storage that must be thawed first
    ArchiveMismatchError           what was read back is not what was written
    ArchiveFormatError             a file is not one of ours, or is damaged
      ArchiveNewerError              a newer version of this integration has made it
    ArchiveProtocolError           it answers, but not as S3 does
    ArchiveDiskError               no room, or no right, in the working folder
    ArchiveLibraryError            boto3 or pyarrow is not installed or does not run
    ArchiveCursorError             a page cannot be gone on with
    ArchiveCancelledError          the job was asked to stop
```

Mapping happens once, at the border: no error of a library crosses it.
No message holds a secret.
"""

from collections.abc import Mapping
from enum import StrEnum


class IngestorError(Exception):
    """Base of all errors of this integration."""


class StoreError(IngestorError):
    """InfluxDB, or the way to it, refused something."""


class StoreUnavailableError(StoreError):
    """The store cannot be reached or is busy: keep the batch, try later."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        """Keep what the server asked for; seconds, None if it did not ask."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StoreHostUnknownError(StoreUnavailableError):
    """The host name does not resolve."""


class StoreRefusedError(StoreUnavailableError):
    """The host refused the connection."""


class StoreTlsError(StoreUnavailableError):
    """The TLS handshake failed, most often because of the certificate."""


class StoreTimeoutError(StoreUnavailableError):
    """The host did not answer in time."""


class StoreAuthError(StoreError):
    """The credentials are refused."""


class StoreRight(StrEnum):
    """What credentials may be allowed to do."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    CREATE = "create"  # databases and buckets


class StorePermissionError(StoreError):
    """The credentials are known but lack a permission."""

    def __init__(self, message: str, *, right: StoreRight | None = None) -> None:
        """Keep which right is missing; None where it is not known."""
        super().__init__(message)
        self.right = right


class StoreMissingError(StoreError):
    """The database, bucket, retention policy or organization does not exist."""


class StoreOrganizationMissingError(StoreMissingError):
    """The organization does not exist, or the token may not see it."""


class BatchTooLargeError(StoreError):
    """The request is larger than the server or a proxy accepts."""


class BatchRejectedError(StoreError):
    """The server refused at least one line and will refuse it again."""

    def __init__(
        self, reason: str, *, bad_lines: Mapping[int, str] | None = None
    ) -> None:
        """Keep the server's words.

        Args:
            reason: The server's own words.
            bad_lines: Zero-based line number to reason, where the server names
                every bad line and has written all others. None where it does not.
        """
        super().__init__(reason)
        self.reason = reason
        self.bad_lines = bad_lines


class StoreProtocolError(StoreError):
    """What answers is not an InfluxDB, or garbage came back."""


class StoreVersionError(StoreError):
    """The server is an InfluxDB of another generation than expected."""

    def __init__(self, message: str, *, expected: str, found: str) -> None:
        """Keep both generations: "1", "2" or "3"."""
        super().__init__(message)
        self.expected = expected
        self.found = found


class StoreQueryError(StoreError):
    """The server understood a query and could not run it."""


class StoreUnsupportedError(StoreError):
    """This generation of InfluxDB has no such function."""


class DiskBufferError(IngestorError):
    """The buffer on disk failed."""


class BufferUnusableError(DiskBufferError):
    """The buffer cannot be opened at all."""


class BufferFullError(DiskBufferError):
    """The disk has no room for the batch."""


class BufferCorruptError(DiskBufferError):
    """The file of the buffer is damaged."""

    def __init__(self, message: str, *, generation: int) -> None:
        """Remember which file it was: another thread may have replaced it by now."""
        super().__init__(message)
        self.generation = generation


class RetentionError(IngestorError):
    """Rows cannot move to the next tier, or cannot be deleted; they stay."""


class RetentionStoresError(RetentionError):
    """Stores of the tiers are missing, and these credentials cannot create them.

    Attributes:
        missing: Their names, in the order of the tiers.
    """

    def __init__(self, missing: tuple[str, ...], reason: str) -> None:
        """Keep what a person has to create, and the server's own words."""
        super().__init__(f"Missing: {', '.join(missing)} ({reason})")
        self.missing = missing
        self.reason = reason


class RetentionMismatchError(RetentionError):
    """What was read back is not what should be stored.

    Attributes:
        disagreements: Each says which row and field, what was expected and found;
            the first ones, where there are many.
        count: How many there are.
    """

    def __init__(self, disagreements: tuple[str, ...], count: int) -> None:
        """Keep what disagrees."""
        super().__init__(f"{count} disagreements: {'; '.join(disagreements)}")
        self.disagreements = disagreements
        self.count = count


class RetentionRegressionError(RetentionError):
    """A stored window was made from more rows than are there now: it stays.

    Attributes:
        rows: Each says which row it is, and both counts.
    """

    def __init__(self, rows: tuple[str, ...]) -> None:
        """Keep which rows would have lost something."""
        super().__init__(f"Fewer rows than before: {'; '.join(rows)}")
        self.rows = rows


class RetentionUnverifiedError(RetentionError):
    """Rows may not be deleted: not all of them are proven to be in the next tier.

    Attributes:
        spans: Start and end (exclusive) of what is not; nanoseconds.
    """

    def __init__(self, message: str, spans: tuple[tuple[int, int], ...] = ()) -> None:
        """Keep what has to be done first."""
        super().__init__(message)
        self.spans = spans


class RetentionLeftoverError(RetentionError):
    """Rows are still there after they were deleted.

    Attributes:
        count: Field values that are left.
    """

    def __init__(self, message: str, *, count: int) -> None:
        """Keep how many there are."""
        super().__init__(message)
        self.count = count


class CheckpointError(RetentionError):
    """The file in which progress is recorded cannot be read or written."""


class RetentionCancelledError(RetentionError):
    """The job was asked to stop; what it has done so far stays, and is whole."""


class ViewUnknownError(IngestorError):
    """There is no view `name`; `names` are those that there are."""

    def __init__(self, name: str, names: tuple[str, ...]) -> None:
        """Keep what there is instead."""
        super().__init__(f"There is no view {name}, but {', '.join(names)}")
        self.name = name
        self.names = names


class ViewFilterError(IngestorError):
    """A view has no tag `argument` to filter by; or "dates", which are turned round."""

    def __init__(self, view: str, argument: str) -> None:
        """Keep what is wrong."""
        super().__init__(f"The view {view} cannot be filtered: {argument}")
        self.view = view
        self.argument = argument


class SourceError(IngestorError):
    """A source did not give its data."""


class SourceUnavailableError(SourceError):
    """The provider cannot be reached or is busy: try later."""

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        is_rate_limited: bool = False,
    ) -> None:
        """Keep what the provider asked for; seconds, None if it did not ask."""
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.is_rate_limited = is_rate_limited


class SourceAuthError(SourceError):
    """The provider refuses the credentials.

    Attributes:
        argument: Key of the argument to mark; None for all that are secret.
    """

    def __init__(self, message: str, *, argument: str | None = None) -> None:
        """Keep the provider's words."""
        super().__init__(message)
        self.argument = argument


class SourceArgumentError(SourceError):
    """An argument is wrong, so that trying again will not help.

    Attributes:
        argument: Key of the argument to mark.
        key: Key of the text under `error` in the translations of the kind's flow.
        placeholders: Values for that text.
    """

    def __init__(
        self, argument: str, key: str, placeholders: Mapping[str, str] | None = None
    ) -> None:
        """Keep what is wrong and where."""
        super().__init__(f"{argument}: {key}")
        self.argument = argument
        self.key = key
        self.placeholders = placeholders or {}


class SourceDataError(SourceError):
    """The provider's answer cannot be read, or holds no data."""


class HistoryError(IngestorError):
    """The past cannot be read."""


class HistoryArgumentError(HistoryError):
    """The past was asked for wrongly; `key` is that of the text that says how."""

    def __init__(self, key: str, placeholders: Mapping[str, str] | None = None) -> None:
        """Keep what is wrong."""
        super().__init__(key)
        self.key = key
        self.placeholders = placeholders or {}


class TooManyJobsError(IngestorError):
    """As many long jobs as may wait do so already."""


class PackagesMissingError(IngestorError):
    """Packages that only some feature needs cannot be installed."""

    def __init__(self, packages: tuple[str, ...]) -> None:
        """Keep which ones."""
        super().__init__(f"Cannot be installed: {', '.join(packages)}")
        self.packages = packages


class RecorderMissingError(IngestorError):
    """Home Assistant's own recorder is not in use, or its database is down."""


class ImportFileError(IngestorError):
    """A file to import cannot be read, or is another one than at the start."""


class ImportGoneError(ImportFileError):
    """There is no such upload, or not any more."""


class ImportTooLargeError(ImportFileError):
    """An upload is larger than what may be kept.

    Attributes:
        size_bytes: How large it is.
    """

    def __init__(self, size_bytes: int) -> None:
        """Keep the size."""
        super().__init__(f"{size_bytes} bytes are too much")
        self.size_bytes = size_bytes


class ImportColumnsError(ImportFileError):
    """The first line of a file names columns, but not all that are needed.

    Attributes:
        missing: The usual names of those that it lacks.
    """

    def __init__(self, missing: tuple[str, ...]) -> None:
        """Keep what is missing."""
        super().__init__(f"There is no column {', '.join(missing)}")
        self.missing = missing


class ArchiveError(IngestorError):
    """The archive failed; the data stays where it was, and the next run retries."""


class ArchiveUnavailableError(ArchiveError):
    """The service cannot be reached or is busy: try later."""


class ArchiveAuthError(ArchiveError):
    """The keys are refused, have expired, or there are none."""


class ArchivePermissionError(ArchiveError):
    """The keys are known but lack a permission.

    Attributes:
        action: The permission that is missing, as policies of S3 name it.
    """

    def __init__(self, message: str, *, action: str) -> None:
        """Keep what was tried."""
        super().__init__(message)
        self.action = action


class ArchiveMissingError(ArchiveError):
    """There is no such file in the bucket."""


class ArchiveBucketMissingError(ArchiveMissingError):
    """There is no such bucket."""


class ArchiveTargetError(ArchiveError):
    """Bucket, region or address is configured wrongly."""


class ArchiveUnsupportedError(ArchiveError):
    """This service has no such function, such as a storage class."""


class ArchiveFrozenError(ArchiveError):
    """The file lies in cold storage, which its owner must thaw first."""


class ArchiveMismatchError(ArchiveError):
    """What was read back is not what was written, or the source has changed."""


class ArchiveFormatError(ArchiveError):
    """A file is not one of ours, or is damaged."""


class ArchiveNewerError(ArchiveFormatError):
    """A newer version of this integration has made the file."""


class ArchiveProtocolError(ArchiveError):
    """What answers is no S3, or garbage came back."""


class ArchiveDiskError(ArchiveError):
    """The working folder has no room, or cannot be written to."""


class ArchiveLibraryError(ArchiveError):
    """A package that only the archive needs is missing or does not run here."""


class ArchiveCursorError(ArchiveError):
    """A cursor is none of ours, or of an archive that has changed since."""


class ArchiveCancelledError(ArchiveError):
    """The job was asked to stop; nothing was reported as archived."""

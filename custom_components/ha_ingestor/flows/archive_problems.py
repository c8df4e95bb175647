"""What a form says about an archive that cannot be used, and at which field."""

from typing import Final

from homeassistant.const import CONF_REGION

from ..const import (
    CONF_ACCESS_KEY_ID,
    CONF_BUCKET,
    CONF_ENDPOINT_URL,
    CONF_STORAGE_CLASS,
)
from ..errors import (
    ArchiveAuthError,
    ArchiveBucketMissingError,
    ArchiveError,
    ArchiveFrozenError,
    ArchiveMismatchError,
    ArchivePermissionError,
    ArchiveProtocolError,
    ArchiveTargetError,
    ArchiveUnavailableError,
    ArchiveUnsupportedError,
)
from ..maintenance.archive_settings import ArchiveService
from .problems import FIELD_BASE, FormProblem

# The first that fits; the field, and the key of its text.
_PROBLEMS: Final[tuple[tuple[type[ArchiveError], str, str], ...]] = (
    (ArchiveAuthError, CONF_ACCESS_KEY_ID, "archive_keys_refused"),
    (ArchivePermissionError, FIELD_BASE, "archive_forbidden"),
    (ArchiveBucketMissingError, CONF_BUCKET, "archive_bucket_missing"),
    (ArchiveUnsupportedError, CONF_STORAGE_CLASS, "archive_unsupported"),
    (ArchiveFrozenError, CONF_STORAGE_CLASS, "archive_frozen"),
    (ArchiveMismatchError, FIELD_BASE, "archive_mismatch"),
    (ArchiveTargetError, CONF_REGION, "archive_wrong_target"),
    (ArchiveUnavailableError, CONF_ENDPOINT_URL, "archive_unavailable"),
    (ArchiveProtocolError, CONF_ENDPOINT_URL, "archive_protocol"),
)
_OF_ADDRESS: Final = (ArchiveTargetError,)


def describe_archive_error(err: ArchiveError, service: ArchiveService) -> FormProblem:
    """Return what a form says about an error; its words hold no secret."""
    words = {"error": str(err)}
    if isinstance(err, ArchivePermissionError):
        words["right"] = err.action
    for kind, field, key in _PROBLEMS:
        if isinstance(err, kind):
            if service is ArchiveService.OTHER and kind in _OF_ADDRESS:
                field = CONF_ENDPOINT_URL  # noqa: PLW2901 - the field of this form
            return FormProblem(field, key, words)
    return FormProblem(FIELD_BASE, "archive_failed", words)

"""What boto3 raises, mapped once to our own errors.

Messages are made of our words, of codes and of numbers: a service may repeat what it
was sent, so nothing else of its answers is passed on.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
import re
from typing import Any, Final

from ..errors import (
    ArchiveAuthError,
    ArchiveBucketMissingError,
    ArchiveError,
    ArchiveFrozenError,
    ArchiveMismatchError,
    ArchiveMissingError,
    ArchivePermissionError,
    ArchiveProtocolError,
    ArchiveTargetError,
    ArchiveUnavailableError,
    ArchiveUnsupportedError,
)
from .packages import load

_CODE: Final = re.compile(r"[A-Za-z0-9.]{1,64}")

# Codes as the API reference of S3 lists them under "Error responses"; services that
# speak its language use the same.
_CLASSES: Final[tuple[tuple[type[ArchiveError], frozenset[str]], ...]] = (
    (
        ArchiveAuthError,
        frozenset(
            {
                "AuthorizationHeaderMissing",
                "ExpiredToken",
                "ExpiredTokenException",
                "InvalidAccessKeyId",
                "InvalidClientTokenId",
                "InvalidSecurity",
                "InvalidToken",
                "NotSignedUp",
                "SignatureDoesNotMatch",
                "TokenRefreshRequired",
                "Unauthorized",
                "UnrecognizedClientException",
            }
        ),
    ),
    (
        ArchiveTargetError,
        frozenset(
            {
                "AuthorizationHeaderMalformed",
                "IllegalLocationConstraintException",
                "InvalidBucketName",
                "InvalidLocationConstraint",
                "PermanentRedirect",
                "Redirect",
                "TemporaryRedirect",
            }
        ),
    ),
    (
        ArchiveUnsupportedError,
        frozenset(
            {
                "EntityTooLarge",
                "InvalidStorageClass",
                "MethodNotAllowed",
                "NotImplemented",
            }
        ),
    ),
    (ArchiveFrozenError, frozenset({"InvalidObjectState"})),
    (ArchiveBucketMissingError, frozenset({"NoSuchBucket"})),
    (
        ArchiveMissingError,
        frozenset({"NoSuchKey", "NoSuchLifecycleConfiguration", "NotFound"}),
    ),
    (
        ArchiveMismatchError,
        frozenset(
            {
                "BadDigest",
                "IncompleteBody",
                "InvalidDigest",
                "XAmzContentChecksumMismatch",
                "XAmzContentSHA256Mismatch",
            }
        ),
    ),
    (
        ArchiveUnavailableError,
        frozenset(
            {
                "InternalError",
                "OperationAborted",
                # The clock of the machine is wrong, as after a start without network.
                "RequestTimeTooSkewed",
                "RequestTimeout",
                "ServiceUnavailable",
                "SlowDown",
                "Throttling",
                "ThrottlingException",
            }
        ),
    ),
)
_BY_CODE: Final[Mapping[str, type[ArchiveError]]] = {
    code: error for error, codes in _CLASSES for code in codes
}
# Where there is no code, as in answers to HEAD, or none that is known.
_BY_STATUS: Final[Mapping[int, type[ArchiveError]]] = {
    301: ArchiveTargetError,
    307: ArchiveTargetError,
    401: ArchiveAuthError,
    404: ArchiveMissingError,
    405: ArchiveUnsupportedError,
    408: ArchiveUnavailableError,
    409: ArchiveUnavailableError,
    413: ArchiveUnsupportedError,
    429: ArchiveUnavailableError,
    501: ArchiveUnsupportedError,
}
_FORBIDDEN: Final = 403
_SERVER_FAULT: Final = 500


@contextmanager
def mapped(action: str) -> Iterator[None]:
    """Turn what boto3 raises into errors of ours.

    Args:
        action: What is tried, as policies of S3 name it: "s3:PutObject".
    """
    exceptions = load("botocore.exceptions")
    try:
        yield
    except exceptions.ClientError as err:
        raise _from_answer(err.response, action) from _without_words(err)
    except (exceptions.BotoCoreError, load("boto3.exceptions").Boto3Error) as err:
        raise _from_client(err, action) from _without_words(err)
    except load("botocore.parsers").ResponseParserError as err:
        raise ArchiveProtocolError(
            f"The answer to {action} cannot be read"
        ) from _without_words(err)
    # urllib3 and http.client, which show through while a body is read; and an address
    # that is none.
    except (load("urllib3.exceptions").HTTPError, OSError) as err:
        raise ArchiveUnavailableError(
            f"The connection failed during {action}"
        ) from _without_words(err)
    except ValueError as err:
        raise ArchiveTargetError(
            "The address of the service or the name of the bucket is not valid"
        ) from _without_words(err)


class LibraryError(Exception):
    """Stands for an error of a library in tracebacks: only the name of its class."""


def _without_words(err: BaseException) -> LibraryError:
    return LibraryError(type(err).__name__)


def _from_answer(answer: Mapping[str, Any], action: str) -> ArchiveError:
    code = str(answer.get("Error", {}).get("Code", ""))
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    status = status if isinstance(status, int) else 0
    shown = code if _CODE.fullmatch(code) else "no code"
    message = f"{action} was answered with {shown} (HTTP {status})"
    error = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if error is not None:
        return error(message)
    if status == _FORBIDDEN or code == "AccessDenied":
        return ArchivePermissionError(message, action=action)
    if status >= _SERVER_FAULT:
        return ArchiveUnavailableError(message)
    return ArchiveProtocolError(message)


def _from_client(err: Exception, action: str) -> ArchiveError:
    exceptions = load("botocore.exceptions")

    def is_a(*names: str) -> bool:
        return isinstance(err, tuple(getattr(exceptions, name) for name in names))

    kind = type(err).__name__
    make: Callable[[str], ArchiveError] = ArchiveUnavailableError
    if is_a(
        "NoCredentialsError",
        "PartialCredentialsError",
        "CredentialRetrievalError",
        "NoAuthTokenError",
        "ProfileNotFound",
    ):
        return ArchiveAuthError(f"No keys for {action} were found ({kind})")
    if is_a(
        "ParamValidationError",
        "NoRegionError",
        "InvalidRegionError",
        "UnknownEndpointError",
    ):
        make = ArchiveTargetError
    elif is_a("ChecksumError", "FlexibleChecksumError"):
        make = ArchiveMismatchError
    return make(f"{action} failed ({kind})")

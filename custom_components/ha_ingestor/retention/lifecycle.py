"""The rule by which a bucket forgets old archives.

A bucket has one list of rules, and setting it replaces the whole: so ours is added to
what is there, and nothing is touched where that could not be kept exactly.
"""

from collections.abc import Mapping, Sequence
import re
from typing import Any, Final

from ..errors import (
    ArchiveMismatchError,
    ArchiveMissingError,
    ArchiveProtocolError,
    ArchiveUnsupportedError,
)
from .s3 import S3Bucket
from .s3_errors import mapped

# Five years with their leap day, counted from the upload.
DEFAULT_EXPIRY_DAYS: Final = 1_826

_ELEMENT: Final = re.compile(rb"<(?:[A-Za-z0-9]+:)?([A-Za-z0-9]+)[\s/>]")
_ROOT: Final = b"LifecycleConfiguration"
# All that boto3 can read and write back. What a service has beyond it, boto3 would
# drop without a word.
_KNOWN_ELEMENTS: Final = frozenset(
    {
        b"AbortIncompleteMultipartUpload",
        b"And",
        b"Date",
        b"Days",
        b"DaysAfterInitiation",
        b"Expiration",
        b"ExpiredObjectDeleteMarker",
        b"Filter",
        b"ID",
        b"Key",
        _ROOT,
        b"NewerNoncurrentVersions",
        b"NoncurrentDays",
        b"NoncurrentVersionExpiration",
        b"NoncurrentVersionTransition",
        b"ObjectSizeGreaterThan",
        b"ObjectSizeLessThan",
        b"Prefix",
        b"Rule",
        b"Status",
        b"StorageClass",
        b"Tag",
        b"Transition",
        b"Value",
    }
)
_EVENT: Final = "before-parse.s3.GetBucketLifecycleConfiguration"
_MINIMUM_SIZE: Final = "TransitionDefaultMinimumObjectSize"

type Rule = Mapping[str, Any]


def expiry_rule(prefix: str, *, days: int = DEFAULT_EXPIRY_DAYS) -> dict[str, Any]:
    """Return the rule, as the API and the command line of AWS take it in JSON.

    Args:
        prefix: Of everything that it is for, with a slash at its end.
        days: Since the upload.
    """
    return {
        "ID": f"ha_ingestor {prefix}"[:255],
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "Expiration": {"Days": days},
    }


def expiry_configuration(
    prefix: str, *, days: int = DEFAULT_EXPIRY_DAYS
) -> dict[str, Any]:
    """Return what to add by hand, in the form of a whole configuration."""
    return {"Rules": [expiry_rule(prefix, days=days)]}


def add_expiry_rule(
    bucket: S3Bucket, prefix: str, *, days: int = DEFAULT_EXPIRY_DAYS
) -> bool:
    """Add the rule to the bucket's own, or change the days of the one of before.

    Returns:
        False if it was there already.

    Raises:
        ArchiveUnsupportedError: The service has no such rules, or some that could
            not be kept: the user has to add this one.
        ArchiveMismatchError: Afterwards the rules were not what they should be.
        ArchiveError: See `s3_errors`.
    """
    rule = expiry_rule(prefix, days=days)
    rules, extra = _read(bucket)
    if rule in rules:
        return False
    new = [*(old for old in rules if old.get("ID") != rule["ID"]), rule]
    client = bucket.client
    with mapped("s3:PutLifecycleConfiguration"):
        client.put_bucket_lifecycle_configuration(
            Bucket=bucket.target.bucket,
            LifecycleConfiguration={"Rules": new},
            **extra,
        )
    found, _ = _read(bucket)
    if not _have_all(found, new):
        raise ArchiveMismatchError("The bucket does not have the rules that were set")
    return True


def _have_all(found: Sequence[Rule], expected: Sequence[Rule]) -> bool:
    return len(found) == len(expected) and all(rule in found for rule in expected)


def _read(bucket: S3Bucket) -> tuple[list[dict[str, Any]], dict[str, str]]:
    bodies: list[bytes] = []

    def keep(response_dict: Mapping[str, Any], **_: Any) -> None:
        if response_dict["status_code"] < 300:  # noqa: PLR2004 - an answer, no error
            bodies.append(response_dict["body"])

    client = bucket.client
    client.meta.events.register(_EVENT, keep)
    try:
        with mapped("s3:GetLifecycleConfiguration"):
            answer = client.get_bucket_lifecycle_configuration(
                Bucket=bucket.target.bucket
            )
    except ArchiveMissingError as err:
        if type(err) is ArchiveMissingError:
            return [], {}
        raise
    finally:
        client.meta.events.unregister(_EVENT, keep)
    elements = set(_ELEMENT.findall(b"".join(bodies)))
    # What answers with something else must not be taken for a bucket without rules.
    if _ROOT not in elements:
        raise ArchiveProtocolError("The answer is no list of rules")
    if elements - _KNOWN_ELEMENTS:
        raise ArchiveUnsupportedError("The bucket has rules of a kind we cannot keep")
    # Left out, it would be set back to its default.
    extra = {_MINIMUM_SIZE: answer[_MINIMUM_SIZE]} if _MINIMUM_SIZE in answer else {}
    return list(answer.get("Rules", ())), extra

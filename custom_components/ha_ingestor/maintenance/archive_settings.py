"""What a user has chosen about the archive, read from its subentry."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

from homeassistant.const import CONF_REGION, CONF_VERIFY_SSL

from ..const import (
    CONF_ACCESS_KEY_ID,
    CONF_BUCKET,
    CONF_COMPRESSION,
    CONF_ENDPOINT_URL,
    CONF_EXPIRY_YEARS,
    CONF_FOLDER,
    CONF_HAS_LIFECYCLE,
    CONF_IS_PATH_STYLE,
    CONF_PREFIX,
    CONF_SECRET_ACCESS_KEY,
    CONF_SERVICE,
    CONF_STORAGE_CLASS,
    CONF_TIERS,
)
from ..retention.parquet import Compression
from ..retention.s3 import DEFAULT_STORAGE_CLASS, S3Target
from ..retention.tiers import Tier

DEFAULT_EXPIRY_YEARS: Final = 5
# With a leap day in every fourth one.
_DAYS_PER_YEAR: Final = 365.25
DEFAULT_PREFIX: Final = "home-assistant"

# Tiers that are copied if the user wants that; the daily one always goes there.
OPTIONAL_TIERS: Final = (Tier.HOURLY, Tier.RAW)


class ArchiveService(StrEnum):
    """Who runs the bucket."""

    AWS = "aws"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSettings:
    """Where the archive is, and what goes there.

    Attributes:
        hub: Folder of the hub in the bucket.
        tiers: Those to copy beside the daily one.
        expiry_years: 0 for never.
        has_lifecycle: Whether the bucket was given the rule by us.
    """

    service: ArchiveService
    target: S3Target
    prefix: str
    hub: str
    compression: Compression = Compression.GZIP
    tiers: frozenset[Tier] = field(default_factory=frozenset)
    expiry_years: int = DEFAULT_EXPIRY_YEARS
    has_lifecycle: bool = False

    @classmethod
    def from_subentry_data(cls, data: Mapping[str, Any]) -> Self:
        """Read what is stored.

        Raises:
            ArchiveTargetError: It is no bucket that could be reached.
        """
        return cls(
            service=ArchiveService(data[CONF_SERVICE]),
            target=read_target(data),
            prefix=data[CONF_PREFIX],
            hub=data[CONF_FOLDER],
            compression=Compression(data[CONF_COMPRESSION]),
            tiers=frozenset(Tier(tier) for tier in data[CONF_TIERS]),
            expiry_years=int(data[CONF_EXPIRY_YEARS]),
            has_lifecycle=data[CONF_HAS_LIFECYCLE],
        )


def read_target(data: Mapping[str, Any]) -> S3Target:
    """Return the bucket.

    Raises:
        ArchiveTargetError: See `S3Target`.
    """
    return S3Target(
        bucket=data[CONF_BUCKET],
        endpoint_url=data.get(CONF_ENDPOINT_URL, ""),
        region=data.get(CONF_REGION, ""),
        is_path_style=data.get(CONF_IS_PATH_STYLE, False),
        access_key_id=data.get(CONF_ACCESS_KEY_ID, ""),
        secret_access_key=data.get(CONF_SECRET_ACCESS_KEY, ""),
        storage_class=data.get(CONF_STORAGE_CLASS, ""),
        verify_ssl=data.get(CONF_VERIFY_SSL, True),
    )


def default_storage_class(service: ArchiveService) -> str:
    """Return the class that is right for most; empty for the bucket's own."""
    return DEFAULT_STORAGE_CLASS if service is ArchiveService.AWS else ""


def expiry_days(years: float) -> int:
    """Return after how many days a file goes."""
    return round(years * _DAYS_PER_YEAR)

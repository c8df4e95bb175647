"""What a user has chosen about the age of data, read from the entry's options."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
import datetime as dt
from typing import Any, Final, Self

from ..const import (
    CONF_ACTIVITY_DAYS,
    CONF_AGE_OVERRIDES,
    CONF_DAILY_AT,
    CONF_DAILY_DAYS,
    CONF_HOURLY_AT,
    CONF_HOURLY_DAYS,
    CONF_PRICE_PER_GB_MONTH,
    CONF_RAW_DAYS,
    CONF_STORAGE_ENABLED,
    CONF_TARGET,
)
from ..retention.tiers import CAPABILITIES, TIERS, Age, Ages, Override, Tier
from ..store.influx.target import ApiVersion

# Activity is text, which has no aggregates; a quarter covers most "who did that".
DEFAULT_ACTIVITY_DAYS: Final = 90
# Between backups, which Home Assistant makes before 05:00 by default, and people.
DEFAULT_HOURLY_AT: Final = dt.time(2, 0)
DEFAULT_DAILY_AT: Final = dt.time(2, 30)
# What a gigabyte of a managed disk costs a month, about; in the currency that Home
# Assistant is set to. Whoever has a disk of their own enters less.
DEFAULT_PRICE_PER_GB_MONTH: Final = 0.10

# The option of each tier that the server holds.
DAYS_OF_TIER: Final[Mapping[Tier, str]] = {
    Tier.RAW: CONF_RAW_DAYS,
    Tier.HOURLY: CONF_HOURLY_DAYS,
    Tier.DAILY: CONF_DAILY_DAYS,
}
# Those of them that entities can have of their own: what is beyond them is the
# archive, whose files hold the rows of all.
OVERRIDABLE: Final = (Tier.RAW, Tier.HOURLY)

DEFAULTS: Final[Mapping[str, Any]] = {
    CONF_STORAGE_ENABLED: True,
    **{key: TIERS[tier].default_age.days for tier, key in DAYS_OF_TIER.items()},
    CONF_ACTIVITY_DAYS: DEFAULT_ACTIVITY_DAYS,
    CONF_HOURLY_AT: DEFAULT_HOURLY_AT.isoformat(),
    CONF_DAILY_AT: DEFAULT_DAILY_AT.isoformat(),
    CONF_PRICE_PER_GB_MONTH: DEFAULT_PRICE_PER_GB_MONTH,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageOptions:
    """How long what is kept, and when that is seen to.

    Attributes:
        is_enabled: Whether anything is aggregated and deleted by itself.
        ages: Without an archive daily rows are kept for ever.
        activity_age: Of `home_assistant_activity`.
        hourly_at: Local time of the nightly run that looks after raw rows.
        daily_at: Of the one that looks after hourly rows.
        price_per_gb_month: In Home Assistant's currency.
    """

    is_enabled: bool = True
    ages: Ages = field(default_factory=lambda: Ages(daily=None))
    overrides: tuple[Override, ...] = ()
    activity_age: Age = dt.timedelta(days=DEFAULT_ACTIVITY_DAYS)
    hourly_at: dt.time = DEFAULT_HOURLY_AT
    daily_at: dt.time = DEFAULT_DAILY_AT
    price_per_gb_month: float = DEFAULT_PRICE_PER_GB_MONTH

    @classmethod
    def from_entry_options(
        cls,
        options: Mapping[str, Any],
        api_version: ApiVersion,
        *,
        has_archive: bool,
    ) -> Self:
        """Read what is stored; what is not has its default."""
        values = {**DEFAULTS, **options}
        can_override = CAPABILITIES[api_version].can_override
        return cls(
            is_enabled=values[CONF_STORAGE_ENABLED],
            ages=read_ages(values, has_archive=has_archive),
            overrides=(
                read_overrides(values.get(CONF_AGE_OVERRIDES, ()))
                if can_override
                else ()
            ),
            activity_age=to_age(values[CONF_ACTIVITY_DAYS]),
            hourly_at=dt.time.fromisoformat(values[CONF_HOURLY_AT]),
            daily_at=dt.time.fromisoformat(values[CONF_DAILY_AT]),
            price_per_gb_month=float(values[CONF_PRICE_PER_GB_MONTH]),
        )


def to_age(days: float) -> Age:
    """Return a number of days as an age; zero is for ever."""
    return dt.timedelta(days=days) if days else None


def read_ages(values: Mapping[str, Any], *, has_archive: bool) -> Ages:
    """Return the ages of a hub's tiers.

    Args:
        has_archive: Without one, daily rows have nowhere to go and are kept.
    """
    return Ages(
        raw=to_age(values[CONF_RAW_DAYS]),
        hourly=to_age(values[CONF_HOURLY_DAYS]),
        daily=to_age(values[CONF_DAILY_DAYS]) if has_archive else None,
    )


def read_overrides(rows: Iterable[Mapping[str, Any]]) -> tuple[Override, ...]:
    """Return the ages that entities and domains have of their own."""
    return tuple(
        Override(
            target=row[CONF_TARGET],
            ages={
                tier: to_age(row[key])
                for tier in OVERRIDABLE
                if (key := DAYS_OF_TIER[tier]) in row
            },
        )
        for row in rows
    )

"""The tiers: what is kept at which resolution, how long, and in which store.

| tier | resolution | kept by default | store |
|---|---|---|---|
| raw | every event | 7 days | the one that the user named |
| hourly | local hour | 90 days | the same with `_hourly` |
| daily | local day | 365 days | the same with `_daily` |
| archive | as exported | 5 years | files on S3 |

A tier's age is that of its oldest rows, so each is at least as old as the one before;
what is older than the age of its tier is found in the next one. `None` is for ever.

What a generation of InfluxDB can do decides how rows leave: 1.x and 2.x are told to
delete them, by us and only after verification, and the server's own retention is a
back-stop far behind. 3.x cannot delete rows: there the server's retention is the only
way, it holds for a whole store, and so there are no overrides.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
import datetime as dt
from enum import StrEnum
import re
from typing import Final

from ..const import MEASUREMENT_DAILY, MEASUREMENT_EVENTS, MEASUREMENT_HOURLY
from ..store.influx.target import ApiVersion

type Age = dt.timedelta | None


class Tier(StrEnum):
    """A resolution with an age."""

    RAW = "raw"
    HOURLY = "hourly"
    DAILY = "daily"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True, kw_only=True)
class TierDescription:
    """One row of the table.

    Attributes:
        store_suffix: What its store is called beside the raw one; None for none.
        measurement: Of events; None for files.
        shard: How much time a server of 1.x or 2.x keeps in one piece. Long pieces
            make the small tiers up to three times smaller; a raw piece is a day,
            because whole days are deleted.
    """

    tier: Tier
    default_age: dt.timedelta
    store_suffix: str | None
    measurement: str | None
    shard: dt.timedelta | None


TIERS: Final[Mapping[Tier, TierDescription]] = {
    description.tier: description
    for description in (
        TierDescription(
            tier=Tier.RAW,
            default_age=dt.timedelta(days=7),
            store_suffix="",
            measurement=MEASUREMENT_EVENTS,
            shard=dt.timedelta(days=1),
        ),
        TierDescription(
            tier=Tier.HOURLY,
            default_age=dt.timedelta(days=90),
            store_suffix="_hourly",
            measurement=MEASUREMENT_HOURLY,
            shard=dt.timedelta(days=28),
        ),
        TierDescription(
            tier=Tier.DAILY,
            default_age=dt.timedelta(days=365),
            store_suffix="_daily",
            measurement=MEASUREMENT_DAILY,
            shard=dt.timedelta(days=364),
        ),
        TierDescription(
            tier=Tier.ARCHIVE,
            default_age=dt.timedelta(days=5 * 365 + 1),
            store_suffix=None,
            measurement=None,
            shard=None,
        ),
    )
}
# Those that are stores of the server, finest first.
STORED_TIERS: Final = tuple(
    tier for tier, description in TIERS.items() if description.store_suffix is not None
)

# A local day of 25 hours has to be over, verified and in whole UTC days before its
# rows may go.
MIN_AGE: Final = dt.timedelta(days=2)
# More is meant to be "for ever", and some servers count in nanoseconds.
MAX_AGE: Final = dt.timedelta(days=100 * 365)

# How much longer than any row the server keeps its stores where we delete: time for
# somebody to see that nothing is verified any more.
_BACK_STOP_FACTOR: Final = 4
# Where only the server deletes: whole UTC days, and a day for the job to be late.
_MANAGED_MARGIN: Final = dt.timedelta(days=2)

# As Home Assistant checks them (core.py: VALID_DOMAIN, VALID_ENTITY_ID).
_DOMAIN: Final = r"(?!_)(?!.+__)[\da-z_]+(?<!_)"
_is_domain: Final = re.compile(_DOMAIN).fullmatch
_is_entity_id: Final = re.compile(rf"{_DOMAIN}\.(?!_)[\da-z_]+(?<!_)").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a generation of InfluxDB can do about the age of rows.

    Attributes:
        can_delete: Rows can be deleted, so that a verified day goes at once.
        can_override: Entities can have ages of their own.
        is_zero_for_ever: A retention of zero keeps everything. On 3.x it deletes all.
        max_stores: How many there may be; None for no limit.
    """

    can_delete: bool
    can_override: bool
    is_zero_for_ever: bool
    max_stores: int | None


CAPABILITIES: Final[Mapping[ApiVersion, Capabilities]] = {
    ApiVersion.V1: Capabilities(
        can_delete=True, can_override=True, is_zero_for_ever=True, max_stores=None
    ),
    ApiVersion.V2: Capabilities(
        can_delete=True, can_override=True, is_zero_for_ever=True, max_stores=None
    ),
    # Core; five databases (influxdb3/src/commands/serve.rs).
    ApiVersion.V3: Capabilities(
        can_delete=False, can_override=False, is_zero_for_ever=False, max_stores=5
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """How long each tier keeps its rows; None for ever."""

    raw: Age = TIERS[Tier.RAW].default_age
    hourly: Age = TIERS[Tier.HOURLY].default_age
    daily: Age = TIERS[Tier.DAILY].default_age
    archive: Age = TIERS[Tier.ARCHIVE].default_age

    def of(self, tier: Tier) -> Age:
        """Return the age of one tier."""
        ages: dict[Tier, Age] = {
            Tier.RAW: self.raw,
            Tier.HOURLY: self.hourly,
            Tier.DAILY: self.daily,
            Tier.ARCHIVE: self.archive,
        }
        return ages[tier]


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Ages of one entity, or of all entities of a domain.

    Attributes:
        target: "sensor.kitchen", or "sensor"; the former is stronger.
        ages: Tier to its age, None for ever; those left out are the hub's.
    """

    target: str
    ages: Mapping[Tier, Age]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with a user's choice, for a form or an action to say.

    Attributes:
        key: Key of the text.
        tier: Which age to mark; None where it is not one.
        target: Which override to mark; None for the hub's own ages.
        placeholders: Values for the text.
    """

    key: str
    tier: Tier | None = None
    target: str | None = None
    placeholders: Mapping[str, str] = field(default_factory=dict)


def store_name(raw_store: str, tier: Tier) -> str | None:
    """Return the name of a tier's store; None for one that is files."""
    suffix = TIERS[tier].store_suffix
    return None if suffix is None else raw_store + suffix


def validate(
    ages: Ages,
    overrides: Sequence[Override],
    api_version: ApiVersion,
    *,
    has_archive: bool = False,
) -> tuple[Problem, ...]:
    """List what is wrong with ages and overrides; empty if nothing is.

    Args:
        has_archive: Whether there is one, so that its age matters.
    """
    tiers = tuple(Tier) if has_archive else STORED_TIERS
    problems = [*_problems_of(ages, tiers, target=None)]
    if overrides and not CAPABILITIES[api_version].can_override:
        problems.append(Problem(key="overrides_not_supported"))
        return tuple(problems)
    seen: set[str] = set()
    for override in overrides:
        target = override.target
        if not (_is_domain(target) or _is_entity_id(target)):
            problems.append(Problem(key="override_target_invalid", target=target))
        elif target in seen:
            problems.append(Problem(key="override_twice", target=target))
        elif Tier.ARCHIVE in override.ages:
            # One file holds the rows of all entities.
            problems.append(
                Problem(key="override_of_archive", tier=Tier.ARCHIVE, target=target)
            )
        else:
            merged = ages_of(target, ages, overrides)
            problems += _problems_of(merged, STORED_TIERS, target=target)
        seen.add(target)
    return tuple(problems)


def ages_of(entity_id: str, ages: Ages, overrides: Sequence[Override]) -> Ages:
    """Return the ages that hold for an entity.

    An override of the entity completes one of its domain, and that the hub's.
    """
    by_target = {override.target: override.ages for override in overrides}
    for target in (entity_id.partition(".")[0], entity_id):
        if target in by_target:
            ages = _merge(ages, by_target[target])
    return ages


def longest_age(tier: Tier, ages: Ages, overrides: Sequence[Override]) -> Age:
    """Return the age of a tier's oldest row of any entity."""
    longest = ages.of(tier)
    for override in overrides:
        if tier in override.ages:
            longest = _longer(longest, override.ages[tier])
    return longest


def server_retention(
    tier: Tier, ages: Ages, overrides: Sequence[Override], api_version: ApiVersion
) -> Age:
    """Return what the server's own retention of a tier's store should be.

    None for ever. It is never zero, which 3.x takes for "nothing".
    """
    longest = longest_age(tier, ages, overrides)
    if longest is None:
        return None
    if CAPABILITIES[api_version].can_delete:
        return longest * _BACK_STOP_FACTOR
    return longest + _MANAGED_MARGIN


def _problems_of(
    ages: Ages, tiers: Sequence[Tier], *, target: str | None
) -> Iterator[Problem]:
    finer: Tier | None = None
    for tier in tiers:
        age = ages.of(tier)
        if age is not None and not MIN_AGE <= age <= MAX_AGE:
            yield Problem(
                key="age_out_of_range",
                tier=tier,
                target=target,
                placeholders={
                    "minimum": str(MIN_AGE.days),
                    "maximum": str(MAX_AGE.days),
                },
            )
        elif finer is not None and _longer(age, ages.of(finer)) != age:
            # Between the two ages there would be no rows at all.
            yield Problem(
                key="age_shorter_than_finer",
                tier=tier,
                target=target,
                placeholders={"finer": finer},
            )
        finer = tier


def _merge(ages: Ages, changes: Mapping[Tier, Age]) -> Ages:
    merged = {tier: ages.of(tier) for tier in Tier} | dict(changes)
    return Ages(
        raw=merged[Tier.RAW],
        hourly=merged[Tier.HOURLY],
        daily=merged[Tier.DAILY],
        archive=merged[Tier.ARCHIVE],
    )


def _longer(one: Age, other: Age) -> Age:
    return None if one is None or other is None else max(one, other)

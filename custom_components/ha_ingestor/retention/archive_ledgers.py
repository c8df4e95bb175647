"""What of the archive is proven, and which deletions wait for it.

Daily rows go to the archive, so their own ledger says which days of them are in it.
Raw and hourly rows go to the next tier in any case; where the user wants them in the
archive as well, a ledger of its own guards them: they may be deleted only when it says
that they are there, too.
"""

from collections.abc import Collection
from typing import Final

from ..const import (
    MEASUREMENT_ACTIVITY,
    MEASUREMENT_DAILY,
    MEASUREMENT_EVENTS,
    MEASUREMENT_HOURLY,
)
from .ledger import Ledger
from .ledgers import SOURCE_MEASUREMENTS
from .tiers import Tier

_GUARD_PREFIX: Final = "archive_"

# What of each tier is archived. Views stay where they are, and forecasts are worth
# nothing once their time has passed.
ARCHIVED: Final = {
    Tier.RAW: (MEASUREMENT_EVENTS, MEASUREMENT_ACTIVITY, *SOURCE_MEASUREMENTS),
    Tier.HOURLY: (MEASUREMENT_HOURLY, *SOURCE_MEASUREMENTS),
    Tier.DAILY: (MEASUREMENT_DAILY, *SOURCE_MEASUREMENTS),
}
_AGGREGATES: Final = {
    Tier.RAW: (Tier.HOURLY, {MEASUREMENT_EVENTS: MEASUREMENT_HOURLY}),
    Tier.HOURLY: (Tier.DAILY, {MEASUREMENT_HOURLY: MEASUREMENT_DAILY}),
}


def archive_ledger(tier: Tier, measurement: str) -> Ledger:
    """Return the ledger that says which days of a measurement are in the archive."""
    if tier is Tier.DAILY:
        return Ledger(tier=tier, measurement=measurement)
    return Ledger(tier=tier, measurement=f"{_GUARD_PREFIX}{measurement}")


def archive_guards(tiers: Collection[Tier], ledger: Ledger) -> tuple[Ledger, ...]:
    """Return what must be verified before rows of a ledger may be deleted.

    Args:
        tiers: Those that the user wants in the archive.
    """
    if (
        ledger.tier is Tier.DAILY
        or ledger.tier not in tiers
        or ledger.measurement not in ARCHIVED[ledger.tier]
    ):
        return ()
    return (archive_ledger(ledger.tier, ledger.measurement),)


def archive_feeds(tiers: Collection[Tier], ledger: Ledger) -> tuple[Ledger, ...]:
    """Return what has to be archived again when windows of a ledger are verified anew.

    Then its own rows are others, or more, than before; and so are the aggregates.

    Args:
        tiers: Those that the user wants in the archive.
    """
    if ledger.tier not in _AGGREGATES or ledger.measurement not in ARCHIVED.get(
        ledger.tier, ()
    ):
        return ()
    tier, names = _AGGREGATES[ledger.tier]
    measurement = names.get(ledger.measurement, ledger.measurement)
    return tuple(
        archive_ledger(one.tier, one.measurement)
        for one in (ledger, Ledger(tier=tier, measurement=measurement))
        if one.tier in {*tiers, Tier.DAILY}
    )

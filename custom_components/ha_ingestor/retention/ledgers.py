"""Which measurements pass through the tiers, and which only have an age."""

from typing import Final

from ..const import (
    MEASUREMENT_AIR_QUALITY,
    MEASUREMENT_CARBON,
    MEASUREMENT_CARBON_FORECAST,
    MEASUREMENT_DAILY,
    MEASUREMENT_EVENTS,
    MEASUREMENT_HOURLY,
    MEASUREMENT_METER,
    MEASUREMENT_METER_CIRCUIT,
    MEASUREMENT_OCCUPANCY,
    MEASUREMENT_PRICE,
    MEASUREMENT_PRICE_FORECAST,
)
from .ledger import Ledger
from .tiers import Tier

# Called the same in every tier.
SOURCE_MEASUREMENTS: Final = (
    MEASUREMENT_CARBON,
    MEASUREMENT_PRICE,
    MEASUREMENT_AIR_QUALITY,
    MEASUREMENT_OCCUPANCY,
    MEASUREMENT_METER,
    MEASUREMENT_METER_CIRCUIT,
)
# What was expected is worth as much as the rows beside it, and is not aggregated.
FORECAST_MEASUREMENTS: Final = (
    MEASUREMENT_CARBON_FORECAST,
    MEASUREMENT_PRICE_FORECAST,
)

EVENTS_LEDGER: Final = Ledger(tier=Tier.RAW, measurement=MEASUREMENT_EVENTS)
HOURLY_LEDGER: Final = Ledger(tier=Tier.HOURLY, measurement=MEASUREMENT_HOURLY)
DAILY_LEDGER: Final = Ledger(tier=Tier.DAILY, measurement=MEASUREMENT_DAILY)

_EVENTS: Final = {
    Tier.RAW: EVENTS_LEDGER,
    Tier.HOURLY: HOURLY_LEDGER,
    Tier.DAILY: DAILY_LEDGER,
}
# Those of events are the only ones whose rows belong to entities.
ENTITY_LEDGERS: Final = frozenset(_EVENTS.values())


def ledgers_of(tier: Tier) -> tuple[Ledger, ...]:
    """Return the ledgers of a tier that is a store, that of events first."""
    return (
        _EVENTS[tier],
        *(Ledger(tier=tier, measurement=name) for name in SOURCE_MEASUREMENTS),
    )

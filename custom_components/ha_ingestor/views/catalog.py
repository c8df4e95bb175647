"""The views that every hub has; a view comes before its months."""

from typing import Final

from .daily import DAILY_CARBON, DAILY_RUNTIME, MONTHLY_CARBON, MONTHLY_RUNTIME
from .definition import View
from .energy import DAILY_ENERGY, HOURLY_COST, MONTHLY_COST, MONTHLY_ENERGY
from .rooms import MONTHLY_ROOM_ACTIVITY, ROOM_ACTIVITY

DEFAULT_VIEWS: Final[tuple[View, ...]] = (
    # The one that is waited for before raw rows go.
    ROOM_ACTIVITY,
    MONTHLY_ROOM_ACTIVITY,
    DAILY_ENERGY,
    MONTHLY_ENERGY,
    HOURLY_COST,
    MONTHLY_COST,
    DAILY_CARBON,
    MONTHLY_CARBON,
    DAILY_RUNTIME,
    MONTHLY_RUNTIME,
)

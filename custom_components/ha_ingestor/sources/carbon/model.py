"""What providers know of the grid's carbon intensity."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self, override

from ..base import SourceData
from ..slots import Slots, slots_from_json, slots_to_json

# A grid changes within hours; what is older misleads whoever acts on it.
VALID_FOR: Final = timedelta(hours=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonData(SourceData):
    """The grid at one moment, and as it is expected to be.

    Attributes:
        region: As the provider names it.
        grid_operator: None where the provider does not say.
        measured_at: Which moment the values are of; UTC.
        confirmed_at: When they were still true, where only changes are told; None
            where every answer has a time of its own.
        intensity: gCO2eq/kWh; None where the user's plan does not include it.
        is_marginal: Whether it is that of one more kilowatt-hour, not the mean of all.
        percentile: 0 is the cleanest of the last weeks, 100 the dirtiest.
        renewable_percentage: Share in percent.
        fossil_percentage: Share in percent.
        forecast: gCO2eq/kWh; may begin before now. Empty for none.
    """

    region: str
    grid_operator: str | None = None
    measured_at: datetime
    confirmed_at: datetime | None = None
    intensity: float | None = None
    is_marginal: bool = False
    percentile: float | None = None
    renewable_percentage: float | None = None
    fossil_percentage: float | None = None
    forecast: Slots = ()

    @property
    @override
    def valid_until(self) -> datetime:
        return (self.confirmed_at or self.measured_at) + VALID_FOR

    @property
    @override
    def summary(self) -> str:
        if self.intensity is not None:
            return f"{self.intensity:.0f} gCO2eq/kWh"
        return "" if self.percentile is None else f"{self.percentile:.0f} / 100"

    @override
    def to_json(self) -> dict[str, Any]:
        return {
            "region": self.region,
            "grid_operator": self.grid_operator,
            "measured_at": self.measured_at.timestamp(),
            "confirmed_at": self.confirmed_at.timestamp()
            if self.confirmed_at
            else None,
            "intensity": self.intensity,
            "is_marginal": self.is_marginal,
            "percentile": self.percentile,
            "renewable_percentage": self.renewable_percentage,
            "fossil_percentage": self.fossil_percentage,
            "forecast": slots_to_json(self.forecast),
        }

    @classmethod
    @override
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        confirmed_at = stored.get("confirmed_at")
        return cls(
            **{
                **stored,
                "confirmed_at": datetime.fromtimestamp(confirmed_at, UTC)
                if confirmed_at
                else None,
                "measured_at": datetime.fromtimestamp(stored["measured_at"], UTC),
                "forecast": slots_from_json(stored["forecast"]),
            }
        )

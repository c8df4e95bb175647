"""What providers know of the price of electricity."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self, override

from ..base import SourceData
from ..slots import Slots, slots_from_json, slots_to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceData(SourceData):
    """Prices as the provider states them, before the user's own formula.

    Attributes:
        currency: ISO 4217 code, such as EUR.
        slots: Currency per kWh, at least one; of any length each, may be negative.
            A provider gives yesterday, today and tomorrow as far as it knows them.
        fetched_at: When the provider said so; UTC.
        peak_slots: Times that the tariff itself calls peak; None where it knows no
            such thing. The values have no meaning.
    """

    currency: str
    slots: Slots
    fetched_at: datetime
    peak_slots: Slots | None = None

    @property
    @override
    def valid_until(self) -> datetime:
        """The end of the last slot: a price is true as long as it was agreed for."""
        return self.slots[-1].end

    @property
    @override
    def summary(self) -> str:
        now = self.fetched_at
        current = next(
            (slot for slot in self.slots if slot.start <= now < slot.end),
            self.slots[0],
        )
        return f"{current.value:.4f} {self.currency}/kWh"

    @override
    def to_json(self) -> dict[str, Any]:
        return {
            "currency": self.currency,
            "slots": slots_to_json(self.slots),
            "fetched_at": self.fetched_at.timestamp(),
            "peak_slots": None
            if self.peak_slots is None
            else slots_to_json(self.peak_slots),
        }

    @classmethod
    @override
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        peak = stored["peak_slots"]
        return cls(
            currency=stored["currency"],
            slots=slots_from_json(stored["slots"]),
            fetched_at=datetime.fromtimestamp(stored["fetched_at"], UTC),
            peak_slots=None if peak is None else slots_from_json(peak),
        )

"""Forecasts as points: what is still to come, with when it was first told."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from ..models import Point, to_time_ns
from ..sources.slots import Slot, Slots


class ForecastPoints:
    """Makes the points of one source's forecast. Event loop only."""

    def __init__(self, measurement: str) -> None:
        """Begin with nothing told."""
        self._measurement = measurement
        self._issued: dict[Slot, datetime] = {}

    def create(
        self, slots: Slots, tags: Mapping[str, str], now: datetime, issued_at: datetime
    ) -> Iterator[Point]:
        """List what has not ended; an answer that repeats a value does not issue it.

        Args:
            tags: Empty ones are left out.
            issued_at: When the answer came that these slots are of; UTC.
        """
        self._issued = {
            slot: self._issued.get(slot, issued_at) for slot in slots if slot.end > now
        }
        for slot, since in self._issued.items():
            yield Point(
                measurement=self._measurement,
                tags={key: value for key, value in tags.items() if value},
                fields={
                    "value": slot.value,
                    "slot_minutes": slot.minutes,
                    "issued_at": since.isoformat(),
                },
                time_ns=to_time_ns(slot.start.timestamp()),
            )

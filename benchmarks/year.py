"""A year of a home, made up: the lines that the integration would have written.

About 10,000 events a day of 200 entities, changes only, as Home Assistant reports
them, with the context fields that events have by default; beside them the points of
a carbon and a price source. The same seed and the same last day give the same bytes.
Made a day at a time, so that memory holds one.
"""

from collections.abc import Iterator
import datetime as dt
import random
from typing import Final
from zoneinfo import ZoneInfo

from devices import Event
from furniture import furnish
from surroundings import Climate, Slot, Surroundings

from custom_components.ha_ingestor.const import (
    MEASUREMENT_CARBON,
    MEASUREMENT_EVENTS,
    MEASUREMENT_PRICE,
)
from custom_components.ha_ingestor.ingest.normalize import Normalizer
from custom_components.ha_ingestor.ingest.records import STATE, TRACKER_STATE
from custom_components.ha_ingestor.models import Point, to_time_ns
from custom_components.ha_ingestor.store.line_protocol import (
    format_point,
    format_series_key,
)

ZONE: Final = ZoneInfo("Europe/Berlin")
SEED: Final = 2016
# The alphabet of Home Assistant's context ids.
_ULID_CHARACTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PEAK_PRICE: Final = 0.3  # EUR/kWh
_TRACKERS: Final = ("person.", "device_tracker.")


class Year:
    """Makes days one after the other; on one thread.

    Args:
        last_date: The last local day.
        days: How many, the last one included.
    """

    def __init__(self, *, last_date: dt.date, days: int, seed: int = SEED) -> None:
        """Furnish the home; nothing has happened yet."""
        self.first_date = last_date - dt.timedelta(days=days - 1)
        self.end_date = last_date + dt.timedelta(days=1)
        self._random = random.Random(seed)
        self._climate = Climate(self._random)
        self.devices = furnish(self._random)
        self._normalizer = Normalizer()
        self._keys = {
            entity_id: format_series_key(MEASUREMENT_EVENTS, tags)
            for device in self.devices
            for entity_id, tags in device.tags.items()
        }
        # State and when it began, of each entity.
        self._states: dict[str, tuple[str, float]] = {}

    @property
    def start_ns(self) -> int:
        """First instant of the first day."""
        return to_time_ns(_midnight_s(self.first_date))

    @property
    def end_ns(self) -> int:
        """Last instant of the last day, exclusive."""
        return to_time_ns(_midnight_s(self.end_date))

    @property
    def entity_ids(self) -> list[str]:
        """All entities, sorted."""
        return sorted(self._keys)

    def lines(self) -> Iterator[list[str]]:
        """Make the lines of each day, in the order of their time.

        To be gone through once.
        """
        date = self.first_date
        while date < self.end_date:
            yield self._day(date)
            date += dt.timedelta(days=1)

    def _day(self, date: dt.date) -> list[str]:
        start_s = _midnight_s(date)
        end_s = _midnight_s(date + dt.timedelta(days=1))
        day = self._climate.day(date, start_s, end_s)
        lines: list[str] = []
        contexts = iter(day.contexts)
        _, context = next(contexts)
        change = next(contexts, None)
        for event in sorted(self._events(day)):
            while change is not None and change[0] <= event.time_s:
                _, context = change
                change = next(contexts, None)
            if (line := self._line(event, context)) is not None:
                lines.append(line)
        lines.extend(map(format_point, self._source_points(day.slots)))
        return lines

    def _events(self, day: Surroundings) -> Iterator[Event]:
        for device in self.devices:
            for behavior in device.behaviors:
                for event in behavior.day(day, self._random):
                    if day.start_s <= event.time_s < day.end_s:
                        yield event

    def _line(self, event: Event, context: str) -> str | None:
        """Format one event; None for one that Home Assistant would not report."""
        before = self._states.get(event.entity_id)
        is_same = before is not None and before[0] == event.state
        if is_same and not event.attributes:
            return None
        previous = duration_s = None
        if before is not None and not is_same:
            previous = before[0]
            duration_s = event.time_s - before[1]
        if not is_same:
            self._states[event.entity_id] = (event.state, event.time_s)
        return self._normalizer.format_record(
            (
                TRACKER_STATE if event.entity_id.startswith(_TRACKERS) else STATE,
                self._keys[event.entity_id],
                event.state,
                event.time_s,
                previous,
                duration_s,
                self._context_id(event.time_s),
                None,
                None,
                context,
                event.attributes or None,
            )
        )

    def _context_id(self, time_s: float) -> str:
        """Make an id as Home Assistant does: milliseconds, then chance."""
        number = round(time_s * 1_000) << 80 | self._random.getrandbits(80)
        return "".join(
            _ULID_CHARACTERS[number >> shift & 31] for shift in range(125, -5, -5)
        )

    def _source_points(self, slots: tuple[Slot, ...]) -> Iterator[Point]:
        for slot in slots:
            time_ns = to_time_ns(slot.time_s)
            yield Point(
                measurement=MEASUREMENT_CARBON,
                tags={"region": "DE", "provider": "electricity_maps"},
                fields={
                    "carbon_intensity_gco2_kwh": slot.intensity,
                    "renewable_percentage": slot.renewable,
                    "fossil_percentage": round(100.0 - slot.renewable, 1),
                },
                time_ns=time_ns,
            )
            yield Point(
                measurement=MEASUREMENT_PRICE,
                tags={"provider": "awattar", "currency": "EUR"},
                fields={
                    "current_price": slot.price,
                    "peak_period": slot.price > _PEAK_PRICE,
                },
                time_ns=time_ns,
            )


def _midnight_s(date: dt.date) -> float:
    return dt.datetime.combine(date, dt.time(), tzinfo=ZONE).timestamp()

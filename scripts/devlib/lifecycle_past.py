"""The real home's readings as a past that ends now, and what they amount to.

What checks the tiers must not share their mistakes, so this is the plainest way there
is: a reading holds until the next one, and every amount is counted from the readings
alone, span by span, without a line of the integration.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
import csv
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from enum import StrEnum
import math
from pathlib import Path
from typing import Final, Self

from .played import PlayedEntity, Reading, Record, list_played_entities, load_records

type Span = tuple[int, int]

NS_PER_S: Final = 1_000_000_000
NS_PER_HOUR: Final = 3_600 * NS_PER_S
NS_PER_DAY: Final = 24 * NS_PER_HOUR
# A window is aggregated ten minutes after it is over.
GRACE_NS: Final = 600 * NS_PER_S
# Its clock stays on winter time (see examples/README.md).
_RECORDING_ZONE: Final = timezone(timedelta(hours=1))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WNS_PER_KWH: Final = 1_000 * NS_PER_HOUR
_WH_PER_KWH: Final = 1_000

# Both ways to measure energy, some of what a home is full of, and two that switch.
PAST_ENTITY_IDS: Final = (
    "sensor.electricity_meter_appliances_power",
    "sensor.electricity_meter_lights_power",
    "sensor.electricity_meter_appliances_energy",
    "sensor.electricity_meter_lights_energy",
    "sensor.kitchen_climate_temperature",
    "sensor.bathroom_climate_temperature",
    "sensor.outside_climate_temperature",
    "sensor.chievres_airport_temperature",
    "sensor.kitchen_climate_humidity",
    "sensor.bathroom_climate_humidity",
    "binary_sensor.electricity_meter_appliances_running",
    "light.house_lights",
)


class Kind(StrEnum):
    """What an entity's readings amount to."""

    NUMBER = "mean"
    POWER = "kWh of power"
    COUNTER = "kWh counted"
    SWITCH = "hours on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """What the readings of an entity amount to in a span.

    Attributes:
        held_s: For how long something was known.
        values: By the names of `get_history`; what does not apply is left out.
    """

    held_s: float
    values: dict[str, float | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEntity:
    """An entity with all of its readings, oldest first."""

    entity_id: str
    kind: Kind
    times_ns: Sequence[int]
    values: Sequence[Reading]

    @classmethod
    def from_records(
        cls, entity: PlayedEntity, records: Iterable[Record], shift: timedelta
    ) -> Self:
        """Take the readings of an entity; of one that switches, its changes alone."""
        times_ns: list[int] = []
        values: list[Reading] = []
        for record in records:
            value = entity.read(record)
            if isinstance(value, str) and values and values[-1] == value:
                continue
            times_ns.append(to_ns(_recorded_at(record) + shift))
            values.append(value)
        device_class = entity.tags.get("device_class")
        if isinstance(values[0], str):
            kind = Kind.SWITCH
        elif device_class == "power":
            kind = Kind.POWER
        elif device_class == "energy":
            kind = Kind.COUNTER
        else:
            kind = Kind.NUMBER
        return cls(
            entity_id=entity.entity_id, kind=kind, times_ns=times_ns, values=values
        )

    def amounts(self, span: Span) -> Amounts | None:
        """Count what the readings amount to; None if nothing is known of the span."""
        start_ns, end_ns = span
        first = bisect_left(self.times_ns, start_ns)
        after = bisect_left(self.times_ns, end_ns)
        pieces = list(self._pieces(max(first - 1, 0), after, span))
        if not pieces:
            return None
        values: dict[str, float | str] = {"count": after - first}
        held_ns = sum(length_ns for _, length_ns in pieces)
        if self.kind is Kind.SWITCH:
            on_ns = sum(length_ns for value, length_ns in pieces if value == "on")
            values |= {
                "on_seconds": on_ns / NS_PER_S,
                # Every reading but the first is a change.
                "changes": after - max(first, 1),
                "last": str(pieces[-1][0]),
            }
            return Amounts(held_s=held_ns / NS_PER_S, values=values)
        numbers = [(float(value), length_ns) for value, length_ns in pieces]
        area = math.fsum(value * length_ns for value, length_ns in numbers)
        values |= {
            "mean": area / held_ns,
            "min": min(value for value, _ in numbers),
            "max": max(value for value, _ in numbers),
            "first": numbers[0][0],
            "last": numbers[-1][0],
        }
        if self.kind is Kind.POWER:
            values["energy"] = area / _WNS_PER_KWH
        elif self.kind is Kind.COUNTER:
            values["energy"] = self._increase(max(first, 1), after)
        return Amounts(held_s=held_ns / NS_PER_S, values=values)

    def _pieces(
        self, first: int, after: int, span: Span
    ) -> Iterator[tuple[Reading, int]]:
        """Give each value that held in a span, and for how long it did."""
        start_ns, end_ns = span
        for number in range(first, after):
            from_ns = max(self.times_ns[number], start_ns)
            until_ns = end_ns
            if number + 1 < len(self.times_ns):
                until_ns = min(self.times_ns[number + 1], end_ns)
            if until_ns > from_ns:
                yield self.values[number], until_ns - from_ns

    def _increase(self, first: int, after: int) -> float:
        """Return by how much a counter has grown; that of the house never falls."""
        return math.fsum(
            (float(self.values[number]) - float(self.values[number - 1])) / _WH_PER_KWH
            for number in range(first, after)
        )


def load_past(now_ns: int) -> list[PastEntity]:
    """Read the recording, moved by whole days so that it ends less than a day ago."""
    records = load_records(0, None)
    shift = (to_datetime(now_ns) - _recorded_at(records[-1])) // timedelta(days=1)
    played = {entity.entity_id: entity for entity in list_played_entities()}
    return [
        PastEntity.from_records(played[entity_id], records, timedelta(days=shift))
        for entity_id in PAST_ENTITY_IDS
    ]


def write_csv(path: Path, past: Sequence[PastEntity]) -> int:
    """Write the readings for `backfill_csv`, oldest first; return how many."""
    rows = sorted(
        (time_ns, entity.entity_id, str(value))
        for entity in past
        for time_ns, value in zip(entity.times_ns, entity.values, strict=True)
    )
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("entity_id", "time", "value"))
        for time_ns, entity_id, value in rows:
            writer.writerow((entity_id, to_datetime(time_ns).isoformat(), value))
    return len(rows)


def _recorded_at(record: Record) -> datetime:
    return datetime.fromisoformat(record["date"]).replace(tzinfo=_RECORDING_ZONE)


# ------------------------------------------------------------------ local time
def to_ns(at: datetime) -> int:
    """Return an aware time as nanoseconds since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1) * 1_000


def to_datetime(at_ns: int) -> datetime:
    """Return an instant as UTC."""
    return _EPOCH + timedelta(microseconds=at_ns // 1_000)


def local_date(at_ns: int, zone: tzinfo) -> date:
    """Return the date that an instant has at home."""
    return to_datetime(at_ns).astimezone(zone).date()


def midnight(day: date, zone: tzinfo) -> int:
    """Return when a date begins at home; Brussels has left no midnight out."""
    return to_ns(datetime.combine(day, time(), zone).astimezone(UTC))


def local_days(span: Span, zone: tzinfo) -> list[Span]:
    """List the local days that have a part in a span; the last one ends with it."""
    start_ns, end_ns = span
    days: list[Span] = []
    day = local_date(start_ns, zone)
    while (begin_ns := midnight(day, zone)) < end_ns:
        day += timedelta(days=1)
        days.append((begin_ns, min(midnight(day, zone), end_ns)))
    return days


def steps(span: Span, length_ns: int = NS_PER_HOUR) -> list[Span]:
    """Cut a span into windows of a length; the last one ends with it.

    Brussels is whole hours off UTC, so that its hours are those of UTC.
    """
    start_ns, end_ns = span
    first_ns = start_ns - start_ns % length_ns
    return [
        (begin_ns, min(begin_ns + length_ns, end_ns))
        for begin_ns in range(first_ns, end_ns, length_ns)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seams:
    """Where the rows of one tier end and those of the next begin, after maintenance.

    Attributes:
        raw_ns, hourly_ns, daily_ns: Older rows are gone: whole days of UTC.
        hour_ns, day_ns: Older hours, and local days, are over and aggregated.
    """

    raw_ns: int
    hourly_ns: int
    daily_ns: int
    hour_ns: int
    day_ns: int

    @classmethod
    def at(
        cls, now_ns: int, *, raw: int, hourly: int, daily: int, zone: tzinfo
    ) -> Self:
        """Compute them for ages in days."""

        def oldest_kept(age: int) -> int:
            kept_ns = now_ns - age * NS_PER_DAY
            return kept_ns - kept_ns % NS_PER_DAY

        closed_ns = now_ns - GRACE_NS
        return cls(
            raw_ns=oldest_kept(raw),
            hourly_ns=oldest_kept(hourly),
            daily_ns=oldest_kept(daily),
            hour_ns=closed_ns - closed_ns % NS_PER_HOUR,
            day_ns=midnight(local_date(closed_ns, zone), zone),
        )

    def hourly_span(self, span: Span, zone: tzinfo) -> Span:
        """Return the part of a span whose local days still have all of their hours."""
        first = next(
            start_ns
            for start_ns, _ in local_days((self.hourly_ns - NS_PER_DAY, span[1]), zone)
            if start_ns >= self.hourly_ns
        )
        return max(first, span[0]), span[1]

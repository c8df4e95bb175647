"""Rows, windows and runs for the tests of downsampling."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import datetime as dt
import math
from typing import Final
from zoneinfo import ZoneInfo

from custom_components.ha_ingestor.ingest.normalize import VALUE_BY_STATE
from custom_components.ha_ingestor.models import Fields, FieldValue
from custom_components.ha_ingestor.retention.aggregate import (
    MAX_CARRY,
    Aggregator,
    Carry,
)
from custom_components.ha_ingestor.retention.rollup import RollUp
from custom_components.ha_ingestor.retention.rows import Aggregate
from custom_components.ha_ingestor.retention.windows import (
    Resolution,
    Window,
    to_ns,
    windows_between,
)
from custom_components.ha_ingestor.store.query import Row

S: Final = 1_000_000_000
MINUTE: Final = 60 * S
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

UTC: Final = ZoneInfo("UTC")
START_NS: Final = to_ns(dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC))
AN_HOUR: Final = Window(
    start_ns=START_NS, end_ns=START_NS + HOUR, resolution=Resolution.HOUR
)

TEMPERATURE: Final = {
    "entity_id": "sensor.kitchen",
    "domain": "sensor",
    "device_class": "temperature",
    "state_class": "measurement",
    "unit": "°C",
}
POWER: Final = {**TEMPERATURE, "device_class": "power", "unit": "W"}
COUNTER: Final = {
    **TEMPERATURE,
    "device_class": "energy",
    "state_class": "total_increasing",
    "unit": "kWh",
}
BALANCE: Final = {**COUNTER, "state_class": "total"}
SWITCH: Final = {"entity_id": "switch.fan", "domain": "switch"}
CLIMATE: Final = {"entity_id": "climate.hall", "domain": "climate"}
PERSON: Final = {"entity_id": "person.ada", "domain": "person"}


def row(
    time_ns: int,
    state: str | float,
    tags: Mapping[str, str] = TEMPERATURE,
    **fields: FieldValue,
) -> Row:
    """A raw row as it is read back."""
    text = str(state)
    value = VALUE_BY_STATE.get(text)
    if isinstance(state, float):
        value = state
    own: dict[str, FieldValue] = {} if value is None else {"value": value}
    return Row(time_ns=time_ns, tags=tags, fields={"state": text, **own, **fields})


def at(minutes: float) -> int:
    """An instant in the hour that most tests look at."""
    return START_NS + round(minutes * MINUTE)


def aggregate(
    rows: Iterable[Row],
    *,
    window: Window = AN_HOUR,
    carry: Carry | None = None,
    max_carry: dt.timedelta = MAX_CARRY,
) -> Aggregate | None:
    aggregator = Aggregator(window, carry=carry, max_carry=max_carry)
    for one in rows:
        aggregator.add(one)
    return aggregator.finish()


def fields_of(
    rows: Iterable[Row], *, window: Window = AN_HOUR, carry: Carry | None = None
) -> Fields:
    found = aggregate(rows, window=window, carry=carry)
    assert found is not None
    return found.fields


def carry_of(
    *rows: Row, window: Window | None = None, max_carry: dt.timedelta = MAX_CARRY
) -> Carry | None:
    """What the hour before hands over."""
    window = window or Window(
        start_ns=START_NS - HOUR, end_ns=START_NS, resolution=Resolution.HOUR
    )
    aggregator = Aggregator(window, max_carry=max_carry)
    for one in rows:
        aggregator.add(one)
    aggregator.finish()
    return aggregator.carry_out()


class Chain:
    """Hour after hour from the first row on, as the job does it."""

    def __init__(
        self,
        rows: Sequence[Row],
        *,
        zone: dt.tzinfo,
        max_carry: dt.timedelta = MAX_CARRY,
    ) -> None:
        self.rows = sorted(rows, key=lambda one: one.time_ns)
        self.zone = zone
        self.max_carry = max_carry
        self.carries: dict[int, Carry | None] = {}
        self.hours: dict[Window, Aggregate | None] = {}

    def run(self, start_ns: int, end_ns: int) -> None:
        carry: Carry | None = None
        for window in windows_between(Resolution.HOUR, start_ns, end_ns, self.zone):
            self.carries[window.start_ns] = carry
            aggregator = Aggregator(window, carry=carry, max_carry=self.max_carry)
            for one in self.inside(window):
                aggregator.add(one)
            self.hours[window] = aggregator.finish()
            carry = aggregator.carry_out()

    def inside(self, window: Window) -> Iterator[Row]:
        return (r for r in self.rows if window.start_ns <= r.time_ns < window.end_ns)

    def roll_up(self, day: Window) -> Aggregate | None:
        roll_up = RollUp(day)
        for hour in windows_between(
            Resolution.HOUR, day.start_ns, day.end_ns, self.zone
        ):
            if (found := self.hours[hour]) is not None:
                roll_up.add(found)
        return roll_up.finish()

    def direct(self, day: Window) -> Aggregate | None:
        return aggregate(
            self.inside(day),
            window=day,
            carry=self.carries[day.start_ns],
            max_carry=self.max_carry,
        )


SUMS: Final = frozenset({"avg_value", "total_energy", "energy_cost", "energy_carbon"})


def is_sum(name: str) -> bool:
    return name in SUMS or (name.startswith("avg_") and not name.endswith("_seconds"))


def disagreements(
    found: Fields | None, expected: Fields | None, scale: float
) -> dict[str, tuple[FieldValue | None, FieldValue | None]]:
    """Fields that differ: sums by more than 1e-9 (what cancels: 1e-12 of its terms)."""
    names = {*(found or {}), *(expected or {})}
    pairs = {
        name: ((found or {}).get(name), (expected or {}).get(name)) for name in names
    }
    return {
        name: (one, other)
        for name, (one, other) in pairs.items()
        if not (
            (
                is_sum(name)
                and isinstance(one, float)
                and isinstance(other, float)
                and math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12 * scale)
            )
            or (type(one) is type(other) and one == other)
        )
    }

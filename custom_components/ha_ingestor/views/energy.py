"""Views of energy: what each device used, what it cost, and the whole home.

Cost and carbon are sums over parts of the time, each with the price and the intensity
that held then; they come with the aggregates. Power is in watts, whatever an entity
reports.
"""

from collections.abc import Iterable, Iterator, Sequence
import itertools
from typing import Final

from homeassistant.const import UnitOfEnergy, UnitOfPower, UnitOfTime
from homeassistant.util.unit_conversion import EnergyConverter, PowerConverter

from ..const import MEASUREMENT_METER
from ..models import FieldValue, Point
from ..retention.ledgers import DAILY_LEDGER, EVENTS_LEDGER, HOURLY_LEDGER
from ..retention.quantities import Quantity, increase, nature_of
from ..retention.rows import (
    AVG,
    CARBON,
    COST,
    COVERED,
    ENERGY,
    FIRST,
    LAST,
    MAX,
    VALUE_TIME,
)
from ..store.query import Row
from .chunk import Chunk, daily, hourly, number, raw, total
from .definition import (
    AREA,
    CURRENCY,
    DEVICE,
    ENTITY_ID,
    NO_UNIT,
    SCOPE,
    Made,
    Period,
    View,
    is_in,
)

_DEVICE_TAGS: Final = (ENTITY_ID, DEVICE, AREA)
_HOUR: Final = "hour"
_HOUR_OF_DAY: Final = "hour_of_day"
_FIELD: Final = "field"
_SCOPE_HOME: Final = "home"
_W_PER_KW: Final = 1_000.0
_S_PER_H: Final = 3_600.0
_GRAMS: Final = "gCO2eq"
_KWH: Final = str(UnitOfEnergy.KILO_WATT_HOUR)
_HOURS: Final = str(UnitOfTime.HOURS)
_WATT: Final = str(UnitOfPower.WATT)

# Only these have energy: there is no need to read the others.
_MEASURED: Final = {
    "unit": tuple(
        sorted(
            str(unit)
            for unit in PowerConverter.VALID_UNITS | EnergyConverter.VALID_UNITS
            if unit is not None
        )
    )
}
# A meter's own figures: they begin anew with its day.
_METER_FIELDS: Final = {
    "daily_kwh": ("kwh", Quantity.COUNTER),
    "cost_today": ("cost", Quantity.BALANCE),
    "carbon_today": ("carbon_g", Quantity.BALANCE),
}


def _make_daily(chunk: Chunk) -> Made:
    points: list[Point] = []
    seen: set[int] = set()
    for row in chunk.aggregates(DAILY_LEDGER, by=(ENTITY_ID,), tags=_MEASURED):
        seen.add(row.time_ns)
        if (kwh := number(row, ENERGY)) is None:
            continue
        fields: dict[str, FieldValue] = {
            "date": chunk.date_of(row.time_ns).isoformat(),
            "total_kwh": kwh,
            **_known(cost=number(row, COST), carbon_g=number(row, CARBON)),
            **_power_of(row, kwh),
        }
        points.append(DAILY_ENERGY.point(row.tags, fields, row.time_ns))
    return Made(points=points, seen=frozenset(seen))


def _power_of(row: Row, kwh: float) -> dict[str, FieldValue]:
    """Return mean and peak power, and the hours that they are of.

    The peak of a counter is not known: it tells only how much, not how fast.
    """
    nature = nature_of(row.tags)
    seconds = number(row, VALUE_TIME)
    if seconds is None:
        seconds = number(row, COVERED) or 0.0
    fields = _known(measured_hours=seconds / _S_PER_H)
    if nature.quantity is Quantity.POWER:
        watts = nature.factor * _W_PER_KW
        mean, peak = number(row, AVG), number(row, MAX)
        return fields | _known(
            avg_power_w=None if mean is None else mean * watts,
            peak_power_w=None if peak is None else peak * watts,
        )
    if not seconds:
        return fields
    return fields | _known(avg_power_w=kwh * _W_PER_KW * _S_PER_H / seconds)


def _make_monthly(chunk: Chunk) -> Made:
    points: list[Point] = []
    for rows in _by_entity(chunk, DAILY_ENERGY.name):
        hours = [number(row, "measured_hours") or 0.0 for row in rows]
        powers = [number(row, "avg_power_w") for row in rows]
        peaks = [number(row, "peak_power_w") for row in rows]
        fields: dict[str, FieldValue] = {
            "month": chunk.month,
            **_sums(rows, "total_kwh", "cost", "carbon_g", "measured_hours"),
            **_known(
                avg_power_w=mean(powers, hours),
                peak_power_w=max((p for p in peaks if p is not None), default=None),
            ),
        }
        points.append(MONTHLY_ENERGY.point(rows[-1].tags, fields, chunk.start_ns))
    return Made(points=points, seen=frozenset({chunk.start_ns} if points else ()))


def _make_hourly_cost(chunk: Chunk) -> Made:
    """Make the hours of the home.

    Those of each entity would be most of what all views hold, and for ever: of an
    entity the days are kept, and the history has its hours.
    """
    home = _home_rows(chunk)
    points = [
        HOURLY_COST.point(
            {SCOPE: _SCOPE_HOME},
            {
                _HOUR: float(chunk.local(time_ns).hour),
                **_sums(rows, "kwh", "cost", "carbon_g"),
            },
            time_ns,
        )
        for time_ns, rows in sorted(home.items())
    ]
    return Made(points=points, seen=frozenset(home))


def _home_rows(chunk: Chunk) -> dict[int, list[Row]]:
    """Return what the home took, of all hours in which all of it is still known."""
    if chunk.home_entities is None:
        return {}
    if not chunk.home_entities:
        return _read_meters(chunk)
    # One of them may be kept for a shorter time than the others.
    gone = [
        span
        for entity_id in chunk.home_entities
        for span in chunk.checkpoint.removed(HOURLY_COST.reads, chunk.span, entity_id)
    ]
    found: dict[int, list[Row]] = {}
    for row in chunk.aggregates(
        HOURLY_LEDGER,
        by=(ENTITY_ID,),
        tags={ENTITY_ID: tuple(sorted(chunk.home_entities))},
    ):
        kwh = number(row, ENERGY)
        if kwh is None or is_in(row.time_ns, gone):
            continue
        fields = _known(kwh=kwh, cost=number(row, COST), carbon_g=number(row, CARBON))
        found.setdefault(row.time_ns, []).append(
            Row(time_ns=row.time_ns, tags={}, fields=fields)
        )
    return found


def _read_meters(chunk: Chunk) -> dict[int, list[Row]]:
    """Read what smart meters have measured, hour by hour.

    What held when the hour began is its first value, so that first and last tell
    what was added.
    """
    found: dict[int, list[Row]] = {}
    for row in chunk.aggregates(
        hourly(MEASUREMENT_METER),
        by=("meter_type", "meter_id", _FIELD),
        tags={_FIELD: tuple(_METER_FIELDS)},
    ):
        name, quantity = _METER_FIELDS[row.tags[_FIELD]]
        first, last = number(row, FIRST), number(row, LAST)
        if first is None or last is None:
            continue
        fields = {name: increase(quantity, first, last)}
        found.setdefault(row.time_ns, []).append(
            Row(time_ns=row.time_ns, tags={}, fields=fields)
        )
    return {
        time_ns: rows
        for time_ns, rows in found.items()
        if any("kwh" in row.fields for row in rows)
    }


def _make_monthly_cost(chunk: Chunk) -> Made:
    """Make the months: one row per hour of the day."""
    points: list[Point] = []
    by_hour: dict[str, list[Row]] = {}
    home = {SCOPE: _SCOPE_HOME}
    for row in chunk.rows(daily(HOURLY_COST.name), by=(SCOPE,), tags=home):
        hour = f"{round(number(row, _HOUR) or 0.0):02}"
        by_hour.setdefault(hour, []).append(row)
    for hour, same in sorted(by_hour.items()):
        fields: dict[str, FieldValue] = {
            "month": chunk.month,
            "hours": float(len(same)),
            **_sums(same, "kwh", "cost", "carbon_g"),
        }
        tags = {**home, _HOUR_OF_DAY: hour}
        points.append(MONTHLY_COST.point(tags, fields, chunk.start_ns))
    return Made(points=points, seen=frozenset({chunk.start_ns} if points else ()))


def _by_entity(chunk: Chunk, measurement: str) -> Iterator[list[Row]]:
    rows = chunk.rows(daily(measurement), by=(ENTITY_ID,))
    for _, group in itertools.groupby(rows, key=lambda row: row.tags[ENTITY_ID]):
        yield list(group)


def _known(**values: float | None) -> dict[str, FieldValue]:
    return {name: value for name, value in values.items() if value is not None}


def _sums(rows: Sequence[Row], *names: str) -> dict[str, FieldValue]:
    return _known(**{name: total(number(row, name) for row in rows) for name in names})


def mean(values: Iterable[float | None], weights: Iterable[float]) -> float | None:
    """Return the mean of what is known; None if nothing is."""
    known = [
        (value, weight)
        for value, weight in zip(values, weights, strict=True)
        if value is not None and weight > 0
    ]
    weight = total(weight for _, weight in known)
    amount = total(value * weight for value, weight in known)
    return None if not weight or amount is None else amount / weight


_ENERGY_FIELDS: Final = {
    "total_kwh": _KWH,
    "avg_power_w": _WATT,
    "peak_power_w": _WATT,
    "cost": CURRENCY,
    "carbon_g": _GRAMS,
    "measured_hours": _HOURS,
}

DAILY_ENERGY: Final = View(
    name="daily_energy_by_device",
    period=Period.DAY,
    tags=_DEVICE_TAGS,
    fields={"date": NO_UNIT, **_ENERGY_FIELDS},
    identity=(ENTITY_ID,),
    reads=DAILY_LEDGER,
    made_after=(HOURLY_LEDGER,),
    make=_make_daily,
    monthly="monthly_energy_by_device",
)
MONTHLY_ENERGY: Final = View(
    name="monthly_energy_by_device",
    period=Period.MONTH,
    tags=_DEVICE_TAGS,
    fields={"month": NO_UNIT, **_ENERGY_FIELDS},
    identity=(ENTITY_ID,),
    reads=daily(DAILY_ENERGY.name),
    made_after=(DAILY_ENERGY.ledger,),
    make=_make_monthly,
)
HOURLY_COST: Final = View(
    name="energy_cost_hourly",
    period=Period.HOUR,
    tags=(SCOPE,),
    fields={_HOUR: NO_UNIT, "kwh": _KWH, "cost": CURRENCY, "carbon_g": _GRAMS},
    identity=(SCOPE,),
    reads=HOURLY_LEDGER,
    # A day that is verified has all of its hours, also where nobody remembers how
    # they were made.
    made_after=(EVENTS_LEDGER, HOURLY_LEDGER),
    also_of=(raw(MEASUREMENT_METER),),
    make=_make_hourly_cost,
    monthly="monthly_energy_cost",
    home_tag=(SCOPE, _SCOPE_HOME),
)
MONTHLY_COST: Final = View(
    name="monthly_energy_cost",
    period=Period.MONTH,
    tags=(SCOPE, _HOUR_OF_DAY),
    fields={
        "month": NO_UNIT,
        "hours": _HOURS,
        "kwh": _KWH,
        "cost": CURRENCY,
        "carbon_g": _GRAMS,
    },
    identity=(SCOPE, _HOUR_OF_DAY),
    reads=daily(HOURLY_COST.name),
    made_after=(HOURLY_COST.ledger,),
    make=_make_monthly_cost,
    home_tag=(SCOPE, _SCOPE_HOME),
)

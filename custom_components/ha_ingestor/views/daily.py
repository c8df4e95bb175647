"""Views of days: how clean the grid was, and how long things were on."""

import itertools
from typing import Final

from homeassistant.const import PERCENTAGE, UnitOfTime

from ..const import MEASUREMENT_CARBON
from ..models import FieldValue, Point
from ..retention.ledgers import DAILY_LEDGER, HOURLY_LEDGER
from ..retention.rows import AVG, CHANGES, COVERED, MAX, MIN, ON_TIME, VALUE_TIME
from ..store.query import Row
from .chunk import Chunk, daily, hourly, number, total
from .definition import (
    AREA,
    DEVICE,
    ENTITY_ID,
    NO_UNIT,
    Made,
    Period,
    View,
)
from .energy import mean

_DEVICE_TAGS: Final = (ENTITY_ID, DEVICE, AREA)
_GRID_TAGS: Final = ("region", "grid_operator", "provider")
_FIELD: Final = "field"
_INTENSITY: Final = "carbon_intensity_gco2_kwh"
_RENEWABLE: Final = "renewable_percentage"
_INTENSITY_UNIT: Final = "gCO2eq/kWh"
_S_PER_H: Final = 3_600.0


def _make_carbon(chunk: Chunk) -> Made:
    renewable: dict[tuple[tuple[str | None, ...], int], float] = {}
    rows: list[Row] = []
    for row in chunk.aggregates(
        daily(MEASUREMENT_CARBON),
        by=(*_GRID_TAGS, _FIELD),
        tags={_FIELD: (_INTENSITY, _RENEWABLE)},
    ):
        if row.tags[_FIELD] == _INTENSITY:
            rows.append(row)
        elif (share := number(row, AVG)) is not None:
            renewable[_grid_of(row), row.time_ns] = share
    points: list[Point] = []
    for row in rows:
        values = {
            "average": number(row, AVG),
            "minimum": number(row, MIN),
            "maximum": number(row, MAX),
            "average_renewable": renewable.get((_grid_of(row), row.time_ns)),
            "measured_hours": _hours_of(row),
        }
        fields: dict[str, FieldValue] = {
            "date": chunk.date_of(row.time_ns).isoformat(),
            **{name: value for name, value in values.items() if value is not None},
        }
        if values["average"] is not None:
            points.append(DAILY_CARBON.point(row.tags, fields, row.time_ns))
    return Made(points=points, seen=frozenset(row.time_ns for row in rows))


def _hours_of(row: Row) -> float:
    seconds = number(row, VALUE_TIME)
    return ((number(row, COVERED) or 0.0) if seconds is None else seconds) / _S_PER_H


def _grid_of(row: Row) -> tuple[str | None, ...]:
    return tuple(row.tags.get(name) for name in _GRID_TAGS)


def _make_monthly_carbon(chunk: Chunk) -> Made:
    points: list[Point] = []
    rows = chunk.rows(daily(DAILY_CARBON.name), by=_GRID_TAGS)
    for _, group in itertools.groupby(rows, key=_grid_of):
        days = list(group)
        hours = [number(day, "measured_hours") or 0.0 for day in days]
        values = {
            "average": mean((number(day, "average") for day in days), hours),
            "minimum": min(_all(days, "minimum"), default=None),
            "maximum": max(_all(days, "maximum"), default=None),
            "average_renewable": mean(
                (number(day, "average_renewable") for day in days), hours
            ),
            "measured_hours": total(hours),
        }
        fields: dict[str, FieldValue] = {
            "month": chunk.month,
            **{name: value for name, value in values.items() if value is not None},
        }
        points.append(MONTHLY_CARBON.point(days[0].tags, fields, chunk.start_ns))
    return Made(points=points, seen=frozenset({chunk.start_ns} if points else ()))


def _all(rows: list[Row], name: str) -> list[float]:
    return [value for row in rows if (value := number(row, name)) is not None]


def _make_runtime(chunk: Chunk) -> Made:
    points: list[Point] = []
    seen: set[int] = set()
    for row in chunk.aggregates(DAILY_LEDGER, by=(ENTITY_ID,)):
        seen.add(row.time_ns)
        if (on_seconds := number(row, ON_TIME)) is None:
            continue
        fields: dict[str, FieldValue] = {
            "date": chunk.date_of(row.time_ns).isoformat(),
            "on_seconds": on_seconds,
            "state_changes": number(row, CHANGES) or 0.0,
        }
        points.append(DAILY_RUNTIME.point(row.tags, fields, row.time_ns))
    return Made(points=points, seen=frozenset(seen))


def _make_monthly_runtime(chunk: Chunk) -> Made:
    points: list[Point] = []
    rows = chunk.rows(daily(DAILY_RUNTIME.name), by=(ENTITY_ID,))
    for _, group in itertools.groupby(rows, key=lambda row: row.tags[ENTITY_ID]):
        days = list(group)
        fields: dict[str, FieldValue] = {
            "month": chunk.month,
            "days": float(len(days)),
            "on_seconds": total(number(day, "on_seconds") for day in days) or 0.0,
            "state_changes": total(number(day, "state_changes") for day in days) or 0.0,
        }
        points.append(MONTHLY_RUNTIME.point(days[-1].tags, fields, chunk.start_ns))
    return Made(points=points, seen=frozenset({chunk.start_ns} if points else ()))


_CARBON_FIELDS: Final = {
    "average": _INTENSITY_UNIT,
    "minimum": _INTENSITY_UNIT,
    "maximum": _INTENSITY_UNIT,
    "average_renewable": PERCENTAGE,
    "measured_hours": str(UnitOfTime.HOURS),
}
_RUNTIME_FIELDS: Final = {
    "on_seconds": str(UnitOfTime.SECONDS),
    "state_changes": NO_UNIT,
}

DAILY_CARBON: Final = View(
    name="daily_carbon_summary",
    period=Period.DAY,
    tags=_GRID_TAGS,
    fields={"date": NO_UNIT, **_CARBON_FIELDS},
    identity=_GRID_TAGS,
    reads=daily(MEASUREMENT_CARBON),
    made_after=(hourly(MEASUREMENT_CARBON),),
    make=_make_carbon,
    monthly="monthly_carbon_summary",
)
MONTHLY_CARBON: Final = View(
    name="monthly_carbon_summary",
    period=Period.MONTH,
    tags=_GRID_TAGS,
    fields={"month": NO_UNIT, **_CARBON_FIELDS},
    identity=_GRID_TAGS,
    reads=daily(DAILY_CARBON.name),
    made_after=(DAILY_CARBON.ledger,),
    make=_make_monthly_carbon,
)
DAILY_RUNTIME: Final = View(
    name="device_runtime_daily",
    period=Period.DAY,
    tags=_DEVICE_TAGS,
    fields={"date": NO_UNIT, **_RUNTIME_FIELDS},
    identity=(ENTITY_ID,),
    reads=DAILY_LEDGER,
    made_after=(HOURLY_LEDGER,),
    make=_make_runtime,
    monthly="monthly_device_runtime",
)
MONTHLY_RUNTIME: Final = View(
    name="monthly_device_runtime",
    period=Period.MONTH,
    tags=_DEVICE_TAGS,
    fields={"month": NO_UNIT, "days": str(UnitOfTime.DAYS), **_RUNTIME_FIELDS},
    identity=(ENTITY_ID,),
    reads=daily(DAILY_RUNTIME.name),
    made_after=(DAILY_RUNTIME.ledger,),
    make=_make_monthly_runtime,
)

"""The view of rooms: how much they moved, and how long somebody was there.

The union over the sensors of a room cannot be told from the aggregates of each of
them, so it is made of raw rows, hour by hour, before these go. The aggregates of the
hour before tell what held when an hour began, and those of the hour itself how many
raw rows there were, so that an hour of which rows are gone is never made from less.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
import itertools
from typing import Final

from ..models import FieldValue, Point
from ..retention.aggregate import GAPS, REMOVED
from ..retention.ledgers import EVENTS_LEDGER, HOURLY_LEDGER
from ..retention.rows import ENDS_UNKNOWN, LAST_STATE, ROW_COUNT
from ..retention.spans import Span, merge
from ..retention.windows import (
    NS_PER_S,
    Resolution,
    Window,
    to_datetime,
    window_at,
    windows_between,
)
from ..store.query import Row
from .chunk import Chunk, daily, number, text, total
from .definition import AREA, ENTITY_ID, NO_UNIT, Made, Period, View

SENSOR_DOMAIN: Final = "binary_sensor"
SENSOR_CLASSES: Final = ("motion", "occupancy", "presence")
_DOMAIN: Final = "domain"
_CLASS: Final = "device_class"
_TAGS: Final = (AREA, _CLASS)
_ON: Final = "on"
# Entities named in one question.
_MAX_NAMED: Final = 50


@dataclass(slots=True)
class RoomHour:
    """What the sensors of a room say about an hour.

    Attributes:
        on_spans: When any of them was on; merged after each sensor.
        sensors: Those of which a state was known at any time.
    """

    on_spans: list[Span] = field(default_factory=list)
    sensors: set[str] = field(default_factory=set)
    motion_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a sensor says from some time on.

    Attributes:
        state: None while it is not known.
        area: Where it is; None for nowhere.
        last_state: The last one that was known.
    """

    state: str | None = None
    area: str | None = None
    last_state: str | None = None


_NOTHING: Final = Held()

type _Hours = Mapping[int, Row]  # aggregates of one sensor, by start


def _make(chunk: Chunk) -> Made:
    windows = list(
        windows_between(Resolution.HOUR, chunk.start_ns, chunk.end_ns, chunk.zone)
    )
    rooms = Rooms(windows, chunk.interruptions())
    problems: list[str] = []
    spoilt: set[int] = set()
    seen: set[int] = set()
    sensors = _read_hours(chunk)
    for entity_id, found in _by_sensor(chunk, sensors):
        hours = sensors[entity_id]
        rooms.add(entity_id, found.rows, hours)
        seen |= hours.keys()
        fewer = _hours_with_less(windows, found.times, hours)
        spoilt |= fewer
        problems += _unexplained(chunk, entity_id, fewer)
    points = [
        point
        for window in windows
        if window.start_ns not in spoilt
        for point in _points_of(chunk, window, rooms.hours)
    ]
    return Made(points=points, seen=frozenset(seen - spoilt), problems=tuple(problems))


def _read_hours(chunk: Chunk) -> dict[str, dict[int, Row]]:
    """Read the aggregates of the sensors, of the chunk and the newest before."""
    tags = {_DOMAIN: SENSOR_DOMAIN, _CLASS: SENSOR_CLASSES}
    found: dict[str, dict[int, Row]] = {}
    # The newest one before tells the last known state, however long ago.
    for row in chunk.last_rows(HOURLY_LEDGER, by=(ENTITY_ID,), tags=tags):
        found[row.tags[ENTITY_ID]] = {row.time_ns: row}
    for row in chunk.aggregates(HOURLY_LEDGER, by=(ENTITY_ID,), tags=tags):
        found.setdefault(row.tags[ENTITY_ID], {})[row.time_ns] = row
    return found


@dataclass(slots=True)
class SensorRows:
    """The raw rows of a sensor, without what is not needed of them.

    Attributes:
        rows: One of each instant, oldest first.
        times: The instants of all rows.
    """

    rows: list[Row] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    def add(self, same: Iterable[Row]) -> None:
        """Add the rows of an instant."""
        rows = list(same)
        row = rows[0] if len(rows) == 1 else max(rows, key=_rank)
        self.times += (row.time_ns for row in rows)
        self.rows.append(
            Row(
                time_ns=row.time_ns,
                tags={name: row.tags[name] for name in _TAGS if name in row.tags},
                fields={"state": row.fields.get("state", "")},
            )
        )


def _by_sensor(
    chunk: Chunk, entity_ids: Iterable[str]
) -> Iterator[tuple[str, SensorRows]]:
    """Read the raw rows of each sensor, also of one that has none."""
    for names in itertools.batched(sorted(entity_ids), _MAX_NAMED, strict=False):
        # Without a row in the chunk, what held before holds in it.
        without = set(names)
        rows = chunk.rows(EVENTS_LEDGER, by=(ENTITY_ID,), tags={ENTITY_ID: names})
        for entity_id, group in itertools.groupby(
            rows, key=lambda row: row.tags[ENTITY_ID]
        ):
            found = SensorRows()
            for _, same in itertools.groupby(group, key=lambda row: row.time_ns):
                found.add(same)
            without.discard(entity_id)
            yield entity_id, found
        for entity_id in sorted(without):
            yield entity_id, SensorRows()


def _rank(row: Row) -> tuple[bool, list[tuple[str, str]], list[tuple[str, str]]]:
    """Order rows of one instant as the aggregates do: a known state before a gap."""
    return (
        row.fields.get("state") not in GAPS,
        sorted(row.tags.items()),
        sorted((name, repr(value)) for name, value in row.fields.items()),
    )


def _hours_with_less(
    windows: Sequence[Window], times: Sequence[int], hours: _Hours
) -> set[int]:
    """List the hours that had more raw rows when they were aggregated."""
    return {
        window.start_ns
        for window in windows
        if (row := hours.get(window.start_ns)) is not None
        and (number(row, ROW_COUNT) or 0.0)
        > bisect_left(times, window.end_ns) - bisect_left(times, window.start_ns)
    }


def _unexplained(chunk: Chunk, entity_id: str, starts_ns: Iterable[int]) -> list[str]:
    """Describe the hours whose rows nobody has deleted."""
    return [
        f"{entity_id} at {to_datetime(start_ns).isoformat()}: rows are missing"
        for start_ns in sorted(starts_ns)
        if not chunk.checkpoint.removed(
            EVENTS_LEDGER,
            (start_ns, window_at(Resolution.HOUR, start_ns, chunk.zone).end_ns),
            entity_id,
        )
    ]


def _by_window(
    windows: Sequence[Window], rows: Sequence[Row]
) -> Iterator[tuple[Window, Sequence[Row]]]:
    at = 0
    for window in windows:
        first = at
        while at < len(rows) and rows[at].time_ns < window.end_ns:
            at += 1
        yield window, rows[first:at]


class Rooms:
    """What the sensors of all rooms say about some hours.

    Args:
        windows: The hours, without a gap.
        interruptions: Instants after which nothing was known.
    """

    def __init__(
        self, windows: Sequence[Window], interruptions: Sequence[int] = ()
    ) -> None:
        """Start without a sensor."""
        self.hours: dict[tuple[str, int], RoomHour] = {}
        self._windows = windows
        self._interruptions = interruptions

    def add(self, entity_id: str, rows: Sequence[Row], hours: _Hours) -> None:
        """Add a sensor.

        Args:
            rows: Its raw rows of the hours, one of each instant, oldest first.
            hours: Its aggregates of the hours, and the newest one before.
        """
        held = self._held_before(hours)
        for window, group in _by_window(self._windows, rows):
            if (row := hours.get(window.start_ns)) is None:
                # As long as something holds, there is an aggregate.
                held = Held(area=held.area, last_state=held.last_state)
            spans: dict[str, list[Span]] = {}
            for span, now, is_edge in _trace(window, held, group, self._interruptions):
                held = now
                if now.area is None or now.state is None:
                    continue
                key = now.area, window.start_ns
                room = self.hours.setdefault(key, RoomHour())
                room.motion_count += is_edge
                room.sensors.add(entity_id)
                if now.state == _ON:
                    spans.setdefault(now.area, []).append(span)
            for area, on_spans in spans.items():
                room = self.hours[area, window.start_ns]
                room.on_spans = merge([*room.on_spans, *on_spans])
            if row is not None:
                # What it says of the end is what the next hour begins with.
                held = _held_after(row, held)

    def _held_before(self, hours: _Hours) -> Held:
        first_ns = self._windows[0].start_ns
        before = [at for at in hours if at < first_ns]
        if not before:
            return _NOTHING
        held = _held_after(hours[max(before)], _NOTHING)
        # No hour is longer. One that is half as long comes after a whole one.
        if max(before) >= first_ns - Resolution.HOUR.nominal_s * NS_PER_S:
            return held
        return Held(area=held.area, last_state=held.last_state)


def _held_after(row: Row, held: Held) -> Held:
    """Return what held at the end of an hour."""
    last_state = text(row, LAST_STATE)
    is_known = row.fields.get(ENDS_UNKNOWN) is not True
    is_sensor = row.tags.get(_CLASS) in SENSOR_CLASSES
    return Held(
        state=last_state if is_known and is_sensor else None,
        area=row.tags.get(AREA),
        last_state=held.last_state if last_state is None else last_state,
    )


def _trace(
    window: Window, held: Held, rows: Sequence[Row], interruptions: Sequence[int]
) -> Iterator[tuple[Span, Held, bool]]:
    """Follow a sensor through an hour.

    Yields:
        A span, what the sensor said in it, and whether it turned on at its start.
    """
    at_ns, is_edge = window.start_ns, False
    for row in rows:
        yield from _until(at_ns, row.time_ns, held, interruptions, is_edge=is_edge)
        now = _held_from(row, held)
        is_edge = now.state == _ON and held.last_state != _ON
        at_ns, held = row.time_ns, now
    yield from _until(at_ns, window.end_ns, held, interruptions, is_edge=is_edge)


def _until(
    start_ns: int,
    end_ns: int,
    held: Held,
    interruptions: Sequence[int],
    *,
    is_edge: bool,
) -> Iterator[tuple[Span, Held, bool]]:
    cut_ns = next((at for at in interruptions if start_ns <= at < end_ns), end_ns)
    if cut_ns > start_ns or is_edge:
        yield (start_ns, cut_ns), held, is_edge
    if cut_ns < end_ns:
        unknown = Held(area=held.area, last_state=held.last_state)
        yield (cut_ns, end_ns), unknown, False


def _held_from(row: Row, before: Held) -> Held:
    state = row.fields.get("state")
    area = row.tags.get(AREA)
    if not isinstance(state, str) or row.tags.get(_CLASS) not in SENSOR_CLASSES:
        return Held(area=area, last_state=before.last_state)
    if state in GAPS:
        last_state = None if state == REMOVED else before.last_state
        return Held(area=area, last_state=last_state)
    return Held(state=state, area=area, last_state=state)


def _points_of(
    chunk: Chunk, window: Window, rooms: Mapping[tuple[str, int], RoomHour]
) -> Iterator[Point]:
    local = chunk.local(window.start_ns)
    for (area, start_ns), room in sorted(rooms.items(), key=lambda item: item[0]):
        if start_ns != window.start_ns:
            continue
        on_ns = sum(end - start for start, end in room.on_spans)
        fields: dict[str, FieldValue] = {
            "hour": float(local.hour),
            "weekday": float(local.weekday()),
            "motion_count": float(room.motion_count),
            "occupancy_rate": on_ns / window.length_ns,
            "sensor_count": float(len(room.sensors)),
        }
        yield ROOM_ACTIVITY.point({AREA: area}, fields, window.start_ns)


def _make_monthly(chunk: Chunk) -> Made:
    """Make the months: one row of each room, with its usual day in it.

    With rows of each hour of the day a year would be thousands of them.
    """
    points: list[Point] = []
    rows = chunk.rows(daily(ROOM_ACTIVITY.name), by=(AREA,))
    for area, group in itertools.groupby(rows, key=lambda row: row.tags[AREA]):
        hours = list(group)
        by_hour: dict[int, list[Row]] = {}
        for row in hours:
            by_hour.setdefault(round(number(row, "hour") or 0.0), []).append(row)
        fields: dict[str, FieldValue] = {
            "month": chunk.month,
            "hours": float(len(hours)),
            "motion_count": total(number(r, "motion_count") for r in hours) or 0.0,
            "occupancy_rate": _rate(hours),
            "sensor_count": max(number(r, "sensor_count") or 0.0 for r in hours),
            **{_HOUR_RATES[hour]: _rate(same) for hour, same in by_hour.items()},
        }
        points.append(MONTHLY_ROOM_ACTIVITY.point({AREA: area}, fields, chunk.start_ns))
    return Made(points=points, seen=frozenset({chunk.start_ns} if points else ()))


def _rate(hours: Sequence[Row]) -> float:
    rates = (number(row, "occupancy_rate") for row in hours)
    return (total(rates) or 0.0) / len(hours)


_FIELDS: Final = {
    "motion_count": NO_UNIT,
    "occupancy_rate": NO_UNIT,
    "sensor_count": NO_UNIT,
}
# Fields of a month: the occupancy rate of each hour of the day.
_HOUR_RATES: Final = tuple(f"hour_{hour:02}" for hour in range(24))

ROOM_ACTIVITY: Final = View(
    name="hourly_room_activity",
    period=Period.HOUR,
    tags=(AREA,),
    fields={"hour": NO_UNIT, "weekday": NO_UNIT, **_FIELDS},
    identity=(AREA,),
    reads=EVENTS_LEDGER,
    made_after=(EVENTS_LEDGER,),
    make=_make,
    monthly="monthly_room_activity",
)
MONTHLY_ROOM_ACTIVITY: Final = View(
    name="monthly_room_activity",
    period=Period.MONTH,
    tags=(AREA,),
    fields={
        "month": NO_UNIT,
        "hours": NO_UNIT,
        **_FIELDS,
        **dict.fromkeys(_HOUR_RATES, NO_UNIT),
    },
    identity=(AREA,),
    reads=daily(ROOM_ACTIVITY.name),
    made_after=(ROOM_ACTIVITY.ledger,),
    make=_make_monthly,
)

"""What views say, worked out from raw rows: what somebody without views would do.

One statement reads the fields that are needed of the rows that are needed; the rest
is arithmetic with the integration's own rules, so that the rows are the same.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
import itertools
import math
from typing import Final

from year import ZONE

from custom_components.ha_ingestor.models import Tags
from custom_components.ha_ingestor.retention.aggregate import Aggregator
from custom_components.ha_ingestor.retention.carry import MAX_CARRY, Carry, Reading
from custom_components.ha_ingestor.retention.quantities import Quantity, nature_of
from custom_components.ha_ingestor.retention.rows import Aggregate
from custom_components.ha_ingestor.retention.spans import Span, merge
from custom_components.ha_ingestor.retention.windows import (
    NS_PER_S,
    Resolution,
    Window,
    duration_ns,
    to_datetime,
    windows_between,
)
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.query import Row, to_field_value

# Of which entity, room or provider, and when: instant, or month and hour of the day.
type RowKey = tuple[str, str]
type Answer = dict[RowKey, dict[str, float]]

EVENTS: Final = "home_assistant_events"
_TAGS: Final = ("entity_id", "device_class", "state_class", "unit", "domain", "area")
_HOUR_NS: Final = 3_600 * NS_PER_S
_CARRY_NS: Final = duration_ns(MAX_CARRY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A span, and of whom.

    Attributes:
        where: Condition on tags; empty for the whole home.
        by_month: Whether months are wanted instead of days or hours.
    """

    span: Span
    where: str = ""
    by_month: bool = False


def energy(client: InfluxClient, asked: Asked) -> Answer:
    """Answer what `daily_energy_by_device` holds."""
    rows: dict[RowKey, list[dict[str, float]]] = {}
    for aggregate in _aggregates(client, asked, _ENERGY, Resolution.DAY):
        kwh = aggregate.number("total_energy")
        if kwh is None:
            continue
        seconds = aggregate.number("value_seconds")
        if seconds is None:
            seconds = aggregate.number("covered_seconds") or 0.0
        nature = nature_of(aggregate.tags)
        watts: dict[str, float | None]
        if nature.quantity is Quantity.POWER:
            factor = nature.factor * 1_000
            mean, peak = aggregate.number("avg_value"), aggregate.number("max_value")
            watts = {
                "avg_power_w": None if mean is None else mean * factor,
                "peak_power_w": None if peak is None else peak * factor,
            }
        else:
            watts = {"avg_power_w": kwh * 3.6e6 / seconds if seconds else None}
        row = _known(
            total_kwh=kwh,
            cost=aggregate.number("energy_cost"),
            carbon_g=aggregate.number("energy_carbon"),
            measured_hours=seconds / 3_600,
            **watts,
        )
        key = _key(aggregate.tags["entity_id"], aggregate.window.start_ns, asked)
        rows.setdefault(key, []).append(row)
    return {
        key: same[0]
        if not asked.by_month
        else {
            **_sums(same, "total_kwh", "cost", "carbon_g", "measured_hours"),
            **_known(
                avg_power_w=_mean(same, "avg_power_w"),
                peak_power_w=max(
                    (row["peak_power_w"] for row in same if "peak_power_w" in row),
                    default=None,
                ),
            ),
        }
        for key, same in rows.items()
    }


def cost(client: InfluxClient, asked: Asked) -> Answer:
    """Answer what `energy_cost_hourly` holds: what the home's meter has counted."""
    rows: dict[RowKey, list[dict[str, float]]] = {}
    for aggregate in _aggregates(client, asked, _GRID, Resolution.HOUR):
        if (kwh := aggregate.number("total_energy")) is None:
            continue
        row = _known(
            kwh=kwh,
            cost=aggregate.number("energy_cost"),
            carbon_g=aggregate.number("energy_carbon"),
        )
        key = _key("", aggregate.window.start_ns, asked, has_hour=True)
        rows.setdefault(key, []).append(row)
    return {key: _sums(same, "kwh", "cost", "carbon_g") for key, same in rows.items()}


def runtime(client: InfluxClient, asked: Asked) -> Answer:
    """Answer what `device_runtime_daily` holds."""
    rows: dict[RowKey, list[dict[str, float]]] = {}
    for aggregate in _aggregates(client, asked, _SWITCHES, Resolution.DAY):
        if (on_seconds := aggregate.number("on_seconds")) is None:
            continue
        changes = aggregate.number("state_changes") or 0.0
        key = _key(aggregate.tags["entity_id"], aggregate.window.start_ns, asked)
        rows.setdefault(key, []).append(
            {"on_seconds": on_seconds, "state_changes": changes}
        )
    return {
        key: _sums(same, "on_seconds", "state_changes") for key, same in rows.items()
    }


def carbon(client: InfluxClient, asked: Asked) -> Answer:
    """Answer what `daily_carbon_summary` holds."""
    days: dict[int, dict[str, float]] = {}
    for name, field in (
        ("average", "carbon_intensity_gco2_kwh"),
        ("average_renewable", "renewable_percentage"),
    ):
        select = _Select(
            fields=(field,), tags=("region", "provider"), measurement="carbon_intensity"
        )
        for aggregate in _aggregates(client, asked, select, Resolution.DAY):
            day = days.setdefault(aggregate.window.start_ns, {})
            numbers = _known(**{name: aggregate.number("avg_value")})
            day |= numbers
            if name == "average":
                seconds = aggregate.number("covered_seconds") or 0.0
                day |= _known(
                    minimum=aggregate.number("min_value"),
                    maximum=aggregate.number("max_value"),
                    measured_hours=seconds / 3_600,
                )
    rows: dict[RowKey, list[dict[str, float]]] = {}
    for start_ns, day in days.items():
        rows.setdefault(_key("", start_ns, asked), []).append(day)
    return {
        key: same[0]
        if not asked.by_month
        else _known(
            average=_mean(same, "average"),
            average_renewable=_mean(same, "average_renewable"),
            minimum=min(row["minimum"] for row in same),
            maximum=max(row["maximum"] for row in same),
            measured_hours=math.fsum(row["measured_hours"] for row in same),
        )
        for key, same in rows.items()
    }


def rooms(client: InfluxClient, asked: Asked) -> Answer:
    """Answer what `hourly_room_activity` holds."""
    counts: dict[tuple[str, int], int] = {}
    sensors: dict[tuple[str, int], set[str]] = {}
    on_spans: dict[tuple[str, int], list[Span]] = {}
    hours = list(windows_between(Resolution.HOUR, *asked.span, ZONE))
    for tags, rows, carry in _groups(client, asked, _MOTION):
        area, state, since_ns = tags["area"], None, asked.span[0]
        if carry is not None and carry.expires_ns > since_ns:
            state = str(carry.row.fields["state"])
        expires_ns = None if carry is None else carry.expires_ns
        later = iter(rows)
        row = next(later, None)
        for hour in hours:
            at_ns, key = hour.start_ns, (area, hour.start_ns)
            if expires_ns is not None and at_ns >= expires_ns:
                state = None
            while True:
                is_last = row is None or row.time_ns >= hour.end_ns
                end_ns = hour.end_ns if row is None or is_last else row.time_ns
                if state is not None:
                    sensors.setdefault(key, set()).add(tags["entity_id"])
                    counts.setdefault(key, 0)
                    if state == "on" and end_ns > at_ns:
                        on_spans.setdefault(key, []).append((at_ns, end_ns))
                if row is None or is_last:
                    break
                now = str(row.fields["state"])
                is_edge = now == "on" and state != "on"
                counts[key] = counts.get(key, 0) + is_edge
                sensors.setdefault(key, set()).add(tags["entity_id"])
                at_ns, state, expires_ns = end_ns, now, hour.end_ns + _CARRY_NS
                row = next(later, None)
    return _fold_rooms(asked, hours, counts, sensors, on_spans)


def _fold_rooms(
    asked: Asked,
    hours: Sequence[Window],
    counts: dict[tuple[str, int], int],
    sensors: dict[tuple[str, int], set[str]],
    on_spans: dict[tuple[str, int], list[Span]],
) -> Answer:
    lengths = {hour.start_ns: hour.length_ns for hour in hours}
    rows: dict[RowKey, list[dict[str, float]]] = {}
    for (area, start_ns), count in counts.items():
        spans = merge(on_spans.get((area, start_ns), []))
        on_ns = sum(end - start for start, end in spans)
        rate = on_ns / lengths[start_ns]
        row = {
            "motion_count": float(count),
            "occupancy_rate": rate,
            "sensor_count": float(len(sensors[area, start_ns])),
        }
        if asked.by_month:
            local = to_datetime(start_ns).astimezone(ZONE)
            row[f"hour_{local:%H}"] = rate
        rows.setdefault(_key(area, start_ns, asked), []).append(row)
    return {
        key: {
            **{name: _plain_mean(same, name) for name in _names(same)},
            "motion_count": math.fsum(row["motion_count"] for row in same),
            "sensor_count": max(row["sensor_count"] for row in same),
        }
        for key, same in rows.items()
    }


def _plain_mean(rows: Sequence[dict[str, float]], name: str) -> float:
    known = [row[name] for row in rows if name in row]
    return math.fsum(known) / len(known)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Select:
    """What is read of which rows.

    Attributes:
        where: Condition on tags.
    """

    fields: tuple[str, ...]
    tags: tuple[str, ...] = _TAGS
    where: str = ""
    measurement: str = EVENTS


_ENERGY: Final = _Select(
    fields=("state", "value", "electricity_price", "carbon_intensity"),
    where="(device_class = 'power' OR device_class = 'energy')",
)
_GRID: Final = replace(_ENERGY, where="entity_id = 'sensor.grid_energy'")
_SWITCHES: Final = _Select(fields=("state", "value"), where="domain != 'sensor'")
_MOTION: Final = _Select(
    fields=("state",),
    where="(device_class = 'motion' OR device_class = 'occupancy'"
    " OR device_class = 'presence')",
)


def _aggregates(
    client: InfluxClient, asked: Asked, select: _Select, resolution: Resolution
) -> Iterator[Aggregate]:
    """Aggregate the rows of each entity, window by window."""
    windows = list(windows_between(resolution, *asked.span, ZONE))
    for _, rows, before in _groups(client, asked, select):
        carry, later = before, iter(rows)
        row = next(later, None)
        for window in windows:
            aggregator = Aggregator(window, carry=carry, mean_fields=())
            while row is not None and row.time_ns < window.end_ns:
                aggregator.add(row)
                row = next(later, None)
            if (found := aggregator.finish()) is not None:
                yield found
            if (carry := aggregator.carry_out()) is not None:
                carry = replace(carry, expires_ns=_expiry(carry.row))


def _groups(
    client: InfluxClient, asked: Asked, select: _Select
) -> Iterator[tuple[Tags, Iterable[Row], Carry | None]]:
    """Read the rows of each series, and what held before."""
    start_ns, end_ns = asked.span
    before = {
        tuple(sorted(tags.items())): _carry(row)
        for tags, rows in _read(
            client, asked, select, (start_ns - _CARRY_NS, start_ns), is_last=True
        )
        for row in rows
    }
    for tags, rows in _read(client, asked, select, (start_ns, end_ns)):
        yield tags, rows, before.pop(tuple(sorted(tags.items())), None)
    for key, carry in before.items():
        yield dict(key), (), carry


def _read(
    client: InfluxClient,
    asked: Asked,
    select: _Select,
    span: Span,
    *,
    is_last: bool = False,
) -> Iterator[tuple[Tags, Iterator[Row]]]:
    fields = ", ".join(f'"{field}"' for field in select.fields)
    conditions = [f"time >= {span[0]} AND time < {span[1]}", select.where, asked.where]
    statement = (
        f'SELECT {fields} FROM "{select.measurement}"'  # noqa: S608 - our own words
        f" WHERE {' AND '.join(filter(None, conditions))}"
        f" GROUP BY {', '.join(select.tags)}"
        f"{' ORDER BY time DESC LIMIT 1' if is_last else ''}"
    )
    is_value = len(select.fields) == 1 and select.measurement != EVENTS
    names = ("value",) if is_value else select.fields
    answer = client.query(statement)
    for tags, pieces in itertools.groupby(answer, key=lambda series: series.tags):
        known = {key: value for key, value in tags.items() if value}
        yield (
            known,
            (
                Row(
                    time_ns=int(str(values[0])),
                    tags=known,
                    fields={
                        name: to_field_value(value)
                        for name, value in zip(names, values[1:], strict=True)
                        if value is not None
                    },
                )
                for piece in pieces
                for values in piece.rows
            ),
        )


def _carry(row: Row) -> Carry:
    nature = nature_of(row.tags)
    value = row.fields.get("value")
    reading = None
    if nature.quantity in {Quantity.COUNTER, Quantity.BALANCE} and isinstance(
        value, float
    ):
        price, intensity = (
            row.fields.get(name) for name in ("electricity_price", "carbon_intensity")
        )
        reading = Reading(
            kwh=value * nature.factor,
            price=price if isinstance(price, float) else None,
            intensity=intensity if isinstance(intensity, float) else None,
        )
    state = row.fields.get("state")
    return Carry(
        row=row,
        expires_ns=_expiry(row),
        last_state=str(state) if state is not None and nature.unit == "" else None,
        reading=reading,
    )


def _expiry(row: Row) -> int:
    """Return until when a row holds; the clock's offset is of whole hours here."""
    return row.time_ns - row.time_ns % _HOUR_NS + _HOUR_NS + _CARRY_NS


def _key(name: str, start_ns: int, asked: Asked, *, has_hour: bool = False) -> RowKey:
    local = to_datetime(start_ns).astimezone(ZONE)
    if not asked.by_month:
        return name, local.isoformat()
    return name, f"{local:%Y-%m} {local:%H}" if has_hour else f"{local:%Y-%m}"


def _known(**values: float | None) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}


def _sums(rows: Sequence[dict[str, float]], *names: str) -> dict[str, float]:
    return {
        name: math.fsum(row[name] for row in rows if name in row)
        for name in names
        if any(name in row for row in rows)
    }


def _mean(rows: Sequence[dict[str, float]], name: str) -> float | None:
    known = [row for row in rows if name in row and row["measured_hours"] > 0]
    hours = math.fsum(row["measured_hours"] for row in known)
    if not hours:
        return None
    return math.fsum(row[name] * row["measured_hours"] for row in known) / hours


def _names(rows: Sequence[dict[str, float]]) -> list[str]:
    return sorted({name for row in rows for name in row})


type Answerer = Callable[[InfluxClient, Asked], Answer]

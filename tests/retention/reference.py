"""What an aggregate should be, worked out slowly from the whole history.

Nothing is shared with the integration but the names of the fields: all rows of an
entity are looked at for every window, in fractions, without anything carried.
"""

from collections.abc import Sequence
import datetime as dt
from fractions import Fraction
import math

import orjson

from custom_components.ha_ingestor.models import FieldValue
from custom_components.ha_ingestor.retention.windows import (
    Resolution,
    Window,
    window_at,
)
from custom_components.ha_ingestor.store.query import Row

HOUR_NS = 3_600_000_000_000
NOT_KNOWN = {"unavailable", "unknown", "", "removed"}
CONTEXT = (
    "outdoor_temperature",
    "outdoor_humidity",
    "outdoor_pressure",
    "carbon_intensity",
    "electricity_price",
    "anyone_home",
    "daylight",
)
PAIRS = (
    {"on", "off"},
    {"open", "closed"},
    {"home", "not_home"},
    {"locked", "unlocked"},
    {"above_horizon", "below_horizon"},
)
KWH = {"W": 0.001, "kW": 1.0, "Wh": 0.001, "kWh": 1.0}


def is_known(row: Row) -> bool:
    return row.fields["state"] not in NOT_KNOWN


def is_on(row: Row) -> bool | None:
    if row.tags["domain"] == "climate":
        return row.fields["state"] != "off"
    return row.fields["value"] == 1 if "value" in row.fields else None


def number_of(row: Row) -> float | None:
    """The number of a row, None for text, states such as "on", and gaps."""
    value = row.fields.get("value")
    try:
        float(str(row.fields["state"]))
    except ValueError:
        return None
    return value if isinstance(value, float) else None


def only_one_per_instant(rows: Sequence[Row]) -> list[Row]:
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row.time_ns, []).append(row)

    def rank(row: Row) -> tuple[object, ...]:
        fields = [(name, repr(value)) for name, value in sorted(row.fields.items())]
        return is_known(row), sorted(row.tags.items()), fields

    return [max(found[time_ns], key=rank) for time_ns in sorted(found)]


class Reference:
    """The history of one entity, in one unit."""

    def __init__(
        self, rows: Sequence[Row], zone: dt.tzinfo, max_carry: dt.timedelta
    ) -> None:
        self.all_rows = rows
        self.rows = only_one_per_instant(rows)
        carry_ns = int(max_carry.total_seconds()) * 10**9
        self.ends_ns = [
            min(
                window_at(Resolution.HOUR, row.time_ns, zone).end_ns + carry_ns,
                *(later.time_ns for later in self.rows[index + 1 : index + 2]),
            )
            if index + 1 < len(self.rows)
            else window_at(Resolution.HOUR, row.time_ns, zone).end_ns + carry_ns
            for index, row in enumerate(self.rows)
        ]

    def spans(self, window: Window) -> list[tuple[Row, int]]:
        """Rows that hold for some time of a window, and how long, in order."""
        clipped = (
            (row, min(end_ns, window.end_ns) - max(row.time_ns, window.start_ns))
            for row, end_ns in zip(self.rows, self.ends_ns, strict=True)
        )
        return [(row, span) for row, span in clipped if span > 0 and is_known(row)]

    def fields(self, window: Window) -> dict[str, FieldValue] | None:
        """What is to be stored of a window; None for nothing."""
        spans = self.spans(window)
        inside = [r for r in self.rows if window.start_ns <= r.time_ns < window.end_ns]
        covered_ns = sum(span for _, span in spans)
        if not inside and not covered_ns:
            return None
        fields: dict[str, FieldValue] = {
            "row_count": float(
                sum(
                    window.start_ns <= row.time_ns < window.end_ns
                    for row in self.all_rows
                )
            ),
            "sample_count": float(sum(map(is_known, inside))),
            "covered_seconds": covered_ns / 1e9,
        }
        length_s = (window.end_ns - window.start_ns) / 1e9
        if length_s != (3600 if window.resolution is Resolution.HOUR else 86400):
            fields["window_seconds"] = length_s
        if not self.is_known_at_end(window):
            fields["ends_unknown"] = True
        fields |= numbers(spans, covered_ns)
        fields |= self.states(window, spans)
        fields |= context(spans, covered_ns)
        fields |= self.energy(window, spans)
        return fields

    def tags(self, window: Window) -> dict[str, str]:
        rows = [row for row in self.rows if row.time_ns < window.end_ns]
        return dict(rows[-1].tags)

    def is_known_at_end(self, window: Window) -> bool:
        return any(
            row.time_ns < window.end_ns <= end_ns and is_known(row)
            for row, end_ns in zip(self.rows, self.ends_ns, strict=True)
        )

    def states(
        self, window: Window, spans: list[tuple[Row, int]]
    ) -> dict[str, FieldValue]:
        held = [(row, span) for row, span in spans if number_of(row) is None]
        if not held:
            return {}
        durations: dict[str, int] = {}
        for row, span in held:
            state = str(row.fields["state"])
            durations[state] = durations.get(state, 0) + span
        changes, before = self.changes(window)
        fields: dict[str, FieldValue] = {"state_changes": float(changes)}
        sides = [(is_on(row), span) for row, span in held]
        if any(side is not None for side, _ in sides):
            fields["on_seconds"] = sum(span for side, span in sides if side) / 1e9
        if before is not None:
            fields["last_state"] = before
            if any(set(durations) | {before} <= pair for pair in PAIRS):
                return fields
        longest = sorted(durations, key=lambda state: (-durations[state], state))
        fields["top_state"] = longest[0]
        fields["top_state_seconds"] = durations[longest[0]] / 1e9
        if len(longest) > 1:
            fields["state_durations"] = orjson.dumps(
                {state: durations[state] / 1e9 for state in longest[:16]}
            ).decode()
        return fields

    def changes(self, window: Window) -> tuple[int, str | None]:
        """How often the state changed, and what it was last, if not a number."""
        changes = 0
        before: str | None = None
        for row in self.rows:
            if row.time_ns >= window.end_ns:
                break
            if not is_known(row):
                continue
            state = None if number_of(row) is not None else str(row.fields["state"])
            if before is not None and state is not None and state != before:
                changes += row.time_ns >= window.start_ns
            before = state
        return changes, before

    def energy(
        self, window: Window, spans: list[tuple[Row, int]]
    ) -> dict[str, FieldValue]:
        held = [(row, span) for row, span in spans if number_of(row) is not None]
        tags = self.rows[0].tags
        if not held or tags.get("unit") not in KWH:
            return {}
        factor = Fraction(KWH[tags["unit"]])
        parts: list[tuple[Fraction, object, object]] = []
        if tags["device_class"] == "power":
            parts = [
                (
                    Fraction(number_of(row) or 0) * factor * Fraction(span, HOUR_NS),
                    row.fields.get("electricity_price"),
                    row.fields.get("carbon_intensity"),
                )
                for row, span in held
            ]
        else:
            before: Row | None = None
            for row in self.rows:
                value = number_of(row)
                if row.fields["state"] == "removed":
                    before = None
                if value is None:
                    continue
                if (
                    before is not None
                    and window.start_ns <= row.time_ns < window.end_ns
                ):
                    kwh = risen(
                        tags["state_class"],
                        (number_of(before) or 0.0) * float(factor),
                        value * float(factor),
                    )
                    prices = [
                        before.fields.get(name, row.fields.get(name))
                        for name in ("electricity_price", "carbon_intensity")
                    ]
                    parts.append((Fraction(kwh), prices[0], prices[1]))
                before = row
        fields: dict[str, FieldValue] = {
            "total_energy": float(sum(kwh for kwh, _, _ in parts))
        }
        for name, place in (("energy_cost", 1), ("energy_carbon", 2)):
            priced = [part for part in parts if part[place] is not None]
            if priced:
                fields[name] = float(
                    sum(part[0] * Fraction(part[place]) for part in priced)  # type: ignore[arg-type]
                )
        return fields


def risen(state_class: str, before: float, now: float) -> float:
    if state_class == "total_increasing":
        if now >= 0.9 * before:
            return now - before
        return max(now, 0.0)
    if abs(now) <= 0.1 * abs(before) and abs(now - before) >= 0.1:
        return now
    return now - before


def numbers(spans: list[tuple[Row, int]], covered_ns: int) -> dict[str, FieldValue]:
    held = [(v, span) for row, span in spans if (v := number_of(row)) is not None]
    if not held:
        return {}
    held_ns = sum(span for _, span in held)
    values = [value for value, _ in held]
    fields: dict[str, FieldValue] = {
        "avg_value": float(sum(Fraction(v) * span for v, span in held) / held_ns),
        "min_value": min(values),
        "max_value": max(values),
        "first_value": values[0],
        "last_value": values[-1],
    }
    if held_ns != covered_ns:
        fields["value_seconds"] = held_ns / 1e9
    return fields


def context(spans: list[tuple[Row, int]], covered_ns: int) -> dict[str, FieldValue]:
    fields: dict[str, FieldValue] = {}
    for name in CONTEXT:
        held = [
            (Fraction(row.fields[name]), span)  # type: ignore[arg-type]
            for row, span in spans
            if name in row.fields
        ]
        held_ns = sum(span for _, span in held)
        if not held_ns:
            continue
        fields[f"avg_{name}"] = float(sum(v * span for v, span in held) / held_ns)
        if held_ns != covered_ns:
            fields[f"avg_{name}_seconds"] = held_ns / 1e9
    return fields


def scale_of(rows: Sequence[Row]) -> float:
    """The largest number of a history: what rounding is measured by."""
    return max(
        (
            abs(value)
            for row in rows
            for value in row.fields.values()
            if isinstance(value, float) and math.isfinite(value)
        ),
        default=0.0,
    )

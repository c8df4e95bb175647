"""What a row of an aggregate holds, and when two of them agree.

| field | of | meaning |
|---|---|---|
| `row_count` | all | raw rows read, gaps and duplicates as well |
| `sample_count` | all | instants at which the entity reported a known state |
| `covered_seconds` | all | time for which a state was known |
| `window_seconds` | where a clock was set | length, if not 3,600 or 86,400 |
| `ends_unknown` | where it is so (true) | no state is known at the window's end |
| `avg_value` | numbers | time-weighted mean |
| `min_value`, `max_value` | numbers | of what held for some time, carried in or not |
| `first_value`, `last_value` | numbers | what held first and last |
| `value_seconds` | numbers, if not `covered_seconds` | time that they held |
| `total_energy` | power and energy | kWh |
| `energy_cost` | power and energy with a price | currency, part by part |
| `energy_carbon` | the same with an intensity | gCO2eq, part by part |
| `on_seconds` | on/off, open/closed, home/away, ... | time that it was the former |
| | climate, media players, water heaters | time that it was not off |
| `state_changes` | states that are no number | changes from one to another |
| `last_state` | the same | the last one, if no number came after it |
| `top_state`, `top_state_seconds` | text | which held longest, and its time |
| `state_durations` | text, if there were several | JSON: seconds of each |
| `avg_<context field>` | those chosen | time-weighted mean; of a bool its share |
| `avg_<context field>_seconds` | if not `covered_seconds` | time that it was known |

A field that does not apply is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
import math
from typing import Final

from ..const import MEASUREMENT_DAILY, MEASUREMENT_HOURLY
from ..models import ContextField, Fields, FieldValue, Point, Tags
from .windows import NS_PER_S, Resolution, Window

ROW_COUNT: Final = "row_count"
SAMPLE_COUNT: Final = "sample_count"
COVERED: Final = "covered_seconds"
WINDOW_LENGTH: Final = "window_seconds"
ENDS_UNKNOWN: Final = "ends_unknown"
AVG: Final = "avg_value"
MIN: Final = "min_value"
MAX: Final = "max_value"
FIRST: Final = "first_value"
LAST: Final = "last_value"
VALUE_TIME: Final = "value_seconds"
ENERGY: Final = "total_energy"
COST: Final = "energy_cost"
CARBON: Final = "energy_carbon"
ON_TIME: Final = "on_seconds"
CHANGES: Final = "state_changes"
LAST_STATE: Final = "last_state"
TOP_STATE: Final = "top_state"
TOP_STATE_TIME: Final = "top_state_seconds"
DURATIONS: Final = "state_durations"

# Context fields that have a mean. The sky's condition is text: it has none.
MEAN_FIELDS: Final = tuple(
    field for field in ContextField if field is not ContextField.OUTDOOR_CONDITION
)

MEASUREMENTS: Final[Mapping[Resolution, str]] = {
    Resolution.HOUR: MEASUREMENT_HOURLY,
    Resolution.DAY: MEASUREMENT_DAILY,
}

# Fields that are sums, or quotients of sums; they agree to a relative 1e-9. All else
# agrees exactly.
_SUMS: Final = frozenset({AVG, ENERGY, COST, CARBON})
_CONTEXT_PREFIX: Final = "avg_"
_TOLERANCE: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """What is known of one entity in one window.

    Attributes:
        tags: Those of its last raw row.
        fields: By the names of this module; exactly what is stored.
    """

    window: Window
    tags: Tags
    fields: Fields

    def to_point(self) -> Point:
        """Return it as it is stored, at the start of its window."""
        return Point(
            measurement=MEASUREMENTS[self.window.resolution],
            tags={key: self.tags[key] for key in sorted(self.tags) if self.tags[key]},
            fields=self.fields,
            time_ns=self.window.start_ns,
        )

    def number(self, name: str) -> float | None:
        """Return a field that is a number; None if it is left out."""
        value = self.fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value)

    def text(self, name: str) -> str | None:
        """Return a field that is text; None if it is left out."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else None

    def duration_ns(self, name: str) -> int | None:
        """Return a field in seconds as whole nanoseconds; None if it is left out."""
        seconds = self.number(name)
        return None if seconds is None else to_whole_ns(seconds)


def prefer(one: Aggregate, other: Aggregate) -> Aggregate:
    """Return the one to believe of two aggregates of one window.

    A window made again under other tags leaves its old row behind where rows cannot
    be deleted. The one made of more raw rows is the newer; of equals any, but always
    the same.
    """

    def rank(aggregate: Aggregate) -> tuple[float, list[tuple[str, str]]]:
        return aggregate.number(ROW_COUNT) or 0.0, sorted(aggregate.tags.items())

    return max(one, other, key=rank)


def mean_name(context_field: str) -> str:
    """Return the name of the mean of a context field."""
    return f"{_CONTEXT_PREFIX}{context_field}"


def mean_time_name(context_field: str) -> str:
    """Return the name of the time for which a context field was known."""
    return f"{_CONTEXT_PREFIX}{context_field}_seconds"


def to_seconds(duration_ns: int) -> float:
    """Return nanoseconds as seconds."""
    return duration_ns / NS_PER_S


def to_whole_ns(seconds: float) -> int:
    """Return seconds as the nanoseconds that they were made from.

    Exact up to 104 days, so that sums of durations do not depend on their order.
    """
    return round(seconds * NS_PER_S)


def differences(expected: Fields, found: Fields) -> list[str]:
    """List the fields in which an aggregate differs from the one it should equal.

    Counts, extremes, durations and texts must be the same, sums agree to 1e-9.
    """
    return [
        name
        for name in sorted({*expected, *found})
        if not _agrees(name, expected.get(name), found.get(name))
    ]


def _agrees(name: str, expected: FieldValue | None, found: FieldValue | None) -> bool:
    if type(expected) is type(found) and expected == found:
        return True
    if isinstance(expected, float) and isinstance(found, float) and _is_sum(name):
        return math.isclose(expected, found, rel_tol=_TOLERANCE)
    return False


def _is_sum(name: str) -> bool:
    return name in _SUMS or (
        name.startswith(_CONTEXT_PREFIX) and not name.endswith("_seconds")
    )

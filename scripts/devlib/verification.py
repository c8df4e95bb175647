"""Compares what is stored with what was played, point by point, and says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
import math
from typing import Any, Final

from .played import ExpectedPoint, PlayedEntity
from .stored import StoredPoint

TAG_NAMES: Final = (
    "area",
    "device",
    "device_class",
    "domain",
    "entity_id",
    "floor",
    "integration",
    "state_class",
    "unit",
)
# Of a difference of two times that are floats of seconds since 1970.
_DURATION_TOLERANCE_S: Final = 1e-5
_MAX_EXAMPLE_COUNT: Final = 3
_MISSING: Final = "nothing"
_HEAD: Final = (
    "entity",
    "expected",
    "stored",
    "missing",
    "doubled",
    "wrong values",
    "wrong tags",
    "wrong context",
    "",
)


@dataclass(slots=True)
class EntityResult:
    """What was found about one entity."""

    entity_id: str
    expected_count: int = 0
    stored_count: int = 0
    missing_count: int = 0
    surplus_count: int = 0
    wrong_value_count: int = 0
    wrong_tag_count: int = 0
    wrong_context_count: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """Whether nothing is missing, doubled or wrong."""
        return not any(
            (
                self.missing_count,
                self.surplus_count,
                self.wrong_value_count,
                self.wrong_tag_count,
                self.wrong_context_count,
            )
        )

    def note(self, text: str) -> None:
        """Keep an example of what is wrong, if there are not enough."""
        if len(self.examples) < _MAX_EXAMPLE_COUNT:
            self.examples.append(f"{self.entity_id}: {text}")


def compare(
    entity: PlayedEntity,
    expected: Sequence[ExpectedPoint],
    stored: Sequence[StoredPoint],
) -> EntityResult:
    """Find what is missing, doubled or wrong.

    Args:
        entity: The entity.
        expected: Its points, oldest first.
        stored: Its points of all series, oldest first.
    """
    result = EntityResult(entity.entity_id, len(expected), len(stored))
    # Both are put side by side by what they say, so that one missing point does
    # not make all that follow wrong.
    matcher = SequenceMatcher(
        None,
        [_expected_signature(point) for point in expected],
        [_stored_signature(point) for point in stored],
        autojunk=False,
    )
    changed_ns: int | None = None
    for operation, i1, i2, j1, j2 in matcher.get_opcodes():
        paired = min(i2 - i1, j2 - j1)
        for offset in range(paired):
            point, found = expected[i1 + offset], stored[j1 + offset]
            if operation == "equal":
                _compare_values(point, found, changed_ns, result)
            else:
                result.wrong_value_count += 1
                result.note(f"expected {_describe(point)}, stored {found}")
            _compare_tags(entity, found, result)
            _compare_context(point, found, result)
            if point.previous is not None or changed_ns is None:
                changed_ns = found["time"]
        for point in expected[i1 + paired : i2]:
            result.missing_count += 1
            result.note(f"missing {_describe(point)}")
        for found in stored[j1 + paired : j2]:
            result.surplus_count += 1
            result.note(f"not expected {found}")
    return result


def _expected_signature(point: ExpectedPoint) -> tuple[object, ...]:
    return (point.reading, tuple(sorted(point.fields.items())))


def _stored_signature(point: StoredPoint) -> tuple[object, ...]:
    """Return the reading and the attributes, as the expected point has them."""
    state: Any = point.get("state", _MISSING)
    if "value" in point and (number := _as_number(state)) is not None:
        state = number
    attributes = {
        name: float(value) if isinstance(value, int) else value
        for name, value in point.items()
        if name.startswith("attr_")
    }
    return (state, tuple(sorted(attributes.items())))


def _as_number(text: object) -> float | None:
    try:
        return float(str(text))
    except ValueError:
        return None


def _compare_values(
    point: ExpectedPoint,
    found: StoredPoint,
    changed_ns: int | None,
    result: EntityResult,
) -> None:
    """Compare the fields that the signature does not hold."""
    wrong = []
    if found.get("value") != point.value:
        wrong.append(f"value {found.get('value', _MISSING)} for {_describe(point)}")
    previous = found.get("previous_state")
    if isinstance(point.previous, float):
        previous = _as_number(previous)
    if previous != point.previous:
        wrong.append(f"previous_state {previous}, not {point.previous}")
    duration = found.get("duration_s")
    if point.previous is None:
        if duration is not None:
            wrong.append(f"duration_s {duration} where the state did not change")
    elif duration is None or (
        changed_ns is not None
        and not math.isclose(
            duration,
            (found["time"] - changed_ns) / 1e9,
            rel_tol=0,
            abs_tol=_DURATION_TOLERANCE_S,
        )
    ):
        wrong.append(f"duration_s {duration} at {found['time']}")
    if not found.get("context_id"):
        wrong.append("no context_id")
    if wrong:
        result.wrong_value_count += 1
        result.note("; ".join(wrong))


def _compare_tags(
    entity: PlayedEntity, found: StoredPoint, result: EntityResult
) -> None:
    tags: dict[str, str] = {name: found[name] for name in TAG_NAMES if name in found}
    if tags != entity.all_tags:
        result.wrong_tag_count += 1
        result.note(f"tags {_difference(entity.all_tags, tags)}")


def _compare_context(
    point: ExpectedPoint, found: StoredPoint, result: EntityResult
) -> None:
    wrong = []
    temperature = found.get("outdoor_temperature")
    if temperature != point.outdoor_temperature:
        wrong.append(
            f"outdoor_temperature {temperature}, not {point.outdoor_temperature}"
        )
    if found.get("anyone_home") not in point.anyone_home:
        wrong.append(
            f"anyone_home {found.get('anyone_home')}, not {set(point.anyone_home)}"
        )
    if wrong:
        result.wrong_context_count += 1
        result.note(f"{'; '.join(wrong)} with {_describe(point)}")


def _difference(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    return ", ".join(
        f"{name} is {found.get(name, _MISSING)}, not {expected.get(name, _MISSING)}"
        for name in sorted({*expected, *found})
        if expected.get(name) != found.get(name)
    )


def _describe(point: ExpectedPoint) -> str:
    return f"{point.reading} {dict(point.fields) or ''}".rstrip()


def format_table(results: Sequence[EntityResult]) -> str:
    """Return the table of all entities, with a total."""
    total = EntityResult("total")
    rows = []
    for result in [*results, total]:
        counts = (
            result.expected_count,
            result.stored_count,
            result.missing_count,
            result.surplus_count,
            result.wrong_value_count,
            result.wrong_tag_count,
            result.wrong_context_count,
        )
        verdict = "ok" if result.is_right else "WRONG"
        rows.append((result.entity_id, *map(str, counts), verdict))
        _add_to(total, result)
    widths = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if index in {0, len(widths) - 1} else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (_HEAD, *rows)
    ]
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _add_to(total: EntityResult, result: EntityResult) -> None:
    """Add up; the total itself comes last and is not added to itself."""
    if result is total:
        return
    total.expected_count += result.expected_count
    total.stored_count += result.stored_count
    total.missing_count += result.missing_count
    total.surplus_count += result.surplus_count
    total.wrong_value_count += result.wrong_value_count
    total.wrong_tag_count += result.wrong_tag_count
    total.wrong_context_count += result.wrong_context_count

"""Compares windows that were stored or answered with what the readings amount to."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
import math
from typing import Any, Final

from .lifecycle_past import Amounts, Kind, PastEntity, Span, to_datetime, to_ns

# The fields of an aggregate as it is stored, by the names of `get_history`.
STORED_NAMES: Final[Mapping[str, str]] = {
    "count": "sample_count",
    "mean": "avg_value",
    "min": "min_value",
    "max": "max_value",
    "first": "first_value",
    "last": "last_value",
    "energy": "total_energy",
    "on_seconds": "on_seconds",
    "changes": "state_changes",
}
# Sums, and quotients of sums; all else must be the very same.
_SUMS: Final = frozenset({"mean", "energy"})
_TOLERANCE: Final = 1e-9
_MAX_EXAMPLE_COUNT: Final = 3
_S_PER_HOUR: Final = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundWindow:
    """A window as it was found.

    Attributes:
        end_ns: None where that is not told.
        values: By the names of `get_history`.
        source: The tier that it came from.
    """

    start_ns: int
    values: Mapping[str, Any]
    end_ns: int | None = None
    source: str = ""


@dataclass(slots=True)
class WindowCheck:
    """What was found of all entities, compared with what it should be.

    Attributes:
        only: The values that are there to be compared; None for all.
    """

    name: str
    only: Collection[str] | None = None
    expected_count: int = 0
    found_count: int = 0
    missing_count: int = 0
    surplus_count: int = 0
    wrong_count: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """Whether nothing is missing, doubled or wrong, and there was something."""
        wrong = self.missing_count + self.surplus_count + self.wrong_count
        return bool(self.expected_count) and not wrong

    def note(self, text: str) -> None:
        """Keep an example of what is wrong, if there are not enough."""
        if len(self.examples) < _MAX_EXAMPLE_COUNT:
            self.examples.append(f"{self.name}: {text}")

    def compare(
        self,
        entity: PastEntity,
        windows: Iterable[Span],
        found: Sequence[FoundWindow],
        source_of: Callable[[Span], Collection[str]] | None = None,
        answered_ns: int = 0,
    ) -> None:
        """Compare the windows of an entity.

        Args:
            windows: Those that must be there, as far as anything is known of them.
            source_of: The tiers that a window may come from; None for any.
            answered_ns: The last window ends between its end and this: it was not
                over when it was asked for. What begins in between is not looked at.
        """
        expected = {
            window: amounts
            for window in windows
            if (amounts := entity.amounts(window)) is not None
        }
        last_end_ns = max((end_ns for _, end_ns in expected), default=0)
        by_start: dict[int, list[FoundWindow]] = {}
        for one in found:
            if last_end_ns <= one.start_ns < answered_ns:
                continue
            by_start.setdefault(one.start_ns, []).append(one)
            self.sources[one.source] += 1
        self.expected_count += len(expected)
        self.found_count += sum(map(len, by_start.values()))
        for window, amounts in expected.items():
            same = by_start.pop(window[0], [])
            if len(same) != 1:
                self.missing_count += not same
                self.surplus_count += max(len(same) - 1, 0)
                self.note(f"{len(same) or 'no'} {_describe(entity, window)}")
                continue
            one, told = same[0], (window, amounts)
            end_ns = one.end_ns or 0
            if window[1] == last_end_ns and last_end_ns < end_ns <= answered_ns:
                told_window = window[0], end_ns
                told = told_window, entity.amounts(told_window) or amounts
            sources = None if source_of is None else source_of(window)
            if wrong := self._find_wrong(entity.kind, *told, one, sources):
                self.wrong_count += 1
                self.note(f"{_describe(entity, window)}: {'; '.join(wrong)}")
        for start_ns, others in by_start.items():
            self.surplus_count += len(others)
            self.note(f"{entity.entity_id} has one of {_describe_time(start_ns)}")

    def _find_wrong(
        self,
        kind: Kind,
        window: Span,
        amounts: Amounts,
        found: FoundWindow,
        sources: Collection[str] | None,
    ) -> list[str]:
        if self.only is not None:
            values = {name: amounts.values[name] for name in self.only}
            amounts = Amounts(held_s=amounts.held_s, values=values)
        wrong = find_wrong(kind, amounts, found.values)
        if found.end_ns not in {None, window[1]}:
            wrong.append(f"ends {_describe_time(found.end_ns or 0)}")
        if sources is not None and found.source not in sources:
            wrong.append(f"comes from {found.source}")
        return wrong

    def compare_readings(
        self, entity: PastEntity, span: Span, found: Sequence[tuple[int, Any]]
    ) -> None:
        """Compare the readings of a span; found are times with values."""
        expected = Counter(
            (time_ns, value)
            for time_ns, value in zip(entity.times_ns, entity.values, strict=True)
            if span[0] <= time_ns < span[1]
        )
        stored = Counter(found)
        self.expected_count += expected.total()
        self.found_count += stored.total()
        missing, surplus = expected - stored, stored - expected
        self.missing_count += missing.total()
        self.surplus_count += surplus.total()
        for what, times in (("no", missing), ("not expected:", surplus)):
            for time_ns, value in times:
                self.note(
                    f"{what} {entity.entity_id} {value} of {_describe_time(time_ns)}"
                )


def find_wrong(kind: Kind, amounts: Amounts, found: Mapping[str, Any]) -> list[str]:
    """List what is wrong with the values of a window."""
    wrong = [
        f"{name} {found.get(name, 'nothing')}, not {value}"
        for name, value in amounts.values.items()
        if not agrees(name, value, found.get(name))
    ]
    if kind in {Kind.NUMBER, Kind.SWITCH} and "energy" in found:
        wrong.append(f"energy {found['energy']} of something that is none")
    return wrong


def agrees(name: str, expected: float | str, found: object) -> bool:
    """Tell whether a value is right: sums nearly, all else exactly."""
    if name not in _SUMS or not isinstance(found, int | float):
        return found == expected
    return is_close(float(expected), found)


def is_close(one: float, other: float) -> bool:
    """Tell whether two sums are the same, but for the order of their terms."""
    return math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=1e-12)


# ---------------------------------------------------------- what answers look like
def parse_time(text: str) -> int:
    """Return a time of an answer, to the nanosecond where it has some."""
    head, dot, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    zone = rest[len(digits) :]
    if not dot:
        return to_ns(datetime.fromisoformat(text))
    return to_ns(datetime.fromisoformat(f"{head}{zone}")) + int(f"{digits:0<9}")


def from_history(row: Mapping[str, Any]) -> FoundWindow:
    """Read a row of `get_history`."""
    end: str | None = row.get("end")
    return FoundWindow(
        start_ns=parse_time(row["start"]),
        end_ns=None if end is None else parse_time(end),
        values=row,
        source=row["source"],
    )


def from_aggregate(
    kind: Kind, start_ns: int, fields: Mapping[str, Any], source: str = ""
) -> FoundWindow:
    """Read an aggregate as it is stored, in a tier or in the archive."""
    names = dict(STORED_NAMES)
    if kind is Kind.SWITCH:
        names["last"] = "last_state"
    values = {
        name: fields[stored]
        for name, stored in names.items()
        if fields.get(stored) is not None
    }
    return FoundWindow(start_ns=start_ns, values=values, source=source)


# ------------------------------------------------------------------------- totals
@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What an entity's readings come to in all, by one way and another.

    Attributes:
        expected: Counted from the readings in one go.
        found: By what the total was asked of.
    """

    entity_id: str
    kind: Kind
    expected: float
    found: Mapping[str, float]

    @property
    def is_right(self) -> bool:
        """Whether all agree."""
        return all(is_close(self.expected, one) for one in self.found.values())


def total_of_readings(entity: PastEntity, span: Span) -> float:
    """Return what the readings come to, without any windows."""
    amounts = entity.amounts(span)
    if amounts is None:
        return math.nan
    if entity.kind is Kind.SWITCH:
        return float(amounts.values["on_seconds"]) / _S_PER_HOUR
    return float(amounts.values["mean" if entity.kind is Kind.NUMBER else "energy"])


def total_of_windows(entity: PastEntity, found: Iterable[FoundWindow]) -> float:
    """Return what windows come to that follow each other."""
    if entity.kind is Kind.SWITCH:
        on_seconds = math.fsum(one.values.get("on_seconds", math.nan) for one in found)
        return on_seconds / _S_PER_HOUR
    if entity.kind is not Kind.NUMBER:
        return math.fsum(one.values.get("energy", math.nan) for one in found)
    means: list[float] = []
    held: list[float] = []
    for one in found:
        amounts = entity.amounts((one.start_ns, one.end_ns or one.start_ns))
        if amounts is None:
            return math.nan
        held.append(amounts.held_s)
        means.append(one.values.get("mean", math.nan))
    if not held:
        return math.nan
    return math.sumprod(means, held) / math.fsum(held)


# ------------------------------------------------------------------------- tables
def format_rows(
    head: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[int] = (0,)
) -> str:
    """Return a table; columns that are not named begin at the right."""
    columns = list(zip(head, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "  ".join(
            cell.ljust(width) if index in left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def format_checks(checks: Sequence[WindowCheck]) -> str:
    """Return the table of what was compared."""
    rows = [
        (
            check.name,
            f"{check.expected_count:,}",
            f"{check.found_count:,}",
            *map(str, (check.missing_count, check.surplus_count, check.wrong_count)),
            "  ".join(
                f"{source} {count:,}"
                for source, count in check.sources.items()
                if source
            ),
            _verdict(is_right=check.is_right),
        )
        for check in checks
    ]
    head = ("compared", "expected", "found", "missing", "doubled", "wrong", "from", "")
    return format_rows(head, rows, left=(0, 6, 7))


def format_totals(totals: Sequence[Total]) -> str:
    """Return the table of totals."""
    ways = list(dict.fromkeys(way for total in totals for way in total.found))
    rows = [
        (
            total.entity_id,
            total.kind.value,
            f"{total.expected:.9f}",
            *(f"{total.found[way]:.9f}" if way in total.found else "" for way in ways),
            _verdict(is_right=total.is_right),
        )
        for total in totals
    ]
    head = ("entity", "total", "readings", *ways, "")
    return format_rows(head, rows, left=(0, 1, len(head) - 1))


def _verdict(*, is_right: bool) -> str:
    return "ok" if is_right else "WRONG"


def _describe(entity: PastEntity, window: Span) -> str:
    return f"{entity.entity_id} of {_describe_time(window[0])}"


def _describe_time(at_ns: int) -> str:
    return to_datetime(at_ns).isoformat()

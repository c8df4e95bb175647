"""The tables that a person reads."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import operator
from typing import Any, Final

from rows import SECTIONS, Row, Section

type Summary = Mapping[str, Any]

_TITLES: Final = {
    "none": "nothing",
    "noop": "no-op",
    "influxdb": "influxdb",
    "recorder": "recorder",
    "ours": "ours",
    "ours_fast": "ours, 0.05 s",
    "ours_full_sync": "ours, full sync",
}
# Those who store nothing: what is theirs is Home Assistant's own.
_BASES: Final = frozenset({"none", "noop"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One figure, with what it was made of."""

    value: float
    text: str


def print_report(report: Mapping[str, Any]) -> None:
    """Print the figures with their ratios."""
    figures: Mapping[str, Summary] = report["figures"]
    print(
        f"\n{report['date']}, Home Assistant {report['home_assistant']}, Python "
        f"{report['python']}, {report['system']}, {report['machine']}, "
        f"{report['cpus']} CPUs{', quick' if report['quick'] else ''}"
    )
    for section in SECTIONS:
        print_section(section, figures)
    print()
    for name, summary in figures.items():
        if threads := summary["threads_us"]:
            parts = ", ".join(f"{key} {us:.1f}" for key, us in threads.items())
            print(f"- {_TITLES[name]}: CPU µs/event by thread in the burst: {parts}")
    for name, summary in figures.items():
        lost = {where: count for where, count in summary["lost"].items() if count}
        if summary["lost"]:
            print(f"- {_TITLES[name]}: lost in the scenarios of speed: {lost or 0}")
        for note in summary["notes"]:
            print(f"- {_TITLES[name]}: {note}")
    for note in report["notes"]:
        print(f"- {note}")


def print_section(section: Section, figures: Mapping[str, Summary]) -> None:
    """Print one table; nothing where nothing of it was measured."""
    lines: list[tuple[Row, dict[str, Cell]]] = []
    for row in section.rows:
        cells = {
            name: cell
            for name in _TITLES
            if (cell := cell_of(row, name, figures)) is not None
        }
        if cells:
            lines.append((row, cells))
    names = [name for name in _TITLES if any(name in cells for _, cells in lines)]
    if not names:
        return
    reference = section.reference
    heads = [*(_TITLES[name] for name in names), f"ours/{reference}", "budget"]
    print(f"\n### {section.title}\n")
    print_line("", heads)
    print_line("-" * 44, ["-" * 13] * len(heads))
    for row, cells in lines:
        texts = [cells[name].text if name in cells else "" for name in names]
        print_line(row.title, [*texts, ratio(cells, reference), verdict(row, cells)])


def print_line(title: str, texts: Sequence[str]) -> None:
    """Print one line of a table, readable as Markdown."""
    print(f"| {title:44} | " + " | ".join(f"{text:>15}" for text in texts) + " |")


def cell_of(row: Row, name: str, figures: Mapping[str, Summary]) -> Cell | None:
    """Return the figure of one competitor for one line."""
    value = value_of(row, figures.get(name))
    if value is None:
        return None
    if row.is_over_noop:
        base = value_of(row, figures.get("noop"))
        if name in _BASES or base is None:
            return None
        value -= base
    return Cell(value=value, text=row.form.format(value))


def value_of(row: Row, summary: Summary | None) -> float | None:
    """Return the median of a figure, or its worst sample."""
    samples: list[float] = summary["samples"].get(row.key, []) if summary else []
    if not samples or summary is None:
        return None
    value: float = max(samples) if row.is_worst else summary["values"][row.key]
    return value


def ratio(cells: Mapping[str, Cell], reference: str) -> str:
    """Say how ours stands to another."""
    ours, other = cells.get("ours"), cells.get(reference)
    if ours is None or other is None or not other.value:
        return ""
    return f"{ours.value / other.value:.2f}"


def verdict(row: Row, cells: Mapping[str, Cell]) -> str:
    """Say whether ours keeps within its budget."""
    if row.budget is None or (ours := cells.get("ours")) is None:
        return ""
    value, limit = ours.value, row.budget.limit
    unit = ""
    if row.budget.is_ratio:
        core = cells.get("influxdb")
        if core is None or not core.value:
            return ""
        value, unit = value / core.value, "x"
    is_kept: Callable[[float, float], bool] = (
        operator.ge if row.budget.is_lower_bound else operator.le
    )
    sign = ">=" if row.budget.is_lower_bound else "<="
    word = "met" if is_kept(value, limit) else "MISSED"
    return f"{sign} {limit:g}{unit} {word}"

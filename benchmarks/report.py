"""The table that a person reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

type Summary = Mapping[str, Any]

_TITLES: Final = {
    "none": "nothing",
    "noop": "no-op",
    "influxdb": "influxdb",
    "ours": "ours",
    "ours_fast": "ours, 0.05 s",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        is_over_noop: The figure of the no-op listener is taken off first, since
            Home Assistant spends it on any listener.
    """

    title: str
    key: str
    form: str = "{:,.2f}"
    is_over_noop: bool = False


ROWS: Final = (
    Row(title="event loop, CPU µs/event", key="loop_us"),
    Row(title="  over the no-op listener", key="loop_us", is_over_noop=True),
    Row(title="process, CPU µs/event, burst", key="process_us"),
    Row(title="  over the no-op listener", key="process_us", is_over_noop=True),
    Row(title="time to fire the burst, s", key="fired_s"),
    Row(title="stored events/s, burst", key="stored_per_s", form="{:,.0f}"),
    Row(title="memory over idle, burst, MiB", key="memory_mib", form="{:,.0f}"),
    Row(title="change to queryable, 5/s, p50 s", key="slow_p50_s"),
    Row(title="  p99 s", key="slow_p99_s"),
    Row(title="change to queryable, 200/s, p50 s", key="fast_p50_s"),
    Row(title="  p99 s", key="fast_p99_s"),
    Row(title="orderly stop, s", key="stop_s"),
    Row(title="  over the no-op listener", key="stop_s", is_over_noop=True),
)
_WRITERS_ONLY: Final = frozenset({"stored_per_s"})


def print_report(report: Mapping[str, Any]) -> None:
    """Print the figures with their ratios."""
    figures: Mapping[str, Summary] = report["figures"]
    names = list(figures)
    print(
        f"\nHome Assistant {report['home_assistant']}, Python {report['python']}, "
        f"{report['cpus']} CPUs{', quick' if report['quick'] else ''}\n"
    )
    heads = [_TITLES[name] for name in names] + ["ours/influxdb"]
    print_line("", heads)
    print_line("-" * 36, ["-" * 13] * len(heads))
    for row in ROWS:
        values = {name: value_of(row, name, figures) for name in names}
        cells = [
            "" if value is None else row.form.format(value) for value in values.values()
        ]
        print_line(row.title, [*cells, ratio(values)])
    print()
    for name in names:
        if threads := figures[name]["threads_us"]:
            parts = ", ".join(f"{key} {us:.1f}" for key, us in threads.items())
            print(f"{_TITLES[name]}: CPU µs/event by thread in the burst: {parts}")
    for name in names:
        lost = {where: count for where, count in figures[name]["lost"].items() if count}
        if figures[name]["lost"]:
            print(f"{_TITLES[name]}: lost {lost or 'nothing'}")


def print_line(title: str, cells: list[str]) -> None:
    """Print one line of the table, readable as Markdown."""
    print(f"| {title:36} | " + " | ".join(f"{cell:>13}" for cell in cells) + " |")


def value_of(row: Row, name: str, figures: Mapping[str, Summary]) -> float | None:
    """Return the figure of one competitor for one line."""
    if row.key in _WRITERS_ONLY and name in {"none", "noop"}:
        return None
    value: float | None = figures[name][row.key]
    if value is None or not row.is_over_noop:
        return value
    if name in {"none", "noop"} or "noop" not in figures:
        return None
    base: float | None = figures["noop"][row.key]
    return None if base is None else value - base


def ratio(values: Mapping[str, float | None]) -> str:
    """Say how ours stands to core's."""
    ours, core = values.get("ours"), values.get("influxdb")
    return f"{ours / core:.2f}" if ours is not None and core else ""

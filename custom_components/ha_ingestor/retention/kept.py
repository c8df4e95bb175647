"""Why days stay that are old enough to go, in words for a person."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from .windows import NS_PER_DAY, to_datetime

# What is told: a person needs the first ones, and a record has to stay small.
MAX_KEPT: Final = 20


class KeptDays:
    """Collects days and their reasons; days in a row with one reason are one line."""

    def __init__(self) -> None:
        """Begin with none."""
        self._days: defaultdict[tuple[str, str], list[int]] = defaultdict(list)

    def add(self, measurement: str, day_ns: int, reason: str) -> None:
        """Keep that a UTC day of a measurement stays, and why."""
        self._days[measurement, reason].append(day_ns)

    def lines(self) -> tuple[str, ...]:
        """Return what a person should read, the first of it."""
        lines = [
            f"{measurement} of {words} stays: {reason}"
            for (measurement, reason), days in self._days.items()
            for words in describe_days(days)
        ]
        if len(lines) > MAX_KEPT:
            rest = len(lines) - MAX_KEPT + 1
            lines[MAX_KEPT - 1 :] = [f"and {rest} more"]
        return tuple(lines)


def describe_days(days: Iterable[int]) -> list[str]:
    """Return UTC days as a person reads them; those in a row are one."""
    return [_describe(first_ns, last_ns) for first_ns, last_ns in _runs(days)]


def _runs(days: Iterable[int]) -> list[tuple[int, int]]:
    """Join days that follow each other: first and last of each run."""
    runs: list[tuple[int, int]] = []
    for day_ns in sorted(set(days)):
        if runs and day_ns == runs[-1][1] + NS_PER_DAY:
            runs[-1] = (runs[-1][0], day_ns)
        else:
            runs.append((day_ns, day_ns))
    return runs


def _describe(first_ns: int, last_ns: int) -> str:
    first = to_datetime(first_ns).date().isoformat()
    if first_ns == last_ns:
        return first
    return f"{first} to {to_datetime(last_ns).date().isoformat()}"

"""What was measured of one competitor."""

from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

_MIB: Final = 2**20


@dataclass(slots=True)
class Figures:
    """Samples by the key of their line in the report; what does not apply is missing.

    Attributes:
        threads_us: CPU time per change by thread, one mapping for each burst.
        lost: Changes that are not in the database, by scenario.
        notes: What a figure alone would not tell.
    """

    samples: dict[str, list[float]] = field(default_factory=dict)
    threads_us: list[dict[str, float]] = field(default_factory=list)
    lost: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, key: str, *values: float) -> None:
        """Add samples of one figure; the report has their median."""
        self.samples.setdefault(key, []).extend(values)

    def add_mib(self, key: str, size_bytes: float) -> None:
        """Add a sample of a size."""
        self.add(key, size_bytes / _MIB)

    def add_latencies(self, key: str, latencies_s: list[float]) -> None:
        """Add median and tail of one round's latencies, where there are any."""
        if ordered := sorted(latencies_s):
            self.add(f"{key}_p50_s", quantile(ordered, 0.5))
            self.add(f"{key}_p99_s", quantile(ordered, 0.99))

    def count_lost(self, where: str, count: int) -> None:
        """Add to the changes lost in a scenario."""
        self.lost[where] = self.lost.get(where, 0) + count

    def middle(self, key: str) -> float:
        """Return the median of a figure that has been measured."""
        return median(self.samples[key])

    def summary(self) -> dict[str, Any]:
        """Reduce the samples to the figures of the report."""
        threads = sorted({name for round_ in self.threads_us for name in round_})
        return {
            "values": {key: median(values) for key, values in self.samples.items()},
            "samples": self.samples,
            "threads_us": {
                name: median(round_.get(name, 0.0) for round_ in self.threads_us)
                for name in threads
            },
            "lost": self.lost,
            "notes": self.notes,
        }


def quantile(ordered: list[float], share: float) -> float:
    """Return the value that this share of the sorted values does not exceed."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

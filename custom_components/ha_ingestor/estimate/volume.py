"""Points and bytes that a choice of entities makes, from what they did so far.

Plain arithmetic; may run on any thread.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
import heapq
from typing import Final

from ..ingest.sampling import SamplerPool
from ..options import HubOptions, SamplingRule

DAY_S: Final = 86_400
DAYS_PER_YEAR: Final = 365
# Measured on InfluxDB 1.6.7 after compaction: an enriched state with the default
# context fields and its context id.
BYTES_PER_POINT: Final = 44
# As many as fit a dialog without scrolling.
BUSIEST_COUNT: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """What a choice will write.

    Attributes:
        busiest: Entities with the most points and their points per day, most first.
    """

    points_per_day: float
    busiest: tuple[tuple[str, float], ...]

    @property
    def bytes_per_year(self) -> float:
        """Return what that takes on InfluxDB's disk."""
        return self.points_per_day * DAYS_PER_YEAR * BYTES_PER_POINT


def estimate_volume(
    captured: Collection[str],
    changes_per_day: Mapping[str, float],
    options: HubOptions,
) -> Volume:
    """Estimate what the captured entities will write.

    Args:
        captured: Entities that the filter lets through.
        changes_per_day: How often each of them changed; who is missing did not.
        options: Of these only the sampling rules matter.
    """
    # The pool that the listener uses too, so that both find the same rule.
    samplers = SamplerPool(options)
    points: dict[str, float] = {}
    for entity_id in captured:
        sampler = samplers.sampler(entity_id) if samplers.is_active else None
        changes = changes_per_day.get(entity_id, 0.0)
        points[entity_id] = changes if sampler is None else _thin(changes, sampler.rule)
    busiest = heapq.nsmallest(
        BUSIEST_COUNT, points.items(), key=lambda item: (-item[1], item[0])
    )
    return Volume(
        points_per_day=sum(points.values()),
        busiest=tuple(item for item in busiest if item[1] > 0),
    )


def _thin(changes: float, rule: SamplingRule) -> float:
    """Bound the changes of a day as a rule does.

    What a deadband leaves out depends on the values, which nobody has counted.
    """
    if rule.min_interval_s is not None:
        changes = min(changes, DAY_S / rule.min_interval_s)
    if rule.heartbeat_s is not None:
        changes = max(changes, DAY_S / rule.heartbeat_s)
    return changes

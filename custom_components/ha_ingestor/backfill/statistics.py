"""Long-term statistics for the hours whose states the recorder has purged.

An hour's mean is not an event, so it goes into a measurement of its own,
`home_assistant_statistics`, with the names that hourly aggregates have: nothing that
counts or averages events ever meets it, and no series of theirs is touched.

| field | is |
|---|---|
| `avg_value` | mean, weighted by time |
| `min_value`, `max_value` | extremes |
| `last_value` | state at the end of the hour, of a counter |
| `sum_value` | growth of a counter since its statistics began |

The time is the begin of the hour, the unit that of the statistics, everything else
as on the events of the entity.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
import math
from typing import Any, Final

from homeassistant.const import ATTR_DEVICE_CLASS
from homeassistant.core import HomeAssistant

from ..const import MEASUREMENT_STATISTICS
from ..ingest.enrich import ATTR_STATE_CLASS
from ..ingest.records import POINT
from ..models import FieldValue, Point, to_time_ns
from ..options import HubOptions
from .history import PastEvents, PastPoint
from .recorder import RecorderAccess, StatisticRow
from .writer import BackfillWriter

# Six weeks of one entity.
PAGE_HOURS: Final = 1_000
_HOUR_S: Final = 3_600.0
_FIELDS: Final = ("avg_value", "min_value", "max_value", "last_value", "sum_value")


class StatisticsBackfill:
    """Brings the statistics of one job, entity by entity. Event loop only."""

    def __init__(
        self,
        hass: HomeAssistant,
        options: HubOptions,
        events: PastEvents,
        access: RecorderAccess,
        writer: BackfillWriter,
    ) -> None:
        """Share choice of entities, recorder and writer with the states."""
        self._hass = hass
        self._static_tags = dict(options.static_tags)
        self._events = events
        self._access = access
        self._writer = writer

    async def async_bring(
        self, stored: Mapping[str, Any] | None, start_s: float, end_s: float
    ) -> AsyncIterator[tuple[float, dict[str, Any]]]:
        """Bring all that is missing.

        Args:
            stored: Where to go on, as it was yielded; None for the beginning.

        Yields:
            Progress, 0 to 1, and the place that is done for good.
        """
        place: Mapping[str, Any] = stored or {"entity_id": "", "from_s": start_s}
        entity_ids = [
            entity_id
            for entity_id in await self._access.async_run(
                self._access.reader.read_statistic_ids
            )
            if entity_id >= place["entity_id"] and self._is_captured(entity_id)
        ]
        for index, entity_id in enumerate(entity_ids):
            from_s = start_s
            if entity_id == place["entity_id"]:
                from_s = float(place["from_s"])
            until_s = await self._async_gone_until(entity_id, end_s)
            while from_s < until_s:
                rows = await self._access.async_run(
                    self._access.reader.read_statistics,
                    entity_id,
                    from_s,
                    until_s,
                    limit=PAGE_HOURS,
                )
                points = self._to_points(entity_id, rows)
                self._writer.job.count("statistics", len(points))
                await self._writer.async_write(MEASUREMENT_STATISTICS, _FIELDS, points)
                from_s = rows[-1].start_s + 1 if len(rows) == PAGE_HOURS else until_s
                yield (
                    index / len(entity_ids),
                    {"entity_id": entity_id, "from_s": from_s},
                )

    def _is_captured(self, entity_id: str) -> bool:
        if not self._events.is_wanted(entity_id):
            return False
        state = self._hass.states.get(entity_id)
        attributes = {} if state is None else state.attributes
        return self._events.planner.plan(entity_id, attributes).is_captured

    async def _async_gone_until(self, entity_id: str, end_s: float) -> float:
        """Return before when an hour must begin to be over before the first state."""
        first_s = await self._access.async_run(
            self._access.reader.read_first_state_s, entity_id
        )
        # One instant more, for the hour that ends exactly with it.
        return end_s if first_s is None else min(end_s, first_s - _HOUR_S + 1e-6)

    def _to_points(
        self, entity_id: str, rows: Sequence[StatisticRow]
    ) -> list[PastPoint]:
        tags = self._tags(entity_id)
        points = []
        for row in rows:
            if not (fields := _to_fields(row)):
                continue
            time_ns = to_time_ns(row.start_s)
            point = Point(
                measurement=MEASUREMENT_STATISTICS,
                tags={**tags, "unit": row.unit or ""},
                fields=fields,
                time_ns=time_ns,
            )
            points.append(
                PastPoint(point_id=(entity_id, time_ns), record=(POINT, point))
            )
        return points

    def _tags(self, entity_id: str) -> dict[str, str]:
        state = self._hass.states.get(entity_id)
        attributes = {} if state is None else state.attributes
        plan = self._events.planner.plan(entity_id, attributes)
        return {
            **self._static_tags,
            **plan.registry_tags,
            "domain": entity_id.partition(".")[0],
            "entity_id": entity_id,
            "device_class": str(attributes.get(ATTR_DEVICE_CLASS) or ""),
            "state_class": str(attributes.get(ATTR_STATE_CLASS) or ""),
        }


def _to_fields(row: StatisticRow) -> dict[str, FieldValue]:
    values = (row.mean, row.min, row.max, row.state, row.sum)
    return {
        name: float(value)
        for name, value in zip(_FIELDS, values, strict=True)
        if value is not None and math.isfinite(value)
    }

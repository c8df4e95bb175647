"""States of the past as the listener would have handed them over at their time.

Tags are those of today, as far as they come from the registries; device class,
state class, unit and attributes are those that the state had. Context fields are
taken from the states that their entities had then, if the recorder keeps them.
Sampling applies as to live events; its heartbeats are not repeated, since nothing
happened then. Event loop only.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

from homeassistant.core import HomeAssistant, State
from homeassistant.helpers.json import json_bytes

from ..ingest.context import ContextTracker
from ..ingest.enrich import EntityPlan, EntityPlanner, pick_attributes
from ..ingest.records import Record, StateRecord
from ..ingest.sampling import Sampler
from ..models import to_time_ns
from ..options import HubOptions
from .existing import PointId
from .recorder import StateRow

# The recorder stores no attributes at all of a state that has more than this.
_MAX_RECORDED_BYTES: Final = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class PastPoint:
    """A record of the past, and the point that it becomes."""

    point_id: PointId
    record: Record


class PastEvents:
    """Makes records of states, which must come in the order of their time."""

    def __init__(
        self,
        hass: HomeAssistant,
        options: HubOptions,
        entity_ids: frozenset[str] | None,
    ) -> None:
        """Choose entities; None for all that the hub captures."""
        self._hass = hass
        self._wanted = entity_ids
        self._past: dict[str, State] = {}
        self._is_oversized: dict[str, bool] = {}
        self._samplers: dict[str, Sampler] = {}
        self.planner = EntityPlanner(
            hass,
            replace(
                options,
                sampling=tuple(
                    replace(rule, heartbeat_s=None) for rule in options.sampling
                ),
            ),
        )
        self._context = ContextTracker(hass, options, self._past.get)

    @property
    def context_entities(self) -> frozenset[str]:
        """The entities that the context fields are taken from."""
        return self._context.entities

    @property
    def entity_ids(self) -> frozenset[str] | None:
        """The entities whose states have to be read, None for all."""
        if self._wanted is None:
            return None
        return self._wanted | self.context_entities

    def set_past(self, row: StateRow) -> None:
        """Put a state of a context entity in force."""
        if row.state is None:
            self._past.pop(row.entity_id, None)
        else:
            self._past[row.entity_id] = State(
                row.entity_id, row.state, row.attributes, validate_entity_id=False
            )
        self._context.refresh()

    def take(self, row: StateRow) -> list[PastPoint] | None:
        """Return what is stored of a state, None if it is not wanted or filtered.

        That may be nothing, or an earlier state with it, where sampling applies.
        """
        if row.entity_id in self.context_entities:
            self.set_past(row)
        if self._wanted is not None and row.entity_id not in self._wanted:
            return None
        plan = self._plan(row)
        if not plan.is_captured:
            return None
        record = self._record(plan, row)
        if (sampler := plan.sampler) is None:
            return [_to_point(row.entity_id, record)]
        self._samplers[row.entity_id] = sampler
        records = [*sampler.take_due(row.time_s), *sampler.offer(record)]
        return [_to_point(row.entity_id, item) for item in records]

    def take_held(self) -> list[PastPoint]:
        """Return what sampling has held back until the end."""
        return [
            _to_point(entity_id, record)
            for entity_id, sampler in self._samplers.items()
            for record in sampler.take_held()
        ]

    def take_left_out(self) -> int:
        """Return how many states sampling has left out since the last call."""
        return self.planner.samplers.take_left_out()

    def is_wanted(self, entity_id: str) -> bool:
        """Tell whether the caller asked for an entity, filtered or not."""
        return self._wanted is None or entity_id in self._wanted

    def _plan(self, row: StateRow) -> EntityPlan:
        attributes = row.attributes
        if not attributes and self._has_oversized_attributes(row.entity_id):
            # They were too many for the recorder, which keeps none then. Without
            # unit and device class the point would be of another series.
            attributes = self._current_attributes(row.entity_id)
        plan = self.planner.plan(row.entity_id, attributes)
        self.planner.redescribe(plan, row.entity_id, attributes)
        return plan

    def _current_attributes(self, entity_id: str) -> Any:
        state = self._hass.states.get(entity_id)
        return {} if state is None else state.attributes

    def _has_oversized_attributes(self, entity_id: str) -> bool:
        if (is_oversized := self._is_oversized.get(entity_id)) is None:
            attributes = self._current_attributes(entity_id)
            try:
                size = len(json_bytes(dict(attributes)))
            except TypeError, ValueError:
                # The recorder keeps no such state at all, so it is not this one.
                size = 0
            is_oversized = size > _MAX_RECORDED_BYTES
            self._is_oversized[entity_id] = is_oversized
        return is_oversized

    def _record(self, plan: EntityPlan, row: StateRow) -> StateRecord:
        previous = duration_s = None
        if row.previous is not None and row.previous != row.state:
            previous = row.previous
            duration_s = row.time_s - (row.previous_changed_s or row.time_s)
        return (
            plan.kind,
            plan.key,
            row.state,
            row.time_s,
            previous,
            duration_s,
            row.context_id or "",
            row.context_parent_id,
            row.context_user_id,
            self._context.text,
            None
            if plan.attribute_filter is None or row.state is None
            else pick_attributes(plan.attribute_filter, row.attributes),
        )


def _to_point(entity_id: str, record: StateRecord) -> PastPoint:
    return PastPoint(point_id=(entity_id, to_time_ns(record[3])), record=record)

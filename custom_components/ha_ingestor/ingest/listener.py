"""The bus listener: filter, take out, hand over. Nothing else runs in its time.

It lives on the event loop and is called for every state change of the house, so
its cost is the product's cost. It keeps text and numbers, never an event.

What a crash can cost: the records gathered since the last hand-over, at most a
fifth of a second of them, and what the encoder thread has not committed yet.
"""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from homeassistant.const import (
    EVENT_HOMEASSISTANT_STARTED,
    EVENT_STATE_CHANGED,
)
from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    floor_registry as fr,
    label_registry as lr,
)
from homeassistant.helpers.event import async_track_time_interval

from ..models import ContextField, FieldValue
from ..options import HubOptions
from ..store.buffer import RecordSink
from ..store.stats import PipelineStats
from .activity import ActivityRecorder
from .context import ContextTracker
from .enrich import EntityPlan, EntityPlanner, pick_attributes
from .records import Record, StateRecord
from .sampling import CHECK_INTERVAL_S

# Kill -9 may cost a quarter of a second: this, and the time to encode and commit.
MAX_HAND_OVER_INTERVAL_S: Final = 0.15
# Waking the encoder for fewer gains nothing, as the prototype showed.
HAND_OVER_RECORD_COUNT: Final = 1_000
# After a full list comes another one, or the end of a burst, which need not wait.
BURST_HAND_OVER_INTERVAL_S: Final = 0.02


class BusListener:
    """Takes what is worth keeping out of every event and hands it over.

    Args:
        stats: Counters; this object owns `captured` and `filtered`.
        sink: Where lists of records go.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        options: HubOptions,
        stats: PipelineStats,
        sink: RecordSink,
    ) -> None:
        """Prepare; nothing is captured before `async_start`."""
        self._hass = hass
        self._sink = sink
        self.stats = stats
        self.planner = EntityPlanner(hass, options)
        self.context = ContextTracker(hass, options)
        self.planner.set_context_entities(self.context.entities)
        self._plans = self.planner.plans
        self._context_text = self.context.text
        self._activity = ActivityRecorder(hass, self._append)
        self._pending: list[Record] = []
        self._timer: asyncio.TimerHandle | None = None
        self._is_burst = False
        self._unsubscribers: list[CALLBACK_TYPE] = []
        self._cancel_sampling: CALLBACK_TYPE | None = None
        self._set_interval(options)

    def _set_interval(self, options: HubOptions) -> None:
        # The hand-over is part of the way to the database, so a short flush
        # interval needs a shorter one.
        self._hand_over_interval_s = min(
            MAX_HAND_OVER_INTERVAL_S, options.flush_interval_s / 4
        )

    @callback
    def async_start(self, options: HubOptions) -> None:
        """Attach to the bus."""
        listen = self._hass.bus.async_listen
        self._unsubscribers = [
            listen(EVENT_STATE_CHANGED, self._on_state_changed),
            listen(er.EVENT_ENTITY_REGISTRY_UPDATED, self._on_entity_registry),
            listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, self._on_device_registry),
            listen(ar.EVENT_AREA_REGISTRY_UPDATED, self._on_places_changed),
            listen(fr.EVENT_FLOOR_REGISTRY_UPDATED, self._on_places_changed),
            listen(lr.EVENT_LABEL_REGISTRY_UPDATED, self._on_places_changed),
            listen(EVENT_HOMEASSISTANT_STARTED, self._on_started),
        ]
        self._activity.async_start(options)
        self._set_sampling_timer()

    @callback
    def async_stop(self) -> None:
        """Detach from the bus and hand over what is pending."""
        if self._cancel_sampling is not None:
            self._cancel_sampling()
            self._cancel_sampling = None
        self._end_sampling()
        self._activity.async_stop()
        while self._unsubscribers:
            self._unsubscribers.pop()()
        self.hand_over()

    @callback
    def set_sink(self, sink: RecordSink) -> None:
        """Give what comes from now on to somebody else."""
        self.hand_over()
        self._sink = sink

    @callback
    def set_options(self, options: HubOptions) -> None:
        """Apply changed options from the next event on."""
        self._end_sampling()
        self._set_interval(options)
        self.planner.set_options(options)
        self.context.set_options(options)
        self._context_text = self.context.text
        self.planner.set_context_entities(self.context.entities)
        self._activity.set_options(options)
        self._set_sampling_timer()

    @callback
    def capture_states(self, after_s: float, until_s: float) -> int:
        """Capture the states that last changed in a span of time.

        Args:
            after_s: Time of the newest event that is on disk; 0 for none.
            until_s: When the listener was attached; what came later it has seen.

        Returns:
            The number of states captured.
        """
        self.hand_over()
        before = self.stats.captured
        for state in self._hass.states.async_all():
            # Made even where nothing is captured now: once an entity has left the
            # registries, nobody could tell which series its last event belongs to.
            plan = self.planner.plan(state.entity_id, state.attributes)
            if after_s < state.last_updated_timestamp <= until_s:
                if plan.is_captured:
                    self._append(self._record(plan, state, None))
                else:
                    self.stats.filtered += 1
        self.hand_over()
        return self.stats.captured - before

    @callback
    def preview(self, state: State) -> tuple[EntityPlan, list[StateRecord]]:
        """Return what an event of this state would hand over, without doing so."""
        plan = self.planner.plan(state.entity_id, state.attributes)
        return plan, [self._record(plan, state, None)] if plan.is_captured else []

    @callback
    def _on_state_changed(self, event: Event[EventStateChangedData]) -> None:
        data = event.data
        new = data["new_state"]
        old = data["old_state"]
        plan = self._plans.get(data["entity_id"])
        if plan is None or plan.is_special or new is None or old is None:
            self._on_special_state(event, plan)
            return
        # From here on every line is paid by every event of the house, so the
        # record is made in place.
        # An unchanged set of attributes is the same object in both states.
        if new.attributes is not old.attributes and self.planner.redescribe(
            plan, new.entity_id, new.attributes
        ):
            self._consider_for_context(new.entity_id, new.attributes)
        state = new.state
        time_s = new.last_updated_timestamp
        previous = old.state
        context = new.context
        pending = self._pending
        pending.append(
            (
                plan.kind,
                plan.key,
                state,
                time_s,
                None if previous == state else previous,
                None if previous == state else time_s - old.last_changed_timestamp,
                context.id,
                context.parent_id,
                context.user_id,
                self._context_text,
                None
                if plan.attribute_filter is None
                else pick_attributes(plan.attribute_filter, new.attributes),
            )
        )
        if self._timer is None:
            self._start_timer()
        elif len(pending) >= HAND_OVER_RECORD_COUNT:
            self.hand_over()

    def _on_special_state(
        self, event: Event[EventStateChangedData], plan: EntityPlan | None
    ) -> None:
        """Take the events that are not just a change of a captured state."""
        data = event.data
        new, old, entity_id = data["new_state"], data["old_state"], data["entity_id"]
        if plan is None:
            plan = self._first_sight(entity_id, new, old)
        elif new is not None and self.planner.redescribe(
            plan, entity_id, new.attributes
        ):
            self._consider_for_context(entity_id, new.attributes)
        if new is None:
            self.planner.forget_removed(entity_id)
            if old is not None:
                # Where there were too many to choose from, one may be left.
                self._consider_for_context(entity_id, old.attributes)
        if plan.feeds_context:
            self._context_changed(new)
        if not plan.is_captured:
            self.stats.filtered += 1
            return
        record = (
            self._record(plan, new, old)
            if new is not None
            else self._removal(plan, event, old)
        )
        if plan.sampler is None:
            self._append(record)
        else:
            self._append_all(plan.sampler.offer(record))

    def _first_sight(
        self, entity_id: str, new: State | None, old: State | None
    ) -> EntityPlan:
        state = new or old
        attributes: Mapping[str, Any] = state.attributes if state else {}
        plan = self.planner.plan(entity_id, attributes)
        if new is not None:
            self._consider_for_context(entity_id, attributes)
        return plan

    @callback
    def set_source_context(
        self, values: Mapping[ContextField, FieldValue | None]
    ) -> None:
        """Take over the context fields that the hub's own sources feed."""
        self.context.set_source_values(values)
        self._context_text = self.context.text
        self.planner.set_context_entities(self.context.entities)

    def _consider_for_context(
        self, entity_id: str, attributes: Mapping[str, Any]
    ) -> None:
        if self.context.is_interesting(entity_id, attributes):
            self._resolve_context()

    def _context_changed(self, new: State | None) -> None:
        if new is None:
            self._resolve_context()
        else:
            self.context.refresh()
            self._context_text = self.context.text

    def _resolve_context(self) -> None:
        self.context.resolve()
        self._context_text = self.context.text
        self.planner.set_context_entities(self.context.entities)

    def _record(self, plan: EntityPlan, new: State, old: State | None) -> StateRecord:
        state = new.state
        time_s = new.last_updated_timestamp
        previous = duration_s = None
        if old is not None and old.state != state:
            previous = old.state
            duration_s = time_s - old.last_changed_timestamp
        context = new.context
        return (
            plan.kind,
            plan.key,
            state,
            time_s,
            previous,
            duration_s,
            context.id,
            context.parent_id,
            context.user_id,
            self._context_text,
            None
            if plan.attribute_filter is None
            else pick_attributes(plan.attribute_filter, new.attributes),
        )

    def _removal(
        self, plan: EntityPlan, event: Event[EventStateChangedData], old: State | None
    ) -> StateRecord:
        time_s = event.time_fired_timestamp
        context = event.context
        return (
            plan.kind,
            plan.key,
            None,
            time_s,
            old.state if old else None,
            time_s - old.last_changed_timestamp if old else None,
            context.id,
            context.parent_id,
            context.user_id,
            self._context_text,
            None,
        )

    def _append(self, record: Record) -> None:
        self._pending.append(record)
        if self._timer is None:
            self._start_timer()
        elif len(self._pending) >= HAND_OVER_RECORD_COUNT:
            self.hand_over()

    def _append_all(self, records: Iterable[Record]) -> None:
        for record in records:
            self._append(record)

    @callback
    def _on_sampling_timer(self, now: datetime) -> None:
        samplers = self.planner.samplers
        self._append_all(samplers.take_due(now.timestamp()))
        self.stats.sampled += samplers.take_left_out()

    def _set_sampling_timer(self) -> None:
        if self._cancel_sampling is not None:
            self._cancel_sampling()
            self._cancel_sampling = None
        if self.planner.samplers.is_active:
            self._cancel_sampling = async_track_time_interval(
                self._hass,
                self._on_sampling_timer,
                timedelta(seconds=CHECK_INTERVAL_S),
                cancel_on_shutdown=True,
            )

    def _end_sampling(self) -> None:
        """Store what is held: it was the last value of its interval."""
        samplers = self.planner.samplers
        self._append_all(samplers.take_held())
        self.stats.sampled += samplers.take_left_out()

    def _start_timer(self) -> None:
        interval_s = self._hand_over_interval_s
        if self._is_burst:
            interval_s = min(interval_s, BURST_HAND_OVER_INTERVAL_S)
        self._timer = self._hass.loop.call_later(interval_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.hand_over()

    @property
    def pending_count(self) -> int:
        """Events taken that are not handed over, and not counted, yet."""
        return len(self._pending)

    @callback
    def hand_over(self) -> None:
        """Give the pending records to the encoder thread now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pending:
            records, self._pending = self._pending, []
            self._is_burst = len(records) >= HAND_OVER_RECORD_COUNT
            self.stats.captured += len(records)
            self._sink(records)

    @callback
    def _on_started(self, _: Event[Any]) -> None:
        # By now every integration has added its entities.
        self._resolve_context()

    @callback
    def _on_entity_registry(
        self, event: Event[er.EventEntityRegistryUpdatedData]
    ) -> None:
        # After a removal or under its former name the entity still has a last
        # event, which belongs to the series it had: forgotten with that.
        if event.data["action"] != "remove":
            self.planner.forget(event.data["entity_id"])

    @callback
    def _on_device_registry(
        self, event: Event[dr.EventDeviceRegistryUpdatedData]
    ) -> None:
        if event.data["action"] != "create":
            self.planner.forget_device(event.data["device_id"])

    @callback
    def _on_places_changed(self, _: Event[Any]) -> None:
        self.planner.forget_all()

"""Prices at work: what electricity costs now, today, and when it is cheapest."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import random
from typing import Any, Final, override

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers.event import (
    EventStateChangedData,
    async_track_state_change_event,
)
from homeassistant.util import dt as dt_util

from ..const import MEASUREMENT_PRICE, MEASUREMENT_PRICE_FORECAST
from ..models import FieldValue, Point, SourceKind, to_time_ns
from ..sources.price.demand import DemandResponse, read_demand
from ..sources.price.model import PriceData
from ..sources.price.pace import find_pause
from ..sources.price.settings import (
    PriceSettings,
    read_settings,
)
from ..sources.price.statistics import find_current
from ..sources.slots import (
    Slot,
    Slots,
    cut_slots,
    day_bounds,
    find_next_change,
    map_slots,
)
from .forecast_points import ForecastPoints
from .hub import EventListener, SourceHub
from .price_template import PriceTemplate, prepare_slots
from .price_view import PriceView, create_view
from .source import SourceCoordinator

EVENT_PRICE_SPIKE: Final = "price_spike"
EVENT_DEMAND_RESPONSE: Final = "demand_response"
TYPE_STARTED: Final = "started"
TYPE_ENDED: Final = "ended"
# Homes must not all ask in the same second.
_SPREAD: Final = timedelta(minutes=3)
_EVENT_DOMAIN: Final = "event."


class PriceCoordinator(SourceCoordinator[PriceData, PriceView]):
    """Owns one source of prices."""

    kind = SourceKind.ELECTRICITY_PRICE
    data_type = PriceData

    _read: PriceSettings
    _template: PriceTemplate | None = None
    # What the final prices were computed of, and they.
    _computed_of: tuple[PriceData | None, PriceSettings | None] = (None, None)
    _computed: tuple[Slots, str | None] = ((), None)
    _stop_following: CALLBACK_TYPE | None = None
    _followed: str | None = None
    # The last slot in which a demand response was active at any time.
    _demand_in: datetime | None = None

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        subentry: ConfigSubentry,
        hub: SourceHub,
    ) -> None:
        """Prepare; nothing is asked before `async_start`."""
        # What goes on, and since when, by the key of its event; as Unix time.
        self._phases: dict[str, float] = {}
        self._forecast_points = ForecastPoints(MEASUREMENT_PRICE_FORECAST)
        super().__init__(hass, entry, subentry, hub)

    # --- what other rooms ask

    @property
    def slots(self) -> Slots:
        """All prices that are known, with surcharges and tax; currency/kWh."""
        slots, _ = self._find_prices()
        return slots

    def _find_prices(self) -> tuple[Slots, str | None]:
        """Return the final prices, and what is wrong with the formula.

        Computed once of an answer and settings.
        """
        answer, settings = self._computed_of
        if answer is not self.answer or settings is not self._read:
            self._computed_of = (self.answer, self._read)
            self._computed = self._compute()
        return self._computed

    @property
    def currency(self) -> str:
        """ISO 4217 code of all prices."""
        return self.hass.config.currency if not self.answer else self.answer.currency

    def current(self, now: datetime) -> float | None:
        """Return the price of a moment, None where it is not known."""
        return find_current(self.slots, now)

    def _compute(self) -> tuple[Slots, str | None]:
        if self.answer is None:
            return (), None
        slots = prepare_slots(self.answer.slots, self._read)
        if self._template is not None:
            return self._template.apply(slots)
        formula = self._read.formula
        if formula.is_neutral:
            return slots, None
        return map_slots(slots, lambda slot: formula.apply(slot.value)), None

    # --- settings and answers

    @override
    @callback
    def settings_changed(self) -> None:
        self._read = read_settings(self.settings)
        text = self._read.template
        self._template = (
            None
            if text is None
            else PriceTemplate(self.hass, text, dt_util.get_default_time_zone())
        )
        self._follow(self._read.demand_response)

    @override
    @callback
    def answered(self, previous: PriceData | None) -> None:
        """Keep what an answer that begins later no longer says of the past."""
        answer = self.answer
        if previous is None or answer is None or previous.currency != answer.currency:
            return
        time_zone = dt_util.get_default_time_zone()
        yesterday = dt_util.now().date() - timedelta(days=1)
        oldest, _ = day_bounds(yesterday, time_zone)
        past = cut_slots(previous.slots, oldest, answer.slots[0].start)
        if not past:
            return
        peak = answer.peak_slots
        if peak is not None and previous.peak_slots is not None:
            start = answer.slots[0].start
            peak = cut_slots(previous.peak_slots, oldest, start) + peak
        self.answer = replace(answer, slots=past + answer.slots, peak_slots=peak)

    @override
    def get_interval(self, now: datetime) -> timedelta:
        interval = self.description.update_interval
        if self.answer is None or self.description.is_local:
            return interval
        pause = find_pause(
            now,
            self.answer.slots,
            self.answer.currency,
            dt_util.get_default_time_zone(),
            interval,
        )
        if pause < interval:
            pause += _SPREAD * random.random()  # noqa: S311 - no secret
        return pause

    # --- the view

    @override
    def evaluate(self, now: datetime) -> PriceView | None:
        if self.answer is None or not (slots := self.slots):
            return None
        view = create_view(
            slots,
            currency=self.answer.currency,
            peak_slots=self.answer.peak_slots,
            settings=self._read,
            demand=self._read_demand(now),
            now=now,
            time_zone=dt_util.get_default_time_zone(),
        )
        if view.slot is not None and view.demand is not None and view.demand.is_active:
            self._demand_in = view.slot.start
        return view

    @override
    def find_next_change(self, now: datetime) -> datetime | None:
        if self.answer is None:
            return None
        _, midnight = day_bounds(
            dt_util.as_local(now).date(), dt_util.get_default_time_zone()
        )
        changes = [find_next_change(self.slots, now), midnight]
        if self.answer.peak_slots is not None:
            changes.append(find_next_change(self.answer.peak_slots, now))
        if self.data is not None and self.data.demand is not None:
            changes.append(self.data.demand.find_next_change(now))
        return min(change for change in changes if change is not None)

    @override
    @callback
    def view_changed(self, previous: PriceView | None) -> None:
        self._fire_changes()

    @override
    def find_problem(self, now: datetime) -> str | None:
        """Return how the user's formula fails with these prices."""
        _, error = self._find_prices()
        return error

    @override
    def get_context_value(self) -> FieldValue | None:
        return self.data.current if self.data else None

    # --- demand response

    def _follow(self, entity_id: str | None) -> None:
        """Look at another entity for demand response; None for none."""
        if entity_id == self._followed:
            return
        if self._stop_following is not None:
            self._stop_following()
            self._stop_following = None
        self._followed = entity_id
        if entity_id is not None:
            self._stop_following = async_track_state_change_event(
                self.hass, entity_id, self._demand_changed
            )

    @callback
    def _demand_changed(self, _: Event[EventStateChangedData]) -> None:
        self.async_refresh_view()

    @property
    def has_demand_response(self) -> bool:
        """Whether the user has chosen an entity for it."""
        return self._followed is not None

    def _read_demand(self, now: datetime) -> DemandResponse | None:
        if self._followed is None:
            return None
        return read_demand(
            self.hass.states.get(self._followed),
            is_event=self._followed.startswith(_EVENT_DOMAIN),
            now=now,
            time_zone=dt_util.get_default_time_zone(),
        )

    @override
    async def async_stop(self) -> None:
        self._follow(None)
        await super().async_stop()

    # --- events

    @override
    @callback
    def async_listen_event(self, key: str, fired: EventListener) -> CALLBACK_TYPE:
        stop = super().async_listen_event(key, fired)
        # What has begun while nobody listened yet, such as before a restart.
        self._fire_changes()
        return stop

    def _fire_changes(self) -> None:
        """Fire the events that the view gives reason to."""
        if (view := self.data) is None:
            return
        if view.slot is not None:
            self._note_phase(
                EVENT_PRICE_SPIKE,
                None if view.spike is None else view.spike.start,
                view.slot.start,
                {
                    "price": view.slot.value,
                    "average": view.extremes.average if view.extremes else None,
                    "unit_of_measurement": view.unit,
                },
                ends_at=view.spike.end if view.spike else None,
            )
        demand = view.demand
        if demand is not None and demand.is_active is not None:
            now = dt_util.utcnow()
            self._note_phase(
                EVENT_DEMAND_RESPONSE,
                (demand.start or now) if demand.is_active else None,
                now,
                demand.attributes,
                ends_at=demand.end,
            )

    def _note_phase(
        self,
        key: str,
        started_at: datetime | None,
        now: datetime,
        attributes: Mapping[str, Any],
        *,
        ends_at: datetime | None,
    ) -> None:
        """Fire the event of a key if what it tells of has begun or ended.

        Args:
            started_at: When it began; None if it does not go on.
            now: When it ended, if it does not.
            ends_at: When it will end, None where that is not known.
        """
        before = self._phases.get(key)
        if not self._event_listeners.get(key) or (started_at is None) == (
            before is None
        ):
            return
        if started_at is not None:
            self._phases[key] = started_at.timestamp()
            event_type, start, end = TYPE_STARTED, started_at, ends_at
        else:
            start = datetime.fromtimestamp(self._phases.pop(key), UTC)
            event_type, end = TYPE_ENDED, now
        self.fire_event(key, event_type, {**attributes, "start": start, "end": end})
        self._save_soon()

    @override
    def load_state(self, stored: Mapping[str, Any]) -> None:
        self._phases = {
            key: float(stored["phases"][key])
            for key in (EVENT_PRICE_SPIKE, EVENT_DEMAND_RESPONSE)
            if key in stored.get("phases", {})
        }

    @override
    def save_state(self) -> dict[str, Any]:
        return {"phases": self._phases}

    # --- points

    @override
    def create_points(self, now: datetime) -> Iterable[Point]:
        view, answer = self.data, self.answer
        if view is None or answer is None:
            return
        tags = {"provider": self.description.key, "currency": answer.currency}
        if view.slot is not None:
            yield Point(
                measurement=MEASUREMENT_PRICE,
                tags=tags,
                fields=self._create_fields(view, view.slot),
                time_ns=to_time_ns(view.slot.start.timestamp()),
            )
        yield from self._forecast_points.create(
            self.slots, tags, now, answer.fetched_at
        )

    def _create_fields(self, view: PriceView, slot: Slot) -> dict[str, FieldValue]:
        fields: dict[str, FieldValue] = {"current_price": slot.value}
        if view.is_peak is not None:
            fields["peak_period"] = view.is_peak
        if view.standing is not None:
            fields["rank"] = float(view.standing.rank)
            fields["quantile"] = view.standing.quantile
        if view.demand is not None and view.demand.is_active is not None:
            # One that has ended within the slot was there, too.
            fields["demand_response"] = self._demand_in == slot.start
        return fields

"""One source at work: polled at its pace, cached on disk, shown as long as it is true.

What a source delivers is its *data*; what its entities show at a moment is the *view*
of them. Data come with a poll, a view also changes with time: a price at the end of
its slot, all of it when the data have expired. Event loop only.
"""

from abc import abstractmethod
import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
import logging
from typing import Any, ClassVar, Final, override

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers.debounce import Debouncer
from homeassistant.helpers.event import (
    EventStateChangedData,
    async_track_point_in_utc_time,
    async_track_state_change_event,
)
from homeassistant.helpers.start import async_at_started
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed
from homeassistant.util import dt as dt_util

from ..const import CONF_ARGUMENTS, CONF_PROVIDER, CONF_SETTINGS, DOMAIN
from ..errors import SourceError
from ..models import FieldValue, Point, SourceKind
from ..sources.base import SourceData, SourceDescription
from ..sources.catalog import SOURCES
from .cache import create_store, find_origin
from .entity_watch import are_set_up, list_watched
from .fetcher import CLOSE_TIMEOUT_S, Fetcher
from .hub import EventListener, SourceHub
from .issue import SourceIssue
from .pace import add_jitter, find_first_pause, find_retry, find_retry_after
from .success_rate import SuccessRate

_LOGGER = logging.getLogger(__name__)

# A crash costs what was learned since; the data themselves are asked for again.
_SAVE_DELAY_S: Final = 30.0
# What reads entities may change every second, and disks may be SD cards.
_LOCAL_SAVE_DELAY_S: Final = 900.0


class SourceCoordinator[DataT: SourceData, ViewT](DataUpdateCoordinator[ViewT | None]):
    """Owns one source of a hub. `data` is the view, None while there is none.

    Attributes:
        answer: The last good data, whether they still hold or not.
        fetched_at: When they came; UTC.
        next_refresh_at: When the source is asked again; UTC.
        last_error: Why the last attempt failed, None if it did not.
    """

    config_entry: ConfigEntry
    kind: ClassVar[SourceKind]
    data_type: ClassVar[type[SourceData]]
    # Entities that change often make a view at most this often.
    cooldown_s: ClassVar[float] = 1.0

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        subentry: ConfigSubentry,
        hub: SourceHub,
    ) -> None:
        """Prepare; nothing is asked before `async_start`."""
        super().__init__(
            hass,
            _LOGGER,
            config_entry=entry,
            name=f"{subentry.title} ({entry.title})",
            request_refresh_debouncer=Debouncer(
                hass, _LOGGER, cooldown=self.cooldown_s, immediate=True
            ),
        )
        self.hub = hub
        self.answer: DataT | None = None
        self.fetched_at: datetime | None = None
        self.next_refresh_at: datetime | None = None
        self.last_error: str | None = None
        self.success_rate = SuccessRate()
        self._failures = 0
        self._issue = SourceIssue(hass, entry)
        self._problem: str | None = None
        # The provider wants to be left alone until then, across restarts.
        self._not_before: datetime | None = None
        self._is_save_due = self._is_waiting = False
        self._puzzles: set[str] = set()
        self._emitted: dict[Any, Mapping[str, FieldValue]] = {}
        self._timer: CALLBACK_TYPE | None = None
        self._unsubscribers: list[CALLBACK_TYPE] = []
        self._event_listeners: dict[str, list[EventListener]] = {}
        self._store = create_store(hass, subentry.subentry_id)
        self._take(subentry)
        self._fetcher = Fetcher(hass, self.name, self.description)

    def _take(self, subentry: ConfigSubentry) -> None:
        self.subentry = subentry
        # Home Assistant changes the subentry itself, but puts other data into it.
        self._taken = subentry.data
        self.description: SourceDescription[DataT] = SOURCES[
            subentry.data[CONF_PROVIDER]
        ]
        self.name = f"{subentry.title} ({self.config_entry.title})"
        self.settings: Mapping[str, Any] = self._taken.get(CONF_SETTINGS, {})
        self.settings_changed()

    # --- what a kind decides ---

    @abstractmethod
    def evaluate(self, now: datetime) -> ViewT | None:
        """Return what is true now, from `answer` and `settings`; None for nothing."""

    @abstractmethod
    def create_points(self, now: datetime) -> Iterable[Point]:
        """Return the points of the present answer and view.

        Only those are written that differ from the ones returned last, so it may
        return a whole forecast each time.
        """

    def find_next_change(self, now: datetime) -> datetime | None:
        """Return when the view changes by time alone, apart from expiring."""
        return None

    def get_interval(self, now: datetime) -> timedelta:
        """Return how long to wait after a success."""
        return self.description.update_interval

    def get_context_value(self) -> FieldValue | None:
        """Return what events are told of this moment; None for not known."""
        return None

    @callback
    def settings_changed(self) -> None:
        """Take over `settings`; called at the start, too, before anything is there."""

    @callback
    def answered(self, previous: DataT | None) -> None:
        """Look at a new answer, before the view is made of it."""

    @callback
    def view_changed(self, previous: ViewT | None) -> None:
        """Look at a new view, such as for what is worth an event."""

    def find_problem(self, now: datetime) -> str | None:
        """Return what is wrong with the settings, though they were fine when saved.

        It is shown as the error of the source and as a repair issue, as long as it is
        there.
        """
        return None

    def load_state(self, stored: Mapping[str, Any]) -> None:
        """Take over what the kind has learned before; may be of an older version."""

    def save_state(self) -> dict[str, Any]:
        """Return what the kind has learned, as JSON."""
        return {}

    # --- life ---

    async def async_start(self) -> None:
        """Load the cache, show it, and ask as soon as that is due."""
        await self._async_load()
        self._open()
        self.async_refresh_view()
        now = dt_util.utcnow()
        pause = find_first_pause(
            now, self._find_interval(now), self.fetched_at, self._not_before
        )
        if pause and not self.description.is_local:
            self._set_pause(pause)
            self._schedule_refresh()
        else:
            self._in_background(self.async_refresh())

    def _find_interval(self, now: datetime) -> timedelta:
        found = self._guarded(self.get_interval, now)
        return found or self.description.update_interval

    def _open(self) -> None:
        """Make the source and follow the entities that it reads."""
        arguments: Mapping[str, Any] = self._taken[CONF_ARGUMENTS]
        self._fetcher = Fetcher(self.hass, self.name, self.description)
        self._fetcher.open(arguments)
        # A source whose entities are all disabled still writes its points.
        self._unsubscribers.append(self.async_add_listener(lambda: None))
        if entities := self._guarded(self.list_entities, arguments):
            watched = list_watched(self.hass, self.subentry, entities)
            self._unsubscribers.append(
                async_track_state_change_event(self.hass, watched, self._entity_changed)
            )

    def list_entities(self, arguments: Mapping[str, Any]) -> frozenset[str]:
        """Return the entities whose changes are followed."""
        return self.description.list_entities(arguments)

    @override
    async def async_refresh(self) -> None:
        """Ask, but not for entities that Home Assistant has still to set up."""
        arguments: Mapping[str, Any] = self._taken[CONF_ARGUMENTS]
        entities = self._guarded(self.list_entities, arguments)
        if not self.description.is_local or are_set_up(self.hass, entities or ()):
            await super().async_refresh()
        elif not self._is_waiting:
            self._is_waiting = True
            self._unsubscribers.append(async_at_started(self.hass, self._started))

    @callback
    def _started(self, _: HomeAssistant) -> None:
        self._is_waiting = False
        self._in_background(self.async_refresh())

    @callback
    def _entity_changed(self, event: Event[EventStateChangedData]) -> None:
        self._in_background(self.async_request_refresh())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        # Cancelled by Home Assistant when the hub is unloaded.
        _ = self.config_entry.async_create_background_task(self.hass, work, self.name)

    def has_changed(self) -> bool:
        """Tell whether the user has changed it since it was taken over."""
        return self.subentry.data is not self._taken

    async def async_change(self, subentry: ConfigSubentry) -> None:
        """Go on with what the user has changed; entities stay as they are."""
        before = self._taken
        is_other = any(
            before[key] != subentry.data[key] for key in (CONF_PROVIDER, CONF_ARGUMENTS)
        )
        self._take(subentry)
        if is_other:
            await self._async_close_source()
            self.answer = self.fetched_at = self.last_error = self._not_before = None
            self._failures = 0
            self._problem = None
            self._issue.delete(subentry)
            self._open()
            self._in_background(self.async_refresh())
        self.async_refresh_view()

    async def async_stop(self) -> None:
        """End all that goes on, and save what was learned."""
        await self.async_shutdown()
        self._cancel_timer()
        await self._async_close_source()
        with suppress(TimeoutError):
            # Until a request that was going on has been given up.
            async with (
                asyncio.timeout(CLOSE_TIMEOUT_S),
                self._debounced_refresh.async_lock(),
            ):
                pass
        self._issue.delete(self.subentry)
        await self._store.async_save(self._to_stored())

    async def async_forget(self) -> None:
        """Delete what is on disk, of a source that was removed."""
        await self._store.async_remove()

    async def _async_close_source(self) -> None:
        for unsubscribe in self._unsubscribers:
            unsubscribe()
        self._unsubscribers.clear()
        self._is_waiting = False
        await self._fetcher.async_close()

    # --- polling ---

    @override
    @callback
    def _schedule_refresh(self) -> None:
        if not self._shutdown_requested:
            super()._schedule_refresh()

    @override
    async def _async_update_data(self) -> ViewT | None:
        now = dt_util.utcnow()
        try:
            result = await self._fetcher.async_fetch()
        except SourceError as err:
            self._note_failure(err)
            self._renew(dt_util.utcnow())
            if not self.last_update_success:
                # Of a second failure in a row nobody would hear.
                self.async_update_listeners()
            pause = find_retry(
                err,
                self._failures,
                # A change of the entities wakes it sooner.
                longest=self._find_interval(now) if self.description.is_local else None,
            )
            self._set_pause(pause)
            raise UpdateFailed(
                translation_domain=DOMAIN,
                translation_key="source_failed",
                translation_placeholders={"error": self.last_error or ""},
                retry_after=pause.total_seconds(),
            ) from None
        if result is None:
            # Stopped or changed meanwhile, which is neither a success nor a failure.
            if self.last_update_success:
                return self.data
            raise UpdateFailed
        self.fetched_at = dt_util.utcnow()
        self.last_error = self._not_before = None
        self._failures = 0
        self.success_rate.note(dt_util.now().date(), is_success=True)
        self._issue.note_success()
        previous, self.answer = self.answer, result.data
        self._guarded(self.answered, previous)
        self._set_pause(add_jitter(self._find_interval(now)))
        self._renew(self.fetched_at)
        self._save_soon()
        return self.data

    def _note_failure(self, err: SourceError) -> None:
        self.last_error = self._fetcher.hide(str(err))
        self._failures += 1
        self.success_rate.note(dt_util.now().date(), is_success=False)
        if (asked_s := find_retry_after(err)) is not None:
            self._not_before = dt_util.utcnow() + timedelta(seconds=asked_s)
        self._issue.note_failure(
            self.subentry,
            err,
            self.last_error,
            has_secrets=bool(self.description.secrets),
        )
        self._save_soon()

    def _set_pause(self, pause: timedelta) -> None:
        self.update_interval = pause
        self.next_refresh_at = dt_util.utcnow() + pause

    # --- the view ---

    @property
    def is_stale(self) -> bool:
        """Whether the view is shown though the last attempt failed."""
        return self.data is not None and self.last_error is not None

    @property
    def age_s(self) -> float | None:
        """Seconds since the last good answer."""
        if self.fetched_at is None:
            return None
        return max(0.0, (dt_util.utcnow() - self.fetched_at).total_seconds())

    @callback
    def async_refresh_view(self, _: datetime | None = None) -> None:
        """Show what has become true by something else than an answer."""
        self._renew(dt_util.utcnow())
        self.async_update_listeners()

    def _renew(self, now: datetime) -> None:
        if self._shutdown_requested:
            return
        previous, self.data = self.data, self._guarded(self._evaluate, now)
        if self.data is not None:
            self._guarded(self._emit_points, now)
        if previous != self.data:
            self._guarded(self.view_changed, previous)
        self.hub.context_changed()
        self._guarded(self._set_timer, now)
        self._report_problem(now)

    def _report_problem(self, now: datetime) -> None:
        before, self._problem = self._problem, self._guarded(self.find_problem, now)
        if self.last_error in {None, before}:
            self.last_error = self._problem
        if self._problem not in {None, before}:
            _LOGGER.warning("The settings of %s fail: %s", self.name, self._problem)
        self._issue.report(self.subentry, self._problem)

    def _guarded[ArgumentT, ResultT](
        self, work: Callable[[ArgumentT], ResultT], argument: ArgumentT
    ) -> ResultT | None:
        """Do what depends on data from outside; None, logged once, if it fails."""
        try:
            return work(argument)
        except Exception:
            if work.__name__ not in self._puzzles:
                self._puzzles.add(work.__name__)
                _LOGGER.exception("Unexpected error in %s", self.name)
            return None

    def _evaluate(self, now: datetime) -> ViewT | None:
        if self.answer is None or self.answer.valid_until <= now:
            return None
        return self.evaluate(now)

    def _emit_points(self, now: datetime) -> None:
        emitted = {
            (point.measurement, tuple(sorted(point.tags.items())), point.time_ns): point
            for point in self.create_points(now)
        }
        fresh = [
            point
            for key, point in emitted.items()
            if self._emitted.get(key) != point.fields
        ]
        self._emitted = {key: point.fields for key, point in emitted.items()}
        if fresh:
            self.hub.put_points(fresh)

    def _set_timer(self, now: datetime) -> None:
        self._cancel_timer()
        if self.answer is None or self._shutdown_requested:
            return
        changes = [self.find_next_change(now), self.answer.valid_until]
        if due := [change for change in changes if change and change > now]:
            self._timer = async_track_point_in_utc_time(
                self.hass, self.async_refresh_view, min(due)
            )

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer()
            self._timer = None

    # --- events ---

    @callback
    def async_listen_event(self, key: str, fired: EventListener) -> CALLBACK_TYPE:
        """Call when the event of a key is fired; returns what ends that."""
        listeners = self._event_listeners.setdefault(key, [])
        listeners.append(fired)
        return lambda: listeners.remove(fired)

    @callback
    def fire_event(
        self, key: str, event_type: str, attributes: Mapping[str, Any]
    ) -> None:
        """Fire an event: the event entity of that key shows it."""
        for fired in tuple(self._event_listeners.get(key, ())):
            fired(event_type, attributes)

    # --- the cache on disk ---

    async def _async_load(self) -> None:
        try:
            if (stored := await self._store.async_load()) is None:
                return
            self.success_rate = SuccessRate(stored["success_rate"])
            self.load_state(stored["state"])
            if stored["origin"] != self._origin:
                return
            if (not_before := stored.get("not_before")) is not None:
                self._not_before = datetime.fromtimestamp(not_before, UTC)
            if stored["answer"] is not None:
                self.fetched_at = datetime.fromtimestamp(stored["fetched_at"], UTC)
                self.answer = self._read_answer(stored["answer"])
        except Exception as err:  # noqa: BLE001 - a cache may be of any version
            _LOGGER.debug("Cache of %s cannot be used: %s", self.name, err)
            self.answer = self.fetched_at = None

    def _read_answer(self, stored: Mapping[str, Any]) -> DataT:
        answer: DataT = self.data_type.from_json(stored)  # type: ignore[assignment]
        return answer

    def _save_soon(self) -> None:
        if self._is_save_due:
            # A later call would put it off, again and again.
            return
        self._is_save_due = True
        delay_s = _LOCAL_SAVE_DELAY_S if self.description.is_local else _SAVE_DELAY_S
        self._store.async_delay_save(self._to_stored, delay_s)

    def _to_stored(self) -> dict[str, Any]:
        self._is_save_due = False
        not_before = self._not_before
        return {
            "origin": self._origin,
            "not_before": not_before.timestamp() if not_before else None,
            "fetched_at": self.fetched_at.timestamp() if self.fetched_at else None,
            "answer": self.answer.to_json() if self.answer is not None else None,
            "success_rate": self.success_rate.to_json(),
            "state": self.save_state(),
        }

    @property
    def _origin(self) -> str:
        return find_origin(self.description, self._taken[CONF_ARGUMENTS])

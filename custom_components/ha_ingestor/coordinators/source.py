"""One source at work: polled at its pace, cached on disk, shown as long as it is true.

What a source delivers is its *data*; what its entities show at a moment is the *view*
of them. Data come with a poll, a view also changes with time: a price at the end of
its slot, all of it when the data have expired. Event loop only.
"""

from abc import abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import UTC, datetime, timedelta
import hashlib
import json
import logging
import random
from typing import Any, ClassVar, Final, Protocol, override

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers.debounce import Debouncer
from homeassistant.helpers.event import (
    EventStateChangedData,
    async_track_point_in_utc_time,
    async_track_state_change_event,
)
from homeassistant.helpers.storage import Store
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed
from homeassistant.util import dt as dt_util

from ..const import CONF_ARGUMENTS, CONF_PROVIDER, CONF_SETTINGS, DOMAIN
from ..errors import (
    SourceArgumentError,
    SourceAuthError,
    SourceDataError,
    SourceError,
    SourceUnavailableError,
)
from ..models import FieldValue, Point, SourceKind
from ..sources.base import Source, SourceData, SourceDescription
from ..sources.catalog import SOURCES
from .environment import create_context, create_source
from .issue import async_delete_issue, async_show_issue
from .success_rate import SuccessRate

_LOGGER = logging.getLogger(__name__)

_STORAGE_VERSION: Final = 1
# A crash costs what was learned since; the data themselves are asked for again.
_SAVE_DELAY_S: Final = 30.0
# After a failure; doubled with each one up to the longest.
FIRST_RETRY_S: Final = 60.0
MAX_RETRY_S: Final = 3600.0
# So much of a pause is left to chance, so that homes do not ask all at once.
_JITTER: Final = 0.1
# Refused credentials are believed at the second time: providers have blips.
_REFUSALS_FOR_ISSUE: Final = 2


# Type of the event, its attributes.
type EventListener = Callable[[str, Mapping[str, Any]], None]


class SourceHub(Protocol):
    """What a source may use of its hub."""

    def put_points(self, points: Iterable[Point]) -> None:
        """Write points."""

    def context_changed(self) -> None:
        """Take over the context fields that sources feed."""

    def get(self, kind: SourceKind) -> SourceCoordinator[Any, Any] | None:
        """Return the source of a kind that the user has chosen, or the first."""


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
        self._failures = self._refusals = 0
        self._emitted: dict[Any, Mapping[str, FieldValue]] = {}
        self._timer: CALLBACK_TYPE | None = None
        self._unsubscribers: list[CALLBACK_TYPE] = []
        self._event_listeners: dict[str, list[EventListener]] = {}
        self._store = create_store(hass, subentry.subentry_id)
        self._source: Source[DataT] | None = None
        self._take(subentry)

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

    def load_state(self, stored: Mapping[str, Any]) -> None:
        """Take over what the kind has learned before; may be of an older version."""

    def save_state(self) -> dict[str, Any]:
        """Return what the kind has learned, as JSON."""
        return {}

    # --- life ---

    async def async_start(self) -> None:
        """Load the cache, show it, and ask as soon as that is due."""
        await self._async_load()
        # A source whose entities are all disabled still writes its points.
        self._unsubscribers.append(self.async_add_listener(lambda: None))
        self._open()
        self._async_renew_view()
        now = dt_util.utcnow()
        waits_s = 0.0
        if self.answer is not None and self.fetched_at is not None:
            due_at = self.fetched_at + self.get_interval(now)
            waits_s = max(0.0, (due_at - now).total_seconds())
        if waits_s and not self.description.is_local:
            self._set_pause(timedelta(seconds=waits_s))
            self._schedule_refresh()
        else:
            self._in_background(self.async_refresh())

    def _open(self) -> None:
        """Make the source and follow the entities that it reads."""
        arguments: Mapping[str, Any] = self._taken[CONF_ARGUMENTS]
        self._source = create_source(self.hass, self.description, arguments)
        if entities := self.list_entities(arguments):
            self._unsubscribers.append(
                async_track_state_change_event(
                    self.hass, sorted(entities), self._entity_changed
                )
            )

    def list_entities(self, arguments: Mapping[str, Any]) -> frozenset[str]:
        """Return the entities whose changes are followed."""
        return self.description.list_entities(arguments)

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
            self.answer = self.fetched_at = self.last_error = None
            self._failures = self._refusals = 0
            async_delete_issue(self.hass, subentry.subentry_id)
            self._unsubscribers.append(self.async_add_listener(lambda: None))
            self._open()
            self._in_background(self.async_refresh())
        self._async_renew_view()

    async def async_stop(self) -> None:
        """End all that goes on, and save what was learned."""
        await self.async_shutdown()
        self._cancel_timer()
        await self._async_close_source()
        async_delete_issue(self.hass, self.subentry.subentry_id)
        await self._store.async_save(self._to_stored())

    async def async_forget(self) -> None:
        """Delete what is on disk, of a source that was removed."""
        await self._store.async_remove()

    async def _async_close_source(self) -> None:
        for unsubscribe in self._unsubscribers:
            unsubscribe()
        self._unsubscribers.clear()
        source, self._source = self._source, None
        if source is not None:
            await source.async_close()

    # --- polling ---

    @override
    async def _async_update_data(self) -> ViewT | None:
        now = dt_util.utcnow()
        try:
            await self._async_fetch()
        except SourceError as err:
            self._note_failure(err)
            self._renew(dt_util.utcnow())
            if not self.last_update_success:
                # Of a second failure in a row nobody would hear.
                self.async_update_listeners()
            raise UpdateFailed(
                translation_domain=DOMAIN,
                translation_key="source_failed",
                translation_placeholders={"error": self.last_error or ""},
                retry_after=self._find_retry(err),
            ) from err
        self.fetched_at = dt_util.utcnow()
        self.last_error = None
        self._failures = self._refusals = 0
        self.success_rate.note(_today(), is_success=True)
        async_delete_issue(self.hass, self.subentry.subentry_id)
        self._set_pause(
            self.get_interval(now) * (1 + random.uniform(0, _JITTER))  # noqa: S311
        )
        self._renew(self.fetched_at)
        self._save_soon()
        return self.data

    async def _async_fetch(self) -> None:
        if self._source is None:
            raise SourceUnavailableError("Stopped")
        try:
            result = await self._source.async_fetch(create_context(self.hass))
        except SourceError:
            raise
        except Exception as err:
            if self._failures == 0:
                _LOGGER.exception("Unexpected error while asking %s", self.name)
            raise SourceDataError(f"{type(err).__name__}: {err}") from err
        previous, self.answer = self.answer, result.data
        self.answered(previous)

    def _note_failure(self, err: SourceError) -> None:
        self.last_error = str(err)
        self._failures += 1
        self.success_rate.note(_today(), is_success=False)
        if isinstance(err, SourceAuthError | SourceArgumentError):
            self._refusals += 1
            if self._refusals >= _REFUSALS_FOR_ISSUE:
                async_show_issue(self.hass, self.config_entry, self.subentry, err)
        else:
            self._refusals = 0
        self._save_soon()

    def _find_retry(self, err: SourceError) -> float:
        """Return the seconds until the next attempt after a failure."""
        doubled = FIRST_RETRY_S * 2.0 ** min(self._failures - 1, 10)
        wait_s = min(doubled, MAX_RETRY_S)
        if self.description.is_local:
            # A change of the entities wakes it sooner.
            wait_s = min(wait_s, self.description.update_interval.total_seconds())
        wait_s *= 1 + random.uniform(0, _JITTER)  # noqa: S311
        if isinstance(err, SourceUnavailableError) and err.retry_after_s is not None:
            wait_s = max(wait_s, err.retry_after_s)
        self.next_refresh_at = dt_util.utcnow() + timedelta(seconds=wait_s)
        return wait_s

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
    def _async_renew_view(self, _: datetime | None = None) -> None:
        """Show what has become true by time alone."""
        self._renew(dt_util.utcnow())
        self.async_update_listeners()

    @callback
    def async_refresh_view(self) -> None:
        """Show what has become true by something else than an answer or the time."""
        self._async_renew_view()

    def _renew(self, now: datetime) -> None:
        previous, self.data = self.data, self._evaluate(now)
        if self.data is not None:
            self._emit_points(now)
        if previous != self.data:
            self.view_changed(previous)
        self.hub.context_changed()
        self._set_timer(now)

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
                self.hass, self._async_renew_view, min(due)
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
        if (stored := await self._store.async_load()) is None:
            return
        try:
            self.success_rate = SuccessRate(stored["success_rate"])
            self.load_state(stored["state"])
            if stored["origin"] == self._origin and stored["answer"] is not None:
                self.fetched_at = datetime.fromtimestamp(stored["fetched_at"], UTC)
                self.answer = self._read_answer(stored["answer"])
        except Exception as err:  # noqa: BLE001 - a cache may be of any version
            _LOGGER.debug("Cache of %s cannot be used: %s", self.name, err)
            self.answer = self.fetched_at = None

    def _read_answer(self, stored: Mapping[str, Any]) -> DataT:
        answer: DataT = self.data_type.from_json(stored)  # type: ignore[assignment]
        return answer

    def _save_soon(self) -> None:
        self._store.async_delay_save(self._to_stored, _SAVE_DELAY_S)

    def _to_stored(self) -> dict[str, Any]:
        return {
            "origin": self._origin,
            "fetched_at": self.fetched_at.timestamp() if self.fetched_at else None,
            "answer": self.answer.to_json() if self.answer is not None else None,
            "success_rate": self.success_rate.to_json(),
            "state": self.save_state(),
        }

    @property
    def _origin(self) -> str:
        """What the cached answer belongs to; without secrets, and not readable."""
        arguments = {
            key: value
            for key, value in self._taken[CONF_ARGUMENTS].items()
            if key not in self.description.secrets
        }
        text = json.dumps([self.description.key, arguments], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def create_store(hass: HomeAssistant, subentry_id: str) -> Store[dict[str, Any]]:
    """Return where the cache of a source is."""
    return Store(hass, _STORAGE_VERSION, f"{DOMAIN}/source_{subentry_id}")


def _today() -> Any:
    return dt_util.now().date()

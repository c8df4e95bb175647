"""Occupancy at work: who is at home, who comes when, and how sure that is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
import hashlib
import json
from typing import Any, ClassVar, Final, override

from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    callback,
)
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import dt as dt_util

from ..const import CONF_ARGUMENTS, MEASUREMENT_OCCUPANCY
from ..models import FieldValue, Point, SourceKind, to_time_ns
from ..sources.occupancy.calendars import CONF_CALENDARS, CONF_PERSON, CONF_ZONE
from ..sources.occupancy.model import OccupancyData, Presence
from ..sources.occupancy.plan import (
    Absence,
    Plan,
    WorkHours,
    create_plan,
    find_absences,
    find_arrival,
    find_work_from_home,
    list_moments,
    predict,
)
from ..sources.occupancy.settings import (
    CONF_HOME_OTHERWISE,
    CONF_PREPARE_MINUTES,
    CONF_WORK_END,
    CONF_WORK_START,
    DEFAULT_PREPARE_MINUTES,
    DEFAULT_WORK_END,
    DEFAULT_WORK_START,
)
from ..sources.occupancy.track_record import Confidence, TrackRecord
from ..sources.slots import day_bounds
from .occupancy_states import find_is_home, find_travel, list_state_entities
from .source import SourceCoordinator

_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OccupancyView:
    """What the entities of a person show at a moment; None where nothing is known.

    Attributes:
        currently_home: The real state, where that is known; else what was planned.
        is_measured: Whether it is the real one.
        planned: What the calendars say of now.
        work_from_home: When work at home begins and ends that touches today.
        next_arrival: With the way home.
        prepare_at: The user's margin before that.
        should_prepare: Whether it is time for that, and nobody is there yet.
        away_hours: From leaving to coming home.
        travel_minutes: The way home takes so long now.
        confidence: How often the calendars were right at this hour.
        arrival_confidence: The same for the hour of the arrival.
    """

    currently_home: bool | None
    is_measured: bool
    planned: Presence | None = None
    is_wfh_today: bool | None = None
    work_from_home: tuple[datetime, datetime] | None = None
    next_arrival: datetime | None = None
    prepare_at: datetime | None = None
    should_prepare: bool | None = None
    away_hours: float | None = None
    travel_minutes: float
    confidence: Confidence | None = None
    arrival_confidence: Confidence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """What states of entities say."""

    is_home: bool | None
    travel: timedelta


class OccupancyCoordinator(SourceCoordinator[OccupancyData, OccupancyView]):
    """Owns the calendars of one person."""

    kind = SourceKind.OCCUPANCY
    data_type = OccupancyData
    # A calendar that is edited changes several times in a row.
    cooldown_s: ClassVar[float] = 60.0

    # Made before the base is, which asks for the settings while it is made.
    _is_open = False
    _unfollow: CALLBACK_TYPE | None = None
    _planned: tuple[object, object, Plan] | None = None
    _measured: _Measured | None = None
    _written: OccupancyView | None = None
    _written_at: datetime | None = None
    _record: TrackRecord
    _record_of: str | None = None

    # --- what it reads

    @property
    def _arguments(self) -> Mapping[str, Any]:
        arguments: Mapping[str, Any] = self._taken[CONF_ARGUMENTS]
        return arguments

    @override
    def list_entities(self, arguments: Mapping[str, Any]) -> frozenset[str]:
        """Return the calendars: only they are asked again for a change of theirs."""
        return frozenset(arguments.get(CONF_CALENDARS) or ())

    @callback
    @override
    def _entity_changed(self, event: Event[EventStateChangedData]) -> None:
        new = event.data["new_state"]
        if new is not None and new.state != STATE_UNAVAILABLE:
            super()._entity_changed(event)

    @override
    def _open(self) -> None:
        super()._open()
        self._is_open = True
        self._follow_states()

    @override
    async def _async_close_source(self) -> None:
        self._stop_following()
        self._is_open = False
        await super()._async_close_source()

    def _follow_states(self) -> None:
        """Follow what needs no question to the calendars."""
        self._stop_following()
        if entities := list_state_entities(self._arguments, self.settings):
            self._unfollow = async_track_state_change_event(
                self.hass, entities, self._state_changed
            )

    def _stop_following(self) -> None:
        if self._unfollow is not None:
            self._unfollow()
            self._unfollow = None

    @callback
    def _state_changed(self, _: Event[EventStateChangedData]) -> None:
        # A phone reports its position every few minutes; most of that is no news.
        if self._measure() != self._measured:
            self.async_refresh_view()

    def _measure(self) -> _Measured:
        return _Measured(
            is_home=find_is_home(self.hass, self._arguments),
            travel=find_travel(self.hass, self.settings),
        )

    @callback
    @override
    def settings_changed(self) -> None:
        self._planned = None
        if self._is_open:
            self._follow_states()

    # --- what it makes of that

    @override
    def _evaluate(self, now: datetime) -> OccupancyView | None:
        self._measured = measured = self._measure()
        if (view := super()._evaluate(now)) is not None or measured.is_home is None:
            return view
        # Calendars that cannot be read do not make a person vanish.
        return OccupancyView(
            currently_home=measured.is_home,
            is_measured=True,
            travel_minutes=_to_minutes(measured.travel),
        )

    @override
    def evaluate(self, now: datetime) -> OccupancyView | None:
        if (measured := self._measured) is None:
            return None
        is_home = measured.is_home
        plan, absences = self._plan(), self._find_absences()
        planned = self._predict(now)
        currently_home = is_home
        if is_home is None and planned is not None:
            currently_home = planned.is_home
        arrival = find_arrival(plan, absences, now, is_home=is_home)
        arrives_at = absence = prepare_at = should_prepare = None
        if arrival is not None:
            arrives_at, absence = arrival.at, arrival.absence
            prepare_at = arrives_at - self._margin
            should_prepare = now >= prepare_at and currently_home is not True
        today = dt_util.as_local(now).date()
        work = find_work_from_home(plan, *day_bounds(today, _time_zone()))
        return OccupancyView(
            currently_home=currently_home,
            is_measured=is_home is not None,
            planned=planned,
            is_wfh_today=work is not None,
            work_from_home=work,
            next_arrival=arrives_at,
            prepare_at=prepare_at,
            should_prepare=bool(should_prepare),
            away_hours=None if absence is None else absence.duration / _HOUR,
            travel_minutes=_to_minutes(measured.travel),
            confidence=None if planned is None else self._find_confidence(now),
            arrival_confidence=None
            if arrives_at is None
            else self._find_confidence(arrives_at),
        )

    @property
    def _margin(self) -> timedelta:
        minutes = self.settings.get(CONF_PREPARE_MINUTES, DEFAULT_PREPARE_MINUTES)
        return timedelta(minutes=float(minutes))

    def _plan(self) -> Plan:
        """Return the plan of the present answer; made once for each."""
        if (answer := self.answer) is None:
            return ()
        time_zone = _time_zone()
        cached = self._planned
        if cached is None or cached[0] is not answer or cached[1] is not time_zone:
            hours = WorkHours(
                start=_read_time(self.settings, CONF_WORK_START, DEFAULT_WORK_START),
                end=_read_time(self.settings, CONF_WORK_END, DEFAULT_WORK_END),
            )
            cached = answer, time_zone, create_plan(answer, hours, time_zone)
            self._planned = cached
        return cached[2]

    def _find_absences(self) -> list[Absence]:
        measured = self._measured or self._measure()
        return find_absences(self._plan(), measured.travel)

    def _predict(self, now: datetime) -> Presence | None:
        return predict(
            self._plan(),
            self._find_absences(),
            now,
            home_otherwise=bool(self.settings.get(CONF_HOME_OTHERWISE)),
        )

    @override
    def find_next_change(self, now: datetime) -> datetime | None:
        local = dt_util.as_local(now)
        into_hour = timedelta(
            minutes=local.minute, seconds=local.second, microseconds=local.microsecond
        )
        # The hour, for the confidence; its first one is the day's beginning.
        moments = [now - into_hour + _HOUR]
        moments += list_moments(self._plan(), self._find_absences())
        if self.data is not None:
            moments += filter(None, (self.data.next_arrival, self.data.prepare_at))
        return min(moment for moment in moments if moment > now)

    @override
    def get_context_value(self) -> FieldValue | None:
        return None if self.data is None else self.data.currently_home

    # --- what it learns

    @callback
    @override
    def answered(self, previous: OccupancyData | None) -> None:
        """Compare what the calendars say of now with where the person is."""
        self._written_at = None
        self._measured = measured = self._measure()
        now = dt_util.utcnow()
        if measured.is_home is None or (planned := self._predict(now)) is None:
            return
        self._get_record().note(
            dt_util.as_local(now), is_right=planned.is_home == measured.is_home
        )

    def _get_record(self) -> TrackRecord:
        """Return the counts; those of another person or calendar are forgotten."""
        if self._record_of != (subject := self._subject):
            self._record, self._record_of = TrackRecord(), subject
        return self._record

    @property
    def _subject(self) -> str:
        """Who is compared with what, without saying it."""
        keys = (CONF_CALENDARS, CONF_PERSON, CONF_ZONE)
        text = json.dumps([self._arguments.get(key) for key in keys])
        return hashlib.sha256(text.encode()).hexdigest()

    def _find_confidence(self, moment: datetime) -> Confidence | None:
        return self._get_record().find_confidence(dt_util.as_local(moment))

    @override
    def load_state(self, stored: Mapping[str, Any]) -> None:
        if stored.get("subject") == self._subject:
            self._get_record().load(stored["record"])

    @override
    def save_state(self) -> dict[str, Any]:
        return {"subject": self._subject, "record": self._get_record().to_json()}

    # --- what it writes

    @override
    def create_points(self, now: datetime) -> Iterable[Point]:
        """Return one point: of the poll, or of the moment the view has changed."""
        if (view := self.data) is None or self.answer is None:
            return
        if self._written_at is None or view != self._written:
            self._written, self._written_at = view, now
        fields: dict[str, FieldValue | None] = {
            "currently_home": view.currently_home,
            "wfh_today": view.is_wfh_today,
            "confidence": view.confidence.percent if view.confidence else None,
            "next_arrival": _to_text(view.next_arrival),
            "prepare_time": _to_text(view.prepare_at),
            "travel_time_minutes": view.travel_minutes,
            "away_duration_hours": view.away_hours,
        }
        yield Point(
            measurement=MEASUREMENT_OCCUPANCY,
            tags={"source": self.description.key, "user": self._user},
            fields={key: value for key, value in fields.items() if value is not None},
            time_ns=to_time_ns(self._written_at.timestamp()),
        )

    @property
    def _user(self) -> str:
        """Whose series it is: an id, since names are changed."""
        person: str | None = self._arguments.get(CONF_PERSON)
        return person.partition(".")[2] if person else self.subentry.title


def _time_zone() -> tzinfo:
    return dt_util.get_default_time_zone()


def _read_time(settings: Mapping[str, Any], key: str, default: str) -> time:
    return time.fromisoformat(settings.get(key) or default)


def _to_minutes(travel: timedelta) -> float:
    return travel / timedelta(minutes=1)


def _to_text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")

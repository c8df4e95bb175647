"""Demand response: times in which the supplier wants less, or more, to be used.

Read from an entity of another integration: one that is on for that time (a binary
sensor, a calendar, a schedule), or an event that says when it begins and ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any, Final

from ..base import EntityState

_ABSENT: Final = frozenset({"unavailable", "unknown"})
_ON: Final = "on"
_START_KEYS: Final = ("start", "start_time", "start_at", "starts_at")
_END_KEYS: Final = ("end", "end_time", "end_at", "ends_at")
_EVENT_TYPE: Final = "event_type"
# Words of events that do not say when they end.
_BEGUN: Final = frozenset({"active", "begin", "on", "start", "started"})
_OVER: Final = frozenset({"cancelled", "canceled", "end", "ended", "off", "stopped"})
# What Home Assistant itself puts beside every state.
_NOT_OF_EVENT: Final = frozenset(
    {
        "assumed_state",
        "attribution",
        "device_class",
        "editable",
        "entity_picture",
        "event_types",
        "friendly_name",
        "icon",
        "restored",
        "supported_features",
        "unit_of_measurement",
    }
)
# Enough for any event; lists of all future ones would not fit into a state.
_MAX_ATTRIBUTES: Final = 20
_MAX_TEXT: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandResponse:
    """What the entity says at a moment.

    Attributes:
        is_active: None where that is not known.
        start: When it begins or began, None where the entity does not say.
        end: Likewise.
        attributes: Single values beside it, under the entity's own names.
    """

    is_active: bool | None
    start: datetime | None
    end: datetime | None
    attributes: Mapping[str, str | float | bool]

    def find_next_change(self, now: datetime) -> datetime | None:
        """Return when it begins or ends by time alone."""
        later = [moment for moment in (self.start, self.end) if moment and moment > now]
        return min(later, default=None)


def read_demand(
    state: EntityState | None, *, is_event: bool, now: datetime, time_zone: tzinfo
) -> DemandResponse | None:
    """Return what an entity says; None where it does not exist.

    Args:
        state: Of the entity.
        is_event: Whether its state is the time of an event, not on or off.
        now: UTC.
        time_zone: Of times without an offset, which calendars have.
    """
    if state is None:
        return None
    start = _find_time(state.attributes, _START_KEYS, time_zone)
    end = _find_time(state.attributes, _END_KEYS, time_zone)
    is_active: bool | None = state.state == _ON
    if state.state in _ABSENT:
        is_active = None
    elif is_event:
        is_active = _is_within(start, end, now)
        if is_active is None:
            is_active = _read_event_type(state.attributes.get(_EVENT_TYPE))
    return DemandResponse(
        is_active=is_active,
        start=start,
        end=end,
        attributes=_pick_attributes(state.attributes),
    )


def _find_time(
    attributes: Mapping[str, Any], keys: tuple[str, ...], time_zone: tzinfo
) -> datetime | None:
    for key in keys:
        value = attributes.get(key)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                continue
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=time_zone)
    return None


def _is_within(
    start: datetime | None, end: datetime | None, now: datetime
) -> bool | None:
    if end is None:
        return None
    return (start is None or start <= now) and now < end


def _read_event_type(value: Any) -> bool | None:
    words = set(str(value or "").lower().replace("-", "_").split("_"))
    if words & _OVER:
        return False
    return True if words & _BEGUN else None


def _pick_attributes(
    attributes: Mapping[str, Any],
) -> Mapping[str, str | float | bool]:
    picked: dict[str, str | float | bool] = {}
    for key, value in attributes.items():
        if key in _NOT_OF_EVENT or len(picked) >= _MAX_ATTRIBUTES:
            continue
        if isinstance(value, datetime | date):
            picked[key] = value.isoformat()
        elif isinstance(value, str):
            picked[key] = value[:_MAX_TEXT]
        elif isinstance(value, bool | int | float):
            picked[key] = value
    return picked

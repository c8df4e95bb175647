"""What states of entities say of a person: at home or not, and how far away."""

from collections.abc import Mapping
from datetime import timedelta
import math
from typing import Any, Final

from homeassistant.const import (
    ATTR_FRIENDLY_NAME,
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_HOME,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    UnitOfTime,
)
from homeassistant.core import HomeAssistant, State
from homeassistant.util.unit_conversion import DurationConverter

from ..sources.occupancy.calendars import CONF_PERSON, CONF_ZONE
from ..sources.occupancy.settings import (
    CONF_TRAVEL_ENTITY,
    CONF_TRAVEL_MINUTES,
    DEFAULT_TRAVEL_MINUTES,
    MAX_MINUTES,
)

_ABSENT: Final = frozenset({STATE_UNKNOWN, STATE_UNAVAILABLE, ""})
_HOME_ZONE: Final = "zone.home"
_ATTR_IN_ZONES: Final = "in_zones"


def list_state_entities(
    arguments: Mapping[str, Any], settings: Mapping[str, Any]
) -> list[str]:
    """Return the entities that are read besides the calendars."""
    found = (
        arguments.get(CONF_PERSON),
        arguments.get(CONF_ZONE),
        settings.get(CONF_TRAVEL_ENTITY),
    )
    return sorted({entity_id for entity_id in found if entity_id})


def find_is_home(hass: HomeAssistant, arguments: Mapping[str, Any]) -> bool | None:
    """Return whether the person really is at home, None if nothing knows.

    With a zone and no person it is whether anybody is in that zone.
    """
    zone: str | None = arguments.get(CONF_ZONE)
    if person := arguments.get(CONF_PERSON):
        return _is_in_zone(hass, _find_state(hass, person), zone or _HOME_ZONE)
    if zone is None or (state := _find_state(hass, zone)) is None:
        return None
    try:
        return int(state.state) > 0
    except ValueError:
        return None


def _is_in_zone(hass: HomeAssistant, person: State | None, zone: str) -> bool | None:
    if person is None:
        return None
    # The state is the name of the smallest zone: a garage, not the home around it.
    if zone in (person.attributes.get(_ATTR_IN_ZONES) or ()):
        return True
    if zone == _HOME_ZONE:
        return person.state == STATE_HOME
    # Trackers of an older kind say only that name.
    place = _find_state(hass, zone)
    name = None if place is None else place.attributes.get(ATTR_FRIENDLY_NAME)
    return name is not None and person.state == name


def find_travel(hass: HomeAssistant, settings: Mapping[str, Any]) -> timedelta:
    """Return how long the way home takes now; the user's figure if no entity knows."""
    minutes = None
    if entity_id := settings.get(CONF_TRAVEL_ENTITY):
        minutes = _read_minutes(_find_state(hass, entity_id))
    if minutes is None:
        minutes = float(settings.get(CONF_TRAVEL_MINUTES, DEFAULT_TRAVEL_MINUTES))
    return timedelta(minutes=minutes)


def _read_minutes(state: State | None) -> float | None:
    """Return a duration in minutes; None for what is none that anybody travels."""
    if state is None:
        return None
    # Without a unit it is what people count journeys in.
    unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT) or UnitOfTime.MINUTES
    if unit not in DurationConverter.VALID_UNITS:
        return None
    try:
        value = float(state.state)
    except ValueError:
        return None
    minutes = DurationConverter.convert(value, unit, UnitOfTime.MINUTES)
    if not math.isfinite(minutes) or not 0 <= minutes <= MAX_MINUTES:
        return None
    # A second more or less is traffic, not news.
    return float(round(minutes))


def _find_state(hass: HomeAssistant, entity_id: str) -> State | None:
    state = hass.states.get(entity_id)
    return None if state is None or state.state in _ABSENT else state

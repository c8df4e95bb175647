"""What must be there before a kind of source makes sense, and how to get it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from homeassistant.core import HomeAssistant

from ..models import SourceKind

# Home Assistant's own page that begins to set an integration up.
_SET_UP: Final = "/config/integrations/dashboard/add?domain="


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why a flow ends before it has begun.

    Attributes:
        reason: Key of the text under `abort` in the translations of the kind's flow.
        placeholders: Values for that text, such as where to go; texts hold no
            addresses themselves.
    """

    reason: str
    placeholders: Mapping[str, str] = field(default_factory=dict)


def _check_calendars(hass: HomeAssistant) -> Obstacle | None:
    if hass.states.async_entity_ids("calendar"):
        return None
    return Obstacle(
        reason="no_calendar",
        placeholders={
            "google": f"{_SET_UP}google",
            "caldav": f"{_SET_UP}caldav",
            "remote": f"{_SET_UP}remote_calendar",
            "local": f"{_SET_UP}local_calendar",
        },
    )


# Returns what is in the way, None if nothing is.
PRECONDITIONS: Final[
    Mapping[SourceKind, Callable[[HomeAssistant], Obstacle | None]]
] = {
    SourceKind.OCCUPANCY: _check_calendars,
}

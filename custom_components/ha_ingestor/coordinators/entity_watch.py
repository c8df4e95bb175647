"""The entities that a source reads: which are followed, and whether they are there."""

from collections.abc import Iterable

from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import CoreState, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er


@callback
def list_watched(
    hass: HomeAssistant, subentry: ConfigSubentry, entity_ids: Iterable[str]
) -> list[str]:
    """Return the entities to follow: all but the source's own.

    A source that follows itself would never come to rest.
    """
    registry = er.async_get(hass)

    def is_own(entity_id: str) -> bool:
        entry = registry.async_get(entity_id)
        return entry is not None and entry.config_subentry_id == subentry.subentry_id

    return sorted(entity_id for entity_id in entity_ids if not is_own(entity_id))


@callback
def are_set_up(hass: HomeAssistant, entity_ids: Iterable[str]) -> bool:
    """Tell whether entities are there, or will not come by themselves any more.

    While Home Assistant starts, the integration that provides one may be still to
    come.
    """
    if hass.state is CoreState.running:
        return True
    states = [hass.states.get(entity_id) for entity_id in entity_ids]
    return all(
        state is not None and state.state != STATE_UNAVAILABLE for state in states
    )

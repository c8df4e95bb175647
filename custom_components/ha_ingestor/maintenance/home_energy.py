"""Which entities measure what the home takes from the grid: the Energy dashboard's."""

from typing import Final

from homeassistant.core import HomeAssistant, valid_entity_id

_ENERGY: Final = "energy"


async def async_get_home_entities(hass: HomeAssistant) -> tuple[str, ...] | None:
    """Return the meters of the grid that the Energy dashboard counts, sorted.

    Statistics that are not those of an entity are left out: they have no rows.

    Returns:
        Empty if there are none; None while nobody can tell, since Home Assistant is
        about to start.
    """
    if _ENERGY not in hass.config.components:
        return () if hass.is_running else None
    # Where it is not loaded, this is not worth its memory; where it is, it is there.
    from homeassistant.components.energy.data import (  # noqa: PLC0415
        async_get_manager,
    )

    preferences = (await async_get_manager(hass)).data
    if preferences is None:
        return ()
    found = {
        statistic_id
        for source in preferences["energy_sources"]
        if source["type"] == "grid"
        # One that is for export only has none.
        and (statistic_id := source["stat_energy_from"]) is not None
        and valid_entity_id(statistic_id)
    }
    return tuple(sorted(found))

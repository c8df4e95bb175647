"""The action that shows all sources with their present values."""

from typing import Final, cast

import probatio

from homeassistant.auth.models import User
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import UnknownUser
from homeassistant.helpers import config_validation as cv, service

from ..api.sources import list_sources
from ..const import ATTR_CONFIG_ENTRY_ID, DOMAIN, SERVICE_GET_SOURCES
from ..data import IngestorConfigEntry

GET_SCHEMA: Final = probatio.Schema(
    {probatio.Optional(ATTR_CONFIG_ENTRY_ID): cv.string}
)


@callback
def async_setup_source_actions(hass: HomeAssistant) -> None:
    """Register the action."""
    hass.services.async_register(
        DOMAIN,
        SERVICE_GET_SOURCES,
        _async_get,
        schema=GET_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )


async def _async_get(call: ServiceCall) -> ServiceResponse:
    entries: list[IngestorConfigEntry] = call.hass.config_entries.async_loaded_entries(
        DOMAIN
    )
    if (entry_id := call.data.get(ATTR_CONFIG_ENTRY_ID)) is not None:
        entries = [service.async_get_config_entry(call.hass, DOMAIN, entry_id)]
    response = list_sources(call.hass, entries, await _async_get_user(call))
    return cast("ServiceResponse", response)


async def _async_get_user(call: ServiceCall) -> User | None:
    """Return who calls; None for an automation or Home Assistant itself."""
    if call.context.user_id is None:
        return None
    if (user := await call.hass.auth.async_get_user(call.context.user_id)) is None:
        raise UnknownUser(context=call.context)
    return user

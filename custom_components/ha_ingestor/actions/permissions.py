"""Who may see what: the caller of an action, as in the rest of Home Assistant."""

from collections.abc import Iterable
from typing import Any

from homeassistant.auth.permissions.const import POLICY_READ
from homeassistant.const import Platform
from homeassistant.core import ServiceCall
from homeassistant.exceptions import Unauthorized, UnknownUser
from homeassistant.helpers import entity_registry as er

from ..api.permissions import may_read
from ..const import DOMAIN
from ..coordinators.source import SourceCoordinator


async def async_check_read(call: ServiceCall, entity_ids: Iterable[str | None]) -> None:
    """Let nobody see through an action what they may not see otherwise.

    Args:
        entity_ids: None among them stands for an entity that does not exist (yet).

    Raises:
        Unauthorized: The caller may not read one of the entities.
        UnknownUser: The caller does not exist any more.
    """
    if call.context.user_id is None:
        # An automation, or Home Assistant itself.
        return
    user = await call.hass.auth.async_get_user(call.context.user_id)
    if user is None:
        raise UnknownUser(context=call.context)
    for entity_id in entity_ids:
        if not may_read(user, entity_id):
            raise Unauthorized(
                context=call.context, entity_id=entity_id, permission=POLICY_READ
            )


async def async_check_read_source(
    call: ServiceCall, source: SourceCoordinator[Any, Any], key: str
) -> None:
    """Let only those see a source's data who may see its sensor of that key.

    Raises:
        Unauthorized: The caller may not.
        UnknownUser: The caller does not exist any more.
    """
    unique_id = f"{source.subentry.subentry_id}_{key}"
    entity_id = er.async_get(call.hass).async_get_entity_id(
        Platform.SENSOR, DOMAIN, unique_id
    )
    await async_check_read(call, [entity_id])

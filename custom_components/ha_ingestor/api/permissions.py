"""Who may see what, the same for actions and endpoints: what the entities allow."""

from homeassistant.auth.models import User
from homeassistant.auth.permissions.const import POLICY_READ


def may_read(user: User | None, entity_id: str | None) -> bool:
    """Tell whether somebody may see what an entity shows.

    Args:
        user: None is Home Assistant itself, or one of its automations.
        entity_id: None for an entity that does not exist (yet): there is nothing that
            a policy could name, so only a right for all entities covers it.
    """
    if user is None:
        return True
    if entity_id is None:
        return user.permissions.access_all_entities(POLICY_READ)
    return user.permissions.check_entity(entity_id, POLICY_READ)

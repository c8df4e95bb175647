"""Where what a source has said and learned lies on disk."""

from collections.abc import Mapping
import hashlib
import json
from typing import Any, Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import Store

from ..const import DOMAIN
from ..sources.base import SourceDescription

_STORAGE_VERSION: Final = 1


def create_store(hass: HomeAssistant, subentry_id: str) -> Store[dict[str, Any]]:
    """Return where the cache of a source is."""
    return Store(hass, _STORAGE_VERSION, f"{DOMAIN}/source_{subentry_id}")


def find_origin(
    description: SourceDescription[Any], arguments: Mapping[str, Any]
) -> str:
    """Return what a cached answer belongs to; without secrets, and not readable."""
    public = {
        key: value for key, value in arguments.items() if key not in description.secrets
    }
    text = json.dumps([description.key, public], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()

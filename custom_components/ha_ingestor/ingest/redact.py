"""Take secrets out of what an event carries, before anything is stored."""

from collections.abc import Mapping
import enum
from typing import Any, Final

REDACTED: Final = "**REDACTED**"

# A key that contains one of these holds a secret: the code of an alarm or a
# lock travels in action calls, tokens in notifications.
_SECRET_PARTS: Final = ("code", "key", "pass", "pin", "secret", "token")

# Captured only when a user names them one by one: they tell where somebody is,
# or let whoever reads them fetch a picture of the home.
PRIVATE_ATTRIBUTES: Final = frozenset(
    {
        "access_token",
        "entity_picture",
        "entity_picture_local",
        "gps_accuracy",
        "latitude",
        "longitude",
        "location",
        "media_image_url",
        "media_url",
        "stream_source",
        "url",
        "video_url",
    }
)

# Deeper than any event of Home Assistant.
_MAX_DEPTH: Final = 20


def is_secret(key: str) -> bool:
    """Tell whether values under this key are secrets."""
    lowered = key.lower()
    return any(part in lowered for part in _SECRET_PARTS)


def is_private(key: str) -> bool:
    """Tell whether values under this key are secrets or give a place away."""
    return key.lower() in PRIVATE_ATTRIBUTES or is_secret(key)


def redact(value: Any, parents: tuple[int, ...] = ()) -> Any:
    """Return a copy without the values of secret and private keys.

    Args:
        value: Anything; mappings and sequences are copied, down to a depth at which
            no event has anything, and never into themselves.
        parents: Ids of the structures around the value.
    """
    if not isinstance(value, Mapping | list | tuple | set | frozenset):
        return value
    if len(parents) >= _MAX_DEPTH or id(value) in parents:
        return REDACTED
    parents = (*parents, id(value))
    if isinstance(value, Mapping):
        return {
            name: REDACTED if is_private(name) else redact(item, parents)
            for name, item in ((_name(key), item) for key, item in value.items())
        }
    items = [redact(item, parents) for item in value]
    # After the copying, as a set inside it has no order of its own either.
    return sorted(items, key=repr) if isinstance(value, set | frozenset) else items


def _name(key: Any) -> str:
    """Return a key as text."""
    if isinstance(key, enum.Enum):
        key = key.value
    return key if type(key) is str else str(key)

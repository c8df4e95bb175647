"""All sources, by hand: no import by name, so that a search finds every user.

Adding a provider is one module in the room of its kind and one line here.
"""

from collections.abc import Mapping
from typing import Any, Final

from ..models import SourceKind
from .base import Argument, SourceDescription
from .carbon.settings import CARBON_SETTINGS
from .carbon.uk_carbon_intensity import UK_CARBON_INTENSITY

# In the order in which the form offers them; those that need no key come first.
_SOURCES: Final[tuple[SourceDescription[Any], ...]] = (
    # Carbon intensity
    UK_CARBON_INTENSITY,
)

SOURCES: Final[Mapping[str, SourceDescription[Any]]] = {
    source.key: source for source in _SOURCES
}

# What the user decides about a kind, whoever the provider is.
SETTINGS: Final[Mapping[SourceKind, tuple[Argument, ...]]] = {
    SourceKind.CARBON_INTENSITY: CARBON_SETTINGS,
}


def list_sources(kind: SourceKind) -> list[SourceDescription[Any]]:
    """Return the sources of a kind, in the order of the form."""
    return [source for source in SOURCES.values() if source.kind is kind]

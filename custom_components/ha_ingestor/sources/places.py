"""Where a provider is asked about, as exactly as it needs to know and no more."""

from collections.abc import Mapping
from typing import Any

from homeassistant.const import CONF_LATITUDE, CONF_LOCATION, CONF_LONGITUDE

from .base import SourceContext


def find_home(context: SourceContext) -> dict[str, float]:
    """Return the home's position, as a form takes it."""
    return {CONF_LATITUDE: context.latitude, CONF_LONGITUDE: context.longitude}


def format_position(
    arguments: Mapping[str, Any], context: SourceContext
) -> tuple[str, str]:
    """Return latitude and longitude to ask for: those of the user, or the home's.

    Two decimals are about a kilometer: enough to find a station or a grid, and nobody
    learns which house asks.
    """
    position = arguments.get(CONF_LOCATION) or find_home(context)
    return f"{position[CONF_LATITUDE]:.2f}", f"{position[CONF_LONGITUDE]:.2f}"

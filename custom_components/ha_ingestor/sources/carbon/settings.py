"""What the user decides about carbon intensity, whoever the provider is."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from ..base import Argument, ArgumentType

CONF_CLEAN_BELOW: Final = "clean_below"
CONF_CLEAN_PERCENTILE: Final = "clean_percentile"
CONF_WINDOW: Final = "window"

# About the mean of the European Union; a grid far from it wants a value of its own.
DEFAULT_CLEAN_BELOW: Final = 200.0
# A dishwasher or a washing machine.
DEFAULT_WINDOW: Final = timedelta(hours=2)

CARBON_SETTINGS: Final = (
    Argument(
        key=CONF_CLEAN_BELOW,
        type=ArgumentType.NUMBER,
        is_required=False,
        default=DEFAULT_CLEAN_BELOW,
        minimum=0,
        maximum=2000,
        unit="gCO2eq/kWh",
    ),
    Argument(
        key=CONF_CLEAN_PERCENTILE,
        type=ArgumentType.NUMBER,
        is_required=False,
        minimum=1,
        maximum=100,
        step=1,
    ),
    Argument(
        key=CONF_WINDOW,
        type=ArgumentType.DURATION,
        is_required=False,
        default={"hours": 2, "minutes": 0, "seconds": 0},
    ),
)


def read_window(settings: Mapping[str, Any]) -> timedelta:
    """Return how long a window is; the default where none was entered."""
    return timedelta(**settings.get(CONF_WINDOW, {})) or DEFAULT_WINDOW

"""What the user decides about carbon intensity, whoever the provider is."""

from typing import Final

from ..base import Argument, ArgumentType

CONF_CLEAN_BELOW: Final = "clean_below"

# About the mean of the European Union; a grid far from it wants a value of its own.
DEFAULT_CLEAN_BELOW: Final = 200.0

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
)

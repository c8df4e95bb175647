"""What the user decides about a meter, whoever the provider is."""

from typing import Final

from ..base import Argument, ArgumentType

CONF_TARIFF: Final = "tariff"
CONF_POWER_LIMIT: Final = "power_limit"

# What few homes pass unless something is left on, and many connections allow.
DEFAULT_POWER_LIMIT_W: Final = 10_000.0

METER_SETTINGS: Final = (
    Argument(
        key=CONF_POWER_LIMIT,
        type=ArgumentType.NUMBER,
        is_required=False,
        default=DEFAULT_POWER_LIMIT_W,
        minimum=1,
        maximum=1_000_000,
        unit="W",
    ),
    Argument(
        key=CONF_TARIFF,
        type=ArgumentType.NUMBER,
        is_required=False,
        minimum=-1000,
        maximum=1000,
    ),
)

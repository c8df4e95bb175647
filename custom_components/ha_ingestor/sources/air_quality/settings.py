"""What the user decides about air quality, whoever the provider is."""

from typing import Final

from ..base import Argument, ArgumentType, SourceContext
from .aqi import Scale

CONF_SCALE: Final = "scale"

# Members and cooperating countries of the European Environment Agency, whose index it
# is, and their neighbors that use it.
# fmt: off
_EUROPEAN_COUNTRIES: Final = frozenset({
    "AD", "AL", "AT", "BA", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI",
    "FO", "FR", "GB", "GG", "GI", "GR", "HR", "HU", "IE", "IM", "IS", "IT", "JE", "LI",
    "LT", "LU", "LV", "MC", "MD", "ME", "MK", "MT", "NL", "NO", "PL", "PT", "RO", "RS",
    "SE", "SI", "SK", "SM", "TR", "UA", "VA", "XK",
})
# fmt: on
# Degrees; from Iceland to the Bosporus, for homes whose country is not set.
_EUROPEAN_LATITUDES: Final = (35.0, 72.0)
_EUROPEAN_LONGITUDES: Final = (-25.0, 35.0)


def find_scale(context: SourceContext) -> str:
    """Return the scale that people at home know from their news."""
    if context.country is not None:
        is_european = context.country in _EUROPEAN_COUNTRIES
    else:
        south, north = _EUROPEAN_LATITUDES
        west, east = _EUROPEAN_LONGITUDES
        is_european = (
            south <= context.latitude <= north and west <= context.longitude <= east
        )
    return Scale.EUROPEAN if is_european else Scale.US


AIR_QUALITY_SETTINGS: Final = (
    Argument(
        key=CONF_SCALE,
        type=ArgumentType.SELECT,
        options=tuple(Scale),
        translation_key="air_quality_scale",
        default=find_scale,
    ),
)

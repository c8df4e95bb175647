"""What the providers of air quality have in common: place, age, careful reading."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from homeassistant.const import CONF_LOCATION

from ...errors import SourceDataError
from ..base import Argument, ArgumentType, SourceContext
from ..parsing import parse_number
from ..places import find_home, format_position
from .aqi import Pollutant, Scale, compute_concentration, round_aqi, to_micrograms
from .model import VALID_FOR, AirReading

# No index of either scale gets there: what is higher is an error code, or broken.
_MAX_AQI: Final = 5000.0
# Nor any concentration in air that somebody breathes: 1 g/m3.
_MAX_CONCENTRATION: Final = 1e6


# Tag of the points of the home, where the provider has no name for it.
HOME: Final = "Home"
LOCATION: Final = Argument(
    key=CONF_LOCATION, type=ArgumentType.LOCATION, default=find_home
)


def name_position(arguments: Mapping[str, Any], context: SourceContext) -> str | None:
    """Return what to call the place where the provider has no name for it.

    Returns:
        None for the home: it needs none, and nobody wants its position in a database.
    """
    position = format_position(arguments, context)
    return None if position == format_position({}, context) else ", ".join(position)


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Return an object of an answer; an empty one where there is none."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: Any) -> Sequence[Any]:
    """Return a list of an answer; an empty one where there is none."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str | None:
    """Return a text of an answer without blanks around it; None where there is none."""
    return value.strip() or None if isinstance(value, str) else None


def read_number(payload: Mapping[str, Any], key: str) -> float | None:
    """Return a number of an answer; None for all that is none.

    One broken sensor must not cost the values of all others.
    """
    try:
        return parse_number(payload, key)
    except SourceDataError:
        return None


def read_aqi(payload: Mapping[str, Any], key: str) -> int | None:
    """Return an index of an answer; None for what cannot be one, such as -999."""
    aqi = read_number(payload, key)
    return None if aqi is None or not 0 <= aqi <= _MAX_AQI else round_aqi(aqi)


def read_concentration(
    payload: Mapping[str, Any], key: str, unit: str | None, pollutant: Pollutant
) -> float | None:
    """Return a concentration of an answer in ug/m3; None for what cannot be one."""
    value = read_number(payload, key)
    converted = None if value is None else to_micrograms(value, unit, pollutant)
    if converted is None or not 0 <= converted <= _MAX_CONCENTRATION:
        return None
    return converted


def compute_readings(
    sub_indices: Mapping[Pollutant, float],
    measured_at: datetime,
    holds_at: datetime | None = None,
) -> dict[Pollutant, AirReading]:
    """Return what US indices say about concentrations."""
    return {
        pollutant: AirReading(
            concentration=concentration,
            measured_at=measured_at,
            holds_at=holds_at,
            is_from_aqi=True,
        )
        for pollutant, aqi in sub_indices.items()
        if (concentration := compute_concentration(Scale.US, pollutant, aqi))
        is not None
    }


def parse_unix_time(value: Any) -> datetime:
    """Return seconds since 1970 as UTC.

    Raises:
        SourceDataError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SourceDataError(f"Not a time: {value!r:.40}")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError) as err:
        raise SourceDataError(f"Not a time: {value!r:.40}") from err


def check_age(measured_at: datetime, now: datetime) -> None:
    """Refuse what is too old to be shown at all.

    Raises:
        SourceDataError: It is; the words tell since when there is nothing newer.
    """
    if measured_at + VALID_FOR <= now:
        raise SourceDataError(
            f"Nothing newer than {measured_at:%Y-%m-%d %H:%M} UTC was measured"
        )


def is_live(measured_at: datetime, now: datetime) -> bool:
    """Tell whether a value can be shown at all: neither too old nor of the future."""
    return now - VALID_FOR < measured_at <= now + timedelta(hours=1)

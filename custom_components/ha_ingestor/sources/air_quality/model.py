"""What providers know of the air outside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self, override

from homeassistant.const import UnitOfDensity

from ..base import SourceData
from .aqi import Pollutant, Scale, compute_aqi, round_aqi

# Air changes within hours; what is older misleads whoever opens a window.
VALID_FOR: Final = timedelta(hours=3)
_SCALE_NAMES: Final[Mapping[Scale, str]] = {Scale.US: "US", Scale.EUROPEAN: "EU"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AirReading:
    """How much of one pollutant is in the air.

    Attributes:
        concentration: ug/m3; of gases at 25 degC and 1 atm, where that was converted.
        measured_at: UTC.
        holds_at: When it still was the present value, if that is later: the end of
            the hour that it is the mean of, or when an entity still showed it.
        is_from_aqi: Whether the provider only gives an index, and it was computed
            from that.
        correction: Key of the formula that it was corrected by.
    """

    concentration: float
    measured_at: datetime
    holds_at: datetime | None = None
    is_from_aqi: bool = False
    correction: str | None = None

    @property
    def valid_until(self) -> datetime:
        """Until when nobody is misled by it; UTC."""
        return (self.holds_at or self.measured_at) + VALID_FOR


@dataclass(frozen=True, slots=True, kw_only=True)
class AirIndex:
    """How good or bad the air is on one scale.

    Attributes:
        aqi: Of all pollutants; None where the provider does not know it now.
        sub_indices: Of each pollutant; may be empty.
        dominant: The pollutant that decides, None where that is not known.
        is_computed: Whether it was computed from concentrations by us, so that it is
            an estimate, and not what the provider says.
    """

    aqi: int | None
    sub_indices: Mapping[Pollutant, int] = field(default_factory=dict)
    dominant: Pollutant | None = None
    is_computed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AirQualityData(SourceData):
    """The air at one place.

    Attributes:
        location: As the provider names it.
        measured_at: Which moment the indices are of; UTC.
        holds_at: As in `AirReading`.
        readings: Of the pollutants that the provider has.
        indices: Those that the provider itself gives.
        origins: Who has measured, where the licence wants that to be said.
    """

    location: str
    measured_at: datetime
    holds_at: datetime | None = None
    readings: Mapping[Pollutant, AirReading] = field(default_factory=dict)
    indices: Mapping[Scale, AirIndex] = field(default_factory=dict)
    origins: tuple[str, ...] = ()

    @property
    def indices_valid_until(self) -> datetime:
        """Until when nobody is misled by the provider's indices; UTC."""
        return (self.holds_at or self.measured_at) + VALID_FOR

    @property
    @override
    def valid_until(self) -> datetime:
        ends = [reading.valid_until for reading in self.readings.values()]
        if self.indices or not ends:
            ends.append(self.indices_valid_until)
        return max(ends)

    @property
    @override
    def summary(self) -> str:
        parts = []
        for scale, name in _SCALE_NAMES.items():
            index = self.indices.get(scale) or compute_index(scale, self.readings)
            if index is not None and index.aqi is not None:
                parts.append(f"{name} AQI {index.aqi}")
        if not parts:
            unit = UnitOfDensity.MICROGRAMS_PER_CUBIC_METER
            parts = [
                f"{pollutant.upper()} {reading.concentration:.1f} {unit}"
                for pollutant, reading in self.readings.items()
            ]
        return ", ".join(parts)

    @override
    def to_json(self) -> dict[str, Any]:
        return {
            "location": self.location,
            "measured_at": self.measured_at.timestamp(),
            "holds_at": _to_stamp(self.holds_at),
            "readings": {
                pollutant.value: {
                    "concentration": reading.concentration,
                    "measured_at": reading.measured_at.timestamp(),
                    "holds_at": _to_stamp(reading.holds_at),
                    "is_from_aqi": reading.is_from_aqi,
                    "correction": reading.correction,
                }
                for pollutant, reading in self.readings.items()
            },
            "indices": {
                scale.value: {
                    "aqi": index.aqi,
                    "sub_indices": {
                        pollutant.value: value
                        for pollutant, value in index.sub_indices.items()
                    },
                    "dominant": index.dominant,
                }
                for scale, index in self.indices.items()
            },
            "origins": list(self.origins),
        }

    @classmethod
    @override
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            location=stored["location"],
            measured_at=datetime.fromtimestamp(stored["measured_at"], UTC),
            holds_at=_from_stamp(stored["holds_at"]),
            readings={
                Pollutant(pollutant): AirReading(
                    **{
                        **reading,
                        "measured_at": _from_stamp(reading["measured_at"]),
                        "holds_at": _from_stamp(reading["holds_at"]),
                    }
                )
                for pollutant, reading in stored["readings"].items()
            },
            indices={
                Scale(scale): AirIndex(
                    aqi=index["aqi"],
                    sub_indices={
                        Pollutant(pollutant): value
                        for pollutant, value in index["sub_indices"].items()
                    },
                    dominant=index["dominant"] and Pollutant(index["dominant"]),
                )
                for scale, index in stored["indices"].items()
            },
            origins=tuple(stored["origins"]),
        )


def compute_index(
    scale: Scale, readings: Mapping[Pollutant, AirReading]
) -> AirIndex | None:
    """Return the index of concentrations: the worst of theirs.

    Returns:
        None where no pollutant is on the scale.
    """
    sub_indices = {
        pollutant: round_aqi(aqi)
        for pollutant, reading in readings.items()
        if (aqi := compute_aqi(scale, pollutant, reading.concentration)) is not None
    }
    if not sub_indices:
        return None
    dominant = find_dominant(sub_indices)
    return AirIndex(
        aqi=max(sub_indices.values()),
        sub_indices=sub_indices,
        dominant=dominant,
        is_computed=True,
    )


def find_dominant(sub_indices: Mapping[Pollutant, int]) -> Pollutant | None:
    """Return the pollutant with the highest index, None for no pollutant."""
    return max(sub_indices, key=sub_indices.__getitem__, default=None)


def _to_stamp(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _from_stamp(stamp: float | None) -> datetime | None:
    return None if stamp is None else datetime.fromtimestamp(stamp, UTC)

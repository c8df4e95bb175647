"""What providers know of the power that a home uses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self, override

from ..base import SourceData

# What a home uses changes by the minute; who acts on older figures is misled.
VALID_FOR: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """One energy counter; several of them add up to the meter.

    Attributes:
        key: Tells it from the meter's other ones; never changes.
        kwh: Since whenever; None where it is not known now.
        may_fall: Whether a lower value is what was given back to the grid. Else it
            means that the counter has begun again.
        period: Changes when the counter has begun again; None where nobody says.
    """

    key: str
    kwh: float | None
    may_fall: bool = False
    period: str | None = None

    def to_json(self) -> list[Any]:
        """Return it as JSON."""
        return [self.key, self.kwh, self.may_fall, self.period]

    @classmethod
    def from_json(cls, stored: Iterable[Any]) -> Self:
        """Return what `to_json` has stored."""
        key, kwh, may_fall, period = stored
        return cls(key=key, kwh=kwh, may_fall=may_fall, period=period)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """A part of the home that is measured on its own.

    Attributes:
        key: Part of unique ids; never changes.
        name: As the provider has it; no other circuit of the meter has the same.
        power_w: None where it is not known now.
    """

    key: str
    name: str
    power_w: float | None

    def to_json(self) -> list[Any]:
        """Return it as JSON."""
        return [self.key, self.name, self.power_w]

    @classmethod
    def from_json(cls, stored: Iterable[Any]) -> Self:
        """Return what `to_json` has stored."""
        key, name, power_w = stored
        return cls(key=key, name=name, power_w=power_w)


type Circuits = tuple[Circuit, ...]


def name_apart(circuits: Iterable[Circuit]) -> Circuits:
    """Return circuits of which no two have the same name.

    Their points would overwrite each other. The first one keeps its name.
    """
    taken: set[str] = set()
    named: list[Circuit] = []
    for circuit in circuits:
        name = circuit.name
        if name in taken:
            name = f"{name} ({circuit.key})"
        taken.add(name)
        named.append(replace(circuit, name=name))
    return tuple(named)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterData(SourceData):
    """One reading of a meter.

    Attributes:
        meter_id: As the provider tells it from others.
        measured_at: Which moment the values are of; UTC.
        power_w: What is drawn from the grid, negative while more is given than
            drawn; None where it is not known now, or only counters are there.
        consumption_w: What the home uses, where that is something else, such as with
            solar panels; circuits are shares of it.
        counters: Of the energy drawn from the grid. With any, energy is taken from
            them, else it is computed from the power.
        circuits: In the order in which they are shown.
    """

    meter_id: str
    measured_at: datetime
    power_w: float | None = None
    consumption_w: float | None = None
    counters: tuple[Counter, ...] = ()
    circuits: Circuits = ()

    @property
    @override
    def valid_until(self) -> datetime:
        return self.measured_at + VALID_FOR

    @property
    @override
    def summary(self) -> str:
        if self.power_w is not None:
            return f"{self.power_w:.0f} W"
        known = [item.kwh for item in self.counters if item.kwh is not None]
        return f"{sum(known):.1f} kWh" if known else ""

    @override
    def to_json(self) -> dict[str, Any]:
        return {
            "meter_id": self.meter_id,
            "measured_at": self.measured_at.timestamp(),
            "power_w": self.power_w,
            "consumption_w": self.consumption_w,
            "counters": [item.to_json() for item in self.counters],
            "circuits": [item.to_json() for item in self.circuits],
        }

    @classmethod
    @override
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            **{
                **stored,
                "measured_at": datetime.fromtimestamp(stored["measured_at"], UTC),
                "counters": tuple(Counter.from_json(i) for i in stored["counters"]),
                "circuits": tuple(Circuit.from_json(i) for i in stored["circuits"]),
            }
        )

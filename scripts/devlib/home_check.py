"""What the demo home's occupancy and meter must show and store.

Computed from the tracker, the calendar and the meter's own entities, without a line of
the integration.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from .sources import HOME_TIME_ZONE, METER
from .stored import StoredPoint

# What the forms suggest: the way home, and what the home needs before.
_TRAVEL: Final = timedelta(minutes=30)
_PREPARATION: Final = timedelta(minutes=15)
# A person follows their tracker, and a view the person, within the same moment.
_SAME_MOMENT_NS: Final = 2_000_000_000
# A point has the time of the entity's last change, which loses digits on its way.
_LAST_DIGITS_NS: Final = 1_000_000
# More than any home draws, beside what a meter may report late at once.
_MAX_KW: Final = 100.0
_MAX_KWH: Final = 1.0
_RELATIVE_TOLERANCE: Final = 1e-9
_APPLIANCES: Final = "appliances"
_LIGHTS: Final = "lights"


def is_same(shown: Any, expected: Any) -> bool:
    """Compare values; numbers but for a float's last digits, which JSON may change."""
    if isinstance(expected, float) and isinstance(shown, int | float):
        return abs(shown - expected) <= _RELATIVE_TOLERANCE * max(1.0, abs(expected))
    return bool(shown == expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCalendar:
    """The events of the demo home's calendar: in the office, and working at home.

    Attributes:
        office: Start and end of the one day in the office.
        home_days: Start and end of each time of work at home.
    """

    office: tuple[datetime, datetime]
    home_days: tuple[tuple[datetime, datetime], ...]

    @classmethod
    def from_events(cls, events: Iterable[Mapping[str, Any]]) -> DemoCalendar:
        """Read what Home Assistant's own endpoint of calendars says."""
        spans: dict[str, list[tuple[datetime, datetime]]] = {}
        for event in events:
            start, end = (
                datetime.fromisoformat(event[key]["dateTime"]).astimezone(UTC)
                for key in ("start", "end")
            )
            spans.setdefault(event["summary"], []).append((start, end))
        [office] = spans["Office"]
        return cls(office=office, home_days=tuple(spans["WFH"]))

    def is_home_day(self, moment: datetime) -> bool:
        """Tell whether somebody works at home on the day of a moment."""
        today = moment.astimezone(HOME_TIME_ZONE).date()
        begins, ends = (
            datetime.combine(today + timedelta(days=days), time(), HOME_TIME_ZONE)
            for days in (0, 1)
        )
        return any(start < ends and end > begins for start, end in self.home_days)

    def find_plan(self, moment: datetime) -> str | None:
        """Return where the resident should be; None if nothing says so."""
        start, end = self.office
        if start <= moment < end:
            return "office"
        if any(begins <= moment < ends for begins, ends in self.home_days):
            return "work_from_home"
        is_under_way = start - _TRAVEL <= moment < end + _TRAVEL
        return "away" if is_under_way else None

    def find_arrival(
        self, moment: datetime, *, is_home: bool | None
    ) -> datetime | None:
        """Return when the resident comes home; None if that is not planned."""
        start, end = self.office
        arrival = end + _TRAVEL
        if is_home is None:
            is_ahead = arrival > moment
        elif is_home:
            # Whoever has not left does not come back from where they should be.
            is_ahead = start > moment
        else:
            is_ahead = start - _TRAVEL <= moment < arrival
        return arrival if is_ahead else None

    @property
    def away_hours(self) -> float:
        """How long the day in the office keeps the resident away."""
        start, end = self.office
        return (end - start + 2 * _TRAVEL) / timedelta(hours=1)


def expect_occupancy(
    calendar: DemoCalendar, moment: datetime, *, is_home: bool | None
) -> dict[str, Any]:
    """Return what the sensors must show at a moment, by their keys.

    Args:
        is_home: What the tracker says.
    """
    planned = calendar.find_plan(moment)
    if (currently_home := is_home) is None and planned is not None:
        currently_home = planned == "work_from_home"
    arrival = calendar.find_arrival(moment, is_home=is_home)
    prepare_at = None if arrival is None else arrival - _PREPARATION
    return {
        "currently_home": currently_home,
        "working_from_home": calendar.is_home_day(moment),
        "planned_presence": planned,
        "next_arrival": None if arrival is None else arrival.isoformat(),
        "prepare_by": None if prepare_at is None else prepare_at.isoformat(),
        "away_duration": None if arrival is None else calendar.away_hours,
        "travel_time": _TRAVEL / timedelta(minutes=1),
        "time_to_prepare": prepare_at is not None
        and moment >= prepare_at
        and currently_home is not True,
    }


# Field of the points by the key of the sensor that shows the same.
_OCCUPANCY_FIELDS: Final[Mapping[str, str]] = {
    "currently_home": "currently_home",
    "working_from_home": "wfh_today",
    "next_arrival": "next_arrival",
    "prepare_by": "prepare_time",
    "away_duration": "away_duration_hours",
    "travel_time": "travel_time_minutes",
}


def find_wrong_occupancy(
    points: Iterable[StoredPoint],
    tracker: Sequence[StoredPoint],
    calendar: DemoCalendar,
) -> Iterator[StoredPoint]:
    """List the points that do not say what tracker and calendar said then.

    Args:
        tracker: Points of the resident's tracker, oldest first.
    """
    for point in points:
        moment = datetime.fromtimestamp(point["time"] / 1e9, UTC)
        expected = [
            expect_occupancy(calendar, moment, is_home=is_home)
            for is_home in _was_home(tracker, point["time"])
        ]
        is_right = any(
            all(
                is_same(point.get(field), values[key])
                for key, field in _OCCUPANCY_FIELDS.items()
            )
            for values in expected
        )
        tags = (point.get("source"), point.get("user"))
        if not is_right or tags != ("calendar", "demo"):
            yield point


def _was_home(tracker: Sequence[StoredPoint], time_ns: int) -> set[bool | None]:
    """Return what the tracker said at a moment: both, if it changed just then."""
    states = {"home": True, "not_home": False}
    return {
        states.get(_find_state(tracker, time_ns + shift_ns))
        for shift_ns in (-_SAME_MOMENT_NS, 0)
    }


def _find_state(points: Sequence[StoredPoint], time_ns: int) -> str:
    index = bisect_right(points, time_ns, key=lambda point: point["time"])
    return points[index - 1]["state"] if index else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReadings:
    """What the meter's own entities said, oldest first.

    Attributes:
        power: W, by the name of the circuit.
        energy: Wh since the meter was made, likewise.
    """

    power: Mapping[str, Sequence[StoredPoint]]
    energy: Mapping[str, Sequence[StoredPoint]]

    def find_power(self, name: str, time_ns: int) -> float | None:
        """Return the power of a circuit at a moment."""
        return _find_value(self.power[name], time_ns)

    def find_total(self, time_ns: int) -> float | None:
        """Return the power of the home at a moment."""
        return _add(self.find_power(name, time_ns) for name in self.power)

    def add_up(self, times_ns: Iterable[int]) -> Iterator[float]:
        """Return what the home has used up to each reading, since the first; kWh.

        The recording is played a thousand times faster than it was: of a counter that
        seems to have jumped by that, as after an outage, the jump does not count.
        """
        used = 0.0
        last: dict[str, tuple[int, float]] = {}
        for time_ns in times_ns:
            for name, points in self.energy.items():
                value = _find_value(points, time_ns)
                if value is None or (name in last and last[name][1] == value):
                    continue
                if name in last:
                    since_ns, before = last[name]
                    gain = (value - before) / 1000
                    hours = (time_ns - since_ns) / 3.6e12
                    used += gain if gain <= _MAX_KWH + _MAX_KW * hours else 0.0
                last[name] = (time_ns, value)
            yield used


def _find_value(points: Sequence[StoredPoint], time_ns: int) -> float | None:
    index = bisect_right(
        points, time_ns + _LAST_DIGITS_NS, key=lambda point: point["time"]
    )
    return points[index - 1].get("value") if index else None


def _add(values: Iterable[float | None]) -> float | None:
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def list_meter_entities() -> dict[str, str]:
    """Return the circuits with the begin of the ids of their entities."""
    return {name: f"{METER}_{name}" for name in (_APPLIANCES, _LIGHTS)}


def find_wrong_meter(
    points: Sequence[StoredPoint], readings: MeterReadings
) -> Iterator[StoredPoint]:
    """List the points that do not say what the meter's entities said then."""
    used = readings.add_up(point["time"] for point in points)
    for point, kwh in zip(points, used, strict=True):
        is_right = (
            is_same(point.get("total_power_w"), readings.find_total(point["time"]))
            and is_same(point.get("daily_kwh"), kwh)
            and point.get("meter_type") == "meter_entities"
        )
        if not is_right:
            yield point


def find_wrong_circuits(
    points: Iterable[StoredPoint], readings: MeterReadings
) -> Iterator[StoredPoint]:
    """List the points of circuits that do not say what their entities said then."""
    for point in points:
        label = str(point.get("circuit_name")).casefold()
        name = next((name for name in readings.power if name in label), None)
        power_w = None if name is None else readings.find_power(name, point["time"])
        total_w = readings.find_total(point["time"])
        share = power_w * 100 / total_w if power_w is not None and total_w else None
        is_right = (
            power_w is not None
            and is_same(point.get("power_w"), power_w)
            and is_same(point.get("percentage"), share)
        )
        if not is_right:
            yield point

"""`scripts/develop --once`: do the sources show and store what their providers said?"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
import math
from typing import Any, Final

from .api import HomeAssistantApi
from .entries import HUB_DOMAIN
from .home_check import (
    DemoCalendar,
    MeterReadings,
    expect_occupancy,
    find_wrong_circuits,
    find_wrong_meter,
    find_wrong_occupancy,
    is_same,
    list_meter_entities,
)
from .providers import air_at, intensity_at, price_at, renewable_percentage
from .screen import say
from .sources import CALENDAR, DEMO_SOURCES, HOME_TIME_ZONE
from .stored import StoredPoint, StoredPoints

# What the provider calls a pollutant, by the key of its sensor.
_POLLUTANTS: Final = {
    "pm25": "pm2_5",
    "pm10": "pm10",
    "o3": "ozone",
    "no2": "nitrogen_dioxide",
    "so2": "sulphur_dioxide",
    "co": "carbon_monoxide",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    """A value that must be shown.

    Attributes:
        expected: Any of these: the moment may change while a check runs.
    """

    kind: str
    key: str
    expected: Sequence[Any]


async def check_sources(
    api: HomeAssistantApi,
    entry_id: str,
    stored: StoredPoints,
    last_row: Mapping[str, float],
) -> bool:
    """Compare what sources show and store with what their providers say.

    Args:
        last_row: Power of the demo home's circuits as it was played last; W.

    Returns:
        Whether all of it is right.
    """
    say("Comparing the sources with their providers")
    answer = await api.call_action(HUB_DOMAIN, "get_sources", config_entry_id=entry_id)
    sources = {source["kind"]: source for source in answer["sources"]}
    calendar = await _read_calendar(api)
    problems = [
        *_check_states(sources),
        *_check_values(sources, last_row, calendar),
        *await _check_forecasts(stored),
        *await _check_air(stored),
        *await _check_home(stored, calendar),
    ]
    for source in answer["sources"]:
        known = sum(value["value"] is not None for value in source["values"])
        print(
            f"{source['title']}: {source['state']},"
            f" {known} of {len(source['values'])} values known"
        )
    for problem in problems:
        print(f"  wrong: {problem}")
    return not problems


def _check_states(sources: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for wanted in DEMO_SOURCES:
        source = sources.get(wanted.kind)
        if source is None:
            yield f"no source of the kind {wanted.kind}"
        elif source["state"] != "ok":
            yield f"{source['title']} is {source['state']}: {source['last_error']}"


def _check_values(
    sources: Mapping[str, Mapping[str, Any]],
    last_row: Mapping[str, float],
    calendar: DemoCalendar,
) -> Iterator[str]:
    for wanted in _list_values(last_row, calendar):
        values = {
            value["key"]: value["value"] for value in sources[wanted.kind]["values"]
        }
        shown = values.get(wanted.key)
        if not any(is_same(shown, expected) for expected in wanted.expected):
            yield (f"{wanted.kind}: {wanted.key} is {shown}, not {wanted.expected[0]}")


async def _read_calendar(api: HomeAssistantApi) -> DemoCalendar:
    today = datetime.now(HOME_TIME_ZONE).date()
    start, end = (
        (today + timedelta(days=days)).strftime("%Y-%m-%dT00:00:00Z")
        for days in (-2, 4)
    )
    return DemoCalendar.from_events(
        await api.get(f"/api/calendars/{CALENDAR}?start={start}&end={end}")
    )


def _list_values(
    last_row: Mapping[str, float], calendar: DemoCalendar
) -> Iterator[_Value]:
    now = datetime.now(UTC)
    # What was fetched last may be of the slot before this one.
    moments = [now - timedelta(minutes=minutes) for minutes in (0, 2)]

    def at(function: Callable[[datetime], Any]) -> list[Any]:
        return [function(moment) for moment in moments]

    yield _Value(
        kind="carbon_intensity", key="carbon_intensity", expected=at(intensity_at)
    )
    yield _Value(
        kind="carbon_intensity",
        key="renewable_percentage",
        expected=[renewable_percentage()],
    )
    yield _Value(
        kind="electricity_price",
        key="current_price",
        expected=at(_price_per_kwh),
    )
    yield _Value(
        kind="electricity_price",
        key="next_price",
        expected=at(lambda moment: _price_per_kwh(moment + timedelta(hours=1))),
    )
    yield _Value(kind="electricity_price", key="tomorrow_known", expected=[True])
    for key, name in _POLLUTANTS.items():
        yield _Value(
            kind="air_quality",
            key=key,
            expected=[air_at(moment)[name] for moment in moments],
        )
    yield _Value(
        kind="air_quality",
        key="aqi",
        expected=[round(air_at(moment)["european_aqi"]) for moment in moments],
    )
    is_home = last_row["lights"] > 0
    said = [expect_occupancy(calendar, moment, is_home=is_home) for moment in moments]
    for key in said[0]:
        yield _Value(
            kind="occupancy", key=key, expected=[values[key] for values in said]
        )
    yield _Value(kind="smart_meter", key="power", expected=[sum(last_row.values())])


def _price_per_kwh(moment: datetime) -> float:
    return price_at(moment) / 1000


async def _check_forecasts(stored: StoredPoints) -> list[str]:
    problems: list[str] = []
    for measurement, field, function, least in (
        ("carbon_intensity_forecast", "value", intensity_at, 96),
        ("electricity_pricing_forecast", "value", _price_per_kwh, 24),
        ("carbon_intensity", "carbon_intensity_gco2_kwh", intensity_at, 1),
        ("electricity_pricing", "current_price", _price_per_kwh, 1),
    ):
        points = await stored.of_measurement(measurement)
        wrong = [
            point
            for point in points
            if not is_same(point.get(field), function(_time_of(point)))
        ]
        problems += _tell(measurement, points, wrong, least)
    return problems


async def _check_air(stored: StoredPoints) -> list[str]:
    points = await stored.of_measurement("air_quality")
    wrong = list(find_wrong_air(points))
    # One for each pollutant, and one for all of them together.
    return list(_tell("air_quality", points, wrong, len(_POLLUTANTS) + 1))


def find_wrong_air(points: Iterable[StoredPoint]) -> Iterator[StoredPoint]:
    """List the points that do not say what the provider said of their time."""
    for point in points:
        air = air_at(_time_of(point))
        parameter = point.get("parameter")
        index = "european_aqi"
        concentration = None
        if parameter != "aqi":
            name = _POLLUTANTS.get(str(parameter), "")
            index, concentration = f"{index}_{name}", air.get(name, math.nan)
        # The European index knows no carbon monoxide. Halves are rounded up.
        aqi = float(math.floor(air[index] + 0.5)) if index in air else None
        is_right = (
            is_same(point.get("aqi"), aqi)
            and is_same(point.get("concentration"), concentration)
            and point.get("scale") == "european"
        )
        if not is_right:
            yield point


async def _check_home(stored: StoredPoints, calendar: DemoCalendar) -> list[str]:
    problems: list[str] = []
    tracker = await stored.of_entity("device_tracker.resident")
    points = await stored.of_measurement("occupancy_prediction")
    wrong = list(find_wrong_occupancy(points, tracker, calendar))
    problems += _tell("occupancy_prediction", points, wrong, 1)
    entities = list_meter_entities()
    readings = MeterReadings(
        power={
            name: await stored.of_entity(f"{entity}_power")
            for name, entity in entities.items()
        },
        energy={
            name: await stored.of_entity(f"{entity}_energy")
            for name, entity in entities.items()
        },
    )
    points = await stored.of_measurement("smart_meter")
    problems += _tell(
        "smart_meter", points, list(find_wrong_meter(points, readings)), 1
    )
    points = await stored.of_measurement("smart_meter_circuit")
    wrong = list(find_wrong_circuits(points, readings))
    problems += _tell("smart_meter_circuit", points, wrong, len(entities))
    return problems


def _time_of(point: StoredPoint) -> datetime:
    return datetime.fromtimestamp(point["time"] / 1e9, UTC)


def _tell(
    measurement: str,
    points: Sequence[StoredPoint],
    wrong: Sequence[StoredPoint],
    least: int,
) -> Iterable[str]:
    print(f"{measurement}: {len(points)} points, {len(wrong)} wrong")
    if len(points) < least:
        yield f"{measurement} has {len(points)} points, at least {least} are expected"
    for point in wrong[:3]:
        yield f"{measurement}: {point}"

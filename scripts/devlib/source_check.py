"""`scripts/develop --once`: do the sources show and store what their providers said?"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from .api import HomeAssistantApi
from .entries import HUB_DOMAIN
from .providers import air_at, intensity_at, price_at, renewable_percentage
from .screen import say
from .sources import DEMO_SOURCES
from .stored import StoredPoint, StoredPoints

# The same to a float's last digits, which arithmetic and JSON may change.
_RELATIVE_TOLERANCE: Final = 1e-9


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
    problems = [
        *_check_states(sources),
        *_check_values(sources, last_row),
        *await _check_points(stored),
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
    sources: Mapping[str, Mapping[str, Any]], last_row: Mapping[str, float]
) -> Iterator[str]:
    for wanted in _list_values(last_row):
        values = {
            value["key"]: value["value"] for value in sources[wanted.kind]["values"]
        }
        shown = values.get(wanted.key)
        if not any(_is_same(shown, expected) for expected in wanted.expected):
            yield (f"{wanted.kind}: {wanted.key} is {shown}, not {wanted.expected[0]}")


def _list_values(last_row: Mapping[str, float]) -> Iterator[_Value]:
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
    for key, name in (("pm25", "pm2_5"), ("o3", "ozone")):
        yield _Value(
            kind="air_quality",
            key=key,
            expected=[air_at(moment)[name] for moment in moments],
        )
    yield _Value(kind="smart_meter", key="power", expected=[sum(last_row.values())])


def _price_per_kwh(moment: datetime) -> float:
    return price_at(moment) / 1000


async def _check_points(stored: StoredPoints) -> list[str]:
    problems: list[str] = []
    for measurement, field, function, least in (
        ("carbon_intensity_forecast", "value", intensity_at, 96),
        ("electricity_pricing_forecast", "value", _price_per_kwh, 24),
        ("carbon_intensity", "carbon_intensity_gco2_kwh", intensity_at, 1),
        ("electricity_pricing", "current_price", _price_per_kwh, 1),
    ):
        points = await stored.of_measurement(measurement)
        problems += _compare(measurement, field, points, function, least)
    for measurement in ("air_quality", "occupancy_prediction", "smart_meter"):
        points = await stored.of_measurement(measurement)
        print(f"{measurement}: {len(points)} points")
        if not points:
            problems.append(f"no point of {measurement}")
    return problems


def _compare(
    measurement: str,
    field: str,
    points: Sequence[StoredPoint],
    function: Callable[[datetime], float],
    least: int,
) -> Iterable[str]:
    wrong = [
        point
        for point in points
        if not _is_same(
            point.get(field), function(datetime.fromtimestamp(point["time"] / 1e9, UTC))
        )
    ]
    print(f"{measurement}: {len(points)} points, {len(wrong)} wrong")
    if len(points) < least:
        yield f"{measurement} has {len(points)} points, at least {least} are expected"
    for point in wrong[:3]:
        yield f"{measurement}: {point}"


def _is_same(shown: Any, expected: Any) -> bool:
    if isinstance(expected, float) and isinstance(shown, int | float):
        return abs(shown - expected) <= _RELATIVE_TOLERANCE * max(1.0, abs(expected))
    return bool(shown == expected)

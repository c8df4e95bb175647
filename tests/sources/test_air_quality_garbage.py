"""Whatever JSON the providers of air quality answer, it is data or an error of ours."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
import json
import math
from typing import Any, Final

from hypothesis import HealthCheck, given, settings, strategies as st
import pytest

from custom_components.ha_ingestor.errors import SourceError
from custom_components.ha_ingestor.sources.air_quality.airnow import parse_observations
from custom_components.ha_ingestor.sources.air_quality.model import AirQualityData
from custom_components.ha_ingestor.sources.air_quality.open_meteo import parse_current
from custom_components.ha_ingestor.sources.air_quality.openaq import (
    Station,
    parse_latest,
    parse_stations,
)
from custom_components.ha_ingestor.sources.air_quality.purpleair import parse_sensor
from custom_components.ha_ingestor.sources.air_quality.waqi import parse_feed
from tests.sources.kit import TESTCASES

CASES: Final = TESTCASES / "air_quality"


def read(path: str) -> Any:
    return json.loads((CASES / path).read_text(encoding="utf-8"))


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        [10**400, "NaN", "-", "2026-11-20T17:00:00Z", "0001-01-01T00:00:00+05:00"]
    )
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def broken(draw: st.DrawFn, good: Any) -> Any:
    """Something that looks like a good answer, with anything in place of a part."""
    if draw(st.integers(min_value=0, max_value=5)) == 0:
        return draw(anything)
    if isinstance(good, dict) and good:
        key = draw(st.sampled_from(sorted(good)))
        rest = {name: value for name, value in good.items() if name != key}
        if draw(st.integers(min_value=0, max_value=5)) == 0:
            return rest
        return {**rest, key: draw(broken(good[key]))}
    if isinstance(good, list) and good:
        index = draw(st.integers(min_value=0, max_value=len(good) - 1))
        return [*good[:index], draw(broken(good[index])), *good[index + 1 :]]
    return draw(anything)


def parse_all_of_openaq(payload: Any, *, now: datetime) -> AirQualityData | None:
    """Both answers at once: the stations, then the values of the first one."""
    answers: Mapping[str, Any] = payload if isinstance(payload, dict) else {}
    stations: list[Station] = parse_stations(answers.get("stations"), now=now)
    return (
        parse_latest(answers.get("latest"), stations[0], now=now) if stations else None
    )


PARSERS: Final[Mapping[str, tuple[Callable[..., Any], Any, str]]] = {
    "open_meteo": (
        parse_current,
        read("open_meteo/normal/response_current.json"),
        "2026-11-20T17:20:00Z",
    ),
    "airnow": (
        parse_observations,
        read("airnow/all_pollutants/response_current.json"),
        "2026-11-20T15:40:00Z",
    ),
    "airnow_error": (
        parse_observations,
        read("airnow/refused_status_200/response_current.json"),
        "2026-11-20T15:40:00Z",
    ),
    "openaq": (
        parse_all_of_openaq,
        {
            "stations": read(
                "openaq/recorded_station_by_number/response_locations.json"
            ),
            "latest": read("openaq/recorded_station_by_number/response_latest.json"),
        },
        "2023-10-13T15:10:00Z",
    ),
    "waqi": (
        parse_feed,
        {
            **(feed := read("waqi/recorded_all_pollutants/response_feed.json")),
            # It is not read, and long.
            "data": {**feed["data"], "forecast": None},
        },
        "2023-10-02T08:30:00Z",
    ),
    "purpleair": (
        parse_sensor,
        read("purpleair/corrected/response_sensor.json"),
        "2026-11-20T17:00:30Z",
    ),
}


@pytest.mark.parametrize("name", PARSERS)
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_any_json_is_data_or_an_error(name: str, data: st.DataObject) -> None:
    parse, good, now = PARSERS[name]
    payload = data.draw(broken(good))

    with suppress(SourceError):
        found = parse(payload, now=datetime.fromisoformat(now).astimezone(UTC))

        text = json.dumps(found and found.to_json(), allow_nan=False)
        stored = json.loads(text)
        assert (stored and AirQualityData.from_json(stored)) == found
        readings = found.readings.values() if found else ()
        assert all(math.isfinite(item.concentration) for item in readings)
        assert all(item.concentration >= 0 for item in readings)


@pytest.mark.parametrize("name", sorted(PARSERS.keys() - {"airnow_error"}))
def test_what_is_broken_above_was_good(name: str) -> None:
    parse, good, now = PARSERS[name]

    assert parse(good, now=datetime.fromisoformat(now).astimezone(UTC)).readings

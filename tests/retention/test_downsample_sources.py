"""What sources deliver, by series and field."""

from collections.abc import Iterator, Mapping
import datetime as dt
from pathlib import Path
import random

import pytest

from custom_components.ha_ingestor.models import FieldValue, Point
from custom_components.ha_ingestor.retention.deletion import Deletion
from custom_components.ha_ingestor.retention.ledger import Ledger
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.windows import to_ns
from devlib.influxd import InfluxServer
from tests.retention.downsample_kit import Home, Stored, sign
from tests.retention.kit import DAY, HOUR, MINUTE
from tests.retention.server_kit import target_of

START = to_ns(dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
PRICES = {"provider": "awattar", "currency": "EUR"}
AIR = {"location": "Home", "parameter": "pm2_5", "provider": "waqi", "scale": "us"}
PRICE_LEDGER = Ledger(tier=Tier.RAW, measurement="electricity_pricing")


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@pytest.fixture
def home(influxdb: InfluxServer, tmp_path: Path) -> Iterator[Home]:
    with Home(target_of(influxdb), tmp_path) as made:
        yield made
    for name in ("test_hourly", "test_daily"):
        influxdb.query(f'DROP DATABASE "{name}"')


def price(minutes: float, **fields: FieldValue) -> Point:
    return Point(
        measurement="electricity_pricing",
        tags=PRICES,
        fields=fields,
        time_ns=START + round(minutes * MINUTE),
    )


def air(minutes: float, category: str, **fields: FieldValue) -> Point:
    return Point(
        measurement="air_quality",
        tags={**AIR, "category": category},
        fields=fields,
        time_ns=START + round(minutes * MINUTE),
    )


def hourly(home: Home, measurement: str = "electricity_pricing") -> Stored:
    return home.stored(Tier.HOURLY, measurement, ("field",))


def fields(stored: Stored, name: str, hour: int) -> Mapping[str, FieldValue]:
    return stored[name, START + hour * HOUR].fields


def test_each_field_has_a_row(home: Home) -> None:
    home.write(
        [
            price(0, current_price=0.2, peak_period=False, note="low"),
            price(30, current_price=0.4, peak_period=True, note="high"),
            # What is left out is not known any more.
            price(90, current_price=0.3, peak_period=False),
        ]
    )

    result = home.hours(START + 4 * HOUR)

    stored = hourly(home)
    assert result.disagreements == ()
    assert (result.rows_read, result.rows_written) == (3, 10)
    assert stored["note", START].tags == {**PRICES, "field": "note"}
    numbers = fields(stored, "current_price", 0)
    assert numbers["avg_value"] == pytest.approx(0.3, rel=1e-12)
    assert (numbers["row_count"], numbers["max_value"]) == (2.0, 0.4)
    assert fields(stored, "peak_period", 0) == {
        "row_count": 2.0,
        "sample_count": 2.0,
        "covered_seconds": 3600.0,
        "on_seconds": 1800.0,
        "state_changes": 1.0,
        "last_state": "on",
    }
    assert fields(stored, "peak_period", 3)["on_seconds"] == 0.0
    assert (
        fields(stored, "note", 0)["state_durations"] == '{"high":1800.0,"low":1800.0}'
    )
    assert fields(stored, "note", 1)["covered_seconds"] == 1800.0
    assert ("note", START + 2 * HOUR) not in stored


def test_days_are_made_of_hours(home: Home) -> None:
    home.write([price(0, current_price=0.2), price(12 * 60, current_price=0.4)])
    home.hours(START + 2 * DAY)

    result = home.days(START + 2 * DAY)

    day = home.stored(Tier.DAILY, "electricity_pricing", ("field",))
    assert result.windows == 2
    assert day["current_price", START].fields["avg_value"] == pytest.approx(0.3)
    assert day["current_price", START + DAY].fields["last_value"] == 0.4
    assert home.stored(Tier.DAILY, "daily_aggregates") == {}


def test_a_category_is_no_series(home: Home) -> None:
    home.write([air(0, "good", aqi=10.0), air(30, "moderate", aqi=60.0)])

    home.hours(START + 3 * HOUR)
    home.write([air(45, "good", aqi=20.0)])
    home.checkpoint.mark_dirty(
        Ledger(tier=Tier.RAW, measurement="air_quality"), (START, START + HOUR)
    )
    home.hours(START + 3 * HOUR)
    home.hours(START + DAY)
    home.days(START + DAY)

    stored = hourly(home, "air_quality")
    assert fields(stored, "aqi", 0)["avg_value"] == 25.0
    assert stored["aqi", START].tags["category"] == "good"
    # What the late row changes, and under which labels.
    assert fields(stored, "aqi", 2)["avg_value"] == 20.0
    assert stored["aqi", START + 2 * HOUR].tags["category"] == "good"
    day = home.stored(Tier.DAILY, "air_quality", ("field",))
    assert [key for key in day if key[1] == START] == [("aqi", START)]


def random_prices(seed: int) -> list[Point]:
    generator = random.Random(seed)
    points = []
    for _ in range(40):
        values: dict[str, FieldValue] = {
            "current_price": generator.random(),
            "peak_period": generator.random() < 0.5,
            "note": generator.choice(("low", "high", "unknown")),
        }
        names = generator.sample(sorted(values), generator.randrange(1, 4))
        points.append(
            price(
                generator.randrange(30 * 60 * 60) / 60,
                **{name: values[name] for name in names},
            )
        )
    return points


@pytest.mark.parametrize("seed", range(3))
def test_hour_by_hour_is_the_same_as_at_once(
    influxdb: InfluxServer, home: Home, tmp_path: Path, seed: int
) -> None:
    points = random_prices(seed)
    signs = [sign("stop", START + 400 * MINUTE), sign("start", START + 700 * MINUTE)]
    signs += [sign("stop", START + 900 * MINUTE), sign("start", START + 905 * MINUTE)]
    home.write([*points, *signs])
    home.hours(START + 30 * HOUR)
    influxdb.query('CREATE DATABASE "other"')
    with Home(target_of(influxdb, "other"), tmp_path) as other:
        other.write([*points, *signs])
        other.hour_by_hour(START, START + 30 * HOUR)
        try:
            assert hourly(other) == hourly(home)
        finally:
            for name in ("other", "other_hourly", "other_daily"):
                influxdb.query(f'DROP DATABASE "{name}"')


def test_providers_are_believed_over_a_short_restart(home: Home) -> None:
    home.write([price(0, current_price=0.2)])
    home.write([sign("stop", START + 90 * MINUTE), sign("start", START + 95 * MINUTE)])
    home.write([sign("stop", START + 4 * HOUR), sign("start", START + 9 * HOUR)])

    home.hours(START + 10 * HOUR)

    stored = hourly(home)
    assert [key[1] for key in stored] == [START + hour * HOUR for hour in range(4)]
    assert fields(stored, "current_price", 1)["covered_seconds"] == 3600.0


def test_what_was_held_in_rows_that_are_gone(home: Home) -> None:
    home.write([price(23 * 60, current_price=0.2, peak_period=True, note="high")])
    home.hours(START + DAY)
    home.days(START + DAY)
    deletion = Deletion(home.stores, home.checkpoint)
    deletion.delete(deletion.prove(PRICE_LEDGER, START))
    home.write([price(30 * 60, current_price=0.4)])

    home.hours(START + 2 * DAY)

    stored = hourly(home)
    assert fields(stored, "current_price", 25)["last_value"] == 0.2
    assert fields(stored, "peak_period", 25)["on_seconds"] == 3600.0
    assert fields(stored, "note", 29)["top_state"] == "high"
    assert fields(stored, "note", 30)["covered_seconds"] == 0.0
    assert ("note", START + 31 * HOUR) not in stored

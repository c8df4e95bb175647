"""Hours and days in the stores are those of a plain reference, however they came."""

from collections.abc import Iterator
import datetime as dt
from pathlib import Path
import random
from zoneinfo import ZoneInfo

import pytest

from custom_components.ha_ingestor.retention.windows import (
    Resolution,
    to_ns,
    windows_between,
)
from custom_components.ha_ingestor.store.query import Row
from devlib.influxd import InfluxServer
from tests.retention.downsample_kit import Home, differing, expected
from tests.retention.kit import (
    CLIMATE,
    COUNTER,
    POWER,
    SWITCH,
    TEMPERATURE,
    row,
)
from tests.retention.server_kit import target_of

START = to_ns(dt.datetime(2026, 3, 1, tzinfo=dt.UTC))


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@pytest.fixture(autouse=True)
def _clean(influxdb: InfluxServer) -> Iterator[None]:
    """Leave no store behind."""
    yield
    for name in ("test_hourly", "test_daily"):
        influxdb.query(f'DROP DATABASE "{name}"')


def busy_house(seed: int, start_ns: int, end_ns: int, count: int = 40) -> list[Row]:
    """Entities of all kinds, with gaps, prices, and an area that is renamed."""
    generator = random.Random(seed)
    rows: list[Row] = []
    for number, tags in enumerate((TEMPERATURE, POWER, COUNTER, SWITCH, CLIMATE)):
        own = {**tags, "entity_id": f"{tags['domain']}.e{number}"}
        middle_ns = generator.randrange(start_ns, end_ns)
        counter = 0.0
        for _ in range(count):
            time_ns = generator.randrange(start_ns // 1000, end_ns // 1000) * 1000
            counter += generator.random()
            state: str | float = generator.uniform(-5, 30)
            if tags is COUNTER:
                state = abs(state)
            if tags in (SWITCH, CLIMATE):
                state = generator.choice(("on", "off", "heat"))
            if tags is SWITCH and state == "heat":
                state = "on"
            if generator.random() < 0.15:
                state = generator.choice(("unavailable", "unknown", "removed"))
            area = "Kitchen" if time_ns < middle_ns else "Hall"
            context = {}
            if generator.random() < 0.8:
                context = {
                    "electricity_price": generator.random(),
                    "anyone_home": generator.random() < 0.5,
                }
            rows.append(row(time_ns, state, {**own, "area": area}, **context))
    return rows


@pytest.mark.parametrize(
    ("zone_name", "date"),
    [
        ("UTC", dt.date(2026, 3, 1)),
        ("Asia/Kolkata", dt.date(2026, 3, 1)),
        ("Europe/Berlin", dt.date(2026, 3, 28)),
        ("Europe/Berlin", dt.date(2026, 10, 24)),
        ("Australia/Lord_Howe", dt.date(2026, 4, 4)),
    ],
)
@pytest.mark.parametrize("is_hourly", [True, False], ids=["hour by hour", "at once"])
def test_both_tiers_are_those_of_the_reference(
    influxdb: InfluxServer,
    tmp_path: Path,
    zone_name: str,
    date: dt.date,
    *,
    is_hourly: bool,
) -> None:
    zone = ZoneInfo(zone_name)
    start, end = (
        to_ns(dt.datetime.combine(date + dt.timedelta(days), dt.time(), tzinfo=zone))
        for days in (0, 2)
    )
    rows = busy_house(1, start, end)
    hours = list(windows_between(Resolution.HOUR, start, end, zone))
    days = list(windows_between(Resolution.DAY, start, end, zone))
    with Home(target_of(influxdb), tmp_path, zone) as home:
        home.write_rows(rows)
        if is_hourly:
            home.hour_by_hour(start, end)
        result = home.hours(end)
        made = home.days(end)

        assert differing(home.hourly(), expected(rows, hours, zone), rows) == {}
        assert differing(home.daily(), expected(rows, days, zone), rows) == {}
        assert result.disagreements == made.disagreements == ()
        assert result.oldest_open_ns is made.oldest_open_ns is None
        # Again: nothing is left to do.
        assert home.hours(end).windows == home.days(end).windows == 0

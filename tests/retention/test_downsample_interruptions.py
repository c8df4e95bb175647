"""Times without Home Assistant count for nobody, whenever their hours are made."""

from collections.abc import Iterator
import datetime as dt
from pathlib import Path
import random

import pytest

from custom_components.ha_ingestor.retention.interruptions import (
    Interruption,
    read_interruptions,
)
from custom_components.ha_ingestor.retention.ledgers import EVENTS_LEDGER
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.windows import (
    Resolution,
    to_ns,
    windows_between,
)
from custom_components.ha_ingestor.store.query import Row
from devlib.influxd import InfluxServer
from tests.retention.downsample_kit import (
    ACTIVITY,
    EVENTS,
    Home,
    differing,
    expected,
    sign,
)
from tests.retention.kit import DAY, MINUTE, POWER, SWITCH, UTC, S, row
from tests.retention.server_kit import target_of

START = to_ns(dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
END = START + DAY
FAN = {**SWITCH, "entity_id": "switch.fan"}
HEATER = {**POWER, "entity_id": "sensor.heater"}
# The last row of the house before a crash, the first after it, and what Home Assistant
# says some time later; all in minutes.
CRASH, REBOOT, STARTED = 7 * 60 + 31, 9 * 60 + 17, 9 * 60 + 19


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@pytest.fixture
def home(influxdb: InfluxServer, tmp_path: Path) -> Iterator[Home]:
    with Home(target_of(influxdb), tmp_path) as made:
        yield made
    for name in ("test_hourly", "test_daily"):
        influxdb.query(f'DROP DATABASE "{name}"')


def at(minutes: float) -> int:
    return START + round(minutes * MINUTE)


def crashed_house() -> list[Row]:
    """One that reports all the time, and one that changed hours before the crash."""
    rows = [row(at(m), float(m % 7), HEATER) for m in range(0, CRASH + 1, 3)]
    rows += [row(at(CRASH), 5.0, HEATER), row(at(5), "on", FAN)]
    # Entities are there before Home Assistant says that it starts.
    rows += [row(at(REBOOT), 3.0, HEATER), row(at(REBOOT + 0.5), "on", FAN)]
    rows += [row(at(m), float(m % 5), HEATER) for m in range(STARTED + 1, 24 * 60, 3)]
    return rows


def found(home: Home) -> list[Interruption]:
    return read_interruptions(
        home.stores.client(Tier.RAW),
        {ACTIVITY, EVENTS},
        start_ns=START,
        end_ns=END,
        pause=lambda _: None,
    )


@pytest.mark.parametrize("is_hourly", [True, False], ids=["hour by hour", "at once"])
@pytest.mark.parametrize("is_told", [True, False], ids=["stopped", "crashed"])
def test_nothing_is_known_without_home_assistant(
    home: Home, *, is_hourly: bool, is_told: bool
) -> None:
    rows = crashed_house()
    home.write_rows(rows)
    home.write([sign("start", at(0)), sign("started", at(1))])
    home.write([sign("stop", at(CRASH))] * is_told)
    home.write([sign("start", at(STARTED)), sign("started", at(STARTED + 1))])

    if is_hourly:
        home.hour_by_hour(START, END)
    home.hours(END)
    home.days(END)

    assert found(home)[-1] == Interruption(at_ns=at(CRASH), until_ns=at(STARTED))
    hours = windows_between(Resolution.HOUR, START, END, UTC)
    days = windows_between(Resolution.DAY, START, END, UTC)
    gaps = [at(CRASH)]
    assert differing(home.hourly(), expected(rows, hours, UTC, gaps), rows) == {}
    assert differing(home.daily(), expected(rows, days, UTC, gaps), rows) == {}
    assert ("switch.fan", at(8 * 60)) not in home.hourly()


def test_hours_made_before_anybody_knew_are_made_again(home: Home) -> None:
    """A quiet house: its last row is hours before the crash."""
    rows = [row(at(5), "on", FAN), row(at(90), 4.0, HEATER)]
    home.write([sign("start", at(0))])
    home.write_rows(rows)
    home.hour_by_hour(START, at(5 * 60))
    home.days(END)
    assert ("switch.fan", at(4 * 60)) in home.hourly()
    rows += [row(at(REBOOT), "off", FAN), row(at(REBOOT), 3.0, HEATER)]
    home.write_rows(rows)
    home.write([sign("start", at(STARTED))])

    home.hours(END)
    home.days(END)

    hours = windows_between(Resolution.HOUR, START, END, UTC)
    gaps = [at(90)]
    assert differing(home.hourly(), expected(rows, hours, UTC, gaps), rows) == {}
    days = windows_between(Resolution.DAY, START, END, UTC)
    assert differing(home.daily(), expected(rows, days, UTC, gaps), rows) == {}
    assert home.hours(END).windows == 0


@pytest.mark.parametrize("seed", range(4))
def test_any_history_is_the_same_hour_by_hour_and_at_once(
    influxdb: InfluxServer, home: Home, tmp_path: Path, seed: int
) -> None:
    generator = random.Random(seed)
    rows, signs, minute = [], [], 0.0
    while minute < 20 * 60:
        minute += generator.choice((1, 10, 45, 150))
        until = minute + generator.uniform(30, 300)
        signs.append(sign("start", at(minute)))
        for _ in range(generator.randrange(1, 30)):
            time_ns = at(generator.uniform(minute - 2, until)) // 1000 * 1000
            state = generator.choice(("on", "off", "unavailable"))
            rows.append(
                row(time_ns, state, FAN)
                if generator.random() < 0.5
                else row(time_ns, generator.uniform(0, 9), HEATER)
            )
        minute = until
        signs += [sign("stop", at(minute))] * generator.randrange(2)
    home.write_rows(rows)
    home.write(signs)
    home.hours(at(17 * 60 + 1))
    generator.shuffle(rows)
    # Again in pieces, in stores of their own that hold the same.
    influxdb.query('CREATE DATABASE "other"')
    with Home(target_of(influxdb, "other"), tmp_path) as other:
        other.write_rows(rows)
        other.write(signs)
        other.hour_by_hour(START, at(17 * 60))
        try:
            assert other.hourly() == home.hourly()
        finally:
            for name in ("other", "other_hourly", "other_daily"):
                influxdb.query(f'DROP DATABASE "{name}"')
    gaps = [one.at_ns for one in found(home)]
    hours = windows_between(Resolution.HOUR, START, at(17 * 60), UTC)
    assert differing(home.hourly(), expected(rows, hours, UTC, gaps), rows) == {}


def test_a_start_after_the_hour_of_a_stop(home: Home) -> None:
    """The row of the start comes later than the hour is made."""
    rows = [row(at(5), "on", FAN)]
    home.write_rows(rows)
    home.write([sign("start", at(0)), sign("stop", at(58))])
    home.hours(at(60))
    assert found(home)[-1] == Interruption(at_ns=at(58), until_ns=None)
    assert found(home)[-1].is_long
    home.write([sign("start", at(61))])

    home.hours(at(180))

    assert not found(home)[-1].is_long
    hours = windows_between(Resolution.HOUR, START, at(180), UTC)
    assert differing(home.hourly(), expected(rows, hours, UTC, [at(58)]), rows) == {}
    assert home.checkpoint.is_verified(EVENTS_LEDGER, (START, at(180)))


def test_a_crash_without_any_row_before_it(home: Home) -> None:
    home.write([sign("start", at(10)), sign("started", at(11)), sign("start", at(30))])
    none = read_interruptions(
        home.stores.client(Tier.RAW),
        {ACTIVITY},
        start_ns=START,
        end_ns=END,
        pause=lambda _: None,
    )
    assert [one.at_ns for one in found(home)][-1] == at(11)
    assert [one.at_ns for one in none][-1] == at(11)
    assert (
        read_interruptions(
            home.stores.client(Tier.RAW),
            {EVENTS},
            start_ns=START,
            end_ns=END,
            pause=lambda _: None,
        )
        == []
    )
    # The first start of all: what was before it nobody knows.
    home.write_rows([row(at(9.9), "on", FAN), row(at(9.95) + S, "on", FAN)])
    assert found(home)[0].at_ns <= at(10)

"""Killed, cut off, cancelled, or on a server that cannot delete: nothing is lost."""

from collections.abc import Iterator
import datetime as dt
import json
from pathlib import Path
import random
import signal
import subprocess
import sys

import pytest

from custom_components.ha_ingestor.errors import (
    RetentionCancelledError,
    StoreError,
)
from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.downsample import Downsampler
from custom_components.ha_ingestor.retention.ledgers import EVENTS_LEDGER
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.windows import Resolution, windows_between
from custom_components.ha_ingestor.retention.work import Work
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from custom_components.ha_ingestor.store.query import Row
from devlib.influxd import InfluxServer
from tests.conftest import ROOT
from tests.faults.proxy import (
    FaultProxy,
    FaultyConnection,
    close_before_answer,
    close_in_the_middle_of_the_answer,
    reset,
    status,
)
from tests.retention.downsample_kit import EVENTS, Home, differing, expected
from tests.retention.killed_downsampling import DAYS, START
from tests.retention.kit import DAY, HOUR, MINUTE, POWER, SWITCH, UTC, row
from tests.retention.server_kit import target_of

KILLS = 25
END = START + DAYS * DAY
INDIA = dt.timezone(dt.timedelta(hours=5, minutes=30))


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@pytest.fixture(autouse=True)
def _clean(influxdb: InfluxServer) -> Iterator[None]:
    """Leave no store behind."""
    yield
    for name in ("test_hourly", "test_daily"):
        influxdb.query(f'DROP DATABASE "{name}"')


def house(days: int = DAYS) -> list[Row]:
    generator = random.Random(7)
    rows = []
    for number in range(8):
        tags = {**(SWITCH, POWER)[number % 2], "entity_id": f"sensor.e{number}"}
        for _ in range(40 * days):
            time_ns = START + generator.randrange(days * DAY // 1000) * 1000
            rows.append(row(time_ns, generator.uniform(0, 9), tags))
    return rows


def check(home: Home, end: int = END) -> None:
    """Compare both tiers with what the raw store holds."""
    rows = list(home.stored(Tier.RAW, EVENTS).values())
    hours, days = (
        [
            window
            for window in windows_between(resolution, START - DAY, end, home.zone)
            if window.end_ns <= end
        ]
        for resolution in (Resolution.HOUR, Resolution.DAY)
    )
    assert differing(home.hourly(), expected(rows, hours, home.zone), rows) == {}
    assert differing(home.daily(), expected(rows, days, home.zone), rows) == {}
    assert home.checkpoint.dirty(EVENTS_LEDGER) == []


def test_killed_at_random_instants(influxdb: InfluxServer, tmp_path: Path) -> None:
    with Home(target_of(influxdb), tmp_path, INDIA) as home:
        home.write_rows(house())
    program = str(Path(__file__).with_name("killed_downsampling.py"))
    found = subprocess.run(
        [sys.executable, program, str(influxdb.port), str(tmp_path), str(KILLS), "3"],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}"},
        timeout=200,
    )
    assert found.returncode == 0, found.stderr.decode()
    endings = json.loads(found.stdout)

    with Home(target_of(influxdb), tmp_path, INDIA) as home:
        home.hours(END)
        home.days(END)
        check(home)
    assert {*endings} <= {0, -signal.SIGKILL}
    assert -signal.SIGKILL in endings


@pytest.fixture
def proxy(influxdb: InfluxServer) -> Iterator[FaultProxy]:
    """A network that can break, in front of the server."""
    made = FaultProxy(influxdb.port)
    yield made
    made.close()


def impatient(target: Target) -> InfluxClient:
    return InfluxClient(target, timeout_s=5.0)


class HastyWork(Work):
    """Does not wait for a server that is away."""

    def pause(self, seconds: float) -> None:
        super().pause(0)


@pytest.mark.parametrize(
    "fault",
    [reset, close_before_answer, close_in_the_middle_of_the_answer, status(503)],
    ids=["reset", "answer lost", "answer cut", "unavailable"],
)
def test_the_server_goes_away_after_each_request(
    influxdb: InfluxServer, tmp_path: Path, proxy: FaultProxy, fault: object
) -> None:
    """Every run gets a few requests further than the one before."""
    target = Target(
        api_version=ApiVersion.V1, host="127.0.0.1", port=proxy.port, store="test"
    )
    with Home(target, tmp_path, make_client=impatient) as home:
        home.write_rows(house(1))
        passed = failures = 0

        def after_some(connection: FaultyConnection) -> None:
            nonlocal passed
            passed -= 1
            if passed >= 0:
                connection.answer(connection.ask_upstream())
            else:
                fault(connection)  # type: ignore[operator]

        proxy.fault = after_some
        for allowed in range(60):
            passed = allowed
            try:
                downsampler = Downsampler(
                    home.stores, home.checkpoint, zone=UTC, work=HastyWork(share=1)
                )
                downsampler.hours(until_ns=START + DAY)
                downsampler.days(until_ns=START + DAY)
            except StoreError:
                failures += 1
        proxy.fault = None
        home.hours(START + DAY)
        home.days(START + DAY)

        assert failures > 5
        check(home, START + DAY)


def test_a_run_that_is_cancelled_is_gone_on_with(
    influxdb: InfluxServer, tmp_path: Path
) -> None:
    with Home(target_of(influxdb), tmp_path) as home:
        home.write_rows(house())
        work = Work(share=1, on_progress=lambda *_: work.cancel())
        with pytest.raises(RetentionCancelledError):
            home.downsampler(work).hours(until_ns=END)
        assert home.checkpoint.is_verified(EVENTS_LEDGER, (START, START + DAY))
        assert not home.checkpoint.is_verified(EVENTS_LEDGER, (START, START + 2 * DAY))

        home.hours(END)
        home.days(END)
        check(home)


def test_a_row_that_the_server_never_takes_is_told(
    influxdb: InfluxServer, tmp_path: Path
) -> None:
    """Somebody has made the hourly store with a retention of its own."""
    influxdb.query('CREATE DATABASE "test_hourly" WITH DURATION 30d NAME "autogen"')
    old = 16_000 * DAY
    with Home(target_of(influxdb), tmp_path) as home:
        home.write_rows([row(old + MINUTE, "on", SWITCH)])

        result = home.hours(old + 2 * HOUR)

        assert len(result.disagreements) == 2
        assert "retention" in result.disagreements[0]
        assert result.oldest_open_ns == old
        influxdb.query('ALTER RETENTION POLICY "autogen" ON "test_hourly" DURATION INF')
        assert home.hours(old + 2 * HOUR).disagreements == ()


def test_a_field_of_another_type_is_told(
    influxdb: InfluxServer, tmp_path: Path
) -> None:
    """Somebody else has written text where a number belongs."""
    with Home(target_of(influxdb), tmp_path) as home:
        home.write_rows([row(START + MINUTE, 5.0, POWER)])
        bad = Point(
            measurement="hourly_aggregates",
            tags={"entity_id": "x"},
            fields={"row_count": "many"},
            time_ns=START - DAY,
        )
        home.write([bad], Tier.HOURLY)
        assert len(home.hours(START + HOUR).disagreements) == 1

"""Runs of maintenance that are killed at any point lose nothing, and are ended."""

from collections.abc import Iterator
import json
from pathlib import Path
import subprocess
import sys

import pytest

from devlib.influxd import InfluxServer
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@pytest.fixture
def stores(influxdb: InfluxServer) -> Iterator[InfluxServer]:
    """A server that has nothing of these tests afterwards."""
    yield influxdb
    influxdb.query('DROP DATABASE "test_hourly"; DROP DATABASE "test_daily"')


@pytest.mark.parametrize(
    ("way", "ages", "homes", "least"),
    [
        pytest.param("stepped", "same", 4, 3, id="steps"),
        pytest.param("stepped", "overrides", 4, 3, id="steps-overrides"),
        pytest.param("timed", "same", 2, 1, id="times"),
    ],
)
def test_kills_at_random_points(
    tmp_path: Path, stores: InfluxServer, way: str, ages: str, homes: int, least: int
) -> None:
    program = str(Path(__file__).with_name("killed_maintenance.py"))
    done = subprocess.run(
        [
            sys.executable,
            program,
            str(stores.port),
            str(tmp_path),
            str(homes),
            "3",
            way,
            ages,
        ],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}"},
        timeout=200,
    )

    assert done.returncode == 0, done.stderr.decode()
    answer = json.loads(done.stdout)
    assert answer["faults"] == []
    assert answer["steps"] > 100
    assert answer["kills"] >= least

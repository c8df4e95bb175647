"""Fixtures for the past: real stores for the tiers, and Home Assistant's recorder."""

from collections.abc import Iterator

import pytest

from devlib.influxd import InfluxServer


@pytest.fixture
def mock_recorder_before_hass(request: pytest.FixtureRequest) -> None:
    """Prepare the recorder's database before there is a Home Assistant."""
    if "recorder_mock" in request.fixturenames:
        request.getfixturevalue("async_test_recorder")


@pytest.fixture(autouse=True)
def _tier_stores(shared_influxdb: InfluxServer) -> Iterator[None]:
    """Leave nothing behind in the stores beside the raw one."""
    yield
    for suffix in ("_hourly", "_daily"):
        shared_influxdb.query(f'DROP DATABASE "test{suffix}"')

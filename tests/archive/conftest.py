"""Fixtures of the tests of the archive as users meet it."""

from collections.abc import Iterator

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from devlib.influxd import InfluxServer
from devlib.s3_server import S3Server
from tests.archive.kit import archive_data, subentry_of
from tests.retention.conftest import (  # noqa: F401 - fixtures
    bucket,
    owner,
    proxy,
    s3,
    shared_s3,
)


@pytest.fixture
def tier_stores(influxdb: InfluxServer) -> Iterator[InfluxServer]:
    """The server, with empty stores of the tiers."""
    names = ("test_hourly", "test_daily")
    for name in names:
        influxdb.query(f'CREATE DATABASE "{name}"')
    yield influxdb
    for name in names:
        influxdb.query(f'DROP DATABASE "{name}"')


@pytest.fixture
def entry(
    entry: MockConfigEntry,
    s3: S3Server,  # noqa: F811
    tier_stores: InfluxServer,
) -> MockConfigEntry:
    """A hub that is not set up yet, and has an archive."""
    return MockConfigEntry(
        domain=entry.domain,
        title=entry.title,
        data=dict(entry.data),
        options={**entry.options, "daily_days": 365},
        subentries_data=[subentry_of(archive_data(s3.url))],
    )

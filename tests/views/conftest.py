"""Fixtures for tests of views: the stores of all tiers on a real InfluxDB 1.x."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from custom_components.ha_ingestor.retention.checkpoint import Checkpoint
from custom_components.ha_ingestor.retention.stores import TierStores
from devlib.influxd import InfluxServer
from tests.retention.server_kit import target_of
from tests.views.views_kit import House


@pytest.fixture
def stores(influxdb: InfluxServer) -> Iterator[TierStores]:
    """The stores of all tiers."""
    stores = TierStores(target_of(influxdb))
    stores.ensure()
    yield stores
    stores.close()
    influxdb.query('DROP DATABASE "test_hourly"; DROP DATABASE "test_daily"')


@pytest.fixture
def checkpoint(tmp_path: Path) -> Iterator[Checkpoint]:
    """An empty record of what is proven."""
    checkpoint = Checkpoint(tmp_path / "retention.db")
    checkpoint.open()
    yield checkpoint
    checkpoint.close()


@pytest.fixture
def house(influxdb: InfluxServer, stores: TierStores, checkpoint: Checkpoint) -> House:
    """A home in Berlin without any rows."""
    return House(influxdb, stores, checkpoint)

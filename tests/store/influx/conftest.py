"""Fixtures of the tests of the InfluxDB client."""

from collections.abc import Callable, Iterator

import pytest

from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from devlib.influxd import InfluxServer
from tests.stand_ins.certificates import Certificates, make_certificates
from tests.stand_ins.influxdb_v2 import (
    ADMIN_TOKEN as V2_TOKEN,
    ORGANIZATION,
    InfluxDb2StandIn,
)
from tests.stand_ins.influxdb_v3 import ADMIN_TOKEN as V3_TOKEN, InfluxDb3StandIn
from tests.stand_ins.server import HttpStandIn


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority of its own and a certificate for 127.0.0.1."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def target(influxdb: InfluxServer) -> Target:
    """The empty database of the real server."""
    return Target(
        api_version=ApiVersion.V1, host="127.0.0.1", port=influxdb.port, store="test"
    )


@pytest.fixture
def make_client() -> Iterator[Callable[..., InfluxClient]]:
    """Make clients that are closed at the end."""
    clients: list[InfluxClient] = []

    def make(target: Target, timeout_s: float = 5.0) -> InfluxClient:
        clients.append(InfluxClient(target, timeout_s=timeout_s))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(make_client: Callable[..., InfluxClient], target: Target) -> InfluxClient:
    """A client of the empty database of the real server."""
    return make_client(target)


@pytest.fixture
def http() -> Iterator[HttpStandIn]:
    """A server that answers what the test scripts."""
    with HttpStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def v2() -> Iterator[InfluxDb2StandIn]:
    with InfluxDb2StandIn(buckets=("_monitoring", "_tasks", "home_assistant")) as it:
        yield it


@pytest.fixture
def v3() -> Iterator[InfluxDb3StandIn]:
    with InfluxDb3StandIn(databases=("home_assistant",)) as it:
        yield it


@pytest.fixture
def v2_target(v2: InfluxDb2StandIn) -> Target:
    return Target(
        api_version=ApiVersion.V2,
        host="127.0.0.1",
        port=v2.port,
        token=V2_TOKEN,
        organization=ORGANIZATION,
    )


@pytest.fixture
def v3_target(v3: InfluxDb3StandIn) -> Target:
    return Target(
        api_version=ApiVersion.V3, host="127.0.0.1", port=v3.port, token=V3_TOKEN
    )

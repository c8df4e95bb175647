"""Fixtures for tests of the archive: a real S3 API over HTTP."""

from collections.abc import Iterator
from pathlib import Path
import sys

import pytest
import pytest_socket

from custom_components.ha_ingestor.retention.s3 import S3Bucket, S3Limits
from devlib.s3_server import S3Server
from tests.faults.proxy import FaultProxy
from tests.retention.archive_kit import BUCKET, target

# Quick, but with room for a busy machine.
LIMITS = S3Limits(
    connect_timeout_s=2, read_timeout_s=0.6, download_timeout_s=5, try_count=2
)


@pytest.fixture(scope="session")
def shared_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One server for all tests."""
    # Set up before the fixtures of the first test, so not by `socket_enabled` yet.
    pytest_socket.enable_socket()
    with S3Server(Path(sys.executable), tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def owner(shared_s3: S3Server) -> Iterator[S3Bucket]:
    """Whoever makes the bucket; a client of its own takes time to make."""
    made = S3Bucket(target(shared_s3.url))
    yield made
    made.close()


@pytest.fixture
def s3(shared_s3: S3Server, owner: S3Bucket) -> S3Server:
    """The shared server with one empty bucket."""
    shared_s3.reset()
    owner.client.create_bucket(Bucket=BUCKET)
    return shared_s3


@pytest.fixture
def bucket(s3: S3Server, owner: S3Bucket) -> S3Bucket:
    """The bucket."""
    return owner


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[FaultProxy]:
    """A network that can break, in front of the server."""
    made = FaultProxy(s3.port)
    yield made
    made.close()


@pytest.fixture
def far_bucket(proxy: FaultProxy) -> Iterator[S3Bucket]:
    """The bucket as seen through the network that can break."""
    made = S3Bucket(target(f"http://127.0.0.1:{proxy.port}"), LIMITS)
    yield made
    made.close()

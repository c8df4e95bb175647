"""A server that is away or answers wrongly, and two runs at once; nothing is lost."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
import random
import sqlite3

import pytest
import pytest_socket

from custom_components.ha_ingestor.errors import (
    CheckpointError,
    RetentionError,
    StoreError,
)
from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.checkpoint import Checkpoint
from devlib.influxd import InfluxServer
from tests.faults import proxy as faults
from tests.faults.proxy import Fault, FaultProxy, FaultyConnection
from tests.retention.ledger_kit import Places, misplaced, read_places
from tests.retention.life_kit import (
    make_home,
    make_maintenance,
    make_stores,
    open_checkpoint,
    rows_of_home,
)

# Runs that may fail before one has to come to its end.
MAX_RUNS = 30


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A server with rows, and what they become in a run without a fault."""

    server: InfluxServer
    written: list[Point]
    expected: Places


@pytest.fixture(scope="module")
def expected(
    shared_influxdb: InfluxServer, tmp_path_factory: pytest.TempPathFactory
) -> Places:
    """Where the rows are after a run without a fault."""
    # Set up before the fixtures of the first test, so not by `socket_enabled` yet.
    pytest_socket.enable_socket()
    make_home(shared_influxdb, rows_of_home())
    run(shared_influxdb.port, tmp_path_factory.mktemp("undisturbed"))
    return read_places(shared_influxdb)


@pytest.fixture
def home(influxdb: InfluxServer, expected: Places) -> Iterator[Home]:
    written = rows_of_home()
    make_home(influxdb, written)
    yield Home(server=influxdb, written=written, expected=expected)
    influxdb.query('DROP DATABASE "test_hourly"; DROP DATABASE "test_daily"')


@pytest.fixture
def proxy(influxdb: InfluxServer) -> Iterator[FaultProxy]:
    proxy = FaultProxy(influxdb.port)
    yield proxy
    proxy.close()


def run(port: int, folder: Path) -> tuple[str, ...]:
    """Run maintenance once; what it tells."""
    stores, checkpoint = make_stores(port), open_checkpoint(folder)
    try:
        return make_maintenance(stores, checkpoint).run_all().problems
    finally:
        checkpoint.close()
        stores.close()


def run_until_done(port: int, folder: Path, server: Home) -> list[str]:
    """Run until one run is content; which errors ended the others."""
    ended: list[str] = []
    for _ in range(MAX_RUNS):
        try:
            if not run(port, folder):
                return ended
        except (StoreError, RetentionError) as err:
            ended.append(type(err).__name__)
        assert misplaced(server.server, server.written) == []
    raise AssertionError(f"It never ends: {ended}")


class NowAndThen:
    """Lets some requests meet a fault."""

    def __init__(self, fault: Fault, *, share: float, seed: int) -> None:
        self.count = 0
        self._fault = fault
        self._share = share
        self._chance = random.Random(seed)

    def __call__(self, connection: FaultyConnection) -> None:
        if self._chance.random() < self._share:
            self.count += 1
            self._fault(connection)
        else:
            connection.answer(connection.ask_upstream())


def half_answer(connection: FaultyConnection) -> None:
    """Let the server do the work and cut its answer in the body."""
    answer = connection.ask_upstream()
    head, _, body = answer.partition(b"\r\n\r\n")
    connection.answer(head + b"\r\n\r\n" + body[: len(body) // 2])


FAULTS: dict[str, Fault] = {
    "401": faults.status(401, b'{"error":"authorization failed"}'),
    "500": faults.status(500, b'{"error":"internal"}'),
    "503": faults.status(503, b'{"error":"overloaded"}', Retry_After="0"),
    "reset": faults.reset,
    "lost-answer": faults.close_before_answer,
    "half-answer": half_answer,
    "garbage": faults.garbage,
    "200-page": faults.page(200),
}


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_server_that_answers_wrongly_now_and_then(
    home: Home, proxy: FaultProxy, tmp_path: Path, name: str
) -> None:
    proxy.fault = fault = NowAndThen(FAULTS[name], share=0.04, seed=5)

    run_until_done(proxy.port, tmp_path / "home", home)

    assert fault.count > 3
    proxy.fault = None
    assert run(proxy.port, tmp_path / "home") == ()
    assert read_places(home.server) == home.expected


@pytest.mark.parametrize("after", [15, 60, 100])
def test_a_server_that_dies_in_the_middle(
    influxd_binary: Path, tmp_path: Path, home: Home, after: int
) -> None:
    with (
        InfluxServer(influxd_binary, tmp_path / "influxd") as server,
        closing(FaultProxy(server.port)) as proxy,
    ):
        make_home(server, home.written)
        left = after

        def die(connection: FaultyConnection) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                server.kill()
            # From then on it is refused, and the proxy closes without an answer.
            connection.answer(connection.ask_upstream())

        proxy.fault = die
        with pytest.raises(StoreError):
            run(proxy.port, tmp_path / "home")
        proxy.fault = None
        server.start()
        assert misplaced(server, home.written) == []

        assert run(proxy.port, tmp_path / "home") == ()

        assert misplaced(server, home.written) == []
        assert read_places(server) == home.expected


def test_two_runs_at_once(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "home"

    def one() -> str:
        try:
            return "; ".join(run(home.server.port, folder))
        except (StoreError, RetentionError) as err:
            return repr(err)

    with ThreadPoolExecutor(2) as threads:
        told = [job.result(100) for job in [threads.submit(one) for _ in range(2)]]

    assert misplaced(home.server, home.written) == []
    # Whatever one of them has found the other at, is over for the next.
    assert run(home.server.port, folder) == (), told
    assert read_places(home.server) == home.expected
    with closing(sqlite3.connect(folder / "retention.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT count(*) FROM removal").fetchone() == (0,)


@pytest.mark.parametrize("after", [30, 200, 330])
def test_a_disk_without_room(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    transaction: Callable[..., object] = Checkpoint._transaction
    left = after

    def fail(checkpoint: Checkpoint) -> object:
        nonlocal left
        left -= 1
        if left <= 0:
            raise CheckpointError("database or disk is full")
        return transaction(checkpoint)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "_transaction", fail)
        with pytest.raises(CheckpointError):
            run(home.server.port, tmp_path / "home")
    assert misplaced(home.server, home.written) == []

    assert run(home.server.port, tmp_path / "home") == ()

    assert read_places(home.server) == home.expected

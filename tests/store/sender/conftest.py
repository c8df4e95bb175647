"""Fixtures for tests of the sender."""

from collections.abc import Iterator

import pytest

from custom_components.ha_ingestor.store import sender as sender_module
from custom_components.ha_ingestor.store.sender import Sender
from custom_components.ha_ingestor.store.sqlite_buffer import SqliteBuffer
from custom_components.ha_ingestor.store.stats import PipelineStats
from tests.store.sender.kit import WAIT_S, Links, ScriptedServer, make


@pytest.fixture
def server() -> ScriptedServer:
    return ScriptedServer()


@pytest.fixture
def links() -> Links:
    return Links()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_module, "_FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(sender_module, "MAX_DELAY_S", 0.05)


@pytest.fixture
def sender(
    buffer: SqliteBuffer, stats: PipelineStats, server: ScriptedServer, links: Links
) -> Iterator[Sender]:
    sender = make(buffer, stats, lambda: server, links)
    yield sender
    if sender._thread.ident is not None:
        server.gate.set()
        sender.stop(WAIT_S)

"""A buffer of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from custom_components.ha_ingestor.store.sqlite_buffer import SqliteBuffer
from custom_components.ha_ingestor.store.stats import PipelineStats


@pytest.fixture
def buffer(tmp_path: Path) -> Iterator[SqliteBuffer]:
    """An open buffer of 64 MiB."""
    buffer = SqliteBuffer(tmp_path / "hub.db", max_bytes=1 << 26, is_full_sync=False)
    buffer.open()
    yield buffer
    buffer.close()


@pytest.fixture
def stats() -> PipelineStats:
    """Counters at zero."""
    return PipelineStats()

"""A backup holds a whole buffer, and capturing does not wait for it."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.ha_ingestor import backup
from custom_components.ha_ingestor.backup import MAX_BACKUP_TIME
from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.errors import DiskBufferError
from custom_components.ha_ingestor.pipeline import Pipeline, buffer_path
from custom_components.ha_ingestor.store.compression import decompress
from custom_components.ha_ingestor.store.line_protocol import split_lines
from custom_components.ha_ingestor.store.sqlite_buffer import SqliteBuffer
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from tests.conftest import entry_data


@pytest.fixture
def options() -> dict[str, Any]:
    """Nothing is sent, so that all stays in the buffer."""
    return {
        "flush_interval_s": 60,
        "include_entities": ["sensor.a"],
        "event_kinds": ["states"],
        "context_fields": [],
    }


async def set_states(
    hass: HomeAssistant, entry: MockConfigEntry, numbers: range
) -> None:
    """Fire, each a commit of its own."""
    pipeline: Pipeline = entry.runtime_data.pipeline
    for number in numbers:
        hass.states.async_set("sensor.a", str(number), {"friendly_name": "x" * 200})
        pipeline._listener.hand_over()  # type: ignore[union-attr]
        on_disk = pipeline._encoder.flush()  # type: ignore[union-attr]
        assert await hass.async_add_executor_job(on_disk.wait, 5)


def list_numbers(path: Path) -> list[int]:
    """Open a buffer that was restored, and return what waits in it."""
    buffer = SqliteBuffer(path, max_bytes=1 << 26, is_full_sync=False)
    buffer.open()
    with closing(buffer):
        assert buffer.moved_aside is None
        batch = buffer.begin_batch(10_000, 1 << 26)
        assert batch is not None
        lines = split_lines(decompress(batch.body))
        return [int(line.partition(b"state=")[2].split(b'"')[1]) for line in lines]


async def test_a_backup_in_the_middle_of_everything(
    hass: HomeAssistant, hub: MockConfigEntry, tmp_path: Path
) -> None:
    path = buffer_path(hass, hub.entry_id)
    await set_states(hass, hub, range(20))
    await backup.async_pre_backup(hass)
    file = path.read_bytes()
    # Files are read one after another, while events come in.
    await set_states(hass, hub, range(20, 40))
    copy = tmp_path / "restored.db"
    copy.write_bytes(path.read_bytes())
    await set_states(hass, hub, range(40, 60))
    wal = path.with_name(f"{path.name}-wal").read_bytes()
    copy.with_name("restored.db-wal").write_bytes(wal)
    assert copy.read_bytes() == path.read_bytes() == file
    # Nothing waits in memory for the backup to end: a crash would cost nothing.
    assert hub.runtime_data.pipeline.work_report().unencoded_count == 0
    assert list_numbers(copy) == list(range(60))
    await backup.async_post_backup(hass)
    await set_states(hass, hub, range(60, 600))
    assert path.read_bytes() != file
    figures = await hub.runtime_data.pipeline.async_flush()
    assert figures.backlog_points == figures.dropped == 0
    assert figures.written == 600


async def test_what_waits_during_a_backup_is_sent(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    await backup.async_pre_backup(hass)
    await set_states(hass, hub, range(5))
    figures = await hub.runtime_data.pipeline.async_flush()
    assert figures.backlog_points == 0
    rows = await hass.async_add_executor_job(
        influxdb.rows, "SELECT value FROM home_assistant_events", "test"
    )
    assert [row[1] for row in rows] == [0, 1, 2, 3, 4]
    await backup.async_post_backup(hass)


async def test_a_backup_that_never_ends(
    hass: HomeAssistant, hub: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    buffer = hub.runtime_data.pipeline.buffer
    await backup.async_pre_backup(hass)
    # Once more: one that failed in between has never been ended.
    await backup.async_pre_backup(hass)
    assert buffer._is_at_rest
    async_fire_time_changed(
        hass, dt_util.utcnow() + MAX_BACKUP_TIME + timedelta(seconds=1)
    )
    await hass.async_block_till_done()
    assert not buffer._is_at_rest
    assert caplog.text.count("The backup has taken more than 1:00:00") == 1
    await backup.async_post_backup(hass)
    await backup.async_pre_backup(hass)
    assert buffer._is_at_rest
    await backup.async_post_backup(hass)
    assert not buffer._is_at_rest
    async_fire_time_changed(
        hass, dt_util.utcnow() + MAX_BACKUP_TIME + timedelta(seconds=1)
    )
    await hass.async_block_till_done()
    assert caplog.text.count("The backup has taken more than") == 1


async def test_a_failing_disk_does_not_prevent_the_backup(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    influxdb: InfluxServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = MockConfigEntry(domain=DOMAIN, data=entry_data(influxdb, store="other"))
    other.add_to_hass(hass)
    assert await hass.config_entries.async_setup(other.entry_id)

    def refuse() -> None:
        raise DiskBufferError("disk I/O error")

    broken, sound = (entry.runtime_data.pipeline.buffer for entry in (hub, other))
    with monkeypatch.context() as patch:
        patch.setattr(broken, "rest_file", refuse)
        patch.setattr(broken, "wake_file", refuse)
        await backup.async_pre_backup(hass)
        assert (broken._is_at_rest, sound._is_at_rest) == (False, True)
        assert "may be incomplete: disk I/O error" in caplog.text
        await backup.async_post_backup(hass)
        assert not sound._is_at_rest
    await backup.async_pre_backup(hass)
    assert (broken._is_at_rest, sound._is_at_rest) == (True, True)
    await backup.async_post_backup(hass)
    assert (broken._is_at_rest, sound._is_at_rest) == (False, False)
    await hass.config_entries.async_remove(other.entry_id)

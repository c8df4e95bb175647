"""Each cause that a person must mend has its issue, and it goes with the cause."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.errors import (
    BufferFullError,
    DiskBufferError,
)
from custom_components.ha_ingestor.ingest.collector import discard_collector
from custom_components.ha_ingestor.issues import (
    PROTOCOL_GRACE,
    IssueKey,
    async_ask_for_credentials,
)
from custom_components.ha_ingestor.maintenance.issues import StorageIssue
from custom_components.ha_ingestor.pipeline import Pipeline, buffer_path
from custom_components.ha_ingestor.store.buffer import ReasonClass
from custom_components.ha_ingestor.store.schema import SCHEMA_VERSION
from custom_components.ha_ingestor.store.sqlite_buffer import SqliteBuffer
from custom_components.ha_ingestor.store.sqlite_file import Role
from custom_components.ha_ingestor.store.stats import LinkState
from devlib.influxd import InfluxServer
from homeassistant.config_entries import ConfigEntryDisabler, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
from tests.conftest import entry_data
from tests.flows.texts import load_translations
from tests.repairs.kit import look, set_aside, try_to_flush, wait_for
from tests.stand_ins.server import HttpStandIn, Reply, Request

# --- the buffer fills, or cannot be written


async def test_nearly_full(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    await hass.async_add_executor_job(influxdb.query, 'DROP DATABASE "test"')
    await try_to_flush(hass)
    buffer = hub.runtime_data.pipeline.buffer
    size = buffer.size().byte_count

    async def fill(share: float) -> bool:
        buffer.max_bytes = int(size / share)
        return "buffer_nearly_full" in await look(hass, hub)

    assert not await fill(0.79)
    assert await fill(0.81)
    issue = (await look(hass, hub))["buffer_nearly_full"]
    assert issue.severity is ir.IssueSeverity.WARNING
    # It does not come and go around the bound.
    assert await fill(0.71)
    assert not await fill(0.69)
    assert not await fill(0.79)
    assert await fill(1.0)


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (BufferFullError("database or disk is full"), "disk_full"),
        (DiskBufferError("disk I/O error"), "buffer_not_writable"),
    ],
)
async def test_disk_takes_nothing(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    influxdb: InfluxServer,
    monkeypatch: pytest.MonkeyPatch,
    error: DiskBufferError,
    key: str,
) -> None:
    def refuse(*_: object) -> int:
        raise error

    pipeline: Pipeline = hub.runtime_data.pipeline
    with monkeypatch.context() as patch:
        patch.setattr(pipeline.buffer, "add", refuse)
        hass.states.async_set("sensor.a", "1")
        await hass.async_block_till_done()
        pipeline._listener.hand_over()  # type: ignore[union-attr]
        await wait_for(hass, lambda: pipeline.stats.buffer_error is not None)
        assert list(await look(hass, hub)) == [key]
    await wait_for(hass, lambda: pipeline.stats.buffer_error is None)
    await try_to_flush(hass)
    assert await look(hass, hub) == {}
    rows = await hass.async_add_executor_job(
        influxdb.rows, "SELECT state FROM home_assistant_events", "test"
    )
    assert rows[0][1] == "1"
    assert pipeline.snapshot().dropped == 0


async def test_buffer_of_a_newer_version(
    hass: HomeAssistant, hub: MockConfigEntry, issue_registry: ir.IssueRegistry
) -> None:
    path = buffer_path(hass, hub.entry_id)
    issue_id = f"buffer_unusable_{hub.entry_id}"

    async def set_version(version: int) -> None:
        assert await hass.config_entries.async_unload(hub.entry_id)
        buffer = SqliteBuffer(path, max_bytes=1 << 20, is_full_sync=False)
        connection = buffer._connect(Role.ADD)
        connection.execute(f"PRAGMA user_version={version}")
        buffer.close()
        await hass.config_entries.async_setup(hub.entry_id)
        await hass.async_block_till_done()

    await set_version(SCHEMA_VERSION + 1)
    assert hub.state is ConfigEntryState.SETUP_ERROR
    issue = issue_registry.async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert "newer version" in issue.translation_placeholders["error"]
    text = load_translations()["issues"]["buffer_unusable"]["description"]
    assert "Test" in text.format(**issue.translation_placeholders)
    # Given up by the user: nobody is bothered any more.
    await hass.config_entries.async_set_disabled_by(
        hub.entry_id, ConfigEntryDisabler.USER
    )
    assert issue_registry.async_get_issue(DOMAIN, issue_id) is None
    await hass.config_entries.async_set_disabled_by(hub.entry_id, None)
    await hass.async_block_till_done()
    assert issue_registry.async_get_issue(DOMAIN, issue_id) is not None
    await set_version(SCHEMA_VERSION)
    assert hub.state is ConfigEntryState.LOADED
    assert issue_registry.async_get_issue(DOMAIN, issue_id) is None


# --- what answers is no InfluxDB


class SomethingElse(HttpStandIn):
    """A web server, until it is told to be an InfluxDB."""

    is_influxdb = False

    def answer(self, request: Request) -> Reply:
        if self.is_influxdb:
            return Reply(status=204, headers={"X-Influxdb-Version": "1.8.10"})
        return Reply(headers={"Content-Type": "text/html"}, body=b"<h1>Hello</h1>")


@pytest.fixture
def something_else() -> Iterator[SomethingElse]:
    with SomethingElse() as server:
        yield server


async def test_protocol(
    hass: HomeAssistant,
    influxdb: InfluxServer,
    options: dict[str, Any],
    something_else: SomethingElse,
) -> None:
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Test",
        data=entry_data(influxdb, port=something_else.port),
        options=options,
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)

    async def pass_time() -> None:
        # Time itself goes on as usual: the threads live by it.
        async_fire_time_changed(
            hass, dt_util.utcnow() + PROTOCOL_GRACE + timedelta(seconds=1)
        )
        await hass.async_block_till_done()

    # A blip is nobody's business.
    await try_to_flush(hass)
    assert entry.runtime_data.pipeline.stats.link is LinkState.PROTOCOL
    assert await look(hass, entry) == {}
    something_else.is_influxdb = True
    await try_to_flush(hass)
    await pass_time()
    assert await look(hass, entry) == {}
    # What lasts is.
    something_else.is_influxdb = False
    await try_to_flush(hass)
    assert await look(hass, entry) == {}
    await pass_time()
    issues = await look(hass, entry)
    assert list(issues) == ["store_protocol"]
    placeholders = issues["store_protocol"].translation_placeholders
    assert placeholders is not None
    assert placeholders["url"] == something_else.url
    something_else.is_influxdb = True
    await try_to_flush(hass)
    assert await look(hass, entry) == {}
    assert entry.runtime_data.pipeline.snapshot().backlog_points == 0
    await hass.config_entries.async_remove(entry.entry_id)


# --- no issue outlives its hub


@pytest.mark.parametrize("end", ["async_unload", "async_remove"])
async def test_issues_go_with_the_hub(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    influxdb: InfluxServer,
    issue_registry: ir.IssueRegistry,
    end: str,
) -> None:
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_add_executor_job(influxdb.query, 'DROP DATABASE "test"')
    await try_to_flush(hass)
    set_aside(entry, ReasonClass.REFUSED)
    assert set(await look(hass, entry)) == {"dead_letters", "store_missing"}
    coordinator = entry.runtime_data.coordinator
    await getattr(hass.config_entries, end)(entry.entry_id)
    assert issue_registry.issues == {}
    # A thread that was left behind on a dead server may still report.
    coordinator.async_refresh_now()
    await hass.async_block_till_done()
    assert issue_registry.issues == {}
    discard_collector(hass, entry.entry_id)


async def test_a_hub_that_is_gone_asks_for_no_password(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    assert await hass.config_entries.async_unload(hub.entry_id)
    async_ask_for_credentials(hass, hub, LinkState.AUTH_FAILED)
    await hass.async_block_till_done()
    assert hass.config_entries.flow.async_progress() == []
    assert await hass.config_entries.async_setup(hub.entry_id)
    async_ask_for_credentials(hass, hub, LinkState.AUTH_FAILED)
    await hass.async_block_till_done()
    assert len(hass.config_entries.flow.async_progress()) == 1


async def test_an_issue_that_is_ignored_stays_ignored(
    hass: HomeAssistant, hub: MockConfigEntry, issue_registry: ir.IssueRegistry
) -> None:
    set_aside(hub, ReasonClass.REFUSED)
    issue = (await look(hass, hub))["dead_letters"]
    issue_registry.async_ignore(DOMAIN, issue.issue_id, True)
    set_aside(hub, ReasonClass.UNPARSABLE)
    issue = (await look(hass, hub))["dead_letters"]
    assert issue.dismissed_version is not None


def test_every_issue_has_a_text() -> None:
    of_sources = {"source_argument", "source_refused"}
    of_archive = {"archive_packages"}
    assert set(load_translations()["issues"]) == {
        *IssueKey,
        *StorageIssue,
        *of_archive,
        *of_sources,
    }

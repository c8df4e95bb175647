"""What only a person can mend is said, and no longer once it is mended."""

from collections.abc import Iterator
import datetime as dt
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.ha_ingestor.errors import (
    RetentionLeftoverError,
    StoreUnavailableError,
)
from custom_components.ha_ingestor.maintenance.issues import (
    SLOW_AFTER,
    list_create_commands,
)
from custom_components.ha_ingestor.maintenance.record import Operation, Outcome
from custom_components.ha_ingestor.retention.downsample import DownsampleResult
from custom_components.ha_ingestor.retention.maintenance import (
    Maintenance,
    MaintenanceReport,
)
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
from tests.conftest import entry_data
from tests.maintenance.storage_kit import a_record, call, record_of, run, storage_of

REPORT = MaintenanceReport()


def find(registry: ir.IssueRegistry, entry: MockConfigEntry, name: str) -> Any:
    """An issue of a hub; None if there is none."""
    return registry.async_get_issue("ha_ingestor", f"{name}_{entry.entry_id}")


def disagreement() -> MaintenanceReport:
    """A run that has kept something."""
    result = DownsampleResult(
        windows=1,
        rows_read=1,
        rows_written=1,
        disagreements=("2026-01-01 00:00: avg_value",),
        oldest_open_ns=None,
    )
    return MaintenanceReport(
        downsampled=(result,), problems=("2026-01-01 00:00: avg_value",)
    )


@pytest.fixture
def engine() -> Iterator[Any]:
    """What the nightly run of raw rows gives."""
    with patch.object(
        Maintenance, "downsample_hourly", autospec=True, return_value=REPORT
    ) as mock:
        yield mock


@pytest.mark.parametrize(
    ("outcome", "issue", "status"),
    [
        pytest.param(
            RetentionLeftoverError("3 rows are left", count=3),
            "storage_run_failed_downsample_hourly",
            "failed",
            id="failed",
        ),
        pytest.param(
            ZeroDivisionError("by zero"),
            "storage_run_failed_downsample_hourly",
            "failed",
            id="unforeseen",
        ),
        pytest.param(
            [disagreement()],
            "storage_run_disagreed_downsample_hourly",
            "finished",
            id="disagreed",
        ),
    ],
)
async def test_a_bad_run_is_told_until_one_succeeds(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
    engine: Any,
    outcome: Any,
    issue: str,
    status: str,
) -> None:
    engine.side_effect = outcome

    job = await run(hass, hub, "downsample_hourly")

    assert job["status"] == status
    shown = find(issue_registry, hub, issue)
    assert shown.translation_placeholders["action"] == "downsample_hourly"
    assert hass.states.get("binary_sensor.test_storage_problem").state == "on"
    assert (await call(hass, "retention_stats"))["problems"] != []

    assert await hass.config_entries.async_unload(hub.entry_id)
    assert find(issue_registry, hub, issue) is None
    assert await hass.config_entries.async_setup(hub.entry_id)
    # It is still the case.
    assert find(issue_registry, hub, issue) is not None

    engine.side_effect = None
    await run(hass, hub, "downsample_hourly")

    assert find(issue_registry, hub, issue) is None
    assert hass.states.get("binary_sensor.test_storage_problem").state == "off"


async def test_a_cancelled_run_mends_nothing(
    hub: MockConfigEntry, issue_registry: ir.IssueRegistry
) -> None:
    storage = storage_of(hub)
    operation = Operation.DOWNSAMPLE_DAILY
    storage.async_note(a_record(operation, outcome=Outcome.FAILED, error="x"))
    storage.async_note(a_record(operation, outcome=Outcome.CANCELLED))

    assert find(issue_registry, hub, "storage_run_failed_downsample_daily")


async def test_a_slow_run_is_told(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
) -> None:
    storage = storage_of(hub)
    issue = "storage_run_slow_archive"
    stop = storage.issues.async_watch_slow(Operation.ARCHIVE)
    async_fire_time_changed(hass, dt_util.utcnow() + SLOW_AFTER)
    await hass.async_block_till_done()
    stop()
    now = dt_util.utcnow()

    assert find(issue_registry, hub, issue) is not None
    storage.async_note(
        a_record(Operation.ARCHIVE, started_at=now - dt.timedelta(hours=3))
    )
    assert find(issue_registry, hub, issue) is not None
    storage.async_note(a_record(Operation.ARCHIVE))
    assert find(issue_registry, hub, issue) is None


async def test_a_server_that_is_away_is_waited_for(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
    engine: Any,
) -> None:
    engine.side_effect = [StoreUnavailableError("busy"), REPORT]

    with patch("custom_components.ha_ingestor.maintenance.runs.FIRST_RETRY_S", 0.01):
        job = await run(hass, hub, "downsample_hourly")

    assert job["status"] == "finished"
    assert engine.call_count == 2
    assert issue_registry.issues == {}


async def test_a_server_that_stays_away_is_told(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
    engine: Any,
) -> None:
    engine.side_effect = StoreUnavailableError("busy")

    with patch("custom_components.ha_ingestor.maintenance.runs.RETRY_FOR_S", 0):
        job = await run(hass, hub, "downsample_hourly")

    assert job["status"] == "failed"
    assert find(issue_registry, hub, "storage_run_failed_downsample_hourly")


async def test_switching_it_off_ends_what_is_said_of_runs(
    hass: HomeAssistant, hub: MockConfigEntry, issue_registry: ir.IssueRegistry
) -> None:
    storage_of(hub).async_note(
        a_record(Operation.DOWNSAMPLE_DAILY, outcome=Outcome.FAILED, error="x")
    )

    hass.config_entries.async_update_entry(hub, options={"storage_enabled": False})
    await hass.async_block_till_done()

    assert issue_registry.issues == {}
    assert storage_of(hub).next_run_at is None


async def test_missing_stores_are_named_until_they_exist(
    hass: HomeAssistant,
    influxd_binary: Path,
    tmp_path: Path,
    issue_registry: ir.IssueRegistry,
) -> None:
    with InfluxServer(influxd_binary, tmp_path / "influxd", auth=True) as server:
        server.create_admin("root", "secret-of-root")
        server.query(
            "CREATE DATABASE \"test\"; CREATE USER writer WITH PASSWORD 'secret';"
            ' GRANT ALL ON "test" TO writer'
        )
        entry = MockConfigEntry(
            domain="ha_ingestor",
            title="Test",
            data=entry_data(server, username="writer", password="secret"),
        )
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)

        job = await run(hass, entry, "run_maintenance")

        assert job["status"] == "failed"
        issue = find(issue_registry, entry, "storage_stores_missing")
        commands = issue.translation_placeholders["commands"]
        assert "test_hourly" in issue.translation_placeholders["stores"]
        assert "secret" not in commands
        assert record_of(entry, Operation.DOWNSAMPLE_HOURLY) is None
        # Without the rights of an administrator sizes are estimated.
        stats = await call(hass, "retention_stats")
        assert stats["tiers"]["raw"]["is_estimated"]

        server.query(";".join(line.strip() for line in commands.splitlines()))
        job = await run(hass, entry, "run_maintenance")

        assert job["status"] == "finished"
        assert issue_registry.issues == {}
        await hass.config_entries.async_remove(entry.entry_id)


async def test_a_server_that_deletes_too_early_is_told(
    hass: HomeAssistant,
    influxdb: InfluxServer,
    hub: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
) -> None:
    influxdb.query('CREATE DATABASE "test_daily" WITH DURATION 30d')

    await run(hass, hub, "refresh_views")

    issue = find(issue_registry, hub, "storage_retention_too_short")
    assert "`test_daily`: 30 d < ∞" in issue.translation_placeholders["stores"]
    influxdb.query('ALTER RETENTION POLICY "autogen" ON "test_daily" DURATION INF')
    await run(hass, hub, "refresh_views")
    assert issue_registry.issues == {}


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        pytest.param(
            ApiVersion.V2,
            '    influx bucket create --name "home_assistant_hourly" --org "o"'
            " --retention 0h --shard-group-duration 672h",
            id="2",
        ),
        pytest.param(
            ApiVersion.V3,
            "    influxdb3 create database --retention-period 92d"
            ' "home_assistant_hourly"',
            id="3",
        ),
    ],
)
def test_commands_for_other_generations(version: ApiVersion, expected: str) -> None:
    target = Target(api_version=version, host="h", port=1, organization="o")

    commands = list_create_commands(TierStores(target), ("home_assistant_hourly",))

    assert commands == expected

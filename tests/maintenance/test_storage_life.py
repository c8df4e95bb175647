"""Set-up, unload, reload, removal; and what a restart in the middle leaves."""

import asyncio
from pathlib import Path
import sqlite3
import threading
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.errors import RetentionCancelledError
from custom_components.ha_ingestor.maintenance.journal import to_stored
from custom_components.ha_ingestor.maintenance.record import Operation
from custom_components.ha_ingestor.maintenance.storage import checkpoint_path
from custom_components.ha_ingestor.maintenance.thread import start_on_thread
from custom_components.ha_ingestor.retention.maintenance import Maintenance
from custom_components.ha_ingestor.retention.work import Work
from devlib.influxd import InfluxServer
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.helpers import issue_registry as ir
from tests.conftest import entry_data
from tests.maintenance.storage_kit import (
    RECENT,
    a_record,
    call,
    count,
    put_days,
    record_of,
    run,
    storage_of,
)

EVENTS = "home_assistant_events"
DAY_ROWS = 2 * 24


async def test_a_hub_is_set_up_and_unloaded_while_the_server_is_away(
    hass: HomeAssistant, influxd_binary: Path, tmp_path: Path
) -> None:
    with InfluxServer(influxd_binary, tmp_path / "influxd") as server:
        server.query('CREATE DATABASE "test"')
        entry = MockConfigEntry(domain="ha_ingestor", data=entry_data(server))
    entry.add_to_hass(hass)

    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()

    job_id = (await call(hass, "run_maintenance"))["job_id"]
    job = entry.runtime_data.jobs.get(job_id)

    def has_waited() -> bool:
        return job.waiting_for is not None

    while not has_waited():  # noqa: ASYNC110 - for the first refusal
        await asyncio.sleep(0.05)
    assert job.status == "waiting"
    assert await hass.config_entries.async_remove(entry.entry_id)
    assert not checkpoint_path(hass, entry.entry_id).exists()


async def test_records_outlive_a_reload(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    await storage_of(hub).async_record(
        a_record(Operation.DOWNSAMPLE_DAILY, records_written=5, problems=("one",))
    )

    assert await hass.config_entries.async_reload(hub.entry_id)

    record = record_of(hub, Operation.DOWNSAMPLE_DAILY)
    assert record is not None
    assert record.problems == ("one",)
    assert storage_of(hub).journal.records_moved == 5
    assert storage_of(hub).journal.succeeded_at(Operation.DOWNSAMPLE_DAILY) is not None


async def test_records_of_a_newer_version_are_passed_over(
    hass: HomeAssistant, entry: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    known = to_stored(a_record(Operation.ARCHIVE))
    hass_storage[f"ha_ingestor.storage.{entry.entry_id}"] = {
        "version": 1,
        "key": f"ha_ingestor.storage.{entry.entry_id}",
        "data": {
            "records": [
                {**known, "operation": "tidy_up"},
                {**known, "outcome": "half_done"},
                {**known, "operation": "restore"},
            ],
            "succeeded_at": {"tidy_up": known["ended_at"]},
            "records_moved": 3,
            "storage_freed_bytes": 4,
        },
    }
    entry.add_to_hass(hass)

    assert await hass.config_entries.async_setup(entry.entry_id)

    assert set(storage_of(entry).journal.records) == {Operation.RESTORE}
    assert storage_of(entry).journal.records_moved == 3
    await hass.config_entries.async_remove(entry.entry_id)


async def test_a_removed_hub_leaves_nothing_on_disk(
    hass: HomeAssistant, entry: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await storage_of(entry).async_record(a_record(Operation.DOWNSAMPLE_DAILY))
    path = checkpoint_path(hass, entry.entry_id)
    assert path.exists()

    assert await hass.config_entries.async_remove(entry.entry_id)

    assert list(path.parent.glob(f"{entry.entry_id}*")) == []
    assert not any("storage" in key for key in hass_storage)


async def test_a_record_that_cannot_be_used_turns_only_this_off(
    hass: HomeAssistant,
    influxdb: InfluxServer,
    entry: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
) -> None:
    path = checkpoint_path(hass, entry.entry_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    entry.add_to_hass(hass)

    assert await hass.config_entries.async_setup(entry.entry_id)

    assert entry.state is ConfigEntryState.LOADED
    issue_id = f"storage_unusable_{entry.entry_id}"
    assert issue_registry.async_get_issue("ha_ingestor", issue_id) is not None
    for data in ({}, {"dry_run": True}):
        with pytest.raises(Exception, match="newer version") as error:
            await call(hass, "run_maintenance", **data)
        assert error.value.translation_key == "storage_unusable"  # type: ignore[attr-defined]
    stats = await call(hass, "retention_stats")
    assert stats["tiers"] == {}
    await call(hass, "flush")

    path.unlink()
    assert await hass.config_entries.async_reload(entry.entry_id)

    assert issue_registry.async_get_issue("ha_ingestor", issue_id) is None
    assert (await run(hass, entry, "run_maintenance"))["status"] == "finished"
    await hass.config_entries.async_remove(entry.entry_id)


async def test_a_run_goes_on_after_a_restart_in_the_middle(
    hass: HomeAssistant, influxdb: InfluxServer, hub: MockConfigEntry
) -> None:
    put_days(influxdb, (12, *RECENT))
    has_begun = threading.Event()
    whole = Maintenance.downsample_hourly

    def half(self: Maintenance, **_: bool) -> Any:
        self.aggregate()
        has_begun.set()
        while True:
            self._work.pause(0.05)

    with patch.object(Maintenance, "downsample_hourly", half):
        job_id = (await call(hass, "downsample_hourly"))["job_id"]
        assert await hass.async_add_executor_job(has_begun.wait, 60)
        assert await hass.config_entries.async_unload(hub.entry_id)
    assert Maintenance.downsample_hourly is whole
    assert count(influxdb, EVENTS, "value", "test") == 4 * DAY_ROWS

    assert await hass.config_entries.async_setup(hub.entry_id)
    job = hub.runtime_data.jobs.get(job_id)
    await job.has_ended.wait()

    assert job.status == "finished"
    assert count(influxdb, EVENTS, "value", "test") == 3 * DAY_ROWS


async def test_other_ages_let_a_run_begin_anew(
    hass: HomeAssistant, influxdb: InfluxServer, hub: MockConfigEntry
) -> None:
    put_days(influxdb, (12, *RECENT))
    has_begun = threading.Event()
    whole = Maintenance.downsample_hourly

    def first(self: Maintenance, **_: bool) -> Any:
        if has_begun.is_set():
            return whole(self)
        has_begun.set()
        while True:
            self._work.pause(0.05)

    with patch.object(Maintenance, "downsample_hourly", first):
        job_id = (await call(hass, "downsample_hourly"))["job_id"]
        assert await hass.async_add_executor_job(has_begun.wait, 60)
        hass.config_entries.async_update_entry(
            hub, options={"raw_days": 0, "hourly_days": 0}
        )
        job = hub.runtime_data.jobs.get(job_id)
        await job.has_ended.wait()

    assert job.status == "finished"
    # For ever, from now on.
    assert count(influxdb, EVENTS, "value", "test") == 4 * DAY_ROWS


async def test_nothing_runs_before_home_assistant_has_started(
    hass: HomeAssistant, influxdb: InfluxServer, entry: MockConfigEntry
) -> None:
    hass.set_state(CoreState.starting)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)

    job_id = (await call(hass, "refresh_views"))["job_id"]
    job = entry.runtime_data.jobs.get(job_id)
    await asyncio.sleep(0)
    assert job.status == "queued"

    await hass.async_start()
    await job.has_ended.wait()

    assert job.status == "finished"
    await hass.config_entries.async_remove(entry.entry_id)


async def test_a_run_that_does_not_stop_in_time_is_left_behind(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    release = threading.Event()
    order: list[str] = []

    def stubborn(work: Work) -> None:
        release.wait(60)
        order.append("first")
        work.check()

    storage = storage_of(hub)
    task = hass.async_create_task(storage.async_run(stubborn, Work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with patch("custom_components.ha_ingestor.maintenance.storage._STOP_S", 0.01):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert order == []
    after = hass.async_create_task(
        storage.async_run(lambda _: order.append("second"), Work())
    )
    await asyncio.sleep(0)
    release.set()
    await after

    assert order == ["first", "second"]


async def test_a_cancelled_run_ends(hass: HomeAssistant, hub: MockConfigEntry) -> None:
    ended = threading.Event()

    def patient(work: Work) -> None:
        try:
            work.pause(60)
        except RetentionCancelledError:
            ended.set()
            raise

    task = hass.async_create_task(storage_of(hub).async_run(patient, Work()))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended.is_set()


def thread_named(name: str) -> threading.Thread:
    """A thread that runs."""
    (thread,) = [one for one in threading.enumerate() if one.name == name]
    return thread


async def test_a_result_nobody_waits_for_any_more_is_dropped(
    hass: HomeAssistant,
) -> None:
    release = threading.Event()
    reported: list[dict[str, Any]] = []
    hass.loop.set_exception_handler(lambda _, context: reported.append(context))

    async def wait_for(future: asyncio.Future[bool]) -> None:
        await future

    future = start_on_thread(hass, lambda: release.wait(60), name="dropped run")
    thread = thread_named("dropped run")
    task = hass.async_create_task(wait_for(future))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    # What it tells the loop comes before the end of this wait.
    await hass.async_add_executor_job(thread.join, 60)
    await asyncio.sleep(0)

    assert future.cancelled()
    assert not thread.is_alive()
    assert reported == []


def test_a_run_may_outlive_the_event_loop() -> None:
    """At the end of the process, nobody is there to be told."""
    release = threading.Event()
    loop = asyncio.new_event_loop()
    without_hass = cast("HomeAssistant", SimpleNamespace(loop=loop))
    future = start_on_thread(without_hass, lambda: release.wait(60), name="late run")
    thread = thread_named("late run")

    loop.close()
    release.set()
    # An error on it would be a warning, and so fail here.
    thread.join(60)

    assert not thread.is_alive()
    assert not future.done()

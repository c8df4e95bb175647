"""An archive's life in its hub: packages, the weekly run, what is shown of it."""

import datetime as dt
import json
import logging
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.diagnostics import (
    async_get_config_entry_diagnostics,
)
from custom_components.ha_ingestor.errors import (
    ArchiveLibraryError,
    ArchiveUnavailableError,
)
from custom_components.ha_ingestor.jobs.job import Job, JobStatus
from custom_components.ha_ingestor.maintenance import archive as maintenance_archive
from custom_components.ha_ingestor.maintenance.record import (
    Operation,
    Outcome,
    RunRecord,
)
from custom_components.ha_ingestor.retention.ledger import Ledger
from custom_components.ha_ingestor.retention.tiers import Tier
from devlib.influxd import InfluxServer
from devlib.s3_server import S3Server
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
from tests.archive.kit import (
    SUBENTRY_ID,
    archive_data,
    call,
    ended,
    old_rows,
    put_daily,
    ready,
    run_job,
    wait_for,
)
from tests.retention.archive_kit import BUCKET, KEY_ID, SECRET

RAW = Ledger(tier=Tier.RAW, measurement="home_assistant_events")


def find_issue(hass: HomeAssistant, entry: MockConfigEntry, key: str) -> Any:
    return ir.async_get(hass).async_get_issue(DOMAIN, f"{key}_{entry.entry_id}")


async def set_up(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()


def change(hass: HomeAssistant, entry: MockConfigEntry, data: dict[str, Any]) -> None:
    """Change the archive as its flow does."""
    hass.config_entries.async_update_subentry(
        entry, entry.subentries[SUBENTRY_ID], data=data
    )


async def test_what_the_archive_has(
    hass: HomeAssistant, hub: MockConfigEntry, tier_stores: InfluxServer
) -> None:
    put_daily(tier_stores, old_rows(3))
    await ready(hub)
    archive = hub.runtime_data.storage.archive
    assert archive.figures.is_ready
    assert (archive.figures.file_count, archive.figures.oldest) == (0, None)

    await run_job(hass, hub, "archive_to_s3")
    await wait_for(lambda: archive.figures.file_count == 3)

    today = dt_util.now().date()
    assert archive.figures.oldest == today - dt.timedelta(days=375)
    assert archive.figures.newest == today - dt.timedelta(days=373)
    assert archive.figures.size_bytes > 1_000
    assert archive.figures.problem is None
    reader = archive.open_reader()
    assert reader is not None
    assert len(reader.manifests.load((today - dt.timedelta(days=374)).year).entries) > 0


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ArchiveLibraryError("The package pyarrow cannot be used"),
            "The package pyarrow cannot be used",
        ),
        (RuntimeError("illegal instruction"), "RuntimeError"),
    ],
    ids=["missing", "broken"],
)
async def test_packages_that_cannot_be_used_turn_only_this_off(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    words: str,
) -> None:
    is_broken = True
    load = maintenance_archive.load

    def load_or_fail(name: str) -> Any:
        if is_broken:
            raise error
        return load(name)

    monkeypatch.setattr(maintenance_archive, "load", load_or_fail)
    monkeypatch.setattr(maintenance_archive, "_INSTALL_AGAIN_S", 0.05)
    await set_up(hass, entry)
    archive = entry.runtime_data.storage.archive
    assert entry.state is ConfigEntryState.LOADED

    await wait_for(lambda: archive.figures.problem is not None)

    assert not archive.figures.is_ready
    assert archive.open_reader() is None
    issue = find_issue(hass, entry, "archive_packages")
    assert issue.translation_placeholders == {
        "hub": "Test",
        "error": words,
    }
    with pytest.raises(HomeAssistantError) as raised:
        await call(hass, "list_archives")
    assert raised.value.translation_key == "archive_not_ready"

    is_broken = False
    await ready(entry)
    await wait_for(lambda: archive.figures.is_ready)

    assert find_issue(hass, entry, "archive_packages") is None
    assert (await call(hass, "list_archives"))["total"] == 0

    is_broken = True
    assert await hass.config_entries.async_reload(entry.entry_id)
    await wait_for(lambda: find_issue(hass, entry, "archive_packages") is not None)
    await hass.config_entries.async_remove(entry.entry_id)
    assert find_issue(hass, entry, "archive_packages") is None


async def test_it_is_added_changed_and_removed_in_place(
    hass: HomeAssistant, hub: MockConfigEntry, s3: S3Server
) -> None:
    await ready(hub)
    storage = hub.runtime_data.storage
    archive = storage.archive
    first = archive.require_place()
    assert storage.options.ages.daily == dt.timedelta(days=365)
    assert archive.guards(RAW) == ()
    assert archive.feeds(Ledger(tier=Tier.HOURLY, measurement="hourly_aggregates"))

    change(hass, hub, archive_data(s3.url, prefix="new", tiers=["raw"]))
    await hass.async_block_till_done()
    await ready(hub)

    assert archive.require_place() is not first
    assert archive.require_place().prefix == "new"
    assert [guard.measurement for guard in archive.guards(RAW)] == [
        "archive_home_assistant_events"
    ]
    second = archive.require_place()
    hass.config_entries.async_update_entry(
        hub, options={**hub.options, "hourly_days": 91}
    )
    await hass.async_block_till_done()
    assert archive.require_place() is second

    hass.config_entries.async_remove_subentry(hub, SUBENTRY_ID)
    await hass.async_block_till_done()

    assert archive.settings is None
    assert archive.open_reader() is None
    assert archive.guards(RAW) == ()
    assert archive.feeds(RAW) == ()
    assert storage.options.ages.daily is None


async def test_what_a_newer_version_has_stored_is_left_alone(
    hass: HomeAssistant, hub: MockConfigEntry, s3: S3Server
) -> None:
    await ready(hub)

    change(hass, hub, archive_data(s3.url, compression="brotli"))
    await hass.async_block_till_done()

    assert hub.runtime_data.storage.archive.settings is None
    change(hass, hub, archive_data(s3.url))
    await hass.async_block_till_done()
    await ready(hub)
    assert hub.runtime_data.storage.archive.figures.is_ready


def weekly_jobs(entry: MockConfigEntry) -> list[Job]:
    return [job for job in entry.runtime_data.jobs.jobs if job.kind == "archive_to_s3"]


def next_sunday() -> dt.datetime:
    """Return an hour of the night in which the archive runs."""
    now = dt_util.now()
    days = (6 - now.weekday()) % 7
    at = (now + dt.timedelta(days=days)).replace(hour=3, minute=30)
    return at if at > now + dt.timedelta(minutes=1) else at + dt.timedelta(days=7)


async def test_it_runs_on_sundays(
    hass: HomeAssistant, hub: MockConfigEntry, tier_stores: InfluxServer
) -> None:
    put_daily(tier_stores, old_rows(2))
    await ready(hub)

    async_fire_time_changed(hass, next_sunday() - dt.timedelta(minutes=31))
    await hass.async_block_till_done()
    assert weekly_jobs(hub) == []
    async_fire_time_changed(hass, next_sunday())
    await wait_for(lambda: len(weekly_jobs(hub)) == 1)

    job = await ended(hub, weekly_jobs(hub)[0].job_id)
    assert job.status is JobStatus.FINISHED, job.error
    assert job.counts["days"] == 2


@pytest.mark.parametrize("options", [{"storage_enabled": False}])
async def test_it_does_not_run_by_itself_where_nothing_does(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    await ready(hub)

    async_fire_time_changed(hass, next_sunday())
    await hass.async_block_till_done()

    assert weekly_jobs(hub) == []


async def test_a_run_that_has_not_ended_is_not_started_again(
    hass: HomeAssistant, hub: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ready(hub)
    jobs = hub.runtime_data.jobs
    await jobs.async_stop()
    await jobs.async_add("archive_to_s3", {})

    async_fire_time_changed(hass, next_sunday())
    await hass.async_block_till_done()

    assert len(weekly_jobs(hub)) == 1
    # Nor is one where too many wait already.
    await jobs.async_cancel(weekly_jobs(hub)[0])
    monkeypatch.setattr("custom_components.ha_ingestor.jobs.registry.MAX_OPEN_JOBS", 0)
    async_fire_time_changed(hass, next_sunday() + dt.timedelta(days=7))
    await hass.async_block_till_done()
    assert len(weekly_jobs(hub)) == 1
    with pytest.raises(ServiceValidationError) as raised:
        await call(hass, "archive_to_s3")
    assert raised.value.translation_key == "too_many_jobs"


async def test_what_it_has_stays_known_while_the_service_is_away(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    tier_stores: InfluxServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_daily(tier_stores, old_rows(1))
    await ready(hub)
    archive = hub.runtime_data.storage.archive
    await run_job(hass, hub, "archive_to_s3")
    await wait_for(lambda: archive.figures.file_count == 1)

    def fail(place: Any) -> None:
        raise ArchiveUnavailableError("The connection failed")

    monkeypatch.setattr(maintenance_archive, "measure", fail)
    await run_job(hass, hub, "archive_to_s3")
    await wait_for(lambda: archive.figures.problem is not None)

    assert archive.figures.file_count == 1
    assert archive.figures.problem == "The connection failed"
    monkeypatch.undo()
    await run_job(hass, hub, "archive_to_s3")
    await wait_for(lambda: archive.figures.problem is None)


async def test_a_missed_sunday_is_made_up_for(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    await ready(hub)
    at = dt_util.utcnow() - dt.timedelta(days=15)
    hub.runtime_data.storage.async_note(
        RunRecord(
            operation=Operation.ARCHIVE,
            outcome=Outcome.DONE,
            started_at=at,
            ended_at=at,
        )
    )
    assert await hass.config_entries.async_reload(hub.entry_id)
    await ready(hub)
    assert weekly_jobs(hub) == []

    async_fire_time_changed(hass, dt_util.utcnow() + dt.timedelta(minutes=16))
    await wait_for(lambda: len(weekly_jobs(hub)) == 1)

    job = await ended(hub, weekly_jobs(hub)[0].job_id)
    assert job.status is JobStatus.FINISHED, job.error


async def test_nothing_shows_where_it_is_or_how_to_get_there(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    s3: S3Server,
    caplog: pytest.LogCaptureFixture,
    hass_client: ClientSessionGenerator,
) -> None:
    caplog.set_level(logging.DEBUG)
    await set_up(hass, entry)
    await ready(entry)
    await run_job(hass, entry, "archive_to_s3")

    found = await async_get_config_entry_diagnostics(hass, entry)

    shown = json.dumps(found, default=str)
    assert [
        secret
        for secret in (SECRET, KEY_ID, s3.url, BUCKET, "homes")
        if secret in shown
    ] == []
    assert found["archive"]["service"] == "other"
    assert found["archive"]["has_keys"] is True
    assert found["archive"]["is_ready"] is True
    assert found["archive"]["file_count"] == 0
    assert SECRET not in caplog.text
    hass.config_entries.async_remove_subentry(entry, SUBENTRY_ID)
    await hass.async_block_till_done()
    found = await async_get_config_entry_diagnostics(hass, entry)
    assert found["archive"] is None
    await hass.config_entries.async_remove(entry.entry_id)


async def test_a_removed_hub_leaves_nothing_on_disk(
    hass: HomeAssistant, entry: MockConfigEntry, tier_stores: InfluxServer
) -> None:
    put_daily(tier_stores, old_rows(1))
    await set_up(hass, entry)
    await ready(entry)
    await run_job(hass, entry, "archive_to_s3")
    folder = maintenance_archive.working_folder_of(hass, entry.entry_id)
    assert folder.exists()

    await hass.config_entries.async_remove(entry.entry_id)

    assert not folder.exists()

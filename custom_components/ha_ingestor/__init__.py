"""HA Ingestor: every event of the home, with its context, in InfluxDB."""

from typing import Final

from homeassistant.const import EVENT_HOMEASSISTANT_FINAL_WRITE, Platform
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.typing import ConfigType

from .api.sources import async_setup_api
from .backfill.absence import async_note_absence
from .backfill.csv_job import JOB_BACKFILL_CSV, CsvBackfill, async_sweep_uploads
from .backfill.recorder_job import JOB_BACKFILL, RecorderBackfill
from .const import DOMAIN
from .coordinator import PipelineCoordinator
from .coordinators.hub_sources import HubSources, async_delete_caches
from .data import IngestorConfigEntry, IngestorRuntimeData
from .errors import BufferUnusableError
from .ingest.collector import discard_collector
from .issues import (
    async_ask_for_credentials,
    async_delete_issues,
    async_show_unusable_buffer,
    async_watch_issues,
)
from .jobs.registry import JobRegistry, async_delete_jobs
from .maintenance.archive import async_delete_archive_folder
from .maintenance.jobs import StorageJobs
from .maintenance.late import LateRows
from .maintenance.schedule import StorageSchedule
from .maintenance.storage import HubStorage, async_delete_storage
from .options import HubOptions
from .pipeline import Pipeline, async_delete_files
from .services import async_setup_services
from .store.influx.target import Target
from .store.stats import LinkState

CONFIG_SCHEMA: Final = cv.config_entry_only_config_schema(DOMAIN)
PLATFORMS: Final = [
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.EVENT,
    Platform.SENSOR,
]


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Register the actions and endpoints."""
    async_setup_services(hass)
    async_setup_api(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: IngestorConfigEntry) -> bool:
    """Start a hub; a database that is away does not hold it up."""

    @callback
    def link_changed(link: LinkState) -> None:
        async_ask_for_credentials(hass, entry, link)
        if hasattr(entry, "runtime_data"):
            entry.runtime_data.coordinator.async_refresh_now()

    pipeline = Pipeline(
        hass,
        entry.entry_id,
        Target.from_entry_data(entry.data),
        HubOptions.from_entry_options(entry.options),
        link_changed,
    )
    try:
        await pipeline.async_start()
    except BufferUnusableError as err:
        async_show_unusable_buffer(hass, entry, str(err))
        raise ConfigEntryError(
            translation_domain=DOMAIN,
            translation_key="buffer_unusable",
            translation_placeholders={"error": str(err)},
        ) from err
    coordinator = PipelineCoordinator(hass, entry, pipeline)
    jobs = JobRegistry(hass, entry)
    storage = HubStorage(hass, entry, pipeline, jobs)
    await storage.async_start()
    await _async_prepare_jobs(hass, entry, storage)
    entry.runtime_data = IngestorRuntimeData(
        pipeline=pipeline,
        coordinator=coordinator,
        jobs=jobs,
        sources=HubSources(hass, entry, pipeline),
        storage=storage,
        connection=dict(entry.data),
    )

    async def final_write(_: Event) -> None:
        await _async_stop(entry, is_collecting=False)

    entry.async_on_unload(
        hass.bus.async_listen(EVENT_HOMEASSISTANT_FINAL_WRITE, final_write)
    )
    entry.async_on_unload(entry.add_update_listener(_async_update))
    entry.async_on_unload(async_watch_issues(hass, entry, pipeline, coordinator))
    await entry.runtime_data.sources.async_apply()
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    jobs.async_start()
    entry.async_on_unload(StorageSchedule(storage).async_start())
    return True


async def _async_prepare_jobs(
    hass: HomeAssistant, entry: IngestorConfigEntry, storage: HubStorage
) -> None:
    """Load the jobs of a former run, and note what it has missed."""
    jobs, pipeline = storage.jobs, storage.pipeline
    StorageJobs(storage).async_register()
    tiers = LateRows(storage)
    jobs.register(JOB_BACKFILL, RecorderBackfill(hass, pipeline, tiers).async_run)
    csv = CsvBackfill(hass, pipeline, tiers)
    jobs.register(JOB_BACKFILL_CSV, csv.async_run, on_end=csv.async_forget_upload)
    await jobs.async_load()
    await async_sweep_uploads(hass, entry.entry_id, jobs.jobs)
    await async_note_absence(jobs, pipeline.absence)


async def _async_update(hass: HomeAssistant, entry: IngestorConfigEntry) -> None:
    """Apply options and sources in place; only a new target needs a reload."""
    if dict(entry.data) != entry.runtime_data.connection:
        hass.config_entries.async_schedule_reload(entry.entry_id)
        return
    await entry.runtime_data.pipeline.async_set_options(
        HubOptions.from_entry_options(entry.options)
    )
    await entry.runtime_data.sources.async_apply()
    await entry.runtime_data.storage.async_set_options()


async def async_unload_entry(hass: HomeAssistant, entry: IngestorConfigEntry) -> bool:
    """Stop a hub; unless it is given up, its listener goes on for the next set-up."""
    if not await hass.config_entries.async_unload_platforms(entry, PLATFORMS):
        return False
    await _async_stop(
        entry, is_collecting=entry.disabled_by is None and not hass.is_stopping
    )
    return True


async def _async_stop(entry: IngestorConfigEntry, *, is_collecting: bool) -> None:
    """End what runs; the pipeline last, which takes what the others leave."""
    await entry.runtime_data.jobs.async_stop()
    await entry.runtime_data.storage.async_stop()
    await entry.runtime_data.sources.async_stop()
    await entry.runtime_data.pipeline.async_stop(is_collecting=is_collecting)


async def async_remove_entry(hass: HomeAssistant, entry: IngestorConfigEntry) -> None:
    """Remove what a hub has left on disk; the data in InfluxDB stays."""
    discard_collector(hass, entry.entry_id)
    async_delete_issues(hass, entry)
    await async_delete_files(hass, entry.entry_id)
    await async_delete_jobs(hass, entry.entry_id)
    await async_delete_storage(hass, entry.entry_id)
    await async_delete_archive_folder(hass, entry.entry_id)
    await async_sweep_uploads(hass, entry.entry_id)
    await async_delete_caches(hass, entry)

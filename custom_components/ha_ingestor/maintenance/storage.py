"""A hub's tiers: who talks to them, what is proven of them, one thread for all runs.

Runs are long and block, so they have a thread of their own, one at a time; what is on
the event loop only starts them, shows how far they are and ends them.
"""

import asyncio
from collections.abc import Callable
import datetime as dt
import logging
from pathlib import Path
import time
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EVENT_CORE_CONFIG_UPDATE
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers.storage import STORAGE_DIR
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from ..const import DOMAIN, SUBENTRY_ARCHIVE
from ..errors import CheckpointError, RetentionError, RetentionStoresError, StoreError
from ..jobs.registry import JobRegistry
from ..pipeline import Pipeline
from ..retention.checkpoint import Checkpoint
from ..retention.stores import TierStores
from ..retention.tiers import Tier
from ..retention.work import Work
from ..views.manager import ViewManager
from .archive import HubArchive
from .coordinator import StorageCoordinator, StorageHealth
from .figures import StorageFigures, read_figures
from .home_energy import async_get_home_entities
from .issues import StorageIssues
from .journal import RunJournal, async_delete_journal
from .metrics import write_record
from .record import RunRecord
from .storage_options import StorageOptions
from .thread import start_on_thread

_LOGGER = logging.getLogger(__name__)

# A run asks whether it should stop between two requests; nobody waits for the answer
# to a longer one.
_STOP_S: Final = 1.0
# Events go to disk four times a second; a disk that needs longer than this is full.
_ON_DISK_S: Final = 10.0
# An event was on its way to the disk for less than this, or the disk refused it.
_BUFFER_MARGIN_NS: Final = 5 * 60 * 1_000_000_000
# Runs that have outlived their hub, by its id: the next set-up waits for them.
_LEFT_BEHIND: HassKey[dict[str, set[asyncio.Future[Any]]]] = HassKey(
    f"{DOMAIN}_storage_left_behind"
)


def checkpoint_path(hass: HomeAssistant, entry_id: str) -> Path:
    """Return where the proofs of a hub are."""
    return Path(hass.config.path(STORAGE_DIR, DOMAIN, f"{entry_id}.retention.db"))


class HubStorage:
    """Owns the tiers of one hub and the thread of their runs. Event loop only.

    Attributes:
        tiers: Threads may share them.
        checkpoint: Open between `async_start` and `async_stop`, unless `error`.
        zone: Where the home is; its days and hours are the windows.
        views: Threads may share them.
        home_entities: Those that measure what the home takes from the grid, as of the
            last run; None while that is not known.
        journal: What the runs have done.
        issues: What of it only a person can mend.
        coordinator: Tells the entities.
        archive: It is there in any case; whether the user has added one, it says.
        error: Why nothing of this can be used; None where it can.
        next_run_at: Of the nightly runs; the schedule says so.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        pipeline: Pipeline,
        jobs: JobRegistry,
    ) -> None:
        """Prepare; nothing is opened or sent yet."""
        self.hass = hass
        self.entry = entry
        self.pipeline = pipeline
        self.jobs = jobs
        self.options = self._read_options()
        self.tiers = TierStores(
            pipeline.target, ages=self.options.ages, overrides=self.options.overrides
        )
        self.checkpoint = Checkpoint(checkpoint_path(hass, entry.entry_id))
        self.zone: dt.tzinfo = dt_util.get_default_time_zone()
        self.home_entities: tuple[str, ...] | None = None
        self.views = self._create_views()
        self.journal = RunJournal(hass, entry.entry_id)
        self.archive = HubArchive(hass, entry, self)
        self.error: str | None = None
        self.next_run_at: dt.datetime | None = None
        self.figures: StorageFigures | None = None
        self.issues = StorageIssues(hass, entry, self.async_show)
        self.coordinator = StorageCoordinator(hass, entry, self._read_health())
        self._lock = asyncio.Lock()
        self._figures_lock = asyncio.Lock()
        self._on_disk_ns = 0
        self._is_stopped = False
        self._options_listeners: list[CALLBACK_TYPE] = []
        # The run that is on the thread, and whether it is to begin anew.
        self._current: Work | None = None
        self._restarts = 0

    def _read_options(self) -> StorageOptions:
        return StorageOptions.from_entry_options(
            self.entry.options,
            self.pipeline.target.api_version,
            has_archive=any(
                subentry.subentry_type == SUBENTRY_ARCHIVE
                for subentry in self.entry.subentries.values()
            ),
        )

    def _create_views(self) -> ViewManager:
        return ViewManager(
            self.tiers,
            self.checkpoint,
            zone=self.zone,
            home_entities=lambda: self.home_entities,
        )

    # --- life ---

    async def async_start(self) -> None:
        """Open what is on disk; InfluxDB is not asked for anything yet."""
        self.entry.async_on_unload(
            self.hass.bus.async_listen(EVENT_CORE_CONFIG_UPDATE, self._home_changed)
        )
        await self.journal.async_load()
        try:
            await self.hass.async_add_executor_job(self.checkpoint.open)
        except CheckpointError as err:
            self.error = str(err)
            _LOGGER.warning("Nothing is aggregated or deleted: %s", err)
            self.issues.async_show_unusable(self.error)
        for record in self.journal.records.values():
            if self.options.is_enabled:
                self.issues.async_follow(record)
        await self.archive.async_apply()
        self.async_show()

    async def async_stop(self) -> None:
        """Close everything; a run that does not end in time is left behind."""
        if self._is_stopped:
            return
        self._is_stopped = True
        self.issues.async_close()
        await self.archive.async_stop()
        await self.journal.async_save()
        await self.hass.async_add_executor_job(self._close)

    def _close(self) -> None:
        self.checkpoint.close()
        self.tiers.close()

    async def async_set_options(self) -> None:
        """Apply changed options; a run that follows other ages begins anew."""
        before, self.options = self.options, self._read_options()
        self.tiers.ages = self.options.ages
        self.tiers.overrides = self.options.overrides
        if not self.options.is_enabled:
            self.issues.async_forget_runs()
        if (before.ages, before.overrides, before.activity_age) != (
            self.options.ages,
            self.options.overrides,
            self.options.activity_age,
        ):
            self.async_restart_run()
        await self.archive.async_apply()
        self.async_show()

        for listener in list(self._options_listeners):
            listener()

    @callback
    def async_listen_options(self, listener: CALLBACK_TYPE) -> CALLBACK_TYPE:
        """Call back when options have changed; returns how to stop that."""
        self._options_listeners.append(listener)

        @callback
        def stop() -> None:
            self._options_listeners.remove(listener)

        return stop

    @callback
    def _home_changed(self, _: Event) -> None:
        """Follow the home to another time zone: from now on its days are others."""
        zone = dt_util.get_default_time_zone()
        if zone == self.zone:
            return
        self.zone = zone
        self.views = self._create_views()
        self.async_restart_run()
        for listener in list(self._options_listeners):
            listener()

    @callback
    def async_restart_run(self) -> None:
        """Have the run on the thread begin anew: what it follows has changed."""
        if self._current is not None:
            self._restarts += 1
            self._current.cancel()

    @property
    def restarts(self) -> int:
        """How often runs were asked to begin anew."""
        return self._restarts

    # --- runs ---

    async def async_run[T](self, run: Callable[[Work], T], work: Work) -> T:
        """Run something on the thread, after what is on it.

        Whoever cancels the task that waits for it cancels the run, and waits for a
        moment.

        Args:
            run: Blocking; gets `work`.

        Raises:
            CheckpointError: Nothing can be run.
        """
        async with self._lock:
            self.async_require()
            await self._async_wait_for_left_behind()
            self._current = work
            try:
                return await self._async_run_beside(run, work)
            finally:
                self._current = None

    async def async_ask[T](self, question: Callable[[Work], T]) -> T:
        """Run something that only reads, beside what is on the thread.

        Raises:
            CheckpointError: Nothing can be run.
        """
        self.async_require()
        return await self._async_run_beside(question, Work())

    @callback
    def async_require(self) -> None:
        """Raise if nothing can be run.

        Raises:
            CheckpointError: The record of what is proven cannot be used.
        """
        if self.error is not None:
            raise CheckpointError(self.error)

    async def _async_run_beside[T](self, run: Callable[[Work], T], work: Work) -> T:
        future = start_on_thread(self.hass, lambda: run(work), name=f"{DOMAIN} storage")
        try:
            # A shield would report an error that nobody waits for any more.
            await asyncio.wait([future])
            return future.result()
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.wait([future], timeout=_STOP_S)
            raise
        finally:
            if not future.done():
                left_behind = self.hass.data.setdefault(_LEFT_BEHIND, {})
                left_behind.setdefault(self.entry.entry_id, set()).add(future)

    async def _async_wait_for_left_behind(self) -> None:
        left_behind = self.hass.data.get(_LEFT_BEHIND, {})
        if futures := left_behind.get(self.entry.entry_id):
            await asyncio.wait(futures)
            left_behind.pop(self.entry.entry_id, None)

    async def async_run_prepared[T](self, run: Callable[[Work], T], work: Work) -> T:
        """Run something that needs all stores of the tiers.

        Raises:
            RetentionStoresError: Some are missing; a person is told which.
            StoreError: The server is away, or refuses the credentials.
            CheckpointError: Nothing can be run.
        """

        def run_prepared(work: Work) -> T:
            too_short = _prepare(self.tiers)
            self.hass.loop.call_soon_threadsafe(show_prepared, too_short)
            return run(work)

        @callback
        def show_prepared(too_short: dict[Tier, dt.timedelta]) -> None:
            self.issues.async_show_missing_stores(self.tiers, None)
            self.issues.async_show_too_short(self.tiers, too_short)

        await self.async_settle()
        self.home_entities = await async_get_home_entities(self.hass)
        try:
            return await self.async_run(run_prepared, work)
        except RetentionStoresError as err:
            self.issues.async_show_missing_stores(self.tiers, err.missing)
            raise

    # --- what waits to be written ---

    async def async_settle(self) -> None:
        """Have all that was captured until now on disk, as far as the disk takes it."""
        now_ns = time.time_ns()
        try:
            on_disk = self.pipeline.put_past([])
        except RuntimeError:
            # The pipeline has stopped, and so will whoever asks.
            return
        if await self.hass.async_add_executor_job(on_disk.wait, _ON_DISK_S):
            self._on_disk_ns = now_ns

    def settled_until_ns(self) -> int:
        """Return before which time nothing waits to be written; any thread.

        As of the last `async_settle`: what is older than that is on disk, and what is
        on disk and not written was added at a time that is known.
        """
        oldest_ns = self.pipeline.buffer.size().oldest_ns
        if oldest_ns is None:
            return self._on_disk_ns
        return min(self._on_disk_ns, oldest_ns - _BUFFER_MARGIN_NS)

    # --- what is shown ---

    async def async_record(self, record: RunRecord) -> None:
        """Keep what a run has done, for sensors, issues and `retention_metrics`."""
        self.async_note(record)
        try:
            await self.async_run(lambda _: write_record(self.tiers, record), Work())
        except (StoreError, RetentionError) as err:
            _LOGGER.info("The figures of the last run are not stored: %s", err)

    @callback
    def async_note(self, record: RunRecord) -> None:
        """Keep what a run has done where that takes no time."""
        self.journal.add(record)
        if self.options.is_enabled:
            self.issues.async_follow(record)
        self.async_show()

    async def async_read_figures(self, max_age: dt.timedelta) -> None:
        """Count and measure what the tiers hold, unless that was done lately.

        A server that is away leaves the figures as they were.

        Args:
            max_age: How old they may be.
        """
        async with self._figures_lock:
            now = dt_util.utcnow()
            figures = self.figures
            if figures is not None and now - figures.read_at < max_age:
                return
            try:
                self.figures = await self.async_ask(
                    lambda work: read_figures(
                        self.tiers, zone=self.zone, now=now, work=work
                    )
                )
            except (StoreError, RetentionError) as err:
                _LOGGER.debug("The figures of the tiers cannot be read: %s", err)
                return
        self.async_show()

    @callback
    def async_show(self) -> None:
        """Tell the entities what is new."""
        self.coordinator.async_set_updated_data(self._read_health())

    def _read_health(self) -> StorageHealth:
        return StorageHealth(
            figures=self.figures,
            records=dict(self.journal.records),
            records_moved=self.journal.records_moved,
            next_run_at=self.next_run_at,
            archive=self.archive.figures,
            problems=self.issues.shown,
            price_per_gb_month=self.options.price_per_gb_month,
        )


def _prepare(stores: TierStores) -> dict[Tier, dt.timedelta]:
    """Create what is missing; returns the stores that the server empties too early."""
    stores.ensure()
    try:
        return stores.too_short()
    except StoreError as err:
        # Nobody but an administrator of the server may ask; it is only a warning.
        _LOGGER.debug("How long the server keeps rows is not known: %s", err)
        return {}


async def async_delete_storage(hass: HomeAssistant, entry_id: str) -> None:
    """Delete what a hub that was removed has left of its proofs and runs."""
    path = checkpoint_path(hass, entry_id)

    def delete() -> None:
        # With its journals, and a damaged one that was moved aside.
        for file in path.parent.glob(f"{path.stem}.*"):
            file.unlink(missing_ok=True)

    await hass.async_add_executor_job(delete)
    await async_delete_journal(hass, entry_id)

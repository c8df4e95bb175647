"""A hub's archive: there while the user has one, ready once its packages are.

The packages are large and only this needs them, so they are installed in the
background at each set-up that has an archive. Where they cannot be, only this feature
is off, and a repair issue says why.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
import datetime as dt
import logging
from pathlib import Path
import shutil
from typing import TYPE_CHECKING, Final

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.storage import STORAGE_DIR
from homeassistant.util import dt as dt_util

from ..const import DOMAIN, SERVICE_ARCHIVE_TO_S3, SUBENTRY_ARCHIVE
from ..errors import (
    ArchiveError,
    ArchiveLibraryError,
    ArchiveTargetError,
    PackagesMissingError,
    TooManyJobsError,
)
from ..requirements import async_install
from ..retention.archive import ArchiveJob, remove_leftovers
from ..retention.archive_ledgers import archive_feeds, archive_guards
from ..retention.archive_list import ArchiveSize, measure
from ..retention.archive_place import ArchivePlace, reading_folder
from ..retention.field_units import field_units
from ..retention.ledger import Ledger
from ..retention.packages import REQUIREMENTS, load
from ..retention.s3 import S3Bucket
from ..retention.tiers import Tier
from .archive_settings import ArchiveSettings
from .record import Operation
from .times import async_track_moments, jitter_of, last_local, next_local

if TYPE_CHECKING:
    from .storage import HubStorage

_LOGGER = logging.getLogger(__name__)

# The log of Home Assistant tells more; a network that was away is back by then.
_INSTALL_AGAIN_S: Final = 3_600.0
# Sunday night: homes are quiet, and the nightly runs have ended.
WEEKDAY: Final = 6
AT: Final = dt.time(3)
# A run that Home Assistant has missed: not among all that starts with it.
_CATCH_UP_S: Final = 900.0
_ISSUE_PACKAGES: Final = "archive_packages"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFigures:
    """What the archive has.

    Attributes:
        file_count: Days in it; None until it was asked.
        size_bytes: What is paid for; None likewise.
        oldest, newest: Local dates.
        is_ready: Whether it can be used.
        problem: Why not, or why nobody knows what it has.
    """

    file_count: int | None = None
    size_bytes: int | None = None
    oldest: dt.date | None = None
    newest: dt.date | None = None
    is_ready: bool = False
    problem: str | None = None


class HubArchive:
    """The archive of one hub, if the user has added one. Event loop only.

    `open_reader`, `feeds` and `guards` may be called on any thread.
    """

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, storage: HubStorage
    ) -> None:
        """Prepare; `async_apply` looks whether there is one."""
        self._hass = hass
        self._entry = entry
        self._storage = storage
        self._settings: ArchiveSettings | None = None
        self._place: ArchivePlace | None = None
        self._bucket: S3Bucket | None = None
        # Data of the subentry that holds now; Home Assistant puts other data into it.
        self._applied: object = None
        self._size: ArchiveSize | None = None
        self._problem: str | None = None
        # Whether it is known if it can be used.
        self._is_settled = asyncio.Event()
        self._opening: asyncio.Task[None] | None = None
        self._timers: list[CALLBACK_TYPE] = []

    @property
    def settings(self) -> ArchiveSettings | None:
        """What the user has chosen; None without an archive."""
        return self._settings

    @property
    def figures(self) -> ArchiveFigures | None:
        """What it has; None without an archive."""
        if self._settings is None:
            return None
        size = self._size
        return ArchiveFigures(
            file_count=None if size is None else size.file_count,
            size_bytes=None if size is None else size.size_bytes,
            oldest=None if size is None else size.oldest,
            newest=None if size is None else size.newest,
            is_ready=self._place is not None,
            problem=self._problem,
        )

    def require_place(self) -> ArchivePlace:
        """Return where the archive is.

        Raises:
            ArchiveTargetError: The user has none (any more).
            ArchiveLibraryError: It cannot be used (yet).
        """
        if self._settings is None:
            raise ArchiveTargetError("There is no archive")
        if self._place is None:
            raise ArchiveLibraryError(
                self._problem or "The packages of the archive are not installed yet"
            )
        return self._place

    async def async_wait_settled(self) -> None:
        """Wait until it is known whether it can be used; installing takes minutes."""
        await self._is_settled.wait()

    def open_reader(self) -> ArchiveJob | None:
        """Return what reads daily rows of the archive; None if nothing can."""
        place = self._place
        return None if place is None else place.reader(Tier.DAILY)

    def feeds(self, ledger: Ledger) -> tuple[Ledger, ...]:
        """Return what has to be archived again when a ledger changes."""
        return archive_feeds(self._tiers, ledger) if self._settings else ()

    def guards(self, ledger: Ledger) -> tuple[Ledger, ...]:
        """Return what must be in the archive before rows of a ledger may go."""
        return archive_guards(self._tiers, ledger)

    @property
    def _tiers(self) -> Collection[Tier]:
        settings = self._settings
        return frozenset() if settings is None else settings.tiers

    # --- life ---

    async def async_apply(self) -> None:
        """Follow what the user has added, changed or removed; holds nothing up."""
        subentry = self._find()
        data = None if subentry is None else subentry.data
        if data is self._applied:
            if data is None:
                self._is_settled.set()
            return
        await self._async_close()
        self._applied = data
        if subentry is None:
            self._is_settled.set()
            self._storage.async_show()
            return
        try:
            self._settings = ArchiveSettings.from_subentry_data(subentry.data)
        except (ArchiveError, KeyError, ValueError) as err:
            # Of a version that knew more; changing the archive mends it.
            # Their words could repeat what is secret.
            self._is_settled.set()
            _LOGGER.warning("The archive cannot be used: %s", type(err).__name__)
            return
        self._opening = self._entry.async_create_background_task(
            self._hass, self._async_open(self._settings), f"{DOMAIN} archive"
        )
        self._timers.append(
            async_track_moments(self._hass, self._find_next, self._start_weekly)
        )
        self._storage.async_show()

    def _find(self) -> ConfigSubentry | None:
        return next(
            (
                subentry
                for subentry in self._entry.subentries.values()
                if subentry.subentry_type == SUBENTRY_ARCHIVE
            ),
            None,
        )

    async def _async_open(self, settings: ArchiveSettings) -> None:
        """Make it usable, however often that has to be tried."""
        while (problem := await self._async_install()) is not None:
            self._problem = problem
            self._is_settled.set()
            self._show_packages(problem)
            self._storage.async_show()
            await asyncio.sleep(_INSTALL_AGAIN_S)
        self._forget_packages()
        folder = working_folder_of(self._hass, self._entry.entry_id)
        await self._hass.async_add_executor_job(
            remove_leftovers, reading_folder(folder)
        )
        self._bucket = S3Bucket(settings.target)
        self._problem = None
        self._place = ArchivePlace(
            files=self._bucket,
            prefix=settings.prefix,
            hub=settings.hub,
            folder=folder,
            units=field_units(self._hass.config.currency),
            labels={"time_zone": self._hass.config.time_zone},
            compression=settings.compression,
        )
        self._is_settled.set()
        self._catch_up()
        await self.async_refresh_figures()

    async def _async_install(self) -> str | None:
        """Install what is missing; return what is wrong, None if nothing."""
        try:
            await async_install_packages(self._hass)
        except (PackagesMissingError, ArchiveLibraryError) as err:
            return str(err)
        except Exception as err:
            # Compiled code fails in ways of its own, and jobs wait for the outcome.
            _LOGGER.exception("Unexpected error in the packages of the archive")
            return type(err).__name__
        return None

    async def async_stop(self) -> None:
        """Close it; a run that is under way ends with its own."""
        await self._async_close()
        self._applied = None

    async def _async_close(self) -> None:
        for cancel in self._timers:
            cancel()
        self._timers.clear()
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
            await asyncio.wait({opening})
        self._is_settled.clear()
        bucket, self._bucket = self._bucket, None
        self._settings = self._place = self._size = self._problem = None
        self._forget_packages()
        if bucket is not None:
            await self._hass.async_add_executor_job(bucket.close)

    # --- what is shown ---

    async def async_refresh_figures(self) -> None:
        """Ask the service what there is; what was known stays if it is away."""
        if (place := self._place) is None:
            return
        try:
            size = await self._hass.async_add_executor_job(measure, place)
        except ArchiveError as err:
            self._problem = str(err)
            _LOGGER.debug("The archive does not tell what it has: %s", err)
        else:
            self._size, self._problem = size, None
        self._storage.async_show()

    @callback
    def async_note_change(self) -> None:
        """Have the figures read anew: a run has changed what there is."""
        # Ends by itself, or with the hub.
        _ = self._entry.async_create_background_task(
            self._hass, self.async_refresh_figures(), f"{DOMAIN} archive figures"
        )

    def _show_packages(self, problem: str) -> None:
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            f"{_ISSUE_PACKAGES}_{self._entry.entry_id}",
            is_fixable=False,
            severity=ir.IssueSeverity.ERROR,
            translation_key=_ISSUE_PACKAGES,
            translation_placeholders={"hub": self._entry.title, "error": problem},
        )

    def _forget_packages(self) -> None:
        ir.async_delete_issue(
            self._hass, DOMAIN, f"{_ISSUE_PACKAGES}_{self._entry.entry_id}"
        )

    # --- the weekly run ---

    def _find_next(self, after: dt.datetime) -> dt.datetime:
        return next_local(
            (AT,), after, self._storage.zone, weekday=WEEKDAY, delay=self._delay
        )

    @property
    def _delay(self) -> dt.timedelta:
        return jitter_of(self._entry.entry_id, SERVICE_ARCHIVE_TO_S3)

    def _catch_up(self) -> None:
        """Start what was due while Home Assistant was off."""
        record = self._storage.journal.records.get(Operation.ARCHIVE)
        due_at = last_local(
            (AT,),
            dt_util.utcnow(),
            self._storage.zone,
            weekday=WEEKDAY,
            delay=self._delay,
        )
        if record is not None and record.started_at < due_at:
            self._timers.append(
                async_call_later(self._hass, _CATCH_UP_S, self._start_missed)
            )

    @callback
    def _start_missed(self, _: dt.datetime) -> None:
        self._start_weekly()

    @callback
    def _start_weekly(self) -> None:
        if (
            self._place is not None
            and self._storage.options.is_enabled
            and self._hass.is_running
        ):
            _ = self._entry.async_create_task(
                self._hass, self._async_start_run(), f"{DOMAIN} weekly archive"
            )

    async def _async_start_run(self) -> None:
        jobs = self._storage.jobs
        if any(job.is_open and job.kind == SERVICE_ARCHIVE_TO_S3 for job in jobs.jobs):
            return
        try:
            await jobs.async_add(SERVICE_ARCHIVE_TO_S3, {})
        except TooManyJobsError:
            _LOGGER.info("The weekly archive is left out: too many jobs wait")


async def async_install_packages(hass: HomeAssistant) -> None:
    """Install what the archive needs, and find out whether it runs on this machine.

    Raises:
        PackagesMissingError: Something cannot be installed.
        ArchiveLibraryError: It does not run.
    """
    await async_install(hass, REQUIREMENTS)
    await hass.async_add_executor_job(_load_all)


def working_folder_of(hass: HomeAssistant, entry_id: str) -> Path:
    """Return where files of a hub's archive are made."""
    return Path(hass.config.path(STORAGE_DIR, DOMAIN, "archive", entry_id))


async def async_delete_archive_folder(hass: HomeAssistant, entry_id: str) -> None:
    """Delete what a hub that was removed has left; the archive itself stays."""
    folder = working_folder_of(hass, entry_id)
    await hass.async_add_executor_job(shutil.rmtree, folder, True)


def _load_all() -> None:
    for name in ("boto3", "pyarrow.parquet"):
        load(name)

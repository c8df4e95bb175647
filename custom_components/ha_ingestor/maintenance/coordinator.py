"""What the entities of the device "Storage" show."""

from collections.abc import Mapping
from dataclasses import dataclass
import datetime as dt
import logging
from typing import TYPE_CHECKING

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

from ..const import DOMAIN
from .figures import StorageFigures
from .issues import StorageIssue
from .record import Operation, RunRecord

if TYPE_CHECKING:
    from .archive import ArchiveFigures

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageHealth:
    """How a hub's tiers are.

    Attributes:
        figures: None until they have been read.
        records: The last run of each operation.
        records_moved: Rows written to coarser tiers since the hub was added.
        next_run_at: Of the nightly runs; None where there will be none.
        archive: None without an archive.
        problems: What only a person can mend.
        price_per_gb_month: In Home Assistant's currency.
    """

    figures: StorageFigures | None
    records: Mapping[Operation, RunRecord]
    records_moved: int
    next_run_at: dt.datetime | None
    archive: ArchiveFigures | None
    problems: tuple[StorageIssue, ...]
    price_per_gb_month: float


class StorageCoordinator(DataUpdateCoordinator[StorageHealth]):
    """Tells the entities what is new; it asks for nothing by itself."""

    config_entry: ConfigEntry

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, health: StorageHealth
    ) -> None:
        """Begin with what is known."""
        super().__init__(hass, _LOGGER, config_entry=entry, name=f"{DOMAIN} storage")
        self.data = health

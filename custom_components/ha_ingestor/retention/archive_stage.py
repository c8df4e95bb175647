"""What one run of the archive holds: its result, its tiers, the rows of a day."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ..models import Point
from .archive import ArchivedDay, ArchiveJob
from .checkpoint import count_row
from .stores import TierStores
from .stream import RowStream
from .tiers import Tier
from .transfer import point_of
from .windows import NS_PER_DAY, Window
from .work import Work

# What was kept and why, spelled out; a person needs the first ones.
_MAX_KEPT: Final = 20


@dataclass(slots=True, kw_only=True)
class ArchiveResult:
    """What a run did, or would do.

    Attributes:
        days: Local days whose rows were made sure of in the archive.
        files: Of these, how many were uploaded; and roll-ups of months.
        rows: In the files of these days.
        size_bytes: What was uploaded.
        values_due: In a dry run: field values of the days that are due.
        values_deleted: Field values that are gone from the daily store.
        kept: Days that stay, and why; the first ones.
        storage_note: What a person should know of this server.
    """

    days: int = 0
    files: int = 0
    rows: int = 0
    size_bytes: int = 0
    values_due: int = 0
    values_deleted: int = 0
    kept: list[str] = field(default_factory=list)
    storage_note: str | None = None

    def add(self, archived: ArchivedDay) -> None:
        """Count a day that is in the archive."""
        self.days += 1
        self.rows += archived.deletable_count
        if archived.was_uploaded and archived.entry is not None:
            self.files += 1
            self.size_bytes += archived.entry.size_bytes

    def keep(self, what: str) -> None:
        """Note that something stays where it is."""
        if len(self.kept) < _MAX_KEPT:
            self.kept.append(what)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One tier of a run.

    Attributes:
        measurements: Those of the tier that have rows.
        start_ns: In the first local day that may be due.
        end_ns: Where the last of them ends.
        delete_until_ns: UTC days that end until then may be deleted; None for none.
    """

    tier: Tier
    job: ArchiveJob
    measurements: tuple[str, ...]
    start_ns: int
    end_ns: int
    delete_until_ns: int | None


class DayRows:
    """The rows of one local day, of all measurements, counted as they are read.

    Attributes:
        counts: Measurement to the start of a UTC day to its field values, as they
            were read last.
    """

    def __init__(
        self, stores: TierStores, stage: Stage, day: Window, work: Work
    ) -> None:
        """Prepare; nothing is read yet."""
        self._client = stores.client(stage.tier)
        self._day = day
        self._work = work
        self.counts: dict[str, dict[int, int]] = {
            name: {} for name in stage.measurements
        }

    def read(self) -> Iterator[Point]:
        """Read all rows of the day.

        Raises:
            StoreError: See `RowStream.read`.
        """
        counts: dict[str, dict[int, int]] = {name: {} for name in self.counts}
        for name, of_measurement in counts.items():
            stream = RowStream(self._client, name, pause=self._work.pause)
            for piece in stream.read(self._day.start_ns, self._day.end_ns):
                self._work.check()
                for row in piece.rows:
                    count_row(of_measurement, row)
                    yield point_of(row, name)
        # Only a reading that has reached its end has counted all.
        self.counts = counts


def touched_days(day: Window) -> range:
    """Return the starts of the UTC days that a local day has a part in."""
    return range(day.start_ns - day.start_ns % NS_PER_DAY, day.end_ns, NS_PER_DAY)

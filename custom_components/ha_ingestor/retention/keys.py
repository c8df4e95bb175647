"""Where in the bucket the files of an archive lie.

```
<prefix>/<hub>/<tier>/archives/2026/data_2026-11-20.parquet      a local day
<prefix>/<hub>/<tier>/archives/2026/_manifest.json               what is there
<prefix>/<hub>/<tier>/archives_monthly/2026/data_2026-11.parquet   roll-up of days
```

A table in Athena or a glob in DuckDB over `archives/` meets every row once: the
roll-up has a folder of its own beside it, and readers skip names that begin with an
underscore.
"""

from dataclasses import dataclass
from datetime import date
import re
from typing import Final, override

_DAYS: Final = "archives"
_MONTHS: Final = "archives_monthly"
_MANIFEST: Final = "_manifest.json"
# What every S3 service takes, and no reader has to escape.
_SEGMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=-]{0,99}")
_DAY_KEY: Final = re.compile(r"data_(\d{4}-\d{2}-\d{2})\.parquet")
_MONTH_KEY: Final = re.compile(r"data_(\d{4})-(0[1-9]|1[0-2])\.parquet")


def clean_prefix(text: str) -> str:
    """Bring a prefix that a user typed into shape: no slash at its ends.

    Raises:
        ValueError: It holds what a key should not.
    """
    prefix = text.strip().strip("/")
    if prefix and not all(_SEGMENT.fullmatch(part) for part in prefix.split("/")):
        raise ValueError(
            "A prefix is made of letters, digits, '_', '-', '.' and '=', with '/' "
            "between folders"
        )
    return prefix


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A month of a year."""

    year: int
    month: int

    @classmethod
    def of(cls, day: date) -> Month:
        """Return the month that a day is in."""
        return cls(year=day.year, month=day.month)

    @override
    def __str__(self) -> str:
        """Return it as ISO 8601 does."""
        return f"{self.year:04d}-{self.month:02d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveKeys:
    """The keys of one tier of one hub.

    Attributes:
        prefix: Chosen by the user; empty for none.
        hub: What tells two hubs in one bucket apart; must never change.
        tier: Name of the tier that the rows come from.
    """

    prefix: str
    hub: str
    tier: str

    def __post_init__(self) -> None:
        """Refuse what would end in another folder.

        Raises:
            ValueError: A part is no name of a folder.
        """
        if clean_prefix(self.prefix) != self.prefix:
            raise ValueError("The prefix is not clean")
        for part in (self.hub, self.tier):
            if not _SEGMENT.fullmatch(part):
                raise ValueError("Hub and tier must be names of folders")

    @property
    def hub_root(self) -> str:
        """Prefix of everything of this hub, with a slash at its end."""
        return f"{self.prefix}/{self.hub}/" if self.prefix else f"{self.hub}/"

    @property
    def root(self) -> str:
        """Prefix of everything of this tier, with a slash at its end."""
        return f"{self.hub_root}{self.tier}/"

    @property
    def days_root(self) -> str:
        """Prefix of all days, with a slash at its end: what a table points to."""
        return f"{self.root}{_DAYS}/"

    def year_root(self, year: int) -> str:
        """Prefix of the days of a year, with a slash at its end."""
        return f"{self.days_root}{year:04d}/"

    def months_root(self, year: int) -> str:
        """Prefix of the roll-ups of a year, with a slash at its end."""
        return f"{self.root}{_MONTHS}/{year:04d}/"

    def day(self, day: date) -> str:
        """Key of a day."""
        return f"{self.year_root(day.year)}data_{day.isoformat()}.parquet"

    def month(self, month: Month) -> str:
        """Key of the roll-up of a month."""
        return f"{self.months_root(month.year)}data_{month}.parquet"

    def manifest(self, year: int) -> str:
        """Key of the list of what a year has."""
        return f"{self.year_root(year)}{_MANIFEST}"

    def parse_day(self, key: str) -> date | None:
        """Return the day that a key is of; None if it is no key of a day."""
        found = _DAY_KEY.fullmatch(key.rpartition("/")[2])
        try:
            day = date.fromisoformat(found[1]) if found else None
        except ValueError:
            return None
        return day if day is not None and self.day(day) == key else None

    def parse_month(self, key: str) -> Month | None:
        """Return the month that a key is of; None if it is no key of a roll-up."""
        found = _MONTH_KEY.fullmatch(key.rpartition("/")[2])
        if found is None:
            return None
        month = Month(year=int(found[1]), month=int(found[2]))
        return month if self.month(month) == key else None

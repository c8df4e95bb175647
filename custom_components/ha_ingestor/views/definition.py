"""What a view is: the rows it is made from, and how.

A view is a measurement of the daily store whose rows answer one common question. It
is made piece by piece, a local day or a local month at a time, of rows that are
verified and all there; its rows are then read as they are.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..models import Fields, Point, Tags
from ..retention.ledger import Ledger
from ..retention.spans import Span
from ..retention.tiers import Tier
from .chunk import Chunk

ENTITY_ID: Final = "entity_id"
DEVICE: Final = "device"
AREA: Final = "area"
SCOPE: Final = "scope"

# What cost is in: Home Assistant's own currency, which the engine does not know.
CURRENCY: Final = "currency"
NO_UNIT: Final = ""


class Period(StrEnum):
    """What one row of a view is about."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The rows of a view in one chunk, made anew.

    Attributes:
        points: All of them.
        seen: Instants of which there were rows to make them from. Stored rows of
            other instants stay as they are: their sources may be gone.
        problems: Why some of it could not be made; then the chunk stays open.
    """

    points: list[Point]
    seen: frozenset[int]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One view.

    Attributes:
        name: Also its measurement.
        period: What one row is about.
        tags: That its rows may have.
        fields: Of its rows, each with its unit; empty for none, `CURRENCY` for money.
        identity: Tags of which an instant has one row only.
        reads: The rows it is made from. What is gone of them is never made again,
            and they may not be deleted before the view has been made.
        made_after: Where any of these ledgers is verified, the rows that are read
            are complete.
        also_of: Ledgers of other rows that go into it, if there are any.
        make: Makes the rows of a chunk.
        monthly: Name of the view that has the months of this one.
        home_tag: Tag and value of rows about the whole home. They are made of the
            meters of their time, and stay when these are others.
    """

    name: str
    period: Period
    tags: tuple[str, ...]
    fields: Mapping[str, str]
    identity: tuple[str, ...]
    reads: Ledger
    made_after: tuple[Ledger, ...]
    make: Callable[[Chunk], Made]
    monthly: str | None = None
    also_of: tuple[Ledger, ...] = ()
    home_tag: tuple[str, str] | None = None

    @property
    def ledger(self) -> Ledger:
        """Where it is recorded what of it is made and proven."""
        return ledger_of(self.name)

    @property
    def has_entities(self) -> bool:
        """Whether its rows are about entities; else they are about the home."""
        return ENTITY_ID in self.tags

    def point(self, tags: Tags, fields: Fields, time_ns: int) -> Point:
        """Return a row of the view; of the tags those that it has."""
        return Point(
            measurement=self.name,
            tags={key: tags[key] for key in self.tags if tags.get(key)},
            fields=fields,
            time_ns=time_ns,
        )


def ledger_of(name: str) -> Ledger:
    """Return the ledger of a view."""
    return Ledger(tier=Tier.DAILY, measurement=f"view_{name}")


def is_in(at_ns: int, spans: Iterable[Span]) -> bool:
    """Whether an instant lies in one of several spans."""
    return any(start_ns <= at_ns < end_ns for start_ns, end_ns in spans)

"""A question about the past of entities, and the shape of its answer.

Every window of an answer is whole: those that begin in the range asked for are given,
each once, so that ranges that touch never share a window. Only a window that is not
over yet ends early, now.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import datetime as dt
from enum import StrEnum
import hashlib
from typing import Final

import orjson

from ..errors import HistoryArgumentError
from ..models import FieldValue
from ..retention.windows import NS_PER_S, to_datetime, to_ns

MAX_ENTITIES: Final = 100
MAX_SPAN: Final = dt.timedelta(days=10 * 366)
# Rows of one page; some megabytes as JSON.
MAX_ROWS: Final = 5_000
# What a chart can show; "auto" aims at fewer rows per entity.
AUTO_ROWS: Final = 1_000
# Before it there was no Home Assistant, and 1.x knows no times before 1677.
_OLDEST: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

_CURSOR_VERSION: Final = 1
_DIGEST_BYTES: Final = 9


class Detail(StrEnum):
    """How long the windows of an answer should be."""

    RAW = "raw"
    FIVE_MINUTES = "5m"
    HOUR = "1h"
    DAY = "1d"
    AUTO = "auto"


# Nominal lengths; a change is not a window.
STEP_S: Final[Mapping[Detail, int]] = {
    Detail.FIVE_MINUTES: 300,
    Detail.HOUR: 3_600,
    Detail.DAY: 86_400,
}
# Up to this, "auto" gives every change: most entities have fewer than AUTO_ROWS.
_AUTO_RAW_SPAN: Final = dt.timedelta(hours=1)


class Statistic(StrEnum):
    """What can be asked for of a window."""

    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    FIRST = "first"
    LAST = "last"
    COUNT = "count"
    ENERGY = "energy"
    COST = "cost"
    CARBON = "carbon"
    ON_SECONDS = "on_seconds"
    CHANGES = "changes"
    TOP_STATE = "top_state"


class HistorySource(StrEnum):
    """Where a row of an answer comes from, finest first."""

    RAW = "raw"
    HOURLY = "hourly"
    DAILY = "daily"
    ARCHIVE = "archive"
    STATISTICS = "statistics"  # hourly means that a backfill has brought


class NoteKind(StrEnum):
    """What a reader of an answer should know about a part of it."""

    HOURLY_SHOWN = "hourly_shown"
    DAILY_SHOWN = "daily_shown"
    STATISTICS_SHOWN = "statistics_shown"
    OPEN_WINDOW = "open_window"
    ARCHIVE_MISSING = "archive_missing"


NOTE_TEXTS: Final[Mapping[NoteKind, str]] = {
    NoteKind.HOURLY_SHOWN: "Raw rows are gone: hourly rows are shown",
    NoteKind.DAILY_SHOWN: "Finer rows are gone: daily rows are shown",
    NoteKind.STATISTICS_SHOWN: "From long-term statistics that a backfill has brought",
    NoteKind.OPEN_WINDOW: "The last window is not over yet: it ends now",
    NoteKind.ARCHIVE_MISSING: (
        "Daily rows were moved to the archive, which is not connected"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A remark about a part of an answer.

    Attributes:
        entity_id: Whose rows; None for all.
        start_ns, end_ns: Of the first and the last row that it is about.
    """

    kind: NoteKind
    entity_id: str | None
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One window of one entity, or one change.

    Attributes:
        end_ns: None for a change.
        unit: Where it is another than that of the entity.
        values: By the names of `Statistic`; `state` and `value` of a change.
    """

    start_ns: int
    end_ns: int | None
    source: HistorySource
    values: Mapping[str, FieldValue]
    unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityHistory:
    """The rows of one entity, oldest first.

    Attributes:
        unit: Of its newest row; None where it has none. Energy is always kWh, cost
            in the currency of the prices, carbon in gCO2eq.
    """

    unit: str | None
    rows: Sequence[HistoryRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """A part of an answer.

    Attributes:
        entities: Those asked for, in that order; some without rows.
        cursor: Asks for the next page; None after the last.
    """

    detail: Detail
    entities: Mapping[str, EntityHistory]
    notes: Sequence[Note]
    cursor: str | None

    @property
    def has_more(self) -> bool:
        """Whether there is another page."""
        return self.cursor is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuery:
    """What is asked for.

    Attributes:
        start_at: First instant, inclusive; aware.
        end_at: Last instant, exclusive; aware. None for now.
        statistics: Those that do not apply to an entity are left out of its rows.
        limit: Rows of all entities together, in one page.
        cursor: That of the page before, of the same question.
    """

    entity_ids: Sequence[str]
    start_at: dt.datetime
    end_at: dt.datetime | None = None
    detail: Detail = Detail.AUTO
    statistics: frozenset[Statistic] = frozenset(Statistic)
    limit: int = MAX_ROWS
    cursor: str | None = None

    @property
    def start_ns(self) -> int:
        """First instant, inclusive."""
        return to_ns(self.start_at)

    def end_ns(self, now_ns: int) -> int:
        """Return the last instant, exclusive: what is to come has no past."""
        return now_ns if self.end_at is None else min(to_ns(self.end_at), now_ns)

    def check(self, now_ns: int) -> None:
        """Refuse what cannot be answered.

        Raises:
            HistoryArgumentError: Says why.
        """
        if not 0 < len(self.entity_ids) <= MAX_ENTITIES:
            raise HistoryArgumentError(
                "history_entities", {"maximum": f"{MAX_ENTITIES}"}
            )
        if len(set(self.entity_ids)) < len(self.entity_ids):
            raise HistoryArgumentError("history_entity_twice")
        end_at = to_datetime(now_ns) if self.end_at is None else self.end_at
        if self.start_at.tzinfo is None or end_at.tzinfo is None:
            raise HistoryArgumentError("history_naive_time")
        if self.start_at >= end_at:
            raise HistoryArgumentError("history_backwards")
        if self.start_at < _OLDEST or end_at - self.start_at > MAX_SPAN:
            raise HistoryArgumentError("history_too_long")
        if not 0 < self.limit <= MAX_ROWS:
            raise HistoryArgumentError("history_limit", {"maximum": f"{MAX_ROWS}"})
        if not self.statistics:
            raise HistoryArgumentError("history_no_statistics")

    def resolve(self, now_ns: int) -> Detail:
        """Return the length of the windows; of "auto", what its range asks for."""
        if self.detail is not Detail.AUTO:
            return self.detail
        end_at = to_datetime(now_ns) if self.end_at is None else self.end_at
        span = end_at - self.start_at
        if span <= _AUTO_RAW_SPAN:
            return Detail.RAW
        for detail, step_s in STEP_S.items():
            if span <= dt.timedelta(seconds=step_s * AUTO_ROWS):
                return detail
        return Detail.DAY

    def digest(self) -> str:
        """Return what tells this question from others, its pages apart."""
        parts = (
            list(self.entity_ids),
            self.start_ns,
            None if self.end_at is None else to_ns(self.end_at),
            self.detail,
        )
        digest = hashlib.blake2b(orjson.dumps(parts), digest_size=_DIGEST_BYTES)
        return base64.urlsafe_b64encode(digest.digest()).decode()


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """Where in the answer to a question a page begins.

    An answer goes block of days by block of days, in each entity by entity.

    Attributes:
        block: Number of the block.
        entity: Number of the entity.
        from_ns: Rows that begin before it were given.
        skip: And so many of those that begin right then.
    """

    block: int = 0
    entity: int = 0
    from_ns: int = 0
    skip: int = 0

    def encode(self, query: HistoryQuery, detail: Detail) -> str:
        """Return it as a cursor of a question.

        Args:
            detail: What the first page has resolved "auto" to: "now" moves on.
        """
        parts = (
            _CURSOR_VERSION,
            query.digest(),
            detail,
            self.block,
            self.entity,
            self.from_ns,
            self.skip,
        )
        return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def decode_cursor(query: HistoryQuery) -> tuple[Place, Detail | None]:
    """Return where the page that a question asks for begins, and its detail.

    The latter is None for the first page.

    Raises:
        HistoryArgumentError: The cursor is that of another question, or none.
    """
    if query.cursor is None:
        return Place(), None
    wrong = HistoryArgumentError("history_cursor")
    try:
        # Padding that is not needed is passed over.
        parts = orjson.loads(base64.urlsafe_b64decode(f"{query.cursor}=="))
    except ValueError as err:
        raise wrong from err
    match parts:
        case [
            version,
            digest,
            str(detail),
            int(block),
            int(entity),
            int(at),
            int(skip),
        ]:
            if version != _CURSOR_VERSION or digest != query.digest():
                raise wrong
            if not 0 <= entity < len(query.entity_ids) or min(block, skip) < 0:
                raise wrong
            place = Place(block=block, entity=entity, from_ns=at, skip=skip)
            return place, Detail(detail)
    raise wrong


def step_ns(detail: Detail) -> int | None:
    """Return the nominal length of a window; None for changes."""
    step_s = STEP_S.get(detail)
    return None if step_s is None else step_s * NS_PER_S

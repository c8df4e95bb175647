"""The rows of one page, in the shape of an answer."""

from collections.abc import Iterable, Mapping
from typing import Final

from ..models import Fields, FieldValue
from ..retention.rows import (
    AVG,
    CARBON,
    CHANGES,
    COST,
    ENERGY,
    FIRST,
    LAST,
    LAST_STATE,
    MAX,
    MIN,
    ON_TIME,
    SAMPLE_COUNT,
    TOP_STATE,
)
from .days import Found
from .query import (
    Detail,
    EntityHistory,
    HistoryPage,
    HistoryQuery,
    HistoryRow,
    HistorySource,
    Note,
    NoteKind,
    Place,
    Statistic,
)

# The fields of an aggregate that a statistic is, the first of those that are there.
_FIELDS: Final[Mapping[Statistic, tuple[str, ...]]] = {
    Statistic.MEAN: (AVG,),
    Statistic.MIN: (MIN,),
    Statistic.MAX: (MAX,),
    Statistic.FIRST: (FIRST,),
    # A state that is no number, if none came after it.
    Statistic.LAST: (LAST_STATE, LAST),
    Statistic.COUNT: (SAMPLE_COUNT,),
    Statistic.ENERGY: (ENERGY,),
    Statistic.COST: (COST,),
    Statistic.CARBON: (CARBON,),
    Statistic.ON_SECONDS: (ON_TIME,),
    Statistic.CHANGES: (CHANGES,),
    Statistic.TOP_STATE: (TOP_STATE,),
}
_OF_CHANGES: Final = ("state", "value")
_UNIT: Final = "unit"


class PageBuilder:
    """Takes rows until a page is full; of one run, on its thread."""

    def __init__(self, query: HistoryQuery, detail: Detail, *, now_ns: int) -> None:
        """Start with an empty page."""
        self._query = query
        self._detail = detail
        self._now_ns = now_ns
        self._rows: dict[str, list[HistoryRow]] = {
            entity_id: [] for entity_id in query.entity_ids
        }
        self._units: dict[str, str] = {}
        self._notes: dict[tuple[NoteKind, str], Note] = {}
        self._count = 0

    @property
    def is_full(self) -> bool:
        """Whether no row fits any more."""
        return self._count >= self._query.limit

    def add(self, entity_id: str, found: Found) -> None:
        """Add the next row of an entity."""
        tags: Mapping[str, str] = {}
        values: Mapping[str, FieldValue] = {}
        if found.row is not None:
            tags, values = found.row.tags, _values_of_change(found.row.fields)
        elif found.aggregate is not None:
            tags = found.aggregate.tags
            values = _values(found.aggregate.fields, self._query.statistics)
        unit = tags.get(_UNIT, "")
        self._units[entity_id] = unit
        self._rows[entity_id].append(
            HistoryRow(
                start_ns=found.start_ns,
                end_ns=None if found.row is not None else found.end_ns,
                source=found.source,
                values=values,
                unit=unit,
            )
        )
        self._count += 1
        for kind in self._kinds(found):
            self.note(kind, entity_id, found.start_ns, found.end_ns)

    def note(self, kind: NoteKind, entity_id: str, start_ns: int, end_ns: int) -> None:
        """Say something about a part of an entity's rows."""
        if (before := self._notes.get((kind, entity_id))) is not None:
            start_ns = min(start_ns, before.start_ns)
            end_ns = max(end_ns, before.end_ns)
        self._notes[kind, entity_id] = Note(
            kind=kind, entity_id=entity_id, start_ns=start_ns, end_ns=end_ns
        )

    def finish(self, place: Place | None) -> HistoryPage:
        """Return the page.

        Args:
            place: Where the next one begins; None for no other.
        """
        return HistoryPage(
            detail=self._detail,
            entities={
                entity_id: self._entity(entity_id, rows)
                for entity_id, rows in self._rows.items()
            },
            notes=list(self._notes.values()),
            cursor=None if place is None else place.encode(self._query, self._detail),
        )

    def _entity(self, entity_id: str, rows: Iterable[HistoryRow]) -> EntityHistory:
        unit = self._units.get(entity_id, "")
        return EntityHistory(
            unit=unit or None,
            rows=[
                row
                if row.unit != unit
                else HistoryRow(
                    start_ns=row.start_ns,
                    end_ns=row.end_ns,
                    source=row.source,
                    values=row.values,
                )
                for row in rows
            ],
        )

    def _kinds(self, found: Found) -> Iterable[NoteKind]:
        is_finer = self._detail in {Detail.RAW, Detail.FIVE_MINUTES}
        if found.source is HistorySource.HOURLY and is_finer:
            yield NoteKind.HOURLY_SHOWN
        if found.source is HistorySource.STATISTICS:
            yield NoteKind.STATISTICS_SHOWN
        if self._detail is Detail.DAY:
            pass
        elif found.source in {HistorySource.DAILY, HistorySource.ARCHIVE}:
            yield NoteKind.DAILY_SHOWN
        if found.row is None and found.end_ns == self._now_ns:
            yield NoteKind.OPEN_WINDOW


def _values(
    fields: Fields, statistics: Iterable[Statistic]
) -> Mapping[str, FieldValue]:
    values: dict[str, FieldValue] = {}
    for statistic in Statistic:
        if statistic not in statistics:
            continue
        for name in _FIELDS[statistic]:
            if name in fields:
                values[statistic.value] = fields[name]
                break
    return values


def _values_of_change(fields: Fields) -> Mapping[str, FieldValue]:
    return {name: fields[name] for name in _OF_CHANGES if name in fields}

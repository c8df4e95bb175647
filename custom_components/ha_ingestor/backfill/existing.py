"""Which points of the past are stored already, whatever their tags were.

Blocking, for threads. A point is known by its entity and its time: an entity that
has been moved to another room since has other tags today, and writing its past
once more would make a second series of it.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ..const import MEASUREMENT_ACTIVITY
from ..store.influx.client import InfluxClient
from ..store.query import MAX_LIMIT, PAGE_ROWS, read_all_points, read_points

type PointId = tuple[str, int]

# More entities than this are not named in a question; what is not asked for is
# passed over.
_MAX_NAMED_ENTITIES: Final = 200
# Points further apart than this are asked for one by one, so that a few old ones do
# not read the years between them.
_MAX_GAP_NS: Final = 24 * 3600 * 1_000_000_000
_EVENT_ENTITY_REGISTRY: Final = "entity_registry_updated"


@dataclass(frozen=True, slots=True)
class Rename:
    """An entity that was called something else before a time."""

    time_ns: int
    old_entity_id: str
    entity_id: str


def read_renames(client: InfluxClient, until_ns: int) -> list[Rename]:
    """Read the renames that were captured, newest first.

    Raises:
        StoreError: See `InfluxClient.query`.
    """
    rows = read_points(
        client,
        MEASUREMENT_ACTIVITY,
        fields=("entity_id", "previous_entity_id"),
        tags={"event_type": _EVENT_ENTITY_REGISTRY},
        start_ns=0,
        end_ns=until_ns,
        limit=MAX_LIMIT,
        is_descending=True,
    )
    return [
        Rename(
            time_ns=row.time_ns,
            old_entity_id=str(row.fields["previous_entity_id"]),
            entity_id=str(row.fields["entity_id"]),
        )
        for row in rows
        if "previous_entity_id" in row.fields and "entity_id" in row.fields
    ]


def find_existing(
    client: InfluxClient,
    measurement: str,
    fields: tuple[str, ...],
    wanted: Collection[PointId],
    renames: Iterable[Rename] = (),
) -> set[PointId]:
    """Return those of the wanted points that are stored.

    Args:
        fields: A stored point has at least one of these.
        renames: Newest first; a point counts under the name of its time, too.

    Raises:
        StoreError: See `InfluxClient.query`.
    """
    asked: dict[PointId, PointId] = {}
    by_name = group_renames(renames)
    for point_id in wanted:
        asked[point_id] = point_id
        asked[name_then(point_id, by_name)] = point_id
    found: set[PointId] = set()
    for cluster in _clusters(asked):
        found.update(
            asked[point_id]
            for point_id in _read_ids(client, measurement, fields, cluster)
            if point_id in asked
        )
    return found


def name_then(point_id: PointId, renames: dict[str, list[Rename]]) -> PointId:
    """Return a point under the name that its entity had at its time."""
    entity_id, time_ns = point_id
    until_ns: int | None = None
    while True:
        rename = next(
            (
                rename
                for rename in renames.get(entity_id, ())
                if time_ns < rename.time_ns
                and (until_ns is None or rename.time_ns < until_ns)
            ),
            None,
        )
        if rename is None:
            return entity_id, time_ns
        entity_id, until_ns = rename.old_entity_id, rename.time_ns


def group_renames(renames: Iterable[Rename]) -> dict[str, list[Rename]]:
    """Return renames by the name that they have led to."""
    grouped: dict[str, list[Rename]] = {}
    for rename in renames:
        grouped.setdefault(rename.entity_id, []).append(rename)
    return grouped


def _clusters(asked: Collection[PointId]) -> Iterator[list[PointId]]:
    cluster: list[PointId] = []
    for point_id in sorted(asked, key=lambda item: item[1]):
        if cluster and point_id[1] - cluster[-1][1] > _MAX_GAP_NS:
            yield cluster
            cluster = []
        cluster.append(point_id)
    if cluster:
        yield cluster


def _read_ids(
    client: InfluxClient,
    measurement: str,
    fields: tuple[str, ...],
    cluster: list[PointId],
) -> Iterator[PointId]:
    entity_ids = sorted({entity_id for entity_id, _ in cluster})
    for row in read_all_points(
        client,
        measurement,
        fields=fields,
        tag_keys=("entity_id",),
        tags=(
            {"entity_id": entity_ids}
            if len(entity_ids) <= _MAX_NAMED_ENTITIES
            else None
        ),
        start_ns=cluster[0][1],
        end_ns=cluster[-1][1] + 1,
        page_rows=PAGE_ROWS,
    ):
        if (entity_id := row.tags.get("entity_id")) is not None:
            yield entity_id, row.time_ns

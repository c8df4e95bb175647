"""Points of two sets as one, as the store itself would have merged them."""

from collections.abc import Callable, Iterator
from typing import Final

from ..models import Point

type PointReader = Callable[[], Iterator[Point]]

# Held at a time; a point takes one to two kilobytes.
_PART_POINT_COUNT: Final = 20_000


def merge_points(old: PointReader, new: PointReader, *, count: int) -> Iterator[Point]:
    """Give each point once; of one that both have, the new fields go before.

    Both are read several times where there are many points, so that memory holds a
    part of them only. The order is the same for the same input in one process.

    Args:
        count: How many there are in both together, about.
    """
    part_count = 1 + count // _PART_POINT_COUNT
    for part in range(part_count):
        merged: dict[tuple[object, ...], Point] = {}
        for read in (old, new):
            for point in read():
                key = (
                    point.measurement,
                    frozenset(point.tags.items()),
                    point.time_ns,
                )
                if hash(key) % part_count != part:
                    continue
                before = merged.get(key)
                merged[key] = point if before is None else _overlay(before, point)
        yield from merged.values()


def _overlay(old: Point, new: Point) -> Point:
    return Point(
        measurement=new.measurement,
        tags=new.tags,
        fields={**old.fields, **new.fields},
        time_ns=new.time_ns,
    )

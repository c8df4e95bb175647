"""Digests of points, and two sets of points as one."""

from collections.abc import Iterator
import random

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention import merge as merge_module
from custom_components.ha_ingestor.retention.digest import Digest, combine, digest_of
from custom_components.ha_ingestor.retention.merge import merge_points
from tests.retention.archive_kit import day_points, point

SMALL_POINTS = st.lists(
    st.builds(
        point,
        st.integers(0, 5),
        measurement=st.sampled_from(["a", "b"]),
        entity_id=st.sampled_from(["x", "y"]),
        one=st.floats(allow_nan=False) | st.booleans() | st.text("ab", max_size=2),
    ),
    max_size=20,
)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(point(1, x=1.0), id="time"),
        pytest.param(point(0, x=-1.0), id="value"),
        pytest.param(point(0, x=True), id="type"),
        pytest.param(point(0, x="1.0"), id="text"),
        pytest.param(point(0, y=1.0), id="field"),
        pytest.param(point(0, x=1.0, y=1.0), id="one-field-more"),
        pytest.param(point(0, x=1.0, tags={"area": "Hall"}), id="tag"),
        pytest.param(point(0, x=1.0, entity_id="sensor.other"), id="series"),
        pytest.param(point(0, x=1.0, measurement="m"), id="measurement"),
    ],
)
def test_a_digest_tells_every_difference(other: Point) -> None:
    assert digest_of([point(0, x=1.0)]) != digest_of([other])


def test_a_digest_tells_zeros_apart() -> None:
    assert digest_of([point(x=0.0)]) != digest_of([point(x=-0.0)])


@given(SMALL_POINTS, st.integers())
def test_a_digest_does_not_depend_on_the_order(points: list[Point], seed: int) -> None:
    shuffled = random.Random(seed).sample(points, len(points))

    assert digest_of(shuffled) == digest_of(points)


@given(SMALL_POINTS, SMALL_POINTS)
def test_digests_add_up(one: list[Point], two: list[Point]) -> None:
    assert combine([digest_of(one), digest_of(two)]) == digest_of(one + two)


def test_a_point_twice_is_not_nothing() -> None:
    assert digest_of([point(), point()]) != digest_of([])


def test_a_digest_notes_the_time_on_the_way() -> None:
    digest = Digest()
    points = day_points(5)

    assert list(digest.watch(reversed(points))) == points[::-1]
    assert (digest.count, digest.first_ns, digest.last_ns) == (
        5,
        points[0].time_ns,
        points[-1].time_ns,
    )


def store_of(points: list[Point]) -> dict[object, dict[str, object]]:
    """What a store would hold: fields by series and time, the last one wins."""
    held: dict[object, dict[str, object]] = {}
    for each in points:
        key = (each.measurement, frozenset(each.tags.items()), each.time_ns)
        held.setdefault(key, {}).update(each.fields)
    return held


@pytest.mark.parametrize("count", [0, 100], ids=["one-part", "many-parts"])
@settings(deadline=None)
@given(old=SMALL_POINTS, new=SMALL_POINTS)
def test_a_merge_is_what_a_store_would_hold(
    old: list[Point], new: list[Point], count: int
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(merge_module, "_PART_POINT_COUNT", 10)
        merged = list(merge_points(lambda: iter(old), lambda: iter(new), count=count))

    assert store_of(merged) == store_of(old + new)
    assert len(merged) == len(store_of(merged))


def test_a_merge_reads_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge_module, "_PART_POINT_COUNT", 10)
    reads = []

    def read() -> Iterator[Point]:
        reads.append(1)
        yield from day_points(20)

    merged = list(merge_points(read, lambda: iter(()), count=20))

    assert digest_of(merged) == digest_of(day_points(20))
    assert len(reads) == 3

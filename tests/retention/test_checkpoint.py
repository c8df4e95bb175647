"""Progress on disk: spans, late data, deletions, kill -9 and damage."""

from collections.abc import Iterator
import os
from pathlib import Path
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ha_ingestor.errors import (
    CheckpointError,
    RetentionUnverifiedError,
)
from custom_components.ha_ingestor.retention.checkpoint import Checkpoint, count_row
from custom_components.ha_ingestor.retention.ledger import (
    MAX_DIRTY,
    MERGE_GAP_NS,
    Dirty,
    Removal,
)
from custom_components.ha_ingestor.retention.spans import (
    Span,
    merge,
    overlap,
    subtract,
)
from custom_components.ha_ingestor.retention.windows import NS_PER_DAY
from custom_components.ha_ingestor.store.query import Row
from tests.retention.server_kit import DAY, HOUR, HOURLY, RAW

ROOT = Path(__file__).parent.parent.parent
HALF = HOUR // 2
SPANS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda s: (min(s), max(s))),
    max_size=8,
)


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@pytest.fixture
def checkpoint(tmp_path: Path) -> Iterator[Checkpoint]:
    checkpoint = Checkpoint(tmp_path / "sub" / "retention.db")
    checkpoint.open()
    yield checkpoint
    checkpoint.close()


def day(start_ns: int = DAY) -> Span:
    return (start_ns, start_ns + NS_PER_DAY)


def verify_day(checkpoint: Checkpoint, start_ns: int = DAY, count: int = 10) -> None:
    """Record all hours of a UTC day as verified."""
    for hour in range(24):
        at_ns = start_ns + hour * HOUR
        checkpoint.add_verified(
            RAW,
            (at_ns, at_ns + HOUR),
            counts={start_ns: count},
            mark=checkpoint.dirty_mark(),
        )


def removal_of(
    checkpoint: Checkpoint, *, entity_ids: tuple[str, ...] | None = None, part: int = 10
) -> Removal:
    return Removal(
        ledger=RAW,
        start_ns=DAY,
        end_ns=DAY + NS_PER_DAY,
        entity_ids=entity_ids,
        parts={s.start_ns: part for s in checkpoint.segments(RAW, day())},
    )


def instants(spans: list[Span]) -> set[int]:
    return {i for start, end in spans for i in range(start, end)}


@given(one=SPANS, other=SPANS)
def test_spans_are_sets(one: list[Span], other: list[Span]) -> None:
    assert instants(merge(one)) == instants(one)
    assert instants(overlap(one, other)) == instants(one) & instants(other)
    assert instants(subtract(one, other)) == instants(one) - instants(other)
    assert merge(merge(one)) == merge(one)


def test_nothing_is_proven_at_first(checkpoint: Checkpoint) -> None:
    assert checkpoint.unverified(RAW, day()) == [day()]
    assert not checkpoint.is_verified(RAW, day())
    assert checkpoint.verified(RAW) == []
    assert checkpoint.removals() == []


def test_years_of_windows_are_one_span(checkpoint: Checkpoint) -> None:
    for number in range(10):
        verify_day(checkpoint, DAY + number * NS_PER_DAY)

    assert checkpoint.verified(RAW) == [(DAY, DAY + 10 * NS_PER_DAY)]
    assert checkpoint.is_verified(RAW, day())
    assert not checkpoint.is_verified(HOURLY, day())
    assert sum(s.value_count for s in checkpoint.segments(RAW, day())) == 240


def test_where_the_rows_begin(checkpoint: Checkpoint) -> None:
    assert checkpoint.first_segment_ns(RAW) is None
    # Of a window without rows nothing is there.
    verify_day(checkpoint, DAY, count=0)
    assert checkpoint.first_segment_ns(RAW) is None

    verify_day(checkpoint, DAY + 3 * NS_PER_DAY)
    verify_day(checkpoint, DAY + 2 * NS_PER_DAY)

    assert checkpoint.first_segment_ns(RAW) == DAY + 2 * NS_PER_DAY
    assert checkpoint.first_segment_ns(HOURLY) is None


def test_a_window_twice_counts_once(checkpoint: Checkpoint) -> None:
    verify_day(checkpoint)
    verify_day(checkpoint, count=11)

    assert sum(s.value_count for s in checkpoint.segments(RAW, day())) == 24 * 11


def test_a_window_over_midnight_counts_on_both_days(checkpoint: Checkpoint) -> None:
    next_ns = DAY + NS_PER_DAY
    checkpoint.add_verified(
        RAW,
        (next_ns - HALF, next_ns + HALF),
        counts={DAY: 3, next_ns: 4},
        mark=checkpoint.dirty_mark(),
    )

    (before,) = checkpoint.segments(RAW, day())
    (after,) = checkpoint.segments(RAW, day(next_ns))
    assert (before.start_ns, before.end_ns, before.value_count) == (
        next_ns - HALF,
        next_ns,
        3,
    )
    assert (after.start_ns, after.end_ns, after.value_count) == (
        next_ns,
        next_ns + HALF,
        4,
    )
    assert before.window == after.window == (next_ns - HALF, next_ns + HALF)


def test_windows_that_have_moved_are_proven_no_longer(checkpoint: Checkpoint) -> None:
    verify_day(checkpoint)

    # As after a change of the time zone by half an hour.
    checkpoint.add_verified(
        RAW,
        (DAY + HALF, DAY + HOUR + HALF),
        counts={DAY: 7},
        mark=checkpoint.dirty_mark(),
    )

    assert checkpoint.unverified(RAW, day()) == [
        (DAY, DAY + HALF),
        (DAY + HOUR + HALF, DAY + 2 * HOUR),
    ]
    assert sum(s.value_count for s in checkpoint.segments(RAW, day())) == 22 * 10 + 7


def test_rows_are_counted_by_day() -> None:
    counts: dict[int, int] = {}
    for time_ns in (DAY, DAY + NS_PER_DAY - 1, DAY + NS_PER_DAY):
        count_row(counts, Row(time_ns=time_ns, tags={}, fields={"a": 1.0, "b": "x"}))

    assert counts == {DAY: 4, DAY + NS_PER_DAY: 2}


def test_late_data_reopens_its_windows(checkpoint: Checkpoint) -> None:
    verify_day(checkpoint)

    gone = checkpoint.mark_dirty(RAW, (DAY + HOUR + 1, DAY + HOUR + 2), "sensor.a")

    assert gone == []
    assert checkpoint.dirty(RAW) == [
        Dirty(entity_id="sensor.a", start_ns=DAY + HOUR + 1, end_ns=DAY + HOUR + 2)
    ]
    assert checkpoint.unverified(RAW, day()) == [(DAY + HOUR + 1, DAY + HOUR + 2)]
    checkpoint.add_verified(
        RAW,
        (DAY + HOUR, DAY + 2 * HOUR),
        counts={DAY: 12},
        mark=checkpoint.dirty_mark(),
    )
    assert checkpoint.is_verified(RAW, day())
    assert checkpoint.dirty(RAW) == []


def test_what_comes_while_a_window_is_made_stays_dirty(checkpoint: Checkpoint) -> None:
    checkpoint.mark_dirty(RAW, (DAY, DAY + 1))
    mark = checkpoint.dirty_mark()
    checkpoint.mark_dirty(RAW, (DAY + 5, DAY + 6))

    checkpoint.add_verified(RAW, (DAY, DAY + HOUR), counts={DAY: 1}, mark=mark)

    assert not checkpoint.is_verified(RAW, (DAY, DAY + HOUR))


def test_the_rest_of_a_dirty_span_stays(checkpoint: Checkpoint) -> None:
    verify_day(checkpoint)
    checkpoint.mark_dirty(RAW, day())

    checkpoint.add_verified(
        RAW,
        (DAY + HOUR, DAY + 2 * HOUR),
        counts={DAY: 1},
        mark=checkpoint.dirty_mark(),
    )

    assert checkpoint.unverified(RAW, day()) == [
        (DAY, DAY + HOUR),
        (DAY + 2 * HOUR, DAY + NS_PER_DAY),
    ]


def test_one_entity_made_again_cleans_only_its_own(checkpoint: Checkpoint) -> None:
    verify_day(checkpoint)
    checkpoint.mark_dirty(RAW, (DAY, DAY + 1), "sensor.a")
    checkpoint.mark_dirty(RAW, (DAY, DAY + 1), "sensor.b")

    checkpoint.add_verified(
        RAW,
        (DAY, DAY + HOUR),
        counts={DAY: 1},
        mark=checkpoint.dirty_mark(),
        entity_id="sensor.a",
    )

    assert [dirty.entity_id for dirty in checkpoint.dirty(RAW)] == ["sensor.b"]


def test_a_window_made_again_reopens_the_next_tier(checkpoint: Checkpoint) -> None:
    hour = (DAY, DAY + HOUR)
    mark = checkpoint.dirty_mark()
    checkpoint.add_verified(RAW, hour, counts={DAY: 1}, mark=mark, feeds=[HOURLY])
    assert checkpoint.dirty(HOURLY) == []  # nothing was made of it yet
    checkpoint.add_verified(HOURLY, day(), counts={DAY: 24}, mark=mark)

    checkpoint.add_verified(RAW, hour, counts={DAY: 2}, mark=mark, feeds=[HOURLY])

    assert checkpoint.unverified(HOURLY, day()) == [hour]


@given(
    marks=st.lists(
        st.tuples(st.integers(0, 60), st.integers(1, 5), st.sampled_from([None, "a"])),
        max_size=12,
    ),
    windows=st.lists(st.integers(0, 60), max_size=12),
)
@settings(max_examples=40, deadline=None)
def test_dirty_spans_against_a_set(
    tmp_path_factory: pytest.TempPathFactory,
    marks: list[tuple[int, int, str | None]],
    windows: list[int],
) -> None:
    checkpoint = Checkpoint(tmp_path_factory.mktemp("dirty") / "retention.db")
    checkpoint.open()
    wanted: set[int] = set()
    for start, length, entity_id in marks:
        span = (DAY + start * HOUR, DAY + (start + length) * HOUR)
        checkpoint.mark_dirty(RAW, span, entity_id)
        wanted |= set(range(start, start + length))
    for window in windows:
        span = (DAY + window * HOUR, DAY + (window + 1) * HOUR)
        checkpoint.add_verified(RAW, span, counts={}, mark=checkpoint.dirty_mark())
        wanted.discard(window)
    found = {
        hour
        for dirty in checkpoint.dirty(RAW)
        for hour in range((dirty.start_ns - DAY) // HOUR, (dirty.end_ns - DAY) // HOUR)
    }
    checkpoint.close()

    # Neighbors are made again where two spans have become one, never less.
    assert wanted <= found
    assert found <= {hour + near for hour in wanted for near in (-1, 0, 1)} | wanted


def test_dirty_spans_are_bounded(checkpoint: Checkpoint) -> None:
    # As many as it takes to go over the bound, in one go: each mark is a commit.
    step = 2 * MERGE_GAP_NS + 2
    with sqlite3.connect(checkpoint.path) as db:
        db.executemany(
            "INSERT INTO dirty (tier, measurement, entity_id, start_ns, end_ns)"
            " VALUES ('raw', ?, ?, ?, ?)",
            [
                (RAW.measurement, f"sensor.{i % 7}", DAY + i * step, DAY + i * step + 1)
                for i in range(MAX_DIRTY)
            ],
        )
    db.close()

    checkpoint.mark_dirty(RAW, (DAY - 9 * HOUR, DAY - 9 * HOUR + 1), "sensor.late")

    spans = checkpoint.dirty(RAW)
    assert len(spans) <= MAX_DIRTY // 2
    assert {dirty.entity_id for dirty in spans} == {None}
    last_ns = DAY + (MAX_DIRTY - 1) * step
    assert checkpoint.unverified(RAW, (last_ns, last_ns + 1)) != []
    assert spans[0].start_ns == DAY - 9 * HOUR


def test_a_day_goes_in_two_steps(checkpoint: Checkpoint) -> None:
    verify_day(checkpoint)
    removal = removal_of(checkpoint)

    checkpoint.begin_removal(removal)
    assert checkpoint.removals() == [removal]
    assert checkpoint.removed(RAW, day()) == [day()]
    checkpoint.finish_removal(removal)

    assert checkpoint.removals() == []
    assert checkpoint.segments(RAW, day()) == []
    assert checkpoint.removed(RAW, (0, DAY + 9 * NS_PER_DAY)) == [day()]
    assert checkpoint.is_verified(RAW, day())


def test_late_data_of_a_day_that_goes_is_turned_away(checkpoint: Checkpoint) -> None:
    verify_day(checkpoint)
    verify_day(checkpoint, DAY + NS_PER_DAY)
    checkpoint.begin_removal(removal_of(checkpoint))

    gone = checkpoint.mark_dirty(RAW, (DAY + 23 * HOUR, DAY + 25 * HOUR))

    assert gone == [(DAY + 23 * HOUR, DAY + NS_PER_DAY)]
    assert checkpoint.dirty(RAW) == [
        Dirty(entity_id=None, start_ns=DAY + NS_PER_DAY, end_ns=DAY + 25 * HOUR)
    ]


def test_a_window_that_has_lost_a_part_is_gone(checkpoint: Checkpoint) -> None:
    next_ns = DAY + NS_PER_DAY
    window = (next_ns - HALF, next_ns + HALF)
    mark = checkpoint.dirty_mark()
    checkpoint.add_verified(
        RAW,
        (DAY - HALF, next_ns - HALF),
        counts={DAY - NS_PER_DAY: 1, DAY: 2},
        mark=mark,
    )
    checkpoint.add_verified(RAW, window, counts={DAY: 3, next_ns: 4}, mark=mark)
    removal = removal_of(checkpoint)
    checkpoint.begin_removal(removal)
    checkpoint.finish_removal(removal)

    gone = checkpoint.mark_dirty(RAW, (next_ns + 1, next_ns + 2))

    assert gone == [(next_ns + 1, next_ns + 2)]
    assert checkpoint.dirty(RAW) == []


def test_a_dirty_day_does_not_go(checkpoint: Checkpoint) -> None:
    verify_day(checkpoint)
    removal = removal_of(checkpoint)
    checkpoint.mark_dirty(RAW, (DAY, DAY + 1), "sensor.a")

    with pytest.raises(RetentionUnverifiedError) as caught:
        checkpoint.begin_removal(removal)

    assert caught.value.spans == ((DAY, DAY + 1),)
    assert checkpoint.removals() == []


def test_one_deletion_of_a_day_at_a_time(checkpoint: Checkpoint) -> None:
    verify_day(checkpoint)
    checkpoint.begin_removal(removal_of(checkpoint))

    with pytest.raises(RetentionUnverifiedError, match="not ended"):
        checkpoint.begin_removal(removal_of(checkpoint, entity_ids=("sensor.a",)))


def test_entities_go_alone(checkpoint: Checkpoint) -> None:
    verify_day(checkpoint)
    removal = removal_of(checkpoint, entity_ids=("sensor.a", "sensor.b"), part=4)

    checkpoint.begin_removal(removal)
    assert checkpoint.removals() == [removal]
    checkpoint.finish_removal(removal)

    assert {s.value_count for s in checkpoint.segments(RAW, day())} == {6}
    assert checkpoint.removed(RAW, day()) == []
    assert checkpoint.removed(RAW, day(), "sensor.a") == [day()]
    assert checkpoint.mark_dirty(RAW, day(), "sensor.b") == [day()]
    assert checkpoint.mark_dirty(RAW, day(), "sensor.c") == []


def test_a_cancelled_deletion_is_looked_at_again(checkpoint: Checkpoint) -> None:
    verify_day(checkpoint)
    removal = removal_of(checkpoint)
    checkpoint.begin_removal(removal)

    checkpoint.cancel_removal(removal)

    assert checkpoint.removals() == []
    assert checkpoint.unverified(RAW, day()) == [day()]
    assert checkpoint.removed(RAW, day()) == []


def test_what_the_server_dropped_is_forgotten(checkpoint: Checkpoint) -> None:
    verify_day(checkpoint)
    checkpoint.mark_dirty(RAW, (DAY, DAY + 1))

    checkpoint.forget(RAW, (0, DAY + NS_PER_DAY))

    assert checkpoint.dirty(RAW) == []
    assert checkpoint.segments(RAW, day()) == []
    assert checkpoint.mark_dirty(RAW, (DAY, DAY + 1)) == [(DAY, DAY + 1)]


def test_years_take_little_room(checkpoint: Checkpoint) -> None:
    # Each day verified, deleted, and as many again after it.
    for number in range(40):
        start_ns = DAY + number * NS_PER_DAY
        checkpoint.add_verified(
            RAW, day(start_ns), counts={start_ns: 5}, mark=checkpoint.dirty_mark()
        )
        removal = Removal(
            ledger=RAW,
            start_ns=start_ns,
            end_ns=start_ns + NS_PER_DAY,
            entity_ids=None,
            parts={start_ns: 5},
        )
        checkpoint.begin_removal(removal)
        checkpoint.finish_removal(removal)

    with sqlite3.connect(checkpoint.path) as db:
        counts = [
            db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("verified", "segment", "dirty", "removal", "removed")
        ]
    db.close()
    assert counts == [1, 0, 0, 0, 1]


def test_it_is_there_after_a_restart(checkpoint: Checkpoint) -> None:
    verify_day(checkpoint)
    checkpoint.mark_dirty(RAW, (DAY, DAY + 1), "sensor.a")
    checkpoint.close()
    with pytest.raises(CheckpointError, match="closed"):
        checkpoint.verified(RAW)

    checkpoint.open()

    assert checkpoint.verified(RAW) == [day()]
    assert len(checkpoint.dirty(RAW)) == 1
    assert not checkpoint.has_lost_proof


@pytest.mark.parametrize("damage", ["garbage", "page"])
def test_a_damaged_file_is_moved_aside(checkpoint: Checkpoint, damage: str) -> None:
    verify_day(checkpoint)
    checkpoint.close()
    content = bytearray(checkpoint.path.read_bytes())
    content[(0 if damage == "garbage" else 4_096) :] = os.urandom(8_192)
    checkpoint.path.write_bytes(content)

    checkpoint.open()

    assert checkpoint.has_lost_proof
    assert checkpoint.unverified(RAW, day()) == [day()]
    assert checkpoint.path.with_suffix(".corrupt").exists()
    verify_day(checkpoint)
    assert checkpoint.is_verified(RAW, day())


def test_a_newer_file_is_left_alone(checkpoint: Checkpoint) -> None:
    checkpoint.close()
    with sqlite3.connect(checkpoint.path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()

    with pytest.raises(CheckpointError, match="newer"):
        checkpoint.open()

    assert not checkpoint.path.with_suffix(".corrupt").exists()


def test_a_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CheckpointError):
        Checkpoint(tmp_path / "file" / "retention.db").open()


def test_a_full_disk_changes_nothing(checkpoint: Checkpoint) -> None:
    verify_day(checkpoint)
    assert checkpoint._connection is not None
    (pages,) = checkpoint._connection.execute("PRAGMA page_count").fetchone()
    checkpoint._connection.execute(f"PRAGMA max_page_count={pages}")
    ids = tuple(f"sensor.{i}_{'x' * 200}" for i in range(500))

    with pytest.raises(CheckpointError, match="full"):
        checkpoint.begin_removal(removal_of(checkpoint, entity_ids=ids))

    assert checkpoint.removals() == []
    assert checkpoint.is_verified(RAW, day())


_CHILD = """
    import sys
    from pathlib import Path
    from custom_components.ha_ingestor.retention.checkpoint import Checkpoint
    from custom_components.ha_ingestor.retention.ledger import Ledger, Removal
    from custom_components.ha_ingestor.retention.tiers import Tier

    DAY = 86_400_000_000_000
    raw = Ledger(tier=Tier.RAW, measurement="m")
    checkpoint = Checkpoint(Path(sys.argv[1]))
    checkpoint.open()
    day = 0
    while True:
        span = (day * DAY, (day + 1) * DAY)
        checkpoint.mark_dirty(raw, span)
        mark = checkpoint.dirty_mark()
        checkpoint.add_verified(raw, span, counts={span[0]: 1}, mark=mark)
        removal = Removal(
            ledger=raw, start_ns=span[0], end_ns=span[1], entity_ids=None,
            parts={span[0]: 1},
        )
        checkpoint.begin_removal(removal)
        checkpoint.finish_removal(removal)
        print(day, flush=True)
        day += 1
"""


@pytest.mark.parametrize("seed", range(3))
def test_kill_9_leaves_the_state_before_or_after_a_step(
    tmp_path: Path, seed: int
) -> None:
    path = tmp_path / "retention.db"
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_CHILD), str(path)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert child.stdout is not None
    wanted = random.Random(seed).randint(3, 30)
    lines = [int(line) for line, _ in zip(child.stdout, range(wanted), strict=False)]
    child.send_signal(signal.SIGKILL)
    lines += [int(line) for line in child.stdout if line.endswith(b"\n")]
    child.stdout.close()
    child.wait()

    checkpoint = Checkpoint(path)
    checkpoint.open()
    raw = type(RAW)(tier=RAW.tier, measurement="m")
    ((start_ns, end_ns),) = checkpoint.removed(raw, (0, 10**4 * NS_PER_DAY))
    finished = max(lines) + 1
    # What was reported is there; the day under way is in exactly one state.
    assert start_ns == 0
    assert end_ns in {finished * NS_PER_DAY, (finished + 1) * NS_PER_DAY}
    assert not checkpoint.has_lost_proof
    assert len(checkpoint.removals()) + len(checkpoint.segments(raw, (0, 2**62))) in {
        0,
        1,
        2,
    }
    checkpoint.close()

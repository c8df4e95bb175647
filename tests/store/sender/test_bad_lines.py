"""Bad lines are found and stand alone, whatever else happens."""

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ha_ingestor.errors import (
    BatchRejectedError,
    StoreRefusedError,
)
from custom_components.ha_ingestor.store.buffer import DeadLetter, ReasonClass
from custom_components.ha_ingestor.store.sender import Sender
from custom_components.ha_ingestor.store.sqlite_buffer import SqliteBuffer
from custom_components.ha_ingestor.store.stats import LinkState, PipelineStats
from tests.store.sender.kit import (
    ScriptedServer,
    add,
    list_letters,
    wait_for,
    wait_until_empty,
)


@pytest.mark.parametrize("names_bad_lines", [True, False])
@pytest.mark.parametrize("bad", [{7}, {0}, {99}, {1, 2, 50}, set(range(100))])
def test_bad_lines_stand_alone(
    buffer: SqliteBuffer,
    stats: PipelineStats,
    server: ScriptedServer,
    sender: Sender,
    bad: set[int],
    names_bad_lines: bool,
) -> None:
    server.names_bad_lines = names_bad_lines
    server.is_bad = lambda line: int(line.split()[-1]) in bad
    add(buffer, *range(100))
    sender.start()
    wait_until_empty(buffer)
    wait_for(lambda: stats.written + stats.rejected == 100)
    good = set(range(100)) - bad
    assert {int(line.split()[-1]) for line in server.accepted} == good
    letters = list_letters(buffer)
    assert {int(letter.line.split()[-1]) for letter in letters} == bad
    assert len(letters) == len(bad) == stats.rejected
    assert {"type conflict" in letter.reason for letter in letters} == {True}
    assert stats.link is LinkState.CONNECTED


def test_a_list_of_bad_lines_that_is_cut_short_loses_nothing(
    buffer: SqliteBuffer, stats: PipelineStats, server: ScriptedServer, sender: Sender
) -> None:
    server.names_bad_lines = True
    server.max_named = 2
    server.is_bad = lambda line: int(line.split()[-1]) % 10 == 3
    add(buffer, *range(100))
    sender.start()
    wait_until_empty(buffer)
    wait_for(lambda: stats.written + stats.rejected == 100)
    assert stats.rejected == sum(buffer.dead_letter_counts.values()) == 10
    assert len(set(server.accepted)) == 90


@settings(max_examples=30, deadline=None)
@given(
    bad=st.sets(st.integers(min_value=0, max_value=63)),
    max_lines=st.integers(min_value=1, max_value=70),
)
def test_isolation_is_exact(bad: set[int], max_lines: int) -> None:
    server = ScriptedServer()
    server.is_bad = lambda line: int(line) in bad
    server.max_lines = max_lines
    sender = Sender(
        None,  # type: ignore[arg-type] - isolation alone needs no buffer
        PipelineStats(),
        lambda: server,
        lambda _: None,
        flush_interval_s=1,
    )
    lines = [b"%d" % number for number in range(64)]
    letters = sender._isolate(lines, BatchRejectedError("bad"))
    assert {int(letter.line) for letter in letters} == bad
    assert {int(line) for line in server.accepted} == set(range(64)) - bad


def test_too_large_is_split(
    buffer: SqliteBuffer, stats: PipelineStats, server: ScriptedServer, sender: Sender
) -> None:
    server.max_lines = 30
    add(buffer, *range(100))
    sender.start()
    wait_until_empty(buffer)
    assert len(set(server.accepted)) == 100
    assert stats.rejected == 0


def test_a_single_line_that_is_too_large_is_set_aside(
    buffer: SqliteBuffer, stats: PipelineStats, server: ScriptedServer, sender: Sender
) -> None:
    server.max_lines = 0
    add(buffer, 1)
    sender.start()
    wait_for(lambda: stats.rejected == 1)
    assert list_letters(buffer) == [
        DeadLetter(line=b"m a=1 1", reason="413", reason_class=ReasonClass.TOO_LARGE)
    ]


def test_an_outage_in_the_middle_of_isolation_keeps_the_whole_batch(
    buffer: SqliteBuffer, stats: PipelineStats, server: ScriptedServer, sender: Sender
) -> None:
    server.is_bad = lambda line: line.endswith(b" 3")
    server.answers = [
        BatchRejectedError("bad"),
        BatchRejectedError("bad"),
        StoreRefusedError("gone"),
    ]
    add(buffer, *range(10))
    sender.start()
    wait_until_empty(buffer)
    wait_for(lambda: stats.written == 9)
    assert stats.rejected == 1
    assert sum(buffer.dead_letter_counts.values()) == 1

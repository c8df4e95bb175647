"""A run on a thread rests, stops when it is asked to, and says how far it is."""

import threading
import time

import pytest

from custom_components.ha_ingestor.errors import RetentionCancelledError
from custom_components.ha_ingestor.retention import work as module
from custom_components.ha_ingestor.retention.work import Work


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


class RestingWork(Work):
    """Writes down how long it would have rested."""

    def __init__(self, share: float) -> None:
        super().__init__(share=share)
        self.rests: list[float] = []

    def pause(self, seconds: float) -> None:
        self.rests.append(seconds)
        super().pause(0)


@pytest.mark.parametrize(
    ("share", "worked_s", "rests"),
    [
        (0.5, 0.01, []),
        (0.5, 0.03, [0.03]),
        (0.25, 0.04, [pytest.approx(0.12)]),
        # Not for ever after a request that took a minute.
        (0.5, 60.0, [5.0]),
        (1.0, 1.0, [0.0]),
    ],
)
def test_it_rests_as_long_as_its_share_says(
    clock: Clock, share: float, worked_s: float, rests: list[float]
) -> None:
    work = RestingWork(share)
    clock.now += worked_s
    work.check()
    # The rest itself is no work.
    work.check()
    assert work.rests == rests


def test_it_stops_at_its_next_check(clock: Clock) -> None:
    work = Work()
    work.check()
    assert not work.is_cancelled
    work.cancel()
    assert work.is_cancelled
    with pytest.raises(RetentionCancelledError):
        work.check()
    clock.now += 1
    with pytest.raises(RetentionCancelledError):
        work.check()


def test_nobody_waits_for_the_end_of_a_pause() -> None:
    work = Work()
    ended: list[float] = []

    def run() -> None:
        try:
            work.pause(600)
        except RetentionCancelledError:
            ended.append(time.monotonic())

    thread = threading.Thread(target=run)
    thread.start()
    work.cancel()
    thread.join(60)
    assert len(ended) == 1


def test_it_says_how_far_it_is() -> None:
    said: list[tuple[float, str]] = []
    Work(on_progress=lambda done, doing: said.append((done, doing))).report(0.5, "x")
    Work().report(1.0, "nobody listens")
    assert said == [(0.5, "x")]


def test_a_part_says_how_far_the_whole_is() -> None:
    said: list[float] = []
    work = Work(on_progress=lambda done, _: said.append(done))
    with work.part(0.5, 1.0):
        work.report(0.0, "x")
        with work.part(0.0, 0.5):
            work.report(1.0, "x")
        work.report(1.0, "x")
    work.report(0.25, "x")
    assert said == [0.5, 0.75, 1.0, 0.25]

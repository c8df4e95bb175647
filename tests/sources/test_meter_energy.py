"""Energy between readings: never more than was used, whatever happens to the meter."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
import json

from hypothesis import given, strategies as st
import pytest

from custom_components.ha_ingestor.coordinators.meter_energy import (
    MAX_POWER_KW,
    MAX_STEP_KWH,
    EnergyTracker,
)
from custom_components.ha_ingestor.sources.meter.model import Counter, MeterData

START = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOLD = timedelta(minutes=3)


def powered(seconds: float, power_w: float | None, meter_id: str = "m") -> MeterData:
    return MeterData(
        meter_id=meter_id,
        measured_at=START + timedelta(seconds=seconds),
        power_w=power_w,
    )


def counted(
    seconds: float,
    kwh: float | None,
    *,
    may_fall: bool = False,
    period: str | None = None,
) -> MeterData:
    counter = Counter(key="c", kwh=kwh, may_fall=may_fall, period=period)
    return MeterData(
        meter_id="m",
        measured_at=START + timedelta(seconds=seconds),
        counters=(counter,),
    )


def read_all(readings: Sequence[MeterData]) -> list[tuple[float, float, float, bool]]:
    """Portions as seconds from the start, kWh, and whether they are estimates."""
    tracker = EnergyTracker()
    return [
        (
            (portion.start - START).total_seconds(),
            (portion.end - START).total_seconds(),
            round(portion.kwh, 9),
            portion.is_estimate,
        )
        for reading in readings
        for portion in tracker.read(reading, HOLD)
    ]


def total(readings: Sequence[MeterData]) -> float:
    return sum(kwh for _, _, kwh, _ in read_all(readings))


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        pytest.param([(0, 600.0)], [], id="first"),
        pytest.param(
            [(0, 600.0), (60, 1200.0), (120, 0.0)],
            [(0.0, 60.0, 0.01, False), (60.0, 120.0, 0.02, False)],
            id="each-until-the-next",
        ),
        pytest.param(
            [(0, 600.0), (180, 600.0), (361, 600.0)],
            [(0.0, 180.0, 0.03, False)],
            id="nothing-over-a-gap",
        ),
        pytest.param(
            [(0, -600.0), (60, 0.0)], [(0.0, 60.0, 0.0, False)], id="given-is-not-used"
        ),
        pytest.param([(0, None), (60, 600.0)], [], id="unknown-before"),
        pytest.param(
            [(0, 600.0), (60, None), (120, 600.0)],
            [(0.0, 60.0, 0.01, False)],
            id="unknown-in-between",
        ),
        pytest.param(
            [(0, 600.0), (0, 900.0), (-3600, 900.0), (-3540, 900.0)],
            [(-3600.0, -3540.0, 0.015, False)],
            id="clock-set-back",
        ),
        pytest.param([(0, 600.0), (3600, 600.0)], [], id="clock-set-forward"),
    ],
)
def test_power_is_counted_until_the_next_reading(
    readings: list[tuple[float, float | None]],
    expected: list[tuple[float, float, float, bool]],
) -> None:
    assert read_all([powered(*item) for item in readings]) == expected


def test_another_meter_begins_anew() -> None:
    assert read_all([powered(0, 600.0), powered(60, 600.0, "other")]) == []


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        pytest.param([(0, 5000.0)], [], id="first"),
        pytest.param(
            [(0, 5000.0), (60, 5000.0), (120, 5000.1), (180, 5000.2)],
            [(0.0, 120.0, 0.1, True), (120.0, 180.0, 0.1, False)],
            id="since-it-moved-last",
        ),
        pytest.param(
            [(0, 10.0), (60, 10.1), (120, None), (7260, 13.1)],
            [(0.0, 60.0, 0.1, True), (60.0, 7260.0, 3.0, True)],
            id="an-outage-is-real-but-estimated",
        ),
        pytest.param(
            [(0, 10.0), (60, 10.1), (120, 0.05), (180, 0.15)],
            [
                (0.0, 60.0, 0.1, True),
                (60.0, 120.0, 0.05, False),
                (120.0, 180.0, 0.1, False),
            ],
            id="reset",
        ),
        pytest.param(
            [(0, 10.0), (60, 0.0), (120, 10.02), (180, 10.04)],
            [
                (0.0, 60.0, 0.0, True),
                (60.0, 120.0, 0.02, False),
                (120.0, 180.0, 0.02, False),
            ],
            id="blip-to-nothing",
        ),
        pytest.param(
            [(0, 0.0), (60, 5000.0), (120, 5000.1)],
            [(60.0, 120.0, 0.1, False)],
            id="impossible-step",
        ),
        pytest.param(
            [(0, 10.0), (60, 9.9), (120, 10.0), (180, 10.1)],
            [(0.0, 180.0, 0.1, True)],
            id="correction-is-not-counted-twice",
        ),
        pytest.param(
            [(0, 10.0), *((s, 9.9) for s in range(60, 3720, 60)), (3720, 10.0)],
            [(3660.0, 3720.0, 0.1, False)],
            id="correction-that-stays",
        ),
    ],
)
def test_counters_are_counted_by_what_they_gain(
    readings: list[tuple[float, float | None]],
    expected: list[tuple[float, float, float, bool]],
) -> None:
    assert read_all([counted(*item) for item in readings]) == expected


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        pytest.param([(0, 10.0), (60, 9.8), (120, 10.0)], 0.2, id="given-back"),
        pytest.param([(0, 1.0), (600, 0.8), (660, 1.0)], 0.0, id="blip"),
        pytest.param([(0, 10.0), (60, 0.0), (120, 10.0)], 0.0, id="blip-to-nothing"),
    ],
)
def test_net_counters_only_count_upward(
    readings: list[tuple[float, float]], expected: float
) -> None:
    found = total([counted(*item, may_fall=True) for item in readings])

    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        pytest.param(counted(120, 0.3, period="b"), 0.3, id="begun-again"),
        pytest.param(counted(120, 5.1, period="b"), 0.1, id="value-comes-later"),
        pytest.param(counted(36_000, 6.0, period="b"), 6.0, id="after-an-outage"),
        pytest.param(counted(120, 5.1), 0.1, id="period-not-told"),
    ],
)
def test_a_counter_may_say_that_it_has_begun_again(
    last: MeterData, expected: float
) -> None:
    readings = [counted(0, 4.9, period="a"), counted(60, 5.0, period="a"), last]

    assert total(readings) == pytest.approx(0.1 + expected)


def test_power_follows_from_the_steps_of_counters() -> None:
    tracker = EnergyTracker()
    powers = []
    # 0.1 kWh each six minutes is 1 kW; then nothing for twelve.
    for seconds, kwh in [(0, 1.0), (360, 1.1), (720, 1.2), (1080, 1.2), (1440, 1.2)]:
        reading = counted(seconds, kwh)
        tracker.read(reading, timedelta(minutes=10))
        powers.append(tracker.derive_power(reading.measured_at))

    assert powers == [
        None,
        None,
        pytest.approx(1000),
        pytest.approx(1000),
        pytest.approx(500),
    ]


def test_a_step_after_an_outage_says_nothing_of_the_power() -> None:
    tracker = EnergyTracker()
    for seconds, kwh in [(0, 1.0), (60, 1.1), (120, 1.2), (7200, 4.0)]:
        tracker.read(counted(seconds, kwh), HOLD)

    assert tracker.derive_power(START + timedelta(seconds=7200)) is None

    tracker.read(counted(7260, 4.05), HOLD)
    assert tracker.derive_power(START + timedelta(seconds=7260)) == pytest.approx(3000)


def test_a_counter_after_a_clock_was_set_back_is_an_estimate() -> None:
    readings = [counted(0, 1.0), counted(60, 1.1), counted(-3600, 1.2)]

    assert read_all(readings) == [
        (0.0, 60.0, 0.1, True),
        (-3600.0, -3600.0, 0.1, True),
    ]


PAUSES = st.one_of(
    st.integers(1, 179), st.integers(181, 100_000), st.integers(-7200, 0)
)


@given(
    steps=st.lists(
        st.tuples(
            PAUSES, st.one_of(st.none(), st.integers(-5000, 20_000)), st.booleans()
        ),
        max_size=30,
    )
)
def test_power_agrees_with_a_plain_sum(
    steps: list[tuple[int, int | None, bool]],
) -> None:
    """With gaps, clocks that are set, unknown values, and restarts in between."""
    tracker, found, seconds = EnergyTracker(), 0.0, 0
    for pause, power_w, is_restart in steps:
        if is_restart:
            tracker = EnergyTracker(json.loads(json.dumps(tracker.to_json())))
        seconds += pause
        portions = tracker.read(powered(seconds, power_w), HOLD)
        found += sum(portion.kwh for portion in portions)

    expected = sum(
        max(power_w, 0) * pause / 3_600_000
        for (_, power_w, _), (pause, _, _) in pairwise(steps)
        if power_w is not None and 0 < pause <= 180
    )
    assert found == pytest.approx(expected)


type Step = tuple[float, str, float]

PAUSE = st.sampled_from([30.0, 60.0, 90.0, 600.0, 7200.0])


def use_counter(steps: Sequence[Step]) -> tuple[list[float], float]:
    """Use energy while things happen to its counter; return portions and the truth."""
    seconds, value, used, unread = 0.0, 100.0, 0.0, 0.0
    tracker, found = EnergyTracker(), []
    tracker.read(counted(0, value), HOLD)
    for pause, event, power_kw in steps:
        seconds += pause
        unread += power_kw * pause / 3600
        value += power_kw * pause / 3600
        if event == "reset":
            value = unread = 0.0
        if event == "restart":
            tracker = EnergyTracker(json.loads(json.dumps(tracker.to_json())))
        reading = counted(seconds, None if event == "lost" else value)
        found += [portion.kwh for portion in tracker.read(reading, HOLD)]
        if event != "lost":
            used, unread = used + unread, 0.0
    return found, used


@given(
    steps=st.lists(
        st.tuples(PAUSE, st.sampled_from(["use", "lost", "restart"]), st.floats(0, 10)),
        max_size=60,
    )
)
def test_counters_agree_with_what_was_used(steps: list[Step]) -> None:
    found, used = use_counter(steps)

    assert sum(found) == pytest.approx(used, abs=1e-6)


@given(
    steps=st.lists(
        st.tuples(
            PAUSE,
            st.sampled_from(["use", "use", "lost", "reset", "restart"]),
            st.floats(0, 10),
        ),
        max_size=60,
    )
)
def test_resets_never_make_energy(steps: list[Step]) -> None:
    found, used = use_counter(steps)

    # A jump beyond the old value at once after a reset may have been a blip, so that
    # it may be less, but never more.
    assert sum(found) <= used + 1e-6
    assert min(found, default=0.0) >= 0


@given(
    values=st.lists(
        st.one_of(st.none(), st.floats(0, 10_000), st.floats(0, 1)), max_size=40
    ),
    pauses=st.lists(st.sampled_from([10.0, 60.0, 3600.0]), min_size=40, max_size=40),
)
def test_nonsense_never_makes_more_than_a_home_can_use(
    values: list[float | None], pauses: list[float]
) -> None:
    tracker, found, seconds = EnergyTracker(), 0.0, 0.0
    for value, pause in zip(values, pauses, strict=False):
        seconds += pause
        portions = tracker.read(counted(seconds, value), HOLD)
        found += sum(portion.kwh for portion in portions)

    assert found <= MAX_POWER_KW * seconds / 3600 + MAX_STEP_KWH * len(values)

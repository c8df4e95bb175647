"""Rooms: the union of what their sensors say, hour by hour."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ha_ingestor.retention.aggregate import Aggregator
from custom_components.ha_ingestor.retention.carry import Carry
from custom_components.ha_ingestor.retention.windows import Resolution, Window
from custom_components.ha_ingestor.store.query import Row
from custom_components.ha_ingestor.views.rooms import Rooms, SensorRows
from tests.retention.kit import HOUR, MINUTE, START_NS, S, row
from tests.views.views_kit import motion

WINDOWS: Final = [
    Window(
        start_ns=START_NS + i * HOUR,
        end_ns=START_NS + (i + 1) * HOUR,
        resolution=Resolution.HOUR,
    )
    for i in range(4)
]
# What is looked at; the first hour is only carried in.
SHOWN: Final = WINDOWS[1:]
type Event = tuple[int, str, str | None]  # second, state, area


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


def aggregate(rows: Sequence[Row], interruptions: Sequence[int]) -> dict[int, Row]:
    """Aggregate a sensor's hours as the downsampling does."""
    hours: dict[int, Row] = {}
    carry: Carry | None = None
    for window in WINDOWS:
        aggregator = Aggregator(window, carry=carry)
        steps = [(one.time_ns, 0, one) for one in rows] + [
            (at_ns, 1, None) for at_ns in interruptions
        ]
        for at_ns, _, one in sorted(steps, key=lambda step: step[:2]):
            if not window.start_ns <= at_ns < window.end_ns:
                continue
            if one is None:
                aggregator.interrupt(at_ns)
            else:
                aggregator.add(one)
        if (found := aggregator.finish()) is not None:
            hours[window.start_ns] = Row(
                time_ns=window.start_ns, tags=found.tags, fields=found.fields
            )
        carry = aggregator.carry_out()
    return hours


def look(
    events_by_sensor: dict[str, list[Event]], interruptions: Sequence[int] = ()
) -> dict[tuple[str, int], tuple[int, float, int]]:
    """Return motion count, occupied seconds and sensors of rooms and hours."""
    rooms = Rooms(SHOWN, interruptions)
    for name, events in events_by_sensor.items():
        rows = [
            row(START_NS + at_s * S, state, motion(name, area))
            for at_s, state, area in events
        ]
        hours = aggregate(rows, interruptions)
        found = SensorRows()
        for one in rows:
            if one.time_ns >= SHOWN[0].start_ns:
                found.add([one])
        before = {at: r for at, r in hours.items() if at < SHOWN[0].start_ns}
        newest = dict([max(before.items())]) if before else {}
        inside = {at: r for at, r in hours.items() if at >= SHOWN[0].start_ns}
        rooms.add(name, found.rows, newest | inside)
    return {
        (area, (start_ns - START_NS) // HOUR): (
            room.motion_count,
            sum(end - start for start, end in room.on_spans) / S,
            len(room.sensors),
        )
        for (area, start_ns), room in rooms.hours.items()
    }


def reference(
    events_by_sensor: dict[str, list[Event]], interruptions: Sequence[int]
) -> dict[tuple[str, int], tuple[int, float, int]]:
    """The same, second by second."""
    on: dict[tuple[str, int], set[int]] = {}
    known: dict[tuple[str, int], set[str]] = {}
    edges: dict[tuple[str, int], int] = {}
    cuts = {(at_ns - START_NS) // S for at_ns in interruptions}
    for name, events in events_by_sensor.items():
        by_second = {at_s: (state, area) for at_s, state, area in events}
        state: str | None = None
        area: str | None = None
        last: str | None = None
        for second in range(4 * 3600):
            hour = second // 3600
            if second in by_second:
                text, area = by_second[second]
                state = None if text == "unavailable" else text
                if state == "on" and last != "on" and area is not None:
                    edges[area, hour] = edges.get((area, hour), 0) + (
                        second not in cuts
                    )
                last = state or last
            if second in cuts:
                state = None
            if state is None or area is None:
                continue
            known.setdefault((area, hour), set()).add(name)
            if state == "on":
                on.setdefault((area, hour), set()).add(second)
    return {
        key: (edges.get(key, 0), float(len(on.get(key, ()))), len(names))
        for key, names in known.items()
        if key[1] >= 1
    }


EVENTS: Final = st.lists(
    st.tuples(
        st.integers(0, 4 * 3600 - 1),
        st.sampled_from(["on", "off", "unavailable"]),
        st.sampled_from(["Hall", "Den", None]),
    ),
    max_size=12,
    unique_by=lambda event: event[0],
).map(sorted)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), EVENTS, max_size=3),
    st.lists(st.integers(0, 4 * 3600 - 1), max_size=2, unique=True),
)
def test_rooms_agree_with_every_second(
    events: dict[str, list[Event]], cuts: list[int]
) -> None:
    interruptions = sorted(START_NS + at_s * S for at_s in cuts)
    # A row of the very instant at which Home Assistant died says nothing of later.
    events = {
        name: [event for event in own if event[0] not in cuts]
        for name, own in events.items()
    }
    found = look(events, interruptions)
    expected = reference(events, interruptions)
    # What was known for no time at all is left out by the one that counts seconds.
    assert {key: value for key, value in found.items() if key in expected} == expected
    assert {key for key in found if key not in expected} == set()


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param(
            {"a": [(3600, "on", "Hall"), (4500, "off", "Hall")]},
            {("Hall", 1): (1, 900.0, 1), ("Hall", 2): (0, 0.0, 1)},
            id="one-sensor",
        ),
        pytest.param(
            {
                "a": [(3600, "on", "Hall"), (4500, "off", "Hall")],
                "b": [(4000, "on", "Hall"), (5000, "off", "Hall")],
            },
            {("Hall", 1): (2, 1400.0, 2), ("Hall", 2): (0, 0.0, 2)},
            id="overlap-counts-once",
        ),
        pytest.param(
            {"a": [(0, "on", "Hall")]},
            {("Hall", 1): (0, 3600.0, 1), ("Hall", 2): (0, 3600.0, 1)},
            id="on-across-hours",
        ),
        pytest.param(
            {"a": [(0, "on", "Hall"), (3600, "unavailable", "Hall")]},
            {},
            id="unavailable-is-not-on",
        ),
        pytest.param(
            {
                "a": [
                    (0, "on", "Hall"),
                    (4000, "unavailable", "Hall"),
                    (4100, "on", "Hall"),
                ]
            },
            {("Hall", 1): (0, 3500.0, 1), ("Hall", 2): (0, 3600.0, 1)},
            id="a-gap-is-no-motion",
        ),
        pytest.param(
            {"a": [(0, "off", "Hall"), (3700, "on", "Den 🛋")]},
            {
                ("Hall", 1): (0, 0.0, 1),
                ("Den 🛋", 1): (1, 3500.0, 1),
                ("Den 🛋", 2): (0, 3600.0, 1),
            },
            id="moved",
        ),
        pytest.param({"a": [(3600, "on", None)]}, {}, id="without-an-area"),
    ],
)
def test_hours(
    events: dict[str, list[Event]], expected: dict[tuple[str, int], object]
) -> None:
    found = {key: value for key, value in look(events).items() if key[1] < 3}

    assert found == expected


def test_what_home_assistant_did_not_see_is_not_on() -> None:
    events: dict[str, list[Event]] = {
        "a": [(0, "on", "Hall"), (7200 - 600, "on", "Hall")]
    }

    found = look(events, [START_NS + HOUR + 10 * MINUTE])

    assert found["Hall", 1] == (0, 1200.0, 1)


def test_what_held_long_before_holds_no_more() -> None:
    """Between the hours nothing was known, so that they have no aggregates."""
    rows = [row(START_NS - 9 * HOUR, "on", motion("a"))]
    long_before = Window(
        start_ns=START_NS - 9 * HOUR,
        end_ns=START_NS - 8 * HOUR,
        resolution=Resolution.HOUR,
    )
    aggregator = Aggregator(long_before)
    aggregator.add(rows[0])
    found = aggregator.finish()
    assert found is not None
    at_ns = SHOWN[0].start_ns + 30 * MINUTE
    again = row(at_ns, "on", motion("a"))
    hours = aggregate([again], [])
    hours[long_before.start_ns] = Row(
        time_ns=long_before.start_ns, tags=found.tags, fields=found.fields
    )
    rooms = Rooms(SHOWN)

    rooms.add("a", [again], hours)

    room = rooms.hours["Hall", SHOWN[0].start_ns]
    assert room.on_spans == [(at_ns, SHOWN[0].end_ns)]
    # It was on when it was last seen.
    assert room.motion_count == 0


def test_of_one_instant_a_known_state_counts() -> None:
    found = SensorRows()
    at_ns = SHOWN[0].start_ns
    found.add(
        [row(at_ns, "unavailable", motion("a")), row(at_ns, "on", motion("a", "Den"))]
    )
    assert [(one.fields, one.tags["area"]) for one in found.rows] == [
        ({"state": "on"}, "Den")
    ]
    assert found.times == [at_ns, at_ns]
    assert all(a <= b for a, b in pairwise(found.times))

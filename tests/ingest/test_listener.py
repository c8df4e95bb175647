"""From the bus to the hand-over: what is taken out of an event."""

import asyncio
from datetime import timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.ha_ingestor.ingest.listener import (
    BURST_HAND_OVER_INTERVAL_S,
    HAND_OVER_RECORD_COUNT,
    MAX_HAND_OVER_INTERVAL_S,
    BusListener,
)
from custom_components.ha_ingestor.ingest.records import Record
from custom_components.ha_ingestor.options import HubOptions
from custom_components.ha_ingestor.store.stats import PipelineStats
from homeassistant.core import Context, HomeAssistant
from tests.ingest.kit import Capture, set_states


def test_a_state_and_its_context(hass: HomeAssistant, capture: Capture) -> None:
    context = Context(id="01CHILD", parent_id="01PARENT", user_id="anna")
    hass.states.async_set("light.a", "on", context=context)

    state = hass.states.get("light.a")
    assert state is not None
    point = capture.last("light.a")
    assert point.measurement == "home_assistant_events"
    assert point.time_ns == round(state.last_updated_timestamp * 1e6) * 1000
    assert point.fields == {
        "state": "on",
        "value": 1.0,
        "context_id": "01CHILD",
        "context_parent_id": "01PARENT",
        "context_user_id": "anna",
    }


def test_a_context_without_parent_and_user(
    hass: HomeAssistant, capture: Capture
) -> None:
    hass.states.async_set("light.a", "on")

    assert capture.last("light.a").fields.keys() == {"state", "value", "context_id"}


def test_the_previous_state_and_how_long_it_lasted(
    hass: HomeAssistant, capture: Capture, freezer: FrozenDateTimeFactory
) -> None:
    hass.states.async_set("light.a", "on")
    freezer.tick(timedelta(seconds=90.25))
    hass.states.async_set("light.a", "on", {"brightness": 5})
    freezer.tick(timedelta(seconds=30))
    hass.states.async_set("light.a", "off")
    freezer.tick(timedelta(microseconds=1))
    hass.states.async_remove("light.a")

    points = capture.states("light.a")
    assert [
        (
            point.fields["state"],
            point.fields.get("previous_state"),
            point.fields.get("duration_s"),
        )
        for point in points
    ] == [
        ("on", None, None),
        # The attributes changed, the state did not.
        ("on", None, None),
        ("off", "on", 120.25),
        ("removed", "off", 0.000001),
    ]
    assert points[-1].time_ns - points[0].time_ns == 120_250_001_000


def test_a_clock_that_is_set_back_makes_no_negative_duration(
    hass: HomeAssistant, capture: Capture, freezer: FrozenDateTimeFactory
) -> None:
    hass.states.async_set("sensor.a", "5")
    freezer.tick(timedelta(hours=-1))
    hass.states.async_set("sensor.a", "6")

    assert [point.fields.get("duration_s") for point in capture.states("sensor.a")] == [
        None,
        0.0,
    ]


@pytest.mark.parametrize("state", ["unknown", "unavailable"])
def test_a_gap_is_a_fact(hass: HomeAssistant, capture: Capture, state: str) -> None:
    hass.states.async_set("sensor.a", "5")
    hass.states.async_set("sensor.a", state)
    hass.states.async_set("sensor.a", "6")

    _, gap, after = capture.states("sensor.a")
    assert gap.fields["state"] == state
    assert gap.fields["previous_state"] == "5"
    assert "value" not in gap.fields
    assert after.fields["previous_state"] == state


def test_a_removal_and_a_return(hass: HomeAssistant, capture: Capture) -> None:
    context = Context(user_id="anna")
    hass.states.async_set("light.a", "on")
    hass.states.async_remove("light.a", context=context)
    hass.states.async_set("light.a", "off")

    _, removal, again = capture.states("light.a")
    assert removal.fields["state"] == "removed"
    assert "value" not in removal.fields
    assert removal.fields["context_user_id"] == "anna"
    assert "previous_state" not in again.fields


def test_the_same_state_again_is_no_event(
    hass: HomeAssistant, capture: Capture
) -> None:
    hass.states.async_set("sensor.a", "5")
    hass.states.async_set("sensor.a", "5")

    assert len(capture.states("sensor.a")) == 1


def test_a_forced_update_is_one(
    hass: HomeAssistant, capture: Capture, freezer: FrozenDateTimeFactory
) -> None:
    hass.states.async_set("sensor.a", "5")
    freezer.tick(10)
    hass.states.async_set("sensor.a", "5", force_update=True)

    first, second = capture.states("sensor.a")
    assert second.time_ns - first.time_ns == 10_000_000_000
    assert second.fields["value"] == 5.0
    assert "previous_state" not in second.fields


@pytest.mark.parametrize("hub_options", [{"exclude_entities": ["sensor.out"]}])
def test_captured_and_filtered_are_counted(
    hass: HomeAssistant, capture: Capture
) -> None:
    hass.states.async_set("sensor.in", "1")
    hass.states.async_set("sensor.in", "2")
    hass.states.async_set("sensor.out", "1")
    hass.states.async_set("sensor.out", "2")
    hass.states.async_remove("sensor.out")

    assert len(capture.records) == 2
    assert capture.stats.captured == 2
    assert capture.stats.filtered == 3


@pytest.mark.parametrize("hub_options", [{"event_kinds": ["scripts"]}])
def test_states_can_be_switched_off(hass: HomeAssistant, capture: Capture) -> None:
    hass.states.async_set("sensor.a", "1")
    hass.states.async_set("sensor.a", "2")

    assert capture.records == []
    assert capture.stats.filtered == 2


def test_rules_can_be_changed_while_it_runs(
    hass: HomeAssistant, capture: Capture
) -> None:
    hass.states.async_set("sensor.a", "1")
    capture.set_options({"exclude_entities": ["sensor.a"]})
    hass.states.async_set("sensor.a", "2")
    capture.set_options({})
    hass.states.async_set("sensor.a", "3")

    assert [point.fields["state"] for point in capture.states("sensor.a")] == ["1", "3"]


def test_a_broken_value_stops_nothing(hass: HomeAssistant, capture: Capture) -> None:
    capture.set_options({"attributes": ["*.*"]})
    broken: dict[Any, Any] = {1: object(), "x": {1, "a"}, "unit_of_measurement": [1]}
    hass.states.async_set("sensor.a", "nan", broken)
    hass.states.async_set("sensor.b", "1")

    assert capture.last("sensor.a").fields["state"] == "nan"
    assert capture.last("sensor.b").fields["value"] == 1.0


def test_nothing_comes_after_the_stop(hass: HomeAssistant, capture: Capture) -> None:
    hass.states.async_set("sensor.a", "1")
    capture.listener.async_stop()
    assert len(capture.lists) == 1

    hass.states.async_set("sensor.a", "2")
    hass.bus.async_fire("script_started", {"name": "S"})

    assert len(capture.records) == 1


def test_records_hold_no_event_and_no_state(
    hass: HomeAssistant, capture: Capture
) -> None:
    hass.states.async_set("climate.a", "heat", {"temperature": 21.0})
    hass.states.async_set("climate.a", "heat", {"temperature": 22.0})

    kinds = {type(value) for record in capture.records for value in record}
    assert kinds <= {int, str, float, tuple, type(None)}


def test_a_full_list_is_handed_over_at_once(
    hass: HomeAssistant, capture: Capture
) -> None:
    set_states(hass, "sensor.a", HAND_OVER_RECORD_COUNT - 1)
    assert capture.lists == []

    set_states(hass, "sensor.b", 1)
    assert [len(records) for records in capture.lists] == [HAND_OVER_RECORD_COUNT]

    set_states(hass, "sensor.c", 1)
    assert len(capture.lists) == 1
    capture.listener.hand_over()
    assert [len(records) for records in capture.lists] == [HAND_OVER_RECORD_COUNT, 1]


def test_changes_fill_a_list(hass: HomeAssistant, capture: Capture) -> None:
    set_states(hass, "sensor.a", HAND_OVER_RECORD_COUNT + 1)

    assert [len(records) for records in capture.lists] == [HAND_OVER_RECORD_COUNT]


def test_special_events_fill_a_list_too(hass: HomeAssistant, capture: Capture) -> None:
    capture.set_options({"weather_entity": "sensor.a"})

    set_states(hass, "sensor.a", HAND_OVER_RECORD_COUNT)

    assert [len(records) for records in capture.lists] == [HAND_OVER_RECORD_COUNT]


async def test_a_list_is_handed_over_in_time(hass: HomeAssistant) -> None:
    got: asyncio.Queue[list[Record]] = asyncio.Queue()
    options = HubOptions(flush_interval_s=0.05)
    listener = BusListener(hass, options, PipelineStats(), got.put_nowait)
    listener.async_start(options)

    # Twice: the timer has to start anew.
    hass.states.async_set("sensor.a", "1")
    first = await asyncio.wait_for(got.get(), 5)
    hass.states.async_set("sensor.a", "2")
    hass.states.async_set("sensor.a", "3")
    second = await asyncio.wait_for(got.get(), 5)
    listener.async_stop()

    assert [len(first), len(second)] == [1, 2]
    assert listener.stats.captured == 3


async def test_the_end_of_a_burst_does_not_wait(hass: HomeAssistant) -> None:
    got: asyncio.Queue[list[Record]] = asyncio.Queue()
    options = HubOptions(flush_interval_s=60.0)
    listener = BusListener(hass, options, PipelineStats(), got.put_nowait)
    listener.async_start(options)

    def wait_s() -> float:
        assert listener._timer is not None
        return listener._timer.when() - hass.loop.time()

    set_states(hass, "sensor.a", HAND_OVER_RECORD_COUNT + 1)
    after_full_list = wait_s()
    await got.get()
    assert len(await asyncio.wait_for(got.get(), 5)) == 1
    hass.states.async_set("sensor.b", "1")
    after_short_list = wait_s()
    listener.async_stop()

    assert after_full_list <= BURST_HAND_OVER_INTERVAL_S
    assert after_short_list > BURST_HAND_OVER_INTERVAL_S


@pytest.mark.parametrize(
    ("flush_interval_s", "expected"),
    [(0.1, 0.025), (1.0, MAX_HAND_OVER_INTERVAL_S), (60.0, MAX_HAND_OVER_INTERVAL_S)],
)
def test_the_hand_over_follows_the_flush_interval(
    hass: HomeAssistant, capture: Capture, flush_interval_s: float, expected: float
) -> None:
    capture.set_options({"flush_interval_s": flush_interval_s})

    before = hass.loop.time()
    hass.states.async_set("sensor.a", "1")

    timer = capture.listener._timer
    assert timer is not None
    assert timer.when() - before == pytest.approx(expected, abs=0.02)


def test_another_sink_gets_what_comes_from_then_on(
    hass: HomeAssistant, capture: Capture
) -> None:
    other: list[list[Record]] = []
    hass.states.async_set("sensor.a", "1")

    capture.listener.set_sink(other.append)
    hass.states.async_set("sensor.a", "2")
    capture.listener.hand_over()

    assert [len(records) for records in capture.lists] == [1]
    assert [len(records) for records in other] == [1]


def test_a_first_start_captures_all_states(
    hass: HomeAssistant, idle_capture: Capture
) -> None:
    set_states(hass, "sensor.a", 2)
    set_states(hass, "sensor.b", 1)

    assert idle_capture.listener.capture_states(0, 9e9) == 2
    assert idle_capture.last("sensor.a").fields["state"] == "1"
    assert "previous_state" not in idle_capture.last("sensor.a").fields


@pytest.mark.parametrize("hub_options", [{"exclude_entities": ["sensor.out"]}])
def test_a_start_captures_only_what_is_newer_than_the_last_event(
    hass: HomeAssistant, idle_capture: Capture, freezer: FrozenDateTimeFactory
) -> None:
    hass.states.async_set("sensor.old", "1")
    old = hass.states.get("sensor.old")
    freezer.tick(1)
    hass.states.async_set("sensor.new", "1")
    hass.states.async_set("sensor.out", "1")
    new = hass.states.get("sensor.new")
    freezer.tick(1)
    hass.states.async_set("sensor.seen_by_the_listener", "1")

    assert old is not None
    assert new is not None
    captured = idle_capture.listener.capture_states(
        old.last_updated_timestamp, new.last_updated_timestamp
    )

    assert captured == 1
    assert [point.tags["entity_id"] for point in idle_capture.points()] == [
        "sensor.new"
    ]
    assert idle_capture.stats.filtered == 1


def test_a_snapshot_has_the_time_of_the_state(
    hass: HomeAssistant, idle_capture: Capture, freezer: FrozenDateTimeFactory
) -> None:
    hass.states.async_set("sensor.a", "1")
    state = hass.states.get("sensor.a")
    freezer.tick(3600)

    idle_capture.listener.capture_states(0, 9e9)

    assert state is not None
    time_ns = round(state.last_updated_timestamp * 1e6) * 1000
    assert idle_capture.last("sensor.a").time_ns == time_ns


def test_a_preview_hands_nothing_over(hass: HomeAssistant, capture: Capture) -> None:
    hass.states.async_set("sensor.a", "1")
    before = capture.lines
    state = hass.states.get("sensor.a")
    assert state is not None

    plan, records = capture.listener.preview(state)

    assert plan.is_captured
    assert [capture.normalizer.format_record(record) for record in records] == before
    assert capture.lines == before
    assert capture.stats.captured == 1


@pytest.mark.parametrize("hub_options", [{"exclude_domains": ["sensor"]}])
def test_a_preview_of_what_is_left_out(hass: HomeAssistant, capture: Capture) -> None:
    hass.states.async_set("sensor.a", "1")
    state = hass.states.get("sensor.a")
    assert state is not None

    plan, records = capture.listener.preview(state)

    assert plan.decision.reason == "excluded_domain"
    assert records == []

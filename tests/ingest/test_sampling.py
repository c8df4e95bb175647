"""Sampling: what is thinned, what never is, and that all of it is counted."""

from datetime import timedelta
from typing import Any

from hypothesis import given, strategies as st
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.ha_ingestor.ingest.records import STATE, StateRecord
from custom_components.ha_ingestor.ingest.sampling import (
    Sampler,
    SamplerPool,
    number_of,
)
from custom_components.ha_ingestor.options import HubOptions, SamplingRule
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from tests.ingest.kit import Capture

type Change = tuple[float, str | None]


def record(time_s: float, state: str | None) -> StateRecord:
    return (STATE, "key", state, time_s, "before", 1.0, "id", None, None, "", None)


def offer_all(sampler: Sampler, changes: list[Change]) -> list[Change]:
    """Return time and state of what is stored, with all that falls due between."""
    stored: list[StateRecord] = []
    for time_s, state in changes:
        stored += sampler.take_due(time_s)
        stored += sampler.offer(record(time_s, state))
    return [(kept[3], kept[2]) for kept in stored]


@pytest.mark.parametrize(
    ("rule", "changes", "expected"),
    [
        pytest.param(
            SamplingRule(glob="*", deadband=1.0),
            [(0, "20"), (1, "20.9"), (2, "21"), (3, "20.5"), (4, "19.9")],
            [(0, "20"), (2, "21"), (4, "19.9")],
            id="deadband",
        ),
        pytest.param(
            SamplingRule(glob="*", deadband=1.0),
            [(0, "20"), (1, "20.4"), (2, "20.8"), (3, "21.2")],
            [(0, "20"), (3, "21.2")],
            id="deadband-follows-a-slow-drift",
        ),
        pytest.param(
            SamplingRule(glob="*", deadband_percent=10.0),
            [(0, "100"), (1, "109"), (2, "110"), (3, "-1"), (4, "-1.05")],
            [(0, "100"), (2, "110"), (3, "-1")],
            id="percent",
        ),
        pytest.param(
            SamplingRule(glob="*", deadband=5.0, deadband_percent=10.0),
            [(0, "20"), (1, "21"), (2, "22"), (3, "200"), (4, "206"), (5, "300")],
            [(0, "20"), (2, "22"), (3, "200"), (4, "206"), (5, "300")],
            id="either-deadband-is-enough",
        ),
        pytest.param(
            SamplingRule(glob="*", deadband_percent=10.0),
            [(0, "0"), (1, "0"), (2, "0.001")],
            [(0, "0"), (2, "0.001")],
            id="percent-of-zero",
        ),
        pytest.param(
            SamplingRule(glob="*", deadband=100.0),
            [(0, "20"), (1, "unavailable"), (2, "21"), (3, "unknown"), (4, None)],
            [(0, "20"), (1, "unavailable"), (2, "21"), (3, "unknown"), (4, None)],
            id="a-gap-is-a-fact",
        ),
        pytest.param(
            SamplingRule(glob="*", deadband=1.0),
            [(0, "heat"), (1, "cool"), (2, "cool"), (3, "off")],
            [(0, "heat"), (1, "cool"), (3, "off")],
            id="text-has-no-deadband",
        ),
        pytest.param(
            SamplingRule(glob="*", min_interval_s=10.0),
            [(0, "1"), (3, "2"), (6, "3"), (11, "4"), (30, "5")],
            # The last value of the interval keeps its own time, and the next
            # interval begins with it.
            [(0, "1"), (6, "3"), (11, "4"), (30, "5")],
            id="interval-keeps-its-last-value",
        ),
        pytest.param(
            SamplingRule(glob="*", min_interval_s=10.0),
            [(0, "1"), (3, "2"), (4, "unavailable"), (5, "3")],
            [(0, "1"), (3, "2"), (4, "unavailable"), (5, "3")],
            id="a-gap-ends-the-interval",
        ),
        pytest.param(
            SamplingRule(glob="*", min_interval_s=10.0),
            [(0, "on"), (3, "off"), (4, "on"), (20, "off")],
            [(0, "on"), (4, "on"), (20, "off")],
            id="interval-for-text",
        ),
        pytest.param(
            SamplingRule(glob="*", heartbeat_s=60.0),
            [(0, "1"), (70, "2"), (71, "3")],
            [(0, "1"), (70, "1"), (70, "2"), (71, "3")],
            id="heartbeat",
        ),
        pytest.param(
            SamplingRule(glob="*", deadband=5.0, heartbeat_s=60.0),
            [(0, "10"), (30, "12"), (70, "13")],
            [(0, "10"), (70, "12")],
            id="heartbeat-says-what-is-true-now",
        ),
        pytest.param(
            SamplingRule(glob="*", heartbeat_s=60.0),
            [(0, "1"), (10, None), (200, "2")],
            [(0, "1"), (10, None), (200, "2")],
            id="no-heartbeat-of-what-is-gone",
        ),
    ],
)
def test_what_is_stored(
    rule: SamplingRule, changes: list[Change], expected: list[Change]
) -> None:
    assert offer_all(Sampler(rule), changes) == expected


@given(
    changes=st.lists(
        st.tuples(
            st.integers(min_value=1, max_value=30),
            st.sampled_from(["1", "1.5", "2", "9", "on", "unavailable", "unknown"]),
        ),
        max_size=40,
    ),
    rule=st.builds(
        SamplingRule,
        glob=st.just("*"),
        min_interval_s=st.none() | st.integers(min_value=1, max_value=40),
        deadband=st.none() | st.integers(min_value=1, max_value=5),
        deadband_percent=st.none() | st.integers(min_value=1, max_value=50),
    ),
)
def test_every_change_is_stored_or_counted(
    changes: list[tuple[int, str]], rule: SamplingRule
) -> None:
    sampler = Sampler(rule)
    time_s = 0.0
    stored: list[StateRecord] = []
    for step, state in changes:
        time_s += step
        stored += sampler.take_due(time_s)
        stored += sampler.offer(record(time_s, state))
    stored += sampler.take_held()
    assert len(stored) + sampler.left_out == len(changes)
    times = [kept[3] for kept in stored]
    assert times == sorted(set(times))


def test_a_heartbeat_has_no_past() -> None:
    sampler = Sampler(SamplingRule(glob="*", heartbeat_s=10))
    sampler.offer(record(0, "1"))
    [beat] = sampler.take_due(11)
    assert beat[3:6] == (11, None, None)
    assert beat[6] == "id"
    assert sampler.take_due(12) == []


@pytest.mark.parametrize(
    ("state", "number"),
    [("1.5", 1.5), ("on", None), (None, None), ("", None), ("nan", None)],
)
def test_number_of(state: str | None, number: float | None) -> None:
    assert number_of(state) == number


def test_the_first_rule_that_fits_holds() -> None:
    coarse = SamplingRule(glob="sensor.power_*", deadband=50.0)
    fine = SamplingRule(glob="sensor.*", deadband=1.0)
    pool = SamplerPool(HubOptions(sampling=(coarse, fine)))
    power, other = pool.sampler("sensor.power_oven"), pool.sampler("sensor.a")
    assert power is not None
    assert power.rule is coarse
    assert other is not None
    assert other.rule is fine
    assert pool.sampler("light.a") is None
    assert pool.sampler("sensor.a") is other


def rules(**rule: Any) -> dict[str, Any]:
    return {"sampling": [{"glob": "sensor.*", **rule}]}


def stored_states(capture: Capture, entity_id: str) -> list[Any]:
    return [point.fields["state"] for point in capture.points(entity_id=entity_id)]


@pytest.mark.parametrize("hub_options", [rules(deadband=10)])
async def test_left_out_changes_are_counted(
    hass: HomeAssistant, capture: Capture
) -> None:
    for value in (1, 2, 3, 50, 51):
        hass.states.async_set("sensor.a", str(value))
        hass.states.async_set("light.a", str(value))
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=2))
    await hass.async_block_till_done()
    assert stored_states(capture, "sensor.a") == ["1", "50"]
    assert len(stored_states(capture, "light.a")) == 5
    assert capture.stats.sampled == 3


@pytest.mark.parametrize("hub_options", [rules(min_interval_s=60)])
async def test_the_last_value_comes_when_its_interval_is_over(
    hass: HomeAssistant, capture: Capture
) -> None:
    for value in (1, 2, 3):
        hass.states.async_set("sensor.a", str(value))
    last = hass.states.get("sensor.a")
    assert last is not None
    assert stored_states(capture, "sensor.a") == ["1"]
    capture.listener._on_sampling_timer(dt_util.utcnow() + timedelta(seconds=61))
    points = capture.points(entity_id="sensor.a")
    assert [point.fields["state"] for point in points] == ["1", "3"]
    assert points[-1].time_ns == round(last.last_updated_timestamp * 1e6) * 1000


@pytest.mark.parametrize("hub_options", [rules(min_interval_s=60)])
async def test_what_is_held_is_stored_when_rules_change(
    hass: HomeAssistant, capture: Capture
) -> None:
    for value in (1, 2, 3):
        hass.states.async_set("sensor.a", str(value))
    capture.set_options({})
    hass.states.async_set("sensor.a", "4")
    assert stored_states(capture, "sensor.a") == ["1", "3", "4"]
    assert capture.stats.sampled == 1


@pytest.mark.parametrize("hub_options", [rules(min_interval_s=60)])
async def test_what_is_held_is_stored_at_stop(
    hass: HomeAssistant, idle_capture: Capture
) -> None:
    idle_capture.start()
    for value in (1, 2):
        hass.states.async_set("sensor.a", str(value))
    idle_capture.listener.async_stop()
    assert stored_states(idle_capture, "sensor.a") == ["1", "2"]


@pytest.mark.parametrize("hub_options", [rules(min_interval_s=60)])
async def test_a_sampled_entity_that_goes_is_recorded(
    hass: HomeAssistant, capture: Capture
) -> None:
    for value in (1, 2, 3):
        hass.states.async_set("sensor.a", str(value))
    hass.states.async_remove("sensor.a")
    hass.states.async_set("sensor.a", "4")
    assert stored_states(capture, "sensor.a") == ["1", "3", "removed", "4"]

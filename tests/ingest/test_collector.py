"""A reload loses nothing, doubles nothing, and is not waited for for ever."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.ingest.collector import (
    DATA_COLLECTORS,
    MAX_COLLECTED_RECORDS,
    MAX_COLLECTING_S,
    Collector,
    discard_collector,
    take_collector,
)
from custom_components.ha_ingestor.ingest.records import Record
from custom_components.ha_ingestor.options import HubOptions
from devlib.influxd import InfluxServer
from homeassistant.config_entries import ConfigEntryDisabler, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from tests.ingest.kit import Capture, set_states


async def stored_values(
    hass: HomeAssistant, influxdb: InfluxServer, entity_id: str
) -> list[float]:
    """Write what waits and give what the server has of an entity."""
    await hass.services.async_call(
        DOMAIN, "flush", {}, blocking=True, return_response=True
    )
    rows = await hass.async_add_executor_job(
        influxdb.rows,
        f"SELECT value FROM home_assistant_events WHERE entity_id = '{entity_id}'",
        "test",
    )
    return [row[1] for row in rows]


@pytest.fixture
def collector(hass: HomeAssistant) -> Collector:
    """A collector with a listener of its own."""
    return Collector.start(hass, HubOptions())


@pytest.fixture
def sink() -> list[list[Record]]:
    """Where the collected goes."""
    return []


async def test_a_reload_loses_nothing_and_doubles_nothing(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    hass.states.async_set("sensor.a", "1")
    hass.states.async_set("sensor.silent", "1")
    reload = hass.async_create_task(hass.config_entries.async_reload(hub.entry_id))
    hass.states.async_set("sensor.a", "2")
    assert await reload
    hass.states.async_set("sensor.a", "3")

    assert hub.state is ConfigEntryState.LOADED
    assert await stored_values(hass, influxdb, "sensor.a") == [1, 2, 3]
    assert await stored_values(hass, influxdb, "sensor.silent") == [1]


async def test_events_between_unload_and_set_up_are_kept(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    hass.states.async_set("sensor.a", "1")
    assert await hass.config_entries.async_unload(hub.entry_id)
    hass.states.async_set("sensor.a", "2")
    hass.states.async_set("sensor.a", "3")
    hass.states.async_remove("sensor.a")
    assert await hass.config_entries.async_setup(hub.entry_id)

    assert await stored_values(hass, influxdb, "sensor.a") == [1, 2, 3]
    snapshot = hub.runtime_data.pipeline.snapshot()
    assert snapshot.dropped == 0
    assert DATA_COLLECTORS not in hass.data or not hass.data[DATA_COLLECTORS]


async def test_options_changed_in_between_hold_after_the_set_up(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    assert await hass.config_entries.async_unload(hub.entry_id)
    hass.states.async_set("sensor.a", "1")
    hass.config_entries.async_update_entry(
        hub, options={**hub.options, "exclude_domains": ["sensor"]}
    )
    assert await hass.config_entries.async_setup(hub.entry_id)
    hass.states.async_set("sensor.a", "2")

    assert await stored_values(hass, influxdb, "sensor.a") == [1]


async def test_a_hub_that_does_not_come_back_is_given_up(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    # Not frozen: the threads of the pipeline need a clock that goes.
    start = dt_util.utcnow()
    assert await hass.config_entries.async_unload(hub.entry_id)
    collector = hass.data[DATA_COLLECTORS][hub.entry_id]
    async_fire_time_changed(hass, start + timedelta(seconds=MAX_COLLECTING_S - 10))
    hass.states.async_set("sensor.kept_so_far", "1")
    assert hub.entry_id in hass.data[DATA_COLLECTORS]

    async_fire_time_changed(hass, start + timedelta(seconds=MAX_COLLECTING_S + 10))
    await hass.async_block_till_done()
    assert hass.data[DATA_COLLECTORS] == {}
    captured = collector.listener.stats.captured
    hass.states.async_set("sensor.a", "1")
    collector.listener.hand_over()
    assert collector.listener.stats.captured == captured

    # It comes back all the same: what the states are now is captured.
    assert await hass.config_entries.async_setup(hub.entry_id)
    assert await stored_values(hass, influxdb, "sensor.a") == [1]


@pytest.mark.parametrize(
    "give_up",
    [
        pytest.param(
            lambda hass, entry: hass.config_entries.async_set_disabled_by(
                entry.entry_id, ConfigEntryDisabler.USER
            ),
            id="disabled",
        ),
        pytest.param(
            lambda hass, entry: hass.config_entries.async_remove(entry.entry_id),
            id="removed",
        ),
    ],
)
async def test_nothing_is_collected_for_a_hub_that_is_gone(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    give_up: Callable[[HomeAssistant, MockConfigEntry], Awaitable[object]],
) -> None:
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    listener = entry.runtime_data.pipeline._listener

    await give_up(hass, entry)
    hass.states.async_set("sensor.after", "1")
    before = listener.stats.captured
    listener.hand_over()

    assert not hass.data.get(DATA_COLLECTORS)
    assert listener.stats.captured == before


def test_what_was_collected_comes_first_and_once(
    hass: HomeAssistant, collector: Collector, sink: list[list[Record]]
) -> None:
    set_states(hass, "sensor.a", 2)
    collector.listener.hand_over()
    set_states(hass, "sensor.b", 1)

    listener = collector.give_to(sink.append)
    set_states(hass, "sensor.c", 1)
    listener.hand_over()
    listener.async_stop()

    assert [len(records) for records in sink] == [2, 1, 1]
    assert listener.stats.captured == 4


def test_a_collector_is_bounded(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    collector: Collector,
    sink: list[list[Record]],
) -> None:
    attached_at_s = collector.attached_at_s
    set_states(hass, "sensor.a", 1)
    record = collector.listener._pending[0]
    collector.put([record] * (MAX_COLLECTED_RECORDS - 1))
    assert collector.listener.stats.dropped_before_encoding == 0

    freezer.tick(10)
    collector.put([record, record])
    assert not collector.is_complete
    assert collector.listener.stats.dropped_before_encoding == 2
    # The next set-up captures the states of the time until here.
    assert collector.attached_at_s == attached_at_s + 10

    collector.give_to(sink.append).async_stop()
    assert sum(map(len, sink)) == MAX_COLLECTED_RECORDS


async def test_a_full_collector_is_made_up_for_by_the_states(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    influxdb: InfluxServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "custom_components.ha_ingestor.ingest.collector.MAX_COLLECTED_RECORDS", 1
    )
    assert await hass.config_entries.async_unload(hub.entry_id)
    set_states(hass, "sensor.a", 3)
    assert await hass.config_entries.async_setup(hub.entry_id)

    # The last state at least; that others are missing is counted.
    assert await stored_values(hass, influxdb, "sensor.a") == [2]
    assert hub.runtime_data.pipeline.snapshot().dropped >= 3


def test_a_listener_is_taken_over(
    hass: HomeAssistant, capture: Capture, sink: list[list[Record]]
) -> None:
    set_states(hass, "sensor.a", 1)
    collector = Collector(capture.listener)
    collector.leave_in(hass, "hub")
    set_states(hass, "sensor.b", 2)

    taken = take_collector(hass, "hub")
    assert taken is collector
    assert take_collector(hass, "hub") is None
    assert taken.give_to(sink.append) is capture.listener
    # What was pending at that time still went to its former place.
    assert [len(records) for records in capture.lists] == [1]
    assert [len(records) for records in sink] == [2]


async def test_a_collector_that_was_taken_is_not_given_up(
    hass: HomeAssistant,
    capture: Capture,
    sink: list[list[Record]],
    freezer: FrozenDateTimeFactory,
) -> None:
    Collector(capture.listener).leave_in(hass, "hub")
    collector = take_collector(hass, "hub")
    assert collector is not None

    # While the files are being opened, say.
    freezer.tick(MAX_COLLECTING_S + 1)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    set_states(hass, "sensor.a", 1)
    collector.give_to(sink.append)

    assert [len(records) for records in sink] == [1]


def test_there_may_be_nothing_to_discard(hass: HomeAssistant) -> None:
    discard_collector(hass, "hub")

    assert take_collector(hass, "hub") is None

"""Every fault of a network and of a server, for an hour of accelerated time.

Pauses and timeouts of the writer run a thousand times faster, so that four
seconds hold as many tries as an hour does.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
import logging
import time
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.store import sender as sender_module
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant
from tests.conftest import entry_data
from tests.faults import proxy as faults
from tests.faults.proxy import Fault, FaultProxy

ACCELERATION = 1_000
FAULT_S = 3_600 / ACCELERATION
RATE = 500
HEAL_TIMEOUT_S = 20.0


@pytest.fixture
def proxy(influxdb: InfluxServer) -> Iterator[FaultProxy]:
    proxy = FaultProxy(influxdb.port)
    yield proxy
    proxy.close()


@pytest.fixture(autouse=True)
def _accelerated(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FIRST_DELAY_S", "MAX_DELAY_S"):
        monkeypatch.setattr(
            sender_module, name, getattr(sender_module, name) / ACCELERATION
        )
    # Not by a thousand: a healthy request on a busy machine takes some of it.
    monkeypatch.setattr(sender_module, "REQUEST_TIMEOUT_S", 0.4)


@pytest.fixture
async def proxied_hub(
    hass: HomeAssistant, proxy: FaultProxy, influxdb: InfluxServer
) -> AsyncGenerator[MockConfigEntry]:
    entry = MockConfigEntry(
        domain=DOMAIN,
        data=entry_data(influxdb, port=proxy.port),
        options={"flush_interval_s": 0.05},
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    yield entry
    await hass.config_entries.async_remove(entry.entry_id)


class Load:
    """Fires numbered state changes."""

    def __init__(self, hass: HomeAssistant) -> None:
        self.hass = hass
        self.count = 0

    async def fire_for(self, seconds: float) -> None:
        started_at = time.monotonic()
        first = self.count
        while (elapsed := time.monotonic() - started_at) < seconds:
            while self.count < first + elapsed * RATE:
                self.hass.states.async_set(
                    f"sensor.load_{self.count % 10}", str(self.count)
                )
                self.count += 1
            await asyncio.sleep(0.01)


async def wait_until_empty(entry: MockConfigEntry) -> None:
    deadline = time.monotonic() + HEAL_TIMEOUT_S
    while entry.runtime_data.pipeline.snapshot().backlog_points:
        assert time.monotonic() < deadline, "the backlog stays"
        await asyncio.sleep(0.05)


async def stored(hass: HomeAssistant, influxdb: InfluxServer) -> list[int]:
    rows = await hass.async_add_executor_job(
        influxdb.rows,
        "SELECT value FROM home_assistant_events WHERE entity_id =~ /load_/",
        "test",
    )
    return sorted(int(row[1]) for row in rows)


FAULTS: dict[str, Fault] = {
    "401": faults.status(401, b'{"error":"authorization failed"}'),
    "403": faults.status(403, b'{"error":"forbidden"}'),
    "404": faults.status(404, b'{"error":"database not found: \\"test\\""}'),
    "408": faults.status(408, b'{"error":"timeout"}'),
    "413-page": faults.status(413, b"<html>too large</html>"),
    "429": faults.status(429, b'{"error":"slow down"}', Retry_After="0"),
    "500": faults.status(500, b'{"error":"internal"}'),
    "503": faults.status(503, b'{"error":"overloaded"}', Retry_After="0"),
    "hang": faults.hang,
    "reset": faults.reset,
    "closed-before-answer": faults.close_before_answer,
    "closed-in-answer": faults.close_in_the_middle_of_the_answer,
    "garbage": faults.garbage,
    "200-page": faults.page(200),
    "302-page": faults.page(302),
    "400-page": faults.page(400),
    "404-page": faults.page(404),
    "422-page": faults.page(422),
    "502-page": faults.page(502),
    "truncated-gzip": faults.truncated_gzip,
}
# A line that is refused on its own is set aside; these faults refuse every line.
REFUSING_ALL = {"413-page"}


@pytest.mark.parametrize("name", sorted(set(FAULTS) - REFUSING_ALL))
async def test_an_hour_of_one_fault(
    hass: HomeAssistant,
    proxied_hub: MockConfigEntry,
    proxy: FaultProxy,
    influxdb: InfluxServer,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    caplog.set_level(logging.INFO, "custom_components.ha_ingestor")
    load = Load(hass)
    await load.fire_for(0.3)
    await wait_until_empty(proxied_hub)
    caplog.clear()
    proxy.fault = FAULTS[name]
    await load.fire_for(FAULT_S)
    assert proxy.seen >= 5
    proxy.fault = None
    await load.fire_for(0.3)
    await wait_until_empty(proxied_hub)
    assert await stored(hass, influxdb) == list(range(load.count))
    figures = proxied_hub.runtime_data.pipeline.snapshot()
    assert figures.dropped == figures.rejected == 0
    assert figures.written == figures.captured
    own = [r for r in caplog.records if r.name.startswith("custom_components")]
    lines = [record.getMessage() for record in own]
    assert len([line for line in lines if line.startswith("Cannot write")]) == 1
    assert len([line for line in lines if line.startswith("Writing to")]) == 1
    assert [r for r in own if r.levelno > logging.INFO] == []


async def test_a_slow_server_delays_and_loses_nothing(
    hass: HomeAssistant,
    proxied_hub: MockConfigEntry,
    proxy: FaultProxy,
    influxdb: InfluxServer,
) -> None:
    proxy.fault = faults.slow
    load = Load(hass)
    await load.fire_for(FAULT_S)
    await wait_until_empty(proxied_hub)
    assert await stored(hass, influxdb) == list(range(load.count))


async def test_faults_in_random_order(
    hass: HomeAssistant,
    proxied_hub: MockConfigEntry,
    proxy: FaultProxy,
    influxdb: InfluxServer,
) -> None:
    load = Load(hass)
    modes: list[Any] = [FAULTS[name] for name in FAULTS if name not in REFUSING_ALL]
    for number, fault in enumerate(modes * 2):
        proxy.fault = fault if number % 3 else None
        await load.fire_for(0.15)
    proxy.fault = None
    await wait_until_empty(proxied_hub)
    assert await stored(hass, influxdb) == list(range(load.count))


async def test_a_limit_of_bytes_splits_until_it_fits(
    hass: HomeAssistant,
    proxied_hub: MockConfigEntry,
    proxy: FaultProxy,
    influxdb: InfluxServer,
) -> None:
    too_large = faults.status(413, b'{"error":"Request Entity Too Large"}')

    def limit(connection: faults.FaultyConnection) -> None:
        if len(connection.raw) > 2_000:
            too_large(connection)
        else:
            connection.answer(connection.ask_upstream())

    proxy.fault = limit
    load = Load(hass)
    await load.fire_for(1)
    await wait_until_empty(proxied_hub)
    assert await stored(hass, influxdb) == list(range(load.count))
    assert proxied_hub.runtime_data.pipeline.snapshot().rejected == 0

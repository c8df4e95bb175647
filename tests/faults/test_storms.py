"""More than a home should ever do, and everything at once; each with an exact count."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.const import DOMAIN
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant
from homeassistant.helpers import area_registry as ar, entity_registry as er
from tests.conftest import entry_data

STORM_EVENTS = 20_000
ENTITIES = 10_000
MEGABYTE = 1024 * 1024


async def flush(hass: HomeAssistant) -> dict[str, Any]:
    """Flush every hub until nothing waits; returns the figures of the last one."""
    answer: Any = {}
    for entry in hass.config_entries.async_loaded_entries(DOMAIN):
        for _ in range(20):
            answer = await hass.services.async_call(
                DOMAIN,
                "flush",
                {"config_entry_id": entry.entry_id},
                blocking=True,
                return_response=True,
            )
            if answer["backlog_points"] <= 1:
                break
    return dict(answer)


async def rows(
    hass: HomeAssistant, influxdb: InfluxServer, influxql: str
) -> list[list[Any]]:
    return await hass.async_add_executor_job(influxdb.rows, influxql, "test")


async def stored_numbers(hass: HomeAssistant, influxdb: InfluxServer) -> list[int]:
    found = await rows(
        hass,
        influxdb,
        "SELECT value FROM home_assistant_events WHERE entity_id =~ /sensor.n/",
    )
    return sorted(int(row[1]) for row in found)


async def test_a_storm_of_20_000_events(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    for number in range(STORM_EVENTS):
        hass.states.async_set(f"sensor.n{number % 50}", str(number))
        if number % 100 == 99:
            await asyncio.sleep(0)
    figures = await flush(hass)
    assert await stored_numbers(hass, influxdb) == list(range(STORM_EVENTS))
    assert figures["dropped"] == figures["rejected"] == 0


async def test_a_storm_without_a_turn_of_the_loop(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    for number in range(STORM_EVENTS):
        hass.states.async_set(f"sensor.n{number % 50}", str(number))
    figures = await flush(hass)
    assert await stored_numbers(hass, influxdb) == list(range(STORM_EVENTS))
    assert figures["dropped"] == 0


async def test_ten_thousand_entities_renamed_wholesale(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    influxdb: InfluxServer,
    area_registry: ar.AreaRegistry,
    entity_registry: er.EntityRegistry,
) -> None:
    areas = [area_registry.async_create(f"Room {number}") for number in range(20)]
    names = []
    for number in range(ENTITIES):
        entry = entity_registry.async_get_or_create(
            "sensor", "demo", str(number), suggested_object_id=f"n{number}"
        )
        entity_registry.async_update_entity(
            entry.entity_id, area_id=areas[number % 20].id
        )
        names.append(entry.entity_id)
    for number, name in enumerate(names):
        hass.states.async_set(name, str(number))
    for number, area in enumerate(areas):
        area_registry.async_update(area.id, name=f"Hall {number}")
    for number, name in enumerate(names):
        hass.states.async_set(name, str(ENTITIES + number))
    await flush(hass)
    assert await stored_numbers(hass, influxdb) == list(range(2 * ENTITIES))
    by_area = await hass.async_add_executor_job(
        influxdb.query,
        "SELECT count(value) FROM home_assistant_events"
        " WHERE entity_id =~ /sensor.n/ GROUP BY area",
        "test",
    )
    counts = {
        series["tags"]["area"]: series["values"][0][1]
        for series in by_area["results"][0]["series"]
    }
    assert counts == {
        f"{kind} {number}": ENTITIES // 20
        for kind in ("Room", "Hall")
        for number in range(20)
    }


@pytest.mark.parametrize("options", [{"attributes": ["sensor.*"]}])
@pytest.mark.parametrize(
    ("attribute", "field"),
    [
        ("x" * MEGABYTE, "attr_big_text"),
        ([{"key_number": "x" * 100}] * (MEGABYTE // 100), "attr_big_json"),
    ],
    ids=["text", "structure"],
)
async def test_an_attribute_of_a_megabyte(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    influxdb: InfluxServer,
    attribute: Any,
    field: str,
) -> None:
    for number in range(30):
        hass.states.async_set(
            f"sensor.n{number % 3}", str(number), {"big": attribute, "count": number}
        )
    figures = await flush(hass)
    assert await stored_numbers(hass, influxdb) == list(range(30))
    assert figures["rejected"] == 0
    assert figures["repaired"] >= 30
    found = await rows(
        hass,
        influxdb,
        f"SELECT {field}, attr_count FROM home_assistant_events"
        " WHERE entity_id =~ /sensor.n/",
    )
    assert all(1_000 < len(row[1]) <= 60 * 1024 for row in found)
    assert sorted(row[2] for row in found) == list(range(30))


type Disturbance = Callable[
    [HomeAssistant, MockConfigEntry, InfluxServer, int], Coroutine[Any, Any, None]
]


async def reload(
    hass: HomeAssistant, entry: MockConfigEntry, _: InfluxServer, number: int
) -> None:
    await hass.config_entries.async_reload(entry.entry_id)


async def reconfigure(
    hass: HomeAssistant, entry: MockConfigEntry, influxdb: InfluxServer, number: int
) -> None:
    data = entry_data(influxdb, host=("127.0.0.1", "localhost")[number % 2])
    hass.config_entries.async_update_entry(entry, data=data)
    await asyncio.sleep(0.1)


async def choose_options(
    hass: HomeAssistant, entry: MockConfigEntry, _: InfluxServer, number: int
) -> None:
    hass.config_entries.async_update_entry(
        entry,
        options={"flush_interval_s": 0.05 + number / 100, "full_sync": number % 2 == 0},
    )


async def unload_and_wait(
    hass: HomeAssistant, entry: MockConfigEntry, _: InfluxServer, number: int
) -> None:
    await hass.config_entries.async_unload(entry.entry_id)
    await asyncio.sleep(0.2)
    await hass.config_entries.async_setup(entry.entry_id)


@pytest.mark.parametrize(
    "disturb", [reload, reconfigure, choose_options, unload_and_wait]
)
async def test_in_the_middle_of_everything(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    influxdb: InfluxServer,
    disturb: Disturbance,
) -> None:
    count = 0
    is_done = asyncio.Event()

    async def load() -> None:
        nonlocal count
        while not is_done.is_set():
            for _ in range(5):
                hass.states.async_set(f"sensor.n{count % 7}", str(count))
                count += 1
            await asyncio.sleep(0.01)

    task = asyncio.create_task(load())
    for number in range(6):
        await asyncio.sleep(0.2)
        await disturb(hass, hub, influxdb, number)
    await asyncio.sleep(0.2)
    is_done.set()
    await task
    await hass.async_block_till_done()
    await flush(hass)
    numbers = await stored_numbers(hass, influxdb)
    assert Counter(numbers).most_common(1)[0][1] == 1
    assert numbers == list(range(count))

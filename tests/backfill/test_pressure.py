"""Backfill when InfluxDB, the disk or the house have something better to do."""

import asyncio
from collections.abc import AsyncGenerator
import gc
from pathlib import Path
import threading
import time
import tracemalloc
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from custom_components.ha_ingestor.backfill import (
    existing,
    recorder,
    recorder_job,
    writer,
)
from custom_components.ha_ingestor.backfill.existing import (
    Rename,
    find_existing,
    name_then,
)
from custom_components.ha_ingestor.const import DOMAIN, MEASUREMENT_EVENTS
from custom_components.ha_ingestor.errors import StoreUnavailableError
from custom_components.ha_ingestor.jobs.job import Job, JobStatus
from custom_components.ha_ingestor.pipeline import Pipeline
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.target import Target
from devlib.influxd import InfluxServer
from homeassistant.components.recorder import Recorder
from homeassistant.components.recorder.db_schema import States, StatesMeta
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import get_instance, session_scope
from tests.backfill.kit import House
from tests.conftest import entry_data

STATE_COUNT = 100_000


async def until_waiting(job: Job, words: str) -> None:
    async with asyncio.timeout(30):
        while words not in str(job.waiting_for):  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
    assert job.status is JobStatus.WAITING


@pytest.fixture
async def own_house(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    influxd_binary: Path,
    tmp_path: Path,
) -> AsyncGenerator[House]:
    """A house with a server of its own, which may be hurt."""
    with InfluxServer(influxd_binary, tmp_path / "influxdb") as server:
        await hass.async_add_executor_job(server.query, 'CREATE DATABASE "test"')
        entry = MockConfigEntry(
            domain=DOMAIN,
            data=entry_data(server),
            options={"flush_interval_s": 0.1},
        )
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
        yield House(hass, entry, server)
        await hass.config_entries.async_remove(entry.entry_id)


async def test_it_waits_until_what_was_captured_is_stored(own_house: House) -> None:
    house = own_house
    house.set("sensor.a", "1")
    await house.settle()
    live = await house.events("sensor.a")
    await house.hass.async_add_executor_job(house.influxdb.stop)
    house.set("sensor.a", "2")
    await house.settle()
    job = await house.start(entity_id="sensor.a")
    await until_waiting(job, "has not taken what was captured")
    await house.hass.async_add_executor_job(house.influxdb.start)
    await house.finish(job)
    assert job.counts["existing"] == 2
    assert job.counts["missing"] == 0
    assert (await house.events("sensor.a"))[:1] == live


async def test_it_waits_while_influxdb_cannot_be_read(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "FIRST_RETRY_S", 0.01)
    house.set("sensor.a", "1")
    await house.settle()
    live = await house.events()
    await house.forget()

    def refuse(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError("busy")

    with monkeypatch.context() as patch:
        patch.setattr(InfluxClient, "query", refuse)
        job = await house.start()
        await until_waiting(job, "InfluxDB cannot be read: busy")
    await house.finish(job)
    assert job.status is JobStatus.FINISHED
    assert await house.events() == live


async def test_it_waits_while_the_recorder_has_no_database(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "FIRST_RETRY_S", 0.01)
    house.set("sensor.a", "1")
    await house.settle()
    live = await house.events()
    await house.forget()

    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("locked"))

    with monkeypatch.context() as patch:
        patch.setattr(Session, "scalar", refuse)
        job = await house.start(statistics=False)
        await until_waiting(job, "recorder cannot be read: OperationalError")
    await house.finish(job)
    assert job.status is JobStatus.FINISHED
    assert await house.events() == live


async def test_a_recorder_that_never_got_its_database(house: House) -> None:
    instance = get_instance(house.hass)
    ready = instance.async_db_ready
    instance.async_db_ready = house.hass.loop.create_future()
    job = await house.start()
    await until_waiting(job, "recorder is not ready")
    instance.async_db_ready.set_result(False)
    await house.finish(job)
    assert job.status is JobStatus.FAILED
    assert job.error == "Home Assistant's recorder has no database"
    instance.async_db_ready = ready
    assert (await house.run()).status is JobStatus.FINISHED


async def test_live_events_go_first(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "BUSY_POLL_S", 0.01)
    house.set("sensor.a", "1")
    await house.settle()
    live = await house.events()
    await house.forget()
    with monkeypatch.context() as patch:
        patch.setattr(writer, "MAX_BACKLOG_POINTS", -1)
        job = await house.start()
        await until_waiting(job, "Live events wait")
        assert "written" not in job.counts
    await house.finish(job)
    assert await house.events() == live


async def test_nothing_is_done_before_it_is_on_disk(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_DISK_WAIT_S", 0.01)
    house.set("sensor.a", "1")
    await house.settle()
    await house.forget()
    put_past = Pipeline.put_past
    is_on_disk = threading.Event()

    def put_slowly(pipeline: Pipeline, records: list[Any]) -> threading.Event:
        put_past(pipeline, records)
        return is_on_disk

    monkeypatch.setattr(Pipeline, "put_past", put_slowly)
    job = await house.start()
    await until_waiting(job, "The disk takes nothing")
    assert job.checkpoint is None
    is_on_disk.set()
    await house.finish(job)
    assert job.counts["written"] == 1


async def test_it_takes_a_small_share_of_the_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_job, "PAGE_ROWS", 10)
    for number in range(50):
        house.set("sensor.a", str(number))
    await house.settle()
    worked: list[float] = []
    ask = writer.BackfillWriter._ask

    def ask_slowly(*args: Any) -> Any:
        started_at = time.monotonic()
        time.sleep(0.02)
        answer = ask(*args)
        worked.append(time.monotonic() - started_at)
        return answer

    monkeypatch.setattr(writer.BackfillWriter, "_ask", ask_slowly)
    started_at = time.monotonic()
    await house.run(entity_id="sensor.a")
    assert len(worked) > 5
    assert sum(worked) < 0.3 * (time.monotonic() - started_at)


def insert_states(hass: HomeAssistant, start_s: float) -> None:
    """Fill the recorder's table with the days of a busy house."""
    with session_scope(hass=hass) as session:
        meta = [StatesMeta(entity_id=f"sensor.s{number}") for number in range(50)]
        session.add_all(meta)
        session.flush()
        ids = [item.metadata_id for item in meta]
        session.execute(
            States.__table__.insert(),  # type: ignore[attr-defined]
            [
                {
                    "state": str(number),
                    "metadata_id": ids[number % len(ids)],
                    "last_updated_ts": start_s + number * 2.0,
                    "origin_idx": 0,
                }
                for number in range(STATE_COUNT)
            ],
        )


async def test_a_long_history_needs_little_memory(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "WORK_SHARE", 1.0)
    start_s = time.time() - 3 * STATE_COUNT
    await get_instance(house.hass).async_add_executor_job(
        insert_states, house.hass, start_s
    )
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        job = await house.run(statistics=False)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert job.counts["written"] >= STATE_COUNT
    # All of them at once would be ten times as much.
    assert peak - before < 16 * 1024 * 1024
    rows = await house.hass.async_add_executor_job(
        house.influxdb.rows,
        "SELECT count(value), sum(value) FROM home_assistant_events"
        " WHERE entity_id =~ /^sensor.s\\d+$/",
        "test",
    )
    assert rows[0][1:] == [STATE_COUNT, STATE_COUNT * (STATE_COUNT - 1) // 2]


# --- which points are stored already


def make_client(server: InfluxServer) -> InfluxClient:
    return InfluxClient(Target.from_entry_data(entry_data(server)))


def test_existing_points_are_found_in_pages(
    influxdb: InfluxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(existing, "PAGE_ROWS", 8)
    day_ns = 24 * 3600 * 10**9
    times = [*range(1, 40), *range(10 * day_ns, 10 * day_ns + 5)]
    influxdb.write(
        "\n".join(
            f'{MEASUREMENT_EVENTS},entity_id=sensor.{name} state="x" {at}'
            for at in times
            for name in "abcdef"
        )
        + f'\n{MEASUREMENT_EVENTS} state="no entity" 5',
        "test",
    )
    wanted = [("sensor.a", at) for at in times[::2]] + [
        ("sensor.a", 5 * day_ns),
        ("sensor.z", 1),
    ]
    client = make_client(influxdb)
    found = find_existing(client, MEASUREMENT_EVENTS, ("state",), wanted)
    assert found == {("sensor.a", at) for at in times[::2]}
    monkeypatch.setattr(existing, "_MAX_NAMED_ENTITIES", 0)
    assert find_existing(client, MEASUREMENT_EVENTS, ("state",), wanted) == found
    client.close()


@pytest.mark.parametrize(
    ("at", "name"),
    [(5, "a"), (15, "b"), (25, "a"), (35, "c"), (45, "c")],
)
def test_names_of_the_past(at: int, name: str) -> None:
    renames = {
        "c": [Rename(30, "a", "c")],
        "a": [Rename(20, "b", "a")],
        "b": [Rename(10, "a", "b")],
    }
    assert name_then(("c", at), renames) == (name, at)

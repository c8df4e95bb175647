"""Long jobs as people see them, and through restarts."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.ha_ingestor.backfill import recorder_job, writer
from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.errors import StorePermissionError
from custom_components.ha_ingestor.jobs import registry
from custom_components.ha_ingestor.jobs.job import MAX_PROBLEMS, Job, JobStatus
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from devlib.influxd import InfluxServer
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import ServiceValidationError, Unauthorized
from tests.backfill.kit import House
from tests.conftest import entry_data

SENSOR = "sensor.pipeline_job_progress"


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a job long enough to look at."""
    monkeypatch.setattr(recorder_job, "PAGE_ROWS", 10)


@dataclass
class Hold:
    """Stops the first job after its third piece."""

    is_reached: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch, small_pieces: None) -> Hold:
    """Stop the first job after its third piece until it may go on."""
    hold = Hold()
    pieces: list[int] = []
    pause = writer.BackfillWriter._async_pause

    async def pause_and_hold(self: writer.BackfillWriter) -> None:
        await pause(self)
        pieces.append(1)
        if len(pieces) == 3:
            hold.is_reached.set()
            await hold.go_on.wait()

    monkeypatch.setattr(writer.BackfillWriter, "_async_pause", pause_and_hold)
    return hold


async def until_held(house: House, hold: Hold, job: Job) -> None:
    async with asyncio.timeout(30):
        await hold.is_reached.wait()
    assert job.counts["written"] == 30
    await house.hub.runtime_data.pipeline.async_flush()


async def make_history(house: House, count: int = 100) -> list[dict[str, Any]]:
    """Let a sensor change, then lose what was written of it."""
    for number in range(count):
        house.set("sensor.a", str(number))
    await house.settle()
    live = await house.events("sensor.a")
    assert len(live) == count
    await house.forget()
    return live


async def test_progress_is_shown(house: House, held: Hold) -> None:
    await make_history(house)
    idle = house.hass.states.get(SENSOR)
    assert idle is not None
    assert idle.state == "unknown"
    job = await house.start(entity_id="sensor.a")
    await until_held(house, held, job)
    house.jobs._show()
    busy = house.hass.states.get(SENSOR)
    assert busy is not None
    assert 0 <= float(busy.state) < 100
    assert busy.attributes["job_id"] == job.job_id
    assert busy.attributes["kind"] == "backfill"
    assert busy.attributes["status"] == "running"
    assert busy.attributes["counts"]["written"] == 30
    [view] = (await house.call("list_jobs"))["jobs"]
    assert view["status"] == "running"
    assert view["parameters"]["entity_ids"] == ["sensor.a"]
    held.go_on.set()
    await house.finish(job)
    await house.hass.async_block_till_done()
    idle = house.hass.states.get(SENSOR)
    assert idle is not None
    assert idle.state == "unknown"
    [view] = (await house.call("list_jobs"))["jobs"]
    assert view["status"] == "finished"
    assert view["progress"] == 100
    assert view["ended_at"] > view["started_at"] > view["created_at"]


async def test_a_cancelled_job_keeps_what_it_has_written(
    house: House, held: Hold
) -> None:
    live = await make_history(house)
    job = await house.start(entity_id="sensor.a")
    waiting = await house.start(entity_id="sensor.b")
    await until_held(house, held, job)
    assert waiting.status is JobStatus.QUEUED
    answer = await house.call("cancel_job", job_id=job.job_id)
    assert answer["job"]["status"] == "cancelled"
    assert await house.events() == live[:30]
    # The next one has its turn, and a job that has ended cannot be cancelled.
    await house.finish(waiting)
    assert waiting.status is JobStatus.FINISHED
    await house.call("cancel_job", job_id=job.job_id)
    await house.call("cancel_job", job_id=waiting.job_id)
    assert job.status is JobStatus.CANCELLED
    assert waiting.status is JobStatus.FINISHED
    with pytest.raises(ServiceValidationError) as caught:
        await house.call("cancel_job", job_id="none")
    assert caught.value.translation_key == "job_not_found"
    held.go_on.set()
    again = await house.run(entity_id="sensor.a")
    assert again.counts["existing"] == 30
    assert await house.events() == live


async def test_a_waiting_job_is_cancelled(house: House, held: Hold) -> None:
    await make_history(house)
    job = await house.start(entity_id="sensor.a")
    waiting = await house.start(entity_id="sensor.b")
    await until_held(house, held, job)
    await house.call("cancel_job", job_id=waiting.job_id)
    assert waiting.status is JobStatus.CANCELLED
    held.go_on.set()
    await house.finish(job)
    assert [item.status for item in house.jobs.jobs] == ["finished", "cancelled"]


async def test_a_job_goes_on_after_a_reload(house: House, held: Hold) -> None:
    live = await make_history(house)
    job = await house.start(entity_id="sensor.a")
    await until_held(house, held, job)
    assert await house.hass.config_entries.async_reload(house.hub.entry_id)
    resumed = house.jobs.get(job.job_id)
    assert resumed is not None
    assert resumed is not job
    await house.finish(resumed)
    assert resumed.status is JobStatus.FINISHED
    assert await house.events() == live
    # The piece at which it was stopped is compared once more, the others are not.
    assert resumed.counts["read"] <= 110
    assert resumed.counts["missing"] == 100


async def test_a_job_goes_on_after_a_kill_from_an_older_checkpoint(
    house: House, held: Hold
) -> None:
    live = await make_history(house)
    job = await house.start(entity_id="sensor.a")
    await until_held(house, held, job)
    await house.jobs.async_stop()
    # A kill saves nothing: on disk the job is still at its beginning.
    job.checkpoint = None
    job.counts.clear()
    await house.jobs.async_save()
    await house.jobs.async_load()
    held.go_on.set()
    house.jobs.async_start()
    resumed = house.jobs.get(job.job_id)
    assert resumed is not None
    await house.finish(resumed)
    assert resumed.counts["existing"] == 30
    assert resumed.counts["written"] == 70
    assert await house.events() == live


async def test_only_administrators(house: House, hass_read_only_user: MockUser) -> None:
    context = Context(user_id=hass_read_only_user.id)
    for action, data in {
        "backfill": {},
        "backfill_csv": {"path": "a.csv"},
        "list_jobs": {},
        "cancel_job": {"job_id": "a"},
    }.items():
        with pytest.raises(Unauthorized):
            await house.hass.services.async_call(
                DOMAIN,
                action,
                data,
                blocking=True,
                context=context,
                return_response=True,
            )
    assert house.jobs.jobs == []


async def test_jobs_are_bounded(
    house: House, held: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MAX_OPEN_JOBS", 2)
    monkeypatch.setattr(registry, "MAX_ENDED_JOBS", 1)
    await make_history(house)
    first = await house.start(entity_id="sensor.a")
    second = await house.start(entity_id="sensor.a")
    with pytest.raises(ServiceValidationError) as caught:
        await house.call("backfill")
    assert caught.value.translation_key == "too_many_jobs"
    held.go_on.set()
    await house.finish(first)
    await house.finish(second)
    assert [job.job_id for job in house.jobs.jobs] == [second.job_id]
    for number in range(MAX_PROBLEMS + 5):
        second.add_problem(str(number))
    assert len(second.problems) == MAX_PROBLEMS


async def test_without_a_right_to_read_the_job_says_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_history(house)

    def refuse(*_: Any, **__: Any) -> None:
        raise StorePermissionError("no right to read")

    with monkeypatch.context() as patch:
        patch.setattr(InfluxClient, "query", refuse)
        job = await house.run()
    assert job.status is JobStatus.FAILED
    assert job.error == "no right to read"
    assert (await house.run()).status is JobStatus.FINISHED


async def test_an_unforeseen_error_ends_one_job_only(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    live = await make_history(house)

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("unforeseen")

    with monkeypatch.context() as patch:
        patch.setattr(writer, "find_existing", fail)
        job = await house.run()
    assert job.status is JobStatus.FAILED
    assert job.error == "ZeroDivisionError: unforeseen"
    assert "Unexpected error in job" in caplog.text
    await house.run()
    assert await house.events() == live


async def test_jobs_of_a_kind_that_nobody_knows_stay(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    job = await house.jobs.async_add("from_the_future", {})
    assert job.status is JobStatus.QUEUED
    assert "from_the_future" in caplog.text
    assert (await house.run()).status is JobStatus.FINISHED
    assert [item.status for item in house.jobs.jobs] == ["queued", "finished"]
    await house.call("cancel_job", job_id=job.job_id)
    assert job.status is JobStatus.CANCELLED


async def test_progress_is_logged_and_estimated(
    house: House,
    small_pieces: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(registry, "LOG_INTERVAL_S", 0.0)
    monkeypatch.setattr(registry, "SHOW_INTERVAL_S", 0.0)
    await make_history(house)
    remaining: list[int | None] = []
    house.jobs.async_listen(
        lambda: remaining.extend(job.remaining_s for job in house.jobs.jobs)
    )
    await house.run(entity_id="sensor.a")
    assert " is at " in caplog.text
    assert {type(value) for value in remaining} == {int, type(None)}


async def test_without_a_recorder(hass: HomeAssistant, hub: MockConfigEntry) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await hass.services.async_call(DOMAIN, "backfill", {}, blocking=True)
    assert caught.value.translation_key == "recorder_missing"
    # A job that was made when there was one.
    parameters = {
        "entity_ids": None,
        "start_s": 0.0,
        "end_s": 1.0,
        "has_statistics": False,
        "is_dry_run": False,
        "is_automatic": False,
    }
    jobs = hub.runtime_data.jobs
    job = await jobs.async_add("backfill", parameters)
    await job.has_ended.wait()
    assert job.status is JobStatus.FAILED
    assert job.error == "Home Assistant's recorder is not in use"
    job = await jobs.async_add("backfill", parameters | {"is_automatic": True})
    await job.has_ended.wait()
    assert jobs.get(job.job_id) is None


async def test_jobs_go_with_their_hub(
    house: House, hass_storage: dict[str, Any], influxdb: InfluxServer
) -> None:
    other = MockConfigEntry(domain=DOMAIN, data=entry_data(influxdb, store="other"))
    other.add_to_hass(house.hass)
    assert await house.hass.config_entries.async_setup(other.entry_id)
    await house.call("backfill", config_entry_id=other.entry_id)
    assert await house.hass.config_entries.async_unload(other.entry_id)
    key = f"{DOMAIN}.jobs.{other.entry_id}"
    assert len(hass_storage[key]["data"]["jobs"]) == 1
    await house.hass.config_entries.async_remove(other.entry_id)
    assert key not in hass_storage

"""The gap after an absence fills itself, and only then."""

import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.ha_ingestor.backfill import recorder_job
from custom_components.ha_ingestor.backfill.absence import async_note_absence
from custom_components.ha_ingestor.ingest import collector
from custom_components.ha_ingestor.jobs.job import JobStatus
from custom_components.ha_ingestor.pipeline import Absence
from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.helpers.recorder import get_instance
from homeassistant.util import dt as dt_util
from tests.backfill.kit import House


async def disable(house: House) -> None:
    await house.settle()
    await house.hass.config_entries.async_set_disabled_by(
        house.hub.entry_id, ConfigEntryDisabler.USER
    )
    await house.hass.async_block_till_done()


async def enable(house: House) -> None:
    await async_wait_recording_done(house.hass)
    await house.hass.config_entries.async_set_disabled_by(house.hub.entry_id, None)
    await house.hass.async_block_till_done()


async def finish_all(house: House) -> None:
    for job in house.jobs.jobs:
        await house.finish(job)


def restart_recorder(house: House) -> None:
    """Let the recorder believe that Home Assistant has just started."""
    runs = get_instance(house.hass).recorder_runs_manager
    runs._recording_start = dt_util.utcnow()


async def test_the_first_set_up_brings_nothing_by_itself(house: House) -> None:
    house.set("sensor.a", "1")
    await house.settle()
    assert house.hub.runtime_data.pipeline.absence is None
    assert house.jobs.jobs == []


async def test_a_gap_in_which_home_assistant_ran_is_filled(house: House) -> None:
    house.set("sensor.a", "before")
    await disable(house)
    for number in range(20):
        house.set("sensor.a", str(number))
    await enable(house)
    house.set("sensor.a", "after")
    [job] = house.jobs.jobs
    assert job.parameters["is_automatic"]
    await finish_all(house)
    assert job.status is JobStatus.FINISHED
    await house.settle()
    stored = await house.events("sensor.a")
    assert [point["state"] for point in stored] == [
        "before",
        *(str(number) for number in range(20)),
        "after",
    ]
    assert [point.get("previous_state") for point in stored[1:20]] == [
        "before",
        *(str(number) for number in range(18)),
    ]


async def test_a_restart_is_no_absence(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.set("sensor.a", "before")
    await disable(house)
    restart_recorder(house)
    house.set("sensor.a", "start")
    house.set("sensor.a", "started")
    await enable(house)
    jobs = house.jobs.jobs
    await finish_all(house)
    assert [job.is_needless for job in jobs] == [True] * len(jobs)
    assert house.jobs.jobs == []
    await house.settle()
    stored = await house.events("sensor.a")
    assert [point["state"] for point in stored] == ["before", "started"]
    assert "filling the gap" not in caplog.text


async def test_a_run_without_us_before_this_one_is_an_absence(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_job, "_NORMAL_RESTART_S", 0.0)
    house.set("sensor.a", "before")
    await disable(house)
    house.set("sensor.a", "without us")
    await async_wait_recording_done(house.hass)
    restart_recorder(house)
    house.set("sensor.a", "started")
    await enable(house)
    await finish_all(house)
    stored = await house.events("sensor.a")
    assert [point["state"] for point in stored] == ["before", "without us", "started"]


async def test_a_late_set_up_is_an_absence(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_job, "_LATE_SETUP_S", 0.0)
    monkeypatch.setattr(recorder_job, "_NORMAL_RESTART_S", 0.0)
    house.set("sensor.a", "before")
    await disable(house)
    restart_recorder(house)
    house.set("sensor.a", "start")
    house.set("sensor.a", "started")
    await enable(house)
    await finish_all(house)
    stored = await house.events("sensor.a")
    assert [point["state"] for point in stored] == ["before", "start", "started"]


async def test_a_reload_is_no_absence(house: House) -> None:
    house.set("sensor.a", "before")
    await house.settle()
    assert await house.hass.config_entries.async_unload(house.hub.entry_id)
    house.set("sensor.a", "between")
    assert await house.hass.config_entries.async_setup(house.hub.entry_id)
    assert house.jobs.jobs == []
    await house.settle()
    stored = await house.events("sensor.a")
    assert [point["state"] for point in stored] == ["before", "between"]


async def test_what_a_long_reload_could_not_keep_is_filled(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "MAX_COLLECTED_RECORDS", 5)
    house.set("sensor.a", "before")
    await house.settle()
    assert await house.hass.config_entries.async_unload(house.hub.entry_id)
    for number in range(2_000):
        house.set("sensor.a", str(number))
    await async_wait_recording_done(house.hass)
    assert await house.hass.config_entries.async_setup(house.hub.entry_id)
    assert len(house.jobs.jobs) == 1
    await finish_all(house)
    stored = await house.events("sensor.a")
    assert [point["state"] for point in stored] == [
        "before",
        *(str(number) for number in range(2_000)),
    ]


async def test_gaps_that_wait_become_one(house: House) -> None:
    await house.jobs.async_stop()
    await async_note_absence(house.jobs, None)
    assert house.jobs.jobs == []
    await async_note_absence(house.jobs, Absence(start_s=1_000.0, end_s=2_000.0))
    await async_note_absence(house.jobs, Absence(start_s=3_000.0, end_s=4_000.0))
    [job] = house.jobs.jobs
    assert (job.parameters["start_s"], job.parameters["end_s"]) == (940.0, 4_000.0)
    # Past the states its end is fixed.
    job.checkpoint = {"first_s": 0.0, "states": None, "statistics": None}
    await async_note_absence(house.jobs, Absence(start_s=5_000.0, end_s=6_000.0))
    assert len(house.jobs.jobs) == 2
    house.jobs.async_start()
    await finish_all(house)

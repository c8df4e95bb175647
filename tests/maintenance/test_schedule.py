"""Jobs start by themselves: when they should, and never twice."""

from collections.abc import Iterator
from dataclasses import replace
import datetime as dt
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.ha_ingestor.errors import (
    RetentionLeftoverError,
    StoreUnavailableError,
    TooManyJobsError,
)
from custom_components.ha_ingestor.jobs.registry import JobRegistry
from custom_components.ha_ingestor.maintenance.record import Operation, Outcome
from custom_components.ha_ingestor.maintenance.schedule import START_DELAY
from custom_components.ha_ingestor.retention.maintenance import Maintenance
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
from tests.maintenance.storage_kit import (
    RECENT,
    a_record,
    count,
    put_days,
    record_of,
    storage_of,
)

NIGHT = ["downsample_daily", "downsample_hourly"]


@pytest.fixture(autouse=True)
def _quiet_nights() -> None:
    """Let jobs start by themselves: that is what these tests are about."""


@pytest.fixture
def started() -> Iterator[list[str]]:
    """The kinds of the jobs that are started; none of them runs."""
    kinds: list[str] = []

    async def add(_: JobRegistry, kind: str, *args: Any, **kwargs: Any) -> None:
        kinds.append(kind)

    with patch.object(JobRegistry, "async_add", add):
        yield kinds


async def pass_time(hass: HomeAssistant, at: dt.datetime) -> None:
    """Let timers see a later time."""
    async_fire_time_changed(hass, at, fire_all=True)
    await hass.async_block_till_done(wait_background_tasks=True)


@pytest.fixture
async def noon(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> FrozenDateTimeFactory:
    """A time that is far from any night, with nothing planned for one before it."""
    hass.config_entries.async_update_entry(hub, options={"storage_enabled": False})
    await hass.async_block_till_done()
    freezer.move_to(dt_util.now().replace(hour=12) + dt.timedelta(days=1))
    return freezer


async def begin(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    """Plan anew, and let the first minutes pass."""
    hass.config_entries.async_update_entry(hub, options={})
    await hass.async_block_till_done()
    freezer.tick(START_DELAY + dt.timedelta(seconds=1))
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)


async def test_a_new_hub_aggregates_after_some_minutes_and_waits_for_its_first_night(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    started: list[str],
    noon: FrozenDateTimeFactory,
) -> None:
    await begin(hass, hub, noon)
    assert "aggregate" in started
    assert not {*NIGHT} & {*started}

    for _ in range(15):
        noon.tick(3600)
        async_fire_time_changed(hass)
        await hass.async_block_till_done(wait_background_tasks=True)

    assert {*NIGHT} < {*started}


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        pytest.param(dt.timedelta(0), set(), id="not missed"),
        pytest.param(dt.timedelta(days=2), {*NIGHT}, id="missed"),
    ],
)
async def test_a_night_that_was_missed_is_made_up_for(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    started: list[str],
    noon: FrozenDateTimeFactory,
    age: dt.timedelta,
    expected: set[str],
) -> None:
    for operation in (Operation.DOWNSAMPLE_HOURLY, Operation.DOWNSAMPLE_DAILY):
        record = a_record(operation)
        storage_of(hub).async_note(
            replace(
                record,
                started_at=record.started_at - age,
                ended_at=record.ended_at - age,
            )
        )

    await begin(hass, hub, noon)

    assert "aggregate" in started
    assert {*NIGHT} & {*started} == expected


async def test_each_night_each_hour_and_every_four_hours(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    started: list[str],
    freezer: FrozenDateTimeFactory,
) -> None:
    for operation in (Operation.DOWNSAMPLE_HOURLY, Operation.DOWNSAMPLE_DAILY):
        storage_of(hub).async_note(a_record(operation))
    await pass_time(hass, dt_util.utcnow() + START_DELAY)
    started.clear()
    shown = storage_of(hub).next_run_at
    assert shown is not None

    for _ in range(24 * 12):
        freezer.tick(300)
        await pass_time(hass, dt_util.utcnow())

    assert {kind: started.count(kind) for kind in sorted({*started})} == {
        "aggregate": 24,
        "downsample_daily": 1,
        "downsample_hourly": 1,
        "refresh_views": 6,
    }
    later = storage_of(hub).next_run_at
    assert later is not None
    assert later > shown


async def test_no_job_is_started_beside_one_that_does_the_same(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    jobs = hub.runtime_data.jobs
    await jobs.async_stop()
    await jobs.async_add("run_maintenance", {})

    await pass_time(hass, dt_util.utcnow() + START_DELAY)

    assert [job.kind for job in jobs.jobs] == ["run_maintenance"]


@pytest.mark.parametrize("options", [{"storage_enabled": False}])
async def test_switched_off_nothing_starts_until_it_is_switched_on(
    hass: HomeAssistant, hub: MockConfigEntry, started: list[str]
) -> None:
    await pass_time(hass, dt_util.utcnow() + dt.timedelta(days=2))
    assert started == []

    hass.config_entries.async_update_entry(hub, options={})
    await hass.async_block_till_done()
    await pass_time(hass, dt_util.utcnow() + START_DELAY)

    assert "aggregate" in started


async def test_a_full_list_of_jobs_is_no_error(
    hass: HomeAssistant, hub: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    with patch.object(JobRegistry, "async_add", side_effect=TooManyJobsError):
        await pass_time(hass, dt_util.utcnow() + START_DELAY)

    assert "no room for the job aggregate" in caplog.text


async def aggregate(hub: MockConfigEntry) -> None:
    """Run the hourly job to its end."""
    job = await hub.runtime_data.jobs.async_add("aggregate", {"is_automatic": True})
    await job.has_ended.wait()


async def test_the_hourly_job_aggregates_and_leaves_no_trace(
    hass: HomeAssistant, influxdb: InfluxServer, hub: MockConfigEntry
) -> None:
    put_days(influxdb, RECENT)

    await aggregate(hub)

    assert hub.runtime_data.jobs.jobs == []
    assert count(influxdb, "hourly_aggregates", "row_count", "test_hourly") > 0
    record = record_of(hub, Operation.AGGREGATE)
    assert record is not None
    assert record.outcome is Outcome.DONE
    figures = storage_of(hub).figures
    assert figures is not None

    await aggregate(hub)

    # Nothing has closed since then.
    assert record_of(hub, Operation.AGGREGATE) is record
    assert storage_of(hub).figures is figures


async def test_the_hourly_job_tells_a_failure_once(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    issue_id = f"storage_run_failed_aggregate_{hub.entry_id}"
    with patch.object(Maintenance, "aggregate", autospec=True) as engine:
        engine.side_effect = StoreUnavailableError("busy")
        await aggregate(hub)
        assert record_of(hub, Operation.AGGREGATE) is None

        engine.side_effect = RetentionLeftoverError("3 rows are left", count=3)
        await aggregate(hub)
        await aggregate(hub)

    assert caplog.text.count("The last hours cannot be aggregated") == 1
    issue = issue_registry.async_get_issue("ha_ingestor", issue_id)
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["action"] == "downsample_hourly"
    await aggregate(hub)
    assert issue_registry.async_get_issue("ha_ingestor", issue_id) is None


@pytest.mark.parametrize("options", [{"storage_enabled": False}])
@pytest.mark.parametrize("kind", ["aggregate", "downsample_hourly"])
async def test_a_job_that_waited_while_it_was_switched_off_does_nothing(
    hub: MockConfigEntry, kind: str
) -> None:
    job = await hub.runtime_data.jobs.async_add(kind, {"is_automatic": True})
    await job.has_ended.wait()

    assert hub.runtime_data.jobs.jobs == []


async def test_days_follow_the_home_to_another_zone(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    storage = storage_of(hub)
    before, views = storage.next_run_at, storage.views

    await hass.config.async_update(time_zone="Asia/Kathmandu")
    await hass.async_block_till_done()

    assert str(storage.zone) == "Asia/Kathmandu"
    assert storage.views is not views
    assert storage.next_run_at != before

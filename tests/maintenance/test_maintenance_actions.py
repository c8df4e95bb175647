"""The actions: what they start, what they say, and to whom."""

from pathlib import Path
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.maintenance.record import Operation, Outcome
from devlib.influxd import InfluxServer
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import (
    HomeAssistantError,
    ServiceValidationError,
    Unauthorized,
)
from homeassistant.helpers import issue_registry as ir
from tests.conftest import entry_data
from tests.flows.kit import V2_DATA
from tests.maintenance.storage_kit import (
    RECENT,
    call,
    count,
    put_days,
    record_of,
    run,
    storage_of,
)
from tests.stand_ins.influxdb_v2 import ADMIN_TOKEN, InfluxDb2StandIn

EVENTS = "home_assistant_events"
V2_ENTRY = V2_DATA | {
    "host": "127.0.0.1",
    "path": "",
    "ssl": False,
    "store": "home",
}
DAY_ROWS = 2 * 24  # two entities, an event an hour


async def test_raw_rows_move_on_and_old_ones_go(
    hass: HomeAssistant, influxdb: InfluxServer, hub: MockConfigEntry
) -> None:
    put_days(influxdb, (12, 11, *RECENT))

    job = await run(hass, hub, "downsample_hourly")

    assert job["status"] == "finished"
    assert job["error"] is None
    assert job["progress"] == 100
    assert count(influxdb, EVENTS, "value", "test") == 3 * DAY_ROWS
    assert count(influxdb, "hourly_aggregates", "row_count", "test_hourly") >= (
        5 * DAY_ROWS
    )
    record = record_of(hub, Operation.DOWNSAMPLE_HOURLY)
    assert record is not None
    assert record.outcome is Outcome.DONE
    assert record.records_processed == 5 * DAY_ROWS
    assert record.records_deleted >= 2 * DAY_ROWS
    assert record.storage_freed_bytes > 0

    again = await run(hass, hub, "downsample_hourly")

    assert again["status"] == "finished"
    assert "values deleted" not in again["counts"]
    assert count(influxdb, EVENTS, "value", "test") == 3 * DAY_ROWS


@pytest.mark.parametrize("options", [{"raw_days": 4, "hourly_days": 5}])
async def test_maintenance_takes_rows_through_all_tiers(
    hass: HomeAssistant, influxdb: InfluxServer, hub: MockConfigEntry
) -> None:
    put_days(influxdb, (12, *RECENT))

    job = await run(hass, hub, "run_maintenance")

    assert job["status"] == "finished"
    assert count(influxdb, EVENTS, "value", "test") == 3 * DAY_ROWS
    assert count(influxdb, "daily_aggregates", "row_count", "test_daily") >= 2 * 3
    oldest = influxdb.query(
        'SELECT first("row_count") FROM "hourly_aggregates"', "test_hourly"
    )
    assert oldest["results"][0]["series"]
    assert set(storage_of(hub).journal.records) == {
        Operation.DOWNSAMPLE_HOURLY,
        Operation.DOWNSAMPLE_DAILY,
    }


async def test_stats_and_history_tell_of_it(
    hass: HomeAssistant, influxdb: InfluxServer, hub: MockConfigEntry
) -> None:
    empty = await call(hass, "retention_history")
    put_days(influxdb, (12, *RECENT))
    await run(hass, hub, "downsample_hourly")
    await run(hass, hub, "refresh_views")

    stats = await call(hass, "retention_stats", config_entry_id=hub.entry_id)
    history = await call(hass, "retention_history")

    assert empty == {"runs": []}
    raw = stats["tiers"]["raw"]
    assert raw["kept_days"] == 7
    assert not raw["is_estimated"]
    assert raw["size_bytes"] > 0
    assert raw["oldest"] < raw["newest"]
    assert stats["tiers"]["daily"]["kept_days"] is None
    assert stats["archive"] is None
    assert stats["saved_bytes"] >= 0
    assert stats["problems"] == []
    assert stats["last_runs"]["downsample_hourly"]["outcome"] == "done"
    assert [item["operation_type"] for item in history["runs"]] == [
        "refresh_views",
        "downsample_hourly",
    ]
    assert history["runs"][1]["records_processed"] == 4 * DAY_ROWS
    assert history["runs"][1]["errors"] == 0


@pytest.mark.parametrize(
    ("action", "windows"),
    [
        ("downsample_hourly", True),
        ("downsample_daily", False),
        ("run_maintenance", True),
    ],
)
async def test_dry_run_changes_nothing(
    hass: HomeAssistant,
    influxdb: InfluxServer,
    hub: MockConfigEntry,
    action: str,
    windows: bool,
) -> None:
    await run(hass, hub, "run_maintenance")
    put_days(influxdb, (12, *RECENT))

    answer = await call(hass, action, dry_run=True)

    assert (answer["windows"] > 0) is windows
    assert (answer["days"] > 0) is windows
    assert count(influxdb, EVENTS, "value", "test") == 4 * DAY_ROWS
    assert count(influxdb, "hourly_aggregates", "row_count", "test_hourly") == 0


@pytest.mark.parametrize(
    "action", ["downsample_hourly", "downsample_daily", "run_maintenance"]
)
async def test_only_administrators_start_runs(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    hass_read_only_user: MockUser,
    action: str,
) -> None:
    with pytest.raises(Unauthorized):
        await hass.services.async_call(
            DOMAIN,
            action,
            {},
            blocking=True,
            context=Context(user_id=hass_read_only_user.id),
        )

    assert hub.runtime_data.jobs.jobs == []


@pytest.mark.parametrize("action", ["retention_stats", "retention_history"])
@pytest.mark.parametrize(
    ("policy", "is_allowed"),
    [
        pytest.param({"entities": {"all": {"read": True}}}, True, id="all"),
        pytest.param(
            {"entities": {"entity_ids": {"sensor.power": True}}}, False, id="one"
        ),
    ],
)
async def test_figures_are_for_those_who_see_the_whole_house(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    hass_read_only_user: MockUser,
    action: str,
    policy: dict[str, Any],
    is_allowed: bool,
) -> None:
    hass_read_only_user.mock_policy(policy)

    async def ask() -> bool:
        try:
            await hass.services.async_call(
                DOMAIN,
                action,
                {},
                blocking=True,
                return_response=True,
                context=Context(user_id=hass_read_only_user.id),
            )
        except Unauthorized:
            return False
        return True

    assert await ask() is is_allowed


@pytest.mark.parametrize("options", [{"storage_enabled": False}])
async def test_switched_off_it_deletes_nothing(
    hass: HomeAssistant, influxdb: InfluxServer, hub: MockConfigEntry
) -> None:
    put_days(influxdb, (12, *RECENT))

    with pytest.raises(ServiceValidationError) as error:
        await call(hass, "run_maintenance")

    assert error.value.translation_key == "storage_disabled"
    assert count(influxdb, EVENTS, "value", "test") == 4 * DAY_ROWS
    hass.config_entries.async_update_entry(hub, options={})
    await hass.async_block_till_done()
    assert (await run(hass, hub, "run_maintenance"))["status"] == "finished"


async def test_a_dry_run_without_the_stores_says_what_is_missing(
    hass: HomeAssistant,
) -> None:
    """Only 1.x says of a missing store that nothing is in it."""
    with InfluxDb2StandIn(buckets=["home"]) as server:
        entry = MockConfigEntry(
            domain=DOMAIN, data=V2_ENTRY | {"port": server.port, "token": ADMIN_TOKEN}
        )
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)

        with pytest.raises(HomeAssistantError) as error:
            await call(hass, "run_maintenance", dry_run=True)

        assert error.value.translation_key == "storage_stores_missing"
        assert set(server.buckets) == {"home"}
        await hass.config_entries.async_remove(entry.entry_id)


@pytest.mark.parametrize(
    ("action", "data"),
    [("run_maintenance", {"dry_run": True}), ("retention_history", {})],
)
async def test_a_server_that_is_away_is_told(
    hass: HomeAssistant,
    influxd_binary: Path,
    tmp_path: Path,
    action: str,
    data: dict[str, Any],
) -> None:
    with InfluxServer(influxd_binary, tmp_path / "influxd") as server:
        server.query('CREATE DATABASE "test"')
        entry = MockConfigEntry(domain=DOMAIN, data=entry_data(server))
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)

    with pytest.raises(HomeAssistantError) as error:
        await call(hass, action, **data)

    assert error.value.translation_key == "storage_cannot_be_read"
    assert "refused" in str(error.value.translation_placeholders)
    await hass.config_entries.async_remove(entry.entry_id)


async def test_too_many_runs_are_told(
    hass: HomeAssistant, hub: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = "custom_components.ha_ingestor.jobs.registry.MAX_OPEN_JOBS"
    with monkeypatch.context() as patch:
        patch.setattr(registry, 0)
        with pytest.raises(ServiceValidationError) as error:
            await call(hass, "downsample_daily")

    assert error.value.translation_key == "too_many_jobs"
    assert hub.runtime_data.jobs.jobs == []
    assert (await run(hass, hub, "downsample_daily"))["status"] == "finished"


async def test_a_run_is_cancelled_and_the_next_one_finishes(
    hass: HomeAssistant,
    influxdb: InfluxServer,
    hub: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
) -> None:
    put_days(influxdb, (12, *RECENT))
    answer = await call(hass, "downsample_hourly")
    job = hub.runtime_data.jobs.get(answer["job_id"])
    assert job is not None

    await call(hass, "cancel_job", job_id=job.job_id)

    assert job.status == "cancelled"
    assert count(influxdb, EVENTS, "value", "test") == 4 * DAY_ROWS
    assert (await run(hass, hub, "downsample_hourly"))["status"] == "finished"
    assert count(influxdb, EVENTS, "value", "test") == 3 * DAY_ROWS
    assert issue_registry.issues == {}

"""What something else has deleted is told, until a person accepts it."""

from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.errors import StoreUnavailableError
from custom_components.ha_ingestor.maintenance import runs
from custom_components.ha_ingestor.maintenance.journal import from_stored, to_stored
from custom_components.ha_ingestor.maintenance.record import Operation, Outcome
from custom_components.ha_ingestor.retention.windows import to_datetime
from custom_components.ha_ingestor.views.manager import ViewManager
from custom_components.ha_ingestor.views.refresh import RefreshResult
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from tests.maintenance.storage_kit import (
    ENTITIES,
    RECENT,
    a_record,
    count,
    days_ago,
    put_days,
    record_of,
    run,
    storage_of,
)
from tests.retention.server_kit import HOUR

EVENTS = "home_assistant_events"
HOURLY = Operation.DOWNSAMPLE_HOURLY
DAY_ROWS = len(ENTITIES) * 24


def find(
    registry: ir.IssueRegistry, entry: MockConfigEntry, name: str
) -> ir.IssueEntry | None:
    return registry.async_get_issue(
        "ha_ingestor", f"{name}_downsample_hourly_{entry.entry_id}"
    )


@pytest.mark.parametrize("options", [{"raw_days": 30}])
async def test_a_person_decides_about_rows_that_are_missing(
    hass: HomeAssistant,
    influxdb: InfluxServer,
    hub: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
) -> None:
    put_days(influxdb, (12, *RECENT))
    await run(hass, hub, "run_maintenance")
    aggregates = count(influxdb, "hourly_aggregates", "row_count", "test_hourly")
    assert find(issue_registry, hub, "storage_rows_missing") is None
    start_ns = days_ago(12)
    influxdb.query(
        f"DELETE FROM {EVENTS} WHERE entity_id = 'sensor.power'"
        f" AND time >= {start_ns} AND time < {start_ns + 6 * HOUR}",
        "test",
    )
    hass.config_entries.async_update_entry(hub, options={**hub.options, "raw_days": 7})
    await hass.async_block_till_done()

    job = await run(hass, hub, "run_maintenance")

    date = to_datetime(start_ns).date().isoformat()
    assert job["status"] == "finished"
    record = record_of(hub, HOURLY)
    assert record is not None
    assert record.outcome is Outcome.DISAGREED
    assert record.missing == (f"{EVENTS} of {date} (raw)",)
    issue = find(issue_registry, hub, "storage_rows_missing")
    assert issue is not None
    assert issue.translation_placeholders == {
        "hub": hub.title,
        "action": "downsample_hourly",
        "error": f"- {EVENTS} of {date} (raw)",
    }
    assert find(issue_registry, hub, "storage_run_disagreed") is None
    there = count(influxdb, EVENTS, "value", "test")
    assert there == (1 + len(RECENT)) * DAY_ROWS - 6

    job = await run(hass, hub, "run_maintenance", accept_missing=True)

    assert job["counts"]["days accepted"] == 1
    assert count(influxdb, EVENTS, "value", "test") == len(RECENT) * DAY_ROWS
    assert (
        count(influxdb, "hourly_aggregates", "row_count", "test_hourly") >= aggregates
    )
    assert find(issue_registry, hub, "storage_rows_missing") is None
    record = record_of(hub, HOURLY)
    assert record is not None
    assert record.outcome is Outcome.DONE


@pytest.mark.parametrize(
    ("has_disagreed", "missing", "expected"),
    [
        (False, ("a day",), {"storage_rows_missing"}),
        (True, ("a day",), {"storage_rows_missing", "storage_run_disagreed"}),
        (True, (), {"storage_run_disagreed"}),
        # As an earlier version has stored it.
        (None, (), {"storage_run_disagreed"}),
    ],
)
async def test_which_issue_a_disagreement_is(
    hub: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
    has_disagreed: bool | None,
    missing: tuple[str, ...],
    expected: set[str],
) -> None:
    storage = storage_of(hub)
    both = a_record(
        HOURLY, outcome=Outcome.DISAGREED, has_disagreed=True, missing=("another",)
    )
    storage.async_note(both)
    record = a_record(
        HOURLY,
        outcome=Outcome.DISAGREED,
        has_disagreed=has_disagreed,
        missing=missing,
        problems=("something",),
    )
    assert from_stored(to_stored(record)) == record

    storage.async_note(record)

    assert expected == {
        name
        for name in ("storage_rows_missing", "storage_run_disagreed")
        if find(issue_registry, hub, name)
    }
    storage.async_note(a_record(HOURLY))
    assert issue_registry.issues == {}


async def test_what_is_wrong_with_views_is_told(
    hass: HomeAssistant,
    influxdb: InfluxServer,
    hub: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_days(influxdb, RECENT)

    def refresh(*_: Any, **__: Any) -> RefreshResult:
        return RefreshResult(problems=("a view stays open",))

    monkeypatch.setattr(ViewManager, "refresh", refresh)

    job = await run(hass, hub, "downsample_hourly")

    assert job["problems"] == ["a view stays open"]
    record = record_of(hub, HOURLY)
    assert record is not None
    assert record.problems == ("a view stays open",)


async def test_views_are_opened_once(
    hass: HomeAssistant, hub: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "FIRST_RETRY_S", 0.01)
    calls: list[bool] = []

    def refresh(
        _: ViewManager, work: Any, names: Any = None, is_full: bool = False
    ) -> RefreshResult:
        calls.append(is_full)
        if len(calls) < 3:
            raise StoreUnavailableError("away")
        return RefreshResult()

    monkeypatch.setattr(ViewManager, "refresh", refresh)

    job = await run(hass, hub, "refresh_views", full=True)

    assert job["status"] == "finished"
    assert calls == [True, False, False]

"""Repair flows: what can be mended with a click is, and says so when it cannot."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
)

from custom_components.ha_ingestor import repairs as repairs_module
from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.errors import (
    BufferFullError,
    DiskBufferError,
    StoreAuthError,
    StoreError,
    StorePermissionError,
    StoreQueryError,
    StoreRefusedError,
    StoreRight,
)
from custom_components.ha_ingestor.pipeline import Pipeline, buffer_path
from custom_components.ha_ingestor.repairs import async_create_fix_flow
from custom_components.ha_ingestor.store.buffer import ReasonClass
from custom_components.ha_ingestor.store.sqlite_buffer import SqliteBuffer
from devlib.influxd import InfluxServer
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from tests.repairs.kit import Fix, look, set_aside, try_to_flush, wait_for

# --- the database or bucket is missing


@pytest.fixture
async def hub_without_store(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> MockConfigEntry:
    """A hub whose database was dropped, with a backlog."""
    await try_to_flush(hass)
    assert await look(hass, hub) == {}
    await hass.async_add_executor_job(influxdb.query, 'DROP DATABASE "test"')
    await try_to_flush(hass)
    return hub


async def test_missing_store_is_created(
    hass: HomeAssistant, hub_without_store: MockConfigEntry, influxdb: InfluxServer
) -> None:
    hub = hub_without_store
    issues = await look(hass, hub)
    assert list(issues) == ["store_missing"]
    assert issues["store_missing"].severity is ir.IssueSeverity.ERROR
    fix = Fix(hass, hub, "store_missing")
    form = await fix.start()
    assert form["step_id"] == "confirm"
    assert form["description_placeholders"]["store"] == "test"
    assert (await fix.submit())["type"] == "create_entry"
    pipeline: Pipeline = hub.runtime_data.pipeline
    await wait_for(hass, lambda: pipeline.snapshot().backlog_points == 0)
    assert await look(hass, hub) == {}
    rows = await hass.async_add_executor_job(
        influxdb.rows, "SELECT state FROM home_assistant_events", "test"
    )
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (StorePermissionError("no", right=StoreRight.CREATE), "create_not_allowed"),
        (StoreAuthError("who?"), "credentials_refused"),
        (StoreRefusedError("Connection refused"), "unavailable"),
        (StoreQueryError("out of memory"), "create_failed"),
    ],
)
async def test_missing_store_cannot_be_created_and_then_can(
    hass: HomeAssistant,
    hub_without_store: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    error: StoreError,
    key: str,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    fix = Fix(hass, hub_without_store, "store_missing")
    await fix.start()
    with monkeypatch.context() as patch:
        patch.setattr(repairs_module, "probe_target", refuse)
        form = await fix.submit()
    assert form["type"] == "form"
    assert form["errors"] == {"base": key}
    assert form["description_placeholders"]["reason"] == str(error)
    assert "CREATE DATABASE" in form["description_placeholders"]["command"]
    assert list(await look(hass, hub_without_store)) == ["store_missing"]
    assert (await fix.submit())["type"] == "create_entry"
    await try_to_flush(hass)
    assert await look(hass, hub_without_store) == {}


# --- points were set aside


async def test_points_set_aside_are_replayed(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    set_aside(hub, ReasonClass.TYPE_CONFLICT, ReasonClass.TYPE_CONFLICT)
    issues = await look(hass, hub)
    assert list(issues) == ["dead_letters"]
    assert issues["dead_letters"].severity is ir.IssueSeverity.WARNING
    fix = Fix(hass, hub, "dead_letters")
    menu = await fix.start()
    assert menu["menu_options"] == ["replay", "discard"]
    assert menu["description_placeholders"] == {
        "hub": "Test",
        "count": "2",
        "reasons": "- 2 × `type_conflict`",  # noqa: RUF001
    }
    form = await fix.choose("replay")
    assert form["data_schema"]({}) == {"reason_class": ["type_conflict"]}
    result = await fix.submit(reason_class=["type_conflict"])
    assert result["type"] == "create_entry"
    assert await look(hass, hub) == {}
    await try_to_flush(hass)
    rows = await hass.async_add_executor_job(influxdb.rows, "SELECT v FROM m", "test")
    assert len(rows) == 2


async def test_some_points_set_aside_are_discarded(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    set_aside(hub, ReasonClass.REFUSED, ReasonClass.UNPARSABLE)
    assert list(await look(hass, hub)) == ["dead_letters"]
    fix = Fix(hass, hub, "dead_letters")
    await fix.start()
    await fix.choose("discard")
    result = await fix.submit(reason_class=["refused"])
    assert result["reason"] == "some_left"
    assert result["description_placeholders"] == {"count": "1"}
    assert list(await look(hass, hub)) == ["dead_letters"]
    await fix.start()
    await fix.choose("discard")
    result = await fix.submit(reason_class=["unparsable"])
    assert result["type"] == "create_entry"
    assert await look(hass, hub) == {}
    assert hub.runtime_data.pipeline.snapshot().backlog_points == 0


@pytest.mark.parametrize(
    ("step_id", "error", "key"),
    [
        ("replay", BufferFullError("full"), "no_room"),
        ("replay", DiskBufferError("disk I/O error"), "disk_failed"),
        ("discard", DiskBufferError("disk I/O error"), "disk_failed"),
    ],
)
async def test_points_set_aside_on_a_failing_disk(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    step_id: str,
    error: DiskBufferError,
    key: str,
) -> None:
    def refuse(*_: object) -> None:
        raise error

    set_aside(hub, ReasonClass.REFUSED)
    await look(hass, hub)
    fix = Fix(hass, hub, "dead_letters")
    await fix.start()
    await fix.choose(step_id)
    with monkeypatch.context() as patch:
        buffer = hub.runtime_data.pipeline.buffer
        patch.setattr(buffer, f"{step_id}_dead_letters", refuse)
        form = await fix.submit(reason_class=["refused"])
    assert form["errors"] == {"base": key}
    assert list(await look(hass, hub)) == ["dead_letters"]
    result = await fix.submit(reason_class=["refused"])
    assert result["type"] == "create_entry"
    assert await look(hass, hub) == {}


# --- the buffer file was damaged


@pytest.fixture
async def damaged_hub(
    hass: HomeAssistant, entry: MockConfigEntry
) -> AsyncGenerator[MockConfigEntry]:
    """A hub that has found its buffer damaged."""
    path = buffer_path(hass, entry.entry_id)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 4_096)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    yield entry
    await hass.config_entries.async_remove(entry.entry_id)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("choice", ["delete", "keep"])
async def test_damaged_buffer(
    hass: HomeAssistant, damaged_hub: MockConfigEntry, choice: str
) -> None:
    [damaged] = damaged_hub.runtime_data.pipeline.buffer.damaged_files
    assert list(await look(hass, damaged_hub)) == ["buffer_damaged"]
    # It is about the file, so it comes back with the hub.
    assert await hass.config_entries.async_reload(damaged_hub.entry_id)
    assert list(await look(hass, damaged_hub)) == ["buffer_damaged"]
    fix = Fix(hass, damaged_hub, "buffer_damaged")
    menu = await fix.start()
    assert str(damaged) in menu["description_placeholders"]["files"]
    assert (await fix.choose(choice))["type"] == "create_entry"
    assert await look(hass, damaged_hub) == {}
    kept = damaged.with_name(f"{damaged.name}.kept")
    assert (damaged.exists(), kept.exists()) == (False, choice == "keep")
    assert await hass.config_entries.async_reload(damaged_hub.entry_id)
    assert await look(hass, damaged_hub) == {}


async def test_damaged_buffer_that_cannot_be_deleted(
    hass: HomeAssistant, damaged_hub: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise DiskBufferError("read-only")

    await look(hass, damaged_hub)
    fix = Fix(hass, damaged_hub, "buffer_damaged")
    await fix.start()
    with monkeypatch.context() as patch:
        patch.setattr(SqliteBuffer, "settle_damaged_files", refuse)
        result = await fix.choose("delete")
    assert result["reason"] == "disk_failed"
    assert list(await look(hass, damaged_hub)) == ["buffer_damaged"]
    await fix.start()
    await fix.choose("delete")
    assert await look(hass, damaged_hub) == {}


# --- flows without their hub


@pytest.mark.parametrize(
    ("key", "steps"),
    [
        ("store_missing", []),
        ("store_missing", [{}]),
        ("dead_letters", []),
        ("dead_letters", [{"next_step_id": "replay"}]),
        (
            "dead_letters",
            [{"next_step_id": "discard"}, {"reason_class": ["refused"]}],
        ),
        ("buffer_damaged", []),
        ("buffer_damaged", [{"next_step_id": "delete"}]),
    ],
)
async def test_a_hub_that_stops_in_the_middle_of_a_repair(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    key: str,
    steps: list[dict[str, Any]],
) -> None:
    set_aside(hub, ReasonClass.REFUSED)
    # As if it had been shown a moment ago.
    ir.async_create_issue(
        hass,
        DOMAIN,
        f"{key}_{hub.entry_id}",
        data={"entry_id": hub.entry_id, "key": key},
        is_fixable=True,
        severity=ir.IssueSeverity.ERROR,
        translation_key=key,
    )
    fix = Fix(hass, hub, key)
    inputs = [None, *steps]
    await step_through(fix, inputs[:-1])
    hub.mock_state(hass, ConfigEntryState.SETUP_RETRY)
    await step_through(fix, inputs[-1:])
    hub.mock_state(hass, ConfigEntryState.LOADED)
    assert fix.result["reason"] == "not_loaded"
    await fix.start()
    assert fix.result["type"] in {"form", "menu"}


async def step_through(fix: Fix, inputs: list[dict[str, Any] | None]) -> None:
    for user_input in inputs:
        await (fix.start() if user_input is None else fix.submit(**user_input))


async def test_an_issue_that_is_not_ours(hass: HomeAssistant) -> None:
    with pytest.raises(ValueError, match="Unknown issue x"):
        await async_create_fix_flow(hass, "x", None)

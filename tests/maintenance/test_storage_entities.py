"""The device "Storage": what a person sees of the tiers."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
import datetime as dt
from typing import Any, override
from unittest.mock import PropertyMock, patch

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.errors import StoreUnavailableError
from custom_components.ha_ingestor.maintenance.archive import ArchiveFigures
from custom_components.ha_ingestor.maintenance.figures import (
    StorageFigures,
    TierFigures,
    read_figures,
)
from custom_components.ha_ingestor.maintenance.record import Operation, Outcome
from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.retention.tiers import STORED_TIERS, Tier
from custom_components.ha_ingestor.retention.transfer import write_points
from custom_components.ha_ingestor.retention.windows import NS_PER_DAY
from custom_components.ha_ingestor.retention.work import Work
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.util import dt as dt_util
from tests.maintenance.storage_kit import (
    RECENT,
    a_record,
    call,
    put_days,
    run,
    storage_of,
)
from tests.retention.server_kit import DAY, HOUR, day_of_events
from tests.stand_ins.influxdb_v2 import ADMIN_TOKEN as V2_TOKEN, InfluxDb2StandIn
from tests.stand_ins.influxdb_v3 import ADMIN_TOKEN as V3_TOKEN, InfluxDb3StandIn
from tests.stand_ins.server import Reply, Request

QUIET = {
    "aggregate_last_run",
    "aggregate_result",
    "records_moved",
    "refresh_views_last_run",
    "refresh_views_result",
    "yearly_saving",
}
MIB = 1024 * 1024


def state_of(hass: HomeAssistant, name: str) -> Any:
    """State of an entity of the device."""
    state = hass.states.get(f"sensor.test_storage_{name}")
    assert state is not None
    return state


def a_tier(size_bytes: int, *, is_estimated: bool = False) -> TierFigures:
    """What a tier holds."""
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return TierFigures(
        row_count=10,
        value_count=1_000_000,
        size_bytes=size_bytes,
        is_estimated=is_estimated,
        oldest_at=at,
        newest_at=at + dt.timedelta(days=1),
    )


def some_figures() -> StorageFigures:
    """What a hub holds."""
    return StorageFigures(
        read_at=dt_util.utcnow(),
        tiers={
            Tier.RAW: a_tier(3 * MIB),
            Tier.HOURLY: a_tier(MIB, is_estimated=True),
        },
        all_raw_bytes=16 * MIB,
    )


async def test_one_device_behind_the_hub(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    entity_registry: er.EntityRegistry,
    device_registry: dr.DeviceRegistry,
) -> None:
    device = device_registry.async_get_device_by_identifier(
        (DOMAIN, f"{hub.entry_id}_storage"), hub.entry_id
    )
    pipeline = device_registry.async_get_device_by_identifier(
        (DOMAIN, hub.entry_id), hub.entry_id
    )
    assert device is not None
    assert pipeline is not None
    assert device.name == "Test storage"
    assert device.via_device_id == pipeline.id
    entries = er.async_entries_for_device(
        entity_registry, device.id, include_disabled_entities=True
    )
    assert {entry.translation_key for entry in entries if entry.disabled_by} == QUIET
    assert {entry.entity_category for entry in entries} == {
        er.EntityCategory.DIAGNOSTIC
    }
    assert not any("archive" in entry.unique_id for entry in entries)


@pytest.fixture
def all_enabled() -> Iterator[None]:
    """Add the quiet ones as well."""
    with patch(
        "homeassistant.helpers.entity.Entity.entity_registry_enabled_default",
        new_callable=PropertyMock,
        return_value=True,
    ):
        yield


async def test_figures_are_shown(
    hass: HomeAssistant, all_enabled: None, hub: MockConfigEntry
) -> None:
    storage = storage_of(hub)
    assert state_of(hass, "raw_size").state == "unknown"
    assert state_of(hass, "yearly_saving").state == "unknown"
    assert state_of(hass, "space_saved_share").state == "unknown"

    storage.figures = some_figures()
    storage.async_note(
        a_record(
            Operation.DOWNSAMPLE_HOURLY,
            outcome=Outcome.DISAGREED,
            records_written=7,
            problems=("2026-01-01",),
        )
    )
    await hass.async_block_till_done()

    raw, hourly = state_of(hass, "raw_size"), state_of(hass, "hourly_size")
    assert float(raw.state) == 3
    assert raw.attributes["unit_of_measurement"] == "MiB"
    assert raw.attributes["is_estimated"] is False
    assert hourly.attributes["is_estimated"] is True
    assert state_of(hass, "daily_size").state == "unknown"
    assert float(state_of(hass, "space_saved").state) == 12
    assert float(state_of(hass, "space_saved_share").state) == 75
    saving = state_of(hass, "yearly_saving")
    assert float(saving.state) == pytest.approx(12 * MIB / 1e9 * 0.1 * 12, abs=0.01)
    assert saving.attributes["unit_of_measurement"] == hass.config.currency
    result = state_of(hass, "result_of_raw_tier")
    assert result.state == "disagreed"
    assert result.attributes["problems"] == ["2026-01-01"]
    assert state_of(hass, "records_moved").state == "7"
    assert state_of(hass, "next_nightly_run").state != "unknown"


async def test_the_archive_is_shown_once_there_is_one(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storage = storage_of(hub)
    assert hass.states.get("sensor.test_storage_archive_size") is None
    figures = ArchiveFigures(
        file_count=4, size_bytes=MIB, oldest=dt.date(2020, 1, 1), is_ready=True
    )
    monkeypatch.setattr(type(storage.archive), "figures", figures)

    storage.async_show()
    storage.async_show()
    await hass.async_block_till_done()

    assert float(state_of(hass, "archive_size").state) == 1
    files = state_of(hass, "archive_files")
    assert files.state == "4"
    assert files.attributes["oldest"] == dt.date(2020, 1, 1)
    stats = await call(hass, "retention_stats")
    assert stats["archive"] == {
        "files": 4,
        "size_bytes": MIB,
        "oldest": "2020-01-01",
        "newest": None,
        "is_ready": True,
    }


@pytest.mark.parametrize("options", [{"raw_days": 2, "hourly_days": 2}])
async def test_what_is_saved_follows_from_what_is_gone(
    hass: HomeAssistant, influxdb: InfluxServer, hub: MockConfigEntry
) -> None:
    put_days(influxdb, (9, 8, 7, *RECENT))
    await storage_of(hub).async_read_figures(dt.timedelta())
    before = storage_of(hub).figures
    assert before is not None
    # The tiers have no stores yet: nothing is missing, nothing is saved.
    assert set(before.tiers) == {Tier.RAW}
    assert before.all_raw_bytes == before.tiers[Tier.RAW].size_bytes

    await run(hass, hub, "run_maintenance")

    after = storage_of(hub).figures
    assert after is not None
    assert set(after.tiers) == {Tier.RAW, Tier.HOURLY, Tier.DAILY}
    freed = after.all_raw_bytes - after.tiers[Tier.RAW].size_bytes
    # Four days, of two entities with 24 events of two values each.
    assert freed == pytest.approx(4 * 2 * 24 * 2 * after.raw_bytes_per_value, abs=1)


def a_target(version: ApiVersion, port: int) -> Target:
    """A hub's target on a stand-in."""
    return Target(
        api_version=version,
        host="127.0.0.1",
        port=port,
        token=V2_TOKEN if version is ApiVersion.V2 else V3_TOKEN,
        organization="home",
        store="home",
    )


def read(stores: TierStores) -> StorageFigures:
    """Read the figures as the storage thread does."""
    return read_figures(stores, zone=dt.UTC, now=dt_util.utcnow(), work=Work(share=1))


def fill(stores: TierStores) -> None:
    """Put a day's events into raw, and more than them into what was made of raw."""
    hours = [
        Point(
            measurement="hourly_aggregates",
            tags={"entity_id": "sensor.a"},
            fields={"row_count": 4.0, "avg_value": 1.0},
            time_ns=DAY + hour * HOUR,
        )
        for hour in range(24)
    ]
    day = replace(
        hours[0],
        measurement="daily_aggregates",
        fields={"row_count": 96.0, "avg_value": 1.0},
    )
    # The day before is gone from both: 50 rows of two values.
    before = replace(
        day,
        fields={"row_count": 50.0, "avg_value": 1.0},
        time_ns=DAY - NS_PER_DAY,
    )
    for tier, points in (
        (Tier.RAW, day_of_events(["sensor.a"], per_hour=4)),
        (Tier.HOURLY, hours),
        (Tier.DAILY, [before, day]),
    ):
        write_points(stores.client(tier), points)


@pytest.mark.parametrize("version", [ApiVersion.V2, ApiVersion.V3])
def test_sizes_are_estimated_where_the_server_tells_none(version: ApiVersion) -> None:
    """Contract from source, not verified on a server."""
    names = ("home", "home_hourly", "home_daily")
    server: InfluxDb2StandIn | InfluxDb3StandIn = (
        InfluxDb2StandIn(buckets=names)
        if version is ApiVersion.V2
        else InfluxDb3StandIn(databases=names)
    )
    with server, closing(TierStores(a_target(version, server.port))) as stores:
        fill(stores)
        figures = read(stores)

    assert not any("STATS" in request.body.decode() for request in server.requests)
    raw, hourly, daily = (figures.tiers[tier] for tier in STORED_TIERS)
    assert all(one.is_estimated for one in (raw, hourly, daily))
    assert (raw.row_count, raw.value_count) == (96, 192)
    assert (hourly.row_count, daily.row_count) == (24, 2)
    assert (raw.size_bytes, hourly.size_bytes) == (round(192 * 4.5), 48 * 5)
    assert daily.oldest_at == dt.datetime(2026, 2, 28, tzinfo=dt.UTC)
    assert hourly.newest_at == dt.datetime(2026, 3, 1, 23, tzinfo=dt.UTC)
    assert figures.all_raw_bytes == raw.size_bytes + 50 * 2 * 4.5


class LimitedInfluxDb3(InfluxDb3StandIn):
    """A Core that has not compacted the files of raw."""

    @override
    def answer(self, request: Request) -> Reply:
        if request.path == "/query":
            form = request.form
            if form["db"] == "home" and "count(*)" in form["q"]:
                words = "Query would exceed file limit of 432 parquet files"
                return Reply.json({"results": [{"error": words}]})
        return super().answer(request)


class EmptiedInfluxDb3(InfluxDb3StandIn):
    """A table stays where its last row has gone by the server's retention."""

    @override
    def answer(self, request: Request) -> Reply:
        if request.path == "/query":
            form = request.form
            if form["db"] == "home_daily" and form["q"] == "SHOW MEASUREMENTS":
                series = {"columns": ["name"], "values": [["daily_aggregates"]]}
                return Reply.json({"results": [{"series": [series]}]})
        return super().answer(request)


def test_a_tier_that_cannot_be_counted_costs_no_other() -> None:
    """Contract from source, not verified on a server."""
    with (
        LimitedInfluxDb3(databases=("home", "home_hourly", "home_daily")) as server,
        closing(TierStores(a_target(ApiVersion.V3, server.port))) as stores,
    ):
        fill(stores)
        figures = read(stores)

    assert set(figures.tiers) == {Tier.HOURLY, Tier.DAILY}
    assert figures.tiers[Tier.HOURLY].row_count == 24
    # Without raw nobody knows what has been saved.
    assert figures.saved_percent is None


def test_an_emptied_table_has_no_times() -> None:
    """Contract from source, not verified on a server."""
    with (
        EmptiedInfluxDb3(databases=("home", "home_hourly", "home_daily")) as server,
        closing(TierStores(a_target(ApiVersion.V3, server.port))) as stores,
    ):
        fill(stores)
        server.databases["home_daily"].rows.clear()
        figures = read(stores)

    daily = figures.tiers[Tier.DAILY]
    assert (daily.row_count, daily.oldest_at, daily.newest_at) == (0, None, None)
    # All that the hours were made of is still there.
    assert figures.all_raw_bytes == figures.tiers[Tier.RAW].size_bytes


@pytest.mark.parametrize("version", [ApiVersion.V1, ApiVersion.V2, ApiVersion.V3])
def test_a_server_that_is_away_has_no_figures(version: ApiVersion) -> None:
    """And is not taken for one that holds nothing."""
    with InfluxDb2StandIn() as server:
        port = server.port
    with (
        closing(TierStores(a_target(version, port))) as stores,
        pytest.raises(StoreUnavailableError),
    ):
        read(stores)


def test_a_home_without_history_has_saved_nothing() -> None:
    figures = replace(some_figures(), all_raw_bytes=MIB)

    assert figures.saved_bytes == 0
    assert figures.saved_percent == 0
    assert replace(figures, all_raw_bytes=0).saved_percent is None
    assert replace(figures, tiers={}).raw_bytes_per_value == 4.5
    assert figures.raw_bytes_per_value == pytest.approx(3 * MIB / 1_000_000)


async def test_diagnostics_tell_no_name_of_an_entity(
    hass: HomeAssistant, hub: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    storage = storage_of(hub)
    storage.figures = some_figures()
    storage.async_note(
        a_record(
            Operation.DOWNSAMPLE_HOURLY,
            outcome=Outcome.FAILED,
            error="sensor.bedroom_power at http://influx.local:8086 is odd",
            problems=("sensor.bedroom_power 2026-01-01",),
        )
    )

    diagnostics = await get_diagnostics_for_config_entry(hass, hass_client, hub)

    described = diagnostics["storage"]
    assert described["is_enabled"] is True
    assert described["problems"] == ["storage_run_failed"]
    assert described["figures"]["tiers"]["raw"]["size_bytes"] == 3 * MIB
    assert described["archive"] is None
    [record] = described["last_runs"]
    assert record["outcome"] == "failed"
    assert "bedroom" not in str(described)
    assert "influx.local" not in str(described)

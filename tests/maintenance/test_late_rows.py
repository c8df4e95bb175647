"""A backfill tells the tiers what it brings, before it writes it."""

from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.maintenance.late import LateRows
from custom_components.ha_ingestor.retention.ledgers import EVENTS_LEDGER
from custom_components.ha_ingestor.retention.windows import NS_PER_DAY
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant
from tests.maintenance.storage_kit import RECENT, days_ago, put_days, run, storage_of


async def test_late_rows_open_their_hours_again(
    hass: HomeAssistant, influxdb: InfluxServer, hub: MockConfigEntry
) -> None:
    put_days(influxdb, (12, *RECENT))
    await run(hass, hub, "downsample_hourly")
    checkpoint = storage_of(hub).checkpoint
    noon = NS_PER_DAY // 2
    there, gone = days_ago(2) + noon, days_ago(12) + noon
    assert checkpoint.is_verified(EVENTS_LEDGER, (there, there + 1))

    late = await LateRows(storage_of(hub)).async_mark([there, gone, gone + 1])

    assert late == 2
    assert not checkpoint.is_verified(EVENTS_LEDGER, (there, there + 1))
    job = await run(hass, hub, "downsample_hourly")
    assert job["status"] == "finished"
    assert checkpoint.is_verified(EVENTS_LEDGER, (there, there + 1))


async def test_without_a_record_nothing_is_marked(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    storage = storage_of(hub)
    rows = LateRows(storage)
    assert await rows.async_mark([]) == 0

    storage.checkpoint.close()
    assert await rows.async_mark([1]) == 0

    storage.error = "closed"
    assert await rows.async_mark([1]) == 0

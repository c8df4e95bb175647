"""A backfill is compared with the tiers, and tells them what it brings."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.backfill import writer
from custom_components.ha_ingestor.errors import (
    StoreMissingError,
    StoreUnavailableError,
)
from custom_components.ha_ingestor.maintenance import aggregated
from custom_components.ha_ingestor.maintenance.aggregated import match_windows
from custom_components.ha_ingestor.maintenance.late import LateRows
from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.ledgers import EVENTS_LEDGER
from custom_components.ha_ingestor.retention.windows import (
    NS_PER_DAY,
    NS_PER_S,
    Resolution,
)
from custom_components.ha_ingestor.store.query import Row
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant
from tests.maintenance.storage_kit import (
    ENTITIES,
    RECENT,
    count,
    days_ago,
    put_days,
    run,
    storage_of,
)
from tests.retention.server_kit import HOUR, put

EVENTS = "home_assistant_events"
NEW = "sensor.new"
NOON = NS_PER_DAY // 2


class Home:
    """A hub with raw rows of twelve days ago that have gone, and an import."""

    def __init__(
        self, hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
    ) -> None:
        self.hass, self.hub, self.influxdb = hass, hub, influxdb
        folder = Path(hass.config.path("www"))
        folder.mkdir(exist_ok=True)
        hass.config.allowlist_external_dirs = {str(folder)}
        self.file = folder / "history.csv"

    async def maintain(self, action: str = "run_maintenance") -> None:
        job = await run(self.hass, self.hub, action)
        assert job["status"] == "finished", job

    async def bring(
        self, *days: int, entities: Iterable[str] = ENTITIES, dry_run: bool = False
    ) -> dict[str, int]:
        """Import the values that `put_days` writes; returns what was counted."""
        lines = [
            f"{entity_id},{(days_ago(day) + hour * HOUR) // NS_PER_S},{hour}"
            for day in days
            for entity_id in entities
            for hour in range(24)
        ]
        self.file.write_text("\n".join(lines), encoding="utf-8")
        job = await run(
            self.hass, self.hub, "backfill_csv", path=str(self.file), dry_run=dry_run
        )
        assert job["status"] == "finished", job
        await self.hub.runtime_data.pipeline.async_flush()
        return dict(job["counts"])

    def raw(self) -> int:
        return count(self.influxdb, EVENTS, "value", "test")

    def aside(self) -> int:
        return count(self.influxdb, "late_events", "value", "test_daily")


@pytest.fixture
def home(hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer) -> Home:
    return Home(hass, hub, influxdb)


async def test_what_is_aggregated_is_not_written_again(home: Home) -> None:
    put_days(home.influxdb, (12, *RECENT))
    await home.maintain()
    there = home.raw()
    assert there == len(RECENT) * len(ENTITIES) * 24

    for dry_run in (True, False):
        counts = await home.bring(12, 2, dry_run=dry_run)

        assert counts == {"read": 96, "existing": 48, "aggregated": 48, "missing": 0}
    assert home.raw() == there
    await home.maintain()
    assert (home.raw(), home.aside()) == (there, 0)


@pytest.mark.parametrize("options", [{"raw_days": 4, "hourly_days": 5}])
async def test_where_hours_are_gone_their_days_tell(home: Home) -> None:
    put_days(home.influxdb, (12, *RECENT))
    await home.maintain()
    there = home.raw()
    assert count(home.influxdb, "hourly_aggregates", "row_count", "test_hourly")
    oldest = home.influxdb.query(
        f'SELECT * FROM "hourly_aggregates" WHERE time < {days_ago(11)}', "test_hourly"
    )
    assert "series" not in oldest["results"][0]

    counts = await home.bring(12, entities=(*ENTITIES, NEW))

    assert counts["aggregated"] == 48
    assert counts["missing"] == counts["written"] == counts["late"] == 24
    assert home.raw() == there + 24


async def test_a_new_entity_comes_late_once(home: Home) -> None:
    put_days(home.influxdb, (12, *RECENT))
    await home.maintain()
    there = home.raw()

    tried = await home.bring(12, entities=(*ENTITIES, NEW), dry_run=True)
    assert home.raw() == there
    counts = await home.bring(12, entities=(*ENTITIES, NEW))

    assert counts == {**tried, "written": 24}
    assert (counts["aggregated"], counts["late"]) == (48, 24)
    assert home.raw() == there + 24
    await home.maintain()
    assert (home.raw(), home.aside()) == (there, 24)

    again = await home.bring(12, entities=(*ENTITIES, NEW))

    assert again == {"read": 72, "existing": 24, "aggregated": 48, "missing": 0}
    assert home.raw() == there


async def test_hours_to_which_a_value_was_only_carried_hold_nothing(
    home: Home,
) -> None:
    # Home Assistant ran all day, and only its mornings were captured.
    put(
        home.influxdb,
        [
            point
            for entity_id in ENTITIES
            for point in _morning(entity_id, days_ago(12))
        ],
    )
    put_days(home.influxdb, RECENT)
    await home.maintain()

    counts = await home.bring(12)

    assert (counts["aggregated"], counts["missing"], counts["late"]) == (24, 24, 24)


def _morning(entity_id: str, day_ns: int) -> list[Point]:
    return [
        Point(
            measurement=EVENTS,
            tags={"entity_id": entity_id},
            fields={"value": float(hour), "state": str(hour)},
            time_ns=day_ns + hour * HOUR,
        )
        for hour in range(12)
    ]


@pytest.mark.parametrize(
    "options",
    [{"age_overrides": [{"target": "sensor.power", "raw_days": 4}], "raw_days": 30}],
)
async def test_rows_of_one_entity_that_are_gone(home: Home) -> None:
    put_days(home.influxdb, (12, *RECENT))
    await home.maintain()
    there = home.raw()
    assert there == (len(RECENT) * 2 + 1) * 24

    # Of the other one a value is missing there, and is still part of its hour.
    home.influxdb.query(
        f"DELETE FROM {EVENTS} WHERE entity_id = 'sensor.temperature'"
        f" AND time = {days_ago(12) + NOON}",
        "test",
    )
    counts = await home.bring(12)

    assert counts["aggregated"] == 24
    assert counts["existing"] == 23
    assert counts["missing"] == counts["written"] == 1
    assert "late" not in counts
    assert home.raw() == there


async def test_a_renamed_entity_is_known_by_its_name_then(home: Home) -> None:
    put_days(home.influxdb, (12, *RECENT), ["sensor.old"])
    put(
        home.influxdb,
        [
            Point(
                measurement="home_assistant_activity",
                tags={"event_type": "entity_registry_updated"},
                fields={
                    "entity_id": "sensor.power",
                    "previous_entity_id": "sensor.old",
                },
                time_ns=days_ago(2),
            )
        ],
    )
    await home.maintain()

    counts = await home.bring(12, entities=["sensor.power"])

    assert counts == {"read": 24, "existing": 0, "aggregated": 24, "missing": 0}


async def test_a_server_that_is_away_is_asked_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "FIRST_RETRY_S", 0.01)
    put_days(home.influxdb, (12, *RECENT))
    await home.maintain()
    failures = _fail(monkeypatch, 2)

    counts = await home.bring(12)

    assert failures == []
    assert counts["aggregated"] == 48


def _fail(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """Let questions to the tiers fail at first; returns what is still to fail."""
    left = list(range(times))
    whole = LateRows.find_held

    def fail(self: LateRows, *args: Any) -> Any:
        if left:
            left.pop()
            raise StoreUnavailableError("away")
        return whole(self, *args)

    monkeypatch.setattr(LateRows, "find_held", fail)
    return left


async def test_a_store_that_somebody_has_deleted_holds_nothing(home: Home) -> None:
    put_days(home.influxdb, (12, *RECENT))
    await home.maintain("downsample_hourly")
    home.influxdb.query('DROP DATABASE "test_hourly"')

    counts = await home.bring(12)

    assert counts["late"] == counts["written"] == 48


async def test_a_store_that_the_server_misses_holds_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_days(home.influxdb, (12, *RECENT))
    await home.maintain("downsample_hourly")

    def fail(*_: Any, **__: Any) -> Iterator[Row]:
        raise StoreMissingError("gone")

    monkeypatch.setattr(aggregated, "read_all_points", fail)

    counts = await home.bring(12, dry_run=True)

    assert counts["late"] == counts["missing"] == 48


async def test_late_rows_open_their_hours_again(
    hass: HomeAssistant, influxdb: InfluxServer, hub: MockConfigEntry
) -> None:
    put_days(influxdb, (12, *RECENT))
    await run(hass, hub, "downsample_hourly")
    checkpoint = storage_of(hub).checkpoint
    there, gone = days_ago(2) + NOON, days_ago(12) + NOON
    assert checkpoint.is_verified(EVENTS_LEDGER, (there, there + 1))

    events = [(NEW, there), (NEW, gone), (NEW, gone + 1)]
    assert await LateRows(storage_of(hub)).async_mark(events, is_dry_run=True) == 2
    assert checkpoint.is_verified(EVENTS_LEDGER, (there, there + 1))

    assert await LateRows(storage_of(hub)).async_mark(events) == 2
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
    assert not rows.find_held({}).aggregated

    storage.checkpoint.close()
    assert await rows.async_mark([(NEW, 1)]) == 0
    assert not rows.find_held({(NEW, 1): NEW}).aggregated

    storage.error = "closed"
    assert await rows.async_mark([(NEW, 1)]) == 0
    assert not rows.find_held({(NEW, 1): NEW}).aggregated


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"row_count": 2.0}, [0, HOUR - 1], id="an-hour"),
        pytest.param(
            {"row_count": 1.0, "window_seconds": 1800.0}, [0], id="half-an-hour"
        ),
        pytest.param({"row_count": 0.0}, [], id="carried"),
        pytest.param({"window_seconds": 3600.0}, [], id="of-nothing"),
    ],
)
def test_which_window_an_event_is_part_of(
    fields: dict[str, float], expected: list[int]
) -> None:
    row = Row(time_ns=0, tags={"entity_id": "sensor.a"}, fields=fields)
    other = Row(time_ns=0, tags={"entity_id": "sensor.c"}, fields={"row_count": 1.0})
    events = [("sensor.a", time_ns) for time_ns in (-1, 0, HOUR - 1, HOUR)]

    found = match_windows([row, other], [*events, ("sensor.b", 0)], Resolution.HOUR)

    assert sorted(found) == [("sensor.a", time_ns) for time_ns in expected]

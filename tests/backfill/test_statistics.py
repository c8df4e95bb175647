"""Backfill of long-term statistics where states are gone."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.ha_ingestor.backfill import statistics
from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import async_import_statistics
from homeassistant.helpers import area_registry as ar, entity_registry as er
from homeassistant.util import dt as dt_util
from tests.backfill.kit import House, without

START = dt_util.utcnow().replace(minute=0, second=0, microsecond=0) - timedelta(days=60)


def import_hours(house: House, entity_id: str, rows: list[StatisticData]) -> None:
    """Put statistics into the recorder, as it makes them itself."""
    metadata = StatisticMetaData(
        has_sum="sum" in rows[0],
        mean_type=StatisticMeanType.ARITHMETIC
        if "mean" in rows[0]
        else StatisticMeanType.NONE,
        name=None,
        source="recorder",
        statistic_id=entity_id,
        unit_class="power" if "mean" in rows[0] else "energy",
        unit_of_measurement="W" if "mean" in rows[0] else "kWh",
    )
    async_import_statistics(house.hass, metadata, rows)


def this_hour() -> datetime:
    """The hour that runs now, which need not be the one in which the tests began."""
    return dt_util.utcnow().replace(minute=0, second=0, microsecond=0)


def means(count: int, start: datetime = START) -> list[StatisticData]:
    return [
        StatisticData(
            start=start + timedelta(hours=hour),
            mean=hour + 0.5,
            min=float(hour),
            max=hour + 1.0,
        )
        for hour in range(count)
    ]


async def test_every_hour_before_the_first_state(
    house: House, entity_registry: er.EntityRegistry, area_registry: ar.AreaRegistry
) -> None:
    area = area_registry.async_create("Cellar")
    entity = entity_registry.async_get_or_create(
        "sensor", "test", "1", suggested_object_id="power"
    )
    entity_registry.async_update_entity(entity.entity_id, area_id=area.id)
    import_hours(house, "sensor.power", means(48))
    # The hour that runs now has states, so its statistics are not brought.
    import_hours(house, "sensor.power", means(1, this_hour()))
    import_hours(
        house,
        "sensor.energy",
        [StatisticData(start=START, state=1000.0, sum=12.5)],
    )
    house.set(
        "sensor.power",
        "5",
        {"unit_of_measurement": "kW", "device_class": "power", "state_class": "x"},
    )
    await house.settle()
    job = await house.run()
    power = await house.statistics("sensor.power")
    assert [point["avg_value"] for point in power] == [n + 0.5 for n in range(48)]
    assert power[7] == {
        "time": int((START + timedelta(hours=7)).timestamp()) * 10**9,
        "entity_id": "sensor.power",
        "domain": "sensor",
        "area": "Cellar",
        "integration": "test",
        "device_class": "power",
        "state_class": "x",
        # That of the statistics, not that of the entity today.
        "unit": "W",
        "avg_value": 7.5,
        "min_value": 7,
        "max_value": 8,
    }
    [energy] = await house.statistics("sensor.energy")
    assert without(energy, "time") == {
        "entity_id": "sensor.energy",
        "domain": "sensor",
        "unit": "kWh",
        "last_value": 1000,
        "sum_value": 12.5,
    }
    assert job.counts["statistics"] == 49
    stored = await house.events()
    assert {point["entity_id"] for point in stored} == {"sensor.power"}
    again = await house.run()
    assert again.counts["missing"] == 0


async def test_statistics_of_the_period_and_entities_only(house: House) -> None:
    import_hours(house, "sensor.a", means(24))
    import_hours(house, "sensor.b", means(24))
    await house.settle()
    job = await house.run(
        entity_id="sensor.a",
        start=START + timedelta(hours=3),
        end=START + timedelta(hours=5),
    )
    assert [point["avg_value"] for point in await house.statistics()] == [3.5, 4.5]
    assert job.counts == {
        "existing": 0,
        "missing": 2,
        "statistics": 2,
        "written": 2,
    }


async def test_purged_states_leave_their_statistics(house: House) -> None:
    import_hours(house, "sensor.a", means(24))
    house.set("sensor.a", "1")
    house.set("sensor.a", "2")
    await house.settle()
    await house.hass.services.async_call(
        "recorder", "purge_entities", {"entity_id": "sensor.a"}, blocking=True
    )
    await async_wait_recording_done(house.hass)
    await house.forget()
    await house.run()
    assert await house.events("sensor.a") == []
    assert len(await house.statistics("sensor.a")) == 24


@pytest.mark.parametrize(
    "options", [{"exclude_entities": ["sensor.a"], "static_tags": {"site": "x"}}]
)
async def test_the_rules_of_the_hub_hold(house: House) -> None:
    import_hours(house, "sensor.a", means(3))
    import_hours(house, "sensor.b", means(3))
    await house.settle()
    await house.run()
    stored = await house.statistics()
    assert {(point["entity_id"], point["site"]) for point in stored} == {
        ("sensor.b", "x")
    }


async def test_an_hour_without_a_number_is_left_out(house: House) -> None:
    rows = means(3)
    rows[1] = StatisticData(start=rows[1]["start"])
    import_hours(house, "sensor.a", rows)
    await house.settle()
    job = await house.run()
    assert [point["avg_value"] for point in await house.statistics()] == [0.5, 2.5]
    assert job.counts["statistics"] == 2


async def test_statistics_can_be_left_out(house: House) -> None:
    import_hours(house, "sensor.a", means(3))
    await house.settle()
    job = await house.run(statistics=False)
    assert "statistics" not in job.counts
    assert await house.statistics() == []


@pytest.mark.parametrize("stop_after", [1, 3, 5])
async def test_they_go_on_where_they_were(
    house: House, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    monkeypatch.setattr(statistics, "PAGE_HOURS", 10)
    for name in ("a", "b"):
        import_hours(house, f"sensor.{name}", means(25))
    await house.settle()
    checkpoints: list[dict[str, Any]] = []
    job = await house.run(dry_run=True)
    job.on_change = lambda item: checkpoints.append(dict(item.checkpoint or {}))
    assert job.counts["missing"] == 50
    job.parameters["is_dry_run"] = False
    job.counts.clear()
    places = [
        {"entity_id": "sensor.a", "from_s": START.timestamp() + 10 * 3600},
        {"entity_id": "sensor.a", "from_s": START.timestamp() + 20 * 3600},
        {"entity_id": "sensor.a", "from_s": this_hour().timestamp()},
        {"entity_id": "sensor.b", "from_s": START.timestamp() + 10 * 3600},
        {"entity_id": "sensor.b", "from_s": START.timestamp() + 20 * 3600},
    ]
    job.checkpoint = {
        "first_s": 0.0,
        "states": None,
        "statistics": places[stop_after - 1],
    }
    job.status = type(job.status).QUEUED
    job.has_ended.clear()
    house.jobs.async_start()
    await house.finish(job)
    remaining = {1: 40, 3: 25, 5: 5}[stop_after]
    assert job.counts["written"] == remaining
    assert len(await house.statistics()) == remaining
    assert all(point["states"] is None for point in checkpoints)

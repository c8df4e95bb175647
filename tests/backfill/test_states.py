"""Backfill of states: the same as live capture, and only what is missing."""

from datetime import timedelta
from typing import Any

import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)
from sqlalchemy import update

from custom_components.ha_ingestor.jobs.job import JobStatus
from homeassistant.components.recorder.db_schema import StateAttributes
from homeassistant.core import Context
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import area_registry as ar, entity_registry as er
from homeassistant.helpers.recorder import get_instance, session_scope
from homeassistant.util import dt as dt_util
from tests.backfill.kit import House

WATT = {"unit_of_measurement": "W", "device_class": "power", "friendly_name": "P"}


async def live_day(house: House) -> None:
    """Let happen what happens in a house."""
    context = Context(user_id="0123456789abcdef0123456789abcdef")
    child = Context(parent_id=context.id)
    house.set("sensor.early", "1")
    house.set("weather.home", "sunny", {"temperature": 3.5, "temperature_unit": "°C"})
    house.set("sensor.price", "0.30", {"unit_of_measurement": "EUR/kWh"})
    house.set("person.ada", "home")
    house.set("zone.home", "1")
    house.set("sensor.power", "21.5", WATT)
    house.set("sensor.power", "22", WATT)
    # Attributes only: the text of the state stays the same.
    house.set("sensor.power", "22", {**WATT, "friendly_name": "Q"})
    house.set("weather.home", "rainy", {"temperature": 2, "temperature_unit": "°C"})
    house.set("sensor.power", "unavailable", WATT)
    house.set("sensor.power", "unknown", WATT)
    house.set("sensor.power", "23", {**WATT, "unit_of_measurement": "kW"})
    house.hass.states.async_set("light.desk", "on", {"brightness": 128}, context=child)
    house.hass.states.async_set("light.desk", "off", {"secret": "x"}, context=context)
    house.set("zone.home", "0")
    house.set("person.ada", "on")
    house.set("person.ada", "not_home")
    house.set("sensor.price", "0.42", {"unit_of_measurement": "EUR/kWh"})
    house.set("sensor.clock", 'say "12:30" \\ 1')
    house.hass.states.async_set("sensor.clock", 'say "12:30" \\ 1', force_update=True)
    house.hass.states.async_remove("sensor.clock", context=context)
    house.set("sensor.clock", "back")
    house.set("sensor.empty", "")
    house.set("sensor.empty", "1e3")
    await house.settle()


async def test_a_backfill_writes_what_live_capture_wrote(
    house: House, entity_registry: er.EntityRegistry, area_registry: ar.AreaRegistry
) -> None:
    area = area_registry.async_create("Küche, links")
    entity = entity_registry.async_get_or_create(
        "sensor", "test", "1", suggested_object_id="power"
    )
    entity_registry.async_update_entity(entity.entity_id, area_id=area.id)
    await live_day(house)
    live = await house.events()
    assert len(live) > 20
    assert {point.get("area") for point in live} == {None, "Küche, links"}
    assert {point.get("outdoor_temperature") for point in live} == {None, 3.5, 2}
    assert {point.get("electricity_price") for point in live} == {None, 0.3, 0.42}
    assert {point.get("anyone_home") for point in live} == {None, True, False}
    assert any("previous_state" in point for point in live)
    assert any("context_user_id" in point for point in live)
    assert any("context_parent_id" in point for point in live)
    assert any("attr_brightness" in point for point in live)
    await house.forget()
    job = await house.run()
    assert job.error is None
    assert await house.events() == live
    assert job.counts["written"] == job.counts["missing"] == len(live)


async def test_a_second_backfill_writes_nothing(house: House) -> None:
    await live_day(house)
    await house.forget()
    first = await house.run()
    stored = await house.events()
    second = await house.run()
    assert second.counts["existing"] >= first.counts["written"] > 0
    assert second.counts["missing"] == 0
    assert "written" not in second.counts
    assert await house.events() == stored


async def test_only_what_is_missing_is_written_though_the_area_has_changed(
    house: House, entity_registry: er.EntityRegistry, area_registry: ar.AreaRegistry
) -> None:
    entity = entity_registry.async_get_or_create(
        "sensor", "test", "1", suggested_object_id="power"
    )
    for number in range(10):
        house.set("sensor.power", str(number), WATT)
    await house.settle()
    before = await house.events("sensor.power")
    lost = before[4]
    await house.hass.async_add_executor_job(
        house.influxdb.query,
        "DELETE FROM home_assistant_events WHERE entity_id = 'sensor.power'"
        f" AND time = {lost['time']}",
        "test",
    )
    area = area_registry.async_create("Cellar")
    entity_registry.async_update_entity(entity.entity_id, area_id=area.id)
    job = await house.run(entity_id=["sensor.power"])
    after = await house.events("sensor.power")
    assert job.counts == {"read": 10, "existing": 9, "missing": 1, "written": 1}
    assert [point for point in after if "area" in point] == [{**lost, "area": "Cellar"}]
    assert len(after) == 10


async def test_a_renamed_entity_gets_no_second_history(
    house: House, entity_registry: er.EntityRegistry
) -> None:
    entity = entity_registry.async_get_or_create(
        "sensor", "test", "1", suggested_object_id="old"
    )
    for number in range(5):
        house.set(entity.entity_id, str(number), WATT)
    await house.settle()
    for name in ("sensor.middle", "sensor.new"):
        before = entity.entity_id
        entity = entity_registry.async_update_entity(before, new_entity_id=name)
        house.hass.states.async_remove(before)
        await house.settle()
        house.set(name, f"at {name}", WATT)
        await house.settle()
    stored = await house.events()
    assert {point["entity_id"] for point in stored} == {
        "sensor.old",
        "sensor.middle",
        "sensor.new",
    }
    job = await house.run()
    assert job.counts["missing"] == 0
    assert job.counts["existing"] >= 7
    assert await house.events() == stored


async def test_a_dry_run_counts_and_writes_nothing(house: House) -> None:
    await live_day(house)
    live = await house.events()
    await house.forget()
    job = await house.run(dry_run=True)
    assert job.counts["missing"] == len(live)
    assert "written" not in job.counts
    assert await house.events() == []


async def test_chosen_entities_and_time(house: House) -> None:
    for number in range(4):
        house.set("sensor.a", str(number))
        house.set("sensor.b", str(number))
    await house.settle()
    live = await house.events("sensor.a")
    await house.forget()
    start, end = (
        dt_util.utc_from_timestamp(live[index]["time"] / 1e9) for index in (1, 3)
    )
    job = await house.run(entity_id="sensor.a", start=start, end=end)
    assert await house.events() == live[1:3]
    assert job.counts["written"] == 2


@pytest.mark.parametrize(
    "options",
    [
        {
            "exclude_entities": ["sensor.no"],
            "attributes": ["sensor.kept", "sensor.glob_*"],
        }
    ],
)
async def test_the_rules_of_the_hub_hold(house: House) -> None:
    attributes = {"kept": 1, "glob_a": "x", "left": 2, **WATT}
    house.set("sensor.no", "1")
    house.set("sensor.yes", "1", attributes)
    await house.settle()
    live = await house.events()
    await house.forget()
    job = await house.run(entity_id=["sensor.no", "sensor.yes"])
    assert await house.events() == live
    [point] = live
    assert (point["attr_kept"], point["attr_glob_a_text"]) == (1, "x")
    assert "attr_left" not in point
    assert job.counts["filtered"] == 1


async def test_own_figures_stay_out(house: House) -> None:
    await house.hass.services.async_call(
        "button", "press", {"entity_id": "button.pipeline_flush"}, blocking=True
    )
    await house.settle()
    job = await house.run()
    assert job.counts["filtered"] > 5
    assert [p for p in await house.events() if "pipeline" in p["entity_id"]] == []


async def test_attributes_that_the_recorder_drops_do_not_change_the_series(
    house: House,
) -> None:
    house.set("sensor.prices", "1", {**WATT, "all": "x" * 20_000})
    house.set("sensor.plain", "1", {"unit_of_measurement": "W"})
    house.set("sensor.plain", "2")
    await house.settle()
    live = await house.events()
    await house.forget()
    await house.run()
    assert await house.events() == live


@pytest.mark.parametrize(
    "options",
    [{"sampling": [{"glob": "sensor.busy", "deadband": 5, "heartbeat_s": 60}]}],
)
async def test_sampling_applies(house: House) -> None:
    for number in range(20):
        house.set("sensor.busy", str(number))
    await house.settle()
    live = await house.events()
    assert [point["value"] for point in live] == [0, 5, 10, 15]
    await house.forget()
    job = await house.run()
    assert await house.events() == live
    assert job.counts["sampled"] == 16


async def test_the_context_before_the_period_is_known(house: House) -> None:
    house.set("weather.home", "sunny", {"temperature": 7})
    house.set("sensor.a", "1")
    await house.settle()
    start = dt_util.utcnow()
    house.set("sensor.a", "2")
    await house.settle()
    live = await house.events("sensor.a")
    await house.forget()
    await house.run(entity_id="sensor.a", start=start)
    assert await house.events() == live[1:]
    assert live[1]["outdoor_temperature"] == 7


async def test_a_context_entity_that_went_is_not_known_after(house: House) -> None:
    house.set("sensor.price", "0.5", {"unit_of_measurement": "EUR/kWh"})
    house.set("sensor.a", "1")
    house.hass.states.async_remove("sensor.price")
    house.set("sensor.a", "2")
    # Found again as the source of prices when the backfill looks for one.
    house.set("sensor.price", "0.6", {"unit_of_measurement": "EUR/kWh"})
    house.set("sensor.a", "3")
    await house.settle()
    live = await house.events("sensor.a")
    assert [point.get("electricity_price") for point in live] == [0.5, None, 0.6]
    await house.forget()
    job = await house.run(entity_id="sensor.a")
    assert await house.events() == live
    assert job.counts["read"] == 3


async def test_attributes_that_cannot_be_read(house: House) -> None:
    house.set("sensor.bare", "1")
    house.set("sensor.damaged", "1", WATT)
    await house.settle()
    house.set("sensor.bare", "2", {"unit_of_measurement": "W", "odd": object()})

    def damage() -> None:
        with session_scope(hass=house.hass) as session:
            session.execute(
                update(StateAttributes)
                .where(StateAttributes.shared_attrs.like("%power%"))
                .values(shared_attrs="{damaged")
            )

    await get_instance(house.hass).async_add_executor_job(damage)
    await house.forget()
    job = await house.run(entity_id=["sensor.bare", "sensor.damaged"])
    assert job.error is None
    stored = [point for point in await house.events() if point["state"] == "1"]
    assert [point["entity_id"] for point in stored] == ["sensor.bare", "sensor.damaged"]
    assert [point.get("unit") for point in stored] == [None, None]


async def test_a_recorder_that_has_nothing(house: House) -> None:
    await house.settle()
    await house.hass.services.async_call(
        "recorder", "purge_entities", {"entity_globs": ["*"]}, blocking=True
    )
    await async_wait_recording_done(house.hass)
    job = await house.run()
    assert job.status is JobStatus.FINISHED
    assert job.counts == {"existing": 0, "missing": 0}


async def test_windows_without_states_are_passed_over(house: House) -> None:
    house.set("sensor.a", "1")
    await house.settle()
    start = dt_util.utcnow() - timedelta(days=3650)
    job = await house.run(start=start, statistics=False)
    assert job.error is None
    assert job.progress == 1


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"start": "2099-01-01 00:00:00"}, "backfill_period"),
        (
            {"start": "2026-01-02 00:00:00", "end": "2026-01-01 00:00:00"},
            "backfill_period",
        ),
        ({"start": "1960-01-01 00:00:00"}, "backfill_period"),
    ],
)
async def test_impossible_periods_are_refused(
    house: House, data: dict[str, Any], key: str
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await house.call("backfill", **data)
    assert caught.value.translation_key == key
    assert house.jobs.jobs == []
    await async_wait_recording_done(house.hass)

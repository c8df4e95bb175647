"""A meter of a running hub: its day, outages, restarts, events, and what is written."""

from datetime import timedelta
from types import MappingProxyType
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.ha_ingestor.const import DOMAIN
from devlib.influxd import InfluxServer
from homeassistant.config_entries import SOURCE_USER, ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er

HOUSE = "sensor.house"
TOTAL = "sensor.total"
OVEN = "sensor.oven"
POWER = "sensor.smart_meter_power"
ENERGY = "sensor.smart_meter_energy_today"
COST = "sensor.smart_meter_cost_today"
CARBON = "sensor.smart_meter_carbon_today"
PEAK = "sensor.smart_meter_peak_demand_today"
BASE = "sensor.smart_meter_base_load"
PHANTOM = "sensor.smart_meter_phantom_load_yearly_cost"
LIMIT = "event.smart_meter_power_limit"

WATTS = {"unit_of_measurement": "W", "device_class": "power"}
KWH = {
    "unit_of_measurement": "kWh",
    "device_class": "energy",
    "state_class": "total_increasing",
}


async def add_source(
    hass: HomeAssistant, hub: MockConfigEntry, kind: str, data: dict[str, Any]
) -> None:
    """Add a source of any kind as its flow would have."""
    subentry = ConfigSubentry(
        data=MappingProxyType({"settings": {}, **data}),
        subentry_type=kind,
        title="Smart meter" if kind == "smart_meter" else kind,
        unique_id=None,
    )
    hass.config_entries.async_add_subentry(hub, subentry)
    await hass.async_block_till_done(wait_background_tasks=True)


async def add_meter(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    arguments: dict[str, Any] | None = None,
    **settings: float,
) -> None:
    await add_source(
        hass,
        hub,
        "smart_meter",
        {
            "provider": "meter_entities",
            "arguments": arguments or {"power_entities": [HOUSE]},
            "settings": settings,
        },
    )


async def look(hass: HomeAssistant, hub: MockConfigEntry) -> None:
    """Let the meter read its entities now."""
    [meter] = [
        item
        for item in hub.runtime_data.sources.coordinators
        if item.kind == "smart_meter"
    ]
    await meter.async_refresh()
    await hass.async_block_till_done()


async def pass_minutes(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    count: int,
) -> None:
    """Let minutes go by; in each of them the power is reported, and read."""
    for _ in range(count):
        freezer.tick(60)
        report(hass)
        await look(hass, hub)


def report(hass: HomeAssistant) -> None:
    """Let the integration that has the entity say the same again."""
    state = hass.states.get(HOUSE)
    hass.states.async_set(HOUSE, state.state, state.attributes)


def value(hass: HomeAssistant, entity_id: str) -> float:
    return float(hass.states.get(entity_id).state)


@pytest.fixture
async def noon(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> FrozenDateTimeFactory:
    """Noon in Berlin, and 600 W."""
    await hass.config.async_set_time_zone("Europe/Berlin")
    freezer.move_to("2026-03-10T11:00:00+00:00")
    hass.states.async_set(HOUSE, "600", WATTS)
    return freezer


async def test_a_meter_is_added_shown_and_written(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    hass.states.async_set(HOUSE, "2", WATTS | {"unit_of_measurement": "kW"})
    hass.states.async_set(OVEN, "500", WATTS | {"friendly_name": "Oven"})
    flows = hass.config_entries.subentries
    result = await flows.async_init(
        (hub.entry_id, "smart_meter"), context={"source": SOURCE_USER}
    )
    result = await flows.async_configure(
        result["flow_id"], {"provider": "meter_entities"}
    )
    result = await flows.async_configure(
        result["flow_id"], {"power_entities": [HOUSE], "circuit_entities": [OVEN]}
    )
    assert result["step_id"] == "settings"
    assert result["description_placeholders"]["answer"] == "2000 W"
    result = await flows.async_configure(result["flow_id"], {"power_limit": 10000})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done(wait_background_tasks=True)

    assert hass.states.get(POWER).state == "2000.0"
    assert hass.states.get(POWER).attributes["derived_from_energy"] is False
    assert hass.states.get(ENERGY).state == "0.0"
    assert hass.states.get(COST).state == "unknown"
    assert hass.states.get(CARBON).state == "unknown"
    assert hass.states.get("sensor.smart_meter_oven_power").state == "500.0"
    assert hass.states.get("sensor.smart_meter_oven_share").state == "25.0"

    await hass.services.async_call(DOMAIN, "flush", blocking=True)

    assert [
        row[1:]
        for row in influxdb.rows(
            "SELECT total_power_w, daily_kwh, meter_id, meter_type FROM smart_meter",
            "test",
        )
    ] == [[2000.0, 0.0, HOUSE, "meter_entities"]]
    assert [
        row[1:]
        for row in influxdb.rows(
            "SELECT power_w, percentage, circuit_name FROM smart_meter_circuit", "test"
        )
    ] == [[500.0, 25.0, "Oven"]]


@pytest.mark.parametrize(
    ("entered", "errors"),
    [
        pytest.param({}, {"power_entities": "entity_needed"}, id="nothing"),
        pytest.param(
            {"power_entities": [TOTAL]}, {"power_entities": "wrong_unit"}, id="unit"
        ),
        pytest.param(
            {"energy_entities": ["sensor.gone"]}, {"base": "unavailable"}, id="gone"
        ),
    ],
)
async def test_the_form_says_what_is_wrong_and_goes_on(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    entered: dict[str, Any],
    errors: dict[str, str],
) -> None:
    hass.states.async_set(TOTAL, "5", KWH)
    flows = hass.config_entries.subentries
    result = await flows.async_init(
        (hub.entry_id, "smart_meter"), context={"source": SOURCE_USER}
    )
    result = await flows.async_configure(
        result["flow_id"], {"provider": "meter_entities"}
    )
    result = await flows.async_configure(result["flow_id"], entered)
    assert result["errors"] == errors

    result = await flows.async_configure(
        result["flow_id"], {"energy_entities": [TOTAL]}
    )
    assert result["step_id"] == "settings"
    assert result["description_placeholders"]["answer"] == "5.0 kWh"


async def test_power_becomes_energy_and_cost(
    hass: HomeAssistant, hub: MockConfigEntry, noon: FrozenDateTimeFactory
) -> None:
    await add_meter(hass, hub, tariff=0.3)
    await pass_minutes(hass, hub, noon, 10)

    state = hass.states.get(ENERGY)
    assert float(state.state) == pytest.approx(0.1)
    assert state.attributes["state_class"] == "total"
    assert state.attributes["last_reset"] == "2026-03-09T23:00:00+00:00"
    assert value(hass, COST) == pytest.approx(0.03)
    assert hass.states.get(COST).attributes["unit_of_measurement"] == "EUR"
    assert value(hass, PEAK) == 600


async def test_an_outage_makes_no_energy(
    hass: HomeAssistant, hub: MockConfigEntry, noon: FrozenDateTimeFactory
) -> None:
    await add_meter(hass, hub)
    await pass_minutes(hass, hub, noon, 10)

    hass.states.async_set(HOUSE, "unavailable")
    await pass_minutes(hass, hub, noon, 20)
    assert hass.states.get(POWER).state == "unavailable"

    hass.states.async_set(HOUSE, "6000", WATTS)
    await look(hass, hub)
    assert value(hass, ENERGY) == pytest.approx(0.1)

    await pass_minutes(hass, hub, noon, 10)
    assert value(hass, ENERGY) == pytest.approx(0.1 + 1.0)
    assert value(hass, PEAK) == 6000


async def test_what_a_counter_gained_in_an_outage_is_real(
    hass: HomeAssistant, hub: MockConfigEntry, noon: FrozenDateTimeFactory
) -> None:
    hass.states.async_set(TOTAL, "100", KWH)
    await add_meter(
        hass, hub, {"power_entities": [HOUSE], "energy_entities": [TOTAL]}, tariff=0.5
    )
    await pass_minutes(hass, hub, noon, 1)
    hass.states.async_set(TOTAL, "100.5", KWH)
    await look(hass, hub)
    hass.states.async_set(TOTAL, "unavailable")
    # From 12:01 until 06:01 of the next day, a third of it after midnight.
    noon.tick(18 * 3600)
    hass.states.async_set(TOTAL, "109.5", KWH)
    await look(hass, hub)

    state = hass.states.get(ENERGY)
    assert float(state.state) == pytest.approx(9 * 361 / 1080)
    assert state.attributes["estimated_kwh"] == pytest.approx(9 * 361 / 1080)
    assert state.attributes["yesterday_kwh"] == pytest.approx(0.5 + 9 * 719 / 1080)
    assert value(hass, COST) == pytest.approx(0.5 * 9 * 361 / 1080)


async def test_energy_alone_shows_the_power_of_its_steps(
    hass: HomeAssistant, hub: MockConfigEntry, noon: FrozenDateTimeFactory
) -> None:
    hass.states.async_set(TOTAL, "100", KWH)
    await add_meter(hass, hub, {"energy_entities": [TOTAL]})
    assert hass.states.get(POWER).state == "unknown"

    for kwh in ("100.1", "100.2"):
        noon.tick(120)
        hass.states.async_set(TOTAL, kwh, KWH)
        await look(hass, hub)

    assert value(hass, POWER) == pytest.approx(3000)
    assert hass.states.get(POWER).attributes["derived_from_energy"] is True
    assert value(hass, ENERGY) == pytest.approx(0.2)


async def test_midnight_begins_a_new_day(
    hass: HomeAssistant, hub: MockConfigEntry, noon: FrozenDateTimeFactory
) -> None:
    noon.move_to("2026-03-10T22:50:00+00:00")
    report(hass)
    await add_meter(hass, hub)
    await pass_minutes(hass, hub, noon, 9)
    assert value(hass, ENERGY) == pytest.approx(0.09)
    assert value(hass, PEAK) == 600

    noon.tick(60)
    hass.states.async_set(HOUSE, "300", hass.states.get(HOUSE).attributes)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    state = hass.states.get(ENERGY)
    assert float(state.state) == 0
    assert state.attributes["last_reset"] == "2026-03-10T23:00:00+00:00"

    noon.tick(60)
    await look(hass, hub)
    state = hass.states.get(ENERGY)
    assert float(state.state) == pytest.approx(0.005)
    assert state.attributes["yesterday_kwh"] == pytest.approx(0.1)
    assert value(hass, PEAK) == 300


async def test_midnight_leaves_the_points_of_the_day_alone(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    noon: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[Any] = []
    monkeypatch.setattr(hub.runtime_data.pipeline, "put_points", written.extend)
    noon.move_to("2026-03-10T22:58:00+00:00")
    report(hass)
    await add_meter(hass, hub)
    await pass_minutes(hass, hub, noon, 1)
    assert [point.fields["daily_kwh"] for point in written] == [
        0.0,
        pytest.approx(0.01),
    ]

    noon.tick(60)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()

    assert [point.fields["daily_kwh"] for point in written[2:]] in (
        [],
        [pytest.approx(0.0)],
    )
    assert len({point.time_ns for point in written}) == len(written)


async def test_a_restart_goes_on_where_it_was(
    hass: HomeAssistant, hub: MockConfigEntry, noon: FrozenDateTimeFactory
) -> None:
    hass.states.async_set(TOTAL, "100", KWH)
    await add_meter(hass, hub, {"energy_entities": [TOTAL]}, tariff=0.3)
    noon.tick(60)
    hass.states.async_set(TOTAL, "101", KWH)
    await look(hass, hub)

    await hass.config_entries.async_unload(hub.entry_id)
    noon.tick(3600)
    hass.states.async_set(TOTAL, "103", KWH)
    await hass.config_entries.async_setup(hub.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)

    assert value(hass, ENERGY) == pytest.approx(3)
    assert value(hass, COST) == pytest.approx(0.9)
    assert hass.states.get(ENERGY).attributes["estimated_kwh"] == pytest.approx(3)


async def test_a_meter_with_other_entities_begins_anew(
    hass: HomeAssistant, hub: MockConfigEntry, noon: FrozenDateTimeFactory
) -> None:
    await add_meter(hass, hub)
    await pass_minutes(hass, hub, noon, 10)
    [subentry] = hub.subentries.values()
    hass.states.async_set("sensor.other", "1000", WATTS)
    hass.states.async_set(OVEN, "500", WATTS | {"friendly_name": "Oven"})

    hass.config_entries.async_update_subentry(
        hub,
        subentry,
        data={
            **subentry.data,
            "arguments": {
                "power_entities": ["sensor.other"],
                "circuit_entities": [OVEN],
            },
        },
    )
    await hass.async_block_till_done(wait_background_tasks=True)

    assert value(hass, POWER) == 1000
    assert value(hass, ENERGY) == 0
    assert value(hass, "sensor.smart_meter_oven_share") == 50


async def test_passing_the_limit_is_an_event_and_coming_back_another(
    hass: HomeAssistant, hub: MockConfigEntry, noon: FrozenDateTimeFactory
) -> None:
    await add_meter(hass, hub, power_limit=5000.0)
    seen = []
    for power_w in ("5000", "5001", "4900", "5100", "4501", "4500", "4000", "9000"):
        noon.tick(20)
        hass.states.async_set(HOUSE, power_w, WATTS)
        await look(hass, hub)
        seen.append(hass.states.get(LIMIT).attributes.get("event_type"))

    over, back = "limit_exceeded", "limit_restored"
    assert seen == [None, over, over, over, over, back, back, over]
    attributes = hass.states.get(LIMIT).attributes
    assert (attributes["power_w"], attributes["limit_w"]) == (9000, 5000)


async def test_a_restart_above_the_limit_is_no_new_event(
    hass: HomeAssistant, hub: MockConfigEntry, noon: FrozenDateTimeFactory
) -> None:
    await add_meter(hass, hub, power_limit=5000.0)
    hass.states.async_set(HOUSE, "6000", WATTS)
    await look(hass, hub)
    before = hass.states.get(LIMIT)

    await hass.config_entries.async_reload(hub.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    await pass_minutes(hass, hub, noon, 2)

    assert hass.states.get(LIMIT).state == before.state


async def test_without_a_limit_there_is_no_event(
    hass: HomeAssistant, hub: MockConfigEntry, noon: FrozenDateTimeFactory
) -> None:
    await add_meter(hass, hub)
    hass.states.async_set(HOUSE, "60000", WATTS)
    await look(hass, hub)

    assert hass.states.get(LIMIT).state == "unknown"


async def test_price_and_carbon_come_from_the_hubs_other_sources(
    hass: HomeAssistant, hub: MockConfigEntry, noon: FrozenDateTimeFactory
) -> None:
    hass.states.async_set("sensor.price", "0.2", {"unit_of_measurement": "SEK/kWh"})
    hass.states.async_set("sensor.co2", "50", {"unit_of_measurement": "gCO2eq/kWh"})
    await add_source(
        hass,
        hub,
        "electricity_price",
        {
            "provider": "price_entity",
            "arguments": {"entity": "sensor.price"},
        },
    )
    await add_source(
        hass,
        hub,
        "carbon_intensity",
        {
            "provider": "carbon_entity",
            "arguments": {"intensity_entity": "sensor.co2"},
        },
    )
    await add_meter(hass, hub, tariff=9.0)
    await pass_minutes(hass, hub, noon, 10)

    assert value(hass, COST) == pytest.approx(0.02)
    assert hass.states.get(COST).attributes["unit_of_measurement"] == "SEK"
    assert value(hass, CARBON) == pytest.approx(0.005)
    assert hass.states.get(CARBON).attributes["unit_of_measurement"] == "kg"

    # Without a price the tariff, which is in another currency, does not step in.
    hass.states.async_set("sensor.price", "unavailable")
    noon.tick(3 * 3600)
    report(hass)
    await look(hass, hub)
    await pass_minutes(hass, hub, noon, 5)
    assert value(hass, COST) == pytest.approx(0.02)
    assert hass.states.get(COST).attributes["kwh_without_price"] == pytest.approx(0.05)


async def test_the_base_load_is_learned_in_the_night(
    hass: HomeAssistant, hub: MockConfigEntry, noon: FrozenDateTimeFactory
) -> None:
    noon.move_to("2026-03-11T01:20:00+00:00")
    report(hass)
    await add_meter(hass, hub, tariff=0.25)
    assert hass.states.get(BASE).state == "unknown"

    await pass_minutes(hass, hub, noon, 60)

    assert value(hass, BASE) == pytest.approx(600)
    assert hass.states.get(BASE).attributes["nights"] == 1
    assert value(hass, PHANTOM) == pytest.approx(0.6 * 8766 * 0.25)


async def test_the_peak_quarter_is_there_for_whoever_wants_it(
    hass: HomeAssistant, hub: MockConfigEntry, noon: FrozenDateTimeFactory
) -> None:
    await add_meter(hass, hub)
    registry = er.async_get(hass)
    entity = registry.async_get("sensor.smart_meter_peak_quarter_hour_today")

    assert entity.disabled_by is er.RegistryEntryDisabler.INTEGRATION


async def test_a_meter_that_speaks_often_is_read_at_times(
    hass: HomeAssistant, hub: MockConfigEntry, noon: FrozenDateTimeFactory
) -> None:
    await add_meter(hass, hub)
    for power_w in range(601, 620):
        hass.states.async_set(HOUSE, str(power_w), WATTS)
    await hass.async_block_till_done(wait_background_tasks=True)
    shown = value(hass, POWER)

    noon.tick(timedelta(seconds=11))
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)

    assert shown < 619
    assert value(hass, POWER) == 619

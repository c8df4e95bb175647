"""Carbon intensity in a running hub: shown, written, judged, failed, expired."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
import json
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.coordinators.carbon import CarbonCoordinator
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
from tests.sources.carbon_kit import (
    HALF_HOUR,
    Below,
    add_carbon,
    answer_uk,
    list_half_hours,
    present_half_hour,
    refresh,
)
from tests.sources.kit import Answer, ProviderServer

NAME = "uk_carbon_intensity"
INTENSITY = f"sensor.{NAME}_carbon_intensity"
WINDOW = f"sensor.{NAME}_lowest_carbon_window_start"
CLEAN = f"binary_sensor.{NAME}_grid_is_clean"
# Dirty now, clean from three to six hours ahead, and in between after that.
VALUES = [300.0] * 6 + [100.0] * 6 + [200.0] * 84


@pytest.fixture
def add(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer
) -> Callable[..., Any]:
    """Add a source of Great Britain that answers with some values."""

    async def add(values: list[float] = VALUES, **settings: Any) -> CarbonCoordinator:
        provider.answers = answer_uk(values)
        return await add_carbon(hass, hub, NAME, {}, settings)

    return add


async def test_everything_known_is_shown(
    hass: HomeAssistant, add: Callable[..., Any]
) -> None:
    await add(clean_below=150)

    start = present_half_hour()
    shown = {
        key: state.state
        for key in (
            "carbon_intensity",
            "renewable_power",
            "fossil_power",
            "carbon_intensity_forecast_in_1_hour",
            "carbon_intensity_forecast_in_24_hours",
            "lowest_carbon_window_start",
        )
        if (state := hass.states.get(f"sensor.{NAME}_{key}"))
    }
    assert shown == {
        "carbon_intensity": "300.0",
        "renewable_power": "35.5",
        "fossil_power": "41.5",
        "carbon_intensity_forecast_in_1_hour": "300.0",
        "carbon_intensity_forecast_in_24_hours": "200.0",
        "lowest_carbon_window_start": (start + 6 * HALF_HOUR).isoformat(),
    }
    assert hass.states.get(CLEAN).state == "off"
    # It is never told, so it has no entity.
    assert hass.states.get(f"sensor.{NAME}_carbon_intensity_percentile") is None


async def test_attributes_say_where_and_what_is_to_come(
    hass: HomeAssistant, add: Callable[..., Any]
) -> None:
    await add()

    attributes = hass.states.get(INTENSITY).attributes
    start = present_half_hour()
    assert attributes["region"] == "Great Britain"
    assert attributes["grid_operator"] == "NESO"
    assert attributes["is_marginal"] is False
    assert attributes["unit_of_measurement"] == "gCO2eq/kWh"
    assert attributes["forecast"][0] == {
        "start": start.isoformat(),
        "end": (start + HALF_HOUR).isoformat(),
        "value": 300.0,
    }
    assert len(attributes["forecast"]) == len(VALUES)
    assert len(json.dumps(dict(attributes), default=str)) < 16 * 1024
    window = hass.states.get(WINDOW).attributes
    assert window["end"] == start + 10 * HALF_HOUR
    assert window["mean"] == 100.0


async def test_points_are_written_with_the_providers_times(
    hass: HomeAssistant, add: Callable[..., Any], influxdb: InfluxServer
) -> None:
    await add()
    hass.states.async_set("sensor.kitchen", "1")
    await hass.services.async_call(DOMAIN, "flush", blocking=True)

    start = present_half_hour()
    rows = influxdb.rows(
        "SELECT carbon_intensity_gco2_kwh, renewable_percentage, fossil_percentage,"
        " forecast_1h, forecast_24h, region, grid_operator, provider"
        " FROM carbon_intensity",
        "test",
    )
    assert [row[1:] for row in rows] == [
        [300, 35.5, 41.5, 300, 200, "Great Britain", "NESO", NAME]
    ]
    assert rows[0][0] == round(start.timestamp()) * 10**9
    forecast = influxdb.rows(
        "SELECT value, slot_minutes, issued_at, region, provider"
        " FROM carbon_intensity_forecast",
        "test",
    )
    assert [row[1] for row in forecast] == VALUES
    assert forecast[6][0] == round((start + 6 * HALF_HOUR).timestamp()) * 10**9
    assert {(row[2], row[4], row[5]) for row in forecast} == {
        (30, "Great Britain", NAME)
    }
    issued_at = datetime.fromisoformat(forecast[0][3])
    assert abs(issued_at - datetime.now(UTC)) < timedelta(minutes=1)
    events = influxdb.rows(
        "SELECT carbon_intensity FROM home_assistant_events"
        " WHERE entity_id = 'sensor.kitchen'",
        "test",
    )
    assert [row[1] for row in events] == [300]


async def test_a_forecast_that_stays_is_not_written_again(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    add: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = await add()
    written: list[Any] = []
    monkeypatch.setattr(hub.runtime_data.sources, "put_points", written.extend)

    await refresh(hass, source)
    assert written == []

    provider.answers = answer_uk([*VALUES[:-1], 250.0])
    await refresh(hass, source)

    assert [point.fields["value"] for point in written] == [250.0]


@pytest.mark.parametrize(
    ("settings", "values", "expected"),
    [
        pytest.param({"clean_below": 301}, VALUES, "on", id="below"),
        pytest.param({"clean_below": 300}, VALUES, "off", id="not-below"),
        pytest.param({}, VALUES, "unknown", id="no-limit"),
        pytest.param({"clean_percentile": 30}, VALUES, "off", id="dirtiest"),
        pytest.param(
            {"clean_percentile": 30}, [100.0] * 6 + VALUES, "on", id="cleanest"
        ),
        pytest.param(
            {"clean_percentile": 30, "clean_below": 90},
            [100.0] * 6 + VALUES,
            "off",
            id="one-of-two",
        ),
        pytest.param(
            {"clean_percentile": 30, "clean_below": 110},
            [100.0] * 6 + VALUES,
            "on",
            id="both",
        ),
        pytest.param(
            {"clean_percentile": 30}, VALUES[:10], "unknown", id="too-little-known"
        ),
    ],
)
async def test_clean_is_what_the_user_calls_clean(
    hass: HomeAssistant,
    add: Callable[..., Any],
    settings: dict[str, float],
    values: list[float],
    expected: str,
) -> None:
    await add(values, **settings)

    assert hass.states.get(CLEAN).state == expected


async def test_the_percentile_compares_with_the_forecast(
    hass: HomeAssistant, add: Callable[..., Any]
) -> None:
    # A quarter of the time is as clean as now: the middle of it is an eighth.
    await add([50.0] * 24 + [80.0] * 72)

    percentile = hass.states.get(CLEAN).attributes["percentile"]
    # The half hour that has begun counts for its rest only.
    assert percentile == pytest.approx(12.5, abs=0.5)


async def test_the_percentile_remembers_past_days_of_the_same_region(
    hass: HomeAssistant, add: Callable[..., Any]
) -> None:
    source = await add([100.0] * 2, clean_percentile=30)
    assert hass.states.get(CLEAN).state == "unknown"
    now = datetime.now(UTC)
    state = source.save_state()
    hours = [
        (int((now - age * timedelta(hours=1)).timestamp()), 200.0)
        for age in range(2, 30)
    ]
    source.load_state({**state, "hours": hours})

    await refresh(hass, source)
    assert hass.states.get(CLEAN).state == "on"

    source.load_state({**source.save_state(), "memory_of": "Elsewhere"})
    await refresh(hass, source)
    assert hass.states.get(CLEAN).state == "unknown"


async def test_the_window_has_the_length_of_the_setting(
    hass: HomeAssistant, add: Callable[..., Any]
) -> None:
    await add(window={"hours": 3, "minutes": 0, "seconds": 0})

    start = present_half_hour() + 6 * HALF_HOUR
    assert hass.states.get(WINDOW).state == start.isoformat()
    assert hass.states.get(WINDOW).attributes["end"] == start + 6 * HALF_HOUR


async def test_a_window_that_has_begun_stays_until_it_ends(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    add: Callable[..., Any],
    provider: ProviderServer,
    freezer: Any,
) -> None:
    source = await add([100.0] * 5 + [300.0] * 91)
    start = dt_util.parse_datetime(hass.states.get(WINDOW).state)
    assert start - dt_util.utcnow() <= timedelta(minutes=1)

    # Now a later time is cleaner.
    freezer.move_to(start + HALF_HOUR)
    later = list_half_hours([100.0] * 20 + [50.0] * 10 + [300.0] * 60)
    provider.answers[0] = Below(path="/intensity/", body={"data": later})
    await refresh(hass, source)
    assert hass.states.get(WINDOW).state == start.isoformat()

    freezer.move_to(start + 4 * HALF_HOUR)
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)
    chosen = dt_util.parse_datetime(hass.states.get(WINDOW).state)
    assert chosen > start + 4 * HALF_HOUR
    assert hass.states.get(WINDOW).attributes["mean"] == 50.0


async def test_a_window_of_another_length_is_chosen_at_once(
    hass: HomeAssistant, hub: MockConfigEntry, add: Callable[..., Any]
) -> None:
    source = await add([100.0] * 8 + [300.0] * 88)
    flows = hass.config_entries.subentries
    result = await flows.async_init(
        (hub.entry_id, source.subentry.subentry_type),
        context={"source": "reconfigure", "subentry_id": source.subentry.subentry_id},
    )
    result = await flows.async_configure(result["flow_id"], {})
    await flows.async_configure(
        result["flow_id"], {"window": {"hours": 1, "minutes": 0, "seconds": 0}}
    )
    await hass.async_block_till_done(wait_background_tasks=True)

    start = dt_util.parse_datetime(hass.states.get(WINDOW).state)
    assert hass.states.get(WINDOW).attributes["end"] == start + timedelta(hours=1)


async def test_in_a_gap_of_the_forecast_the_last_value_holds(
    hass: HomeAssistant,
    add: Callable[..., Any],
    provider: ProviderServer,
    freezer: Any,
) -> None:
    await add([100.0, 120.0])
    provider.answers = [Below(path="/", status=503)]
    start = present_half_hour()

    freezer.move_to(start + HALF_HOUR)
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert hass.states.get(INTENSITY).state == "120.0"

    freezer.move_to(start + 2 * HALF_HOUR)
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert hass.states.get(INTENSITY).state == "100.0"
    assert hass.states.get(INTENSITY).attributes["forecast"] == []


async def test_before_the_first_answer_nothing_is_known(
    hass: HomeAssistant, add: Callable[..., Any]
) -> None:
    source = await add()
    source.answer = None
    now = dt_util.utcnow()

    assert source.evaluate(now) is None
    assert source.find_next_change(now) is None
    assert list(source.create_points(now)) == []
    assert source.slots == ()
    assert source.current() is None
    source.answered(None)
    assert "intensity" in source.known


async def test_no_window_fits_a_short_forecast(
    hass: HomeAssistant, add: Callable[..., Any]
) -> None:
    await add([100.0, 200.0])

    assert hass.states.get(WINDOW).state == "unknown"
    assert hass.states.get(WINDOW).attributes["end"] is None
    assert (
        hass.states.get(f"sensor.{NAME}_carbon_intensity_forecast_in_24_hours") is None
    )


async def test_other_helpers_are_told_what_is_to_come(
    hass: HomeAssistant, add: Callable[..., Any], freezer: Any
) -> None:
    source = await add()
    start = present_half_hour()

    assert source.current() == 300.0
    assert source.current(start + 7 * HALF_HOUR) is None
    assert source.slots[0].start <= dt_util.utcnow() < source.slots[0].end
    assert [slot.value for slot in source.slots] == VALUES
    assert source.slots[-1].end == start + 96 * HALF_HOUR

    freezer.move_to(start + timedelta(hours=3))
    assert source.slots == ()
    assert source.current() is None


async def test_a_failure_keeps_the_last_values_until_they_expire(
    hass: HomeAssistant,
    add: Callable[..., Any],
    provider: ProviderServer,
    freezer: Any,
) -> None:
    source = await add(clean_below=150)
    start = present_half_hour()
    provider.answers = [Below(path="/", status=503)]

    freezer.move_to(start + timedelta(hours=2, minutes=59))
    await refresh(hass, source)
    assert hass.states.get(INTENSITY).state == "300.0"
    assert hass.states.get(INTENSITY).attributes["stale"] is True
    assert source.get_context_value() == 300.0

    freezer.move_to(start + timedelta(hours=3))
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert {hass.states.get(item).state for item in (INTENSITY, WINDOW, CLEAN)} == {
        "unavailable"
    }
    assert source.get_context_value() is None

    now = start + timedelta(hours=3)
    fresh = list_half_hours([120.0] * 96, start=now)
    provider.answers = answer_uk(VALUES)
    provider.answers[0] = Below(path="/intensity/", body={"data": fresh})
    await refresh(hass, source)
    assert hass.states.get(INTENSITY).state == "120.0"
    assert hass.states.get(INTENSITY).attributes["stale"] is False
    assert hass.states.get(CLEAN).state == "on"
    assert source.get_context_value() == 120.0


async def test_a_mix_that_is_missing_leaves_the_intensity(
    hass: HomeAssistant, add: Callable[..., Any], provider: ProviderServer
) -> None:
    source = await add()
    provider.answers = [answer_uk(VALUES)[0], Answer(path="/generation", status=503)]

    await refresh(hass, source)

    assert hass.states.get(INTENSITY).state == "300.0"
    assert hass.states.get(f"sensor.{NAME}_renewable_power").state == "unknown"

    provider.answers = answer_uk(VALUES)
    await refresh(hass, source)
    assert hass.states.get(f"sensor.{NAME}_renewable_power").state == "35.5"


async def test_a_restart_keeps_what_was_learned(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    add: Callable[..., Any],
    provider: ProviderServer,
) -> None:
    source = await add()
    learned = source.save_state()
    provider.answers = [Below(path="/", status=503)]

    await hass.config_entries.async_reload(hub.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)

    [again] = hub.runtime_data.sources.coordinators
    assert again is not source
    assert again.save_state() == learned
    assert learned["window"] is not None
    assert hass.states.get(INTENSITY).state == "300.0"
    assert hass.states.get(WINDOW).state != "unavailable"


async def test_a_regional_source_has_the_name_of_its_region(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    entity_registry: er.EntityRegistry,
) -> None:
    region = {
        "shortname": "South England",
        "data": list_half_hours([80.0] * 96, mix=True),
    }
    provider.answers = [Below(path="/regional/intensity/", body={"data": [region]})]

    await add_carbon(hass, hub, NAME, {"postcode": "RG41 5AB"}, {})

    state = hass.states.get(f"sensor.{NAME}_south_england_carbon_intensity")
    assert state.state == "80.0"
    assert state.attributes["region"] == "South England"
    assert provider.requests[-1][1].endswith("/postcode/RG41")

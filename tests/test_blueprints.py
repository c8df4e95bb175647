"""The blueprints, imported into a running Home Assistant and driven by time."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
import re
import shutil
from typing import Any, Final

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    async_mock_service,
)
import yaml

from homeassistant.components.blueprint.models import Blueprint
from homeassistant.components.blueprint.schemas import BLUEPRINT_SCHEMA
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import load_yaml_dict
from tests.conftest import ROOT
from tests.sources.kit import ProviderServer
from tests.window_kit import (
    HOUR,
    add_carbon_source,
    add_price_source,
    next_hour,
    serve,
    start_provider,
)

FOLDER: Final = ROOT / "blueprints" / "automation" / "ha_ingestor"
FILES: Final = sorted(FOLDER.glob("*.yaml"))
MINUTE: Final = timedelta(minutes=1)
AUTOMATION: Final = "automation.tried"

type Pass = Callable[[timedelta], Awaitable[None]]


@pytest.fixture(autouse=True)
async def _automation_off(hass: HomeAssistant) -> AsyncGenerator[None]:
    """Take back what automations wait for."""
    yield
    if hass.states.get(AUTOMATION) is not None:
        await hass.services.async_call(
            "automation", "turn_off", {"entity_id": AUTOMATION}, blocking=True
        )


@pytest.fixture
async def provider(hass: HomeAssistant) -> AsyncGenerator[ProviderServer]:
    """What both sources ask."""
    server = await start_provider(hass)
    yield server
    await server.stop()


@pytest.fixture
def base() -> datetime:
    """When the known hours begin."""
    return next_hour()


@pytest.fixture
async def sources(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer, base: datetime
) -> MockConfigEntry:
    """A hub that knows twelve hours; the fifth is cheap, the second is clean."""
    await hass.config.async_set_time_zone("Europe/Berlin")
    prices = [0.30, 0.31, 0.32, 0.30, 0.10, 0.30, 0.33, 0.2, 0.34, 0.35, 0.36, 0.37]
    grams = [300, 100, 310, 320, 330, 340, 350, 360, 370, 380, 390, 400]
    serve(provider, base, prices=prices, grams=grams)
    await add_price_source(hass, hub)
    await add_carbon_source(hass, hub)
    return hub


@pytest.fixture
def clock(request: pytest.FixtureRequest, hass: HomeAssistant, base: datetime) -> Pass:
    """Stand at the first known hour, and let time pass from there."""
    # Asked for last, so that time goes on before the hub is removed.
    freezer: FrozenDateTimeFactory = request.getfixturevalue("freezer")
    freezer.move_to(base)

    async def let_pass(duration: timedelta) -> None:
        target = dt_util.utcnow() + duration
        while dt_util.utcnow() < target:
            freezer.tick(MINUTE)
            async_fire_time_changed(hass)
            # Sources are asked in the background.
            await hass.async_block_till_done(wait_background_tasks=True)

    return let_pass


@pytest.fixture
def calls(hass: HomeAssistant) -> list[ServiceCall]:
    """What the user's own actions were called with."""
    return async_mock_service(hass, "test", "act")


def act(what: str, **data: str) -> list[dict[str, Any]]:
    return [{"action": "test.act", "data": {"what": what, **data}}]


def done(calls: list[ServiceCall]) -> list[str]:
    return [call.data["what"] for call in calls]


async def import_blueprint(hass: HomeAssistant, name: str, **inputs: Any) -> None:
    """Put a blueprint where its import puts it, and make an automation of it."""
    target = Path(hass.config.path("blueprints/automation/ha_ingestor", f"{name}.yaml"))
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(FOLDER / f"{name}.yaml", target)
    assert await async_setup_component(
        hass,
        "automation",
        {
            "automation": {
                "id": "tried",
                "alias": "tried",
                "use_blueprint": {
                    "path": f"ha_ingestor/{name}.yaml",
                    "input": inputs,
                },
            }
        },
    )
    await hass.async_block_till_done()
    assert hass.states.get(AUTOMATION).state == "on"


async def restart(hass: HomeAssistant) -> None:
    """Do with the automation what a restart of Home Assistant does with it."""
    await switch(hass, AUTOMATION, is_on=False)
    await switch(hass, AUTOMATION, is_on=True)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await hass.async_block_till_done()


async def add_helpers(hass: HomeAssistant, domain: str, **helpers: Any) -> None:
    assert await async_setup_component(hass, domain, {domain: helpers})
    await hass.async_block_till_done()


# --- all of them


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_blueprint_is_complete(path: Path) -> None:
    blueprint = Blueprint(
        load_yaml_dict(str(path)),
        expected_domain="automation",
        path=path.name,
        schema=BLUEPRINT_SCHEMA,
    )
    assert blueprint.validate() is None
    head = blueprint.metadata
    assert head["source_url"] == (
        "https://github.com/ha-ingestor/ha_ingestor/blob/main/"
        + path.relative_to(ROOT).as_posix()
    )
    oldest = yaml.safe_load((ROOT / "hacs.json").read_text("utf-8"))["homeassistant"]
    assert head["homeassistant"]["min_version"] == oldest
    assert blueprint.inputs
    assert [
        key
        for key, text in blueprint.inputs.items()
        if not text["name"] or not text.get("selector")
    ] == []
    used = set(re.findall(r"!input (\w+)", path.read_text("utf-8")))
    assert used == set(blueprint.inputs)


def test_there_are_five_of_them() -> None:
    assert [path.stem for path in FILES] == [
        "charge_by_deadline",
        "eco_away",
        "prepare_home",
        "run_appliance",
        "ventilate",
    ]


# --- run an appliance


async def import_appliance(
    hass: HomeAssistant, finished_by: datetime, **inputs: Any
) -> None:
    await add_helpers(hass, "input_boolean", ready={"name": "Ready"})
    await add_helpers(
        hass,
        "input_datetime",
        deadline={"has_date": True, "has_time": True},
        planned={"has_date": True, "has_time": True},
    )
    await import_blueprint(
        hass,
        "run_appliance",
        ready="input_boolean.ready",
        deadline="input_datetime.deadline",
        planned_start="input_datetime.planned",
        start_actions=act("start"),
        planned_actions=act("plan", at="{{ starts_at }}"),
        duration={"hours": 1, "minutes": 0, "seconds": 0},
        finished_by=dt_util.as_local(finished_by).strftime("%H:%M:%S"),
        **inputs,
    )


async def switch(hass: HomeAssistant, entity_id: str, *, is_on: bool) -> None:
    await hass.services.async_call(
        "homeassistant",
        "turn_on" if is_on else "turn_off",
        {"entity_id": entity_id},
        blocking=True,
    )
    await hass.async_block_till_done()


@pytest.fixture
async def _homeassistant(hass: HomeAssistant) -> None:
    assert await async_setup_component(hass, "homeassistant", {})


@pytest.mark.usefixtures("sources", "_homeassistant")
@pytest.mark.parametrize(
    ("inputs", "start"),
    [
        pytest.param({}, 4, id="cheapest"),
        pytest.param({"goal": "greenest"}, 1, id="greenest"),
        pytest.param({"goal": "best", "price_weight": 10}, 1, id="best-is-clean"),
        pytest.param({"goal": "best", "price_weight": 90}, 4, id="best-is-cheap"),
    ],
)
async def test_an_appliance_runs_in_the_best_window(
    hass: HomeAssistant,
    calls: list[ServiceCall],
    base: datetime,
    clock: Pass,
    inputs: dict[str, Any],
    start: int,
) -> None:
    await import_appliance(hass, base + 8 * HOUR, **inputs)
    await clock(2 * MINUTE)
    assert calls == []

    await switch(hass, "input_boolean.ready", is_on=True)
    assert done(calls) == ["plan"]
    assert datetime.fromisoformat(calls[0].data["at"]) == base + start * HOUR
    planned = hass.states.get("input_datetime.planned").attributes["timestamp"]
    assert planned == (base + start * HOUR).timestamp()

    await clock(start * HOUR - 3 * MINUTE)
    assert done(calls) == ["plan"]
    assert hass.states.get("input_boolean.ready").state == "on"
    await clock(2 * MINUTE)
    assert done(calls) == ["plan", "start"]
    assert hass.states.get("input_boolean.ready").state == "off"

    await clock(HOUR)
    assert done(calls) == ["plan", "start"]


@pytest.mark.usefixtures("sources", "_homeassistant")
async def test_an_appliance_that_is_switched_off_does_not_start(
    hass: HomeAssistant, calls: list[ServiceCall], base: datetime, clock: Pass
) -> None:
    await import_appliance(hass, base + 6 * HOUR)
    await switch(hass, "input_boolean.ready", is_on=True)
    await clock(HOUR)
    await switch(hass, "input_boolean.ready", is_on=False)
    await clock(5 * HOUR)
    assert done(calls) == ["plan"]


@pytest.mark.usefixtures("sources", "_homeassistant")
async def test_an_appliance_follows_new_prices(
    hass: HomeAssistant,
    sources: MockConfigEntry,
    provider: ProviderServer,
    calls: list[ServiceCall],
    base: datetime,
    clock: Pass,
) -> None:
    await import_appliance(hass, base + 8 * HOUR)
    await switch(hass, "input_boolean.ready", is_on=True)
    await clock(HOUR)
    serve(provider, base, prices=[0.3] * 2 + [0.05] + [0.3] * 9)
    await sources.runtime_data.sources.coordinators[0].async_refresh()
    await clock(HOUR + MINUTE)
    assert done(calls) == ["plan", "start"]


@pytest.mark.usefixtures("sources", "_homeassistant")
async def test_an_appliance_whose_start_was_missed_starts_after_a_restart(
    hass: HomeAssistant,
    calls: list[ServiceCall],
    base: datetime,
    clock: Pass,
    freezer: FrozenDateTimeFactory,
) -> None:
    await import_appliance(hass, base + 6 * HOUR)
    await switch(hass, "input_boolean.ready", is_on=True)
    freezer.move_to(base + 7 * HOUR)
    await restart(hass)
    assert done(calls) == ["plan", "start"]


@pytest.mark.usefixtures("sources", "_homeassistant")
async def test_an_appliance_is_planned_for_tomorrow_where_today_is_too_late(
    hass: HomeAssistant, calls: list[ServiceCall], base: datetime, clock: Pass
) -> None:
    await import_appliance(hass, base + 0.5 * HOUR)
    await switch(hass, "input_boolean.ready", is_on=True)
    assert (
        hass.states.get("input_datetime.deadline").attributes["timestamp"]
        == (base + 24.5 * HOUR).timestamp()
    )
    await clock(4 * HOUR + MINUTE)
    assert done(calls) == ["plan", "start"]


@pytest.mark.usefixtures("_homeassistant")
async def test_an_appliance_without_prices_starts_as_late_as_it_can(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    calls: list[ServiceCall],
    base: datetime,
    clock: Pass,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await import_appliance(hass, base + 3 * HOUR)
    await switch(hass, "input_boolean.ready", is_on=True)
    assert datetime.fromisoformat(calls[0].data["at"]) == base + 2 * HOUR
    await clock(2 * HOUR - 2 * MINUTE)
    assert done(calls) == ["plan"]
    await clock(3 * MINUTE)
    assert done(calls) == ["plan", "start"]
    assert "Traceback" not in caplog.text


# --- charge by a deadline


@pytest.fixture
async def charging(
    hass: HomeAssistant,
    sources: MockConfigEntry,
    _homeassistant: None,
    base: datetime,
    clock: Pass,
) -> None:
    """A car that is away; a full hour of charging is missing, done in eight hours."""
    await add_helpers(
        hass, "input_boolean", charger={"name": "Charger"}, plugged={"name": "Plugged"}
    )
    hass.states.async_set("sensor.battery", "60")
    await import_blueprint(
        hass,
        "charge_by_deadline",
        charger="input_boolean.charger",
        plugged_in="input_boolean.plugged",
        battery_level="sensor.battery",
        capacity_kwh=50,
        power_kw=10,
        efficiency=100,
        target_level=80,
        finished_by=dt_util.as_local(base + 8 * HOUR).strftime("%H:%M:%S"),
    )


def is_charging(hass: HomeAssistant) -> bool:
    return hass.states.get("input_boolean.charger").state == "on"


@pytest.mark.usefixtures("charging")
async def test_a_car_is_charged_in_the_cheapest_hours(
    hass: HomeAssistant, clock: Pass
) -> None:
    await clock(5 * MINUTE)
    assert not is_charging(hass)
    await switch(hass, "input_boolean.plugged", is_on=True)
    assert not is_charging(hass)
    await clock(4 * HOUR - 6 * MINUTE)
    assert not is_charging(hass)
    await clock(MINUTE)
    assert is_charging(hass)

    # It charges more slowly than was thought: the next cheap hour takes the rest.
    await clock(30 * MINUTE)
    hass.states.async_set("sensor.battery", "65")
    await clock(31 * MINUTE)
    assert not is_charging(hass)
    await clock(2 * HOUR)
    assert is_charging(hass)
    hass.states.async_set("sensor.battery", "80")
    await hass.async_block_till_done()
    assert not is_charging(hass)


@pytest.mark.usefixtures("charging")
async def test_a_car_that_comes_late_is_charged_at_once(
    hass: HomeAssistant, clock: Pass
) -> None:
    await clock(7 * HOUR)
    hass.states.async_set("sensor.battery", "50")
    await switch(hass, "input_boolean.plugged", is_on=True)
    assert is_charging(hass)
    await switch(hass, "input_boolean.plugged", is_on=False)
    assert not is_charging(hass)


@pytest.mark.usefixtures("charging")
async def test_a_restart_does_not_lose_the_charging(
    hass: HomeAssistant, clock: Pass, base: datetime, freezer: FrozenDateTimeFactory
) -> None:
    await switch(hass, "input_boolean.plugged", is_on=True)
    freezer.move_to(base + 4 * HOUR + 10 * MINUTE)
    await restart(hass)
    assert is_charging(hass)


@pytest.mark.usefixtures("charging")
async def test_a_level_that_is_lost_is_waited_for_and_then_charged_without(
    hass: HomeAssistant, clock: Pass
) -> None:
    hass.states.async_set("sensor.battery", "unavailable")
    await switch(hass, "input_boolean.plugged", is_on=True)
    await clock(10 * MINUTE)
    assert not is_charging(hass)
    await clock(10 * MINUTE)
    assert is_charging(hass)
    hass.states.async_set("sensor.battery", "60")
    await hass.async_block_till_done()
    assert not is_charging(hass)


@pytest.mark.usefixtures("charging")
async def test_without_prices_a_car_is_charged_when_it_has_to(
    hass: HomeAssistant, sources: MockConfigEntry, clock: Pass
) -> None:
    price = sources.runtime_data.sources.coordinators[0]
    hass.config_entries.async_remove_subentry(sources, price.subentry.subentry_id)
    await hass.async_block_till_done()
    await switch(hass, "input_boolean.plugged", is_on=True)
    await clock(6 * HOUR + 45 * MINUTE)
    assert not is_charging(hass)
    await clock(10 * MINUTE)
    assert is_charging(hass)


# --- ventilation


@pytest.fixture
async def ventilated(hass: HomeAssistant, _homeassistant: None) -> None:
    await add_helpers(hass, "input_boolean", fan={"name": "Fan"})
    hass.states.async_set("sensor.co2", "600")
    hass.states.async_set("sensor.aqi", "40")
    await import_blueprint(
        hass,
        "ventilate",
        fan="input_boolean.fan",
        indoor="sensor.co2",
        outdoor_aqi="sensor.aqi",
    )


@pytest.mark.usefixtures("ventilated")
@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([("co2", "1100")], "on", id="used-up"),
        pytest.param([("co2", "1000")], "off", id="not-yet"),
        pytest.param([("co2", "1100"), ("co2", "800")], "on", id="not-fresh-yet"),
        pytest.param([("co2", "1100"), ("co2", "650")], "off", id="fresh"),
        pytest.param([("aqi", "95"), ("co2", "1100")], "off", id="too-bad-to-start"),
        pytest.param([("co2", "1100"), ("aqi", "95")], "on", id="good-enough-to-go-on"),
        pytest.param([("co2", "1100"), ("aqi", "120")], "off", id="gets-bad"),
        pytest.param(
            [("co2", "1100"), ("aqi", "120"), ("aqi", "60")], "on", id="good-again"
        ),
        pytest.param(
            [("co2", "1100"), ("aqi", "unavailable")], "off", id="outside-not-known"
        ),
        pytest.param([("co2", "1100"), ("co2", "unknown")], "off", id="room-not-known"),
    ],
)
async def test_a_room_is_ventilated(
    hass: HomeAssistant, steps: list[tuple[str, str]], expected: str
) -> None:
    for name, value in steps:
        hass.states.async_set(f"sensor.{name}", value)
        await hass.async_block_till_done()
    assert hass.states.get("input_boolean.fan").state == expected


@pytest.mark.usefixtures("_homeassistant")
async def test_a_restart_finds_the_room_as_it_is(hass: HomeAssistant) -> None:
    await add_helpers(hass, "input_boolean", fan={"name": "Fan"})
    hass.states.async_set("sensor.co2", "1500")
    await import_blueprint(
        hass,
        "ventilate",
        fan="input_boolean.fan",
        indoor="sensor.co2",
        outdoor_aqi="sensor.aqi",
        ventilate_if_unknown=True,
    )
    assert hass.states.get("input_boolean.fan").state == "off"
    await restart(hass)
    assert hass.states.get("input_boolean.fan").state == "on"


# --- prepare the house


@pytest.fixture
async def expected_home(
    hass: HomeAssistant, _homeassistant: None, base: datetime, clock: Pass
) -> None:
    """Everybody is away; somebody is expected in two hours, the house needs one."""
    hass.states.async_set("binary_sensor.home", "off")
    expect(hass, base + HOUR, base + 2 * HOUR)
    await import_blueprint(
        hass,
        "prepare_home",
        prepare_by="sensor.prepare_by",
        arrival="sensor.arrival",
        home="binary_sensor.home",
        minimum_confidence=60,
        prepare_actions=act("prepare"),
    )


def expect(
    hass: HomeAssistant,
    prepare_by: datetime,
    arrival: datetime,
    confidence: float | None = None,
) -> None:
    attributes = {"device_class": "timestamp"}
    hass.states.async_set("sensor.prepare_by", prepare_by.isoformat(), attributes)
    hass.states.async_set(
        "sensor.arrival",
        arrival.isoformat(),
        {**attributes, "confidence": confidence},
    )


@pytest.mark.usefixtures("expected_home")
async def test_the_house_is_prepared_once(
    hass: HomeAssistant, calls: list[ServiceCall], base: datetime, clock: Pass
) -> None:
    await clock(59 * MINUTE)
    assert calls == []
    await clock(MINUTE)
    assert done(calls) == ["prepare"]
    # The traffic gets worse.
    expect(hass, base + 1.2 * HOUR, base + 2.2 * HOUR)
    await clock(HOUR)
    assert done(calls) == ["prepare"]


@pytest.mark.usefixtures("expected_home")
async def test_a_preparation_that_was_missed_is_caught_up(
    hass: HomeAssistant,
    calls: list[ServiceCall],
    base: datetime,
    freezer: FrozenDateTimeFactory,
) -> None:
    freezer.move_to(base + 1.5 * HOUR)
    await restart(hass)
    assert done(calls) == ["prepare"]


@pytest.mark.usefixtures("expected_home")
@pytest.mark.parametrize(
    ("home", "arrival", "confidence"),
    [
        pytest.param("on", 2, None, id="somebody-is-home"),
        pytest.param("unavailable", 2, None, id="not-known-who-is-home"),
        pytest.param("off", 1.1, None, id="too-late"),
        pytest.param("off", 2, 40, id="not-to-be-relied-on"),
    ],
)
async def test_a_house_that_needs_no_preparation(
    hass: HomeAssistant,
    calls: list[ServiceCall],
    base: datetime,
    freezer: FrozenDateTimeFactory,
    home: str,
    arrival: float,
    confidence: float | None,
) -> None:
    hass.states.async_set("binary_sensor.home", home)
    expect(hass, base + HOUR, base + arrival * HOUR, confidence)
    await hass.async_block_till_done()
    freezer.move_to(base + 1.5 * HOUR)
    await restart(hass)
    assert calls == []

    hass.states.async_set("binary_sensor.home", "off")
    expect(hass, base + HOUR, base + 2 * HOUR, 70)
    await hass.async_block_till_done()
    assert done(calls) == ["prepare"]


@pytest.mark.usefixtures("expected_home")
async def test_an_arrival_that_is_not_known_prepares_nothing(
    hass: HomeAssistant, calls: list[ServiceCall], clock: Pass
) -> None:
    hass.states.async_set("sensor.prepare_by", "unknown")
    hass.states.async_set("sensor.arrival", "unknown")
    await clock(2 * HOUR)
    assert calls == []


# --- eco mode


async def import_eco(hass: HomeAssistant, **inputs: Any) -> None:
    await add_helpers(hass, "input_boolean", eco={"name": "Eco"})
    hass.states.async_set("binary_sensor.home", "on")
    await import_blueprint(
        hass,
        "eco_away",
        home="binary_sensor.home",
        eco_mode="input_boolean.eco",
        eco_actions=act("eco"),
        comfort_actions=act("comfort"),
        **inputs,
    )


@pytest.fixture
async def eco(hass: HomeAssistant, _homeassistant: None, clock: Pass) -> None:
    """Everybody is home; the house saves once they are away for 15 minutes."""
    await import_eco(hass)


async def come_or_go(hass: HomeAssistant, state: str) -> None:
    hass.states.async_set("binary_sensor.home", state)
    await hass.async_block_till_done()


@pytest.mark.usefixtures("eco")
async def test_the_house_saves_while_everybody_is_away(
    hass: HomeAssistant, calls: list[ServiceCall], clock: Pass
) -> None:
    await clock(20 * MINUTE)
    await come_or_go(hass, "off")
    await clock(14 * MINUTE)
    assert calls == []
    await clock(2 * MINUTE)
    assert done(calls) == ["eco"]
    assert hass.states.get("input_boolean.eco").state == "on"

    await clock(HOUR)
    await come_or_go(hass, "unavailable")
    await clock(HOUR)
    assert done(calls) == ["eco"]
    await come_or_go(hass, "on")
    assert done(calls) == ["eco", "comfort"]
    assert hass.states.get("input_boolean.eco").state == "off"


@pytest.mark.usefixtures("eco")
async def test_who_ends_eco_mode_has_the_last_word_until_all_leave_again(
    hass: HomeAssistant, calls: list[ServiceCall], clock: Pass
) -> None:
    await come_or_go(hass, "off")
    await clock(16 * MINUTE)
    await switch(hass, "input_boolean.eco", is_on=False)
    await clock(HOUR)
    assert done(calls) == ["eco", "comfort"]

    await come_or_go(hass, "on")
    await clock(MINUTE)
    await come_or_go(hass, "off")
    await clock(16 * MINUTE)
    assert done(calls) == ["eco", "comfort", "eco"]


@pytest.mark.usefixtures("_homeassistant")
@pytest.mark.parametrize(
    ("state", "unit", "expected"),
    [
        pytest.param("1.5", "h", [], id="soon-back"),
        pytest.param("90", "min", [], id="soon-back-in-minutes"),
        pytest.param("3", "h", ["eco"], id="long-away"),
        pytest.param("180", "min", ["eco"], id="long-away-in-minutes"),
        pytest.param("unknown", "h", ["eco"], id="not-known"),
    ],
)
async def test_a_short_absence_is_not_worth_it(
    hass: HomeAssistant,
    calls: list[ServiceCall],
    clock: Pass,
    state: str,
    unit: str,
    expected: list[str],
) -> None:
    hass.states.async_set("sensor.away", state, {"unit_of_measurement": unit})
    await import_eco(hass, away_duration="sensor.away")
    await come_or_go(hass, "off")
    await clock(HOUR)
    assert done(calls) == expected


@pytest.mark.usefixtures("eco")
async def test_a_restart_ends_eco_mode_if_somebody_came_home_meanwhile(
    hass: HomeAssistant, calls: list[ServiceCall], clock: Pass
) -> None:
    await come_or_go(hass, "off")
    await clock(16 * MINUTE)
    hass.states.async_set("binary_sensor.home", "unknown")
    await hass.async_block_till_done()
    await switch(hass, AUTOMATION, is_on=False)
    await come_or_go(hass, "on")
    await switch(hass, AUTOMATION, is_on=True)
    assert done(calls) == ["eco"]
    await restart(hass)
    assert done(calls) == ["eco", "comfort"]

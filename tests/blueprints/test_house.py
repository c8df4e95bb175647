"""The blueprints that ventilate, prepare the house and save, driven by time."""

from datetime import datetime
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest

from homeassistant.core import HomeAssistant, ServiceCall
from tests.blueprints.kit import (
    AUTOMATION,
    MINUTE,
    Pass,
    act,
    add_helpers,
    done,
    import_blueprint,
    restart,
    switch,
)
from tests.window_kit import (
    HOUR,
)

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

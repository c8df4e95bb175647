"""The blueprints, and the one that runs an appliance, driven by time."""

from datetime import datetime
from pathlib import Path
import re
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
)
import yaml

from homeassistant.components.blueprint.models import Blueprint
from homeassistant.components.blueprint.schemas import BLUEPRINT_SCHEMA
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import load_yaml_dict
from tests.blueprints.kit import (
    FILES,
    MINUTE,
    Pass,
    act,
    add_helpers,
    done,
    import_blueprint,
    restart,
    switch,
)
from tests.conftest import ROOT
from tests.sources.kit import ProviderServer
from tests.window_kit import (
    HOUR,
    serve,
)

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

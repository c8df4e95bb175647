"""Blueprints imported as a user does, and what they act on."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
import shutil
from typing import Any, Final

from homeassistant.const import EVENT_HOMEASSISTANT_STARTED
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.setup import async_setup_component
from tests.conftest import ROOT

FOLDER: Final = ROOT / "blueprints" / "automation" / "ha_ingestor"


FILES: Final = sorted(FOLDER.glob("*.yaml"))


MINUTE: Final = timedelta(minutes=1)


AUTOMATION: Final = "automation.tried"


type Pass = Callable[[timedelta], Awaitable[None]]


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


async def switch(hass: HomeAssistant, entity_id: str, *, is_on: bool) -> None:
    await hass.services.async_call(
        "homeassistant",
        "turn_on" if is_on else "turn_off",
        {"entity_id": entity_id},
        blocking=True,
    )
    await hass.async_block_till_done()

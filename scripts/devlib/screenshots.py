"""The program behind scripts/screenshots: the pictures of the README."""

import asyncio
from collections.abc import Mapping, Sequence
import json
from pathlib import Path
import sys
from typing import Any, Final

import aiohttp
from playwright.async_api import Error as BrowserError, Locator

from .entries import DEMO_DOMAIN, HUB_DOMAIN
from .error_tour import take_error_tour
from .influxd import InfluxServerError
from .processes import StateFolder
from .settings import DEFAULT_DATABASE, DEV, DevelopError
from .source_pictures import SOURCE_NAMES, show_sources
from .storage_pictures import STORAGE_NAMES, show_storage
from .studio import IMAGES, ROW_COUNT, ROWS_PER_SECOND, Studio, open_studio

_HUB_NAMES: Final = (
    "menu",
    "form-error",
    "create-database",
    "hubs",
    "options-capture",
    "options-sampling",
    "options-confirm",
    "options-context",
    "options-writer",
    "reconfigure",
    "device",
    "preview",
    "repair-list",
    "repair",
    "repair-done",
)
_NAMES: Final = (*_HUB_NAMES, *SOURCE_NAMES, *STORAGE_NAMES)
_INTEGRATION: Final = f"/config/integrations/integration/{HUB_DOMAIN}"
_SECOND_DATABASE: Final = "cottage"
_PREVIEWED: Final = "sensor.kitchen_climate_temperature"
_OPTIONS_FLOW: Final = "/api/config/config_entries/options/flow"
_SAMPLING_RULES: Final = (
    {"glob": "sensor.*_energy", "min_interval_s": 60, "heartbeat_s": 3_600},
    {"glob": "sensor.*_humidity", "min_interval_s": 60, "deadband": 0.5},
    {"glob": "sensor.*_temperature", "min_interval_s": 30, "deadband_percent": 1},
)
# Where the frontend keeps what was last entered on the page of actions.
_ACTION_STATE: Final = "panel-dev-action-state-service-data"
# Shows the whole form of a generation.
_FORM_HEIGHT: Final = 1_160
# How long a button shows that it was pressed.
_BUTTON_FEEDBACK_S: Final = 2.0
# The figures of the device are read twice a minute, issues are raised at the next
# try to write.
_FIGURES_INTERVAL_S: Final = 31.0
_ISSUE_TIMEOUT_S: Final = 60.0


async def main(names: list[str]) -> int:
    """Make the pictures; return the exit code."""
    if names[:1] == ["--errors"]:
        return await _show_errors(names[1:])
    if unknown := set(names) - set(_NAMES):
        print(f"Unknown: {', '.join(sorted(unknown))}; there are {', '.join(_NAMES)}")
        return 2
    wanted = frozenset(names or _NAMES)
    IMAGES.mkdir(parents=True, exist_ok=True)
    try:
        with StateFolder(DEV / "state" / "screenshots") as state:
            for names_of_tour, tour in (
                (_HUB_NAMES, _show_hub),
                (SOURCE_NAMES, show_sources),
                (STORAGE_NAMES, show_storage),
            ):
                if wanted.isdisjoint(names_of_tour):
                    continue
                async with open_studio(state, wanted) as studio:
                    await tour(studio)
    except (
        DevelopError,
        InfluxServerError,
        aiohttp.ClientError,
        BrowserError,
        TimeoutError,
    ) as err:
        print(f"scripts/screenshots: {str(err) or type(err).__name__}", file=sys.stderr)
        return 1
    return 0


async def _show_errors(folders: list[str]) -> int:
    """Show every error of the forms of a hub; return the exit code."""
    if len(folders) != 1:
        print("--errors needs a folder for the pictures, and nothing else")
        return 2
    try:
        return await take_error_tour(Path(folders[0]))
    except (DevelopError, InfluxServerError, aiohttp.ClientError, BrowserError) as err:
        print(f"scripts/screenshots: {str(err) or type(err).__name__}", file=sys.stderr)
        return 1


async def _show_hub(studio: Studio) -> None:
    """Show a hub, from its set-up to its troubles."""
    await _show_set_up(studio)
    await _show_options(studio)
    await _show_sampling(studio)
    await _show_device(studio)
    await _show_preview(studio)
    await _show_repair(studio)


async def _show_set_up(studio: Studio) -> None:
    """Add a second hub by hand, with two mistakes on the way."""
    frontend = studio.frontend
    await frontend.open(_INTEGRATION)
    await frontend.page.get_by_text("Add service").click()
    await frontend.settle()
    await studio.save("menu")

    await frontend.choose("InfluxDB 1.x")
    await frontend.resize(_FORM_HEIGHT)
    await frontend.fill("host", "influxdb.invalid")
    await frontend.fill("store", _SECOND_DATABASE)
    await frontend.submit("There is no host of the name")
    await studio.save("form-error")

    await frontend.fill("host", "127.0.0.1")
    await frontend.dialog.locator("input[type=number]").fill(str(studio.server.port))
    await frontend.submit("does not exist on")
    await frontend.resize(600)
    await studio.save("create-database")

    await frontend.submit("Skip and finish")
    await frontend.dialog.get_by_role("button", name="Skip and finish").click()
    await frontend.settle()
    await frontend.resize(880)
    await studio.save("hubs")

    row = _find_row(studio, _SECOND_DATABASE)
    await row.locator("ha-icon-button").nth(2).click()
    await frontend.settle()
    await row.get_by_text("Reconfigure").click()
    await frontend.settle()
    await frontend.resize(_FORM_HEIGHT)
    await studio.save("reconfigure")


def _find_row(studio: Studio, database: str) -> Locator:
    """Return the row of a hub: its icons open the device, options and a menu."""
    rows = studio.frontend.page.locator("ha-config-entry-row")
    return rows.filter(has_text=f"{database} on ")


async def _show_options(studio: Studio) -> None:
    """Open the forms of the options but that of the sampling."""
    frontend = studio.frontend
    for name, text, height in (
        ("options-capture", "What is captured", 1_300),
        ("options-context", "Context", 1_240),
        ("options-writer", "Buffer and writing", 900),
    ):
        await _open_options(studio, text, height=height)
        if name == "options-capture":
            await frontend.choose("Include")
        await studio.save(name)


async def _open_options(studio: Studio, text: str, *, height: int) -> None:
    """Open one form of the options of the first hub."""
    # A page that is opened anew has no dialog left.
    await studio.frontend.open(_INTEGRATION, height=height)
    row = _find_row(studio, DEFAULT_DATABASE)
    await row.locator("ha-icon-button").nth(1).click()
    await studio.frontend.settle()
    await studio.frontend.choose(text)


async def _show_sampling(studio: Studio) -> None:
    """Show the rules of the sampling, and what they will save."""
    await _save_sampling(studio, _SAMPLING_RULES)
    await _open_options(studio, "Sampling", height=740)
    await studio.save("options-sampling")
    # The form is as a person has filled it who had no rules before.
    await _save_sampling(studio, ())
    await studio.frontend.resize(840)
    await studio.frontend.submit("Save these changes?")
    await studio.save("options-confirm")


async def _save_sampling(studio: Studio, rules: Sequence[Mapping[str, Any]]) -> None:
    """Set the rules of the first hub, past the browser."""
    api = studio.api
    flow = await api.post(_OPTIONS_FLOW, {"handler": studio.entry_id})
    for answer in (
        {"next_step_id": "sampling"},
        {"sampling": list(rules)},
        {"next_step_id": "save"},
    ):
        flow = await api.post(f"{_OPTIONS_FLOW}/{flow['flow_id']}", answer)
    if flow["type"] != "create_entry":
        raise DevelopError(f"The sampling rules were not saved: {flow}")


async def _show_device(studio: Studio) -> None:
    """Show the device of the first hub once its figures are fresh."""
    # Longer than the rest of the rows takes, and then the next reading of figures.
    await asyncio.sleep(ROW_COUNT / ROWS_PER_SECOND + _FIGURES_INTERVAL_S)
    devices = await studio.api.command("config/device_registry/list")
    device_id = next(
        device["id"]
        for device in devices
        if studio.entry_id in device["config_entries"] and device["name"] == "Pipeline"
    )
    await studio.frontend.open(f"/config/devices/device/{device_id}", height=800)
    await studio.save("device")


async def _show_preview(studio: Studio) -> None:
    """Perform the action `preview`."""
    frontend = studio.frontend
    call = {
        "action": f"{HUB_DOMAIN}.preview",
        "data": {"entity_id": [_PREVIEWED], "config_entry_id": studio.entry_id},
    }
    await frontend.page.evaluate(
        "([key, value]) => localStorage.setItem(key, value)",
        [_ACTION_STATE, json.dumps(call)],
    )
    await frontend.open("/config/tools/action", height=1_240)
    # Pressed before the form is complete, the button would do nothing.
    hub = frontend.page.locator("ha-service-control").get_by_text(DEFAULT_DATABASE)
    await hub.first.wait_for()
    await frontend.page.get_by_role("button", name="Perform action").click()
    await frontend.page.get_by_text("Response").first.wait_for()
    await asyncio.sleep(_BUTTON_FEEDBACK_S)
    await frontend.settle()
    await studio.save("preview")


async def _show_repair(studio: Studio) -> None:
    """Take the database of the second hub away, and have it made again."""
    await asyncio.to_thread(studio.server.query, f'DROP DATABASE "{_SECOND_DATABASE}"')
    # Something has to happen that the hub would write.
    await studio.api.call_action(DEMO_DOMAIN, "play", rows=5, rows_per_second=5)
    frontend = studio.frontend
    await frontend.open("/config/repairs", height=300)
    issue = frontend.page.get_by_text(f"{_SECOND_DATABASE} on ").first
    await issue.wait_for(timeout=_ISSUE_TIMEOUT_S * 1_000)
    await frontend.settle()
    await studio.save("repair-list")
    await issue.click()
    await frontend.resize(560)
    await studio.save("repair")
    await frontend.dialog.get_by_role("button", name="Submit").click()
    await issue.wait_for(state="detached", timeout=_ISSUE_TIMEOUT_S * 1_000)
    await frontend.settle()
    await studio.save("repair-done")


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))

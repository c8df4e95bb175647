"""What the tests of the options flow share: the way through its forms."""

import copy
from typing import Any, Final

from pytest_homeassistant_custom_component.common import MockConfigEntry

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

ENTRY_DATA: Final = {
    "api_version": "1",
    "host": "influx.local",
    "port": 8086,
    "store": "ha",
}
# What a browser sends of a form without any choice in it.
BARE: Final[dict[str, dict[str, Any]]] = {
    "capture": {"include": {}, "exclude": {}},
    "sampling": {},
    "context": {},
    "writer": {},
}
# The section of a field, by how its key begins.
SECTIONS: Final = {"include": "include", "exclude": "exclude"}
CONFIRMATIONS: Final = {"confirm", "confirm_without_estimate"}


def fill(step_id: str, field: str, value: Any) -> dict[str, Any]:
    """Return a form with one field filled."""
    form = copy.deepcopy(BARE[step_id])
    place = form.get(SECTIONS.get(field.partition("_")[0], ""), form)
    place[field] = value
    return form


async def open_form(
    hass: HomeAssistant, entry: MockConfigEntry, step_id: str
) -> dict[str, Any]:
    """Choose a form in the menu."""
    result = await hass.config_entries.options.async_init(entry.entry_id)
    assert result["type"] is FlowResultType.MENU
    assert result["menu_options"] == [*BARE, "storage", "import_csv"]
    form = await choose(hass, dict(result), step_id)
    assert form["type"] is FlowResultType.FORM
    assert form["step_id"] == step_id
    assert not form["errors"]
    return form


async def choose(
    hass: HomeAssistant, menu: dict[str, Any], option: str
) -> dict[str, Any]:
    """Take an option of a menu."""
    return await submit(hass, menu, {"next_step_id": option})


async def submit(
    hass: HomeAssistant, form: dict[str, Any], user_input: dict[str, Any]
) -> dict[str, Any]:
    """Send a form."""
    return dict(
        await hass.config_entries.options.async_configure(form["flow_id"], user_input)
    )


async def save(
    hass: HomeAssistant, form: dict[str, Any], user_input: dict[str, Any]
) -> dict[str, Any]:
    """Send a form, and confirm it where that is asked."""
    result = await submit(hass, form, user_input)
    if result.get("step_id") in CONFIRMATIONS:
        assert result["menu_options"] == ["save", "edit"]
        result = await choose(hass, result, "save")
    return result

"""The config entries of a run, made through Home Assistant's own config flow."""

import json
from typing import Any, Final

from yarl import URL

from .api import HomeAssistantApi
from .flows import run_flow
from .processes import StateFolder
from .settings import RECORDING, InfluxTarget

HUB_DOMAIN: Final = "ha_ingestor"
DEMO_DOMAIN: Final = "demo_home"

_ENTRIES: Final = "/api/config/config_entries/entry"
_TRACKER: Final = "device_tracker.resident"


async def set_up_house(api: HomeAssistantApi) -> None:
    """Put the house where it was, add the demo home, give its resident a tracker."""
    await api.command(
        "config/core/update",
        location_name="Demo home",
        # Stambruges, to two digits: which house it was is nobody's business.
        latitude=50.51,
        longitude=3.71,
        elevation=50,
        unit_system="metric",
        currency="EUR",
        country="BE",
        language="en",
        time_zone="Europe/Brussels",
    )
    if not await _find_entries(api, DEMO_DOMAIN):
        await run_flow(api, {"handler": DEMO_DOMAIN}, {}, {"path": RECORDING.name})
    persons = await api.command("person/list")
    for person in persons["storage"]:
        if _TRACKER not in person["device_trackers"]:
            await api.command(
                "person/update",
                person_id=person["id"],
                device_trackers=[*person["device_trackers"], _TRACKER],
            )


async def set_up_hub(
    api: HomeAssistantApi, state: StateFolder, target: InfluxTarget
) -> str:
    """Make the hub write to the target; return the id of its entry.

    A hub of a former run that writes elsewhere is changed where it is the same
    server at another port, so that what it has buffered arrives; otherwise it is
    replaced.
    """
    file = state.path / "hub.json"
    noted = _read_note(file.read_text() if file.exists() else "{}")
    wanted = {"url": target.url, "store": target.store, "is_ours": target.is_ours}
    for entry in await _find_entries(api, HUB_DOMAIN):
        entry_id: str = entry["entry_id"]
        if noted == wanted:
            return entry_id
        if noted.get("is_ours") and target.is_ours:
            await run_flow(
                api,
                {"handler": HUB_DOMAIN, "entry_id": entry_id},
                {},
                _hub_fields(target),
            )
            file.write_text(json.dumps(wanted))
            return entry_id
        print(f"Replacing the hub, which writes to {noted.get('url')}")
        await api.delete(f"{_ENTRIES}/{entry_id}")
    new_id = await add_hub(api, target)
    file.write_text(json.dumps(wanted))
    return new_id


async def add_hub(api: HomeAssistantApi, target: InfluxTarget) -> str:
    """Add a hub that writes to the target; return the id of its entry."""
    result = await run_flow(
        api,
        {"handler": HUB_DOMAIN},
        # A server of somebody else may be of any generation.
        {"user": "v1" if target.is_ours else "detect"},
        _hub_fields(target),
    )
    entry_id: str = result["result"]["entry_id"]
    return entry_id


def _read_note(text: str) -> dict[str, Any]:
    """Return what was noted; nothing if a killed run has half written it."""
    try:
        noted: dict[str, Any] = json.loads(text)
    except ValueError:
        return {}
    return noted


def _hub_fields(target: InfluxTarget) -> dict[str, Any]:
    """Return what is known, by the names that the forms of the hub have for it."""
    url = URL(target.url)
    known = {
        "url": target.url,
        "host": url.host,
        "port": url.port,
        "ssl": url.scheme == "https",
        "path": url.path.rstrip("/"),
        "username": target.username,
        "password": target.password,
        "token": target.token,
        "organization": target.organization,
        "store": target.store,
    }
    return {name: value for name, value in known.items() if value not in {"", None}}


async def _find_entries(api: HomeAssistantApi, domain: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = await api.get(f"{_ENTRIES}?domain={domain}")
    return entries

"""Going through Home Assistant's flows, as a person at the frontend does."""

import asyncio
from collections.abc import Iterable, Mapping
import json
import time
from typing import Any, Final

from .api import HomeAssistantApi
from .settings import PROJECT, DevelopError

ENTRY_FLOW: Final = "/api/config/config_entries/flow"
SUBENTRY_FLOW: Final = "/api/config/config_entries/subentries/flow"
# No flow of ours has more; one that has would turn in a circle.
_MAX_STEP_COUNT: Final = 10
# What is installed for a step is fetched from the internet.
_PROGRESS_TIMEOUT_S: Final = 300.0
_PROGRESS_POLL_S: Final = 0.5


async def run_flow(
    api: HomeAssistantApi,
    start: Mapping[str, Any],
    choices: Mapping[str, str],
    fields: Mapping[str, Any],
    *,
    path: str = ENTRY_FLOW,
    texts: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Go through a config flow as a person would.

    Args:
        api: Of Home Assistant.
        start: Which flow: its handler, and the entry that is reconfigured.
        choices: What is chosen in menus, by step.
        fields: What is entered in forms, by name; what is not known is left as
            the form suggests it.
        path: Of the kind of flow.
        texts: Its error texts; None for those of the handler's domain.

    Raises:
        DevelopError: It did not make or change an entry; with its own words.
    """
    domain: str = str(start["handler"])
    result: dict[str, Any] = await api.post(path, start)
    for _ in range(_MAX_STEP_COUNT):
        if result["type"] == "progress":
            result = await _wait_for_progress(api, f"{path}/{result['flow_id']}")
        if result["type"] == "create_entry":
            return result
        if result["type"] == "abort":
            if result["reason"] == "reconfigure_successful":
                return result
            raise DevelopError(f"The set-up of {domain} ended: {result['reason']}")
        if result.get("errors"):
            raise DevelopError(_describe_errors(domain, result, texts))
        answer: dict[str, Any]
        if result["type"] == "menu":
            answer = {"next_step_id": choices[result["step_id"]]}
        else:
            answer = _fill_form(result["data_schema"], fields)
        result = await api.post(f"{path}/{result['flow_id']}", answer)
    raise DevelopError(f"The set-up of {domain} does not end; at {result['step_id']}")


async def _wait_for_progress(api: HomeAssistantApi, path: str) -> dict[str, Any]:
    """Wait while a flow does something; return what it shows then."""
    ends_at = time.monotonic() + _PROGRESS_TIMEOUT_S
    while True:
        await asyncio.sleep(_PROGRESS_POLL_S)
        result: dict[str, Any] = await api.get(path)
        if result["type"] != "progress":
            return result
        if time.monotonic() > ends_at:
            raise DevelopError(f"Step {result['step_id']} of a set-up does not end")


def _fill_form(
    form: Iterable[Mapping[str, Any]], fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Fill the fields of a form; sections are forms of their own."""
    filled: dict[str, Any] = {}
    for field in form:
        name: str = field["name"]
        if field.get("type") == "expandable":
            filled[name] = _fill_form(field["schema"], fields)
            continue
        suggested = (field.get("description") or {}).get("suggested_value")
        value = fields.get(name, suggested)
        if value is None:
            value = field.get("default")
        if value is not None:
            filled[name] = value
    return filled


def _describe_errors(
    domain: str, result: Mapping[str, Any], texts: Mapping[str, str] | None
) -> str:
    """Return the words that the form shows."""
    if texts is None:
        texts = read_texts(domain)["config"].get("error", {})
    placeholders = result.get("description_placeholders") or {}
    lines = []
    for field, key in result["errors"].items():
        text = texts.get(key, key)
        for name, value in placeholders.items():
            text = text.replace(f"{{{name}}}", str(value))
        lines.append(f"{field}: {text}")
    return (
        f"The set-up of {domain} refuses its step {result['step_id']}:\n"
        + "\n".join(lines)
    )


def read_texts(domain: str) -> dict[str, Any]:
    """Return the English texts of an integration of this project."""
    for folder in ("custom_components", "examples/custom_components"):
        file = PROJECT / folder / domain / "translations" / "en.json"
        if file.exists():
            texts: dict[str, Any] = json.loads(file.read_text())
            return texts
    return {"config": {}}

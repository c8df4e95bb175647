"""Checks that a person can read every form of a flow, while a test goes through it."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
import json
from pathlib import Path
from string import Formatter
from typing import Any, Final
from unittest.mock import patch

from homeassistant.config_entries import OptionsFlowManager
from homeassistant.data_entry_flow import FlowManager, FlowResultType, section

TRANSLATIONS: Final = (
    Path(__file__).parent.parent.parent
    / "custom_components"
    / "ha_ingestor"
    / "translations"
    / "en.json"
)


def load_translations() -> dict[str, Any]:
    """Read the English texts."""
    texts: dict[str, Any] = json.loads(TRANSLATIONS.read_text(encoding="utf-8"))
    return texts


@contextmanager
def check_flow_texts() -> Iterator[None]:
    """Look at what the flow managers show, and fail at the end for missing texts."""
    faults: list[str] = []
    handle_step = FlowManager._async_handle_step

    async def check_step(manager: Any, *args: Any, **kwargs: Any) -> Any:
        result = await handle_step(manager, *args, **kwargs)
        category = "options" if isinstance(manager, OptionsFlowManager) else "config"
        faults.extend(find_faults(load_translations()[category], result))
        return result

    with patch.object(FlowManager, "_async_handle_step", check_step):
        yield
    assert not faults


def find_faults(texts: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    """Name the texts that a result needs and that are missing or cannot be filled.

    Args:
        texts: The block of the translations that the flow is in.
        result: What a step of it has shown.
    """
    placeholders = result.get("description_placeholders") or {}
    wanted = _list_wanted(texts, result)
    return [
        f"{path}: {text!r} with {sorted(placeholders)}"
        for path, text in wanted
        if not text or not _list_placeholders(text) <= set(placeholders)
    ]


def _list_wanted(
    texts: Mapping[str, Any], result: Mapping[str, Any]
) -> list[tuple[str, str | None]]:
    if result["type"] is FlowResultType.ABORT:
        if result.get("translation_domain") is not None:
            return []
        reason = result["reason"]
        return [(f"abort.{reason}", texts.get("abort", {}).get(reason))]
    if result["type"] not in {FlowResultType.FORM, FlowResultType.MENU}:
        return []
    step_id = result["step_id"]
    step = texts["step"].get(step_id, {})
    wanted = [(f"{step_id}.{key}", step.get(key)) for key in ("title", "description")]
    wanted += [
        (f"{step_id}.{block}.{option}", step.get(block, {}).get(option))
        for option in result.get("menu_options") or ()
        for block in ("menu_options", "menu_option_descriptions")
    ]
    wanted += [
        (f"error.{key}", texts["error"].get(key))
        for key in (result.get("errors") or {}).values()
    ]
    if (schema := result.get("data_schema")) is not None and not result.get(
        "menu_options"
    ):
        wanted += _list_fields(step_id, step, schema.schema.items())
    return wanted


def _list_fields(
    path: str, step: Mapping[str, Any], fields: Iterable[tuple[Any, Any]]
) -> Iterator[tuple[str, str | None]]:
    for key, kind in fields:
        name = str(key)
        if isinstance(kind, section):
            part = step.get("sections", {}).get(name, {})
            yield f"{path}.sections.{name}.name", part.get("name")
            yield f"{path}.sections.{name}.description", part.get("description")
            yield from _list_fields(
                f"{path}.sections.{name}", part, kind.schema.schema.items()
            )
            continue
        for block in ("data", "data_description"):
            yield f"{path}.{block}.{name}", step.get(block, {}).get(name)


def _list_placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def get_field_names(schema: Any) -> list[str]:
    """List the fields of a form, in their order."""
    return [str(key) for key in schema.schema]


def get_suggestions(schema: Any) -> dict[str, Any]:
    """Return what a form shows in its fields, sections included."""
    values: dict[str, Any] = {}
    for key, kind in schema.schema.items():
        if isinstance(kind, section):
            values[str(key)] = get_suggestions(kind.schema)
        elif key.description and "suggested_value" in key.description:
            values[str(key)] = key.description["suggested_value"]
    return values

"""The pages of docs/sources, made of what the sources say of themselves.

    scripts/document_sources            writes them
    scripts/document_sources --check    only says whether they are as they should be

The words of the forms are those of the English translation.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
import json
from pathlib import Path
import sys
from typing import Any, Final

from custom_components.ha_ingestor.models import SourceKind
from custom_components.ha_ingestor.sources.base import (
    Argument,
    ArgumentType,
    SourceDescription,
)
from custom_components.ha_ingestor.sources.catalog import (
    SETTINGS,
    SOURCES,
    list_sources,
)

ROOT: Final = Path(__file__).resolve().parent.parent.parent
FOLDER: Final = ROOT / "docs" / "sources"
TRANSLATIONS: Final = (
    ROOT / "custom_components" / "ha_ingestor" / "translations" / "en.json"
)
INDEX: Final = "README.md"

_NOTE: Final = "<!-- Made by scripts/document_sources; changes here are lost. -->"
_INTRODUCTION: Final = (
    "Each is added to a hub in the UI. What a source needs is on its own page; how to"
    " write one is in [Contributing a source](../contributing_a_source.md)."
)
_SETTINGS_STEP: Final = "settings"


class _Words(dict[str, str]):
    """Values for a text; what only a running home knows stays as it is."""

    def __missing__(self, key: str) -> str:
        return f"*{key}*"


def create_pages() -> dict[str, str]:
    """Return all pages: name of the file to its text."""
    texts: dict[str, Any] = json.loads(TRANSLATIONS.read_text(encoding="utf-8"))
    pages = {
        f"{source.key}.md": _create_page(source, texts) for source in SOURCES.values()
    }
    return {INDEX: _create_index(texts), **pages}


def list_stale() -> list[str]:
    """Return the names of pages that are missing, old, or of no source any more."""
    pages = create_pages()
    there = {path.name: path.read_text(encoding="utf-8") for path in _list_files()}
    return sorted(
        name
        for name in pages.keys() | there.keys()
        if pages.get(name) != there.get(name)
    )


def write_pages() -> None:
    """Write all pages, and remove those of sources that are gone."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    pages = create_pages()
    for path in _list_files():
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def _list_files() -> list[Path]:
    return sorted(FOLDER.glob("*.md"))


# --- one source


def _create_page(source: SourceDescription[Any], texts: Mapping[str, Any]) -> str:
    kind = texts["config_subentries"][source.kind.value]
    documentation = source.documentation
    facts = {
        "Kind": kind["entry_type"],
        "Delivers": documentation.delivers,
        "Where": _name_places(source),
        "Credentials": "Needed." if source.secrets else "None.",
        "Asked": _describe_interval(source),
        "Resolution": documentation.resolution,
        "Delay": documentation.delay,
        "Rate limit": documentation.rate_limit,
        "Licence": documentation.licence,
        "Attribution": source.attribution,
        "Installed with it": ", ".join(source.requirements),
        "More about it": f"<{documentation.url}>" if documentation.url else "",
    }
    parts = [
        f"# {kind['entry_type']}: {_find_label(source, texts)}",
        _NOTE,
        _create_table(
            ("", ""), [(name, value) for name, value in facts.items() if value]
        ),
    ]
    if documentation.signup:
        parts += ["## How to get the credentials", documentation.signup]
    if documentation.limits:
        parts += ["## What to know before", documentation.limits]
    forms = [
        ("What it asks for", source.key, source.arguments),
        ("What you decide", _SETTINGS_STEP, SETTINGS.get(source.kind, ())),
    ]
    for title, step_id, arguments in forms:
        if arguments:
            step = kind["step"].get(step_id, {})
            rows = list(_describe_arguments(source, texts, step, arguments))
            parts += [f"## {title}", _create_table(("Field", "", "Meaning"), rows)]
    return "\n\n".join(parts) + "\n"


def _describe_arguments(
    source: SourceDescription[Any],
    texts: Mapping[str, Any],
    step: Mapping[str, Any],
    arguments: tuple[Argument, ...],
) -> Iterator[tuple[str, ...]]:
    words = _Words(provider=source.name, url=source.documentation.url)
    for argument in arguments:
        place = step
        if argument.section is not None:
            place = step.get("sections", {}).get(argument.section, {})
        label = place.get("data", {}).get(argument.key, argument.key)
        meaning = place.get("data_description", {}).get(argument.key, "")
        yield label, _describe_need(argument, texts), meaning.format_map(words)


def _describe_need(argument: Argument, texts: Mapping[str, Any]) -> str:
    parts = ["needed" if argument.is_required else "optional"]
    if argument.type is ArgumentType.SECRET:
        parts.append("secret")
    default, unit = argument.default, argument.unit or ""
    if isinstance(default, str) and argument.translation_key is not None:
        options = texts["selector"][argument.translation_key]["options"]
        default = options.get(default, default)
    if isinstance(default, int | float) and not isinstance(default, bool):
        parts.append(f"{default:g} {unit}".rstrip() + " if left as it is")
    elif isinstance(default, str):
        parts.append(f"{default} if left as it is")
    elif unit:
        parts.append(f"in {unit}")
    return ", ".join(parts)


def _describe_interval(source: SourceDescription[Any]) -> str:
    pace = f"every {_name_duration(source.update_interval)}"
    if source.is_local:
        return f"Whenever one of its entities changes, and {pace}."
    return f"{pace.capitalize()}."


def _name_duration(duration: timedelta) -> str:
    minutes = duration.total_seconds() / 60
    if minutes == 1:
        return "minute"
    if minutes < 1:
        return f"{duration.total_seconds():g} seconds"
    if minutes % 60:
        return f"{minutes:g} minutes"
    return "hour" if minutes == 60 else f"{minutes / 60:g} hours"  # noqa: PLR2004


# --- the list of all


def _create_index(texts: Mapping[str, Any]) -> str:
    parts = [
        "# Sources of outside data",
        _NOTE,
        _INTRODUCTION,
    ]
    for kind in SourceKind:
        if not (sources := list_sources(kind)):
            continue
        rows = [
            (
                f"[{_find_label(source, texts)}]({source.key}.md)",
                _name_places(source),
                "needed" if source.secrets else "none",
                source.documentation.resolution,
            )
            for source in sources
        ]
        parts += [
            f"## {texts['config_subentries'][kind.value]['entry_type']}",
            _create_table(("Source", "Where", "Credentials", "Resolution"), rows),
        ]
    return "\n\n".join(parts) + "\n"


def _find_label(source: SourceDescription[Any], texts: Mapping[str, Any]) -> str:
    """Return how the form names it, without what stands in brackets behind that."""
    options: Mapping[str, str] = (
        texts["selector"].get("provider", {}).get("options", {})
    )
    return options.get(source.key, source.name).partition(" (")[0]


def _name_places(source: SourceDescription[Any]) -> str:
    return ", ".join(sorted(source.countries)) or "Everywhere"


def _create_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_clean, cells))} |" for cells in lines)


def _clean(cell: str | None) -> str:
    return " ".join((cell or "").split()).replace("|", "\\|")


def main() -> None:
    """Write the pages, or say which are stale."""
    if "--check" not in sys.argv[1:]:
        write_pages()
        return
    if stale := list_stale():
        sys.exit(f"Run scripts/document_sources; stale in docs/sources: {stale}")


if __name__ == "__main__":
    main()

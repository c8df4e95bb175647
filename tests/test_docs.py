"""What is generated is as it would be generated now."""

from collections.abc import Iterator
import json
from pathlib import Path
import re
from typing import Any, Final
from urllib.parse import unquote

import pytest
import yaml

from custom_components.ha_ingestor import const
from custom_components.ha_ingestor.entities.storage import (
    ARCHIVE_SENSORS,
    STORAGE_BINARY_SENSORS,
    STORAGE_SENSORS,
)
from custom_components.ha_ingestor.history.query import NoteKind, Statistic
from custom_components.ha_ingestor.maintenance.issues import list_create_commands
from custom_components.ha_ingestor.maintenance.metrics import MEASUREMENT_METRICS
from custom_components.ha_ingestor.maintenance.record import Operation, Outcome
from custom_components.ha_ingestor.retention import rows
from custom_components.ha_ingestor.retention.deletion import MEASUREMENT_LATE
from custom_components.ha_ingestor.retention.restore import RESTORED_PREFIX
from custom_components.ha_ingestor.retention.rows import MEAN_FIELDS, mean_name
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.sources.catalog import SETTINGS, SOURCES
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from custom_components.ha_ingestor.views.catalog import DEFAULT_VIEWS
from custom_components.ha_ingestor.views.definition import View
from devlib import source_docs

PAGES = source_docs.create_pages()
DOCS = Path(__file__).parent.parent / "docs"
COMPONENT = DOCS.parent / "custom_components" / "ha_ingestor"
TEXTS: Final[dict[str, Any]] = json.loads(
    (COMPONENT / "translations" / "en.json").read_text(encoding="utf-8")
)
README = (DOCS.parent / "README.md").read_text(encoding="utf-8")
STORAGE = (DOCS / "storage.md").read_text(encoding="utf-8")
ARCHIVE = (DOCS / "archive.md").read_text(encoding="utf-8")
HISTORY = (DOCS / "history.md").read_text(encoding="utf-8")
# What does not come from sources.
OTHER_MEASUREMENTS: Final = frozenset(
    {
        "MEASUREMENT_ACTIVITY",
        "MEASUREMENT_ARCHIVE",
        "MEASUREMENT_DAILY",
        "MEASUREMENT_EVENTS",
        "MEASUREMENT_HOURLY",
        "MEASUREMENT_PROBE",
        "MEASUREMENT_STATISTICS",
    }
)
STORAGE_ENTITIES: Final = {
    "binary_sensor": [description.key for description in STORAGE_BINARY_SENSORS],
    "sensor": [
        str(description.translation_key)
        for description in (*STORAGE_SENSORS, *ARCHIVE_SENSORS)
    ],
}
# Fields of a view that are named by the first and the last.
HOURS_OF_DAY: Final = frozenset(f"hour_{hour:02}" for hour in range(1, 23))
# Their words say all that is known.
VAGUE_ERRORS: Final = frozenset({"archive_failed", "archive_mismatch"})


def test_the_pages_of_the_sources_are_fresh() -> None:
    assert source_docs.list_stale() == [], "Run scripts/document_sources"


@pytest.mark.parametrize("source", SOURCES.values(), ids=lambda source: source.key)
def test_every_field_of_a_source_is_explained(source: Any) -> None:
    page = PAGES[f"{source.key}.md"]
    fields = [*source.arguments, *SETTINGS.get(source.kind, ())]
    rows = [
        line for line in page.splitlines() if re.search(r"\| (needed|optional)", line)
    ]
    assert len(rows) == len(fields)
    # A row that ends so has no text; a cell that holds a key has no label.
    assert [row for row in rows if row.endswith("|  |")] == []
    labels = [row.split(" | ")[0].removeprefix("| ") for row in rows]
    assert [label for label in labels if "_" in label] == []


@pytest.mark.parametrize("name", PAGES)
def test_no_page_has_a_hole(name: str) -> None:
    # A placeholder that nobody fills, or a name that only the code knows.
    assert (
        re.search(r"\{\w*\}|\*[a-z_]+\*|<function|\bobject at\b", PAGES[name]) is None
    )


def test_the_list_names_every_source_once() -> None:
    links = re.findall(r"\]\((\w+)\.md\)", PAGES[source_docs.INDEX])
    assert sorted(links) == sorted(SOURCES)


@pytest.mark.parametrize("page", ["outside-data.md", "../README.md"])
def test_a_page_for_users_names_every_source(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert set(re.findall(r"sources/([a-z_]+)\.md\)", text)) == set(SOURCES)


@pytest.mark.parametrize(
    "measurement",
    sorted(
        str(value)
        for name, value in vars(const).items()
        if name.startswith("MEASUREMENT_") and name not in OTHER_MEASUREMENTS
    ),
)
def test_what_sources_store_is_documented(measurement: str) -> None:
    text = (DOCS / "outside-data.md").read_text(encoding="utf-8")
    assert f"| `{measurement}` |" in text


def test_every_blueprint_can_be_imported_from_the_page() -> None:
    text = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"blueprint_url=([^)]+)\)", text)
    files = [unquote(link).rpartition("/blob/main/")[2] for link in links]
    root = DOCS.parent
    there = (root / "blueprints").rglob("*.yaml")
    assert sorted(files) == sorted(str(file.relative_to(root)) for file in there)


@pytest.mark.parametrize(
    "page",
    [
        "archive.md",
        "contributing_a_source.md",
        "contributing_a_view.md",
        "history.md",
        "outside-data.md",
        "storage.md",
        "../README.md",
        *(f"sources/{name}" for name in PAGES),
    ],
)
def test_links_lead_somewhere(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not ((DOCS / page).parent / link).exists()] == []


def _anchors(text: str) -> set[str]:
    """Return the anchors of a page as GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize(
    "page",
    ["archive.md", "history.md", "outside-data.md", "storage.md", "../README.md"],
)
def test_links_lead_to_a_heading(page: str) -> None:
    file = DOCS / page
    text = file.read_text(encoding="utf-8")
    wrong = [
        f"{target}#{anchor}"
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text)
        if anchor
        not in _anchors(
            (file.parent / target).read_text(encoding="utf-8") if target else text
        )
    ]
    assert wrong == []


# --- storage ---


def _fields_of_rows() -> Iterator[str]:
    for name, value in vars(rows).items():
        if name.isupper() and not name.startswith("_") and isinstance(value, str):
            yield value
    yield from map(mean_name, MEAN_FIELDS)


def _section(text: str, heading: str) -> str:
    return text.partition(f"\n{heading}\n")[2].partition("\n#")[0]


def _rows_of(text: str, word: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|") and word in line]


@pytest.mark.parametrize("field", sorted(_fields_of_rows()))
def test_every_field_of_an_aggregate_is_explained(field: str) -> None:
    assert _rows_of(STORAGE, f"`{field}`") != []


@pytest.mark.parametrize("view", DEFAULT_VIEWS, ids=lambda view: view.name)
def test_every_field_of_a_view_is_explained(view: View) -> None:
    (row,) = _rows_of(_section(STORAGE, "### Fields of the views"), f"`{view.name}`")
    # "hour_00 to hour_23".
    names = set(view.tags) | set(view.fields) - HOURS_OF_DAY
    assert [name for name in sorted(names) if f"`{name}`" not in row] == []
    units = {unit for unit in view.fields.values() if unit and unit not in {"h", "d"}}
    assert [unit for unit in units if unit not in row] == []


@pytest.mark.parametrize(
    "measurement",
    [
        const.MEASUREMENT_ARCHIVE,
        const.MEASUREMENT_DAILY,
        const.MEASUREMENT_HOURLY,
        MEASUREMENT_LATE,
        MEASUREMENT_METRICS,
        f"{RESTORED_PREFIX}{const.MEASUREMENT_DAILY}",
    ],
)
def test_what_tiers_store_is_documented(measurement: str) -> None:
    # Among the stores, and with its fields.
    assert len(_rows_of(STORAGE, f"`{measurement}`")) >= 1
    assert f"| `{measurement}`" in STORAGE


@pytest.mark.parametrize("word", [*Operation, *Outcome])
def test_every_tag_of_the_metrics_is_documented(word: str) -> None:
    (row,) = _rows_of(STORAGE, "| `retention_metrics` |")
    assert f"`{word}`" in row


@pytest.mark.parametrize("api_version", ApiVersion)
def test_the_commands_that_create_stores_are_those_of_the_issue(
    api_version: ApiVersion,
) -> None:
    stores = TierStores(
        Target(
            api_version=api_version,
            host="influxdb.local",
            port=8086,
            store="home_assistant",
            username="USER",
            organization="ORGANIZATION",
        )
    )
    commands = list_create_commands(
        stores, ("home_assistant_hourly", "home_assistant_daily")
    )
    lines = [line.strip() for line in commands.splitlines()]
    assert [line for line in lines if line not in STORAGE.splitlines()] == []
    assert lines != []


@pytest.mark.parametrize(
    "action", yaml.safe_load((COMPONENT / "services.yaml").read_text(encoding="utf-8"))
)
def test_every_action_is_in_the_table(action: str) -> None:
    assert [
        row for row in _rows_of(README, f"`{action}`") if row.startswith("| [`")
    ] != []


@pytest.mark.parametrize(
    "label", TEXTS["options"]["step"]["storage"]["data"].values(), ids=str
)
def test_every_option_of_storage_is_explained(label: str) -> None:
    assert [row for row in STORAGE.splitlines() if label in row] != []


@pytest.mark.parametrize(
    "title",
    sorted(
        text["title"].partition(": ")[2]
        for key, text in TEXTS["issues"].items()
        if key.startswith(("archive_", "storage_"))
    ),
)
def test_every_issue_of_storage_is_explained(title: str) -> None:
    assert _rows_of(STORAGE, title) != []
    assert title in README


@pytest.mark.parametrize(
    "name",
    sorted(
        TEXTS["entity"][platform][key]["name"]
        for platform, keys in STORAGE_ENTITIES.items()
        for key in keys
    ),
)
def test_every_entity_of_storage_is_explained(name: str) -> None:
    assert _rows_of(STORAGE, name) != []


@pytest.mark.parametrize("name", [*Statistic, *NoteKind])
def test_every_word_of_a_history_is_explained(name: str) -> None:
    assert _rows_of(HISTORY, f"`{name}`") != []


@pytest.mark.parametrize(
    "label",
    sorted(
        {
            label
            for step in TEXTS["config_subentries"]["archive"]["step"].values()
            for label in step.get("data", {}).values()
        }
    ),
)
def test_every_field_of_the_archive_is_explained(label: str) -> None:
    assert label.lower() in ARCHIVE.lower()


@pytest.mark.parametrize(
    "text",
    sorted(
        text.partition(":")[0].partition(". ")[0].partition("{")[0].strip()
        for key, text in TEXTS["config_subentries"]["archive"]["error"].items()
        if key.startswith("archive_") and key not in VAGUE_ERRORS
    ),
)
def test_every_error_of_the_archive_is_explained(text: str) -> None:
    assert _rows_of(ARCHIVE, text) != []


def test_a_changed_page_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_docs, "FOLDER", tmp_path / "sources")
    assert source_docs.list_stale() == sorted(PAGES)
    source_docs.write_pages()
    assert source_docs.list_stale() == []
    (tmp_path / "sources" / "gone.md").write_text("An old page")
    (tmp_path / "sources" / source_docs.INDEX).write_text("By hand")
    assert source_docs.list_stale() == [source_docs.INDEX, "gone.md"]
    source_docs.write_pages()
    assert source_docs.list_stale() == []

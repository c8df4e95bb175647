"""What is generated is as it would be generated now."""

from pathlib import Path
import re
from typing import Any, Final
from urllib.parse import unquote

import pytest

from custom_components.ha_ingestor import const
from custom_components.ha_ingestor.sources.catalog import SETTINGS, SOURCES
from devlib import source_docs

PAGES = source_docs.create_pages()
DOCS = Path(__file__).parent.parent / "docs"
# What does not come from sources.
OTHER_MEASUREMENTS: Final = frozenset(
    {
        "MEASUREMENT_ACTIVITY",
        "MEASUREMENT_DAILY",
        "MEASUREMENT_EVENTS",
        "MEASUREMENT_HOURLY",
        "MEASUREMENT_PROBE",
        "MEASUREMENT_STATISTICS",
    }
)


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
        "contributing_a_source.md",
        "outside-data.md",
        "../README.md",
        *(f"sources/{name}" for name in PAGES),
    ],
)
def test_links_lead_somewhere(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not ((DOCS / page).parent / link).exists()] == []


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

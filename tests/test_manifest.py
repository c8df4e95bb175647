"""What Home Assistant and HACS read before any code of the integration runs."""

import json
from pathlib import Path
from typing import Any, Final

from awesomeversion import AwesomeVersion
from packaging.requirements import Requirement
from PIL import Image
import pytest

from custom_components.ha_ingestor.const import DOMAIN
import homeassistant
from homeassistant.const import __version__ as ha_version
from homeassistant.requirements import CONSTRAINT_FILE

ROOT: Final = Path(__file__).parent.parent
INTEGRATION: Final = ROOT / "custom_components" / DOMAIN
BRAND: Final = INTEGRATION / "brand"
HOME_ASSISTANT: Final = Path(homeassistant.__file__).parent

# HACS refuses any key it does not know (its `validate.py`).
HACS_KEYS: Final = frozenset(
    {
        "content_in_root",
        "country",
        "filename",
        "hacs",
        "hide_default_branch",
        "homeassistant",
        "name",
        "persistent_directory",
        "render_readme",
        "zip_release",
    }
)
HACS_MANIFEST_KEYS: Final = frozenset(
    {"codeowners", "documentation", "domain", "issue_tracker", "name", "version"}
)


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    result: dict[str, Any] = json.loads((INTEGRATION / "manifest.json").read_text())
    return result


@pytest.fixture(scope="module")
def hacs() -> dict[str, Any]:
    result: dict[str, Any] = json.loads((ROOT / "hacs.json").read_text())
    return result


def test_keys_are_in_hassfest_order(manifest: dict[str, Any]) -> None:
    rest = [key for key in manifest if key not in {"domain", "name"}]

    assert list(manifest) == ["domain", "name", *sorted(rest)]


def test_manifest_has_what_hacs_demands(manifest: dict[str, Any]) -> None:
    assert manifest.keys() >= HACS_MANIFEST_KEYS
    assert manifest["domain"] == DOMAIN
    assert AwesomeVersion(manifest["version"]).valid
    assert manifest["documentation"].startswith("https://")
    assert manifest["codeowners"] != []


def test_requirements_agree_with_home_assistant(manifest: dict[str, Any]) -> None:
    """Two pins of one package in one Home Assistant fight."""
    core = json.loads(
        (HOME_ASSISTANT / "components" / "influxdb" / "manifest.json").read_text()
    )
    pins = {Requirement(text).name: text for text in core["requirements"]}
    ours = [Requirement(text) for text in manifest["requirements"]]

    assert [
        str(requirement)
        for requirement in ours
        if pins.get(requirement.name, str(requirement)) != str(requirement)
    ] == []


def test_requirements_meet_the_constraints(manifest: dict[str, Any]) -> None:
    constraints: dict[str, Requirement] = {
        requirement.name: requirement
        for line in (HOME_ASSISTANT / CONSTRAINT_FILE).read_text().splitlines()
        if line and not line.startswith("#")
        for requirement in (Requirement(line),)
    }
    pinned = [
        (requirement, specifier.version)
        for requirement in map(Requirement, manifest["requirements"])
        for specifier in requirement.specifier
        if specifier.operator == "=="
    ]

    assert [
        str(requirement)
        for requirement, version in pinned
        if (constraint := constraints.get(requirement.name)) is not None
        and version not in constraint.specifier
    ] == []


def test_hacs_file_has_known_keys_only(hacs: dict[str, Any]) -> None:
    assert hacs.keys() <= HACS_KEYS
    assert hacs["name"] == "HA Ingestor"


def test_minimum_home_assistant_is_not_newer_than_tested(hacs: dict[str, Any]) -> None:
    assert AwesomeVersion(hacs["homeassistant"]) <= AwesomeVersion(ha_version)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        pytest.param("icon.png", (256, 256), id="icon"),
        pytest.param("icon@2x.png", (512, 512), id="icon-hdpi"),
        pytest.param("logo.png", (564, 128), id="logo"),
        pytest.param("logo@2x.png", (1128, 256), id="logo-hdpi"),
        pytest.param("dark_logo.png", (564, 128), id="dark-logo"),
        pytest.param("dark_logo@2x.png", (1128, 256), id="dark-logo-hdpi"),
    ],
)
def test_brand_images(name: str, size: tuple[int, int]) -> None:
    with Image.open(BRAND / name) as image:
        assert image.format == "PNG"
        assert image.size == size
        assert image.mode == "RGBA"


def test_brand_folder_holds_only_what_is_served() -> None:
    assert {path.suffix for path in BRAND.iterdir()} == {".png"}

"""Every text that the code asks for exists, and none is left that nothing asks for."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import importlib
import inspect
import json
import pkgutil
import re
from string import Formatter
from typing import Any, Final

import probatio
import pytest
import yaml

from custom_components.ha_ingestor import entities
from custom_components.ha_ingestor.config_flow import IngestorConfigFlow
from custom_components.ha_ingestor.coordinators.kinds import COORDINATORS
from custom_components.ha_ingestor.flows.archive_flow import ArchiveFlow
from custom_components.ha_ingestor.flows.archive_forms import (
    SETTINGS_SCHEMA,
    TARGET_SCHEMAS,
)
from custom_components.ha_ingestor.flows.context_choices import SOURCE_FIELDS
from custom_components.ha_ingestor.flows.history_import import IMPORT_SCHEMA
from custom_components.ha_ingestor.flows.hub_forms import (
    create_credentials_schema,
    create_detect_schema,
    create_store_schema,
    create_target_schema,
)
from custom_components.ha_ingestor.flows.hub_options import HubOptionsFlow
from custom_components.ha_ingestor.flows.option_forms import (
    WRITER_SCHEMA,
    create_capture_schema,
    create_context_schema,
)
from custom_components.ha_ingestor.flows.sampling_rules import SAMPLING_SCHEMA
from custom_components.ha_ingestor.flows.source_flow import create_source_flow
from custom_components.ha_ingestor.flows.source_forms import (
    create_argument_schema,
    create_provider_schema,
)
from custom_components.ha_ingestor.flows.storage_forms import create_storage_schema
from custom_components.ha_ingestor.issues import FIXABLE
from custom_components.ha_ingestor.maintenance.archive_settings import ArchiveService
from custom_components.ha_ingestor.models import SourceKind
from custom_components.ha_ingestor.repairs import _FLOWS as REPAIRS
from custom_components.ha_ingestor.sources.base import Argument
from custom_components.ha_ingestor.sources.catalog import SETTINGS, list_sources
from custom_components.ha_ingestor.store.influx.target import ApiVersion
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import ObjectSelector, SelectSelector
from tests.flows.texts import TRANSLATIONS, load_translations
from tests.sources.kit import create_case_context

INTEGRATION: Final = TRANSLATIONS.parent.parent
TEXTS: Final = load_translations()
STORED: Final = {"ca_certificate": "x", "token": "x"}

# By the names of the classes: a description that no class of ours extends is an
# instance of a class that Home Assistant makes behind the scenes.
PLATFORMS: Final = {
    "BinarySensorEntityDescription": "binary_sensor",
    "EventEntityDescription": "event",
    "ButtonEntityDescription": "button",
    "SensorEntityDescription": "sensor",
}


def create_source_form(arguments: tuple[Argument, ...]) -> probatio.Schema:
    """The form of a new source."""
    home = create_case_context({"now": "2026-01-01T00:00:00Z"})
    return create_argument_schema(arguments, home, stored=None)


# Kinds of source by the category of their texts.
KINDS: Final[Mapping[str, SourceKind]] = {
    f"config_subentries.{kind}": kind for kind in COORDINATORS
}

ARCHIVE: Final = "config_subentries.archive"

# What each form can hold, at its fullest.
FORMS: Final[Mapping[str, tuple[probatio.Schema, ...]]] = {
    "config.create_store": (create_store_schema(),),
    "config.detect": (create_detect_schema(is_tls_open=False),),
    "config.reauth_confirm": tuple(
        create_credentials_schema(api_version) for api_version in ApiVersion
    ),
    **{
        f"config.{prefix}v{api_version}": (
            create_target_schema(api_version, is_tls_open=False, stored=stored),
        )
        for api_version in ApiVersion
        for prefix, stored in (("", None), ("reconfigure_", STORED))
    },
    "options.capture": (create_capture_schema(()),),
    "options.context": (create_context_schema({field: [] for field in SOURCE_FIELDS}),),
    "options.import_csv": (IMPORT_SCHEMA,),
    "options.sampling": (SAMPLING_SCHEMA,),
    "options.storage": (create_storage_schema(ApiVersion.V1, has_archive=True),),
    "options.writer": (WRITER_SCHEMA,),
    "config_subentries.archive.aws": (TARGET_SCHEMAS[ArchiveService.AWS],),
    "config_subentries.archive.other": (TARGET_SCHEMAS[ArchiveService.OTHER],),
    "config_subentries.archive.settings": (SETTINGS_SCHEMA,),
    **{
        f"{category}.user": (create_provider_schema(kind),)
        for category, kind in KINDS.items()
        if len(list_sources(kind)) > 1
    },
    **{
        f"{category}.settings": (create_source_form(SETTINGS[kind]),)
        for category, kind in KINDS.items()
        if SETTINGS.get(kind)
    },
    **{
        f"{category}.{source.key}": (create_source_form(source.arguments),)
        for category, kind in KINDS.items()
        for source in list_sources(kind)
        if source.arguments
    },
}
# Steps that only lead to another one, or ask nothing but which one.
WITHOUT_FORM: Final = {"reauth", "reconfigure", "save", "edit"}
MENUS: Final = {
    "config_subentries.archive.user",
    "config.user",
    "options.confirm",
    "options.confirm_without_estimate",
    "options.init",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One file of the integration."""

    name: str
    tree: ast.Module

    @property
    def constants(self) -> set[str]:
        """All texts that stand in it."""
        return {
            node.value
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }

    @property
    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        """All calls, with the last part of the name of what is called."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield ast.unparse(node.func).rpartition(".")[2], node


def read_modules() -> list[Module]:
    return [
        Module(
            name=path.relative_to(INTEGRATION).as_posix(),
            tree=ast.parse(path.read_text(encoding="utf-8")),
        )
        for path in sorted(INTEGRATION.rglob("*.py"))
    ]


MODULES: Final = read_modules()
FLOW_MODULES: Final = [
    module
    for module in MODULES
    if module.name == "config_flow.py" or module.name.startswith("flows/")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A call that names a text.

    Attributes:
        keys: The one it names; where that is a variable, those of its block that
            stand in its file.
        placeholders: None where the call does not tell them.
    """

    where: str
    block: str
    keys: set[str]
    placeholders: set[str] | None


def find_requests() -> list[Request]:
    """List the calls that name a text for an exception, an issue or a device."""
    requests = []
    for module in MODULES:
        for name, call in module.calls:
            arguments = {keyword.arg: keyword.value for keyword in call.keywords}
            if name == "refuse":
                requests.append(
                    Request(
                        where=f"{module.name}:{call.lineno}",
                        block="exceptions",
                        keys=_find_keys(call.args[0], module, "exceptions"),
                        # Which texts a variable stands for is not known exactly.
                        placeholders={str(key) for key in arguments}
                        if isinstance(call.args[0], ast.Constant)
                        else None,
                    )
                )
                continue
            block = {"DeviceInfo": "device", "async_create_issue": "issues"}.get(name)
            if block is None and "translation_domain" in arguments:
                block = "exceptions"
            if block is None or "translation_key" not in arguments:
                continue
            requests.append(
                Request(
                    where=f"{module.name}:{call.lineno}",
                    block=block,
                    keys=_find_keys(arguments["translation_key"], module, block),
                    placeholders=_find_names(arguments.get("translation_placeholders")),
                )
            )
    return requests


def _find_keys(node: ast.expr, module: Module, block: str) -> set[str]:
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    return module.constants & set(TEXTS.get(block, {}))


def _find_names(node: ast.expr | None) -> set[str] | None:
    if node is None:
        return set()
    if not isinstance(node, ast.Dict) or None in node.keys:
        return None
    return {key.value for key in node.keys if isinstance(key, ast.Constant)}  # type: ignore[misc]


def list_leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """List all texts with their paths."""
    if not isinstance(node, dict):
        yield path, node
        return
    for key, value in node.items():
        yield from list_leaves(value, f"{path}.{key}" if path else key)


def list_placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def list_fields(schemas: tuple[probatio.Schema, ...]) -> dict[str, Any]:
    """Return the fields of a step and what each takes."""
    return {str(key): kind for schema in schemas for key, kind in schema.schema.items()}


def list_selectors(
    schemas: tuple[probatio.Schema, ...],
) -> Iterator[tuple[str, set[str]]]:
    """List what the fields of forms ask for, and what they offer."""
    for kind in list_fields(schemas).values():
        if isinstance(kind, section):
            yield from list_selectors((kind.schema,))
        if not isinstance(kind, SelectSelector | ObjectSelector):
            continue
        if "translation_key" in kind.config:
            offered = kind.config.get("options") or kind.config["fields"]
            yield kind.config["translation_key"], set(offered)


def list_action_selectors(node: Any = None) -> Iterator[tuple[str, set[str]]]:
    """List what the fields of actions ask for, and what they offer."""
    if node is None:
        node = yaml.safe_load((INTEGRATION / "services.yaml").read_text("utf-8"))
    if not isinstance(node, dict):
        return
    if "translation_key" in node:
        yield node["translation_key"], set(node.get("options") or node["fields"])
    for value in node.values():
        if value is not None:
            yield from list_action_selectors(value)


def find_descriptions() -> dict[str, set[str]]:
    """Return the texts that entity descriptions ask for, by platform."""
    found: dict[str, set[str]] = {}
    for info in pkgutil.iter_modules(entities.__path__):
        module = importlib.import_module(f"{entities.__name__}.{info.name}")
        for value in vars(module).values():
            for item in value if isinstance(value, tuple) else (value,):
                for kind in type(item).__mro__:
                    if platform := PLATFORMS.get(kind.__name__):
                        found.setdefault(platform, set()).add(item.translation_key)
    return found


def find_texts(category: str) -> dict[str, Any]:
    """Return the texts of a flow."""
    texts: Any = TEXTS
    for part in category.split("."):
        texts = texts[part]
    return texts


def get_steps(flow: type) -> set[str]:
    """Return the steps that a flow class itself defines."""
    return {
        name.removeprefix("async_step_")
        for name, _ in inspect.getmembers(flow, inspect.isfunction)
        if name.startswith("async_step_") and name in vars(flow)
    }


# --- all texts


def test_texts_are_plain() -> None:
    faults = [
        path
        for path, text in list_leaves(TEXTS)
        if not isinstance(text, str)
        or not text
        or text != text.strip()
        # Home Assistant takes URLs from placeholders only, resolves references in
        # its own translations only, and reads a quoted placeholder as text.
        or re.search(r"https?:|://|\[%key|'\{|\}'|<[a-z]", text)
    ]
    assert faults == []


def test_placeholders_are_names() -> None:
    names = {name for _, text in list_leaves(TEXTS) for name in list_placeholders(text)}
    assert {name for name in names if not name.isidentifier()} == set()


def test_no_key_stands_twice() -> None:
    repeated: list[str] = []

    def check(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        repeated.extend(key for key in set(keys) if keys.count(key) > 1)
        return dict(pairs)

    json.loads(TRANSLATIONS.read_text(encoding="utf-8"), object_pairs_hook=check)
    assert repeated == []


# --- flows


@pytest.mark.parametrize(
    ("category", "flow"),
    [("config", IngestorConfigFlow), ("options", HubOptionsFlow)],
)
def test_steps(category: str, flow: type) -> None:
    steps = get_steps(flow)
    assert set(TEXTS[category]["step"]) == steps - WITHOUT_FORM
    with_fields = {
        path.partition(".")[2] for path in FORMS if path.startswith(f"{category}.")
    }
    with_options = {
        path.partition(".")[2] for path in MENUS if path.startswith(f"{category}.")
    }
    assert with_fields | with_options == steps - WITHOUT_FORM


@pytest.mark.parametrize("path", FORMS)
def test_fields(path: str) -> None:
    category, _, step_id = path.rpartition(".")
    step = find_texts(category)["step"][step_id]
    fields = list_fields(FORMS[path])
    sections = {name for name, kind in fields.items() if isinstance(kind, section)}
    assert set(step["data"]) == set(fields) - sections
    assert set(step["data_description"]) == set(fields) - sections
    assert set(step.get("sections", {})) == sections
    inner = {name: list_fields((fields[name].schema,)) for name in sections}
    texts = {name: step["sections"][name] for name in sections}
    assert {name: set(text["data"]) for name, text in texts.items()} == {
        name: set(kinds) for name, kinds in inner.items()
    }
    assert {name: set(text["data_description"]) for name, text in texts.items()} == {
        name: set(kinds) for name, kinds in inner.items()
    }


@pytest.mark.parametrize("category", KINDS)
def test_source_flows(category: str) -> None:
    texts = find_texts(category)
    steps = {path.rpartition(".")[2] for path in FORMS if path.startswith(category)}
    assert set(texts["step"]) == steps
    assert set(texts["initiate_flow"]) == {"user", "reconfigure"}
    assert texts["entry_type"]
    flow = create_source_flow(KINDS[category])
    assert {step for step in steps if not hasattr(flow, f"async_step_{step}")} == set()


def test_source_flows_share_their_errors() -> None:
    shared = {"rate_limited", "refused", "unavailable", "unknown", "unreadable"}
    assert [
        category for category in KINDS if shared - set(find_texts(category)["error"])
    ] == []
    used = set().union(*(module.constants for module in MODULES))
    errors = {key for category in KINDS for key in find_texts(category)["error"]}
    reasons = {key for category in KINDS for key in find_texts(category)["abort"]}
    assert (errors | reasons) - used == set()


@pytest.mark.parametrize("path", sorted(MENUS))
def test_menus(path: str) -> None:
    category, _, step_id = path.rpartition(".")
    steps = find_texts(category)["step"]
    step = steps[step_id]
    assert set(step["menu_options"]) == set(step["menu_option_descriptions"])
    assert set(step["menu_options"]) <= set(steps) | WITHOUT_FORM


def test_errors_are_known() -> None:
    named = {
        call.args[1].value
        for module in FLOW_MODULES
        for name, call in module.calls
        if name in {"FormProblem", "FormProblemError"}
        and len(call.args) > 1
        and isinstance(call.args[1], ast.Constant)
    }
    # The ones that come from tables are met by the tests of the flows, which look
    # up every text of every form that they are shown.
    assert len(named) > 10
    of_sources = set().union(*(find_texts(category)["error"] for category in KINDS))
    of_archive = set(find_texts(ARCHIVE)["error"])
    assert named - of_sources - of_archive <= set(TEXTS["config"]["error"]) | set(
        TEXTS["options"]["error"]
    )


def test_archive_flow() -> None:
    texts = find_texts(ARCHIVE)
    # One shows what is going on, and asks nothing.
    assert set(texts["step"]) == get_steps(ArchiveFlow) - WITHOUT_FORM - {"install"}
    assert set(texts["progress"]) == {"install"}
    assert set(texts["initiate_flow"]) == {"user", "reconfigure"}
    assert texts["entry_type"]
    constants = set().union(*(module.constants for module in FLOW_MODULES))
    # Home Assistant itself gives the other reason.
    reasons = set(texts["abort"]) - {"reconfigure_successful"}
    assert (set(texts["error"]) | reasons) - constants == set()


@pytest.mark.parametrize("category", ["config", "options"])
def test_errors_are_used(category: str) -> None:
    constants = set().union(*(module.constants for module in FLOW_MODULES))
    assert set(TEXTS[category]["error"]) - constants == set()


def test_abort_reasons() -> None:
    reasons = {
        keyword.value.value
        for module in FLOW_MODULES
        for name, call in module.calls
        if name == "async_abort"
        for keyword in call.keywords
        if keyword.arg == "reason" and isinstance(keyword.value, ast.Constant)
    }
    names = {name for module in FLOW_MODULES for name, _ in module.calls}
    assert "_async_abort_entries_match" in names
    assert {
        *TEXTS["config"]["abort"],
        *TEXTS["options"]["abort"],
    } == reasons | {"already_configured"}


def test_selectors() -> None:
    asked: dict[str, set[str]] = {}
    for schemas in FORMS.values():
        for key, offered in list_selectors(schemas):
            # Kinds share the texts of their providers.
            asked[key] = asked.get(key, set()) | offered
    asked |= dict(list_action_selectors())
    texts = {
        key: set(block.get("options") or block["fields"])
        for key, block in TEXTS["selector"].items()
    }
    assert texts == asked


# --- entities, actions, exceptions, issues


def test_entities() -> None:
    texts = {platform: set(block) for platform, block in TEXTS["entity"].items()}
    assert texts == find_descriptions()


def test_actions() -> None:
    services = yaml.safe_load((INTEGRATION / "services.yaml").read_text("utf-8"))
    asked = {
        name: set((service or {}).get("fields", {}))
        for name, service in services.items()
    }
    texts = {
        name: set(block.get("fields", {})) for name, block in TEXTS["services"].items()
    }
    assert texts == asked
    bare = [
        path
        for path, block in [
            *TEXTS["services"].items(),
            *(
                (f"{name}.{field}", texts)
                for name, service in TEXTS["services"].items()
                for field, texts in service.get("fields", {}).items()
            ),
        ]
        if not {"name", "description"} <= set(block)
    ]
    assert bare == []


def test_icons() -> None:
    icons = json.loads((INTEGRATION / "icons.json").read_text("utf-8"))
    shown = {platform: set(block) for platform, block in icons["entity"].items()}
    known = {platform: set(block) for platform, block in TEXTS["entity"].items()}
    assert {
        platform: keys - known.get(platform, set()) for platform, keys in shown.items()
    } == {platform: set() for platform in shown}
    assert set(icons["services"]) == set(TEXTS["services"])


@pytest.mark.parametrize("block", ["device", "exceptions", "issues"])
def test_requests_are_answered(block: str) -> None:
    requests = [request for request in find_requests() if request.block == block]
    assert requests
    unknown = [
        request.where
        for request in requests
        if not request.keys or request.keys - set(TEXTS[block])
    ]
    assert unknown == []
    asked = set().union(*(request.keys for request in requests))
    assert set(TEXTS[block]) == asked


@pytest.mark.parametrize(("key", "flow"), REPAIRS.items())
def test_repair_flows(key: str, flow: type) -> None:
    texts = TEXTS["issues"][key]["fix_flow"]
    # A step that asks nothing needs no text.
    assert set(texts["step"]) <= get_steps(flow)
    menus = {
        option: step_id
        for step_id, step in texts["step"].items()
        for option in step.get("menu_options", {})
    }
    assert set(menus) <= get_steps(flow)
    [module] = [module for module in MODULES if module.name == "repairs.py"]
    named = set(texts.get("abort", {})) | set(texts.get("error", {}))
    assert named - module.constants == set()


def test_fixable_issues() -> None:
    # Home Assistant takes either a description or a flow.
    with_flow = {key for key, block in TEXTS["issues"].items() if "fix_flow" in block}
    with_words = {
        key for key, block in TEXTS["issues"].items() if "description" in block
    }
    assert with_flow == set(REPAIRS) == set(FIXABLE)
    assert with_words == set(TEXTS["issues"]) - with_flow


def test_system_health() -> None:
    [module] = [module for module in MODULES if module.name == "system_health.py"]
    assert set(TEXTS["system_health"]["info"]) - module.constants == set()


def test_placeholders_are_given() -> None:
    missing = [
        (request.where, key, name)
        for request in find_requests()
        if request.placeholders is not None
        for key in request.keys
        for _, text in list_leaves(TEXTS[request.block][key])
        for name in list_placeholders(text)
        if name not in request.placeholders
    ]
    assert missing == []

"""Imports go down only, and the plain modules stay plain.

The rooms and their order are those of the integration; a new module at its root
needs a place in `LAYERS`, so that nobody adds one without thinking where it is.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

INTEGRATION: Final = Path(__file__).parent.parent / "custom_components" / "ha_ingestor"

# From top to bottom. A module or room may import what stands in a lower row, and
# its own room. Names that do not exist (yet) do no harm.
LAYERS: Final = (
    frozenset({"__init__"}),
    frozenset(
        {
            "actions",
            "api",
            "backup",
            "binary_sensor",
            "button",
            "config_flow",
            "diagnostics",
            "energy",
            "event",
            "flows",
            "llm",
            "panel",
            "repairs",
            "sensor",
            "services",
            "system_health",
        }
    ),
    frozenset({"entities", "entity"}),
    frozenset({"issues"}),
    frozenset({"coordinator", "data"}),
    frozenset({"backfill", "coordinators", "maintenance"}),
    frozenset({"estimate", "history", "jobs", "pipeline"}),
    frozenset({"views"}),
    frozenset({"graph", "ingest", "retention", "sources"}),
    frozenset({"store"}),
    frozenset({"options", "requirements"}),
    frozenset({"const", "errors", "models", "units"}),
)

# Arrows within a row that are meant.
SIDEWAYS: Final = frozenset(
    {
        ("config_flow", "flows"),
        # Reports the same causes of the same errors as the form.
        ("repairs", "flows"),
        ("services", "actions"),
        # An action and its endpoint give the same answer.
        ("actions", "api"),
        # The button does what the action does.
        ("button", "services"),
        # The shapes of action responses are shared with REST and WebSocket.
        ("services", "api"),
        # A coordinator names the entry's type, the entry's data holds coordinators.
        ("coordinator", "data"),
        ("data", "coordinator"),
        ("entities", "entity"),
        ("entity", "entities"),
    }
)

# Rooms that may see less than their row allows. A dotted name is the module, or
# everything below it.
NARROW: Final = {
    "api": (
        # The present values of sources are those that their entities show.
        "coordinators",
        "data",
        "entities",
        "graph",
        "store.influx",
        "store.query",
        "views",
    ),
    # The cached first half of a line is made where the registries are known.
    "ingest": ("options", "store.buffer", "store.line_protocol", "store.stats"),
    # Aggregates are not captured events: they go to their store directly, so that
    # they can be read back and compared.
    "retention": (
        "options",
        "store.compression",
        "store.influx",
        "store.line_protocol",
        "store.query",
    ),
    "sources": (),
    "history": ("retention", "store.influx", "store.query", "views"),
    "views": (
        "options",
        "retention",
        "store.influx",
        "store.line_protocol",
        "store.query",
    ),
}
# What even those may use.
COMMON: Final = ("const", "errors", "models", "units")

# Plain functions, tested without a Home Assistant: of it they may use only what
# has no state.
PLAIN: Final = (
    "graph.model",
    "ingest.normalize",
    "retention.tiers",
    "sources",
    "store.line_protocol",
)
# `sources` is plain from its providers on; these three wire them up.
NOT_PLAIN: Final = ("sources.base", "sources.catalog", "sources.http")
STATELESS: Final = ("homeassistant.const", "homeassistant.util")

MAX_FILE_LINES: Final = 500
MAX_FUNCTION_LINES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One file of the integration."""

    name: str  # dotted, from the integration's folder: "store.influx.client"
    tree: ast.Module
    line_count: int
    is_package: bool

    @property
    def room(self) -> str:
        """First part of the name: the room, or the module at the root."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """One import."""

    source: Module
    target: str  # dotted from the integration's folder, or absolute
    line: int
    is_relative: bool

    def describe(self, fault: str) -> str:
        """Say where the arrow is and what is wrong with it."""
        return f"{self.source.name}:{self.line} -> {self.target}: {fault}"


def read_modules(root: Path) -> list[Module]:
    """Parse every Python file below the integration's folder."""
    return [read_module(root, path) for path in sorted(root.rglob("*.py"))]


def read_module(root: Path, path: Path) -> Module:
    """Parse one file and name it as its importers would."""
    parts = path.relative_to(root).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    if is_package and len(parts) > 1:
        parts = parts[:-1]
    text = path.read_text(encoding="utf-8")
    return Module(
        name=".".join(parts),
        tree=ast.parse(text, str(path)),
        line_count=len(text.splitlines()),
        is_package=is_package,
    )


def arrows_of(module: Module, names: frozenset[str]) -> Iterator[Arrow]:
    """List the imports of a module, wherever in it they stand."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
            is_relative = False
        elif isinstance(node, ast.ImportFrom):
            targets = list(targets_of(module, node, names))
            is_relative = node.level > 0
        else:
            continue
        for target in targets:
            yield Arrow(
                source=module,
                target=target,
                line=node.lineno,
                is_relative=is_relative,
            )


def targets_of(
    module: Module, node: ast.ImportFrom, names: frozenset[str]
) -> Iterator[str]:
    """Resolve `from x import a, b` to the modules that it loads."""
    if node.level == 0:
        yield node.module or ""
        return
    package = () if module.name == "__init__" else tuple(module.name.split("."))
    # A package's own `__init__` is already inside it; a module is one step deeper.
    depth = node.level - 1 if module.is_package else node.level
    base = package[: len(package) - depth] if depth else package
    base = (*base, *(node.module.split(".") if node.module else ()))
    for alias in node.names:
        deeper = ".".join((*base, alias.name))
        yield deeper if deeper in names else ".".join(base) or "__init__"


def is_below(name: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a dotted name is one of these, or inside one."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def layer_of(room: str) -> int | None:
    """Row of a room, counted from the top; None if it has no place."""
    return next((row for row, rooms in enumerate(LAYERS) if room in rooms), None)


def fault_of(arrow: Arrow) -> str | None:
    """Say what is wrong with an import inside the integration, if anything is."""
    room, target_room = arrow.source.room, arrow.target.partition(".")[0]
    if room == target_room:
        return None
    source_row, target_row = layer_of(room), layer_of(target_room)
    if source_row is None or target_row is None:
        return "has no place in LAYERS"
    if (room, target_room) in SIDEWAYS:
        return None
    if target_row <= source_row:
        return "does not go down"
    allowed = NARROW.get(room)
    if allowed is not None and not is_below(arrow.target, (*COMMON, *allowed)):
        return f"is more than {room} may see"
    return None


def wrong_arrows(root: Path) -> list[str]:
    """List the imports that do not go down."""
    modules = read_modules(root)
    names = frozenset(module.name for module in modules)
    return [
        arrow.describe(fault)
        for module in modules
        for arrow in arrows_of(module, names)
        if arrow.is_relative and (fault := fault_of(arrow)) is not None
    ]


def misplaced_modules(root: Path) -> list[str]:
    """List the rooms and root modules that no layer names."""
    rooms = {module.room for module in read_modules(root)}
    return sorted(room for room in rooms if layer_of(room) is None)


def absolute_imports_of_own(root: Path) -> list[str]:
    """List imports of the integration by its absolute name."""
    return [
        arrow.describe("is not relative")
        for module in read_modules(root)
        for arrow in arrows_of(module, frozenset())
        if not arrow.is_relative and is_below(arrow.target, ("custom_components",))
    ]


def hidden_imports(root: Path) -> list[str]:
    """List relative imports inside functions: a cycle dodged, not solved."""
    return [
        f"{module.name}:{node.lineno}: import inside {function.name}"
        for module in read_modules(root)
        for function in functions_of(module)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and node.level > 0
    ]


def stateful_imports_of_plain(root: Path) -> list[str]:
    """List what plain modules import of Home Assistant and should not."""
    return [
        arrow.describe("needs a Home Assistant")
        for module in read_modules(root)
        if is_below(module.name, PLAIN) and not is_below(module.name, NOT_PLAIN)
        for arrow in arrows_of(module, frozenset())
        if is_below(arrow.target, ("homeassistant",))
        and not is_below(arrow.target, STATELESS)
    ]


def functions_of(
    module: Module,
) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """List the functions and methods of a module."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_line_count(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a body without its docstring."""
    body = function.body
    if len(body) > 1 and ast.get_docstring(function, clean=False) is not None:
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def oversized(root: Path) -> list[str]:
    """List the files and functions that want to be split."""
    modules = read_modules(root)
    files = [
        f"{module.name}: {module.line_count} lines"
        for module in modules
        if module.line_count > MAX_FILE_LINES
    ]
    functions = [
        f"{module.name}:{function.lineno} {function.name}: {count} lines"
        for module in modules
        for function in functions_of(module)
        if (count := body_line_count(function)) > MAX_FUNCTION_LINES
    ]
    return files + functions


def test_imports_go_down_only() -> None:
    assert wrong_arrows(INTEGRATION) == []


def test_every_module_has_its_place() -> None:
    assert misplaced_modules(INTEGRATION) == []


def test_own_modules_are_imported_relatively() -> None:
    assert absolute_imports_of_own(INTEGRATION) == []


def test_no_cycle_is_dodged_inside_a_function() -> None:
    assert hidden_imports(INTEGRATION) == []


def test_plain_modules_need_no_home_assistant() -> None:
    assert stateful_imports_of_plain(INTEGRATION) == []


def test_files_and_functions_are_small() -> None:
    assert oversized(INTEGRATION) == []


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small integration without a fault, to put one in."""
    root = tmp_path / "house"
    for path, text in {
        "__init__.py": "from .data import Runtime\nfrom .const import DOMAIN\n",
        "const.py": "DOMAIN = 'x'\n",
        "data.py": "from .ingest.listener import listen\nfrom .store import stats\n",
        "ingest/__init__.py": "",
        "ingest/listener.py": "from ..store.buffer import Buffer\nfrom .. import const\n",
        "sensor.py": "from homeassistant.core import callback\nfrom .data import X\n",
        "store/__init__.py": "from .buffer import Buffer\n",
        "store/buffer.py": "from ..const import DOMAIN\n",
        "store/influx/__init__.py": "",
        "store/influx/client.py": "from ...const import DOMAIN\nfrom .. import stats\n",
        "store/stats.py": "from homeassistant.util import dt\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def test_a_sound_house_has_no_fault(house: Path) -> None:
    assert wrong_arrows(house) == []
    assert misplaced_modules(house) == []
    assert absolute_imports_of_own(house) == []
    assert hidden_imports(house) == []
    assert stateful_imports_of_plain(house) == []
    assert oversized(house) == []


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        pytest.param(
            "const.py",
            "from .store.buffer import Buffer",
            ["const:1 -> store.buffer: does not go down"],
            id="base-to-room",
        ),
        pytest.param(
            "store/influx/client.py",
            "\nfrom ...data import Runtime",
            ["store.influx.client:2 -> data: does not go down"],
            id="deep-module-to-upper-layer",
        ),
        pytest.param(
            "store/__init__.py",
            "from .. import ingest",
            ["store:1 -> ingest: does not go down"],
            id="room-to-room-above",
        ),
        pytest.param(
            "ingest/listener.py",
            "from .. import PLATFORMS",
            ["ingest.listener:1 -> __init__: does not go down"],
            id="room-to-init",
        ),
        pytest.param(
            "ingest/listener.py",
            "from ..store.sender import Sender",
            ["ingest.listener:1 -> store.sender: is more than ingest may see"],
            id="more-than-the-protocol",
        ),
        pytest.param(
            "data.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .sensor import S",
            ["data:3 -> sensor: does not go down"],
            id="type-checking-is-no-excuse",
        ),
        pytest.param(
            "utils.py",
            "from .const import DOMAIN",
            ["utils:1 -> const: has no place in LAYERS"],
            id="module-without-a-place",
        ),
    ],
)
def test_a_wrong_arrow_is_found(
    house: Path, path: str, text: str, expected: list[str]
) -> None:
    (house / path).write_text(text)

    assert wrong_arrows(house) == expected


def test_a_module_without_a_place_is_found(house: Path) -> None:
    (house / "helpers.py").write_text("")

    assert misplaced_modules(house) == ["helpers"]


def test_an_absolute_import_of_own_is_found(house: Path) -> None:
    (house / "data.py").write_text("import custom_components.ha_ingestor.const")

    assert absolute_imports_of_own(house) == [
        "data:1 -> custom_components.ha_ingestor.const: is not relative"
    ]


def test_an_import_inside_a_function_is_found(house: Path) -> None:
    (house / "data.py").write_text("def f():\n    from .const import DOMAIN")

    assert hidden_imports(house) == ["data:2: import inside f"]


def test_home_assistant_in_a_plain_module_is_found(house: Path) -> None:
    (house / "ingest" / "normalize.py").write_text(
        "from homeassistant.core import State\nfrom homeassistant.util import dt"
    )

    assert stateful_imports_of_plain(house) == [
        "ingest.normalize:1 -> homeassistant.core: needs a Home Assistant"
    ]


def test_oversized_code_is_found(house: Path) -> None:
    body = "    x = 1\n" * (MAX_FUNCTION_LINES + 1)
    (house / "data.py").write_text(f'def f():\n    """Doc."""\n{body}')
    (house / "const.py").write_text("X = 1\n" * (MAX_FILE_LINES + 1))

    assert oversized(house) == ["const: 501 lines", "data:1 f: 51 lines"]

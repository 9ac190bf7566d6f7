"""The architecture as data: who may import whom, what may load at import time, how long a module may be.

Reads the sources (AST), so it also sees imports inside functions and under TYPE_CHECKING.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
MAX_LINES = 320

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "calibration", "meter"}),
    frozenset({"api", "records"}),
    frozenset({"hookspecs", "suite", "options", "watch"}),
    frozenset({"identity", "names", "clauses", "window", "broker"}),
    frozenset({"assets", "devices", "provenance"}),
    frozenset({"registry"}),
    frozenset({"resources", "data"}),
    frozenset({"fit"}),
    frozenset({"choice", "plan"}),
    frozenset({"engine", "validate", "frozen"}),
    frozenset({"store"}),
    frozenset({"evaluate", "estimate", "pool", "probe", "cascade"}),
    frozenset({"attacking"}),
    frozenset({"worker"}),
    frozenset({"agreement", "profile", "runner", "transfer"}),
    frozenset({"cli"}),
)
"""A unit (module or sub-package of ``benchmark``) may import units of the layers before its own, and itself.

A new unit has to be given its place here before this test passes.
"""

ONLY: dict[str, frozenset[str]] = {
    # The half that rebuilds pages: no registry, no plan, no torch.
    "leaderboard": frozenset({"errors", "api", "calibration", "records", "suite", "identity", "names", "store"}),
    # Human audits of stored records: the same, with the page's metrics.
    "human": frozenset({"errors", "records", "identity", "store", "leaderboard"}),
    # Archives of others: the dataset and the contract are handed in.
    "submission": frozenset({"errors", "api", "records", "suite", "identity", "validate", "leaderboard"}),
    # Published records run again: where the two halves meet.
    "verification": frozenset({"errors", "api", "records", "suite", "plan", "pool", "worker", "fit", "leaderboard"}),
}
"""Units outside the order: exactly what each may import besides itself."""

PUBLIC = frozenset({"benchmark", "benchmark.api", "benchmark.errors", "benchmark.data.parts"})
"""What plugins may import of the core."""

HEAVY = frozenset(
    {
        "torch",
        "transformers",
        "textattack",
        "OpenAttack",
        "spacy",
        "nltk",
        "matplotlib",
        "polars",
        "statsmodels",
        "scipy",
        "duckdb",
    }
)
"""Imported inside functions only: `bench --help` must not wait for them."""

DEFERRED = frozenset(
    f"benchmark_plugins.{name}"
    for name in (
        "attacks.bounds",
        "attacks.bugs",
        "attacks.constraints",
        "attacks.gradient_search",
        "attacks.greedy",
        "attacks.infill",
        "attacks.invariance",
        "attacks.openattack_parts.characters",
        "attacks.openattack_parts.gradient",
        "attacks.openattack_parts.greedy",
        "attacks.openattack_parts.masked",
        "attacks.openattack_parts.paraphrase",
        "attacks.openattack_parts.swarm",
        "attacks.openattack_parts.victim",
        "attacks.pieces",
        "attacks.population",
        "attacks.population_genetic",
        "attacks.population_pso",
        "attacks.quick_text",
        "attacks.search",
        "attacks.synsets",
        "attacks.transformations",
        "defenses.heads.network",
        "defenses.heads.unpadded",
    )
)
"""Modules that subclass a library's classes and so need it at their top: imported inside functions only, themselves."""

UNSAFE_MODULES = frozenset({"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"})
UNSAFE_CALLS = frozenset({"eval", "exec"})


class Source(NamedTuple):
    """One Python file: its import name, its text and its tree."""

    name: str
    text: str
    tree: ast.Module
    is_package: bool


class Import(NamedTuple):
    """An absolute imported name, where it stands, and whether importing the file runs it."""

    module: str
    line: int
    at_import: bool


def source(name: str, text: str, is_package: bool = False) -> Source:
    return Source(name, text, ast.parse(text), is_package)


def sources(folder: str, package: str) -> list[Source]:
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        parts = path.relative_to(ROOT / folder).with_suffix("").parts
        names = parts[:-1] if parts[-1] == "__init__" else parts
        name = ".".join((package, *names))
        found.append(source(name, path.read_text(encoding="utf-8"), parts[-1] == "__init__"))
    return found


CORE = sources("benchmark", "benchmark")
PLUGINS = sources("plugins", "benchmark_plugins")
KNOWN = {s.name for s in (*CORE, *PLUGINS)}


def is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def imports(item: Source) -> Iterator[Import]:
    """Every import; ``from a import b`` yields ``a.b`` where that is a known module, else ``a``."""

    def walk(node: ast.AST, at_import: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, at_import) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = item.name.split(".")
                up = up[: len(up) - node.level + (1 if item.is_package else 0)]
                base = ".".join([*up, base] if base else up)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield Import(full if full in KNOWN else base, node.lineno, at_import)
        elif isinstance(node, ast.If) and is_type_checking(node.test):
            for child in node.body:
                yield from walk(child, False)
            for child in node.orelse:
                yield from walk(child, at_import)
        else:
            inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                yield from walk(child, at_import and not inside)

    return walk(item.tree, True)


def unit(module: str) -> str | None:
    """``benchmark.data.source`` is of unit ``data``; the package itself has none."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


def allowed_units(name: str) -> frozenset[str]:
    if name in ONLY:
        return ONLY[name] | {name}
    for number, layer in enumerate(LAYERS):
        if name in layer:
            left = frozenset().union(*LAYERS[:number], {name})
            return left | frozenset(ONLY) if name == "cli" else left
    raise KeyError(name)


def layer_faults(item: Source) -> list[str]:
    """Imports of a core module that go in the wrong direction."""
    own = unit(item.name)
    # the package root re-exports the public surface, each name looked up when it is used
    root = frozenset({"api", "calibration", "errors", "hookspecs", "resources"})
    allowed = root if own is None else allowed_units(own)
    faults = []
    for found in imports(item):
        top, _, rest = found.module.partition(".")
        if top == "benchmark_plugins":
            faults.append(f"{item.name}:{found.line} names a plugin: {found.module}")
        elif found.module == "benchmark":
            if not only_version(item, found.line):
                faults.append(f"{item.name}:{found.line} imports the public facade; name the module instead")
        elif top == "benchmark" and unit(found.module) not in allowed:
            faults.append(f"{item.name}:{found.line} may not import {found.module} ({rest.split('.')[0]} stands right)")
    return faults


def only_version(item: Source, line: int) -> bool:
    """``from benchmark import __version__`` is the one use of the package itself inside the core."""
    return any(
        isinstance(node, ast.ImportFrom) and node.lineno == line and {a.name for a in node.names} <= {"__version__"}
        for node in ast.walk(item.tree)
    )


def plugin_faults(item: Source) -> list[str]:
    """Imports of a plugin module that reach behind the public names of the core."""
    return [
        f"{item.name}:{found.line} imports {found.module}, which is not public"
        for found in imports(item)
        if found.module.split(".")[0] == "benchmark" and found.module not in PUBLIC
    ]


def heavy_faults(item: Source) -> list[str]:
    """Heavy libraries that are loaded when the module is imported; none at all in the leaderboard half."""
    banned_inside = {"torch", "transformers"} if unit(item.name) == "leaderboard" else set()
    faults = []
    for found in imports(item):
        top = found.module.split(".")[0]
        heavy = top in HEAVY or found.module in DEFERRED
        if top in banned_inside or (heavy and found.at_import and item.name not in DEFERRED):
            faults.append(f"{item.name}:{found.line} imports {found.module}")
    return faults


def unsafe_faults(item: Source) -> list[str]:
    """Ways for a data file to run code."""
    faults = [
        f"{item.name}:{found.line} imports {found.module}"
        for found in imports(item)
        if found.module.split(".")[0] in UNSAFE_MODULES
    ]
    for node in ast.walk(item.tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        keywords = {k.arg: k.value for k in node.keywords}
        if called in UNSAFE_CALLS or called == "torch.load":
            faults.append(f"{item.name}:{node.lineno} calls {called}")
        for word in ("trust_remote_code", "allow_pickle"):
            value = keywords.get(word)
            if value is not None and not (isinstance(value, ast.Constant) and value.value is False):
                faults.append(f"{item.name}:{node.lineno} passes {word}")
    return faults


def test_sources_were_found() -> None:
    assert {"benchmark", "benchmark.api", "benchmark.suite"} <= {s.name for s in CORE}
    assert {"benchmark_plugins", "benchmark_plugins.attacks"} <= {s.name for s in PLUGINS}


def test_every_unit_has_exactly_one_place() -> None:
    placed = [name for layer in LAYERS for name in sorted(layer)] + sorted(ONLY)
    assert len(placed) == len(set(placed))
    units = {unit(s.name) for s in CORE} - {None}
    assert units <= set(placed), f"give these a layer in {Path(__file__).name}: {sorted(units - set(placed))}"


def test_core_imports_only_leftwards() -> None:
    assert [fault for item in CORE for fault in layer_faults(item)] == []


def test_plugins_import_only_public_names() -> None:
    assert [fault for item in PLUGINS for fault in plugin_faults(item)] == []


def test_nothing_heavy_is_imported_at_the_top() -> None:
    assert [fault for item in (*CORE, *PLUGINS) for fault in heavy_faults(item)] == []


def test_nothing_unsafe() -> None:
    assert [fault for item in (*CORE, *PLUGINS) for fault in unsafe_faults(item)] == []


def test_modules_stay_small() -> None:
    sizes = {item.name: item.text.count("\n") for item in (*CORE, *PLUGINS)}
    assert {name: lines for name, lines in sizes.items() if lines > MAX_LINES} == {}


def test_command_line_leaderboard_and_registry_load_nothing_heavy() -> None:
    """The same rule, observed: what a fresh interpreter holds after importing them and registering every plugin."""
    modules = sorted(s.name for s in CORE if unit(s.name) in ("cli", "leaderboard", None))
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "from benchmark.registry import load_registry; load_registry()\n"
        f"print(*sorted(set({sorted(HEAVY)!r}) & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == ""


@pytest.mark.parametrize(
    ("check", "name", "text"),
    [
        (layer_faults, "benchmark.errors", "from benchmark.api import Options"),
        (layer_faults, "benchmark.suite", "def f():\n    from benchmark import registry"),
        (layer_faults, "benchmark.plan", "import benchmark_plugins.defenses"),
        (layer_faults, "benchmark.plan", "from benchmark import Options"),
        (layer_faults, "benchmark.leaderboard.metrics", "from benchmark.registry import Registry"),
        (layer_faults, "benchmark.data.source", "from ..runner import Runner"),
        (plugin_faults, "benchmark_plugins.attacks.recipes.bae", "from benchmark.engine import QueryCounter"),
        (plugin_faults, "benchmark_plugins.attacks.recipes.bae", "import benchmark.validate"),
        (heavy_faults, "benchmark.plan", "import torch.nn as nn"),
        (
            heavy_faults,
            "benchmark_plugins.attacks.recipes.bae",
            "from benchmark_plugins.attacks.search import SteadyWIR",
        ),
        (heavy_faults, "benchmark.plan", "class A:\n    from torch import nn"),
        (heavy_faults, "benchmark.plan", "try:\n    import nltk\nexcept ImportError:\n    pass"),
        (heavy_faults, "benchmark.leaderboard.metrics", "def f():\n    import torch"),
        (unsafe_faults, "benchmark.plan", "import pickle"),
        (unsafe_faults, "benchmark.plan", "def f(x):\n    return eval(x)"),
        (unsafe_faults, "benchmark.plan", "def f(x):\n    import torch\n    return torch.load(x)"),
        (unsafe_faults, "benchmark.plan", "f('m', trust_remote_code=True)"),
        (unsafe_faults, "benchmark.plan", "np.load('m', allow_pickle=flag)"),
    ],
)
def test_checks_find_faults(check: object, name: str, text: str) -> None:
    assert callable(check)
    assert len(check(source(name, text))) == 1


@pytest.mark.parametrize(
    ("check", "name", "text"),
    [
        (layer_faults, "benchmark.plan", "from benchmark.suite import Suite\nfrom benchmark import __version__"),
        (layer_faults, "benchmark.data.source", "from .sample import select"),
        (layer_faults, "benchmark.cli.run", "from benchmark.leaderboard import metrics"),
        (plugin_faults, "benchmark_plugins.attacks.recipes.bae", "from benchmark import Attack\nfrom . import search"),
        (heavy_faults, "benchmark.plan", "if TYPE_CHECKING:\n    import torch\ndef f():\n    import torch"),
        (unsafe_faults, "benchmark.plan", "model.eval()\nf(trust_remote_code=False)"),
    ],
)
def test_checks_let_good_code_pass(check: object, name: str, text: str) -> None:
    assert callable(check)
    assert check(source(name, text)) == []

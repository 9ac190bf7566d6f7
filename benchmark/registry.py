"""Plugins, found by entry point and frozen into a :class:`Registry`. Built-ins take the same road as strangers.

The registry is made by :func:`load_registry` and handed around; there is no module-global state. Every item keeps its
origin. A plugin that fails disables its own items only, and the failure is kept to be shown.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from benchmark.api import Asset, Attack, CompleteDefense, Dataset, Head, Model, Objective, Wrapper
from benchmark.errors import BenchError, DuplicateName, PluginLoadError, UnknownName
from benchmark.hookspecs import PROJECT, HookSpecs
from benchmark.suite import Suite, load_suite

KINDS: Mapping[str, tuple[type, ...]] = {
    "defense": (Head, Objective, Wrapper, CompleteDefense),
    "attack": (Attack,),
    "dataset": (Dataset,),
    "model": (Model,),
    "suite": (Path,),
}


@dataclass(frozen=True)
class Plugin:
    """Where an item comes from."""

    name: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} ({self.distribution} {self.version})"


@dataclass(frozen=True)
class Registered:
    """An item and its origin."""

    kind: str
    name: str
    item: Any
    plugin: Plugin


@dataclass(frozen=True)
class PluginProblem:
    """A plugin that could not be used. ``traceback`` is for ``--traceback`` only."""

    plugin: Plugin
    message: str
    traceback: str


class Registry:
    """All registered items, frozen."""

    def __init__(self, items: Iterable[Registered], problems: Iterable[PluginProblem] = ()) -> None:
        self._items = {(r.kind, r.name): r for r in items}
        self.problems = tuple(problems)

    def items(self, kind: str) -> list[Registered]:
        """Every item of a kind, sorted by name."""
        return [r for (k, _), r in sorted(self._items.items()) if k == kind]

    def get(self, kind: str, name: str) -> Registered:
        """One item; raises UnknownName with near names."""
        found = self._items.get((kind, name))
        if found is None:
            raise UnknownName(kind, name, (r.name for r in self.items(kind)))
        return found

    def default_objective(self) -> Registered:
        """The objective of a defense whose name gives none."""
        marked = [r for r in self.items("defense") if isinstance(r.item, Objective) and r.item.is_default]
        if len(marked) != 1:
            owners = ", ".join(f"{r.name} of {r.plugin}" for r in marked) or "none"
            raise DuplicateName(f"exactly one objective must be the default, found: {owners}", "Check `bench list`")
        return marked[0]

    def suite(self, name: str) -> Suite:
        """A registered suite by name, or a suite file by path (anything that ends in .toml or holds a slash)."""
        if name.endswith(".toml") or "/" in name:
            return load_suite(Path(name))
        return load_suite(self.get("suite", name).item)

    def assets(self) -> list[Asset]:
        """Assets of all items, each once, sorted by name."""
        found = {a.name: a for r in self._items.values() for a in getattr(r.item, "assets", ())}
        return [found[name] for name in sorted(found)]


class _Collector:
    """Collects the items of one plugin at a time, so that each failure and clash names its owner."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Registered] = {}

    def callback(self, kind: str, plugin: Plugin, into: list[Registered]) -> Callable[[Any], None]:
        def register(item: Any) -> None:
            if not isinstance(item, KINDS[kind]):
                wanted = " or ".join(t.__name__ for t in KINDS[kind])
                raise TypeError(f"register_{kind}s takes {wanted}, got {type(item).__name__}")
            name = item.stem if isinstance(item, Path) else str(vars(item)["name"])
            into.append(Registered(kind, name, item, plugin))

        return register

    def add(self, found: list[Registered]) -> None:
        for item in found:
            other = self.items.get((item.kind, item.name))
            if other is not None:
                raise DuplicateName(
                    f"two {item.kind}s are called '{item.name}': one of {other.plugin}, one of {item.plugin}",
                    f"Uninstall {item.plugin.distribution} or {other.plugin.distribution}, or rename the item",
                )
            self.items[item.kind, item.name] = item


def load_registry(extra: Mapping[str, Any] | None = None) -> Registry:
    """Find, import and call every plugin of the entry-point group, in sorted order.

    ``extra`` maps names to plugin objects that are not installed (tests, notebooks). Raises DuplicateName for two
    items of one name; every other failure of a plugin is kept in ``Registry.problems``.
    """
    found = sorted(entry_points(group=PROJECT), key=lambda e: (e.dist.name if e.dist else "", e.name, e.value))
    collector, problems = _Collector(), []
    for entry in found:
        plugin = Plugin(entry.name, entry.dist.name if entry.dist else "?", entry.dist.version if entry.dist else "?")
        try:
            collector.add(_collect(entry.load(), plugin, collector))
        except DuplicateName:
            raise
        except Exception as failure:
            problems.append(_problem(plugin, failure, entry))
    for name, module in (extra or {}).items():
        plugin = Plugin(name, "(not installed)", "0")
        collector.add(_collect(module, plugin, collector))
    return Registry(collector.items.values(), problems)


def _collect(module: Any, plugin: Plugin, collector: _Collector) -> list[Registered]:
    """Call the hooks of one plugin through a pluggy manager of its own; a misspelt hook is an error."""
    import pluggy

    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(HookSpecs)
    manager.register(module, name=plugin.name)
    manager.check_pending()
    found: list[Registered] = []
    for kind in KINDS:
        getattr(manager.hook, f"register_{kind}s")(register=collector.callback(kind, plugin, found))
    return found


def _problem(plugin: Plugin, failure: BaseException, entry: EntryPoint) -> PluginProblem:
    reason = f"{type(failure).__name__}: {failure}".splitlines()[0]
    return PluginProblem(plugin, f"{entry.value}: {reason}", "".join(traceback.format_exception(failure)))


def require_sound(registry: Registry, skip_broken: bool) -> None:
    """Raise PluginLoadError for the first broken plugin, unless told to go on without it."""
    if registry.problems and not skip_broken:
        first = registry.problems[0]
        error: BenchError = PluginLoadError(
            f"plugin {first.plugin} failed: {first.message}",
            "Repair or uninstall it, or run with --skip-broken (the page will say so); `bench doctor` lists all",
        )
        error.add_note(first.traceback)
        raise error

"""The built-in attacks. Importing this package loads no attack library: each builds when a run asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING

from benchmark import hookimpl

if TYPE_CHECKING:
    from benchmark import Attack


@hookimpl
def register_attacks(register: Callable[[Attack], None]) -> None:
    """Every attack of the folders ``recipes`` (TextAttack) and ``openattack``."""
    from benchmark_plugins.attacks import openattack, recipes

    for folder in (recipes, openattack):
        for attack in attacks_in(folder):
            register(attack)


def attacks_in(folder: ModuleType) -> Iterator[Attack]:
    """The ``ATTACK`` or the ``ATTACKS`` of each module of a package, by the module's name."""
    from importlib import import_module
    from pkgutil import iter_modules

    for name in sorted(found.name for found in iter_modules(folder.__path__)):
        module = import_module(f"{folder.__name__}.{name}")
        yield from getattr(module, "ATTACKS", None) or ([module.ATTACK] if hasattr(module, "ATTACK") else [])

"""The built-in attacks. Importing this package loads no attack library: each builds when a run asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from benchmark import hookimpl

if TYPE_CHECKING:
    from benchmark import Attack


@hookimpl
def register_attacks(register: Callable[[Attack], None]) -> None:
    """textfooler, bae and deepwordbug."""
    from benchmark_plugins.attacks import bae, deepwordbug, textfooler

    for module in (textfooler, bae, deepwordbug):
        register(module.ATTACK)

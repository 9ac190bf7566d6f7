"""Built-in defenses: the heads ``mlp`` and ``mvp``, and the default objective ``clean``."""

from __future__ import annotations

from collections.abc import Callable

from benchmark import hookimpl
from benchmark.api import DefensePart


@hookimpl
def register_defenses(register: Callable[[DefensePart], None]) -> None:
    """Register the heads and the objective."""
    from benchmark_plugins.defenses.heads import mlp, mvp
    from benchmark_plugins.defenses.objectives import clean

    for item in (clean.CLEAN, mlp.MLP, mvp.MVP):
        register(item)

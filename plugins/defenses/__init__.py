"""Built-in defenses: the heads ``mlp`` and ``mvp``, and the default objective ``clean``."""

from __future__ import annotations

from collections.abc import Callable

from benchmark import hookimpl
from benchmark.api import DefensePart


@hookimpl
def register_defenses(register: Callable[[DefensePart], None]) -> None:
    """Register heads, objectives and wrappers."""
    from benchmark_plugins.defenses.heads import clsprompt, lpft, mlp, mvp, projectcls, scratch
    from benchmark_plugins.defenses.objectives import clean

    for item in (
        *(mlp.MLP, mvp.MVP, projectcls.PROJECTCLS, lpft.LPFT, clsprompt.CLSPROMPT),
        *(scratch.MLP_SCRATCH, scratch.MVP_SCRATCH),
        clean.CLEAN,
    ):
        register(item)

"""Built-in defenses: the heads ``mlp`` and ``mvp``, and the default objective ``clean``."""

from __future__ import annotations

from collections.abc import Callable

from benchmark import hookimpl
from benchmark.api import DefensePart


@hookimpl
def register_defenses(register: Callable[[DefensePart], None]) -> None:
    """Register heads, objectives and wrappers."""
    from benchmark_plugins.defenses.heads import clsprompt, lpft, mlp, mvp, projectcls, scratch
    from benchmark_plugins.defenses.objectives import (
        ada,
        ascc,
        clean,
        flooding,
        freelb,
        infobert,
        label_smoothing,
        mixada,
        pgd,
        tavat,
        ttso,
    )
    from benchmark_plugins.defenses.wrappers import dne, ranmask, safer, spellcheck, temperature

    heads = (mlp.MLP, mvp.MVP, projectcls.PROJECTCLS, lpft.LPFT, clsprompt.CLSPROMPT)
    untrained = (scratch.MLP_SCRATCH, scratch.MVP_SCRATCH)
    embeddings = (pgd.PGD, freelb.FREELB, freelb.FREELB_PLUS, tavat.TAVAT, infobert.INFOBERT, ascc.ASCC)
    losses = (clean.CLEAN, flooding.FLOODING, label_smoothing.LABEL_SMOOTHING, ttso.TTSO, ttso.TTSO_PLUS)
    data = (ada.ADA, mixada.MIXADA)
    wrappers = (dne.DNE, temperature.TEMPERATURE, ranmask.RANMASK, safer.SAFER, spellcheck.SPELLCHECK)
    for item in (*heads, *untrained, *embeddings, *losses, *data, *wrappers):
        register(item)

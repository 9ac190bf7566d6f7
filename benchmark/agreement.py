"""How much bf16 answers differ from fp32 ones: the same weights, asked about the same clean test rows in both."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from benchmark.plan import Plan, VictimPlan
from benchmark.registry import Registry
from benchmark.suite import Inference, Precision
from benchmark.worker import Workbench, one_thread


class Agreement(NamedTuple):
    """One victim under two arithmetics, over ``rows`` clean test rows."""

    dataset: str
    defense: str
    seed: int
    rows: int
    equal: int
    """Rows with the same prediction."""
    right: dict[Precision, int]
    """Rows predicted as their gold label, by arithmetic."""
    largest: float
    """The largest difference of two logits of the same row and class."""
    mean: float
    """The mean difference of two logits, without its sign."""


def agreements(plan: Plan, cache: Path, registry: Registry) -> list[Agreement]:
    """One for each victim of the plan's ready cells, in their order; a victim without a checkpoint is fitted first.

    Computes in this process with one thread, as a worker does.
    """
    one_thread()
    victims = {cell.victim.key: cell.victim for cell in plan.ready}
    return [_agreement(victim, plan, cache, registry) for victim in victims.values()]


def _agreement(victim: VictimPlan, plan: Plan, cache: Path, registry: Registry) -> Agreement:
    import numpy as np

    logits, labels = {}, np.zeros(0, int)
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    for precision in precisions:
        suite = plan.suite.model_copy(update={"inference": Inference(precision=precision)})
        bench = Workbench(suite, cache, registry)
        rows = bench.sources[victim.dataset].clean_rows(bench.parts(victim.dataset))
        labels = np.array([row.label for row in rows])
        classifier = bench.victim(victim, lambda share, text: None).classifier
        logits[precision] = classifier.logits([row.text for row in rows])
    fp32, bf16 = (logits[precision] for precision in precisions)
    gaps = np.abs(fp32 - bf16)
    return Agreement(
        dataset=victim.dataset,
        defense=victim.defense,
        seed=victim.seed,
        rows=len(labels),
        equal=int((fp32.argmax(-1) == bf16.argmax(-1)).sum()),
        right={precision: int((logits[precision].argmax(-1) == labels).sum()) for precision in precisions},
        largest=float(gaps.max(initial=0)),
        mean=float(gaps.mean()) if gaps.size else 0.0,
    )

"""How much a result varies between training runs, apart from its examples.

Right answers form a table of seeds by examples. Two seeds differ by chance on single examples, and because one training
run came out better: only the second part is a variance *between seeds*. It is the variance component of a crossed
two-way layout (Searle, Casella and McCulloch 1992, *Variance Components*, chapter 4), by the method of moments.

Two or three seeds say next to nothing about a variance. It is therefore pooled over the rows of a table, as an error
variance is in an analysis of variance: rows of share p are taken to have the variance ``c * p * (1 - p)`` with one c.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Scores = NDArray[np.bool_]
    """Seeds by examples: whether the row was right."""


@dataclass(frozen=True)
class SeedVariance:
    """Between-seed variance of a share p is ``factor * p * (1 - p)``, known with ``freedom`` degrees of freedom."""

    factor: float
    freedom: int

    def of(self, scores: Scores) -> float:
        """The variance between seeds of one row's share; p is drawn in a little, so that 0 and 1 vary too."""
        return self.factor * _binomial(scores)


NO_SEEDS = SeedVariance(0.0, 0)
"""For rows of one seed: nothing is known of other seeds, and intervals do not cover them."""


def component(scores: Scores) -> float:
    """Unbiased estimate of the variance between the seeds of one row, which may be negative; two seeds or more.

    ``(MS_seeds - MS_rest) / n`` with the mean squares of the layout without replication.
    """
    table = scores.astype(float)
    seeds, n = table.shape
    by_seed, by_example, whole = table.mean(axis=1), table.mean(axis=0), table.mean()
    between = n * float(((by_seed - whole) ** 2).sum()) / (seeds - 1)
    rest = table - by_seed[:, None] - by_example[None, :] + whole
    within = float((rest**2).sum()) / ((seeds - 1) * (n - 1)) if n > 1 else 0.0
    return float((between - within) / n)


def pooled(rows: Sequence[Scores]) -> SeedVariance:
    """The variance between seeds that the rows of one table share; rows of one seed tell nothing of it.

    Below zero (seeds are more alike than their examples explain) it is zero.
    """
    several = [scores for scores in rows if scores.shape[0] > 1]
    if not several:
        return NO_SEEDS
    share = sum(component(scores) for scores in several) / sum(_binomial(scores) for scores in several)
    return SeedVariance(max(0.0, share), sum(scores.shape[0] - 1 for scores in several))


def _binomial(scores: Scores) -> float:
    """p (1 - p) of the row, with one right and one wrong example added."""
    n = scores.shape[1]
    p = (float(scores.mean()) * n + 1) / (n + 2)
    return float(p * (1 - p))

"""How much a result varies between training runs, and how much of the variation between examples is not theirs.

Right answers form a table of seeds by examples without replication, whose mean squares part its variance (Searle,
Casella and McCulloch 1992, *Variance Components*, chapter 4). The mean of a row errs by other training runs, each of
which has its own chance on every example too: variance ``MS_seeds / n`` of a seed's mean. And it errs by other
examples, beyond that chance: ``(MS_examples - MS_rest) / S`` of an example's mean.

Two or three seeds say next to nothing about the first. It is therefore pooled over the rows of a table, as an error
variance is in an analysis of variance: rows of share p are taken to have the variance ``c * p * (1 - p)`` with one c.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Scores = NDArray[np.bool_]
    """Seeds by examples: whether the row was right."""


class MeanSquares(NamedTuple):
    """Of a table of seeds by examples."""

    seeds: float
    examples: float
    rest: float


@dataclass(frozen=True)
class SeedVariance:
    """A seed's mean of a row of share p has the variance ``factor * p * (1 - p)``, known with ``freedom`` degrees."""

    factor: float
    freedom: int

    def of(self, scores: Scores) -> float:
        """The variance of one seed's mean; p is drawn in a little, so that rows at 0 and 1 vary too."""
        return self.factor * _binomial(scores)


NO_SEEDS = SeedVariance(0.0, 0)
"""For rows of one seed: nothing is known of other seeds, and intervals do not cover them."""


def mean_squares(table: NDArray[Any]) -> MeanSquares:
    """The mean squares of a table of two seeds or more and two examples or more."""
    values = table.astype(float)
    seeds, n = values.shape
    by_seed, by_example, whole = values.mean(axis=1), values.mean(axis=0), values.mean()
    rest = values - by_seed[:, None] - by_example[None, :] + whole
    return MeanSquares(
        seeds=n * float(((by_seed - whole) ** 2).sum()) / (seeds - 1),
        examples=seeds * float(((by_example - whole) ** 2).sum()) / (n - 1),
        rest=float((rest**2).sum()) / ((seeds - 1) * (n - 1)),
    )


def pooled(rows: Sequence[Scores]) -> SeedVariance:
    """The variance of a seed's mean that the rows of one table share; rows of one seed tell nothing of it."""
    several = [scores for scores in rows if scores.shape[0] > 1]
    if not several:
        return NO_SEEDS
    between = sum(mean_squares(scores).seeds / scores.shape[1] for scores in several)
    freedom = sum(scores.shape[0] - 1 for scores in several)
    return SeedVariance(between / sum(_binomial(scores) for scores in several), freedom)


def of_examples(table: NDArray[Any]) -> float:
    """By what the deviations of the examples' means are to be multiplied, so that the seeds' chance is not in them.

    1 for a table of one seed, or whose seeds all agree; 0 where examples differ no more than that chance lets them.
    """
    if table.shape[0] == 1:
        return 1.0
    found = mean_squares(table)
    return math.sqrt(max(0.0, 1 - found.rest / found.examples)) if found.examples > 0 else 1.0


def _binomial(scores: Scores) -> float:
    """p (1 - p) of the row, with one right and one wrong example added."""
    n = scores.shape[1]
    p = (float(scores.mean()) * n + 1) / (n + 2)
    return float(p * (1 - p))

"""Two defenses on the same examples and seeds: the difference, its interval, and a paired test.

The unit is an example: its value is the share of seeds in which the defense is right (clean) or stays right (under an
attack). Seeds are paired by number. Everything is drawn from a fixed seed, so a page is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.errors import BenchError

RESAMPLES = 10_000
CHUNK = 500
"""Resamples made at once; it divides ``RESAMPLES`` and bounds the memory."""
SEED = 20230307

Scores = Mapping[int, Mapping[str, bool]]
"""Seed to example id to whether the defense was right."""


@dataclass(frozen=True)
class Comparison:
    """``second`` minus ``first``, as shares in -1..1; ``low`` and ``high`` bound the 95 % interval."""

    first: float
    second: float
    difference: float
    low: float
    high: float
    p_value: float
    seeds: int
    examples: int


def compare(first: Scores, second: Scores) -> Comparison:
    """The paired comparison of two defenses; raises BenchError where they do not share seeds and examples.

    Interval: hierarchical percentile bootstrap, seeds first, then examples. Test: two-sided sign-flip permutation of
    the differences of the examples (with one seed this is McNemar's test), Monte Carlo with ``RESAMPLES`` draws.
    """
    import numpy as np

    seeds = sorted(first.keys() & second.keys())
    if not seeds or first.keys() != second.keys():
        raise BenchError("the two defenses were not run with the same seeds", "Run both with the same --seed values")
    ids = sorted(first[seeds[0]])
    if any(sorted(scores[seed]) != ids for scores in (first, second) for seed in seeds) or not ids:
        raise BenchError("the two defenses were not measured on the same examples", "Run both on the same suite")
    tables = [np.array([[scores[seed][i] for i in ids] for seed in seeds], dtype=float) for scores in (first, second)]
    change = tables[1] - tables[0]
    rng = np.random.default_rng(SEED)
    means = np.empty(RESAMPLES)
    for start in range(0, RESAMPLES, CHUNK):
        drawn = change[rng.integers(len(seeds), size=(CHUNK, len(seeds)))].mean(axis=1)
        columns = rng.integers(len(ids), size=(CHUNK, len(ids)))
        means[start : start + CHUNK] = np.take_along_axis(drawn, columns, axis=1).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Comparison(
        first=round(float(tables[0].mean()), 6),
        second=round(float(tables[1].mean()), 6),
        difference=round(float(change.mean()), 6),
        low=round(float(low), 6),
        high=round(float(high), 6),
        p_value=round(sign_flip(change.mean(axis=0).tolist()), 6),
        seeds=len(seeds),
        examples=len(ids),
    )


def sign_flip(differences: list[float]) -> float:
    """Two-sided p-value of the mean under random signs of ``differences`` (exact for few non-zero ones)."""
    import numpy as np
    from scipy.stats import permutation_test

    values = np.array([value for value in differences if value != 0.0])
    if len(values) < 2:
        return 1.0
    found = permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=RESAMPLES, rng=np.random.default_rng(SEED)
    )
    return float(found.pvalue)

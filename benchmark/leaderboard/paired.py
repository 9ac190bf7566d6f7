"""Two defenses on the same examples and seeds: the difference with its interval, an effect size, and a paired test.

Seeds are paired by number, examples by id; the unit of the test is the example. Methods: docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmark.errors import BenchError
from benchmark.leaderboard.statistics import DECIMALS
from benchmark.leaderboard.statistics.bootstrap import Estimate, difference, estimate
from benchmark.leaderboard.statistics.seeds import pooled
from benchmark.leaderboard.statistics.significance import holm, odds_ratio, separation

if TYPE_CHECKING:
    from benchmark.leaderboard.statistics.seeds import Scores as Array

Scores = Mapping[int, Mapping[str, bool]]
"""Seed to example id to whether the defense was right."""


@dataclass(frozen=True)
class Comparison:
    """``second`` against ``first``; shares in 0..1, differences in -1..1.

    ``low`` and ``high`` bound the 95 % bootstrap interval of the difference, over examples and, of several, over seeds.
    ``won`` and ``lost`` count the examples that ``second`` gets right in more, and in fewer, seeds than ``first``.
    ``odds`` is their ratio with its exact 95 % interval (None: infinite, or without any such example undefined).
    ``p_exact`` is the exact paired test's, of the models as they were trained; ``p_value`` also asks whether other
    seeds could turn the difference; ``p_adjusted`` is that corrected (Holm) for comparisons that were made together.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    won: int
    lost: int
    odds: float | None
    odds_low: float
    odds_high: float | None
    p_exact: float
    p_value: float
    p_adjusted: float
    seeds: int
    examples: int


def compare(first: Scores, second: Scores) -> Comparison:
    """The paired comparison of two defenses; raises BenchError where they do not share seeds and examples."""
    one, other = _tables(first, second)
    gained = other.sum(axis=0).astype(int) - one.sum(axis=0).astype(int)
    variance = pooled([one, other])
    found: Estimate = estimate(difference(one, other, variance))
    exact, p = (round(value, DECIMALS) for value in separation(one, other, variance))
    won, lost = int((gained > 0).sum()), int((gained < 0).sum())
    odds, low, high = odds_ratio(won, lost)
    return Comparison(
        first=round(float(one.mean()), DECIMALS),
        second=round(float(other.mean()), DECIMALS),
        difference=found.value,
        low=found.low,
        high=found.high,
        won=won,
        lost=lost,
        odds=_rounded(odds),
        odds_low=round(low, DECIMALS),
        odds_high=_rounded(high),
        p_exact=exact,
        p_value=p,
        p_adjusted=p,
        seeds=one.shape[0],
        examples=one.shape[1],
    )


def corrected(found: Sequence[Comparison]) -> list[Comparison]:
    """The same comparisons with ``p_adjusted`` for all of them together (Holm)."""
    adjusted = holm([comparison.p_value for comparison in found])
    return [replace(c, p_adjusted=round(p, DECIMALS)) for c, p in zip(found, adjusted, strict=True)]


def worst_of(attacks: Sequence[Scores]) -> Scores:
    """Right under every attack; over the seeds and examples that all of them share."""
    seeds = set.intersection(*(set(scores) for scores in attacks)) if attacks else set()
    found: dict[int, dict[str, bool]] = {}
    for seed in sorted(seeds):
        ids = set.intersection(*(set(scores[seed]) for scores in attacks))
        found[seed] = {example: all(scores[seed][example] for scores in attacks) for example in sorted(ids)}
    return found


def _tables(first: Scores, second: Scores) -> tuple[Array, Array]:
    import numpy as np

    seeds = sorted(first)
    if not seeds or first.keys() != second.keys():
        raise BenchError(
            f"the two defenses were not run with the same seeds: {_listed(first)} and {_listed(second)}",
            "Run both with the same --seed values, or compare some of them (--seed)",
        )
    ids = sorted(first[seeds[0]])
    if any(sorted(scores[seed]) != ids for scores in (first, second) for seed in seeds) or not ids:
        raise BenchError("the two defenses were not measured on the same examples", "Run both on the same suite")
    one, other = (np.array([[s[seed][i] for i in ids] for seed in seeds], dtype=bool) for s in (first, second))
    return one, other


def _listed(scores: Scores) -> str:
    return ", ".join(map(str, sorted(scores))) or "none"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)

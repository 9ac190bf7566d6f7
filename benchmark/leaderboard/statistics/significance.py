"""Paired tests on common examples, their correction over a table, and the ranks that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmark.leaderboard.collector import set_aside
from benchmark.leaderboard.statistics import SIGNIFICANCE
from benchmark.leaderboard.statistics.bootstrap import difference, two_sided
from benchmark.leaderboard.statistics.seeds import NO_SEEDS, SeedVariance

if TYPE_CHECKING:
    from benchmark.leaderboard.statistics.seeds import Scores


def paired_test(gained: Sequence[int]) -> float:
    """Two-sided exact p-value of "neither row is better", from the difference of the two rows on each example.

    ``gained`` is, for each example, in how many more seeds the second row was right. With one seed the test is exact
    McNemar (by statsmodels). With several it is the exact sign-flip permutation test of the mean difference (Fisher
    1935; Pitman 1937): under the hypothesis each difference is as likely to be its opposite. Examples without a
    difference say nothing, as in McNemar's test, and examples are the unit: seeds share them.
    """
    sizes: dict[int, list[int]] = {}
    for value in gained:
        if value:
            sizes.setdefault(abs(value), [0, 0])[value > 0] += 1
    if not sizes:
        return 1.0
    if len(sizes) == 1:
        from statsmodels.stats.contingency_tables import mcnemar

        ((lost, won),) = sizes.values()
        return min(1.0, float(mcnemar([[0, lost], [won, 0]], exact=True).pvalue))
    return _sign_flip({size: lost + won for size, (lost, won) in sizes.items()}, abs(sum(gained)))


def separation(first: Scores, second: Scores, variance: SeedVariance = NO_SEEDS) -> tuple[float, float]:
    """P-values of two rows on the same examples: of the models as trained, and of the two ways to train them.

    The first is :func:`paired_test`. The second also asks whether other seeds could turn the difference: it is the
    larger of the first and of the bootstrap over examples and seeds (an intersection-union test, Berger 1982). With one
    seed nothing is known of others, and the two are the same.
    """
    gained = second.sum(axis=0).astype(int) - first.sum(axis=0).astype(int)
    exact = paired_test(gained.tolist())
    return exact, exact if first.shape[0] == 1 else max(exact, two_sided(difference(first, second, variance)))


def _sign_flip(counts: Mapping[int, int], observed: int) -> float:
    """P(|sum| >= observed) where ``counts[m]`` differences of size m have random signs: binomials, convolved."""
    import numpy as np
    from scipy.stats import binom

    reach = sum(size * count for size, count in counts.items())
    chances = np.ones(1)
    for size, count in sorted(counts.items()):
        spread = np.zeros(2 * size * count + 1)
        spread[:: 2 * size] = binom.pmf(np.arange(count + 1), count, 0.5)
        chances = np.convolve(chances, spread)
    sums = np.arange(-reach, reach + 1)
    return min(1.0, float(chances[np.abs(sums) >= observed].sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for the whole family by Holm's step-down method (Holm 1979), by statsmodels."""
    if not p_values:
        return []
    from statsmodels.stats.multitest import multipletests

    with set_aside():  # multipletests collects cycles, which takes a second for a page of many records
        return [float(p) for p in multipletests(p_values, method="holm")[1]]


def ranks(size: int, above: Mapping[tuple[int, int], float]) -> list[int]:
    """Rank of each of ``size`` rows: 1 + the number of rows that are significantly above it.

    ``above`` maps (better row, worse row) to the adjusted p-value. Rows that nothing separates share a rank.
    """
    found = [1] * size
    for (_, worse), p in above.items():
        found[worse] += p < SIGNIFICANCE
    return found


def odds_ratio(won: int, lost: int) -> tuple[float | None, float, float | None]:
    """Matched odds ratio ``won / lost`` with its exact 95 % interval; None where it has no upper end.

    The interval is Clopper and Pearson's (1934) for ``won`` of all discordant examples, taken to odds (Fay 2010).
    Without a discordant example the ratio is None and the interval everything.
    """
    if won + lost == 0:
        return None, 0.0, None
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(won, won + lost, alpha=SIGNIFICANCE, method="beta")

    def odds(share: float) -> float | None:
        return None if share >= 1 else share / (1 - share)

    return (won / lost if lost else None), odds(float(low)) or 0.0, odds(float(high))

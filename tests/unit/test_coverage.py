"""Simulations with a known truth: how often intervals cover it, and how often ranks separate equals.

Answers are correlated within an example (some texts are hard for every model) and, over several seeds, within a
training run. Draws are seeded, so the shares below are always the same.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom, norm

from benchmark.leaderboard.metrics import proportion
from benchmark.leaderboard.statistics import SIGNIFICANCE
from benchmark.leaderboard.statistics.bootstrap import Estimate, difference, estimate, mean, share
from benchmark.leaderboard.statistics.seeds import pooled
from benchmark.leaderboard.statistics.significance import holm, paired_test, separation

SHARES = (0.1, 0.2, 0.2, 0.3, 0.4, 0.5)
"""True worst cases of the rows of a table."""
EXAMPLES = 0.6
"""Share of the latent variance that lies in the example."""
RUNS = 0.006
"""Share that lies in the training run: a standard deviation of 1.4 points at 10 %, 3.1 points at 50 %."""

Table = NDArray[np.bool_]


def answers(
    rng: np.random.Generator, shares: tuple[float, ...], seeds: int, n: int, runs: float = RUNS
) -> NDArray[np.bool_]:
    """Rows by seeds by examples. Each answer is right where a latent normal value is below the quantile of the share,
    so that the mean over all seeds and examples is exactly that share."""
    rows = len(shares)
    latent = np.sqrt(EXAMPLES * (1 - runs)) * rng.normal(size=(1, 1, n))
    latent = latent + np.sqrt(runs) * rng.normal(size=(rows, seeds, 1))
    latent = latent + np.sqrt((1 - EXAMPLES) * (1 - runs)) * rng.normal(size=(rows, seeds, n))
    right: NDArray[np.bool_] = latent < norm.ppf(shares)[:, None, None]
    return right


def covers(found: Estimate, truth: float) -> bool:
    return found.low <= truth <= found.high


@pytest.mark.parametrize("n", [60, 200, 1000])
def test_a_proportion_is_covered(n: int) -> None:
    """Exactly, by summing over all counts; averaged over shares, since a count is a whole number."""
    intervals = [proportion(count, n) for count in range(n + 1)]
    low, high = (np.array([getattr(found, end) for found in intervals]) for end in ("low", "high"))
    truths = np.linspace(0.03, 0.97, 95)
    shares = np.array([binom.pmf(range(n + 1), n, p)[(low <= p) & (p <= high)].sum() for p in truths])
    assert 0.94 <= shares.mean() <= 0.96
    assert ((shares >= 0.93) & (shares <= 0.97)).mean() >= 0.95


@pytest.mark.parametrize("n", [60, 200])
def test_a_worst_case_over_attacks_is_covered(n: int) -> None:
    """Five attacks that each break an example where they are stronger than it; the truth from two million examples."""
    rng = np.random.default_rng(11)

    def held(count: int) -> Table:
        ease = rng.normal(size=count)
        right: Table = np.all(ease[:, None] + rng.normal(size=(count, 5)) > -0.4, axis=1)
        return right

    truth = float(held(2_000_000).mean())
    known: dict[int, Estimate] = {}
    hits = 0
    for _ in range(4_000):
        count = int(held(n).sum())
        if count not in known:
            known[count] = estimate(share(np.arange(n)[None, :] < count))
        hits += covers(known[count], truth)
    assert 0.93 <= hits / 4_000 <= 0.97


@pytest.mark.parametrize("n", [60, 200])
def test_a_difference_of_two_models_is_covered(n: int) -> None:
    rng = np.random.default_rng(12)
    known: dict[tuple[int, ...], Estimate] = {}
    hits = 0
    for _ in range(3_000):
        first, second = answers(rng, (0.2, 0.35), 1, n, runs=0.0)
        key = tuple(np.bincount((second.astype(int) - first)[0] + 1, minlength=3).tolist())
        if key not in known:
            known[key] = estimate(difference(first, second))
        hits += covers(known[key], 0.15)
    assert 0.93 <= hits / 3_000 <= 0.97


@pytest.mark.parametrize(("seeds", "n"), [(2, 60), (2, 200), (3, 60), (5, 100)])
def test_a_row_of_several_seeds_and_its_difference_are_covered(seeds: int, n: int) -> None:
    """The truth is that of the training procedure: over all seeds and examples, not of the seeds that were run."""
    rng = np.random.default_rng(13)
    trials = 350
    rows, gaps = 0, 0
    for _ in range(trials):
        tables = answers(rng, SHARES, seeds, n)
        variance = pooled(list(tables))
        rows += sum(covers(estimate(share(t, variance)), p) for t, p in zip(tables, SHARES, strict=True))
        for one, other in ((0, 1), (1, 2), (3, 5)):
            found = estimate(difference(tables[one], tables[other], variance))
            gaps += covers(found, SHARES[other] - SHARES[one])
    assert 0.93 <= rows / (6 * trials) <= 0.97
    assert 0.93 <= gaps / (3 * trials) <= 0.97


def test_resampling_two_seeds_as_they_are_would_cover_too_little() -> None:
    """Why the seeds' part is drawn from Student's t: examples alone, and naive draws of two seeds, fall short."""
    rng = np.random.default_rng(14)
    alone = naive = 0
    for _ in range(600):
        (table,) = answers(rng, (0.4,), 2, 200, runs=0.02)
        alone += covers(estimate(share(table)), 0.4)
        runs = table.mean(axis=1)[rng.integers(2, size=(400, 2))].mean(axis=1) - table.mean()
        examples = table.mean(axis=0)[rng.integers(200, size=(400, 200))].mean(axis=1)
        low, high = np.percentile(examples + runs, [2.5, 97.5])
        naive += low <= 0.4 <= high
    assert alone / 600 < 0.85
    assert naive / 600 < 0.92


def test_a_mean_over_two_data_sets_is_covered() -> None:
    rng = np.random.default_rng(15)
    hits = 0
    for _ in range(1_000):
        halves = [answers(rng, SHARES, 2, 60), answers(rng, SHARES, 2, 90)]
        parts = [share(tables[row], pooled(list(tables))) for tables, row in zip(halves, (1, 4), strict=True)]
        hits += covers(mean(parts), 0.3)
    assert 0.93 <= hits / 1_000 <= 0.97


@pytest.mark.parametrize(("seeds", "n"), [(1, 60), (1, 200), (2, 60), (2, 120)])
def test_equal_models_are_separated_in_at_most_five_per_cent_of_tables(seeds: int, n: int) -> None:
    """Six models that are equally robust, 500 tables. Holm separates a pair just where m times the least p is small."""
    rng = np.random.default_rng(16)
    separated = 0
    for _ in range(500):
        counts = answers(rng, (0.35,) * 6, seeds, n, runs=0.0).sum(axis=1).astype(int)
        p_values = [paired_test((counts[i] - counts[j]).tolist()) for i, j in combinations(range(6), 2)]
        separated += min(p_values) * len(p_values) < SIGNIFICANCE
    assert min(holm(p_values)) == pytest.approx(min(1.0, min(p_values) * len(p_values)))
    assert separated / 500 <= 0.05


@pytest.mark.parametrize(("seeds", "n"), [(2, 60), (2, 200), (3, 120)])
def test_equally_good_ways_to_train_are_separated_in_at_most_five_per_cent_of_tables(seeds: int, n: int) -> None:
    """Training runs differ here, so the models of one table are not equally robust; the ways to train them are."""
    rng = np.random.default_rng(18)
    separated = 0
    for _ in range(500):
        tables = answers(rng, (0.35,) * 6, seeds, n)
        variance = pooled(list(tables))
        pairs = (separation(one, other, variance)[1] for one, other in combinations(tables, 2))
        separated += min(pairs) * 15 < SIGNIFICANCE
    assert separated / 500 <= 0.05


def test_the_test_is_one_of_means_where_seeds_of_one_row_agree_more() -> None:
    """Why no sign test over seeds: one row wins in both seeds on few examples, the other in one seed on twice as many.

    The rows are equally robust in the mean; counting signs would separate them again and again.
    """
    rng = np.random.default_rng(17)
    drawn = rng.choice([2, -1, 0], p=[0.1, 0.2, 0.7], size=(600, 200))
    flips = np.mean([paired_test(gained.tolist()) < 0.05 for gained in drawn])
    signs = np.mean([paired_test(np.sign(gained).tolist()) < 0.05 for gained in drawn])
    assert flips <= 0.07
    assert signs > 0.3

"""Intervals, tests, ranks, sample sizes: by hand, by enumeration, against scipy and statsmodels, and as properties."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom, binomtest, bootstrap, norm, permutation_test
from statsmodels.stats.contingency_tables import mcnemar

from benchmark.leaderboard.statistics.bootstrap import Resampled, difference, estimate, estimates, mean, share
from benchmark.leaderboard.statistics.power import detectable_difference
from benchmark.leaderboard.statistics.seeds import NO_SEEDS, SeedVariance, mean_squares, of_examples, pooled
from benchmark.leaderboard.statistics.significance import holm, odds_ratio, paired_test, ranks

Table = NDArray[np.bool_]


def table(*rows: str) -> Table:
    return np.array([[mark == "1" for mark in row] for row in rows])


def tables(seeds: int, n: int) -> st.SearchStrategy[Table]:
    size = seeds * n
    return st.lists(st.booleans(), min_size=size, max_size=size).map(lambda v: np.array(v).reshape(seeds, n))


SHAPES = st.tuples(st.integers(1, 3), st.integers(2, 12))


# --- the bootstrap over examples -----------------------------------------------------------------------------------


def enumerated(values: list[float]) -> dict[float, float]:
    """Probability of each mean over all resamples of a few values."""
    found: dict[float, float] = {}
    for drawn in product(values, repeat=len(values)):
        key = round(sum(drawn) / len(drawn), 9)
        found[key] = found.get(key, 0.0) + len(values) ** -len(values)
    return found


@pytest.mark.parametrize("rows", [("1101",), ("1100", "0100"), ("111", "000", "010")])
def test_the_distribution_is_that_of_all_resamples(rows: tuple[str, ...]) -> None:
    scores = table(*rows)
    expected = enumerated([*scores.mean(axis=0).tolist(), 0.0, 1.0])
    found = share(scores)
    assert dict(zip(np.round(found.points, 9), found.weights, strict=True)) == pytest.approx(expected)


def test_the_distribution_of_a_difference_is_that_of_all_resamples() -> None:
    first, second = table("1100", "0110"), table("1011", "1010")
    gained = (second.sum(axis=0) - first.sum(axis=0).astype(float)) / 2
    found = difference(first, second)
    expected = enumerated([*gained.tolist(), -0.5, 0.5])
    assert dict(zip(np.round(found.points, 9), found.weights, strict=True)) == pytest.approx(expected)


def test_one_seed_gives_the_quantiles_of_a_binomial() -> None:
    """17 of 60 right: resamples of 62 with 18 right have Binomial(62, 18 / 62) right answers."""
    found = estimate(share(np.arange(60)[None, :] < 17))
    low, high = binom.ppf([0.025, 0.975], 62, 18 / 62) / 62
    assert (found.value, found.low, found.high) == pytest.approx((17 / 60, low, high), abs=1e-6)


def test_agrees_with_the_bootstrap_of_scipy() -> None:
    """scipy draws; its percentile interval of the same values, with the added examples, differs by its own noise."""
    rng = np.random.default_rng(5)
    scores = rng.random((3, 80)) < rng.random(80)
    values = np.concatenate([scores.mean(axis=0), [0.0, 1.0]])
    drawn = bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(6))
    found = estimate(share(scores))
    assert found.low == pytest.approx(drawn.confidence_interval.low, abs=0.006)
    assert found.high == pytest.approx(drawn.confidence_interval.high, abs=0.006)


def test_none_and_all_right_have_no_empty_interval() -> None:
    none, every = estimates([np.zeros((1, 60), dtype=bool), np.ones((1, 60), dtype=bool)])
    # Resamples of 62 with one right: P(at most 3) = 0.982 is the first above 0.975.
    assert (none.value, none.low, none.high) == (0.0, 0.0, round(3 / 62, 6))
    assert (every.low, every.high) == (pytest.approx(1 - none.high, abs=1e-6), 1.0)


@settings(deadline=None, max_examples=60)
@given(SHAPES.flatmap(lambda shape: st.tuples(tables(*shape), tables(*shape))))
def test_intervals_contain_the_value_and_turn_with_the_sign(pair: tuple[Table, Table]) -> None:
    first, second = pair
    variance = pooled([first, second])
    for found in (*estimates([first, second]), *estimates([~first, ~second])):
        assert 0 <= found.low <= found.value <= found.high <= 1
    right, wrong = estimate(share(first, variance)), estimate(share(~first, variance))
    assert (wrong.low, wrong.high) == pytest.approx((1 - right.high, 1 - right.low), abs=2e-6)
    there, back = (estimate(difference(*order, variance)) for order in ((first, second), (second, first)))
    assert -1 <= there.low <= there.value <= there.high <= 1
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=2e-6)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 3).flatmap(lambda seeds: tables(seeds, 12)), st.floats(0, 0.05), st.floats(0, 0.05))
def test_more_variance_between_seeds_never_narrows(scores: Table, one: float, other: float) -> None:
    less, more = sorted((one, other))
    narrow, wide = (estimate(share(scores, SeedVariance(factor, 4))) for factor in (less, more))
    slack = 1.01 / (14 * scores.shape[0])  # without any noise an end lies on a lattice point
    assert wide.low <= narrow.low + slack
    assert wide.high >= narrow.high - slack


@settings(deadline=None, max_examples=40)
@given(st.integers(5, 60), st.data())
def test_a_right_answer_more_moves_no_end_down(n: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, n - 1))
    less, more = (estimate(share(np.arange(n)[None, :] < k)) for k in (count, count + 1))
    assert less.low <= more.low
    assert less.high <= more.high


# --- seeds ---------------------------------------------------------------------------------------------------------


def test_mean_squares_by_hand() -> None:
    """Seed means 3/4 and 1/4, example means 1, 1/2, 1/2, 0, all 1/2; residuals are 1/4 of either sign, twice zero."""
    scores = table("1110", "1000")
    found = mean_squares(scores)
    assert found.seeds == pytest.approx(4 * 2 * 0.25**2)
    assert found.examples == pytest.approx(2 * 2 * 0.5**2 / 3)
    assert found.rest == pytest.approx(8 * 0.25**2 / 3)
    # The share with one right and one wrong example added is (0.5 * 4 + 1) / 6 = 0.5.
    assert pooled([scores]) == SeedVariance(pytest.approx(0.5 / 4 / 0.25), 1)
    assert of_examples(scores) == pytest.approx(math.sqrt(1 - 0.5))


def test_mean_squares_are_those_of_an_analysis_of_variance() -> None:
    import pandas as pd
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    scores = np.random.default_rng(2).random((3, 30)) < 0.4
    frame = pd.DataFrame([{"y": float(scores[s, e]), "seed": str(s), "example": str(e)} for s, e in np.ndindex(3, 30)])
    squares = anova_lm(ols("y ~ C(seed) + C(example)", frame).fit())["mean_sq"]
    expected = tuple(squares[name] for name in ("C(seed)", "C(example)", "Residual"))
    assert tuple(mean_squares(scores)) == pytest.approx(expected)


def test_alike_seeds_have_no_variance_and_single_ones_are_silent() -> None:
    assert pooled([table("1100", "1100")]) == SeedVariance(0.0, 1)
    assert of_examples(table("1100", "1100")) == 1.0
    assert pooled([table("1100"), table("0100")]) == NO_SEEDS
    assert of_examples(table("1100")) == 1.0
    assert pooled([table("1100"), table("11", "00")]).freedom == 1


def test_seeds_add_students_t() -> None:
    """On a row whose examples are all alike in the mean, what remains is the two added examples and t."""
    found = share(table("10" * 50, "01" * 50), SeedVariance(0.1, 3))
    assert found.scale == pytest.approx(math.sqrt(0.1 * 0.25 / 2))
    rng = np.random.default_rng(3)
    drawn = rng.choice(found.points, 200_000, p=found.weights) + found.scale * rng.standard_t(3, 200_000)
    expected = np.clip(np.percentile(drawn, [2.5, 97.5]), 0, 1)
    interval = estimate(found)
    assert (interval.low, interval.high) == pytest.approx(tuple(expected), abs=0.01)


# --- means over data sets --------------------------------------------------------------------------------------------


def test_mean_over_data_sets_against_draws() -> None:
    rng = np.random.default_rng(4)
    parts = [share(rng.random((1, 60)) < 0.3), share(rng.random((2, 45)) < 0.6, SeedVariance(0.01, 5))]
    found = mean(parts)

    def draws(part: Resampled) -> NDArray[np.float64]:
        noise = part.scale * rng.standard_t(max(1, part.freedom), 400_000)
        return rng.choice(part.points, 400_000, p=part.weights) + noise

    expected = np.percentile(np.mean([draws(part) for part in parts], axis=0), [2.5, 97.5])
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.003)
    assert found.value == pytest.approx((parts[0].value + parts[1].value) / 2, abs=1e-6)
    assert (found.n, found.seeds) == (105, 1)
    assert mean(parts[:1]) == estimate(parts[0])


# --- tests -----------------------------------------------------------------------------------------------------------


def flipped(gained: list[int]) -> float:
    """P(|sum| >= observed) by trying all signs."""
    sums = [
        abs(sum(s * d for s, d in zip(signs, gained, strict=True))) for signs in product((1, -1), repeat=len(gained))
    ]
    return sum(value >= abs(sum(gained)) for value in sums) / len(sums)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-3, 3), max_size=9))
def test_the_paired_test_against_all_signs(gained: list[int]) -> None:
    assert paired_test(gained) == pytest.approx(flipped(gained))
    assert paired_test([-value for value in gained]) == pytest.approx(paired_test(gained))
    assert paired_test([*gained, 0, 0]) == pytest.approx(paired_test(gained))


@pytest.mark.parametrize(("lost", "won"), [(0, 6), (3, 11), (7, 7), (40, 62), (0, 1)])
def test_one_seed_is_exact_mcnemar(lost: int, won: int) -> None:
    found = paired_test([-1] * lost + [1] * won + [0] * 9)
    assert found == pytest.approx(min(1.0, mcnemar([[9, lost], [won, 0]], exact=True).pvalue))
    assert found == pytest.approx(binomtest(won, won + lost).pvalue)


def test_several_seeds_agree_with_the_permutation_test_of_scipy() -> None:
    gained = np.random.default_rng(7).integers(-2, 4, 14)
    expected = permutation_test((gained,), np.mean, permutation_type="samples", n_resamples=10**6).pvalue
    assert paired_test(gained.tolist()) == pytest.approx(expected)


def test_large_samples_agree_with_the_normal_approximation() -> None:
    gained = [2] * 300 + [-2] * 260 + [1] * 700 + [-1] * 690
    z = (sum(gained) - 0.5) / math.sqrt(sum(value * value for value in gained))
    assert paired_test(gained) == pytest.approx(2 * norm.sf(z), rel=0.02)


def test_holm_by_hand() -> None:
    """Sorted 0.01 to 0.04: times 4, 3, 2, 1 are 0.04, 0.06, 0.06, 0.04, and none may fall below one before it."""
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.5]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@settings(deadline=None, max_examples=20)  # statsmodels collects garbage at each call
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_steps_down(p_values: list[float]) -> None:
    """By its definition: of the k-th smallest, the largest of (m - j + 1) p_j for j up to k."""
    steps = [min(1.0, (len(p_values) - j) * p) for j, p in enumerate(sorted(p_values))]
    expected = {p: max(steps[: j + 1]) for j, p in enumerate(sorted(p_values))}
    assert holm(p_values) == pytest.approx([expected[p] for p in p_values])


def test_ranks_count_the_rows_significantly_above() -> None:
    # 0 beats 2 and 3, 1 beats 3, nothing else is separated.
    above = {(0, 1): 0.4, (0, 2): 0.049, (0, 3): 0.001, (1, 2): 0.05, (1, 3): 0.01, (2, 3): 0.2}
    assert ranks(4, above) == [1, 1, 2, 3]
    assert ranks(0, {}) == []


def test_odds_ratio_by_hand() -> None:
    # 6 : 0. Clopper-Pearson for 6 of 6 reaches down to 0.025^(1/6) = 0.540742.
    assert odds_ratio(6, 0) == (None, pytest.approx(0.540742 / 0.459258, abs=1e-4), None)
    assert odds_ratio(0, 6) == (0.0, 0.0, pytest.approx(0.459258 / 0.540742, abs=1e-4))
    assert odds_ratio(0, 0) == (None, 0.0, None)


# --- sample sizes ----------------------------------------------------------------------------------------------------


def test_detectable_difference_by_hand() -> None:
    """n = 100, psi = 0.3: sqrt(.3) * (1.959964 * 10 + 0.841621 * sqrt(96.866868)) / 100.708326 = 0.151639."""
    found = detectable_difference(100, 0.3)
    assert found == pytest.approx(0.151639, abs=1e-5)
    # Connor's sample size of that difference is the sample.
    size = (1.959964 * math.sqrt(0.3) + 0.841621 * math.sqrt(0.3 - found**2)) ** 2 / found**2
    assert size == pytest.approx(100, abs=1e-3)


def test_no_difference_is_larger_than_the_discordance() -> None:
    # With psi = 0.1 the form gives 0.116 for 60 examples; with psi = d it solves to:
    found = detectable_difference(60, 0.1)
    size = (1.959964 * math.sqrt(found) + 0.841621 * math.sqrt(found - found**2)) ** 2 / found**2
    assert size == pytest.approx(60, abs=1e-3)
    assert detectable_difference(3) == 1.0


def test_the_exact_test_finds_the_detectable_difference_about_as_often_as_said() -> None:
    rng = np.random.default_rng(8)
    n, psi = 200, 0.3
    d = detectable_difference(n, psi)
    drawn = rng.multinomial(n, [(psi + d) / 2, (psi - d) / 2, 1 - psi], size=2_000)
    won, total = drawn[:, 0], drawn[:, 0] + drawn[:, 1]
    p_values = np.minimum(1.0, 2 * binom.cdf(np.minimum(won, total - won), total, 0.5))
    assert 0.74 <= (p_values < 0.05).mean() <= 0.82  # the exact test is a little conservative


@given(st.integers(10, 5_000), st.integers(1, 500), st.floats(0.02, 0.9))
def test_more_examples_find_smaller_differences(n: int, more: int, psi: float) -> None:
    assert detectable_difference(n + more, psi) <= detectable_difference(n, psi)
    assert detectable_difference(n, psi, 0.05 / 15) >= detectable_difference(n, psi)

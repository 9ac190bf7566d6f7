"""The paired comparison against values by hand and an independent library."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from benchmark.errors import BenchError
from benchmark.leaderboard.paired import compare, sign_flip


def scores(*rows: str) -> dict[int, dict[str, bool]]:
    """One string a seed: ``1`` right, ``0`` wrong."""
    return {seed: {f"e{n}": mark == "1" for n, mark in enumerate(row)} for seed, row in enumerate(rows)}


def test_means_and_difference_are_those_of_the_table() -> None:
    found = compare(scores("1100", "1000"), scores("1110", "1010"))
    assert (found.first, found.second, found.difference) == (3 / 8, 5 / 8, 2 / 8)
    assert (found.seeds, found.examples) == (2, 4)
    assert found.low <= found.difference <= found.high


def test_with_one_seed_the_test_is_mcnemars() -> None:
    first, second = "1" * 4 + "0" * 9 + "1" * 20, "0" * 4 + "1" * 9 + "1" * 20
    found = compare(scores(first), scores(second))
    expected = mcnemar([[20, 4], [9, 0]], exact=True).pvalue
    assert found.p_value == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("differences", "p"), [([1.0, 1.0, 1.0], 0.25), ([0.0, 0.0], 1.0), ([1.0, -1.0], 1.0)])
def test_few_differences_are_tested_exactly(differences: list[float], p: float) -> None:
    assert sign_flip(differences) == pytest.approx(p)


def test_equal_defenses_differ_by_nothing() -> None:
    same = scores("1010", "0110")
    found = compare(same, same)
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_the_interval_covers_the_true_difference_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(60):
        table = rng.random((2, 60)) < np.array([[0.4], [0.6]])
        rows = ["".join("01"[int(v)] for v in row) for row in table]
        found = compare(scores(rows[0]), scores(rows[1]))
        hits += found.low <= 0.2 <= found.high
    assert hits >= 52


def test_other_seeds_or_examples_are_refused() -> None:
    with pytest.raises(BenchError, match="same seeds"):
        compare(scores("10"), scores("10", "01"))
    with pytest.raises(BenchError, match="same examples"):
        compare(scores("10"), scores("101"))

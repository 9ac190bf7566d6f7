"""The paired comparison of two defenses, against values by hand and independent libraries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar
from test_leaderboard_page import fill
from typer.testing import CliRunner

from benchmark.cli.main import make_app
from benchmark.errors import BenchError
from benchmark.leaderboard.paired import compare, corrected, worst_of
from benchmark.store import Store


def scores(*rows: str) -> dict[int, dict[str, bool]]:
    """One string a seed: ``1`` right, ``0`` wrong."""
    return {seed: {f"e{n:02}": mark == "1" for n, mark in enumerate(row)} for seed, row in enumerate(rows)}


def test_means_difference_and_deciding_examples_are_those_of_the_table() -> None:
    found = compare(scores("1100", "1000"), scores("1110", "1010"))
    assert (found.first, found.second, found.difference) == (3 / 8, 5 / 8, 2 / 8)
    assert (found.won, found.lost, found.odds) == (1, 0, None)
    assert (found.seeds, found.examples) == (2, 4)
    assert found.low <= found.difference <= found.high


def test_with_one_seed_the_test_is_mcnemars_and_the_effect_its_odds_ratio() -> None:
    first, second = "1" * 4 + "0" * 9 + "1" * 20, "0" * 4 + "1" * 9 + "1" * 20
    found = compare(scores(first), scores(second))
    assert found.p_value == pytest.approx(mcnemar([[20, 4], [9, 0]], exact=True).pvalue, abs=1e-6)
    assert (found.won, found.lost, found.odds) == (9, 4, 2.25)
    # Clopper and Pearson's interval of 9 of 13, as odds.
    share = binomtest(9, 13).proportion_ci(0.95, method="exact")
    assert found.odds_low == pytest.approx(share.low / (1 - share.low), abs=1e-5)
    assert found.odds_high == pytest.approx(share.high / (1 - share.high), abs=1e-5)


def test_equal_defenses_differ_by_nothing() -> None:
    same = scores("1010", "0110")
    found = compare(same, same)
    assert (found.difference, found.p_value, found.won, found.lost, found.odds) == (0, 1, 0, 0, None)
    assert found.low == -found.high


def test_swapping_the_two_turns_the_sign() -> None:
    one, other = scores("110010", "100110"), scores("111011", "010111")
    there, back = compare(one, other), compare(other, one)
    assert (there.low, there.difference, there.high) == (-back.high, -back.difference, -back.low)
    assert there.p_value == back.p_value


def test_several_comparisons_are_corrected_together() -> None:
    """Holm by hand: 0.03125 * 2, then the larger one stays as it is, since nothing above it is larger."""
    clear, none = compare(scores("000000"), scores("111111")), compare(scores("10"), scores("01"))
    assert [c.p_value for c in corrected([none, clear])] == [1.0, 0.03125]
    assert [c.p_adjusted for c in corrected([none, clear])] == [1.0, 0.0625]


def test_worst_case_over_attacks() -> None:
    assert worst_of([scores("1100", "1111"), scores("1010", "0111")]) == scores("1000", "0111")
    assert worst_of([]) == {}


def test_other_seeds_or_examples_are_refused() -> None:
    with pytest.raises(BenchError, match="same seeds: 0 and 0, 1"):
        compare(scores("10"), scores("10", "01"))
    with pytest.raises(BenchError, match="same examples"):
        compare(scores("10"), scores("101"))


SUITE_FILE = """
name = "toy"
version = 1
title = "Toy"
model = "tiny"
defenses = ["plain", "firm"]
attacks = ["swap", "typo"]

[contract]
name = "toy-contract"
perturbed_words = 0.3
queries_per_word = 50

[datasets.reviews]
sample = ["e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7"]
"""


def test_the_command_compares_clean_each_attack_and_the_worst_case(tmp_path: Path) -> None:
    """plain holds swap 00001111 and typo 01100111 (skipped counts as wrong), firm 11111111 and 11111110."""
    fill(Store(tmp_path / "store"))
    (tmp_path / "toy.toml").write_text(SUITE_FILE, encoding="utf-8")
    options = ["--suite", str(tmp_path / "toy.toml"), "--store", str(tmp_path / "store")]
    result = CliRunner().invoke(make_app(), ["compare", "plain", "firm", *options, "--json"], catch_exceptions=False)
    lines = {line["under"]: line for line in json.loads(result.output)["comparisons"]}
    assert list(lines) == ["clean", "swap", "typo", "worst case"]
    assert [lines["swap"][field] for field in ("first", "second", "won", "lost")] == [0.5, 1, 4, 0]
    worst = lines["worst case"]
    assert (worst["first"], worst["second"], worst["won"], worst["p_exact"]) == (0.375, 0.875, 5, 0.21875)
    # Holm over 1, 0.125, 0.375 and 0.21875: the smallest times 4, and none below one before it.
    assert lines["swap"]["p_adjusted"] == 0.5
    shown = CliRunner().invoke(make_app(), ["compare", "plain", "firm", *options], catch_exceptions=False)
    assert "firm minus plain, points (toy v1)" in shown.output
    with pytest.raises(BenchError, match="measured dataset called 'revews'"):
        CliRunner().invoke(
            make_app(), ["compare", "plain", "firm", *options, "--dataset", "revews"], catch_exceptions=False
        )

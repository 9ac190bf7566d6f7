"""Signs of gradient masking: each can be raised, each has a near case that does not raise it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmark.leaderboard.curves import Attacked
from benchmark.leaderboard.flags import (
    BLACK_BOX_STRONGER,
    FLAT_CURVE,
    ZERO_GRADIENTS,
    access_of,
    flags_of,
    mcnemar,
)
from benchmark.leaderboard.statistics.significance import paired_test
from benchmark.records import CellFile, ExampleRecord, Outcome

LETTERS = {"s": "skipped", "h": "held", "b": "broken", "x": "exhausted", "e": "error", "i": "invalid"}


def attack(
    name: str, outcomes: str, access: str | None = None, queries: list[int] | None = None, words: int = 100,
    per_word: int | None = 50, defense: str = "plain", provenance: dict[str, Any] | None = None,
) -> Attacked:  # fmt: skip
    spec = {"contract": {"queries_per_word": per_word}, "attack": {"name": name}}
    cell = CellFile(
        key=f"{defense}-{name}", suite="toy", suite_version=1, dataset="reviews", defense=defense, attack=name,
        attack_display=name, seed=0, model="tiny", spec=spec,
        provenance={**({"attack_access": access} if access else {}), **(provenance or {})},
    )  # fmt: skip
    used = queries or [10] * len(outcomes)
    records = [
        ExampleRecord(
            cell=cell.key, example_id=f"e{n:03}", label=1, prediction=1, outcome=Outcome(LETTERS[letter]), text="t",
            queries=used[n], forwards=0, words=words,
        )
        for n, letter in enumerate(outcomes)
    ]  # fmt: skip
    return cell, records


def names(*cells: Attacked) -> list[str]:
    return [flag.name for flag in flags_of(cells)]


@pytest.mark.parametrize(
    ("mine", "theirs", "p"),
    [(6, 0, 2 / 2**6), (5, 0, 2 / 2**5), (0, 0, 1.0), (3, 3, 1.0), (8, 1, 2 * (1 + 9) / 2**9)],
)
def test_mcnemar_is_twice_the_binomial_tail(mine: int, theirs: int, p: float) -> None:
    assert mcnemar(mine, theirs) == pytest.approx(p)


def test_mcnemar_agrees_with_the_paired_test_of_the_page() -> None:
    assert mcnemar(8, 1) == pytest.approx(paired_test([1] * 8 + [-1] + [0] * 5))


def test_a_stronger_black_box_attack_is_flagged_with_its_numbers() -> None:
    black, white = attack("swap", "b" * 6 + "hbse", "score"), attack("grad", "h" * 6 + "hbsb", "gradient")
    (flag,) = flags_of([black, white])
    assert (flag.name, flag.dataset, flag.defense, flag.seed) == (BLACK_BOX_STRONGER, "reviews", "plain", 0)
    assert flag.numbers == {
        "black_box": "swap", "white_box": "grad", "black_box_only": 6, "white_box_only": 0, "examples": 8,
        "p_value": 0.03125,
    }  # fmt: skip
    assert "swap" in flag.sentence


@pytest.mark.parametrize("access", ["score", "decision"])
def test_five_of_five_are_not_significant_and_the_other_way_round_is_no_sign(access: str) -> None:
    assert names(attack("swap", "bbbbb", access), attack("grad", "hhhhh", "gradient")) == []
    assert names(attack("swap", "h" * 9, access), attack("grad", "b" * 9, "gradient")) == []
    assert names(attack("swap", "b" * 9, access), attack("grad", "h" * 9, "gradient")) == [BLACK_BOX_STRONGER]


def test_errors_of_the_white_box_attack_are_no_weakness() -> None:
    assert names(attack("swap", "b" * 9, "score"), attack("grad", "e" * 9, "gradient")) == []


def test_the_strongest_white_box_attack_counts() -> None:
    black, weak = attack("swap", "b" * 9, "score"), attack("weak", "h" * 9, "gradient")
    assert names(black, weak) == [BLACK_BOX_STRONGER]
    assert names(black, weak, attack("grad", "b" * 8 + "h", "gradient")) == []


def test_many_attacks_need_more_evidence() -> None:
    """Holm: 6 of 6 (p 0.031) passes alone, not beside a second comparison of no effect."""
    white, black = attack("grad", "h" * 6, "gradient"), attack("swap", "b" * 6, "score")
    assert names(black, white) == [BLACK_BOX_STRONGER]
    assert names(black, attack("typo", "h" * 6, "score"), white) == []


def test_other_victims_and_unknown_access_are_not_compared() -> None:
    assert names(attack("swap", "b" * 9, "score"), attack("grad", "h" * 9, "gradient", defense="firm")) == []
    assert names(attack("swap", "b" * 9), attack("grad", "h" * 9, "gradient")) == []


def test_access_comes_from_provenance_then_specification() -> None:
    cell, _ = attack("swap", "b", "score")
    assert access_of(cell) == "score"
    spec = {"attack": {"name": "swap", "access": "gradient"}}
    assert access_of(cell.model_copy(update={"spec": spec})) == "score"
    assert access_of(cell.model_copy(update={"spec": spec, "provenance": {}})) == "gradient"
    assert access_of(cell.model_copy(update={"spec": {}, "provenance": {}})) is None


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        ({"zero_gradients": 0.51}, [ZERO_GRADIENTS]),
        ({"zero_gradients": 0.5}, []),
        ({"zero_gradients": None}, []),
        ({}, []),
        (None, []),
        ({"zero_gradients": "many"}, []),
    ],
)
def test_zero_gradients(probe: Any, expected: list[str]) -> None:
    both = [attack(name, "hh", provenance={"probe": probe}) for name in ("a", "b")]
    assert names(*both) == expected  # once a victim, not once an attack


def flat(broken: list[int], exhausted: int, words: int = 100, per_word: int | None = 50) -> list[str]:
    outcomes, queries = "b" * len(broken) + "x" * exhausted, [*broken, *[words * (per_word or 0)] * exhausted]
    return names(attack("swap", outcomes, queries=queries, words=words, per_word=per_word))


def test_flat_curve_with_most_examples_out_of_queries() -> None:
    assert flat([5] * 8, 12) == [FLAT_CURVE]
    assert flat([5] * 10, 10) == [FLAT_CURVE]  # half of them is enough
    assert flat([5] * 11, 10) == []  # fewer than half
    assert flat([5] * 7, 12) == []  # 19 are too few
    assert flat([], 20) == [FLAT_CURVE]
    assert names(attack("swap", "h" * 40)) == []  # an attack that gives up is another matter


def test_growth_within_the_last_three_steps_is_growth() -> None:
    assert flat([5] * 7 + [100], 12) == [FLAT_CURVE]
    assert flat([5] * 7 + [101], 12) == []
    assert flat([5] * 7 + [1000], 12) == []
    assert flat([5] * 7 + [1001], 12) == [FLAT_CURVE]  # beyond the last budget nothing is looked at


def test_only_steps_within_the_examples_own_budgets_count() -> None:
    # 4 words: own budget 200, so the last steps are 20 to 50 to 100 to 200
    assert flat([5] * 7 + [20], 12, words=4) == [FLAT_CURVE]
    assert flat([5] * 7 + [30], 12, words=4) == []
    # 1 word: own budget 50, only three budgets, too few steps to say anything
    assert flat([5] * 8, 12, words=1) == []


def test_numbers_of_a_flat_curve() -> None:
    (flag,) = flags_of([attack("swap", "b" * 8 + "x" * 12, queries=[5] * 8 + [5000] * 12)])
    assert flag.numbers == {
        "attack": "swap", "broken": 8, "exhausted": 12, "first_budget": 100, "last_budget": 1000,
        "broken_at_first": 8, "broken_at_last": 8,
    }  # fmt: skip


def test_command_prints_table_and_json(monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from benchmark.cli import selected
    from benchmark.cli.main import make_app

    pairs = [attack("swap", "b" * 9, "score"), attack("grad", "h" * 9, "gradient"), attack("old", "h" * 9)]
    monkeypatch.setattr(selected, "selected", lambda *args: pairs)
    out = CliRunner().invoke(make_app(), ["flags", "--suite", "mini"], env={"COLUMNS": "120"})
    assert out.exit_code == 0, out.output
    assert BLACK_BOX_STRONGER in out.output
    assert "1 of 1 victims" in out.output
    assert "old" in out.output
    data = json.loads(CliRunner().invoke(make_app(), ["flags", "--suite", "mini", "--json"]).output)
    assert data["flags"][0]["numbers"]["black_box_only"] == 9
    assert data["attacks_of_unknown_access"] == ["old"]

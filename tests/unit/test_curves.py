"""Budget curves: points by hand, and the property they rest on, against real runs of a small attack."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmark.api import Example
from benchmark.engine import QueryCounter, VictimInfo
from benchmark.errors import BadRecord, BudgetExhausted
from benchmark.evaluate import Target, attack_example
from benchmark.leaderboard.curves import BUDGETS, WORST_CASE, curve, curves_of, outcome_within
from benchmark.leaderboard.metrics import ROBUST, accuracy_under_attack, proportion, worst_case
from benchmark.records import CellFile, ExampleRecord, Outcome
from benchmark.suite import Contract
from benchmark.validate import Validator

INFO = VictimInfo(2, "[MASK]", "[UNK]")


def cell(attack: str = "swap", defense: str = "plain", per_word: int | None = 50, **more: Any) -> CellFile:
    spec = {"contract": {"queries_per_word": per_word}, "attack": {"name": attack}, "defense": defense}
    return CellFile(
        key=f"{defense}-{attack}", suite="toy", suite_version=1, dataset="reviews", defense=defense, attack=attack,
        attack_display=attack, seed=0, model="tiny", spec=spec, **more,
    )  # fmt: skip


def record(outcome: str, queries: int, example: str = "e", words: int = 100) -> ExampleRecord:
    return ExampleRecord(
        cell="c", example_id=example, label=1, prediction=1, outcome=Outcome(outcome), text="t", queries=queries,
        forwards=0, words=words,
    )  # fmt: skip


def records(*rows: tuple[str, int], words: int = 100) -> list[ExampleRecord]:
    return [record(outcome, queries, f"e{n}", words) for n, (outcome, queries) in enumerate(rows)]


def robust_by_budget(found: Any) -> list[int]:
    return [round(point.accuracy.value * point.accuracy.n) for point in found.points]


def test_points_by_hand() -> None:
    rows = records(
        ("broken", 10), ("broken", 11), ("broken", 150), ("held", 400), ("invalid", 30),
        ("exhausted", 900), ("skipped", 0), ("error", 60),
    )  # fmt: skip
    found = curve(cell(), rows)
    assert [point.budget for point in found.points] == [10, 20, 50, 100, 200, 500, 1000]
    # robust at 10: two of the broken, held, invalid, exhausted; never the skipped one nor the error
    assert robust_by_budget(found) == [5, 4, 4, 4, 3, 3, 3]
    assert (found.examples, found.errors) == (8, 1)
    assert found.points[1].accuracy == proportion(4, 8)


def test_a_large_budget_gives_the_published_number() -> None:
    rows = records(("broken", 10), ("held", 4), ("error", 5), ("skipped", 0), ("exhausted", 900))
    assert curve(cell(), rows, [10**6]).points[0].accuracy == accuracy_under_attack(rows)


def test_worst_case_takes_every_attack_at_the_same_budget() -> None:
    swap = (cell("swap"), records(("broken", 15), ("held", 9), ("held", 9), ("error", 1)))
    typo = (cell("typo"), records(("held", 15), ("broken", 90), ("held", 9), ("held", 9)))
    found = {c.attack: c for c in curves_of([typo, swap])}
    assert list(found) == ["swap", "typo", WORST_CASE]
    assert robust_by_budget(found[WORST_CASE]) == [3, 2, 2, 1, 1, 1, 1]
    assert (found[WORST_CASE].errors, found[WORST_CASE].examples) == (1, 4)
    alone = curves_of([swap, (cell("swap", "firm"), swap[1])])
    assert [c.attack for c in alone] == ["swap", "swap"]


def test_no_worst_case_around_a_hole() -> None:
    found = curves_of([(cell("swap"), records(("held", 1), ("held", 1))), (cell("typo"), records(("held", 1)))])
    assert all(point.accuracy is None for point in found[-1].points)


ROWS = st.lists(st.tuples(st.sampled_from([o.value for o in Outcome]), st.integers(0, 1100)), min_size=1, max_size=6)


@given(ROWS, ROWS, ROWS)
def test_curves_are_what_their_definition_says(
    a: list[tuple[str, int]], b: list[tuple[str, int]], c: list[tuple[str, int]]
) -> None:
    attacked = [(cell(name), records(*found)) for name, found in (("a", a), ("b", b), ("c", c))]
    *singles, worst = curves_of(attacked)
    ids = sorted({r.example_id for _, found in attacked for r in found})
    for place, budget in enumerate(BUDGETS):
        within = {k.key: {r.example_id: outcome_within(r, budget) for r in found} for k, found in attacked}
        for single, (mine, found) in zip(singles, attacked, strict=True):
            robust = sum(outcome in ROBUST for outcome in within[mine.key].values())
            assert single.points[place].accuracy == proportion(robust, len(found))
        values = list(worst_case(ids, within).values())
        expected = None if None in values else proportion(sum(v is True for v in values), len(values))
        assert worst.points[place].accuracy == expected


def test_points_beyond_an_own_budget_say_so() -> None:
    # 50 queries a word: the first two may ask 100, the third 1000
    rows = [record("exhausted", 99, "a", 2), record("held", 70, "b", 2), record("exhausted", 999, "c", 20)]
    points = {p.budget: (p.capped, p.cut) for p in curve(cell(), rows).points}
    assert points == {10: (0, 0), 20: (0, 0), 50: (0, 0), 100: (0, 0), 200: (2, 1), 500: (2, 1), 1000: (2, 1)}
    assert {(p.capped, p.cut) for p in curve(cell(per_word=None), rows).points} == {(0, 0)}


def test_nothing_attacked_is_no_zero_and_a_doubled_example_is_refused() -> None:
    assert curve(cell(), []).points[0].accuracy is None
    with pytest.raises(BadRecord, match="two records"):
        curve(cell(), [record("held", 1), record("held", 1)])


class Odd:
    """Label 1, except for texts of which a hash says 0; ``chance`` in a hundred."""

    forwards_per_prediction = 1

    def __init__(self, chance: int, original: str) -> None:
        self.chance, self.original = chance, original

    def flips(self, text: str) -> bool:
        return text != self.original and random.Random(text).random() * 100 < self.chance

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[1.0, 0.0] if self.flips(t) else [0.0, 1.0] for t in texts], np.float32)


class Guesser:
    """Asks lists of candidate words, sizes and words drawn from the seed; gives up after some lists, or crashes."""

    def __init__(self, sizes: Sequence[int], crash: bool) -> None:
        self.sizes, self.crash = sizes, crash

    def attack(self, victim: QueryCounter, example: Example, seed: int) -> str | None:
        drawn = random.Random(seed)
        for size in self.sizes:
            texts = [f"w{drawn.randrange(10**6)}" for _ in range(size)]
            for text, logits in zip(texts, victim.logits(texts), strict=True):
                if logits.argmax() != example.label:
                    return text
        if self.crash:
            raise RuntimeError("out of ideas")
        return None


def attacked(chance: int, sizes: Sequence[int], crash: bool, budget: int | None, name: str) -> ExampleRecord:
    """One real run through the harness; the text has one word, so the budget a word is the budget."""
    text = f"start{name}"
    validator = Validator(Contract(name="test", queries_per_word=budget), None)
    target = Target(Odd(chance, text), INFO)
    return attack_example(Guesser(sizes, crash), target, validator, Example(name, text, 1), "cell")


@settings(max_examples=60, deadline=None)
@given(
    chance=st.sampled_from([0, 1, 5, 30]),
    sizes=st.lists(st.integers(1, 80), min_size=1, max_size=25),
    crash=st.booleans(),
    full=st.sampled_from([None, 1000, 100, 37]),
    budget=st.integers(1, 1200),
)
def test_a_run_at_the_budget_goes_as_the_curve_says(
    chance: int, sizes: list[int], crash: bool, full: int | None, budget: int
) -> None:
    """The recorded run has the budget ``full``; the curve is right at every budget up to it."""
    budget = budget if full is None else min(budget, full)
    names = [f"n{i}" for i in range(4)]
    recorded = [attacked(chance, sizes, crash, full, name) for name in names]
    real = [attacked(chance, sizes, crash, budget, name) for name in names]
    for before, again in zip(recorded, real, strict=True):
        assert again.queries <= budget
        if before.outcome is not Outcome.ERROR:  # with fewer queries what raised may run out of them instead
            assert outcome_within(before, budget) is again.outcome
        assert (outcome_within(before, budget) is Outcome.BROKEN) == (again.outcome is Outcome.BROKEN)
    point = curve(cell(per_word=full), recorded, [budget]).points[0]
    assert point.accuracy is not None
    fair = [r for b, r in zip(recorded, real, strict=True) if b.outcome is not Outcome.ERROR]
    assert round(point.accuracy.value * 4) == sum(r.outcome in ROBUST for r in fair)


def test_the_property_is_about_lists_and_not_about_texts() -> None:
    """A list that overshoots is not answered in part: 3 of budget 4 are left, the next list stays unseen."""
    victim = QueryCounter(Odd(100, "start"), INFO, 4)
    victim.logits(["start"] * 3)
    with pytest.raises(BudgetExhausted):
        victim.logits(["a", "b"])
    assert victim.queries == 3


def test_the_curve_never_rises() -> None:
    drawn = random.Random(3)
    rows = records(*[(drawn.choice([*Outcome]), drawn.randrange(1500)) for _ in range(200)])
    counts = robust_by_budget(curve(cell(), rows))
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


def test_command_prints_table_and_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from benchmark.cli import selected
    from benchmark.cli.main import make_app

    pairs = [(cell(), records(("broken", 15), ("exhausted", 99), words=2))]
    monkeypatch.setattr(selected, "selected", lambda *args: pairs)
    out = CliRunner().invoke(make_app(), ["curves", "--suite", "mini"], env={"COLUMNS": "80"})
    assert out.exit_code == 0, out.output
    for expected in ("100.0", "50.0*", "queries_per_word", "cannot rise", "swap"):
        assert expected in out.output
    out = CliRunner().invoke(make_app(), ["curves", "--suite", "mini", "--json"])
    data = json.loads(out.output)
    assert [p["budget"] for p in data["curves"][0]["points"]] == list(BUDGETS)
    assert data["curves"][0]["points"][-1]["cut"] == 1

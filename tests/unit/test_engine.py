"""The choke point: both counters against a classifier that counts for itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.api import TokenGradients
from benchmark.engine import QueryCounter, VictimInfo, probe_determinism
from benchmark.errors import BenchError, BudgetExhausted

INFO = VictimInfo(2, "[MASK]", "[UNK]")


class CountingClassifier:
    """Scores a text by its length; keeps what it was asked."""

    forwards_per_prediction = 3

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked.append(list(texts))
        return np.array([[len(t), 1.0] for t in texts], np.float32)


def test_logical_queries_count_duplicates_and_forwards_do_not() -> None:
    classifier = CountingClassifier()
    counter = QueryCounter(classifier, INFO)
    answer = counter.logits(["aa", "b", "aa"])
    counter.logits(["b"])
    assert answer.tolist() == [[2, 1], [1, 1], [2, 1]]
    assert counter.queries == 4
    assert classifier.asked == [["aa", "b"]]
    assert counter.forwards == 2 * 3


@pytest.mark.parametrize("budget", [1, 2, 10])
def test_budget_ends_at_the_query_that_would_overshoot(budget: int) -> None:
    counter = QueryCounter(CountingClassifier(), INFO, budget)
    for n in range(budget):
        counter.logits([f"text {n}"])
    assert not counter.exhausted
    with pytest.raises(BudgetExhausted):
        counter.logits(["one more"])
    assert counter.exhausted
    assert counter.queries == budget


def test_a_list_over_the_budget_is_not_answered_in_part() -> None:
    classifier = CountingClassifier()
    counter = QueryCounter(classifier, INFO, 2)
    with pytest.raises(BudgetExhausted):
        counter.logits(["a", "b", "c"])
    assert classifier.asked == []
    assert counter.queries == 0


def test_the_harness_looks_without_spending_budget() -> None:
    counter = QueryCounter(CountingClassifier(), INFO, 1)
    counter.uncounted(["a", "b"])
    assert (counter.queries, counter.forwards) == (0, 6)


def test_scores_are_rounded_so_that_the_last_bits_do_not_decide() -> None:
    class Noisy(CountingClassifier):
        def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return np.array([[0.1234567, 2.0]] * len(texts), np.float32)

    assert QueryCounter(Noisy(), INFO).logits(["a"])[0, 0] == np.float32(0.12346)


@pytest.mark.parametrize("bad", [np.zeros((1, 3), np.float32), np.array([[np.nan, 0.0]], np.float32)])
def test_wrong_shapes_and_nan_are_refused(bad: NDArray[np.float32]) -> None:
    class Broken(CountingClassifier):
        def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return bad

    with pytest.raises(BenchError, match="logit"):
        QueryCounter(Broken(), INFO).logits(["a"])


def test_probe_finds_dropout_left_on() -> None:
    class Random(CountingClassifier):
        def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return np.random.default_rng().normal(size=(len(texts), 2)).astype(np.float32)

    assert probe_determinism(CountingClassifier(), ["a", "b"])
    assert not probe_determinism(Random(), ["a", "b"])


@pytest.mark.parametrize(("value", "passes"), [(0.0, True), (float("nan"), False), (float("inf"), False)])
def test_a_gradient_that_is_not_finite_is_an_error_and_costs_a_query(value: float, passes: bool) -> None:
    class WhiteBox:
        forwards_per_prediction = 2

        def gradients(self, text: str, label: int) -> TokenGradients:
            return TokenGradients(((0, 1),), (1,), np.full((1, 2), value, np.float32))

    counter = QueryCounter(WhiteBox(), VictimInfo(2, "[MASK]", "[UNK]"), budget=1)  # type: ignore[arg-type]
    if passes:
        counter.gradients("a", 0)
    else:
        with pytest.raises(BenchError, match="not finite"):
            counter.gradients("a", 0)
    assert (counter.queries, counter.forwards) == (1, 2)
    with pytest.raises(BudgetExhausted):
        counter.gradients("a", 0)

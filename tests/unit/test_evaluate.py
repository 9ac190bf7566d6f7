"""Every outcome, decided by the harness and not by the attack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.api import Example
from benchmark.engine import VictimInfo
from benchmark.evaluate import Target, attack_example
from benchmark.records import ExampleRecord
from benchmark.suite import Contract
from benchmark.validate import Validator

TEXT = "one two three four five six seven eight nine good"


class GoodIsOne:
    """Label 1 where the text holds the word ``good``."""

    forwards_per_prediction = 1

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[0.0, 1.0] if "good" in t.split() else [1.0, 0.0] for t in texts], np.float32)


VICTIM = VictimInfo(2, "[MASK]", "[UNK]")


class Scripted:
    """An attack that does what the test says."""

    def __init__(self, behave: Callable[[Any], str | None]) -> None:
        self.behave = behave

    def attack(self, victim: Any, example: Example, seed: int) -> str | None:
        return self.behave(victim)


def run(
    behave: Callable[[Any], str | None], label: int = 1, share: float = 0.2, per_word: int | None = None
) -> ExampleRecord:
    contract = Contract(name="test", perturbed_words=share, queries_per_word=per_word)
    validator = Validator(contract, None)
    return attack_example(Scripted(behave), Target(GoodIsOne(), VICTIM), validator, Example("id", TEXT, label), "cell")


def swap(victim: Any) -> str:
    return TEXT.replace("good", "fine")


def test_broken_is_rescored_and_measured() -> None:
    record = run(swap)
    assert (record.outcome, record.prediction, record.adversarial_prediction) == ("broken", 1, 0)
    assert (record.words, record.perturbed_words, record.perturbed_share) == (10, 1, 0.1)
    assert record.queries == 0


def test_a_wrong_clean_prediction_is_skipped_and_never_attacked() -> None:
    def fail(victim: Any) -> str:
        raise AssertionError("attacked a skipped example")

    assert run(fail, label=0).outcome == "skipped"


def test_held_when_nothing_or_the_same_text_or_no_flip_comes_back() -> None:
    assert run(lambda v: None).outcome == "held"
    assert run(lambda v: TEXT).outcome == "held"
    claimed = run(lambda v: TEXT.replace("one", "uno"))
    assert (claimed.outcome, claimed.adversarial_prediction) == ("held", 1)


def test_a_flip_outside_the_contract_is_invalid() -> None:
    record = run(lambda v: "a b c d e f g h i j")
    assert record.outcome == "invalid"
    assert record.violations == ("perturbed words: 10 > 2",)


def test_exhausted_also_when_the_library_swallows_the_exception() -> None:
    def swallow(victim: Any) -> str | None:
        try:
            for n in range(100):
                victim.logits([f"text {n}"])
        except Exception:
            return None
        return None

    def honest(victim: Any) -> str | None:
        victim.logits(["x"] * 11)
        return None

    assert run(swallow, per_word=1).outcome == "exhausted"
    assert run(swallow, per_word=1).queries == 10
    assert run(honest, per_word=1).outcome == "exhausted"


@pytest.mark.parametrize("value", [3, ["list"]])
def test_a_crash_or_a_wrong_type_is_an_error_with_its_reason(value: Any) -> None:
    def crash(victim: Any) -> str:
        raise ZeroDivisionError("by zero")

    crashed = run(crash)
    assert (crashed.outcome, crashed.error) == ("error", "ZeroDivisionError: by zero")
    assert run(lambda v: value).outcome == "error"


def test_the_seed_is_set_for_the_attack_and_the_state_restored() -> None:
    import random

    drawn: list[tuple[float, float]] = []

    def draw(victim: Any) -> None:
        drawn.append((random.random(), float(np.random.rand())))

    random.seed(5)
    before = random.getstate()
    run(draw)
    assert random.getstate() == before
    run(draw)
    assert drawn[0] == drawn[1]

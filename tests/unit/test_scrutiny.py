"""Victims that would mislead an attack: randomised, miscalibrated, with frozen columns; and the native track."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmark.api import COLUMN_SEPARATOR, Example, TokenGradients, Track
from benchmark.calibration import calibration_error, is_miscalibrated
from benchmark.choice import every_attack, native, suite_named
from benchmark.engine import ExpectationCounter, QueryCounter, VictimInfo
from benchmark.errors import BudgetExhausted
from benchmark.evaluate import Target, attack_example
from benchmark.frozen import FrozenColumns, FrozenVictim, Gate
from benchmark.probe import disagreement, probe, zero_gradients
from benchmark.registry import load_registry
from benchmark.suite import Contract, Scrutiny
from benchmark.validate import Validator

INFO = VictimInfo(2, "[MASK]", "[UNK]")


class Coin:
    """Right (label 1) in every draw whose number is not a multiple of ``period``; ``sure`` texts always."""

    forwards_per_prediction = 1

    def __init__(self, period: int, sure: frozenset[str] = frozenset(), draw: int = 0, seen: list[int] | None = None):
        self.period, self.sure, self.draw, self.seen = period, sure, draw, [] if seen is None else seen

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        wrong = [text not in self.sure and self.draw % self.period == 0 for text in texts]
        return np.array([[2.0, 0.0] if bad else [0.0, 2.0] for bad in wrong], np.float32)

    def redrawn(self, draw: int) -> Coin:
        self.seen.append(draw)
        return Coin(self.period, self.sure, draw, self.seen)


class Says:
    """An attack that returns one text, after ``queries`` queries."""

    def __init__(self, text: str | None, queries: int = 0) -> None:
        self.text, self.queries = text, queries

    def attack(self, victim: Any, example: Example, seed: int) -> str | None:
        for _ in range(self.queries):
            victim.logits([example.text])
        return self.text


def validator(**clauses: Any) -> Validator:
    return Validator(Contract(name="test", **clauses), None)


# --- randomised victims -------------------------------------------------------------------------------------------


def test_a_query_is_the_log_of_the_mean_probability_over_fresh_draws_and_never_cached() -> None:
    numbers = iter([1, 2, 3, 4, 5, 6, 7, 8])
    coin = Coin(period=2)
    counter = ExpectationCounter(coin, INFO, None, 4, lambda what, number: next(numbers))
    first = counter.logits(["a text"])[0]
    # Draws 1..4: two of four are wrong. p(right) = (2 e^2/(1+e^2) + 2 /(1+e^2)) / 4 = 1/2.
    assert first == pytest.approx(np.log([0.5, 0.5]), abs=1e-5)
    counter.logits(["a text"])
    assert coin.seen == [1, 2, 3, 4, 5, 6, 7, 8]
    assert (counter.queries, counter.forwards) == (2, 8)


def test_the_budget_holds_for_a_randomised_victim() -> None:
    counter = ExpectationCounter(Coin(2), INFO, 1, 4, lambda what, number: number)
    counter.logits(["a"])
    with pytest.raises(BudgetExhausted):
        counter.logits(["b"])


@pytest.mark.parametrize("sure", [frozenset({"clean one two"}), frozenset({"clean one two", "other one two"})])
def test_final_texts_are_judged_by_the_majority_of_fresh_draws(sure: frozenset[str]) -> None:
    victim = Coin(period=1, sure=sure)  # wrong in every draw, but on the sure texts
    record = attack_example(
        Says("other one two"), Target(victim, INFO, 2, 8), validator(), Example("x", "clean one two", 1), "cell"
    )
    assert (record.draws, record.clean_wrong) == (8, 0)
    broken = "other one two" not in sure
    assert record.outcome == ("broken" if broken else "held")
    assert record.final_wrong == (8 if broken else 0)


def test_a_randomised_victim_that_is_mostly_wrong_on_the_original_is_skipped() -> None:
    record = attack_example(Says("b"), Target(Coin(1), INFO, 2, 8), validator(), Example("x", "a", 1), "cell")
    assert (record.outcome, record.clean_wrong, record.final_wrong) == ("skipped", 8, 8)


def test_a_held_example_keeps_the_draws_of_its_original() -> None:
    """Draw numbers are hashes: about half of them are even, and the record counts exactly those that were."""
    victim = Coin(period=2)
    record = attack_example(Says(None), Target(victim, INFO, 2, 15), validator(), Example("x", "a b", 1), "c")
    wrong = sum(draw % 2 == 0 for draw in victim.seen)
    assert len(victim.seen) == 15
    assert record.clean_wrong == record.final_wrong == wrong
    assert record.outcome == ("skipped" if wrong > 7 else "held")


def test_disagreement_counts_the_minority_of_draws() -> None:
    assert disagreement(Coin(period=5), ["a", "b"], draws=5) == pytest.approx(1 / 5)  # draw 0 alone is wrong
    assert disagreement(QuietVictim(), ["a"]) is None


# --- miscalibrated victims ----------------------------------------------------------------------------------------


class QuietVictim:
    """Logits are tiny differences: right where the text holds ``good``."""

    forwards_per_prediction = 1

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[0.0, 1e-3] if "good" in t.split() else [1e-3, 0.0] for t in texts], np.float32)


class NeedsConfidence:
    """Gives up unless the victim answers with a confidence above 0.6; then replaces ``good``."""

    def attack(self, victim: Any, example: Example, seed: int) -> str | None:
        logits = victim.logits([example.text])[0]
        confidence = np.exp(logits.max()) / np.exp(logits).sum()
        return example.text.replace("good", "fine") if confidence > 0.6 else None


def test_what_held_is_attacked_again_through_the_temperature_and_the_worse_counts() -> None:
    example = Example("x", "a good film", 1)
    plain = attack_example(NeedsConfidence(), Target(QuietVictim(), INFO), validator(), example, "cell")
    again = attack_example(NeedsConfidence(), Target(QuietVictim(), INFO, temperature=1e-4), validator(), example, "c")
    assert (plain.outcome, plain.temperature) == ("held", None)
    assert (again.outcome, again.temperature, again.queries) == ("broken", 1e-4, 1)
    assert again.forwards == 3  # the original for each of the two searches, and the adversarial text


def test_a_retry_that_fails_leaves_the_first_outcome() -> None:
    record = attack_example(
        Says(None, 2), Target(QuietVictim(), INFO, temperature=2.0), validator(), Example("x", "a good film", 1), "c"
    )
    assert (record.outcome, record.temperature, record.queries) == ("held", None, 2)


def test_the_harness_judges_without_the_temperature() -> None:
    counter = QueryCounter(QuietVictim(), INFO, temperature=1e-3)
    assert counter.logits(["good"])[0] == pytest.approx([0.0, 1.0])
    assert counter.uncounted(["good"])[0] == pytest.approx([0.0, 1e-3])


def test_calibration_error_by_hand() -> None:
    """Two texts at confidence 0.8 (one right), two at 0.95 (both right): (2 * |0.8-0.5| + 2 * |0.95-1|) / 4."""
    rows = np.log(np.array([[0.8, 0.2], [0.8, 0.2], [0.05, 0.95], [0.05, 0.95]]))
    assert calibration_error(rows, [0, 1, 1, 1], bins=15) == pytest.approx((2 * 0.3 + 2 * 0.05) / 4)


def test_the_probe_tells_an_underconfident_victim() -> None:
    found = probe(QuietVictim(), [Example(str(i), "good" if i % 2 else "bad", i % 2) for i in range(20)])
    assert found["accuracy"] == 1.0
    assert found["confidence"] == pytest.approx(0.5, abs=1e-3)
    assert "zero_gradients" not in found
    assert is_miscalibrated(found)
    assert not is_miscalibrated({"accuracy": 0.8, "confidence": 0.85, "temperature": 1.2})
    assert not is_miscalibrated({})


def test_zero_gradients_are_counted() -> None:
    class Flat(QuietVictim):
        def gradients(self, text: str, label: int) -> TokenGradients:
            size = 0.0 if text == "dead" else 1.0
            return TokenGradients(((0, 1),), (5,), np.full((1, 3), size, np.float32))

    examples = [Example("1", "dead", 0), Example("2", "alive", 1), Example("3", "dead", 1), Example("4", "dead", 1)]
    assert zero_gradients(Flat(), examples) == 0.75


# --- frozen columns -----------------------------------------------------------------------------------------------

column = st.text(st.characters(exclude_characters=COLUMN_SEPARATOR, codec="utf-8"), max_size=8)


@given(st.lists(column, min_size=1, max_size=4), st.sets(st.integers(0, 3)))
def test_free_text_goes_back_to_where_it_came_from(columns: list[str], frozen: set[int]) -> None:
    text = COLUMN_SEPARATOR.join(columns)
    taken = FrozenColumns.of(text, sorted(frozen))
    assert taken.whole(taken.text) == text


@given(st.lists(column, min_size=2, max_size=4), st.integers(0, 3), st.text(max_size=12))
def test_whatever_an_attack_returns_frozen_columns_stay(columns: list[str], frozen: int, edited: str) -> None:
    frozen %= len(columns)
    found = FrozenColumns.of(COLUMN_SEPARATOR.join(columns), [frozen]).whole(edited).split(COLUMN_SEPARATOR)
    assert len(found) == len(columns)
    assert found[frozen] == columns[frozen]


class Recorder:
    """A victim that remembers what it was asked, and answers with one gradient a character."""

    num_labels, mask_token, unknown_token = 2, "[MASK]", "[UNK]"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        return np.zeros((len(texts), 2), np.float32)

    def gradients(self, text: str, label: int) -> TokenGradients:
        spans = tuple((i, i + 1) for i, c in enumerate(text) if c != COLUMN_SEPARATOR)
        rows = np.array([[ord(text[a])] for a, _ in spans], np.float32).reshape(-1, 1)
        return TokenGradients(spans, tuple(range(len(spans))), rows)


def test_the_victim_reads_the_whole_text_and_shows_gradients_of_the_free_part() -> None:
    victim = Recorder()
    shown = FrozenVictim(victim, FrozenColumns.of(f"premise{COLUMN_SEPARATOR}hypothesis", [0]))  # type: ignore[arg-type]
    shown.logits(["guess"])
    assert victim.asked == [f"premise{COLUMN_SEPARATOR}guess"]
    found = shown.gradients("abc", 1)
    assert found.spans == ((0, 1), (1, 2), (2, 3))
    assert found.gradients.ravel().tolist() == [ord("a"), ord("b"), ord("c")]


def test_an_attack_on_a_pair_sees_the_free_column_and_the_record_holds_the_whole_text() -> None:
    text = f"frozen part{COLUMN_SEPARATOR}a good film"
    seen = []

    class Replace:
        def attack(self, victim: Any, example: Example, seed: int) -> str:
            seen.append(example.text)
            return example.text.replace("good", "fine")

    checked = validator(frozen_columns=(0,))
    record = attack_example(Replace(), Target(QuietVictim(), INFO), checked, Example("x", text, 1), "c", Gate(checked))
    assert seen == ["a good film"]
    assert record.outcome == "broken"
    assert record.adversarial_text == f"frozen part{COLUMN_SEPARATOR}a fine film"


def test_the_gate_judges_whole_texts() -> None:
    gate = Gate(validator(perturbed_words=0.3))
    with gate.holding(FrozenColumns.of(f"one two three four five{COLUMN_SEPARATOR}six seven", [0])):
        assert gate.admissible("six seven", ["nine ten", "nine ten eleven"]) == [True, False]  # 2 of 7 words, 3 of 7
    assert gate.admissible("six seven", ["nine seven", "nine ten"]) == [True, False]  # 1 of 2 words, 2 of 2


# --- tracks, states, selection ------------------------------------------------------------------------------------


def test_the_native_track_is_a_suite_of_its_own_and_binds_nothing() -> None:
    registry = load_registry()
    base = registry.suite("mini")
    found = suite_named(registry, "mini-native")
    assert found == native(base) == native(native(base))
    assert (found.name, found.contract.track) == ("mini-native", Track.NATIVE)
    assert found.contract.queries_per_word == base.contract.queries_per_word
    assert found.datasets == base.datasets
    free = Validator(found.contract, UnitEncoder())
    assert free.admissible("a b", ["anything else at all"]) == [True]
    assert free.check("a b", "anything else at all").violations == ()


class UnitEncoder:
    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.ones((len(texts), 1), np.float32)


def test_every_attack_leaves_out_what_cannot_run_and_what_is_a_diagnostic() -> None:
    registry = load_registry()
    names = every_attack(registry)
    items = {name: registry.get("attack", name).item for name in names}
    assert {"textfooler", "bae", "deepwordbug"} <= set(names)
    assert not any(item.diagnostic for item in items.values())
    assert [item.cost for item in items.values()] == sorted(item.cost for item in items.values())


def test_scrutiny_is_in_the_identity_only_where_it_changes_something() -> None:
    assert Scrutiny().for_victim(randomised=False) == {}
    assert Scrutiny().for_victim(randomised=True) == {"query_draws": 4, "final_draws": 16}
    assert Scrutiny(recalibrate=True).for_victim(randomised=False) == {"recalibrate": True}

"""Examples of one attack side by side: the records are those of examples that are attacked alone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.api import COLUMN_SEPARATOR, Example
from benchmark.attacking import Built, side_by_side
from benchmark.broker.hub import Broker
from benchmark.engine import VictimInfo
from benchmark.evaluate import Target, attack_example
from benchmark.frozen import Gate
from benchmark.records import ExampleRecord
from benchmark.runner import chunks
from benchmark.suite import Contract
from benchmark.validate import Validator

INFO = VictimInfo(2, "[MASK]", "[UNK]")
WIDTHS = pytest.mark.parametrize("width", [1, 2, 4, 16])
NOUNS = ["film", "plot", "cast", "score", "scene", "hero"]


class Words:
    """Label 1 for texts with more good words than bad ones; keeps the lists it was asked."""

    forwards_per_prediction = 2

    def __init__(self, refuses: str = "\0", draw: int = 0) -> None:
        self.refuses, self.draw, self.asked = refuses, draw, []  # type: ignore[var-annotated]

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked.append(list(texts))
        if any(self.refuses in text for text in texts):
            raise OverflowError("the victim fell over")
        return np.array([self._row(text) for text in texts], np.float32)

    def _row(self, text: str) -> list[float]:
        drawn = random.Random(f"{self.draw} {text}").uniform(-0.6, 0.6) if self.draw else 0.0
        words = text.split()
        return [0.0, words.count("good") - words.count("bad") - 0.5 + drawn]


class Drawn(Words):
    """A randomised victim that changes itself when it is drawn anew, as a careless plugin's might."""

    def redrawn(self, draw: int) -> Drawn:
        self.draw = draw
        return self


class Search:
    """Deletes or replaces words, partly by chance, and judges by scores and by the contract."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    def attack(self, victim: Any, example: Example, seed: int) -> str | None:
        words = example.text.split(" ")
        for _ in range(6):
            tries = [
                " ".join([*words[:i], random.choice(("bad", "fair", "")), *words[i + 1 :]]) for i in range(len(words))
            ]
            tries = [text for text, ok in zip(tries, self.gate.admissible(example.text, tries), strict=True) if ok]
            if not tries:
                return None
            scores = victim.logits(tries)[:, example.label] + np.random.normal(0, 0.1, len(tries))
            best = tries[int(scores.argmin())]
            if int(victim.logits([best])[0].argmax()) != example.label:
                return best
            words = best.split(" ")
        return None


def made(number: int, rng: random.Random) -> Example:
    words = rng.choices([*NOUNS, "good", "good", "bad"], k=rng.randint(2, 9))
    return Example(f"e{number}", " ".join(["good", *words]), 1)


EXAMPLES = [
    *(made(number, random.Random(number)) for number in range(24)),
    Example("firm", " ".join(["good"] * 7), 1),
    Example("firmer", " ".join(["good"] * 9), 1),
]


def built(**clauses: Any) -> Built:
    validator = Validator(Contract(name="test", **{"perturbed_words": 0.4, "candidates": 5, **clauses}), None)
    gate = Gate(validator)
    return Built("k", Search(gate), validator, gate)


def plain(record: ExampleRecord) -> dict[str, Any]:
    return record.model_dump(exclude={"timing"})


def alone(attack: Built, target: Target, examples: Sequence[Example]) -> dict[str, Any]:
    return {e.id: plain(attack_example(attack.run, target, attack.validator, e, "c", attack.gate)) for e in examples}


def beside(attack: Built, target: Target, examples: Sequence[Example], width: int) -> dict[str, Any]:
    together = replace(target, broker=Broker(width))
    return {e.id: plain(record) for e, record in side_by_side(attack, together, examples, "c", 20)}


@WIDTHS
@pytest.mark.parametrize("budget", [None, 3])
def test_records_are_those_of_examples_alone(width: int, budget: int | None) -> None:
    attack, expected, target = built(queries_per_word=budget), Words(), Words()
    records = beside(attack, Target(target, INFO), EXAMPLES, width)
    assert records == alone(attack, Target(expected, INFO), EXAMPLES)
    wanted = {"skipped", "held", "broken"} if budget is None else {"exhausted"}
    assert wanted <= {record["outcome"] for record in records.values()}
    assert len(target.asked) <= len(expected.asked)
    if width == 16:
        assert len(target.asked) < len(expected.asked) / 4


@WIDTHS
def test_frozen_columns_are_those_of_the_example(width: int) -> None:
    """Each premise has another length, so that the share of words that may be edited differs."""
    examples = [
        replace(e, text=f"{' '.join(NOUNS[: n % 7])}{COLUMN_SEPARATOR}{e.text}") for n, e in enumerate(EXAMPLES)
    ]
    attack = built(frozen_columns=(0,))
    records = beside(attack, Target(Words(), INFO), examples, width)
    assert records == alone(attack, Target(Words(), INFO), examples)
    broken = [record for record in records.values() if record["outcome"] == "broken"]
    assert len(broken) > 3
    for record in broken:
        assert record["adversarial_text"].split(COLUMN_SEPARATOR)[0] == record["text"].split(COLUMN_SEPARATOR)[0]


@WIDTHS
def test_a_victim_that_raises_for_one_text_fails_that_example_alone(width: int) -> None:
    attack, bad = built(), EXAMPLES[5].text
    records = beside(attack, Target(Words(refuses=bad), INFO), EXAMPLES, width)
    guilty = [record for record in records.values() if bad in record["text"]]
    assert [(record["outcome"], record["error"]) for record in guilty] == [
        ("error", "OverflowError: the victim fell over")
    ]
    others = [example for example in EXAMPLES if example.id != guilty[0]["example_id"]]
    assert {e.id: records[e.id] for e in others} == alone(attack, Target(Words(), INFO), others)


@WIDTHS
def test_draws_of_a_randomised_victim_are_never_mixed(width: int) -> None:
    attack = built()
    target = Target(Drawn(), INFO, query_draws=2, final_draws=5)
    assert beside(attack, target, EXAMPLES, width) == alone(attack, target, EXAMPLES)


def test_an_attack_that_hangs_is_an_error_that_says_so_and_the_others_finish() -> None:
    class Hangs(Search):
        def attack(self, victim: Any, example: Example, seed: int) -> str | None:
            while example.id == "e5":
                try:
                    while True:
                        pass
                except Exception:  # as libraries do
                    continue
            return super().attack(victim, example, seed)

    attack, target = built(), Target(Words(), INFO, broker=Broker(4))
    hanging = attack._replace(run=Hangs(attack.gate))
    records = {e.id: plain(record) for e, record in side_by_side(hanging, target, EXAMPLES, "c", 2)}
    failed = records.pop("e5")
    assert failed["outcome"] == "error"
    assert failed["error"].startswith("TimeLimit: it ran for more than 2 s by itself")
    expected = alone(attack, Target(Words(), INFO), EXAMPLES)
    del expected["e5"]
    assert records == expected


def test_seconds_of_examples_add_up_to_the_time_that_passed() -> None:
    import time

    target = Target(Words(), INFO, broker=Broker(16))
    started = time.perf_counter()
    records = [record for _, record in side_by_side(built(), target, EXAMPLES, "c", None)]
    passed = time.perf_counter() - started
    assert 0 < sum(record.timing.seconds for record in records if record.timing) <= passed + 1e-3 * len(records)


@pytest.mark.parametrize(
    ("left", "jobs", "concurrency", "sizes"),
    [
        (60, 2, 16, [15, 15, 15, 15]),
        (60, 1, 16, [60]),
        (5, 2, 16, [2, 2, 1]),
        (1, 4, 16, [1]),
        (0, 2, 16, []),
        (20, 2, 1, [4, 4, 4, 4, 4]),
        (1000, 2, 16, [64] * 15 + [40]),
    ],
)
def test_chunks_keep_all_workers_busy_to_the_end(left: int, jobs: int, concurrency: int, sizes: list[int]) -> None:
    ids = [str(n) for n in range(left)]
    found = chunks(ids, jobs, concurrency)
    assert [len(chunk) for chunk in found] == sizes
    assert [i for chunk in found for i in chunk] == ids

"""What every registered attack owes the harness, on a tiny random victim. Needs a filled cache for most attacks.

The victim's scores are centred on the sample, so that about half of the texts have each label and edits do flip them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.api import RUNNABLE, Attack, Example, NoOptions, Task
from benchmark.assets.cache import cache_root
from benchmark.assets.store import AssetStore
from benchmark.attacking import Built, side_by_side
from benchmark.broker.hub import Broker
from benchmark.engine import QueryCounter, VictimInfo
from benchmark.errors import AssetMissing, BudgetExhausted, NotApplicable, UnknownName
from benchmark.evaluate import Target, attack_example
from benchmark.frozen import Gate
from benchmark.records import ExampleRecord
from benchmark.registry import load_registry
from benchmark.resources import BenchResources
from benchmark.suite import Contract
from benchmark.validate import Validator

pytestmark = pytest.mark.slow

DISTRIBUTION = "nlp-robustness-bench"
ATTACKS = {
    found.name: found.item
    for found in load_registry().items("attack")
    if found.plugin.distribution == DISTRIBUTION and found.item.state in RUNNABLE
}
TASK = Task("toy-reviews", ("negative", "positive"), 48)
BUDGET = 60
DEFINED = {"held", "broken", "invalid", "exhausted"}
every_attack = pytest.mark.parametrize("name", sorted(ATTACKS))


# --- the victim -----------------------------------------------------------------------------------------------------


class Centred:
    """A classifier whose mean score over some texts is 0 for each class; all else is the inner one's."""

    def __init__(self, inner: Any, texts: Sequence[str]) -> None:
        self.inner = inner
        self.mean = inner.logits(list(texts)).mean(axis=0)
        self.forwards_per_prediction = inner.forwards_per_prediction
        self.texts = 0

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += len(texts)
        return np.asarray(self.inner.logits(texts) - self.mean, dtype=np.float32)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["inner"], name)


class Raising(Centred):
    """Answers the first ``good`` calls, and fails then."""

    def __init__(self, inner: Centred, good: int) -> None:
        self.inner, self.good, self.forwards_per_prediction = inner, good, inner.forwards_per_prediction

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.good -= 1
        if self.good < 0:
            raise OverflowError("the victim fell over")
        return self.inner.logits(texts)

    def gradients(self, text: str, label: int) -> Any:
        raise OverflowError("the victim fell over")


class Fixed(Validator):
    """The contract with one budget for all texts, whatever their length."""

    limit: int | None = BUDGET

    def budget(self, original: str) -> int | None:
        return self.limit


def fixed(limit: int | None = BUDGET) -> Fixed:
    validator = Fixed(Contract(name="conformance", candidates=5, perturbed_words=0.5), None)
    validator.limit = limit
    return validator


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As in a worker; threads that wait for each other are also what is slow on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def broker() -> Broker:
    return Broker()


@pytest.fixture(scope="module")
def resources(broker: Broker) -> BenchResources:
    return BenchResources(load_registry(), AssetStore(cache_root(), progress=False), broker)


@pytest.fixture(scope="module")
def victim() -> Centred:
    import torch

    from benchmark.fit.classifier import NetworkClassifier
    from benchmark_plugins.defenses.heads import mlp
    from benchmark_plugins.models import tiny_random

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = mlp.build(tiny_random.load(None), TASK, NoOptions()).eval()  # type: ignore[arg-type]
    return Centred(NetworkClassifier(network), [example.text for example in reviews()])


def reviews() -> Sequence[Example]:
    from benchmark_plugins.datasets.toy_reviews import TOY_REVIEWS

    return TOY_REVIEWS.load(None).test  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def examples(victim: Centred) -> list[Example]:
    """Four texts, labelled as the victim sees them: none is skipped."""
    return [labelled(victim, example) for example in reviews()[:4]]


def labelled(victim: Any, example: Example) -> Example:
    return replace(example, label=int(victim.logits([example.text])[0].argmax()))


# --- the attacks ----------------------------------------------------------------------------------------------------


Build = Callable[..., Any]


@pytest.fixture(scope="module")
def build(resources: BenchResources) -> Iterator[Build]:
    """``build(name)`` gives the attack's run, made once; another ``variant`` a second one, perhaps with ``options``."""
    made: dict[tuple[str, str], Any] = {}
    failures: dict[str, str] = {}

    def get(name: str, variant: str = "", **given: Any) -> Any:
        if name in failures:
            pytest.skip(failures[name])
        if (name, variant) not in made:
            attack: Attack = ATTACKS[name]
            options = attack.options(**given)
            missing = attack.unavailable(options)
            if missing is None:
                try:
                    made[name, variant] = attack.build(options, resources, fixed(), TASK)
                except (AssetMissing, NotApplicable, UnknownName) as problem:
                    missing = str(problem)
            if missing is not None:
                failures[name] = f"{name}: {missing}"
                pytest.skip(failures[name])
        return made[name, variant]

    yield get
    made.clear()


LONG = {"clare": {"max_words": 8}}
"""Options for the text of 5,000 words where the defaults would take minutes: every candidate is a copy of the text."""


def outcome_of(
    run: Any, victim: Any, example: Example, resources: BenchResources, limit: int | None = BUDGET
) -> ExampleRecord:
    return attack_example(run, Target(victim, VictimInfo(2, "[MASK]", "[UNK]")), fixed(limit), example, "cell")


# --- what all of them owe -------------------------------------------------------------------------------------------


def test_there_is_something_to_test() -> None:
    assert {"deepwordbug", "textfooler", "bae"} <= set(ATTACKS)


@every_attack
@pytest.mark.parametrize("budget", [1, 2, 10])
def test_not_one_query_past_the_budget(
    name: str, budget: int, build: Build, victim: Centred, examples: list[Example], resources: BenchResources
) -> None:
    run = build(name)
    for example in examples[:2]:
        before = victim.texts
        counter = QueryCounter(victim, VictimInfo(2, "[MASK]", "[UNK]"), budget)
        try:
            text = run.attack(counter, example, 5)
        except BudgetExhausted:
            text = None
        assert text is None or isinstance(text, str)
        assert counter.queries <= budget
        assert victim.texts - before <= budget


@every_attack
def test_order_and_another_object_change_nothing(
    name: str, build: Build, victim: Centred, examples: list[Example], resources: BenchResources
) -> None:
    def results(run: Any, order: Sequence[Example]) -> dict[str, tuple[str, str | None, int, str | None]]:
        records = [outcome_of(run, victim, example, resources) for example in order]
        return {r.example_id: (r.outcome, r.adversarial_text, r.queries, r.error) for r in records}

    first = results(build(name), examples)
    assert {outcome for outcome, *_ in first.values()} <= DEFINED, first
    random.seed(1), np.random.seed(1)
    assert results(build(name), examples[::-1]) == first
    assert results(build(name, "again"), examples) == first


@every_attack
@pytest.mark.parametrize("good", [1, 2])
def test_a_victim_that_raises_is_an_error_and_never_robustness(
    name: str, good: int, build: Build, victim: Centred, examples: list[Example], resources: BenchResources
) -> None:
    """``good`` 1 answers the clean text only; 2 also the attack's first list."""
    run = build(name)
    for example in examples:
        asked = outcome_of(run, victim, example, resources)
        # Without a budget: a first list that overshoots it would end the attack before the victim is asked.
        record = outcome_of(run, Raising(victim, good), example, resources, None)
        if record.outcome == "error":
            assert record.error is not None
            assert "fell over" in record.error
        else:  # it won with its first list, or asked for nothing but the clean text, whose answer is known
            assert good == 2 or asked.forwards <= 1


@every_attack
def test_examples_side_by_side_are_what_they_are_alone(
    name: str, build: Build, victim: Centred, examples: list[Example], resources: BenchResources, broker: Broker
) -> None:
    """Six examples of different lengths, with the questions of all of them to the victim and the encoder merged."""
    run, validator = build(name), fixed()
    more = [*examples, *(labelled(victim, example) for example in reviews()[4:6])]
    alone = {e.id: outcome_of(run, victim, e, resources).model_dump(exclude={"timing"}) for e in more}
    built = Built(name, run, validator, Gate(validator))
    for broker.concurrency in (1, 4, 16):
        if "muse-v3" in resources._models:
            resources.model("muse-v3")._cache.clear()  # what an example alone has encoded must not answer now
        target = Target(victim, VictimInfo(2, "[MASK]", "[UNK]"), broker=broker)
        found = {e.id: r.model_dump(exclude={"timing"}) for e, r in side_by_side(built, target, more, "cell", 100)}
        assert found == alone


@every_attack
def test_a_text_that_comes_back_is_another_one_and_its_outcome_is_the_harness_own(
    name: str, build: Build, victim: Centred, examples: list[Example], resources: BenchResources
) -> None:
    for example in examples:
        record = outcome_of(build(name), victim, example, resources)
        if record.adversarial_text is not None:
            assert record.adversarial_text != example.text
            wrong = int(victim.logits([record.adversarial_text])[0].argmax()) != example.label
            assert wrong is (record.outcome in ("broken", "invalid"))


WORDS = [word for example in reviews() for word in example.text.split()]
STRANGE = {
    "one word": "wonderful",
    "one letter": "a",
    "punctuation": "... !!! ?",
    "blank": " \t ",
    "emoji": "😀 👍🏽 🇪🇺 good 😀",
    "right to left": "هذا فيلم رائع جدا שלום עולם",
    "NUL": "a\x00wonderful film\x00 with \x00\x00 heart",
    "combining": "e\u0301\u0301 film\u200b\u202e gone",
    "5,000 words": " ".join(WORDS[i % len(WORDS)] for i in range(5000)),
}


@every_attack
@pytest.mark.parametrize("kind", sorted(STRANGE))
def test_strange_texts_have_a_defined_outcome(
    name: str, kind: str, build: Build, victim: Centred, resources: BenchResources
) -> None:
    example = labelled(victim, Example("strange", STRANGE[kind], 0))
    given = LONG.get(name, {}) if kind == "5,000 words" else {}
    record = outcome_of(build(name, kind if given else "", **given), victim, example, resources, 10)
    assert record.outcome in DEFINED, record.error
    assert record.queries <= 10


# --- attacks that do not keep their word ------------------------------------------------------------------------------


class Scripted:
    def __init__(self, answer: Callable[[Any, Example], Any]) -> None:
        self.answer = answer

    def attack(self, victim: Any, example: Example, seed: int) -> Any:
        return self.answer(victim, example)


def flipping(victim: Centred, example: Example) -> str:
    """Another review, which the victim labels otherwise: far outside the contract."""
    return next(r.text for r in reviews() if victim.logits([r.text])[0].argmax() != example.label)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (lambda victim, example: example.text, "held"),
        (lambda victim, example: example.text + "  ", "held"),
        (lambda victim, example: None, "held"),
        (lambda victim, example: 7, "error"),
        (lambda victim, example: victim.nothing, "error"),
        (lambda victim, example: victim.logits([str(i) for i in range(99)]) and None, "exhausted"),
    ],
)
def test_the_harness_decides_and_not_the_attack(
    answer: Callable[[Any, Example], Any],
    outcome: str,
    victim: Centred,
    examples: list[Example],
    resources: BenchResources,
) -> None:
    assert outcome_of(Scripted(answer), victim, examples[0], resources).outcome == outcome


def test_a_flip_outside_the_contract_is_invalid(
    victim: Centred, examples: list[Example], resources: BenchResources
) -> None:
    record = outcome_of(Scripted(lambda _, example: flipping(victim, example)), victim, examples[0], resources)
    assert record.outcome == "invalid"
    assert record.violations

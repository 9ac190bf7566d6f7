"""One example under one attack. The attack proposes; the outcome is decided here, against the gold label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial

from benchmark.api import AttackRun, Classifier, Example
from benchmark.broker.hub import Broker
from benchmark.engine import ExpectationCounter, QueryCounter, VictimInfo
from benchmark.errors import BudgetExhausted, TimeLimit
from benchmark.frozen import FrozenColumns, FrozenVictim, Gate
from benchmark.identity import derive_seed
from benchmark.records import ExampleRecord, Outcome, Timing
from benchmark.validate import Validator, Verdict, words_of

NOT_CHECKED = Verdict(0, 0.0, None, ())


@dataclass(frozen=True)
class Target:
    """A victim as it is attacked. ``temperature``: attack what held once more with logits divided by it.

    ``query_draws`` and ``final_draws`` are those of a randomised victim (see ``benchmark.suite.Scrutiny``), 0 for a
    deterministic one. ``broker`` runs the examples and takes their questions; outside its tasks it does nothing.
    """

    classifier: Classifier
    info: VictimInfo
    query_draws: int = 0
    final_draws: int = 0
    temperature: float | None = None
    broker: Broker = field(default_factory=Broker)


@dataclass(frozen=True)
class Attempt:
    """How one search ended: what came back, and what the victim says of it."""

    outcome: Outcome
    counter: QueryCounter
    text: str | None = None
    prediction: int | None = None
    verdict: Verdict = NOT_CHECKED
    wrong: int | None = None
    """Of the final draws of a randomised victim, those that miss the gold label."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed ``random``, numpy and torch for one example, and restore their states afterwards."""
    import random

    import numpy as np
    import torch

    before = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])


def attack_example(
    run: AttackRun, target: Target, validator: Validator, example: Example, cell: str, gate: Gate | None = None
) -> ExampleRecord:
    """Attack one example and write down how it ended. Never raises for what the attack or the model does.

    ``gate`` is the contract that the attack was built with, where columns are frozen.
    """
    started = target.broker.clock()
    judge = _counter(target, validator, example, cell)
    prediction, attempt, error, clean_wrong, retried = None, Attempt(Outcome.ERROR, judge), None, None, None
    forwards = 0
    try:
        prediction, clean_wrong = _judge(judge, target, example.text, example.label, "clean")
        if prediction != example.label:
            attempt = Attempt(Outcome.SKIPPED, judge, wrong=clean_wrong)
        else:
            attempt = _search(run, target, judge, validator, example, cell, gate, clean_wrong)
            if target.temperature is not None and attempt.outcome is not Outcome.BROKEN:
                second = _counter(target, validator, example, cell, target.temperature)
                again = _search(run, target, second, validator, example, cell, gate, clean_wrong)
                forwards += second.forwards
                if again.outcome is Outcome.BROKEN:
                    attempt, retried, forwards = again, target.temperature, forwards - second.forwards + judge.forwards
    except (Exception, TimeLimit) as problem:  # whatever it is, it is an error of this example and never robustness
        attempt, error = replace(attempt, outcome=Outcome.ERROR), f"{type(problem).__name__}: {problem}"
    measured = attempt.prediction is not None
    verdict = attempt.verdict
    return ExampleRecord(
        cell=cell,
        example_id=example.id,
        label=example.label,
        prediction=prediction,
        outcome=attempt.outcome,
        adversarial_prediction=attempt.prediction,
        text=example.text,
        adversarial_text=attempt.text if measured else None,
        queries=attempt.counter.queries,
        forwards=attempt.counter.forwards + forwards,
        words=len(words_of(example.text)),
        perturbed_words=verdict.perturbed_words if measured else None,
        perturbed_share=verdict.perturbed_share if measured else None,
        similarity=verdict.similarity if measured else None,
        violations=verdict.violations,
        error=error,
        draws=target.final_draws or None,
        clean_wrong=clean_wrong,
        final_wrong=attempt.wrong,
        temperature=retried,
        timing=Timing(seconds=round(target.broker.clock() - started, 4)),
    )


def _counter(
    target: Target, validator: Validator, example: Example, cell: str, temperature: float = 1.0
) -> QueryCounter:
    budget = validator.budget(example.text)
    if not target.final_draws:
        return QueryCounter(target.classifier, target.info, budget, temperature, target.broker.ask)
    seed = partial(derive_seed, cell, example.id)
    return ExpectationCounter(target.classifier, target.info, budget, target.query_draws, seed, target.broker.ask)


def _judge(counter: QueryCounter, target: Target, text: str, label: int, what: str) -> tuple[int, int | None]:
    """The prediction that decides, and how many of the draws miss ``label`` (None for a deterministic victim).

    For a randomised victim it is the most frequent of ``final_draws`` fresh draws, the smallest label of equals.
    """
    if not isinstance(counter, ExpectationCounter):
        return int(counter.uncounted([text])[0].argmax()), None
    votes = counter.votes(what, text, target.final_draws)
    counts = Counter(votes)
    return min(counts, key=lambda found: (-counts[found], found)), len(votes) - counts[label]


def _search(
    run: AttackRun,
    target: Target,
    counter: QueryCounter,
    validator: Validator,
    example: Example,
    cell: str,
    gate: Gate | None,
    clean_wrong: int | None,
) -> Attempt:
    """One search from the original text, its result judged and checked against the contract."""
    seed = derive_seed(cell, example.id)
    with seeded(seed), target.broker.limited():
        proposal, exhausted = _propose(run, counter, example, seed, validator.contract.frozen_columns, gate)
    outcome = Outcome.EXHAUSTED if exhausted else Outcome.HELD
    if proposal is None or proposal == example.text:
        return Attempt(outcome, counter, wrong=clean_wrong)
    prediction, wrong = _judge(counter, target, proposal, example.label, "final")
    verdict = validator.check(example.text, proposal)
    if prediction != example.label:
        outcome = Outcome.INVALID if verdict.violations else Outcome.BROKEN
    return Attempt(outcome, counter, proposal, prediction, verdict, clean_wrong if verdict.violations else wrong)


def _propose(
    run: AttackRun, counter: QueryCounter, example: Example, seed: int, frozen: tuple[int, ...], gate: Gate | None
) -> tuple[str | None, bool]:
    """The attack's text and whether the budget ended the search (also when a library swallowed the exception)."""
    columns = FrozenColumns.of(example.text, frozen) if frozen else None
    try:
        with gate.holding(columns) if gate is not None else nullcontext():
            if columns is None:
                proposal = run.attack(counter, example, seed)
            else:
                proposal = run.attack(FrozenVictim(counter, columns), replace(example, text=columns.text), seed)
    except BudgetExhausted:
        return None, True
    if proposal is not None and not isinstance(proposal, str):
        raise TypeError(f"the attack returned {type(proposal).__name__}, not a text or None")
    if proposal is not None and columns is not None:
        proposal = columns.whole(proposal)
    return proposal, counter.exhausted

"""One example under one attack. The attack proposes; the outcome is decided here, against the gold label."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmark.api import AttackRun, Classifier, Example
from benchmark.engine import QueryCounter, VictimInfo
from benchmark.errors import BudgetExhausted
from benchmark.identity import derive_seed
from benchmark.records import ExampleRecord, Outcome, Timing
from benchmark.validate import Validator, Verdict, words_of


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
    run: AttackRun, classifier: Classifier, info: VictimInfo, validator: Validator, example: Example, cell: str
) -> ExampleRecord:
    """Attack one example and write down how it ended. Never raises for what the attack or the model does."""
    started = time.perf_counter()
    counter = QueryCounter(classifier, info, validator.budget(example.text))
    seed = derive_seed(cell, example.id)
    outcome, prediction, proposal, error = Outcome.ERROR, None, None, None
    adversarial_prediction, verdict = None, Verdict(0, 0.0, None, ())
    try:
        prediction = _predict(counter, example.text)
        if prediction != example.label:
            outcome = Outcome.SKIPPED
        else:
            with seeded(seed):
                proposal, exhausted = _propose(run, counter, example, seed)
            outcome = Outcome.EXHAUSTED if exhausted else Outcome.HELD
            if proposal is not None and proposal != example.text:
                adversarial_prediction = _final(counter, classifier, proposal)
                verdict = validator.check(example.text, proposal)
                if adversarial_prediction != example.label:
                    outcome = Outcome.INVALID if verdict.violations else Outcome.BROKEN
    except Exception as problem:  # whatever it is, it is an error of this example and never robustness
        outcome, error = Outcome.ERROR, f"{type(problem).__name__}: {problem}"
    measured = adversarial_prediction is not None
    return ExampleRecord(
        cell=cell,
        example_id=example.id,
        label=example.label,
        prediction=prediction,
        outcome=outcome,
        adversarial_prediction=adversarial_prediction,
        text=example.text,
        adversarial_text=proposal if measured else None,
        queries=counter.queries,
        forwards=counter.forwards,
        words=len(words_of(example.text)),
        perturbed_words=verdict.perturbed_words if measured else None,
        perturbed_share=verdict.perturbed_share if measured else None,
        similarity=verdict.similarity if measured else None,
        violations=verdict.violations,
        error=error,
        timing=Timing(seconds=round(time.perf_counter() - started, 4)),
    )


def _predict(counter: QueryCounter, text: str) -> int:
    return int(counter.uncounted([text])[0].argmax())


FINAL_DRAW = 1


def _final(counter: QueryCounter, classifier: Classifier, text: str) -> int:
    """The prediction that decides. A randomised victim answers with another draw than the one the search has seen."""
    redrawn = getattr(classifier, "redrawn", None)
    if redrawn is None:
        return _predict(counter, text)
    counter.forwards += classifier.forwards_per_prediction
    return int(redrawn(FINAL_DRAW).logits([text])[0].argmax())


def _propose(run: AttackRun, counter: QueryCounter, example: Example, seed: int) -> tuple[str | None, bool]:
    """The attack's text and whether the budget ended the search (also when a library swallowed the exception)."""
    try:
        proposal = run.attack(counter, example, seed)
    except BudgetExhausted:
        return None, True
    if proposal is not None and not isinstance(proposal, str):
        raise TypeError(f"the attack returned {type(proposal).__name__}, not a text or None")
    return proposal, counter.exhausted

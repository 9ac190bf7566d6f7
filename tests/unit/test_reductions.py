"""Objectives at the settings that switch them off, against plain training; and pairs of which one is the other's case.

``CASES``: an objective whose gradient must be that of ``clean``. ``PAIRS``: two whose gradients must be the same. To
add one, add a line: a readable id, and a function from (network, batch) to the returned loss, as ``run`` makes it.
Every line is compared under all heads of ``NETWORKS`` on the tiny random model, in evaluation mode (dropout off).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from fitting import TASK, begin, fit_context

from benchmark.api import NoOptions, Objective, ObjectiveContext, TrainingBatch, WrapContext, Wrapper
from benchmark.api import pad_rows as pad
from benchmark.fit.classifier import NetworkClassifier
from benchmark_plugins.defenses.heads import mlp, mvp
from benchmark_plugins.defenses.objectives import (
    ada,
    ascc,
    clean,
    flooding,
    freelb,
    infobert,
    label_smoothing,
    mixada,
    pgd,
    tavat,
    ttso,
)
from benchmark_plugins.defenses.wrappers import dne, ranmask, safer, spellcheck, temperature
from benchmark_plugins.models import tiny_random

Run = Callable[[Any, TrainingBatch], float]

TEXTS = ("a warm and funny film", "dull", "the plot is thin and the acting is terrible", "sweet story")
LABELS = (1, 0, 0, 1)


class NoSynonyms:
    """A table in which no word has a neighbour; also the resources that hand it out."""

    def model(self, name: str) -> NoSynonyms:
        return self

    def neighbours(self, word: str) -> tuple[tuple[str, float], ...]:
        return ()


FIT = fit_context(base=tiny_random.load(None), resources=NoSynonyms())  # type: ignore[arg-type]


class Case(NamedTuple):
    """An objective that must be plain training."""

    id: str
    run: Run


class Pair(NamedTuple):
    """Two objectives that must be the same."""

    id: str
    one: Run
    other: Run


def run(objective: Objective, **options: Any) -> Run:
    """One update of ``objective`` with these options, its generator seeded with 5; either form of objective."""

    def call(network: Any, batch: TrainingBatch) -> float:
        generator = torch.Generator().manual_seed(5)
        context = ObjectiveContext(network, FIT, generator, 1, 1, lambda: NetworkClassifier(network))
        return begin(objective, objective.options(**options))(context).backward(batch)

    return call


CASES = [
    *(Case(f"pgd-0-steps-{s}", run(pgd.PGD, steps=0, start="zero", scope=s)) for s in ("row", "text", "text-tied")),
    Case("pgd-step-0", run(pgd.PGD, steps=3, step_size=0, start="zero")),
    Case("pgd-start-0", run(pgd.PGD, steps=0, start_size=0)),
    *(Case(f"freelb-1-pass-{s}", run(freelb.FREELB, steps=1, start_size=0, scope=s)) for s in ("nonpad", "text-tied")),
    Case("freelb-step-0", run(freelb.FREELB, steps=4, step_size=0, start_size=0)),
    Case("freelb++-step-0", run(freelb.FREELB_PLUS, step_size=0, start_size=0)),
    Case("tavat-without-tokens", run(tavat.TAVAT, steps=1, start_size=0, tokens=False)),
    Case("tavat-start-0", run(tavat.TAVAT, steps=1, start_size=0)),
    Case("infobert-off", run(infobert.INFOBERT, steps=1, start_size=0, alpha=0, beta=0)),
    Case("ascc-without-synonyms", run(ascc.ASCC)),
    Case("flooding-0", run(flooding.FLOODING, level=0)),
    Case("label-smoothing-0", run(label_smoothing.LABEL_SMOOTHING, amount=0)),
    Case("adversarial-label-smoothing-0", run(label_smoothing.LABEL_SMOOTHING, amount=0, kind="adversarial")),
    Case("ttso-1", run(ttso.TTSO, temperature=1)),
    Case("ttso++-1-0", run(ttso.TTSO_PLUS, temperature=1, alpha=0)),
    Case("mixada-weight-0", run(mixada.MIXADA, weight=0)),
    Case("ada-in-its-first-epoch", run(ada.ADA)),
]

PATH = {"steps": 3, "step_size": 0.4, "start_size": 0.3, "epsilon": 0.5}

PAIRS = [
    Pair("infobert-off-is-freelb", run(infobert.INFOBERT, alpha=0, beta=0, **PATH), run(freelb.FREELB, **PATH)),
    Pair(
        "freelb-last-is-pgd",
        run(freelb.FREELB, accumulate="last", **PATH),
        run(pgd.PGD, **{**PATH, "steps": 2}),
    ),
    Pair("ttso++-0-is-ttso", run(ttso.TTSO_PLUS, temperature=7, alpha=0), run(ttso.TTSO, temperature=7)),
    Pair("tavat-without-tokens-is-freelb", run(tavat.TAVAT, tokens=False, **PATH), run(freelb.FREELB, **PATH)),
    Pair(
        "freelb++-is-freelb",
        run(freelb.FREELB_PLUS),
        run(freelb.FREELB, steps=10, step_size=0.03, start_size=0.05, epsilon=0),
    ),
]


def mlp_network() -> Any:
    return mlp.build(tiny_random.load(None), TASK, NoOptions())  # type: ignore[arg-type]


def mvp_network() -> Any:
    options = mvp.MvpOptions(template_texts=("{text} it was [MASK] .", "a [MASK] movie : {text}"))
    return mvp.build(tiny_random.load(None), TASK, options)  # type: ignore[arg-type]


NETWORKS = {"mlp": mlp_network, "mvp": mvp_network}


@functools.cache
def prepared(name: str) -> tuple[Any, TrainingBatch]:
    """A network of that head in evaluation mode, and a batch of its rows."""
    torch.manual_seed(1)
    network = NETWORKS[name]().eval()
    rows = [network.rows(text) for text in TEXTS]
    owner = torch.tensor([text for text, listed in enumerate(rows) for _ in listed])
    batch = pad([row for listed in rows for row in listed], network.pad_id)
    return network, TrainingBatch(batch, owner, torch.tensor(LABELS), TEXTS)


def gradients(one: Run, head: str) -> tuple[float, dict[str, torch.Tensor]]:
    """The loss that ``one`` returns, and the gradient of every parameter (zeros where it leaves none)."""
    network, batch = prepared(head)
    network.zero_grad(set_to_none=True)
    loss = one(network, batch)
    named = network.named_parameters()
    return loss, {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in named}


def assert_same(one: tuple[float, dict[str, torch.Tensor]], other: tuple[float, dict[str, torch.Tensor]]) -> None:
    assert one[0] == pytest.approx(other[0], rel=1e-5)
    assert max(float(value.abs().max()) for value in other[1].values()) > 1e-3, "nothing is compared"
    for name, value in other[1].items():
        assert torch.allclose(one[1][name], value, atol=2e-6, rtol=1e-4), name


@pytest.mark.parametrize("head", NETWORKS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_switched_off_it_is_plain_training(case: Case, head: str) -> None:
    assert_same(gradients(case.run, head), gradients(run(clean.CLEAN), head))


@pytest.mark.parametrize("head", NETWORKS)
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.id)
def test_one_is_the_special_case_of_the_other(pair: Pair, head: str) -> None:
    assert_same(gradients(pair.one, head), gradients(pair.other, head))


@pytest.mark.parametrize("head", NETWORKS)
@pytest.mark.parametrize(
    "objective",
    [
        *(pgd.PGD, freelb.FREELB, tavat.TAVAT, infobert.INFOBERT),
        *(label_smoothing.LABEL_SMOOTHING, ttso.TTSO, ttso.TTSO_PLUS, mixada.MIXADA),
    ],
    ids=lambda o: o.name,
)
def test_at_its_defaults_it_is_not_plain_training(objective: Objective, head: str) -> None:
    """The comparison above can fail."""
    with pytest.raises(AssertionError):
        assert_same(gradients(run(objective), head), gradients(run(clean.CLEAN), head))


WRAPPERS = [
    (temperature.TEMPERATURE, {"value": 1.0}),
    (dne.DNE, {"draws": 1}),
    (ranmask.RANMASK, {"ratio": 0, "copies": 5, "pool": "mean"}),
    (safer.SAFER, {"copies": 5, "pool": "mean"}),
    (spellcheck.SPELLCHECK, {}),
]


@pytest.mark.parametrize("head", NETWORKS)
@pytest.mark.parametrize(("wrapper", "options"), WRAPPERS, ids=lambda value: getattr(value, "name", ""))
def test_a_wrapper_switched_off_predicts_what_is_inside(wrapper: Wrapper, options: dict[str, Any], head: str) -> None:
    """As probabilities: pooling copies gives the logarithm of a mean softmax, which is another set of logits for it.

    Without neighbours for `dne` and `safer`, with nothing masked, at temperature 1, on words of the dictionary."""
    inner = NetworkClassifier(prepared(head)[0])
    values = wrapper.options(**options)
    state = {"temperature": 1.0} if wrapper.fit else None
    outer = wrapper.wrap(WrapContext(inner, FIT, state), values)
    one, other = (torch.tensor(c.logits(TEXTS)).softmax(dim=-1) for c in (outer, inner))
    assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("wrapper", [ranmask.RANMASK, safer.SAFER], ids=lambda wrapper: wrapper.name)
def test_votes_of_equal_copies_are_unanimous(wrapper: Wrapper) -> None:
    inner = NetworkClassifier(prepared("mlp")[0])
    off = {"ratio": 0} if wrapper is ranmask.RANMASK else {}
    values = wrapper.options(copies=4, pool="vote", **off)
    found = wrapper.wrap(WrapContext(inner, FIT, None), values).logits(TEXTS)
    assert found.max(axis=1).tolist() == [1.0] * len(TEXTS)
    assert found.argmax(axis=1).tolist() == inner.logits(TEXTS).argmax(axis=1).tolist()

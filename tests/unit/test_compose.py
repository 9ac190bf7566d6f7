"""Names of defenses, their options, and what is not applicable."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from benchmark.api import Capability, CompleteDefense, Head, NoOptions, Objective, Options
from benchmark.errors import BadOptions, DuplicateName, UnknownName
from benchmark.fit.compose import fit_or_load, not_applicable_reason, parse_name, resolved_options
from benchmark.registry import Plugin, Registered, Registry
from benchmark.suite import Training


class Knobs(Options):
    radius: float = 1.0
    steps: int = 3


def nothing(*_: Any) -> Any:
    raise AssertionError("must not be called")


PLAIN = Head("plain", nothing)
PROMPT = Head("prompt", nothing, options=Knobs, needs=frozenset({Capability.MASK_TOKEN}))
CLEAN = Objective("clean", nothing, is_default=True)
ADVERSARIAL = Objective("adversarial", nothing, options=Knobs, needs=frozenset({Capability.GRADIENTS}))
WHOLE = CompleteDefense("whole", nothing, nothing, nothing, needs=frozenset({Capability.SYNONYMS}))


def registry_of(*items: Any) -> Registry:
    plugin = Plugin("test", "test-plugin", "1")
    return Registry(Registered("defense", item.name, item, plugin) for item in items)


REGISTRY = registry_of(PLAIN, PROMPT, CLEAN, ADVERSARIAL, WHOLE)


@pytest.mark.parametrize(
    ("name", "canonical", "parts"),
    [
        ("plain", "plain", ("plain", "clean")),
        ("plain+clean", "plain", ("plain", "clean")),
        ("clean+plain", "plain", ("plain", "clean")),
        ("prompt+adversarial", "prompt+adversarial", ("prompt", "adversarial")),
        ("adversarial + prompt", "prompt+adversarial", ("prompt", "adversarial")),
        ("whole", "whole", ("whole",)),
    ],
)
def test_names_are_made_canonical(name: str, canonical: str, parts: tuple[str, ...]) -> None:
    composition = parse_name(name, REGISTRY)
    assert (composition.name, composition.parts) == (canonical, parts)
    assert parse_name(composition.name, REGISTRY) == composition


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("plain+prompt", r"2 heads \(plain, prompt\)"),
        ("plain+clean+adversarial", r"2 objectives \(clean, adversarial\)"),
        ("plain+clean+clean", r"2 objectives \(clean, clean\)"),
        ("adversarial", "has no head.*plain[+]adversarial, prompt[+]adversarial"),
        ("whole+clean", "'whole' .* cannot be combined"),
        ("plain+", "empty part"),
        ("", "empty part"),
    ],
)
def test_parts_that_do_not_go_together_are_named(name: str, told: str) -> None:
    with pytest.raises(BadOptions, match=told):
        parse_name(name, REGISTRY)


def test_an_unknown_part_is_named_with_near_names() -> None:
    with pytest.raises(UnknownName, match=r"'promt'.*prompt"):
        parse_name("promt+clean", REGISTRY)


def test_exactly_one_objective_is_the_default() -> None:
    with pytest.raises(DuplicateName, match="none"):
        parse_name("plain", registry_of(PLAIN, ADVERSARIAL))


def test_options_are_resolved_for_every_part_and_others_left_alone() -> None:
    composition = parse_name("prompt+adversarial", REGISTRY)
    given = {"adversarial": {"steps": 5}, "some-attack": {"beam": 2}}
    assert resolved_options(composition, given) == {
        "prompt": {"radius": 1.0, "steps": 3},
        "adversarial": {"radius": 1.0, "steps": 5},
    }
    with pytest.raises(BadOptions, match=r"defense 'adversarial': option 'stepz'.*steps"):
        resolved_options(composition, {"adversarial": {"stepz": 5}})


@pytest.mark.parametrize(
    ("name", "offers", "reason"),
    [
        ("plain", (), None),
        ("prompt", (), "'prompt' needs mask-token, which the model does not offer"),
        ("prompt", (Capability.MASK_TOKEN,), None),
        ("plain+adversarial", (), None),  # heads offer gradients by themselves
        ("whole", (Capability.GRADIENTS,), "'whole' needs synonyms, which the model does not offer"),
    ],
)
def test_what_a_part_needs_is_compared_with_the_model(
    name: str, offers: Iterable[Capability], reason: str | None
) -> None:
    assert not_applicable_reason(parse_name(name, REGISTRY), frozenset(offers)) == reason


def test_an_objective_without_gradients_to_work_on_is_not_applicable() -> None:
    frozen = Head("frozen", nothing, offers=frozenset())
    composition = parse_name("frozen+adversarial", registry_of(frozen, ADVERSARIAL, CLEAN))
    assert not_applicable_reason(composition, frozenset()) == (
        "'adversarial' needs gradients, which neither the model nor the head offers"
    )


class Constant:
    """A classifier that always answers the same."""

    forwards_per_prediction = 1

    def __init__(self, value: float) -> None:
        self.value = value

    def logits(self, texts: Any) -> Any:
        import numpy as np

        return np.full((len(texts), 2), self.value, np.float32)


def test_a_complete_defense_is_fitted_once_and_then_loaded(tmp_path: Path) -> None:
    calls: list[int] = []

    def fit(context: Any, options: Any) -> Any:
        calls.append(context.seed)
        return Constant(4.5)

    item = CompleteDefense(
        "constant",
        fit=fit,
        save=lambda classifier, folder: (folder / "value.txt").write_text(str(classifier.value)) and None,
        load=lambda folder, base, task, options: Constant(float((folder / "value.txt").read_text())),
        options=NoOptions,
    )
    composition = parse_name("constant", registry_of(item, CLEAN))
    arguments: Any = (composition, {}, None, None, [], [], Training(epochs=0), 7, tmp_path / "constant")
    first, log = fit_or_load(*arguments)
    second, again = fit_or_load(*arguments)
    assert calls == [7]
    assert (log["loaded"], again["loaded"]) == (False, True)
    assert again["training"] == log["training"]
    assert first.logits(["a"]).tolist() == second.logits(["a"]).tolist() == [[4.5, 4.5]]

    (tmp_path / "constant" / "value.txt").write_text("9")
    messages: list[str] = []
    third, repaired = fit_or_load(*arguments, progress=lambda share, text: messages.append(text))
    assert calls == [7, 7]
    assert not repaired["loaded"]
    assert "damaged" in repaired["discarded"]
    assert any("fitting again" in text for text in messages)
    assert third.logits(["a"]).tolist() == [[4.5, 4.5]]

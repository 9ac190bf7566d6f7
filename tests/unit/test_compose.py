"""Names of defenses, their options, and what is not applicable."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from fitting import fit_context
from hypothesis import given
from hypothesis import strategies as st

from benchmark.api import Capability, CompleteDefense, Head, NoOptions, Objective, Options, Stage, Uses, Wrapper
from benchmark.errors import BadOptions, DuplicateName, UnknownName
from benchmark.fit.compose import (
    is_randomised,
    not_applicable_reason,
    parse_name,
    parsed_options,
    uses,
)
from benchmark.fit.victim import fit_or_load
from benchmark.names import PartName, split_name
from benchmark.registry import Plugin, Registered, Registry
from benchmark.suite import Training


def resolved_options(composition: Any, options: Any) -> dict[str, dict[str, Any]]:
    """The options as a cell's identity holds them."""
    return {name: value.model_dump(mode="json") for name, value in parsed_options(composition, options).items()}


class Knobs(Options):
    radius: float = 1.0
    steps: int = 3


def nothing(*_: Any) -> Any:
    raise AssertionError("must not be called")


PLAIN = Head("plain", nothing)
PROMPT = Head("prompt", nothing, options=Knobs, needs=frozenset({Capability.MASK_TOKEN}))
CLEAN = Objective("clean", nothing, is_default=True)
ADVERSARIAL = Objective("adversarial", nothing, options=Knobs, needs=frozenset({Capability.GRADIENTS}))
MASKING = Wrapper("masking", nothing, Stage.COPIES, options=Knobs, randomised=lambda options: options.steps > 1)
SCALING = Wrapper("scaling", nothing, Stage.SCORES)
HULL = Wrapper(
    "hull",
    nothing,
    Stage.EMBEDDINGS,
    needs=frozenset({Capability.EMBEDDINGS}),
    changes=frozenset({"embeddings"}),
    uses=lambda options: Uses(models=("synonyms",), attacks=("swap",)),
)
SHIFT = Objective("shift", nothing, changes=frozenset({"embeddings"}))
WHOLE = CompleteDefense("whole", nothing, nothing, nothing, needs=frozenset({Capability.SYNONYMS}))


def registry_of(*items: Any) -> Registry:
    plugin = Plugin("test", "test-plugin", "1")
    return Registry(Registered("defense", item.name, item, plugin) for item in items)


REGISTRY = registry_of(PLAIN, PROMPT, CLEAN, ADVERSARIAL, WHOLE, MASKING, SCALING, HULL, SHIFT)


@pytest.mark.parametrize(
    ("name", "canonical", "parts"),
    [
        ("plain", "plain", ("plain", "clean")),
        ("plain+clean", "plain", ("plain", "clean")),
        ("clean+plain", "plain", ("plain", "clean")),
        ("prompt+adversarial", "prompt+adversarial", ("prompt", "adversarial")),
        ("adversarial + prompt", "prompt+adversarial", ("prompt", "adversarial")),
        ("whole", "whole", ("whole",)),
        ("masking+plain", "plain+masking", ("plain", "clean", "masking")),
        (
            "masking+adversarial+scaling+plain",
            "plain+adversarial+scaling+masking",
            ("plain", "adversarial", "scaling", "masking"),
        ),
        ("prompt[steps=5, radius=0.5]", "prompt[radius=0.5,steps=5]", ("prompt", "clean")),
        ("adversarial[steps=5]+prompt", "prompt+adversarial[steps=5]", ("prompt", "adversarial")),
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
        ("plain+clean+clean", "has 'clean' twice"),
        ("masking", "has no head, 'masking' is a wrapper.*plain[+]masking, prompt[+]masking"),
        ("plain+masking+masking", "has 'masking' twice"),
        ("plain[", "cannot be read"),
        ("prompt[radius]", "'radius' in .* no option"),
        ("prompt[radius=1,radius=2]", "given twice"),
        ("adversarial", "has no head.*plain[+]adversarial, prompt[+]adversarial"),
        ("whole+clean", "'whole' .* cannot be combined"),
        ("plain+", "empty part"),
        ("", "empty part"),
    ],
)
def test_parts_that_do_not_go_together_are_named(name: str, told: str) -> None:
    with pytest.raises(BadOptions, match=told):
        parse_name(name, REGISTRY)


def test_options_in_brackets_win_over_the_suites() -> None:
    composition = parse_name("prompt[radius=0.5]+adversarial", REGISTRY)
    found = resolved_options(composition, {"prompt": {"radius": 3.0, "steps": 9}})
    assert found == {"prompt": {"radius": 0.5, "steps": 9}, "adversarial": {"radius": 1.0, "steps": 3}}
    with pytest.raises(BadOptions, match=r"'prompt': option 'radios'.*radius"):
        resolved_options(parse_name("prompt[radios=1]", REGISTRY), {})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=8) | st.floats(allow_nan=False, width=16),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a+b++", ["a", "b++"]),
        ("b+++a", ["b++", "a"]),
        ("a+b++[x=1]+c", ["a", "b++[x=1]", "c"]),
        ("b+++c+++a", ["b++", "c++", "a"]),
    ],
)
def test_two_plus_signs_may_end_a_name(name: str, parts: list[str]) -> None:
    assert [str(part) for part in split_name(name)] == parts


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,6}", fullmatch=True), VALUES, min_size=1, max_size=3))
def test_a_name_with_options_reads_back_as_itself(options: dict[str, Any]) -> None:
    name = str(PartName("part", options))
    assert split_name(f"{name}+other") == [PartName("part", options), PartName("other", {})]


def test_what_parts_use_is_collected() -> None:
    composition = parse_name("plain+hull+masking", REGISTRY)
    values = parsed_options(composition, {})
    assert uses(composition, values) == Uses(("synonyms",), ("swap",))
    assert is_randomised(composition, values)
    once = parse_name("plain+masking[steps=1]", REGISTRY)
    assert not is_randomised(once, parsed_options(once, {}))
    assert composition.offers == frozenset(), "an attack with gradients would see the network without its wrappers"


def test_an_objective_is_one_function_or_one_run() -> None:
    for forms in ({}, {"backward": nothing, "begin": nothing}):
        with pytest.raises(ValueError, match="exactly one"):
            Objective("odd", **forms)  # type: ignore[arg-type]


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
        ("plain+hull", (Capability.EMBEDDINGS,), "'hull' needs embeddings, which the head does not offer"),
        ("plain+shift+hull", (Capability.EMBEDDINGS,), "'hull' needs embeddings, which the head does not offer"),
    ],
)
def test_what_a_part_needs_is_compared_with_the_model(
    name: str, offers: Iterable[Capability], reason: str | None
) -> None:
    assert not_applicable_reason(parse_name(name, REGISTRY), frozenset(offers)) == reason


def test_what_goes_through_the_head_is_needed_of_both() -> None:
    open_head = Head("open", nothing, offers=frozenset({Capability.EMBEDDINGS}))
    registry = registry_of(open_head, CLEAN, HULL, SHIFT)
    hull, both = parse_name("open+hull", registry), parse_name("open+shift+hull", registry)
    assert not_applicable_reason(hull, frozenset({Capability.EMBEDDINGS})) is None
    assert not_applicable_reason(hull, frozenset()) == "'hull' needs embeddings, which the model does not offer"
    assert not_applicable_reason(both, frozenset({Capability.EMBEDDINGS})) == (
        "'shift' and 'hull' both change the embeddings in training"
    )


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
    messages: list[str] = []
    context = fit_context(seed=7, progress=lambda share, text: messages.append(text))
    arguments: Any = (composition, {}, context, Training(epochs=0), tmp_path / "constant")
    first, log = fit_or_load(*arguments)
    second, again = fit_or_load(*arguments)
    assert calls == [7]
    assert (log["loaded"], again["loaded"]) == (False, True)
    assert again["training"] == log["training"]
    assert log["training"]["clock"] == "processor"
    assert first.logits(["a"]).tolist() == second.logits(["a"]).tolist() == [[4.5, 4.5]]

    (tmp_path / "constant" / "value.txt").write_text("9")
    third, repaired = fit_or_load(*arguments)
    assert calls == [7, 7]
    assert not repaired["loaded"]
    assert "damaged" in repaired["discarded"]
    assert any("fitting again" in text for text in messages)
    assert third.logits(["a"]).tolist() == [[4.5, 4.5]]

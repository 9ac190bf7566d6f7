"""The engine against TextAttack's own loop: the same recipe, assets, victim, texts and seeds, in one run.

Per recipe and length four contenders: the stock loop, the stock loop with padding and precision repaired, the engine
with one worker, and the engine as ``bench run`` takes the machine. Then their outcomes are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine_runs import Engine
from setting import LENGTHS, RECIPES, Setting
from sizes import Sizes
from stock import Parts, RepairedWrapper, Result, Stock, StockWrapper, engine_result, explain, same, sequence_classifier

from benchmark.identity import derive_seed

CONTENDERS = ("stock", "repaired", "engine-1", "engine")
CASES = [(length, recipe, contender) for length in LENGTHS for recipe in RECIPES for contender in CONTENDERS]
Outcomes = dict[tuple[str, str, str], list[Result]]


@pytest.fixture(scope="module")
def parts(resources: Any) -> Parts:
    return Parts(resources)


@pytest.fixture(scope="module")
def threads() -> Any:
    """The stock loop computes with torch's own number of threads, whatever a fit before it has set."""
    import torch
    from sizes import cores

    before = torch.get_num_threads()
    torch.set_num_threads(cores())
    yield cores()
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def stock_model(settings: dict[str, Setting]) -> Any:
    """The library's kind of victim, checked against ours on every attacked text."""
    import numpy as np

    found = settings["short"].victim()
    model = sequence_classifier(found.classifier.network)
    tokenizer = settings["short"].bench.resources.model("minilm-mlm").tokenizer
    for setting in settings.values():
        texts = [e.text for e in setting.examples(setting.ids + setting.warm)]
        theirs = np.concatenate([StockWrapper(model, tokenizer)([text]).numpy() for text in texts])
        ours = found.classifier.logits(texts)
        tolerance = 0.1 if setting.suite.model_dump().get("inference", {}).get("precision") == "bf16" else 1e-4
        np.testing.assert_allclose(theirs, ours, atol=tolerance, rtol=0)
    return model, tokenizer


def seeds_of(setting: Setting, recipe: str, examples: list[Any]) -> list[int]:
    return [derive_seed(setting.cells[recipe].key, e.id) for e in examples]


@pytest.mark.parametrize(("length", "recipe", "contender"), CASES, ids=["-".join(case) for case in CASES])
def test_attack(
    benchmark: Any,
    length: str,
    recipe: str,
    contender: str,
    settings: dict[str, Setting],
    sizes: Sizes,
    outcomes: Outcomes,
    request: pytest.FixtureRequest,
) -> None:
    setting = settings[length]
    benchmark.group = f"{recipe}, {length} texts"
    benchmark.extra_info |= {
        "kind": "attack", "recipe": recipe, "length": length, "contender": contender, "words": setting.words,
        "examples": len(setting.ids), "rounds": sizes.rounds,
    }  # fmt: skip
    run = stock_rounds if contender in ("stock", "repaired") else engine_rounds
    found = run(benchmark, setting, recipe, contender, sizes, request)
    outcomes[length, recipe, contender] = found
    asked = [result.queries for result in found if result.queries is not None]
    benchmark.extra_info |= {
        "queries": sum(asked),
        "outcomes": {kind: sum(r.outcome == kind for r in found) for kind in sorted({r.outcome for r in found})},
    }
    reference = outcomes.get((length, recipe, "stock"))
    if reference is not None and contender != "stock":
        benchmark.extra_info["same_as_stock"] = sum(map(same, reference, found))


def stock_rounds(
    benchmark: Any, setting: Setting, recipe: str, contender: str, sizes: Sizes, request: pytest.FixtureRequest
) -> list[Result]:
    """Every round a new attack object, warm by other texts."""
    parts: Parts = request.getfixturevalue("parts")
    model, tokenizer = request.getfixturevalue("stock_model")
    benchmark.extra_info["threads"] = request.getfixturevalue("threads")
    examples, warm = setting.examples(setting.ids), setting.examples(setting.warm[:1])
    seeds = seeds_of(setting, recipe, examples)
    made: list[tuple[Stock, list[Result]]] = []

    def begin() -> tuple[tuple[Stock], dict[str, Any]]:
        parts.stock_tagger.forget()
        wrapper = (StockWrapper if contender == "stock" else RepairedWrapper)(model, tokenizer)
        stock = Stock(recipe, parts, wrapper)
        stock.run(warm, [0])
        for clock in (wrapper.clock, *(c.clock for c in stock.similarities)):
            clock.seconds = 0.0
        return (stock,), {}

    def attack(stock: Stock) -> None:
        made.append((stock, stock.run(examples, seeds)))

    benchmark.pedantic(attack, setup=begin, rounds=sizes.rounds)
    benchmark.extra_info["inside"] = made[-1][0].seconds()
    return made[-1][1]


def engine_rounds(
    benchmark: Any, setting: Setting, recipe: str, contender: str, sizes: Sizes, request: pytest.FixtureRequest
) -> list[Result]:
    """Every round new workers and a cache without answers, warm by other texts."""
    fresh_cache: Callable[[], Path] = request.getfixturevalue("fresh_cache")
    jobs = 1 if contender == "engine-1" else sizes.jobs
    cell = setting.cells[recipe]
    benchmark.extra_info |= {"jobs": jobs, "threads": 1, "concurrency": sizes.concurrency}
    made: list[list[Any]] = []

    def begin() -> tuple[tuple[Engine], dict[str, Any]]:
        engine = Engine(setting.suite, fresh_cache(), jobs, sizes.concurrency).__enter__()
        engine.warm(cell, setting.warm[:1])
        return (engine,), {}

    def attack(engine: Engine) -> None:
        made.append(engine.attack(cell, setting.ids))

    def end(engine: Engine) -> None:
        engine.__exit__(None, None, None)

    benchmark.pedantic(attack, setup=begin, teardown=end, rounds=sizes.rounds)
    errors = [record.error for record in made[-1] if record.error]
    assert not errors, errors
    found = [[engine_result(record) for record in records] for records in made]
    assert all(all(map(same, found[0], other)) for other in found[1:]), "a round changed a record"
    return found[-1]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("length", LENGTHS)
def test_outcomes_are_the_librarys(
    length: str,
    recipe: str,
    settings: dict[str, Setting],
    sizes: Sizes,
    outcomes: Outcomes,
    request: pytest.FixtureRequest,
) -> None:
    """Outcome, final text and queries of every example; every difference is named."""
    reference, found = (outcomes.get((length, recipe, name)) for name in ("stock", "engine"))
    if reference is None or found is None:
        pytest.skip("the contenders were not run")
    setting, victim = settings[length], settings[length].victim()
    single = outcomes.get((length, recipe, "engine-1"))
    assert single is None or all(map(same, single, found)), "the number of workers changed a record"
    different = [(a, b) for a, b in zip(reference, found, strict=True) if not same(a, b)]
    if sizes.precision:
        pytest.skip(f"{len(different)} of {len(found)} differ; in {sizes.precision} they may")
    parts: Parts = request.getfixturevalue("parts")
    _, tokenizer = request.getfixturevalue("stock_model")
    lines = []
    for theirs, ours in different[: sizes.explain]:
        (example,) = setting.examples((ours.id,))
        (seed,) = seeds_of(setting, recipe, [example])
        reason = explain(recipe, parts, victim.classifier, victim.info, tokenizer, example, seed, ours)
        lines.append({"id": ours.id, "reason": reason, "stock": theirs[1:4], "engine": ours[1:4]})
    write_differences(request.config, length, recipe, len(found), len(different), lines)
    unexplained = [line for line in lines if line["reason"] == "unexplained"]
    assert not unexplained


def write_differences(
    config: pytest.Config, length: str, recipe: str, compared: int, different: int, lines: list[dict[str, Any]]
) -> None:
    """Into the JSON of the run, beside the engine's figures."""
    session = getattr(config, "_benchmarksession", None)
    for bench in getattr(session, "benchmarks", ()):
        info = bench.extra_info
        if (info.get("length"), info.get("recipe"), info.get("contender")) == (length, recipe, "engine"):
            info["identity"] = {"compared": compared, "different": different, "explained": lines}

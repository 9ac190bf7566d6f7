"""A victim: a composed or complete defense fitted once, kept as a checkpoint, and restored from it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.api import (
    Classifier,
    CompleteDefense,
    FitContext,
    Objective,
    ObjectiveContext,
    ObjectiveRun,
    Options,
    TrainingBatch,
    WrapContext,
)
from benchmark.devices import work_clock
from benchmark.errors import AssetCorrupt, BenchError
from benchmark.fit.compose import Composition, parsed_options
from benchmark.identity import derive_seed
from benchmark.watch import Watch

if TYPE_CHECKING:
    from benchmark.suite import Precision, Training


def fit_or_load(
    composition: Composition,
    options: Mapping[str, Mapping[str, Any]],
    context: FitContext,
    training: Training,
    folder: Path,
    precision: Precision = "fp32",
    watch: Watch | None = None,
) -> tuple[Classifier, dict[str, Any]]:
    """The fitted defense and its log; from ``folder`` where a sound checkpoint is there, else trained and saved.

    ``precision`` is the arithmetic of the classifier that is returned (a complete defense has its own). Everything
    that is fitted is fitted in fp32, wrappers too, so that all precisions share a checkpoint.

    A damaged checkpoint is discarded and the reason is in the log (``discarded``): the defense is fitted again. The
    log's ``loaded`` says where it came from; ``training`` and ``parameters`` are those of the training. Raises what
    the parts raise (NotApplicable, BadOptions), BenchError naming the defense for a training that failed, and
    StoreError.
    """
    values = parsed_options(composition, options)
    discarded: str | None = None
    meta: dict[str, Any] | None = None
    if folder.exists():
        from benchmark.fit.checkpoint import read_meta

        try:
            meta = read_meta(folder)
        except AssetCorrupt as problem:
            discarded = problem.message
            context.progress(0.0, f"{problem.message}: fitting again")
            shutil.rmtree(folder)
    if composition.complete is not None:
        classifier, log = _complete(composition.complete, values, context, folder, meta)
    else:
        classifier, log = _composed(composition, values, context, training, folder, meta, precision, watch)
    return classifier, {**log, "loaded": meta is not None, "discarded": discarded}


def _composed(
    composition: Composition,
    values: Mapping[str, Options],
    context: FitContext,
    training: Training,
    folder: Path,
    meta: dict[str, Any] | None,
    precision: Precision,
    watch: Watch | None,
) -> tuple[Classifier, dict[str, Any]]:
    import torch

    from benchmark.fit import checkpoint
    from benchmark.fit.classifier import NetworkClassifier

    head = composition.head
    assert head is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed("head", context.seed))
        network = head.build(context.base, context.task, values[head.name])
    network.to(next(context.base.network.parameters()).device)
    if meta is not None:
        log = checkpoint.load_network(network, folder)["log"]
        if watch is not None:
            watch.network(network)
        asked = NetworkClassifier(network, precision=precision)
        return _wrapped(composition, values, context, asked, log["wrappers"]), log
    result = _train(composition, values, context, training, network)
    network.eval()
    states: dict[str, Any] = {}
    classifier = _wrapped(composition, values, context, NetworkClassifier(network), states, fit=True)
    if precision != "fp32":
        classifier = _wrapped(composition, values, context, NetworkClassifier(network, precision=precision), states)
    log = {
        "training": asdict(result),
        "parameters": sum(p.numel() for p in network.parameters()),
        "wrappers": states,
    }
    checkpoint.save_network(network, folder, {"defense": composition.name, "log": log})
    if watch is not None:
        watch.network(network)
    return classifier, log


def _train(
    composition: Composition,
    values: Mapping[str, Options],
    context: FitContext,
    training: Training,
    network: Any,
) -> Any:
    from benchmark.fit import loop

    head, objective = composition.head, composition.objective
    assert head is not None
    assert objective is not None

    def begin(run_context: ObjectiveContext) -> ObjectiveRun:
        run = start(objective, run_context, values[objective.name])
        for wrapper in composition.wrappers:
            if wrapper.begin is not None:
                run = wrapper.begin(run_context, run, values[wrapper.name])
        return run

    # Outermost first: that is the way a text takes through them when it is predicted.
    editing = [(w.edit, values[w.name]) for w in reversed(composition.wrappers) if w.edit is not None]

    def edit(text: str, rng: random.Random) -> str:
        for change, options in editing:
            text = change(text, rng, context, options)
        return text

    try:
        if head.warm_start is not None and training.epochs:
            loop.require_classes(context)
            head.warm_start(network, context, values[head.name])
        return loop.train(network, begin, context, training, edit if editing else None)
    except BenchError as problem:
        known = [f"{p.name}.{option}" for p in composition.items for option in p.options.model_fields]
        problem.message = f"defense '{composition.name}': {problem.message}"
        problem.hint += f" ({', '.join(known)})" if "options" in problem.hint and known else ""
        raise


class _Stateless(ObjectiveRun):
    """An objective that is one function."""

    def __init__(self, objective: Objective, context: ObjectiveContext, options: Options) -> None:
        assert objective.backward is not None
        self._backward, self._context, self._options = objective.backward, context, options

    def backward(self, batch: TrainingBatch) -> float:
        return self._backward(self._context.network, batch, self._options, self._context.generator)


def start(objective: Objective, context: ObjectiveContext, options: Options) -> ObjectiveRun:
    """The run of an objective in either of its forms."""
    return objective.begin(context, options) if objective.begin else _Stateless(objective, context, options)


def _wrapped(
    composition: Composition,
    values: Mapping[str, Options],
    context: FitContext,
    classifier: Classifier,
    states: dict[str, Any],
    fit: bool = False,
) -> Classifier:
    """``classifier`` inside its wrappers; with ``fit`` their states are made and written to ``states``."""
    for wrapper in composition.wrappers:
        if fit and wrapper.fit is not None:
            states[wrapper.name] = wrapper.fit(WrapContext(classifier, context, None), values[wrapper.name])
        classifier = wrapper.wrap(WrapContext(classifier, context, states.get(wrapper.name)), values[wrapper.name])
    return classifier


def _complete(
    item: CompleteDefense,
    values: Mapping[str, Options],
    context: FitContext,
    folder: Path,
    meta: dict[str, Any] | None,
) -> tuple[Classifier, dict[str, Any]]:
    from benchmark.fit import checkpoint

    if meta is not None:
        return item.load(folder, context.base, context.task, values[item.name]), meta["log"]
    network = getattr(context.base, "network", None)
    clock, now = work_clock("cpu" if network is None else next(network.parameters()).device.type)
    began = now()
    classifier = item.fit(context, values[item.name])
    log: dict[str, Any] = {"training": {"seconds": now() - began, "clock": clock}, "parameters": None}
    checkpoint.write_folder(folder, {"defense": item.name, "log": log}, lambda content: item.save(classifier, content))
    return classifier, log

"""A defense by name: ``head``, ``head+objective``, or one complete defense; and its fitting, once per identity."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.api import (
    Capability,
    Classifier,
    CompleteDefense,
    DefensePart,
    Example,
    FitContext,
    Head,
    MaskedLanguageModel,
    Objective,
    Options,
    Task,
)
from benchmark.errors import AssetCorrupt, BadOptions
from benchmark.identity import derive_seed
from benchmark.options import parse, resolve

if TYPE_CHECKING:
    from benchmark.registry import Registry
    from benchmark.suite import Training

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Composition:
    """A defense put together: either ``head`` and ``objective``, or ``complete``.

    ``name`` is canonical: head first, the default objective left out.
    """

    name: str
    head: Head | None = None
    objective: Objective | None = None
    complete: CompleteDefense | None = None

    @property
    def items(self) -> tuple[DefensePart, ...]:
        """The parts in order: head and objective (the default one too), or the complete defense."""
        return tuple(part for part in (self.head, self.objective, self.complete) if part is not None)

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of :attr:`items`."""
        return tuple(part.name for part in self.items)

    @property
    def offers(self) -> frozenset[Capability]:
        """What an attack may ask of the fitted defense."""
        owner = self.head or self.complete
        return owner.offers if owner else frozenset()


def parse_name(name: str, registry: Registry) -> Composition:
    """``mvp``, ``mvp+pgd`` or the name of a complete defense; order is free.

    Raises UnknownName for a part that is not registered and BadOptions for parts that do not go together.
    """
    given = [part.strip() for part in name.split("+")]
    if not all(given):
        raise BadOptions(f"the defense name '{name}' has an empty part", "Write head, or head+objective")
    items = [registry.get("defense", part).item for part in given]
    complete = [item for item in items if isinstance(item, CompleteDefense)]
    heads = [item for item in items if isinstance(item, Head)]
    objectives = [item for item in items if isinstance(item, Objective)]
    if complete:
        if len(items) > 1:
            raise BadOptions(
                f"'{complete[0].name}' in '{name}' is a complete defense and cannot be combined",
                f"Use '{complete[0].name}' alone",
            )
        return Composition(complete[0].name, complete=complete[0])
    for kind, found in (("head", heads), ("objective", objectives)):
        if len(found) > 1:
            listed = ", ".join(item.name for item in found)
            raise BadOptions(f"the defense '{name}' has {len(found)} {kind}s ({listed})", f"Keep one {kind}")
    if not heads:
        known = [r.name for r in registry.items("defense") if isinstance(r.item, Head)]
        raise BadOptions(
            f"the defense '{name}' has no head, '{objectives[0].name}' is an objective",
            f"Put a head before it: {', '.join(f'{head}+{objectives[0].name}' for head in known) or 'none registered'}",
        )
    default = registry.default_objective().item
    objective = objectives[0] if objectives else default
    canonical = heads[0].name if objective.name == default.name else f"{heads[0].name}+{objective.name}"
    return Composition(canonical, heads[0], objective)


def resolved_options(composition: Composition, options: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """All options of every part, defaults filled in, as JSON values; keys of ``options`` are names of parts.

    Keys for other items (attacks, other defenses) are left alone. Raises BadOptions naming option and near names.
    """
    return {
        part.name: resolve(part.options, options.get(part.name, {}), f"defense '{part.name}'")
        for part in composition.items
    }


def not_applicable_reason(composition: Composition, offers: frozenset[Capability]) -> str | None:
    """Why the parts cannot work on a model with ``offers``, or None (an objective has the head's offers too)."""
    for part in composition.items:
        offered = offers | composition.offers if part is composition.objective else offers
        lacking = sorted(part.needs - offered)
        if lacking:
            giver = (
                "neither the model nor the head offers" if part is composition.objective else "the model does not offer"
            )
            return f"'{part.name}' needs {', '.join(lacking)}, which {giver}"
    return None


def fit_or_load(
    composition: Composition,
    options: Mapping[str, Mapping[str, Any]],
    base: MaskedLanguageModel,
    task: Task,
    train: Sequence[Example],
    validation: Sequence[Example],
    training: Training,
    seed: int,
    folder: Path,
    progress: Progress = lambda share, text: None,
) -> tuple[Classifier, dict[str, Any]]:
    """The fitted defense and its log. ``folder`` belongs to one identity: what lies there valid is loaded, else the
    defense is fitted and saved there. ``base`` is used up: its weights become the defense's.

    The log has ``loaded`` (whether a checkpoint was used), ``training`` (cost of the fit, also when loaded),
    ``parameters`` (number, or None) and ``discarded`` (why a checkpoint was thrown away, or None). Raises BadOptions,
    NotApplicable (from the head) and StoreError.
    """
    values: dict[str, Options] = {
        part.name: parse(part.options, options.get(part.name, {}), f"defense '{part.name}'")
        for part in composition.items
    }
    discarded: str | None = None
    meta: dict[str, Any] | None = None
    if folder.exists():
        from benchmark.fit.checkpoint import read_meta

        try:
            meta = read_meta(folder)
        except AssetCorrupt as problem:
            discarded = problem.message
            progress(0.0, f"{problem.message}: fitting again")
            shutil.rmtree(folder)
    context = FitContext(base, task, train, validation, seed, progress)
    if composition.complete is not None:
        classifier, log = _complete(composition.complete, values, context, folder, meta)
    else:
        classifier, log = _composed(composition, values, context, training, folder, meta)
    return classifier, {**log, "loaded": meta is not None, "discarded": discarded}


def _composed(
    composition: Composition,
    values: Mapping[str, Options],
    context: FitContext,
    training: Training,
    folder: Path,
    meta: dict[str, Any] | None,
) -> tuple[Classifier, dict[str, Any]]:
    import torch

    from benchmark.fit import checkpoint, loop
    from benchmark.fit.classifier import NetworkClassifier

    head, objective = composition.head, composition.objective
    assert head is not None
    assert objective is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed("head", context.seed))
        network = head.build(context.base, context.task, values[head.name])
    network.to("cuda" if torch.cuda.is_available() else "cpu")
    if meta is not None:
        log = checkpoint.load_network(network, folder)["log"]
    else:
        result = loop.train(
            network,
            objective.backward,
            values[objective.name],
            context.train,
            context.validation,
            training,
            context.seed,
            context.progress,
        )
        log = {"training": asdict(result), "parameters": sum(p.numel() for p in network.parameters())}
        checkpoint.save_network(network, folder, {"defense": composition.name, "log": log})
    network.eval()
    return NetworkClassifier(network), log


def _complete(
    item: CompleteDefense,
    values: Mapping[str, Options],
    context: FitContext,
    folder: Path,
    meta: dict[str, Any] | None,
) -> tuple[Classifier, dict[str, Any]]:
    import time

    from benchmark.fit import checkpoint

    if meta is not None:
        return item.load(folder, context.base, context.task, values[item.name]), meta["log"]
    began = time.monotonic()
    classifier = item.fit(context, values[item.name])
    log: dict[str, Any] = {"training": {"seconds": time.monotonic() - began}, "parameters": None}
    checkpoint.write_folder(folder, {"defense": item.name, "log": log}, lambda content: item.save(classifier, content))
    return classifier, log

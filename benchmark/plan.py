"""The plan: registry x suite -> ordered victims and cells, each ready or not applicable (with the reason).

Pure: nothing is trained, fetched or loaded here except a local dataset file, whose hash and labels are its identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.api import RUNNABLE, Asset, AttackState, Capability, Options, Track
from benchmark.data.source import DataSource
from benchmark.errors import UnknownName
from benchmark.fit.compose import (
    Composition,
    is_randomised,
    not_applicable_reason,
    parse_name,
    parsed_options,
    uses,
)
from benchmark.identity import cell_key
from benchmark.options import identifying, resolve
from benchmark.records import CellFile
from benchmark.registry import Registered, Registry
from benchmark.suite import Suite


@dataclass(frozen=True)
class VictimPlan:
    """One defense fitted on one dataset with one seed. ``spec`` is everything the weights depend on."""

    key: str
    spec: dict[str, Any]
    defense: str
    options: dict[str, dict[str, Any]]
    dataset: str
    seed: int


@dataclass(frozen=True)
class CellPlan:
    """One victim under one attack (None: the clean evaluation). ``ids`` are the examples, in order."""

    key: str
    spec: dict[str, Any]
    victim: VictimPlan
    attack: str | None
    attack_options: dict[str, Any]
    ids: tuple[str, ...]
    file: CellFile
    reason: str | None = None
    """Why the cell cannot run, or None."""
    access: str = ""
    """What the attack asks of the victim; not part of the identity."""


@dataclass(frozen=True)
class Plan:
    """Cells in the order they run: clean first, then attacks, victim by victim."""

    suite: Suite
    cells: tuple[CellPlan, ...]

    @property
    def ready(self) -> list[CellPlan]:
        return [cell for cell in self.cells if cell.reason is None]


def origin(item: Registered) -> str:
    """Distribution and version, part of every cell's identity."""
    return f"{item.plugin.distribution} {item.plugin.version}"


def make_plan(registry: Registry, suite: Suite, sources: Mapping[str, DataSource], limit: int | None = None) -> Plan:
    """Every cell of ``suite``; ``limit`` keeps the first examples of each stored sample (other cells, other keys)."""
    known = [entry.name for kind in ("defense", "attack") for entry in registry.items(kind)]
    for name in suite.options:
        if name not in known:
            raise UnknownName("defense part or attack to set options of", name, known)
    cells: list[CellPlan] = []
    for dataset in sorted(suite.datasets):
        source = sources[dataset]
        ids = source.sample if limit is None else source.sample[:limit]
        for name in suite.defenses:
            for seed in suite.seeds:
                cells += _victim_cells(registry, suite, source, name, seed, tuple(ids))
    return Plan(suite, tuple(cells))


def _victim_cells(
    registry: Registry, suite: Suite, source: DataSource, name: str, seed: int, ids: tuple[str, ...]
) -> list[CellPlan]:
    composition = parse_name(name, registry)
    values = parsed_options(composition, suite.options)
    options = {part: value.model_dump(mode="json") for part, value in values.items()}
    model = registry.get("model", suite.model)
    dataset = source.dataset
    spec: dict[str, Any] = {
        "dataset": {
            "name": dataset.name,
            "revision": dataset.revision,
            "label_names": list(dataset.label_names),
            "train_rows": source.use.train_rows,
            "validation_rows": source.use.validation_rows,
        },
        "model": {"name": model.name, "revision": model.item.revision, "plugin": origin(model)},
        "defense": {
            "name": composition.name,
            "parts": [
                {"name": part, "version": registry.get("defense", part).item.version,
                 "plugin": origin(registry.get("defense", part)), "options": options[part]}
                for part in composition.parts
            ],
        },
        "training": suite.training.model_dump(mode="json"),
        "seed": seed,
    }  # fmt: skip
    if is_randomised(composition, values):
        spec["defense"]["randomised"] = True
    reason = not_applicable_reason(composition, model.item.offers) or _unknown_use(registry, composition, values)
    if reason is None and composition.complete is not None and suite.inference.identity():
        reason = f"'{name}' is a complete defense: it has its own arithmetic, not {suite.inference.precision}"
    if reason is None:
        spec["defense"] |= _uses_spec(registry, suite, composition, values, dataset.name)
    victim = VictimPlan(cell_key(spec), spec, composition.name, options, dataset.name, seed)
    clean_spec = {"kind": "clean", "victim": spec, "test_rows": source.use.test_rows}
    if inference := suite.inference.identity():
        clean_spec["inference"] = inference
    cells = [_cell(suite, victim, clean_spec, None, {}, (), reason)]
    for attack_name in suite.attacks:
        attack = registry.get("attack", attack_name)
        chosen = attack_options(attack, suite)
        attack_spec: dict[str, Any] = {
            "kind": "attack",
            "victim": spec,
            "contract": suite.contract_for(dataset.name).model_dump(mode="json"),
            "encoder": _encoder(registry, suite),
            "sample": list(ids),
            "attack": _attack_spec(registry, attack, chosen),
        }
        if inference:
            attack_spec["inference"] = inference
        if scrutiny := suite.scrutiny.for_victim(is_randomised(composition, values)):
            attack_spec["scrutiny"] = scrutiny
        if suite.contract.lexicon:
            attack_spec["lexicon"] = _model_spec(registry, suite.contract.lexicon)
        missing = _cannot_attack(attack, chosen, suite.contract.track, composition.offers)
        cells.append(_cell(suite, victim, attack_spec, attack, chosen, ids, reason or missing))
    return cells


def _unknown_use(registry: Registry, composition: Composition, values: Mapping[str, Options]) -> str | None:
    """Why a part cannot have the model or the attack that its options name, or None."""
    for part in composition.items:
        wanted = part.uses(values[part.name])
        for kind, names in (("model", wanted.models), ("attack", wanted.attacks)):
            known = {entry.name for entry in registry.items(kind)}
            missing = [name for name in names if name not in known]
            if missing:
                what = (
                    f"the {kind} '{missing[0]}', which no plugin registers"
                    if missing[0]
                    else f"a {kind}, none is given"
                )
                return f"'{part.name}' needs {what}"
    return None


def _uses_spec(
    registry: Registry, suite: Suite, composition: Composition, values: Mapping[str, Options], dataset: str
) -> dict[str, Any]:
    """What the weights depend on besides options: other models, and attacks with the contract they keep."""
    wanted = uses(composition, values)
    spec: dict[str, Any] = {}
    if wanted.models:
        spec["models"] = {name: registry.get("model", name).item.revision for name in wanted.models}
    if wanted.attacks:
        entries = [registry.get("attack", name) for name in wanted.attacks]
        spec["attacks"] = [_attack_spec(registry, entry, attack_options(entry, suite)) for entry in entries]
        spec["contract"] = suite.contract_for(dataset).model_dump(mode="json")
        spec["encoder"] = _encoder(registry, suite)
    return spec


def attack_options(attack: Registered, suite: Suite) -> dict[str, Any]:
    """The attack's options in this suite, defaults filled in."""
    return resolve(attack.item.options, suite.options.get(attack.name, {}), f"attack '{attack.name}'")


def assets_for(registry: Registry, suite: Suite) -> list[Asset]:
    """The assets that the suite's model, encoder, datasets, attacks and defenses read."""
    models = {suite.model}
    if suite.contract.similarity:
        models.add(suite.contract.similarity.encoder)
    if suite.contract.lexicon:
        models.add(suite.contract.lexicon)
    attacks = list(suite.attacks)
    for name in suite.defenses:
        composition = parse_name(name, registry)
        wanted = uses(composition, parsed_options(composition, suite.options))
        models |= {m for m in wanted.models if any(m == entry.name for entry in registry.items("model"))}
        attacks += [a for a in wanted.attacks if any(a == entry.name for entry in registry.items("attack"))]
    items = [registry.get("attack", name).item for name in attacks]
    models |= {name for item in items for name in item.models}
    sources = [registry.get("model", name).item for name in sorted(models)] + items
    sources += [registry.get("dataset", name).item for name, use in suite.datasets.items() if use.path is None]
    found = {asset.name: asset for source in sources for asset in source.assets}
    return [found[name] for name in sorted(found)]


def shown_as(attack: Registered, options: Mapping[str, Any]) -> str:
    """What pages call the attack: its display name, and the options that are not at their defaults."""
    defaults = resolve(attack.item.options, {}, f"attack '{attack.name}'")
    shown = identifying(attack.item.options, options)
    changed = [f"{name}={shown[name]}" for name in sorted(shown) if shown[name] != defaults[name]]
    return f"{attack.item.display} ({', '.join(changed)})" if changed else attack.item.display


def _attack_spec(registry: Registry, attack: Registered, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": attack.name,
        "display": attack.item.display,
        "version": attack.item.version,
        "plugin": origin(attack),
        "options": identifying(attack.item.options, options),
        "parameters": dict(attack.item.parameters),
        "assets": {asset.name: asset.sha256 for asset in attack.item.assets},
        "models": {name: registry.get("model", name).item.revision for name in attack.item.models},
    }


def _encoder(registry: Registry, suite: Suite) -> dict[str, str] | None:
    clause = suite.contract.similarity
    if clause is None:
        return None
    return _model_spec(registry, clause.encoder)


def _model_spec(registry: Registry, name: str) -> dict[str, str]:
    entry = registry.get("model", name)
    return {"name": entry.name, "revision": entry.item.revision}


def _cannot_attack(
    attack: Registered, options: dict[str, Any], track: Track, offers: frozenset[Capability]
) -> str | None:
    """Why this attack cannot run on this victim, or None."""
    item = attack.item
    if item.state not in RUNNABLE:
        absent = item.unavailable(item.options(**options)) if item.state is AttackState.NEEDS_WEIGHTS else item.card
        if absent is not None:
            return f"the attack '{attack.name}' is {item.state}: {absent or item.card}"
    elif (absent := item.unavailable(item.options(**options))) is not None:
        return f"the attack '{attack.name}' is {AttackState.UNAVAILABLE}: {absent}"
    if track not in item.tracks:
        return f"the attack '{attack.name}' has no {track} track"
    lacking = sorted(item.needs - offers)
    return (
        f"the attack '{attack.name}' needs {', '.join(lacking)}, which the defense does not offer" if lacking else None
    )


def _cell(
    suite: Suite,
    victim: VictimPlan,
    spec: dict[str, Any],
    attack: Registered | None,
    attack_options: dict[str, Any],
    ids: tuple[str, ...],
    reason: str | None,
) -> CellPlan:
    key = cell_key(spec)
    file = CellFile(
        key=key,
        suite=suite.name,
        suite_version=suite.version,
        dataset=victim.dataset,
        defense=victim.defense,
        attack=attack.name if attack else None,
        attack_display=shown_as(attack, attack_options) if attack else None,
        seed=victim.seed,
        model=suite.model,
        spec=spec,
    )
    access = str(attack.item.access) if attack else ""
    return CellPlan(key, spec, victim, attack.name if attack else None, attack_options, ids, file, reason, access)

"""Which cells of a store belong on a suite's page, and the frozen form of the suite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Protocol

from benchmark.errors import BadOptions, BadRecord, BenchError
from benchmark.names import split_name
from benchmark.records import CellFile, CleanRecord, ExampleRecord
from benchmark.suite import Suite


class RecordSource(Protocol):
    """What publishing reads of a store (see ``benchmark.store.Store``)."""

    def cells(self) -> list[CellFile]: ...
    def records(self, cell: CellFile) -> list[ExampleRecord]: ...
    def clean_records(self, cell: CellFile) -> list[CleanRecord]: ...
    def complete(self, cell: CellFile) -> bool: ...


class NothingToPublish(BenchError):
    """The store holds no complete cell of the suite."""


Coordinates = tuple[str, str, str, int, str]
"""dataset, model, defense, seed, attack (empty for the clean evaluation)."""


def coordinates(cell: CellFile) -> Coordinates:
    """Where on the page a cell belongs."""
    return (cell.dataset, cell.model, cell.defense, cell.seed, cell.attack or "")


def sample_of(cell: CellFile) -> list[str] | None:
    """The attacked ids in the cell's specification; None for a clean evaluation."""
    dataset = cell.spec.get("dataset")
    sample = cell.spec.get("sample", dataset.get("sample") if isinstance(dataset, Mapping) else None)
    return list(sample) if cell.attack is not None and isinstance(sample, list | tuple) else None


@dataclass(frozen=True)
class Prescribed:
    """What the installed plugins make of a suite; keys are ``kind:name``, such as ``attack:NAME``.

    ``options`` are the resolved options of every item (a cell run with others is not the suite's). ``marks`` are
    version, revision and origin; they only decide between two cells that claim one place.
    """

    options: Mapping[str, Mapping[str, Any]]
    marks: Mapping[str, Mapping[str, Any]]


def select(suite: Suite, source: RecordSource, prescribed: Prescribed | None = None) -> list[CellFile]:
    """Complete cells of this suite version, measured under exactly its conditions, sorted by key.

    Cells of attacks that the suite does not list stay out (they would be another worst case); other people's defenses
    stay in. Raises NothingToPublish when nothing remains and BadRecord when two cells claim one place and neither, or
    both, are what is installed.
    """
    ours = cells_of(suite, source.cells(), suite.defenses)
    fitting = [cell for cell in ours if not differences(suite, cell) and _as_prescribed(cell, prescribed)]
    complete = sorted((cell for cell in fitting if source.complete(cell)), key=lambda cell: cell.key)
    if not complete:
        details = f" ({len(ours)} stored, {len(fitting)} of them fit the suite, none is complete)" if ours else ""
        raise NothingToPublish(
            f"the store has no complete cell of suite '{suite.name}' version {suite.version}{details}",
            f"Run `bench run --all --suite {suite.name}` first",
        )
    chosen = _current(complete, prescribed)
    check_unique(chosen)
    return chosen


def cells_of(suite: Suite, cells: Iterable[CellFile], defenses: Sequence[str]) -> list[CellFile]:
    """The cells that ran for this suite version, and those of ``defenses`` that ran for another one, as this suite's.

    A key does not hold the suite's name: what one suite has computed is not computed again for another of the same
    conditions, and the cell file names the first. Whether the conditions are the same is told by :func:`differences`.
    """
    found = []
    for cell in cells:
        if (cell.suite, cell.suite_version) == (suite.name, suite.version):
            found.append(cell)
        elif cell.defense in defenses and cell.model == suite.model and not differences(suite, cell):
            found.append(cell.model_copy(update={"suite": suite.name, "suite_version": suite.version}))
    return found


def items_of(cell: CellFile) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The parts that a cell's specification describes, as ``(kind:name, description)``."""
    victim = cell.spec.get("victim")
    victim = victim if isinstance(victim, Mapping) else {}
    defense = victim.get("defense")
    parts = defense.get("parts", ()) if isinstance(defense, Mapping) else ()
    found = [("defense", part) for part in parts]
    found += [("attack", cell.spec.get("attack")), ("model", cell.spec.get("encoder"))]
    found += [(kind, victim.get(kind)) for kind in ("model", "dataset")]
    for kind, part in found:
        if isinstance(part, Mapping) and "name" in part:
            yield f"{kind}:{part['name']}", part


def _as_prescribed(cell: CellFile, prescribed: Prescribed | None) -> bool:
    """Whether every item ran with the options that the suite and the defense's own name give it."""
    options = prescribed.options if prescribed else {}
    return all(
        part["options"] == {**options[name], **_inline(cell, name)}
        for name, part in items_of(cell)
        if name in options and "options" in part
    )


def _inline(cell: CellFile, name: str) -> Mapping[str, Any]:
    """The options that the brackets of the defense's name give the item ``kind:name``."""
    kind, _, item = name.partition(":")
    found = {part.name: part.options for part in split_name(cell.defense)}
    return found.get(item, {}) if kind == "defense" else {}


def _current(cells: Sequence[CellFile], prescribed: Prescribed | None) -> list[CellFile]:
    """Of cells that claim one place, the ones made by what is installed (all, where that decides nothing)."""
    places: dict[Coordinates, list[CellFile]] = {}
    for cell in cells:
        places.setdefault(coordinates(cell), []).append(cell)
    chosen: list[CellFile] = []
    for rivals in places.values():
        installed = [cell for cell in rivals if prescribed and _is_installed(cell, prescribed)]
        chosen += installed if len(rivals) > 1 and installed else rivals
    return sorted(chosen, key=lambda cell: cell.key)


def _is_installed(cell: CellFile, prescribed: Prescribed) -> bool:
    return all(
        part[field] == value
        for name, part in items_of(cell)
        for field, value in prescribed.marks.get(name, {}).items()
        if field in part
    )


def check_unique(cells: Iterable[CellFile]) -> None:
    """Raise BadRecord when two cells claim one place on the page."""
    taken: dict[Coordinates, str] = {}
    for cell in cells:
        place = coordinates(cell)
        if place in taken:
            what = f"{cell.dataset}, {cell.defense}, {cell.attack or 'clean evaluation'}, seed {cell.seed}"
            raise BadRecord(
                f"two cells, {taken[place]} and {cell.key}, are both {what} (other versions or options)",
                "Remove the folder of the outdated one from the store, or publish from a store that has only one",
            )
        taken[place] = cell.key


def differences(suite: Suite, cell: CellFile) -> list[str]:
    """In which parts a cell's specification is not what the suite prescribes: it must not be on the same page."""
    try:
        split_name(cell.defense)
    except BadOptions as problem:
        return [problem.message]
    if cell.dataset not in suite.datasets:
        return [f"dataset '{cell.dataset}' is not in the suite"]
    if cell.attack is not None and cell.attack not in suite.attacks:
        return [f"attack '{cell.attack}' is not in the suite"]
    if cell.seed not in suite.seeds:
        return [f"seed {cell.seed} is not in the suite"]
    use = suite.datasets[cell.dataset]
    victim = cell.spec.get("victim")
    victim = victim if isinstance(victim, Mapping) else {}
    found = []
    sample = sample_of(cell)
    if sample is not None and use.sample and sorted(sample) != sorted(use.sample):
        found.append("it was measured under another sample than the suite's")
    if _differs(cell.spec, "contract", suite.contract_for(cell.dataset).model_dump(mode="json")):
        found.append("it was measured under another contract than the suite's")
    defense = victim.get("defense")
    randomised = bool(defense.get("randomised")) if isinstance(defense, Mapping) else False
    if cell.attack is not None and cell.spec.get("scrutiny", {}) != suite.scrutiny.for_victim(randomised):
        found.append("it was measured under another scrutiny than the suite's")
    if cell.spec.get("inference", {}) != suite.inference.identity():
        found.append("it was measured under another inference than the suite's")
    if _differs(victim, "training", suite.training.model_dump(mode="json")):
        found.append("it was measured under another training than the suite's")
    if _differs(cell.spec, "test_rows", use.test_rows):
        found.append("it was measured under another test_rows than the suite's")
    data = victim.get("dataset")
    if isinstance(data, Mapping):
        rows = [name for name in ("train_rows", "validation_rows") if _differs(data, name, getattr(use, name))]
        found += [f"it was measured under another {name} than the suite's" for name in rows]
    for name, part in items_of(cell):
        given = {**suite.options.get(name.partition(":")[2], {}), **_inline(cell, name)}
        used = part.get("options")
        if isinstance(used, Mapping) and any(used.get(key) != value for key, value in given.items()):
            found.append(f"{name} ran with other options than the suite's")
    return found


def freeze(suite: Suite, cells: Sequence[CellFile]) -> Suite:
    """The suite as stored beside a page: samples spelled out, and no folder of this machine in it.

    A local data file has no stored sample; its ids are taken from the cells, which must agree.
    """
    datasets = {}
    for name, use in sorted(suite.datasets.items()):
        update: dict[str, Any] = {}
        if use.path is not None:
            update["path"] = PurePath(use.path).name
        if not use.sample:
            samples = {tuple(sorted(s)) for c in cells if c.dataset == name and (s := sample_of(c)) is not None}
            if len(samples) > 1:
                raise BadRecord(
                    f"the cells of dataset '{name}' were attacked on {len(samples)} different samples",
                    "Publish from a store with one of them: scores on different samples do not compare",
                )
            update["sample"] = next(iter(samples), ())
        datasets[name] = use.model_copy(update=update)
    return suite.model_copy(update={"datasets": datasets})


def frozen_changes(old: Suite, new: Suite) -> list[str]:
    """What a new version is needed for. Defenses and seeds may be added, title and notes may be reworded."""
    changed = [
        field
        for field in ("name", "version", "model", "attacks", "contract", "training", "inference", "scrutiny")
        if getattr(old, field) != getattr(new, field)
    ]
    if old.datasets.keys() != new.datasets.keys():
        changed.append("datasets")
    for name in sorted(old.datasets.keys() & new.datasets.keys()):
        before, after = old.datasets[name].model_dump(), new.datasets[name].model_dump()
        # A dataset of which nothing was published yet has no sample to keep.
        changed += [f"datasets.{name}.{k}" for k in before if before[k] != after[k] and (k != "sample" or before[k])]
    if set(old.defenses) - set(new.defenses):
        changed.append("defenses (some were removed)")
    if set(old.seeds) - set(new.seeds):
        changed.append(f"seeds (the page has {', '.join(map(str, old.seeds))}: name all of them with --seed)")
    changed += [f"options.{name}" for name in sorted(old.options) if old.options[name] != new.options.get(name)]
    added = sorted(new.options.keys() - old.options.keys())
    return changed + [f"options.{name}" for name in added if name in {*old.attacks, *old.defenses}]


def _differs(spec: Mapping[str, Any], key: str, expected: Any) -> bool:
    return key in spec and spec[key] != expected

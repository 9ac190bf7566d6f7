"""Which cells of a store belong on a suite's page, and the frozen form of the suite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Protocol

from benchmark.errors import BadRecord, BenchError
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


def select(suite: Suite, source: RecordSource) -> list[CellFile]:
    """Complete cells of this suite version, measured under exactly its contract and samples, sorted by key.

    Cells of attacks that the suite does not list stay out (they would be another worst case); other people's defenses
    stay in. Raises NothingToPublish when nothing remains and BadRecord when two cells claim one place.
    """
    ours = [c for c in source.cells() if (c.suite, c.suite_version) == (suite.name, suite.version)]
    listed = [c for c in ours if c.dataset in suite.datasets and (c.attack is None or c.attack in suite.attacks)]
    fitting = [cell for cell in listed if not differences(suite, cell)]
    complete = sorted((cell for cell in fitting if source.complete(cell)), key=lambda cell: cell.key)
    if not complete:
        details = f" ({len(ours)} stored: {len(fitting)} fit the suite, none is complete)" if ours else ""
        raise NothingToPublish(
            f"the store has no complete cell of suite '{suite.name}' version {suite.version}{details}",
            f"Run `bench run --all --suite {suite.name}` first",
        )
    check_unique(complete)
    return complete


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
    if cell.dataset not in suite.datasets:
        return [f"dataset '{cell.dataset}' is not in the suite"]
    use = suite.datasets[cell.dataset]
    victim = cell.spec.get("victim")
    victim = victim if isinstance(victim, Mapping) else {}
    found = []
    sample = sample_of(cell)
    if sample is not None and use.sample and sorted(sample) != sorted(use.sample):
        found.append("sample")
    if _differs(cell.spec, "contract", suite.contract_for(cell.dataset).model_dump(mode="json")):
        found.append("contract")
    if _differs(victim, "training", suite.training.model_dump(mode="json")):
        found.append("training")
    if _differs(cell.spec, "test_rows", use.test_rows):
        found.append("test_rows")
    data = victim.get("dataset")
    if isinstance(data, Mapping):
        found += [name for name in ("train_rows", "validation_rows") if _differs(data, name, getattr(use, name))]
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
        for field in ("name", "version", "model", "attacks", "contract", "training")
        if getattr(old, field) != getattr(new, field)
    ]
    if old.datasets.keys() != new.datasets.keys():
        changed.append("datasets")
    for name in sorted(old.datasets.keys() & new.datasets.keys()):
        before, after = old.datasets[name].model_dump(), new.datasets[name].model_dump()
        # A dataset of which nothing was published yet has no sample to keep.
        changed += [f"datasets.{name}.{k}" for k in before if before[k] != after[k] and (k != "sample" or before[k])]
    for field in ("defenses", "seeds"):
        if set(getattr(old, field)) - set(getattr(new, field)):
            changed.append(f"{field} (some were removed)")
    changed += [f"options.{name}" for name in sorted(old.options) if old.options[name] != new.options.get(name)]
    added = sorted(new.options.keys() - old.options.keys())
    return changed + [f"options.{name}" for name in added if name in {*old.attacks, *old.defenses}]


def _differs(spec: Mapping[str, Any], key: str, expected: Any) -> bool:
    return key in spec and spec[key] != expected

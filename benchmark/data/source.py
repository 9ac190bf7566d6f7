"""Where a suite's examples come from: a registered dataset, or a local file given by path.

A source knows names, labels and the attacked ids without loading a registered dataset, so that planning needs no
assets; its rows are loaded when something is fitted or attacked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.api import Dataset, Example, Resources, Splits
from benchmark.data.sample import select, stratified_ids, stratified_rows
from benchmark.errors import BadData
from benchmark.registry import Registry
from benchmark.suite import Suite, SuiteDataset

LOCAL_SAMPLE = 50
"""Attacked examples of a local file when the suite does not say."""


@dataclass(frozen=True)
class DataSource:
    """One dataset as a suite uses it."""

    dataset: Dataset
    use: SuiteDataset
    sample: tuple[str, ...]

    def parts(self, resources: Resources) -> Splits:
        """Training and validation rows cut to the suite's numbers (evenly over labels), and the whole test part."""
        splits = self.dataset.load(resources)
        return Splits(
            _cut(splits.train, self.use.train_rows),
            _cut(splits.validation, self.use.validation_rows),
            list(splits.test),
        )

    def clean_rows(self, splits: Splits) -> list[Example]:
        """The test rows that clean accuracy is measured on, in id order."""
        return sorted(_cut(splits.test, self.use.test_rows), key=lambda example: example.id)

    def attacked(self, splits: Splits, ids: Sequence[str]) -> list[Example]:
        """The attacked examples, by id; raises BadData for ids that the test part lacks."""
        return select(splits.test, ids)


def _cut(rows: Sequence[Example], number: int | None) -> list[Example]:
    return list(rows) if number is None else stratified_rows(rows, number)


def sources_of(registry: Registry, suite: Suite) -> dict[str, DataSource]:
    """The source of every dataset of the suite; raises UnknownName, or BadData for a local file."""
    return {name: _source(registry, name, use) for name, use in sorted(suite.datasets.items())}


def _source(registry: Registry, name: str, use: SuiteDataset) -> DataSource:
    if use.path is None:
        dataset = registry.get("dataset", name).item
        if not use.sample:
            raise BadData(f"the suite stores no sample for dataset '{name}'", "List the attacked ids under `sample`")
        return DataSource(dataset, use, tuple(use.sample))
    return local_source(name, Path(use.path), use)


def local_source(name: str, path: Path, use: SuiteDataset) -> DataSource:
    """A local file as a dataset; its revision is the file's sha256, its sample is drawn evenly over labels by hash."""
    import hashlib

    from benchmark.data.local import load_local

    label_names, splits = load_local(path, use.text_column, use.label_column)
    revision = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    dataset = Dataset(name=name, label_names=label_names, revision=revision, load=lambda resources: splits)
    sample = tuple(use.sample) or stratified_ids(splits.test, use.sample_size or LOCAL_SAMPLE)
    return DataSource(dataset, use, sample)

"""What all attack benchmarks share: the suite, its victim, its cells, and a cache that holds nothing an attack left."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import reviews
from sizes import Sizes

from benchmark.api import Track
from benchmark.data.source import sources_of
from benchmark.plan import CellPlan, make_plan
from benchmark.registry import Registry
from benchmark.suite import Contract, Suite, SuiteDataset, Training
from benchmark.worker import Workbench

RECIPES = ("textfooler", "bae", "pwws", "textbugger", "deepwordbug")
LENGTHS = ("short", "long")
MODEL = "minilm-mlm"
DEFENSE = "mlp"
SHARED = ("archives", "derived", "extracted", "locks", "probes", "victims")
"""Folders of the cache that a run may find filled: assets and victims, no answers."""
TRAINING = Training(
    epochs=3, learning_rate=1e-4, batch_size=16, max_length=512, evaluations_per_epoch=1, patience=3, precision="bf16"
)
"""That of suite ``mini``, but for the longest text: the stock wrapper reads 512 tokens, and so must the victim."""


def linked_cache(root: Path, folder: Path, shared: tuple[str, ...] = SHARED) -> Path:
    """A new cache at ``folder`` that shares some folders with ``root``. Whatever else an engine keeps starts empty."""
    folder.mkdir(parents=True)
    for name in shared:
        (root / name).mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to((root / name).resolve(), target_is_directory=True)
    return folder


def suite_of(dataset: SuiteDataset, attacks: tuple[str, ...], **changes: Any) -> Suite:
    """One victim under attacks that only their own constraints bind, without a budget: what a library runs."""
    fields: dict[str, Any] = {
        "name": "speed", "version": 1, "title": "Speed", "model": MODEL, "defenses": (DEFENSE,), "attacks": attacks,
        "contract": Contract(name="native", track=Track.NATIVE), "training": TRAINING,
        "datasets": {reviews.NAME: dataset},
    }  # fmt: skip
    return Suite.model_validate({**fields, **changes})


def cell_of(registry: Registry, suite: Suite, attack: str) -> CellPlan:
    """The cell of an attack; fails when it cannot run here."""
    cells = [c for c in make_plan(registry, suite, sources_of(registry, suite)).cells if c.attack == attack]
    assert [c.reason for c in cells] == [None], cells
    return cells[0]


class Setting(NamedTuple):
    """Cells and texts of one length; ``bench`` is the parent's own workbench, which the stock loop takes from."""

    suite: Suite
    cells: dict[str, CellPlan]
    ids: tuple[str, ...]
    warm: tuple[str, ...]
    words: float
    """Mean number of words of the attacked texts."""
    bench: Workbench

    def examples(self, ids: tuple[str, ...]) -> list[Any]:
        return list(self.bench.sources[reviews.NAME].attacked(self.bench.parts(reviews.NAME), ids))

    def victim(self) -> Any:
        """The fitted victim, from its checkpoint."""
        return self.bench.victim(next(iter(self.cells.values())).victim, lambda share, text: None)


def make_settings(registry: Registry, resources: Any, sizes: Sizes, folder: Path, cache: Path) -> dict[str, Setting]:
    """The settings by length."""
    parts = registry.get("dataset", reviews.DATASET).item.load(resources)
    rows = [(e.text, e.label) for part in parts for e in part]
    # Always as many joined texts: the file's hash is part of the victim's identity, the number of examples is not.
    rows += reviews.joined(parts.test, reviews.LONG_WORDS, 100)
    path = folder / f"{reviews.NAME}.jsonl"
    reviews.write_rows(path, rows)

    def dataset(sample: tuple[str, ...]) -> SuiteDataset:
        return SuiteDataset(path=str(path), sample=sample, train_rows=2000, validation_rows=300)

    extra = {"inference": {"precision": sizes.precision}} if sizes.precision else {}
    first = suite_of(dataset(("any",)), RECIPES, **extra)
    test = sources_of(registry, first)[reviews.NAME].parts(resources).test
    found: dict[str, Setting] = {}
    for length, examples, number in zip(
        LENGTHS, reviews.ids_by_length(test), (sizes.examples, sizes.long_examples), strict=True
    ):
        ids, warm = reviews.draw(examples, number)
        suite = suite_of(dataset(ids), RECIPES, **extra)
        cells = {attack: cell_of(registry, suite, attack) for attack in RECIPES}
        words = [len(e.text.split()) for e in examples if e.id in set(ids)]
        bench = found["short"].bench if found else Workbench(suite, cache, registry)
        found[length] = Setting(suite, cells, ids, warm, round(sum(words) / len(words), 1), bench)
    return found

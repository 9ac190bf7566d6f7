"""A small honest submission: six examples, one real contract, and records as a run writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.api import Example
from benchmark.identity import cell_key
from benchmark.leaderboard.versions import assets_of
from benchmark.records import CellFile, CleanRecord, ExampleRecord, Outcome
from benchmark.store import Store
from benchmark.submission.content import Source
from benchmark.submission.pack import pack
from benchmark.submission.review import Known
from benchmark.submission.texts import Truth
from benchmark.suite import Contract, Similarity, Suite, SuiteDataset
from benchmark.validate import Validator

WORDS = "a quiet film with one brave girl and her old dog who walk home"
EXAMPLES = tuple(Example(f"e{n}", f"{WORDS} number {n}", n % 2) for n in range(6))
SOURCE = Source(
    distribution="bench-mine", version="1.2", url="https://example.org/them/bench-mine", commit="0123456789abcdef"
)


class Bag:
    """A sentence encoder: counts of letters, as unit vectors."""

    def encode(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        counts = np.array([[text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts])
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


SUITE = Suite(
    name="toy",
    version=1,
    title="Toy",
    model="tiny",
    defenses=("mlp",),
    attacks=("swap",),
    contract=Contract(
        name="toy", perturbed_words=0.3, queries_per_word=5, similarity=Similarity(encoder="bag", minimum=0.7)
    ),
    datasets={"reviews": SuiteDataset(sample=tuple(e.id for e in EXAMPLES))},
)
VALIDATOR = Validator(SUITE.contract, Bag())  # type: ignore[arg-type]
TRUTH = Truth({e.id: e for e in EXAMPLES}, [e.id for e in EXAMPLES], VALIDATOR.check, 0.7)


def cell(defense: str, attack: str | None) -> CellFile:
    """As the plan writes it."""
    victim = {
        "dataset": {"name": "reviews", "revision": "r1", "label_names": ["bad", "good"]},
        "model": {"name": "tiny", "revision": "m1", "plugin": "bench 1.0"},
        "defense": {
            "name": defense,
            "parts": [{"name": defense, "version": 1, "plugin": "bench-mine 1.2", "options": {}}],
        },
        "training": SUITE.training.model_dump(mode="json"),
        "seed": 0,
    }
    spec: dict[str, Any] = {"kind": "clean", "victim": victim, "test_rows": None}
    if attack is not None:
        spec = {
            "kind": "attack",
            "victim": victim,
            "contract": SUITE.contract.model_dump(mode="json"),
            "sample": [e.id for e in EXAMPLES],
            "encoder": {"name": "bag", "revision": "b1"},
            "attack": {"name": attack, "version": 1, "assets": {"vectors": "a" * 64}, "options": {}},
        }
    return CellFile(
        key=cell_key(spec), suite="toy", suite_version=1, dataset="reviews", defense=defense, attack=attack,
        attack_display=attack and "swap[toy]", seed=0, model="tiny", spec=spec,
        provenance={
            "forwards_per_prediction": 1, "model_revision": "m1", "plugins": {defense: "bench-mine 1.2"},
            "training": {"seconds": 1.5, "steps": 3, "parameters": 10}, "environment": {"python": "3.11.9"},
            "probe": {"accuracy": 0.5, "calibration_error": 0.1, "confidence": 0.5, "temperature": 1.0},
        },
    )  # fmt: skip


def record(of: CellFile, example: Example, text: str | None, flips: bool) -> ExampleRecord:
    """What the harness writes for a victim that reads e0 wrongly."""
    right = example.id != "e0"
    verdict = VALIDATOR.check(example.text, text) if text is not None and right else None
    outcome = Outcome.HELD if right else Outcome.SKIPPED
    if verdict is not None and flips:
        outcome = Outcome.INVALID if verdict.violations else Outcome.BROKEN
    label = example.label
    return ExampleRecord(
        cell=of.key, example_id=example.id, label=label, prediction=label if right else 1 - label, outcome=outcome,
        adversarial_prediction=None if verdict is None else 1 - label if flips else label,
        text=example.text, adversarial_text=text if verdict else None, queries=7 if right else 0,
        forwards=6 if right else 1, words=16, perturbed_words=verdict and verdict.perturbed_words,
        perturbed_share=verdict and verdict.perturbed_share, similarity=verdict and verdict.similarity,
        violations=verdict.violations if verdict else (),
    )  # fmt: skip


CHANGES = {
    "e1": ("quiet", "<script>", True),  # markup is a text like any other
    "e2": (WORDS, "zzz zzz zzz zzz zzz", True),  # too far: invalid
    "e3": ("brave", "braver", False),  # came back, but does not flip
}


def fill(store: Store, defense: str = "mine") -> None:
    """Both cells of one honest row."""
    clean = cell(defense, None)
    store.open_cell(clean)
    store.finish(
        clean,
        [CleanRecord(cell=clean.key, example_id=e.id, label=e.label, prediction=int(e.id != "e0") * e.label)
         for e in EXAMPLES],
    )  # fmt: skip
    attacked = cell(defense, "swap")
    store.open_cell(attacked)
    found = []
    for example in EXAMPLES:
        old, new, flips = CHANGES.get(example.id, ("", "", False))
        text = example.text.replace(old, new) if old else None
        found.append(record(attacked, example, text, flips))
    store.finish(attacked, found)


def honest(folder: Path, defense: str = "mine") -> bytes:
    """The archive of one honest row."""
    store = Store(folder / f"store-{defense}")
    fill(store, defense)
    return pack(SUITE, store, [defense], SOURCE, folder / "victims")


def known() -> Known:
    """What the reviewer has installed."""
    return Known(SUITE, {"reviews": TRUTH}, {**assets_of(cell("mlp", "swap")), **assets_of(cell("mlp", None))})

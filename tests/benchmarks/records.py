"""A store of synthetic records, of the shape that a run leaves behind."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from benchmark.identity import cell_key
from benchmark.records import CellFile, CleanRecord, ExampleRecord, Outcome
from benchmark.store import Store
from benchmark.suite import Contract, Suite, SuiteDataset

WORDS = 20
DATASET = "reviews"
OUTCOMES = (Outcome.SKIPPED, Outcome.HELD, Outcome.BROKEN, Outcome.BROKEN, Outcome.INVALID, Outcome.EXHAUSTED)


def fill(folder: Path, defenses: int, attacks: int, examples: int) -> tuple[Suite, Store, int]:
    """Suite, store, and the number of attack records."""
    suite = Suite(
        name="many", version=1, title="Many records", model="tiny",
        defenses=tuple(f"defense{n:02}" for n in range(defenses)),
        attacks=tuple(f"attack{n:02}" for n in range(attacks)),
        contract=Contract(name="many", perturbed_words=0.3, queries_per_word=50),
        datasets={DATASET: SuiteDataset(sample=tuple(f"e{n:05}" for n in range(examples)))},
    )  # fmt: skip
    store, rng = Store(folder), random.Random(0)
    for defense in suite.defenses:
        _add_clean(store, suite, defense, rng)
        for attack in suite.attacks:
            cell = _cell(suite, defense, attack)
            store.open_cell(cell)
            store.finish(cell, [_record(cell, i, rng) for i in suite.datasets[DATASET].sample])
    return suite, store, defenses * attacks * examples


def _cell(suite: Suite, defense: str, attack: str | None) -> CellFile:
    part = {"name": defense, "version": 1, "plugin": "many 1.0", "options": {}}
    victim = {"dataset": {"name": DATASET}, "defense": {"name": defense, "parts": [part]}, "seed": 0}
    spec: dict[str, Any] = {"kind": "clean", "victim": victim, "test_rows": None}
    if attack is not None:
        spec = {
            "kind": "attack", "victim": victim, "contract": suite.contract_for(DATASET).model_dump(mode="json"),
            "sample": list(suite.datasets[DATASET].sample), "attack": {"name": attack},
        }  # fmt: skip
    return CellFile(
        key=cell_key(spec), suite=suite.name, suite_version=suite.version, dataset=DATASET, defense=defense,
        attack=attack, attack_display=attack, seed=0, model=suite.model, spec=spec,
        provenance={"training": {"seconds": 10.0, "steps": 3}, "model_revision": "r1", "plugins": {defense: "many 1.0"},
                    "environment": {"python": "3.11"}, "forwards_per_prediction": 1},
    )  # fmt: skip


def _add_clean(store: Store, suite: Suite, defense: str, rng: random.Random) -> None:
    cell = _cell(suite, defense, None)
    store.open_cell(cell)
    right = (rng.random() < 0.8 for _ in range(500))
    store.finish(
        cell,
        [CleanRecord(cell=cell.key, example_id=f"t{n:04}", label=1, prediction=int(ok)) for n, ok in enumerate(right)],
    )


def _record(cell: CellFile, example: str, rng: random.Random) -> ExampleRecord:
    words = [f"word{n}" for n in range(WORDS)]
    outcome = rng.choice(OUTCOMES)
    edited = sorted(rng.sample(range(WORDS), 3))
    changed = ["other" if n in edited else word for n, word in enumerate(words)]
    flipped = outcome in (Outcome.BROKEN, Outcome.INVALID)
    return ExampleRecord(
        cell=cell.key, example_id=example, label=1, prediction=int(outcome is not Outcome.SKIPPED), outcome=outcome,
        adversarial_prediction=0 if flipped else None, text=" ".join(words),
        adversarial_text=" ".join(changed) if flipped else None, queries=rng.randint(20, 200),
        forwards=rng.randint(20, 200), words=WORDS, perturbed_words=3 if flipped else None,
        perturbed_share=0.15 if flipped else None, similarity=0.9 if flipped else None,
        violations=("similarity",) if outcome is Outcome.INVALID else (),
    )  # fmt: skip

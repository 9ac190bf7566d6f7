"""Publish a page of many records and measure it: ``python tests/benchmarks/large_page.py [RECORDS] [FOLDER]``.

Makes a store of synthetic records (20 defenses, five attacks, two datasets, two seeds; 200,000 records unless told
otherwise), publishes it, checks it, and prints CPU seconds, wall seconds and the peak of memory of each step.
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmark.identity import cell_key
from benchmark.leaderboard.check import check
from benchmark.leaderboard.publish import publish
from benchmark.records import CellFile, CleanRecord, ExampleRecord, Outcome
from benchmark.store import Store
from benchmark.suite import Contract, Suite, SuiteDataset

DEFENSES, ATTACKS, DATASETS, SEEDS = 20, 5, ("reviews", "questions"), (0, 1)
WORDS = tuple(f"word{i}" for i in range(200))


def suite_of(records: int) -> Suite:
    n = records // (DEFENSES * ATTACKS * len(DATASETS) * len(SEEDS))
    return Suite(
        name="large",
        version=1,
        title="Large",
        model="tiny",
        defenses=tuple(f"defense{i:02}" for i in range(DEFENSES)),
        attacks=tuple(f"attack{i}" for i in range(ATTACKS)),
        contract=Contract(name="toy", perturbed_words=0.3, queries_per_word=50),
        datasets={name: SuiteDataset(sample=tuple(f"{name}{i:05}" for i in range(n))) for name in DATASETS},
        seeds=SEEDS,
    )


def fill(store: Store, suite: Suite) -> int:
    """A store in which later defenses are a little more robust; returns the number of attacked records."""
    rng = random.Random(0)
    made = 0
    for dataset in DATASETS:
        texts = {example: " ".join(rng.choices(WORDS, k=20)) for example in suite.datasets[dataset].sample}
        for rank, defense in enumerate(suite.defenses):
            for seed in suite.seeds:
                for attack in (None, *suite.attacks):
                    cell = _cell(suite, dataset, defense, seed, attack)
                    store.open_cell(cell)
                    if attack is None:
                        store.finish(
                            cell, [CleanRecord(cell=cell.key, example_id=i, label=1, prediction=1) for i in texts]
                        )
                    else:
                        store.finish(cell, [_record(cell, i, text, rng, rank) for i, text in texts.items()])
                        made += len(texts)
    return made


def _cell(suite: Suite, dataset: str, defense: str, seed: int, attack: str | None) -> CellFile:
    part = {"name": defense, "version": 1, "plugin": "toy 1.0", "options": {}}
    victim = {"dataset": {"name": dataset}, "defense": {"name": defense, "parts": [part]}, "seed": seed}
    spec = {"kind": "clean", "victim": victim, "test_rows": None} if attack is None else {
        "kind": "attack", "victim": victim, "contract": suite.contract_for(dataset).model_dump(mode="json"),
        "sample": list(suite.datasets[dataset].sample), "attack": {"name": attack},
    }  # fmt: skip
    return CellFile(
        key=cell_key(spec), suite=suite.name, suite_version=1, dataset=dataset, defense=defense, attack=attack,
        attack_display=attack, seed=seed, model=suite.model, spec=spec,
        provenance={"training": {"seconds": 60.0}, "forwards_per_prediction": 1},
    )  # fmt: skip


def _clean(cell: CellFile, example: str) -> CleanRecord:
    return CleanRecord(cell=cell.key, example_id=example, label=1, prediction=1)


def _record(cell: CellFile, example: str, text: str, rng: random.Random, rank: int) -> ExampleRecord:
    broken = rng.random() < 0.6 - 0.02 * rank
    words = text.split()
    for place in rng.sample(range(len(words)), 3):
        words[place] = words[place].upper()
    return ExampleRecord(
        cell=cell.key, example_id=example, label=1, prediction=1, text=text, queries=rng.randrange(400),
        forwards=rng.randrange(400), words=len(words), outcome=Outcome.BROKEN if broken else Outcome.HELD,
        adversarial_prediction=0 if broken else None, adversarial_text=" ".join(words) if broken else None,
        perturbed_words=3 if broken else None, perturbed_share=0.15 if broken else None,
        similarity=0.9 if broken else None,
    )  # fmt: skip


def measured(name: str, step: Callable[[], object]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    sys.stdout.write(f"{name}: {cpu:.1f} s CPU, {wall:.1f} s wall, peak {peak:.0f} MB\n")
    sys.stdout.flush()


def main() -> None:
    suite = suite_of(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(temporary)
        store = Store(root / "store")
        if not store.cells():
            measured("make the store", lambda: fill(store, suite))
        measured("publish", lambda: publish(suite, store, root / "pages"))
        measured("check", lambda: check(root / "pages"))


if __name__ == "__main__":
    main()

"""Stores of any size with made-up records, for what is drawn from them. The numbers mean nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.identity import cell_key
from benchmark.records import CellFile, Outcome, dump
from benchmark.store import Store
from benchmark.suite import Contract, Suite, SuiteDataset

TEXT = "aside from the sea nobody says what a quiet moving film about people who wait may mean"
WORDS = TEXT.split()


@dataclass(frozen=True)
class Size:
    """How much there is of everything."""

    defenses: Sequence[str] = ("mlp", "mvp")
    attacks: Sequence[str] = ("swap", "typo")
    datasets: Sequence[str] = ("reviews", "questions")
    seeds: Sequence[int] = (0,)
    examples: int = 20
    clean: int = 30


def suite_of(size: Size) -> Suite:
    ids = tuple(f"e{number:05}" for number in range(size.examples))
    return Suite(
        name="drawn",
        version=1,
        title="A drawn board",
        model="tiny",
        defenses=tuple(size.defenses),
        attacks=tuple(size.attacks),
        seeds=tuple(size.seeds),
        contract=Contract(name="toy-contract", queries_per_word=50),
        datasets={name: SuiteDataset(sample=ids) for name in size.datasets},
    )


def fill(root: Path, size: Size) -> Suite:
    """A complete store at ``root`` and its suite; the same size always gives the same records."""
    suite = suite_of(size)
    for cell in cells_of(suite, size):
        folder = root / "cells" / cell.key
        folder.mkdir(parents=True)
        (folder / "cell.json").write_text(dump(cell) + "\n", encoding="utf-8")
        lines = records_of(cell, size)
        (folder / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        (folder / "complete").touch()
    return suite


def store_of(root: Path, size: Size) -> tuple[Suite, Store]:
    return fill(root, size), Store(root)


def cells_of(suite: Suite, size: Size) -> Iterator[CellFile]:
    for dataset in size.datasets:
        for number, defense in enumerate(size.defenses):
            for seed in size.seeds:
                for attack in (None, *size.attacks):
                    victim = {
                        "dataset": {"name": dataset, "label_names": ["bad", "good"]},
                        "defense": {"name": defense, "parts": []},
                        "seed": seed,
                    }
                    spec: dict[str, Any] = {"kind": "clean", "victim": victim, "test_rows": None}
                    if attack is not None:
                        contract = suite.contract_for(dataset).model_dump(mode="json")
                        sample = list(suite.datasets[dataset].sample)
                        spec = {"kind": "attack", "victim": victim, "contract": contract, "sample": sample}
                        spec["attack"] = {"name": attack}
                    yield CellFile(
                        key=cell_key(spec), suite=suite.name, suite_version=suite.version, dataset=dataset, spec=spec,
                        defense=defense, attack=attack, attack_display=attack, seed=seed, model="tiny",
                        provenance={"training": {"seconds": 40.0 * 1.4**number + 3 * seed},
                                    "forwards_per_prediction": 1 + number % 3},
                    )  # fmt: skip


def records_of(cell: CellFile, size: Size) -> Iterator[dict[str, Any]]:
    rng = random.Random(f"{cell.dataset} {cell.defense} {cell.seed} {cell.attack}")
    if cell.attack is None:
        right = 0.75 + 0.2 * random.Random(cell.defense).random()
        for number in range(size.clean):
            prediction = 1 if rng.random() < right else 0
            yield {"cell": cell.key, "example_id": f"t{number:05}", "label": 1, "prediction": prediction}
        return
    strength = 0.3 + 0.5 * random.Random(f"{cell.defense} {cell.attack}").random()
    for number in range(size.examples):
        yield record_of(cell, f"e{number:05}", rng, strength)


def record_of(cell: CellFile, example: str, rng: random.Random, strength: float) -> dict[str, Any]:
    words = random.Random(f"{cell.dataset} {example}").choices(WORDS, k=18)
    broken = rng.random() < strength
    skipped = random.Random(f"{cell.defense} {example}").random() < 0.15
    outcome = Outcome.SKIPPED if skipped else Outcome.BROKEN if broken else Outcome.HELD
    record: dict[str, Any] = {
        "cell": cell.key, "example_id": example, "label": 1, "prediction": 0 if skipped else 1, "outcome": outcome,
        "text": " ".join(words), "queries": 0 if skipped else rng.randint(5, 800), "forwards": 0 if skipped else 40,
        "words": len(words), "adversarial_prediction": None, "adversarial_text": None,
    }  # fmt: skip
    if outcome is Outcome.BROKEN:
        for place in rng.sample(range(len(words)), 2):
            words[place] = rng.choice(("calm", "stirring", "picture", "0f", "persons"))
        record |= {"adversarial_prediction": 0, "adversarial_text": " ".join(words), "perturbed_words": 2}
        record |= {"perturbed_share": round(2 / 18, 6), "similarity": round(0.84 + 0.15 * rng.random(), 6)}
    return record

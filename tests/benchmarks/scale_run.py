"""``python scale_run.py ATTACK NUMBER CACHE``: attack NUMBER texts with one warm worker; seconds and memory as JSON.

The victim is ``tiny-random``: what grows is what the engine itself holds.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import reviews
from engine_runs import Engine
from setting import TRAINING, cell_of, suite_of

from benchmark import open_resources
from benchmark.data.sample import stratified_ids
from benchmark.data.source import sources_of
from benchmark.registry import load_registry
from benchmark.suite import SuiteDataset

WARM = 8


def peak_mb(pid: int) -> float:
    """The most memory a living process has held; 0 where the system does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


def own_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def main(attack: str, number: int, cache: Path) -> dict[str, Any]:
    registry = load_registry()
    resources = open_resources(progress=False)
    parts = registry.get("dataset", reviews.DATASET).item.load(resources)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{reviews.NAME}.jsonl")
        rows = [(e.text, e.label) for part in parts for e in part]
        rows += reviews.spliced(parts.test, 2500)
        reviews.write_rows(path, rows)
        dataset = SuiteDataset(path=str(path), sample=("any",), train_rows=200, validation_rows=50)
        training = TRAINING.model_copy(update={"epochs": 1, "learning_rate": 2e-3})
        changes = {"model": "tiny-random", "training": training}
        test = sources_of(registry, suite_of(dataset, (attack,), **changes))[reviews.NAME].parts(resources).test
        every = stratified_ids(test, number + WARM)
        measured = stratified_ids(test, number)
        warm = tuple(i for i in every if i not in set(measured))
        suite = suite_of(dataset.model_copy(update={"sample": measured}), (attack,), **changes)
        cell = cell_of(registry, suite, attack)
        with Engine(suite, cache, 1) as engine:
            engine.fit(cell)
            engine.warm(cell, warm)
            ready = max(map(peak_mb, engine.processes()))
            began = time.perf_counter()
            records = engine.attack(cell, measured)
            seconds = time.perf_counter() - began
            worker = max(map(peak_mb, engine.processes()))
    return {
        "seconds": round(seconds, 3),
        "worker_mb_ready": round(ready),
        "worker_mb": round(worker),
        "main_mb": round(own_mb()),
        "outcomes": dict(sorted(Counter(str(record.outcome) for record in records).items())),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))) + "\n")

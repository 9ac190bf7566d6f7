"""The engine's side of a comparison: the workers of ``bench run``, started and warm before the clock starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmark.attacking import Execution
from benchmark.plan import CellPlan
from benchmark.pool import Pool
from benchmark.records import ExampleRecord
from benchmark.runner import chunks
from benchmark.suite import Suite
from benchmark.worker import AttackJob, FitJob, worker_main


class Engine:
    """A pool of workers of one thread each, attacking ``concurrency`` examples side by side; a context manager."""

    def __init__(self, suite: Suite, cache: Path, jobs: int, concurrency: int = Execution().concurrency) -> None:
        self.jobs, self.concurrency = jobs, concurrency
        self._pool = Pool(jobs, worker_main, (suite, cache, Execution(concurrency)))

    def __enter__(self) -> Engine:
        self._pool.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.__exit__(kind, error, at)

    def fit(self, cell: CellPlan) -> dict[str, Any]:
        """Fit the cell's victim and return its log."""
        (found,) = [value for kind, value in self._run([FitJob(cell.victim)]) if kind == "done"]
        return dict(found)

    def warm(self, cell: CellPlan, ids: tuple[str, ...]) -> None:
        """Every worker starts, loads victim, attack and models, and attacks these examples."""
        self._run([AttackJob(cell, ids)] * self.jobs)

    def attack(self, cell: CellPlan, ids: Sequence[str]) -> list[ExampleRecord]:
        """The records, in the order of ``ids``."""
        events = self._run([AttackJob(cell, portion) for portion in chunks(ids, self.jobs, self.concurrency)])
        found = {value.example_id: value for kind, value in events if kind == "record"}
        return [found[i] for i in ids]

    def processes(self) -> list[int]:
        """The workers' process ids."""
        import multiprocessing

        return [child.pid for child in multiprocessing.active_children() if child.pid is not None]

    def _run(self, jobs: Sequence[Any]) -> list[tuple[str, Any]]:
        """All events but progress; raises what a job failed with."""
        waiting, left, events = list(jobs), len(jobs), []
        while left:
            while waiting and self._pool.free():
                self._pool.submit(len(waiting), waiting.pop(0))
            for event in self._pool.events():
                if event.kind == "failed":
                    error, trace = event.value
                    raise RuntimeError(f"{error}\n{trace}")
                left -= event.kind == "done"
                if event.kind != "progress":
                    events.append((event.kind, event.value))
        return events

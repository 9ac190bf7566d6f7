"""Runs a plan: fits first, then clean predictions and attacks in chunks; stores every record as it arrives.

The parent process is the only writer. Cells that are complete in the store are not touched; a cell that was cut off
goes on with the examples it lacks. A failed fit or chunk fails its cells and no others.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from benchmark.attacking import Execution
from benchmark.cascade import Cascade
from benchmark.errors import BenchError
from benchmark.plan import CellPlan, Plan
from benchmark.pool import Event, Pool
from benchmark.provenance import environment
from benchmark.records import CleanRecord
from benchmark.store import Store
from benchmark.worker import AttackJob, CleanJob, FitJob, Job, PrepareJob, worker_main

ROUNDS = 4
"""Most examples of one attack job, in multiples of those side by side: the last ones of a job have few neighbours."""


def chunks(ids: Sequence[str], jobs: int, concurrency: int) -> list[tuple[str, ...]]:
    """Examples as attack jobs: large, so that they share batches; at least two a worker, so that workers end together.

    Records do not depend on it.
    """
    share = len(ids) if jobs == 1 else math.ceil(len(ids) / (2 * jobs))
    size = max(1, min(share, ROUNDS * concurrency))
    return [tuple(ids[n : n + size]) for n in range(0, len(ids), size)]


class Watcher(Protocol):
    """Told what happens during a run (a progress display, a test)."""

    def planned(self, cell: CellPlan, done: int, total: int) -> None: ...

    def progress(self, job: Job, share: float, text: str) -> None: ...

    def advanced(self, cell: CellPlan, outcome: str) -> None: ...

    def finished(self, cell: CellPlan) -> None: ...

    def failed(self, cell: CellPlan, error: BenchError) -> None: ...


@dataclass
class RunResult:
    """How a run ended. ``failures`` maps cell keys to what went wrong (and the traceback)."""

    computed: int = 0
    stored: int = 0
    failures: dict[str, tuple[BenchError, str]] = field(default_factory=dict)


class Runner:
    """One run of one plan on one store."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        cache: Path,
        watcher: Watcher,
        jobs: int,
        cascade: Sequence[str] | None = None,
        execution: Execution | None = None,
    ) -> None:
        """``cascade``: names of attacks, cheapest first, to run one after the other on what is left (None: all)."""
        self.plan, self.store, self.cache, self.watcher, self.jobs = plan, store, cache, watcher, jobs
        self.execution = execution or Execution()
        self.result = RunResult()
        self._queue: deque[Job] = deque()
        self._waiting: dict[str, list[Job]] = defaultdict(list)
        self._running: dict[int, Job] = {}
        self._open_chunks: dict[str, int] = {}
        self._clean: dict[str, list[CleanRecord]] = defaultdict(list)
        self._training: dict[str, dict[str, Any]] = {}
        self._cells = {cell.key: cell for cell in plan.ready}
        self._environment = environment()
        self._cascade = None if cascade is None else Cascade(plan.ready, cascade, store)

    def run(self) -> RunResult:
        """Run everything that is not stored yet. KeyboardInterrupt passes through with all records saved."""
        with self.store.lock():
            for cell in self.plan.ready:
                if self._cascade is None or cell.attack is None:
                    self._prepare(cell)
            for victim in self._cascade.victims if self._cascade else ():
                self._next_stage(victim)
            if not self._queue:
                return self.result
            self._queue.extendleft(self._preparations())
            size = max(1, min(self.jobs, len(self._queue) + sum(map(len, self._waiting.values()))))
            with Pool(size, worker_main, (self.plan.suite, self.cache, self.execution)) as pool:
                self._loop(pool)
        return self.result

    def _prepare(self, cell: CellPlan) -> None:
        """Decide what a cell still needs: nothing, or jobs that wait for the fit of its victim."""
        total = len(cell.ids)
        if self.store.is_complete(cell.key):
            self.result.stored += 1
            self.watcher.planned(cell, total, total)
            return
        self.store.open_cell(cell.file)
        if cell.attack is None:
            jobs: list[Job] = [CleanJob(cell)]
            self.watcher.planned(cell, 0, 1)
        else:
            self.store.repair(cell.key)
            done = self.store.done(cell.key)
            left = [i for i in cell.ids if i not in done]
            jobs = self._attack_jobs(cell, left)
            self.watcher.planned(cell, total - len(left), total)
        if not self._waiting[cell.victim.key]:
            self._queue.append(FitJob(cell.victim))
        self._waiting[cell.victim.key] += jobs
        self._open_chunks[cell.key] = len(jobs)
        if not jobs:  # every record is there, only the end of the cell was cut off
            self._waiting[cell.victim.key].append(AttackJob(cell, ()))
            self._open_chunks[cell.key] = 1

    def _attack_jobs(self, cell: CellPlan, ids: Sequence[str]) -> list[Job]:
        return [AttackJob(cell, chunk) for chunk in chunks(ids, self.jobs, self.execution.concurrency)]

    def _next_stage(self, victim: str) -> None:
        """Queue the next stage of a victim's cascade, or nothing at its end."""
        stage = self._cascade.next_stage(victim) if self._cascade else None
        if stage is None:
            return
        cell, ids = stage
        self.store.open_cell(cell.file)
        self.store.repair(cell.key)
        self.watcher.planned(cell, 0, len(ids))
        jobs = self._attack_jobs(cell, ids)
        self._open_chunks[cell.key] = len(jobs)
        if victim in self._training:
            self._queue.extend(jobs)
            return
        if not self._waiting[victim]:
            self._queue.append(FitJob(cell.victim))
        self._waiting[victim] += jobs

    def _preparations(self) -> list[Job]:
        """One job for each attack that has work to do. Its failure is not final: the attack's chunks report it."""
        waiting = [job.cell for jobs in self._waiting.values() for job in jobs if isinstance(job, AttackJob)]
        return [PrepareJob(cell) for cell in {cell.attack: cell for cell in waiting}.values()]

    def _loop(self, pool: Pool) -> None:
        number = 0
        while self._queue or self._running:
            while self._queue and pool.free():
                number += 1
                job = self._queue.popleft()
                self._running[number] = job
                pool.submit(number, job)
            for event in pool.events():
                self._handle(event)

    def _handle(self, event: Event) -> None:
        job = self._running[event.number]
        if event.kind == "progress":
            self.watcher.progress(job, *event.value)
        elif event.kind == "record":
            assert isinstance(job, AttackJob)
            self.store.append(event.value)
            self.watcher.advanced(job.cell, event.value.outcome)
        elif event.kind == "clean":
            self._clean[event.value.cell].append(event.value)
        elif event.kind == "done":
            del self._running[event.number]
            self._done(job, event.value)
        elif event.kind == "failed":
            del self._running[event.number]
            self._fail(job, *event.value)

    def _done(self, job: Job, value: dict[str, Any]) -> None:
        if isinstance(job, PrepareJob):
            return
        if isinstance(job, FitJob):
            self._training[job.victim.key] = {**value.get("training", {}), "parameters": value.get("parameters")}
            self._queue.extend(self._waiting.pop(job.victim.key, ()))
            return
        cell = job.cell
        self._open_chunks[cell.key] -= 1
        if self._open_chunks[cell.key] or cell.key in self.result.failures:
            return
        spec = cell.victim.spec
        parts = [(part["name"], part["plugin"]) for part in spec["defense"]["parts"]]
        parts += [(cell.attack, cell.spec["attack"]["plugin"])] if cell.attack else []
        provenance = {
            "model_revision": spec["model"]["revision"],
            "plugins": dict(sorted([*parts, (spec["model"]["name"], spec["model"]["plugin"])])),
            "training": self._training.get(cell.victim.key, {}),
            "forwards_per_prediction": value["forwards_per_prediction"],
            "probe": value["probe"],
            **({"attack_access": cell.access} if cell.access else {}),
            "environment": {**self._environment, "device": value["device"]},
        }
        self.store.set_provenance(cell.file.model_copy(update={"provenance": provenance}))
        if cell.attack is None:
            self.store.finish(cell.file, self._clean.pop(cell.key, []))
        else:
            found = self.store.records(cell.file)
            if len(found) == len(cell.ids):  # a stage of a cascade leaves a cell open, for a later full run
                self.store.finish(cell.file, found)
            self._next_stage(cell.victim.key)
        self.result.computed += 1
        self.watcher.finished(cell)

    def _fail(self, job: Job, error: BenchError, trace: str) -> None:
        """A failed fit fails every cell of its victim, anything else its own cell; nothing else is touched."""
        if isinstance(job, FitJob):
            cells = {j.cell.key for j in self._waiting.pop(job.victim.key, ()) if not isinstance(j, FitJob)}
        elif isinstance(job, PrepareJob):
            cells = set()
        else:
            cells = {job.cell.key}
            self._queue = deque(j for j in self._queue if isinstance(j, FitJob) or j.cell.key != job.cell.key)
        for key in sorted(cells):
            if key not in self.result.failures:
                self.result.failures[key] = (error, trace)
                self.watcher.failed(self._cells[key], error)

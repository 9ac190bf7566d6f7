"""Published records run again: stored adversarial texts asked anew, attacks repeated on a random part."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmark.api import Example
from benchmark.errors import AssetCorrupt, BenchError
from benchmark.leaderboard.evidence import Evidence, EvidenceRecord, rebuild_texts
from benchmark.leaderboard.metrics import Proportion, proportion
from benchmark.leaderboard.versions import short, spec_changes, words
from benchmark.plan import CellPlan, Plan, VictimPlan
from benchmark.pool import Pool
from benchmark.records import CellFile, Outcome, Status
from benchmark.suite import Suite
from benchmark.worker import AttackJob, FitJob, Job, ScoreJob, worker_main

Row = tuple[str, str, int]
"""dataset, defense, seed."""
Examples = Callable[[str], Sequence[Example]]
"""A dataset's name to its test part."""


class Drawn(NamedTuple):
    """One published record of the random sample."""

    cell: CellFile
    record: EvidenceRecord


@dataclass(frozen=True)
class Agreement:
    """How many of ``n`` sampled records came out as published, and in words the ones that did not."""

    same: int
    n: int
    disagreements: tuple[str, ...]

    @property
    def share(self) -> Proportion | None:
        """The share with its interval; None for an empty sample."""
        return proportion(self.same, self.n)


def row_of(cell: CellFile) -> Row:
    """The row that a cell is of."""
    return (cell.dataset, cell.defense, cell.seed)


def draw(evidence: Evidence, rows: Iterable[Row], n: int, seed: int, texts_only: bool) -> list[Drawn]:
    """``n`` attacked records of these rows, by hash of seed, cell and example; all of them where there are fewer.

    ``texts_only``: those with an adversarial text. Otherwise any that is no error: what held is the claim, too.
    """
    wanted = set(rows)
    found = [
        Drawn(cell, record)
        for cell in evidence.cells
        if cell.attack is not None and row_of(cell) in wanted
        for record in evidence.attacked[cell.key]
        if (record.edits is not None if texts_only else record.outcome is not Outcome.ERROR)
    ]

    def place(drawn: Drawn) -> str:
        return hashlib.sha256(f"{seed}/{drawn.cell.key}/{drawn.record.example_id}".encode()).hexdigest()

    return sorted(found, key=place)[:n]


class Verifier:
    """Runs samples on victims that are fitted now, taken from the cache, or restored from a given checkpoint."""

    def __init__(self, plan: Plan, cache: Path, examples: Examples, checkpoint: Path | None = None) -> None:
        self.plan, self.cache, self.examples, self.checkpoint = plan, cache, examples, checkpoint
        self._cells = {(*row_of(cell.file), cell.attack): cell for cell in plan.ready}

    def rescore(self, drawn: Sequence[Drawn]) -> Agreement:
        """Ask the victims about the stored adversarial texts and compare predictions.

        Raises BadRecord where a text cannot be rebuilt from the dataset.
        """
        jobs: list[tuple[Job | ScoreJob, list[Drawn]]] = []
        for victim, found in self._by_victim(drawn):
            rebuilt = rebuild_texts([d.record for d in found], self.examples(victim.dataset))
            jobs.append((ScoreJob(victim, tuple(str(text.adversarial_text) for text in rebuilt)), found))
        disagreements = []
        for (_, found), (value, _) in zip(jobs, self._run([job for job, _ in jobs]), strict=True):
            for one, prediction in zip(found, value["predictions"], strict=True):
                if prediction != one.record.adversarial_prediction:
                    said = f"prediction {one.record.adversarial_prediction}, now {prediction}"
                    disagreements.append(f"{words(one.cell)}, example {one.record.example_id}: {said}")
        return _agreement(drawn, disagreements)

    def reattack(self, drawn: Sequence[Drawn]) -> Agreement:
        """Attack the sampled examples again and compare outcomes."""
        cells: dict[str, tuple[CellPlan, list[Drawn]]] = {}
        for victim, found in self._by_victim(drawn):
            for one in found:
                cell = self._cell(one.cell)
                assert cell.victim.key == victim.key
                cells.setdefault(cell.key, (cell, []))[1].append(one)
        jobs = [AttackJob(cell, tuple(one.record.example_id for one in found)) for cell, found in cells.values()]
        disagreements = []
        for (_, found), (_, records) in zip(cells.values(), self._run(jobs), strict=True):
            now = {record.example_id: record for record in records}
            for one in found:
                outcome = now[one.record.example_id].outcome
                if outcome is not one.record.outcome:
                    said = f"{one.record.outcome.value}, now {outcome.value}"
                    disagreements.append(f"{words(one.cell)}, example {one.record.example_id}: {said}")
        return _agreement(drawn, disagreements)

    def differences(self, drawn: Iterable[Drawn]) -> list[str]:
        """Where what is installed is not what the published cells name: then other numbers are no surprise."""
        found: dict[str, None] = {}
        for cell in {one.cell.key: one.cell for one in drawn}.values():
            for path, old, new in spec_changes(cell.spec, self._cell(cell).spec):
                found[f"{path}: {short(old)}, here {short(new)}"] = None
        return list(found)

    def _cell(self, cell: CellFile) -> CellPlan:
        found = self._cells.get((*row_of(cell), cell.attack))
        if found is None:
            raise BenchError(
                f"the row {words(cell)} cannot be run here", "Install its plugin; bench list shows what is installed"
            )
        return found

    def _by_victim(self, drawn: Iterable[Drawn]) -> list[tuple[VictimPlan, list[Drawn]]]:
        groups: dict[str, tuple[VictimPlan, list[Drawn]]] = {}
        for one in drawn:
            victim = self._cell(one.cell).victim
            groups.setdefault(victim.key, (victim, []))[1].append(one)
        if self.checkpoint is not None and len(groups) > 1:
            raise BenchError(
                f"one checkpoint cannot be the victim of {len(groups)} rows",
                "Choose with --defense, --dataset, --fit-seed",
            )
        return list(groups.values())

    def _run(self, jobs: Sequence[Job | ScoreJob]) -> list[tuple[dict[str, Any], list[Any]]]:
        """What each job returned and the records it reported; one process, so that the numerics are those of a run."""
        with TemporaryDirectory(prefix="bench-verify-") as folder:
            fitted = self._given(Path(folder), jobs)
            with Pool(1, worker_main, (self.plan.suite, self.cache, None, fitted)) as pool:
                if fitted is not None:
                    self._check_loaded(pool, _victim(jobs[0]))
                return [_work(pool, job) for job in jobs]

    def _given(self, folder: Path, jobs: Sequence[Job | ScoreJob]) -> Path | None:
        """A copy of the given checkpoint where a worker looks for one: what does not load would be deleted there."""
        if self.checkpoint is None or not jobs:
            return None
        from benchmark.fit.checkpoint import read_meta

        read_meta(self.checkpoint)
        shutil.copytree(self.checkpoint, folder / "victims" / _victim(jobs[0]).key)
        return folder

    def _check_loaded(self, pool: Pool, victim: VictimPlan) -> None:
        """A checkpoint of something else must not end as a victim that was trained again without a word."""
        try:
            log = _work(pool, FitJob(victim))[0]
            fault = None if log.get("loaded") else log.get("discarded")
        except AssetCorrupt:
            log, fault = {}, "its weights have other names or shapes"
        if not log.get("loaded"):
            raise BenchError(
                f"the checkpoint {self.checkpoint} does not load as this row's victim ({fault})",
                "Give the folder that bench run wrote for it, or leave --checkpoint out to train again",
            )


def verified(evidence: Evidence, row: Row, found: Agreement, seed: int) -> Evidence:
    """``evidence`` with the cells of a row marked, and how it was verified in their provenance."""
    note = {"examples": found.n, "same": found.same, "seed": seed}
    cells = tuple(
        cell.model_copy(update={"status": Status.VERIFIED, "provenance": {**cell.provenance, "verification": note}})
        if row_of(cell) == row and cell.status is not Status.RUN
        else cell
        for cell in evidence.cells
    )
    return Evidence(cells, evidence.attacked, evidence.clean)


def narrowed(suite: Suite, rows: Iterable[Row]) -> Suite:
    """The suite of these rows' defenses and seeds, whoever's they are."""
    wanted = sorted(set(rows))
    defenses = tuple(dict.fromkeys(defense for _, defense, _ in wanted))
    return suite.model_copy(update={"defenses": defenses, "seeds": tuple(sorted({seed for _, _, seed in wanted}))})


def _victim(job: Job | ScoreJob) -> VictimPlan:
    return job.victim if isinstance(job, FitJob | ScoreJob) else job.cell.victim


def _work(pool: Pool, job: Job | ScoreJob) -> tuple[dict[str, Any], list[Any]]:
    pool.submit(0, job)
    records: list[Any] = []
    while True:
        for event in pool.events():
            if event.kind == "record":
                records.append(event.value)
            elif event.kind == "failed":
                error: BenchError = event.value[0]
                raise error
            elif event.kind == "done":
                return event.value, records


def _agreement(drawn: Sequence[Drawn], disagreements: Sequence[str]) -> Agreement:
    return Agreement(len(drawn) - len(disagreements), len(drawn), tuple(disagreements))

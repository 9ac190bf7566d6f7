"""What runs in a worker process: fit a victim, predict the clean test part, attack a chunk of examples.

A worker computes with one thread, whatever ``--jobs`` says: floating-point sums depend on the number of threads, and
the same run must give the same records. It writes nothing to the store; the parent does, alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmark.api import AttackRun, Classifier, Example, FitContext, Splits, Task
from benchmark.data.source import DataSource, sources_of
from benchmark.engine import VictimInfo, probe_determinism
from benchmark.errors import BenchError
from benchmark.plan import CellPlan, VictimPlan, attack_options
from benchmark.records import CleanRecord, Outcome
from benchmark.registry import Registry, load_registry
from benchmark.resources import BenchResources
from benchmark.suite import Suite
from benchmark.validate import Validator

Emit = Callable[[str, Any], None]
PREDICT_CHUNK = 64


@dataclass(frozen=True)
class FitJob:
    victim: VictimPlan


@dataclass(frozen=True)
class CleanJob:
    cell: CellPlan


@dataclass(frozen=True)
class AttackJob:
    cell: CellPlan
    ids: tuple[str, ...]


@dataclass(frozen=True)
class PrepareJob:
    """Build an attack once while victims are being fitted, so that its derived assets are there when it starts."""

    cell: CellPlan


Job = FitJob | CleanJob | AttackJob | PrepareJob


class Workbench:
    """The loaded state of one process: registry, data, and the latest victim and attack."""

    def __init__(self, suite: Suite, cache: Path, registry: Registry | None = None) -> None:
        from benchmark.assets.store import AssetStore

        self.suite = suite
        self.cache = cache
        self.registry = registry or load_registry()
        self.resources = BenchResources(self.registry, AssetStore(cache, progress=False))
        self.sources: Mapping[str, DataSource] = sources_of(self.registry, suite)
        self._parts: dict[str, Splits] = {}
        self._victim: tuple[str, Classifier, VictimInfo, dict[str, Any]] | None = None
        self._attack: tuple[str, AttackRun, Validator] | None = None

    def run(self, job: Job, emit: Emit) -> dict[str, Any]:
        """Do one job; ``emit(kind, value)`` reports progress and records on the way."""
        if isinstance(job, FitJob):
            *_, log = self.victim(job.victim, lambda share, text: emit("progress", (share, text)))
            return log
        if isinstance(job, CleanJob):
            return self._clean(job.cell, emit)
        if isinstance(job, PrepareJob):
            emit("progress", (0.0, "preparing"))
            self.attack(job.cell)
            emit("progress", (1.0, "ready"))
            return {}
        return self._attack_chunk(job, emit)

    def parts(self, dataset: str) -> Splits:
        if dataset not in self._parts:
            self._parts[dataset] = self.sources[dataset].parts(self.resources)
        return self._parts[dataset]

    def task(self, dataset: str) -> Task:
        return Task(dataset, self.sources[dataset].dataset.label_names, self.suite.training.max_length)

    def victim(
        self, plan: VictimPlan, progress: Callable[[float, str], None]
    ) -> tuple[str, Classifier, VictimInfo, dict[str, Any]]:
        """The fitted victim, from its checkpoint or trained now; refused when its answers are not deterministic."""
        from benchmark.fit.compose import parse_name
        from benchmark.fit.victim import fit_or_load

        if self._victim is None or self._victim[0] != plan.key:
            self._victim = None
            parts = self.parts(plan.dataset)
            base = self.resources.fresh_model(self.suite.model)
            tokenizer = base.tokenizer
            labels = len(self.sources[plan.dataset].dataset.label_names)
            info = VictimInfo(labels, tokenizer.mask_token or "[MASK]", tokenizer.unk_token or "[UNK]")
            context = FitContext(
                base,
                self.task(plan.dataset),
                parts.train,
                parts.validation,
                plan.seed,
                progress,
                self.resources,
                partial(self._adversarial, plan, info),
            )
            classifier, log = fit_or_load(
                parse_name(plan.defense, self.registry),
                plan.options,
                context,
                self.suite.training,
                self.cache / "victims" / plan.key,
            )
            if not probe_determinism(classifier, [example.text for example in parts.validation[:4]]):
                raise BenchError(
                    f"the victim '{plan.defense}' gives other logits each time it is asked",
                    "Turn dropout off at prediction time; a randomised defense draws from its seed and the text",
                )
            self._victim = (plan.key, classifier, info, log)
        return self._victim

    def _clean(self, cell: CellPlan, emit: Emit) -> dict[str, Any]:
        _, classifier, _, _ = self.victim(cell.victim, lambda share, text: None)
        rows = self.sources[cell.victim.dataset].clean_rows(self.parts(cell.victim.dataset))
        for start in range(0, len(rows), PREDICT_CHUNK):
            chunk = rows[start : start + PREDICT_CHUNK]
            predictions = classifier.logits([example.text for example in chunk]).argmax(axis=-1)
            for example, prediction in zip(chunk, predictions, strict=True):
                record = CleanRecord(
                    cell=cell.key, example_id=example.id, label=example.label, prediction=int(prediction)
                )
                emit("clean", record)
            emit("progress", ((start + len(chunk)) / len(rows), "predicting"))
        return {"forwards_per_prediction": classifier.forwards_per_prediction}

    def _attack_chunk(self, job: AttackJob, emit: Emit) -> dict[str, Any]:
        from benchmark.evaluate import attack_example

        cell = job.cell
        _, classifier, info, _ = self.victim(cell.victim, lambda share, text: None)
        run, validator = self.attack(cell)
        dataset = cell.victim.dataset
        for example in self.sources[dataset].attacked(self.parts(dataset), job.ids):
            self.resources.begin_example()
            emit("record", attack_example(run, classifier, info, validator, example, cell.key))
        return {"forwards_per_prediction": classifier.forwards_per_prediction}

    def attack(self, cell: CellPlan) -> tuple[AttackRun, Validator]:
        """The built attack and the validator of its contract, for one attack and dataset."""
        return self._built(str(cell.attack), cell.attack_options, cell.victim.dataset)

    def _built(self, name: str, options: Mapping[str, Any], dataset: str) -> tuple[AttackRun, Validator]:
        from benchmark.options import parse

        key = f"{name}/{dataset}"
        if self._attack is None or self._attack[0] != key:
            contract = self.suite.contract_for(dataset)
            clause = contract.similarity
            validator = Validator(contract, self.resources.model(clause.encoder) if clause else None)
            item = self.registry.get("attack", name).item
            values = parse(item.options, options, f"attack '{name}'")
            self._attack = (key, item.build(values, self.resources, validator, self.task(dataset)), validator)
        return self._attack[1], self._attack[2]

    def _adversarial(
        self,
        plan: VictimPlan,
        info: VictimInfo,
        attack: str,
        classifier: Classifier,
        examples: Sequence[Example],
        seed: int,
    ) -> list[Example]:
        """The :data:`benchmark.api.Adversary` of a fit: texts within the contract that turn ``classifier``."""
        from benchmark.evaluate import attack_example

        options = attack_options(self.registry.get("attack", attack), self.suite)
        run, validator = self._built(attack, options, plan.dataset)
        found: list[Example] = []
        for example in examples:
            self.resources.begin_example()
            record = attack_example(run, classifier, info, validator, example, f"{plan.key}/{seed}")
            if record.outcome is Outcome.BROKEN and record.adversarial_text is not None:
                found.append(replace(example, text=record.adversarial_text))
        return found


def worker_main(connection: Any, suite: Suite, cache: Path, threads: int = 1) -> None:
    """Serve jobs from ``connection`` until it closes. Interrupts are the parent's business."""
    import signal
    import traceback

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    bench: Workbench | None = None
    try:
        while True:
            number, job = connection.recv()

            def emit(kind: str, value: Any, number: int = number) -> None:
                connection.send((number, kind, value))

            try:
                if bench is None:
                    _limit_threads(threads)
                    bench = Workbench(suite, cache)
                emit("done", bench.run(job, emit))
            except (EOFError, BrokenPipeError, ConnectionError):
                raise
            except BenchError as problem:
                emit("failed", (problem, "".join(traceback.format_exception(problem))))
            except Exception as problem:
                error = BenchError(f"{type(problem).__name__}: {problem}", "Run with --traceback for the whole story")
                emit("failed", (error, "".join(traceback.format_exception(problem))))
    except (EOFError, BrokenPipeError, ConnectionError):
        return  # the parent is gone: nothing to tell and nobody to tell it to


def _limit_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing here reads memory before writing it

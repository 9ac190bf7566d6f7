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
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.api import Classifier, Example, FitContext, Splits, Task
from benchmark.attacking import Armoury, Built, Execution, side_by_side
from benchmark.broker.hub import Broker
from benchmark.calibration import is_miscalibrated
from benchmark.data.source import DataSource, sources_of
from benchmark.devices import place
from benchmark.engine import VictimInfo, probe_determinism
from benchmark.errors import BenchError
from benchmark.plan import CellPlan, VictimPlan, attack_options
from benchmark.probe import stored_probe
from benchmark.records import CleanRecord, Outcome
from benchmark.registry import Registry, load_registry
from benchmark.resources import BenchResources
from benchmark.suite import Suite
from benchmark.watch import Watch

if TYPE_CHECKING:
    from benchmark.evaluate import Target

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


@dataclass(frozen=True)
class ScoreJob:
    """Ask a victim about texts; no part of a plan (see ``benchmark.transfer``)."""

    victim: VictimPlan
    texts: tuple[str, ...]


class Fitted(NamedTuple):
    """A victim in memory."""

    key: str
    classifier: Classifier
    info: VictimInfo
    log: dict[str, Any]
    probe: dict[str, Any]


class Workbench:
    """The loaded state of one process: registry, data, and the latest victim and attack."""

    def __init__(
        self,
        suite: Suite,
        cache: Path,
        registry: Registry | None = None,
        execution: Execution | None = None,
        fitted: Path | None = None,
        number: int = 0,
        watch: Watch | None = None,
    ) -> None:
        """``fitted``: where checkpoints and probes lie, if not in the cache (somebody else's checkpoint). ``number``
        tells the workers of a run apart. Raises BenchError where the execution's device is not here."""
        from benchmark.assets.store import AssetStore

        self.suite = suite
        self.cache = cache
        self.fitted = fitted or cache
        self.registry = registry or load_registry()
        self.execution = execution or Execution()
        self.broker = Broker(self.execution.concurrency)
        self.device = place(self.execution.device, number)
        assets = AssetStore(cache, progress=False)
        self.watch = watch
        self.resources = BenchResources(self.registry, assets, self.broker, self.device, watch)
        self.armoury = Armoury(suite, self.registry, self.resources)
        self.sources: Mapping[str, DataSource] = sources_of(self.registry, suite)
        self._parts: dict[str, Splits] = {}
        self._victim: Fitted | None = None

    def run(self, job: Job | ScoreJob, emit: Emit) -> dict[str, Any]:
        """Do one job; ``emit(kind, value)`` reports progress and records on the way."""
        if isinstance(job, FitJob):
            fitted = self.victim(job.victim, lambda share, text: emit("progress", (share, text)))
            return {**fitted.log, "probe": fitted.probe}
        if isinstance(job, CleanJob):
            return self._clean(job.cell, emit)
        if isinstance(job, PrepareJob):
            emit("progress", (0.0, "preparing"))
            self.attack(job.cell)
            emit("progress", (1.0, "ready"))
            return {}
        if isinstance(job, ScoreJob):
            return self._score(job)
        return self._attack_chunk(job, emit)

    def parts(self, dataset: str) -> Splits:
        if dataset not in self._parts:
            self._parts[dataset] = self.sources[dataset].parts(self.resources)
        return self._parts[dataset]

    def task(self, dataset: str) -> Task:
        return Task(dataset, self.sources[dataset].dataset.label_names, self.suite.training.max_length)

    def victim(self, plan: VictimPlan, progress: Callable[[float, str], None]) -> Fitted:
        """The fitted victim, from its checkpoint or trained now; refused when its answers are not deterministic."""
        from benchmark.fit.compose import parse_name
        from benchmark.fit.victim import fit_or_load

        if self._victim is None or self._victim.key != plan.key:
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
            folder = self.fitted / "victims" / plan.key
            classifier, log = fit_or_load(
                parse_name(plan.defense, self.registry),
                plan.options,
                context,
                self.suite.training,
                folder,
                self.suite.inference.precision,
                self.watch,
            )
            if not probe_determinism(classifier, [example.text for example in parts.validation[:4]]):
                raise BenchError(
                    f"the victim '{plan.defense}' gives other logits each time it is asked",
                    "Turn dropout off at prediction time; a randomised defense draws from its seed and the text",
                )
            # The checkpoint is shared by all precisions, what the victim answers is not.
            marks = "".join(f"-{value}" for value in self.suite.inference.identity().values())
            found = stored_probe(self.fitted / "probes" / f"{plan.key}{marks}.json", classifier, parts.validation)
            self._victim = Fitted(plan.key, classifier, info, log, found)
        return self._victim

    def _clean(self, cell: CellPlan, emit: Emit) -> dict[str, Any]:
        victim = self.victim(cell.victim, lambda share, text: None)
        rows = self.sources[cell.victim.dataset].clean_rows(self.parts(cell.victim.dataset))
        for start in range(0, len(rows), PREDICT_CHUNK):
            chunk = rows[start : start + PREDICT_CHUNK]
            predictions = victim.classifier.logits([example.text for example in chunk]).argmax(axis=-1)
            for example, prediction in zip(chunk, predictions, strict=True):
                record = CleanRecord(
                    cell=cell.key, example_id=example.id, label=example.label, prediction=int(prediction)
                )
                emit("clean", record)
            emit("progress", ((start + len(chunk)) / len(rows), "predicting"))
        return self._facts(victim)

    def _attack_chunk(self, job: AttackJob, emit: Emit) -> dict[str, Any]:
        cell = job.cell
        victim = self.victim(cell.victim, lambda share, text: None)
        target = target_of(victim, cell.spec.get("scrutiny", {}), self.broker)
        dataset = cell.victim.dataset
        examples = self.sources[dataset].attacked(self.parts(dataset), job.ids)
        seconds = self.execution.example_seconds
        for _, record in side_by_side(self.attack(cell), target, examples, cell.key, seconds):
            emit("record", record)
        return self._facts(victim)

    def _score(self, job: ScoreJob) -> dict[str, Any]:
        """Predictions of one victim, by position; a randomised one answers with its usual draw."""
        victim = self.victim(job.victim, lambda share, text: None)
        predictions = victim.classifier.logits(job.texts).argmax(axis=-1)
        return {"predictions": [int(found) for found in predictions]}

    def _facts(self, victim: Fitted) -> dict[str, Any]:
        return {
            "forwards_per_prediction": victim.classifier.forwards_per_prediction,
            "probe": victim.probe,
            "device": self.device.partition(":")[0],
        }

    def attack(self, cell: CellPlan) -> Built:
        """The built attack and the validator of its contract, for one attack and dataset."""
        return self.armoury.built(str(cell.attack), cell.attack_options, self.task(cell.victim.dataset))

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
        from benchmark.evaluate import Target

        options = attack_options(self.registry.get("attack", attack), self.suite)
        built = self.armoury.built(attack, options, self.task(plan.dataset))
        target = Target(classifier, info, broker=self.broker)
        # No limit of time: a slower machine would train on other texts. In the order of the examples, for the same.
        records = dict(side_by_side(built, target, examples, f"{plan.key}/{seed}", None))
        broken = ((example, records[example]) for example in examples)
        return [
            replace(example, text=record.adversarial_text)
            for example, record in broken
            if record.outcome is Outcome.BROKEN and record.adversarial_text is not None
        ]


def target_of(victim: Fitted, scrutiny: Mapping[str, Any], broker: Broker) -> Target:
    """The victim as a cell with this ``scrutiny`` attacks it."""
    from benchmark.evaluate import Target

    again = scrutiny.get("recalibrate") and is_miscalibrated(victim.probe)
    return Target(
        victim.classifier,
        victim.info,
        scrutiny.get("query_draws", 0),
        scrutiny.get("final_draws", 0),
        victim.probe["temperature"] if again else None,
        broker,
    )


def worker_main(
    connection: Any,
    worker: int,
    suite: Suite,
    cache: Path,
    execution: Execution | None = None,
    fitted: Path | None = None,
) -> None:
    """Serve jobs from ``connection`` until it closes, as the worker of that number; the parent sees to interrupts."""
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
                    one_thread()
                    bench = Workbench(suite, cache, execution=execution, fitted=fitted, number=worker)
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


def one_thread() -> None:
    """Let torch compute in this process with one thread, and with deterministic algorithms where it has them."""
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing here reads memory before writing it

"""The training loop that every composed defense shares: AdamW, linear warm-up and decay, clean model selection.

All randomness comes from the seed; the caller's torch stream is left as it was. Weights, optimiser and predictions are
fp32; with ``training.precision`` "bf16" the forward and backward passes of training run under autocast.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmark.api import Example, FitContext, ObjectiveContext, ObjectiveRun, TrainingBatch
from benchmark.devices import work_clock
from benchmark.errors import BenchError
from benchmark.fit.batching import batches, steps_per_epoch
from benchmark.fit.classifier import NetworkClassifier
from benchmark.fit.modes import autocast, frozen
from benchmark.identity import derive_seed

if TYPE_CHECKING:
    import torch

    from benchmark.suite import Training

Progress = Callable[[float, str], None]
Begin = Callable[[ObjectiveContext], ObjectiveRun]
Edit = Callable[[str, random.Random], str]


@dataclass(frozen=True)
class Evaluation:
    """Clean validation accuracy after ``step`` steps, and the mean training loss since the evaluation before."""

    step: int
    accuracy: float
    loss: float | None


@dataclass(frozen=True)
class TrainingLog:
    """What a training cost and how it went. ``tokens`` counts real tokens of all rows, padding left out.

    ``seconds`` are those of ``clock`` (:func:`benchmark.devices.work_clock`). They and ``peak_memory_bytes`` (of the
    process) differ between equal runs, everything else does not.
    """

    steps: int
    epochs: float
    best_step: int
    best_validation_accuracy: float | None
    stopped_early: bool
    validation: tuple[Evaluation, ...]
    tokens: int
    seconds: float
    clock: str
    peak_memory_bytes: int | None
    precision: str
    device: str
    threads: int


def train(network: Any, begin: Begin, context: FitContext, training: Training, edit: Edit | None = None) -> TrainingLog:
    """Fine-tune ``network`` in place and leave it, in eval mode, with the weights of the best evaluation.

    ``begin`` starts the objective; ``edit`` changes each training text, drawn anew in every epoch. The best is the
    highest clean validation accuracy, the earliest of equals; without validation rows the last weights stay. With
    ``training.epochs`` 0 no weight is touched. The same seed gives the same weights, bit for bit, as long as torch
    computes with the same number of threads. Raises BenchError without training rows, without rows of a class, or when
    the loss is not finite, and NotApplicable where embeddings shall stay that the network does not name.
    """
    import torch

    if training.epochs:
        require_classes(context)
    device = next(network.parameters()).device
    with (
        torch.random.fork_rng([device] if device.type == "cuda" else []),
        autocast(network, training.precision),
        frozen(network if training.frozen_embeddings else None),
    ):
        torch.manual_seed(derive_seed("dropout", context.seed))
        return _Run(network, begin, context, training, edit).run()


def require_classes(context: FitContext) -> None:
    """Raise BenchError when there are no training rows, or none of some class."""
    if not context.train:
        raise BenchError("there are no training rows", "Check train_rows of the suite, or the dataset's training part")
    present = {example.label for example in context.train}
    lacking = [name for number, name in enumerate(context.task.label_names) if number not in present]
    if lacking:
        raise BenchError(
            f"dataset '{context.task.dataset}' has no training row of class '{lacking[0]}'"
            + (f" (nor of {', '.join(lacking[1:])})" if lacking[1:] else ""),
            "Raise train_rows of the dataset in the suite, or remove the class",
        )


class _Run:
    """The state of one training."""

    def __init__(self, network: Any, begin: Begin, context: FitContext, training: Training, edit: Edit | None) -> None:
        import torch

        self.network, self.context, self.training, self.edit = network, context, training, edit
        seed = context.seed
        self.rng = random.Random(derive_seed("order", seed))
        self.edit_rng = random.Random(derive_seed("edit", seed))
        self.device = next(network.parameters()).device
        generator = torch.Generator(self.device).manual_seed(derive_seed("objective", seed))
        self.per_epoch = steps_per_epoch(len(context.train), training.batch_size) if training.epochs else 0
        self.objective = begin(
            ObjectiveContext(
                network, context, generator, training.epochs, self.per_epoch, lambda: NetworkClassifier(network)
            )
        )
        self.optimizer = make_optimizer([network.parameters(), self.objective.parameters()], training)
        self.step, self.tokens = 0, 0
        self.losses: list[float] = []
        self.history: list[Evaluation] = []
        self.best: tuple[Evaluation, dict[str, torch.Tensor]] | None = None
        self.stale = 0

    def run(self) -> TrainingLog:
        clock, now = work_clock(self.device.type)
        began = now()
        epochs = self.training.epochs
        stopped = False
        if not epochs:
            self._evaluate(keep=False)
        for epoch in range(epochs):
            self.network.train()
            examples = list(self.objective.examples(epoch, self.context.train))
            self.network.train()
            made = list(self._batches(examples))
            stops = evaluation_steps(len(made), self.training.evaluations_per_epoch)
            for number, batch in enumerate(made, 1):
                self._update(batch, (epoch + (number - 0.5) / len(made)) / epochs)
                self.context.progress((epoch + number / len(made)) / epochs, f"epoch {epoch + 1}/{epochs}")
                if number in stops and self._evaluate(keep=True):
                    stopped = epoch + 1 < epochs or number < len(made)
                    break
            if stopped:
                break
        if self.best is not None:
            self.network.load_state_dict(self.best[1])
        self.network.eval()
        self.network.zero_grad(set_to_none=True)
        return self._log(now() - began, clock, stopped)

    def _batches(self, examples: Sequence[Example]) -> Iterator[TrainingBatch]:
        if self.edit is not None:
            examples = [replace(example, text=self.edit(example.text, self.edit_rng)) for example in examples]
        rows = [self.network.rows(example.text, self.rng) for example in examples]
        return batches(rows, examples, self.training.batch_size, self.network.pad_id, self.rng)

    def _update(self, batch: TrainingBatch, done: float) -> None:
        """One step; ``done`` in (0, 1) is the share of the training behind at its middle."""
        import torch

        for group in self.optimizer.param_groups:
            group["lr"] = self.training.learning_rate * rate(done, self.training.warmup)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.objective.backward(batch.to(self.device))
        if not math.isfinite(loss):
            raise BenchError(
                f"the training loss is {loss} at step {self.step + 1}",
                "Lower training.learning_rate, or check the options of the objective",
            )
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.training.clip)
        if not math.isfinite(float(norm)):
            raise BenchError(
                f"the gradient is not finite at step {self.step + 1} (the loss is {loss:.4g})",
                "Lower training.learning_rate, or check the options of the objective",
            )
        self.optimizer.step()
        self.step += 1
        self.tokens += int(batch.rows.attention.sum())
        self.losses.append(loss)

    def _evaluate(self, keep: bool) -> bool:
        """Measure, remember the best weights, and say whether patience has run out."""
        validation = self.context.validation
        if not validation:
            return False
        right = NetworkClassifier(self.network).logits([e.text for e in validation]).argmax(axis=-1)
        accuracy = sum(int(p) == e.label for p, e in zip(right, validation, strict=True)) / len(validation)
        loss = sum(self.losses) / len(self.losses) if self.losses else None
        self.losses = []
        self.history.append(Evaluation(self.step, accuracy, loss))
        if not keep:
            return False
        if self.best is None or accuracy > self.best[0].accuracy:
            weights = {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}
            self.best, self.stale = (self.history[-1], weights), 0
            return False
        self.stale += 1
        return self.stale >= self.training.patience

    def _log(self, seconds: float, clock: str, stopped: bool) -> TrainingLog:
        import torch

        chosen = self.best[0] if self.best else (self.history[-1] if self.history else None)
        return TrainingLog(
            steps=self.step,
            epochs=round(self.step / self.per_epoch, 4) if self.per_epoch else 0.0,
            best_step=chosen.step if chosen else self.step,
            best_validation_accuracy=chosen.accuracy if chosen else None,
            stopped_early=stopped,
            validation=tuple(self.history),
            tokens=self.tokens,
            seconds=seconds,
            clock=clock,
            peak_memory_bytes=peak_memory(),
            precision=self.training.precision,
            device=self.device.type,
            threads=torch.get_num_threads(),
        )


def make_optimizer(parameters: Iterable[Iterable[torch.nn.Parameter]], training: Training) -> torch.optim.AdamW:
    """AdamW (betas 0.9 / 0.999, eps 1e-8) without weight decay on vectors: biases and LayerNorm weights."""
    import torch

    chosen = [p for several in parameters for p in several if p.requires_grad]
    groups = [
        {"params": [p for p in chosen if p.ndim >= 2], "weight_decay": training.weight_decay},
        {"params": [p for p in chosen if p.ndim < 2], "weight_decay": 0.0},
    ]
    fused = all(p.device.type in ("cpu", "cuda") for p in chosen)
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=training.learning_rate, fused=fused)


def rate(done: float, warmup: float) -> float:
    """Share of the peak learning rate with ``done`` in (0, 1) of the training behind: linear up, then down to zero."""
    return done / warmup if done < warmup else (1 - done) / (1 - warmup)


def evaluation_steps(per_epoch: int, evaluations: int) -> frozenset[int]:
    """Steps within an epoch (from 1) after which it is evaluated: evenly spread, the last one always among them."""
    return frozenset(-(-per_epoch * k // evaluations) for k in range(1, evaluations + 1))


def peak_memory() -> int | None:
    """The most memory this process has held, in bytes; None where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

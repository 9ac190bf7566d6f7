"""The training loop that every composed defense shares: AdamW, linear warm-up and decay, clean model selection.

All randomness comes from the seed; the caller's torch stream is left as it was. Arithmetic is fp32 on every device:
half precision is faster on some machines only, and a result must not depend on which.
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.api import Example, TrainingBatch
from benchmark.errors import BenchError
from benchmark.fit.batching import batches, steps_per_epoch
from benchmark.fit.classifier import NetworkClassifier
from benchmark.identity import derive_seed

if TYPE_CHECKING:
    import torch

    from benchmark.suite import Training

Progress = Callable[[float, str], None]
Backward = Callable[[Any, TrainingBatch, Any, Any], float]


@dataclass(frozen=True)
class Evaluation:
    """Clean validation accuracy after ``step`` steps, and the mean training loss since the evaluation before."""

    step: int
    accuracy: float
    loss: float | None


@dataclass(frozen=True)
class TrainingLog:
    """What a training cost and how it went. ``tokens`` counts real tokens of all rows, padding left out.

    ``seconds`` and ``peak_memory_bytes`` (of the process) differ between equal runs, everything else does not.
    """

    steps: int
    epochs: float
    best_step: int
    best_validation_accuracy: float | None
    stopped_early: bool
    validation: tuple[Evaluation, ...]
    tokens: int
    seconds: float
    peak_memory_bytes: int | None
    precision: str
    device: str
    threads: int


def train(
    network: Any,
    objective_backward: Backward,
    objective_options: Any,
    train: Sequence[Example],
    validation: Sequence[Example],
    training: Training,
    seed: int,
    progress: Progress = lambda share, text: None,
) -> TrainingLog:
    """Fine-tune ``network`` in place and leave it, in eval mode, with the weights of the best evaluation.

    The best is the highest clean validation accuracy, the earliest of equals; without validation rows the last weights
    stay. With ``training.epochs`` 0 no weight is touched. The same seed gives the same weights, bit for bit, as long
    as torch computes with the same number of threads. Raises BenchError without training rows or when the loss is not
    finite.
    """
    import torch

    if training.epochs and not train:
        raise BenchError("there are no training rows", "Check train_rows of the suite, or the dataset's training part")
    on_gpu = next(network.parameters()).is_cuda
    with torch.random.fork_rng(devices=None if on_gpu else []):
        torch.manual_seed(derive_seed("dropout", seed))
        return _Run(network, objective_backward, objective_options, train, validation, training, seed, progress).run()


class _Run:
    """The state of one training."""

    def __init__(
        self,
        network: Any,
        backward: Backward,
        options: Any,
        examples: Sequence[Example],
        validation: Sequence[Example],
        training: Training,
        seed: int,
        progress: Progress,
    ) -> None:
        import torch

        self.network, self.backward, self.options = network, backward, options
        self.examples, self.validation, self.training, self.progress = examples, validation, training, progress
        self.rng = random.Random(derive_seed("order", seed))
        self.device = next(network.parameters()).device
        self.generator = torch.Generator(self.device).manual_seed(derive_seed("objective", seed))
        self.per_epoch = steps_per_epoch(len(examples), training.batch_size) if training.epochs else 0
        self.total = self.per_epoch * training.epochs
        self.optimizer = make_optimizer(network, training)
        self.step, self.tokens = 0, 0
        self.losses: list[float] = []
        self.history: list[Evaluation] = []
        self.best: tuple[Evaluation, dict[str, torch.Tensor]] | None = None
        self.stale = 0

    def run(self) -> TrainingLog:
        began = time.monotonic()
        stops = evaluation_steps(self.per_epoch, self.training.evaluations_per_epoch)
        stopped = False
        if not self.total:
            self._evaluate(keep=False)
        for epoch in range(self.training.epochs):
            self.network.train()
            texts = [self.network.rows(example.text, self.rng) for example in self.examples]
            labels = [example.label for example in self.examples]
            epoch_batches = batches(texts, labels, self.training.batch_size, self.network.pad_id, self.rng)
            for number, batch in enumerate(epoch_batches, 1):
                self._update(batch)
                self.progress(self.step / self.total, f"epoch {epoch + 1}/{self.training.epochs}")
                if number in stops and self._evaluate(keep=True):
                    stopped = self.step < self.total
                    break
            if stopped:
                break
        if self.best is not None:
            self.network.load_state_dict(self.best[1])
        self.network.eval()
        self.network.zero_grad(set_to_none=True)
        return self._log(time.monotonic() - began, stopped)

    def _update(self, batch: TrainingBatch) -> None:
        import torch

        for group in self.optimizer.param_groups:
            group["lr"] = self.training.learning_rate * rate(self.step, self.total, self.training.warmup)
        self.optimizer.zero_grad(set_to_none=True)
        on_device = TrainingBatch(*(tensor.to(self.device) for tensor in batch))
        loss = self.backward(self.network, on_device, self.options, self.generator)
        if not math.isfinite(loss):
            raise BenchError(
                f"the training loss is {loss} at step {self.step + 1} of {self.total}",
                "Lower training.learning_rate, or check the objective's options",
            )
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.training.clip)
        self.optimizer.step()
        self.step += 1
        self.tokens += int(batch.attention.sum())
        self.losses.append(loss)

    def _evaluate(self, keep: bool) -> bool:
        """Measure, remember the best weights, and say whether patience has run out."""
        if not self.validation:
            return False
        right = NetworkClassifier(self.network).logits([e.text for e in self.validation]).argmax(axis=-1)
        accuracy = sum(int(p) == e.label for p, e in zip(right, self.validation, strict=True)) / len(self.validation)
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

    def _log(self, seconds: float, stopped: bool) -> TrainingLog:
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
            peak_memory_bytes=peak_memory(),
            precision="fp32",
            device=self.device.type,
            threads=torch.get_num_threads(),
        )


def make_optimizer(network: Any, training: Training) -> torch.optim.AdamW:
    """AdamW (betas 0.9 / 0.999, eps 1e-8) without weight decay on vectors: biases and LayerNorm weights."""
    import torch

    parameters = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": training.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=training.learning_rate, fused=True)


def rate(step: int, total: int, warmup: float) -> float:
    """Share of the peak learning rate at ``step`` (from 0): linear up over the warm-up, then linear down to zero."""
    rising = int(warmup * total)
    if step < rising:
        return (step + 1) / (rising + 1)
    return (total - step) / (total - rising)


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

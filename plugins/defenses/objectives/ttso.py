"""``ttso`` and ``ttso++``: training at a high temperature (Raina et al., ACL 2024, arXiv 2402.17509, section 5).

``ttso`` minimises cross-entropy(z / T, y) with T > 1 and predicts with z, so that the network has to set its logits T
times further apart; the gradient at the logits is (softmax(z / T) - onehot(y)) / T. ``ttso++`` (Wang and Lin, COLING
2025, arXiv 2501.02654) gives every text its own temperature:

* entropy: T_i = T + alpha H(softmax(z_i)), H in nats at temperature 1;
* confidence: T_i = T + alpha max(0, max_c softmax(z_i)_c - 0.9);
* curriculum: the same for all texts, from ``initial`` in the first step to ``final`` in the last, linearly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from benchmark import Objective, ObjectiveContext, ObjectiveRun, Options, TrainingBatch, text_logits

if TYPE_CHECKING:
    import torch

CONFIDENT = 0.9
"""Confidence above which the mode of that name raises the temperature (AdvBench4Text)."""


class TtsoOptions(Options):
    """Options of ``ttso``."""

    temperature: float = Field(
        default=10.0,
        gt=0,
        description="T (AdvBench4Text: 10; arXiv 2402.17509: 200, with the gradient normalised). 1: plain",
    )


class TtsoPlusOptions(Options):
    """Options of ``ttso++``."""

    temperature: float = Field(default=20.0, gt=0, description="T (AdvBench4Text's training script for TTSO++)")
    alpha: float = Field(default=0.5, ge=0, description="weight of the entropy or confidence term (AdvBench4Text)")
    mode: Literal["entropy", "confidence", "curriculum"] = Field(
        default="entropy", description="what moves the temperature (arXiv 2501.02654: entropy; the others: its code)"
    )
    detach: bool = Field(
        default=False,
        description="keep the gradient from flowing through the temperature (the code lets it flow)",
    )
    initial: float = Field(default=1.0, gt=0, description="curriculum: temperature of the first step (code: 1)")
    final: float | None = Field(
        default=None,
        gt=0,
        description="curriculum: temperature of the last step; None: `temperature` (code: 1, which is plain training)",
    )


def temperatures(logits: torch.Tensor, options: TtsoPlusOptions) -> torch.Tensor:
    """T_i of every text ``[B, 1]`` for ``logits [B, C]``, in the modes entropy and confidence."""
    log_share = logits.log_softmax(dim=-1)
    share = log_share.exp()
    if options.mode == "entropy":
        moved = -(share * log_share).sum(dim=-1, keepdim=True)
    else:
        moved = (share.amax(dim=-1, keepdim=True) - CONFIDENT).clamp(min=0)
    found = options.temperature + options.alpha * moved
    return found.detach() if options.detach else found


def curriculum(options: TtsoPlusOptions, step: int, steps: int) -> float:
    """The temperature of step ``step`` (from 0) of ``steps``; later ones keep the last one's."""
    final = options.temperature if options.final is None else options.final
    done = min(1.0, step / (steps - 1)) if steps > 1 else 1.0
    return options.initial + done * (final - options.initial)


def backward(network: Any, batch: TrainingBatch, options: TtsoOptions, generator: torch.Generator) -> float:
    """One forward and one backward pass of ``ttso``."""
    return _descend(text_logits(network, batch) / options.temperature, batch.labels)


class TtsoPlusRun(ObjectiveRun):
    """One training under ``ttso++``; it counts its steps."""

    def __init__(self, context: ObjectiveContext, options: TtsoPlusOptions) -> None:
        self._network, self._options = context.network, options
        self._step, self._steps = 0, context.epochs * context.steps_per_epoch

    def backward(self, batch: TrainingBatch) -> float:
        """One forward and one backward pass."""
        logits = text_logits(self._network, batch)
        if self._options.mode == "curriculum":
            scaled = logits / curriculum(self._options, self._step, self._steps)
        else:
            scaled = logits / temperatures(logits, self._options)
        self._step += 1
        return _descend(scaled, batch.labels)


def _descend(scaled: torch.Tensor, labels: torch.Tensor) -> float:
    from torch.nn.functional import cross_entropy

    loss = cross_entropy(scaled, labels)
    loss.backward()
    return float(loss.detach())


TTSO = Objective(
    name="ttso",
    backward=backward,
    options=TtsoOptions,
    changes=frozenset({"loss"}),
    about="cross-entropy of logits divided by a high temperature, which prediction leaves out",
    paper="Raina et al., ACL 2024, arXiv 2402.17509 (section 5); named in Wang and Lin, arXiv 2501.02654",
)

TTSO_PLUS = Objective(
    name="ttso++",
    begin=TtsoPlusRun,
    options=TtsoPlusOptions,
    changes=frozenset({"loss"}),
    about="ttso with a temperature for every text that grows with the entropy of its prediction",
    paper="Wang and Lin, COLING 2025, arXiv 2501.02654",
)

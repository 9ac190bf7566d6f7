"""``flooding``: the loss is kept from sinking below a level (Ishida et al., ICML 2020, arXiv 2002.08709).

With l the mean cross-entropy of the batch and b the level, the training minimises |l - b| + b: it descends above the
level and ascends below it. The gradient is sign(l - b) times that of l, and zero where l = b.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Objective, Options, TrainingBatch, text_logits

if TYPE_CHECKING:
    import torch


class FloodingOptions(Options):
    """Options of ``flooding``."""

    level: float = Field(
        default=0.1,
        ge=0,
        description="b in nats. 0.1: AdvBench4Text, for every dataset. The Flooding-X repository has 0.025 by default, "
        "0.1 or 0.2 for SST-2, 0.02 for IMDB, 0.036 for QNLI. 0: plain cross-entropy",
    )
    per_sample: bool = Field(
        default=False,
        description="flood the loss of every text before the mean is taken, instead of the mean of the batch (paper "
        "and both codes: the batch)",
    )


def flooded(losses: torch.Tensor, level: float, per_sample: bool = False) -> torch.Tensor:
    """The flooded loss of ``losses [B]`` in nats: of their mean, or with ``per_sample`` of each, then their mean."""
    kept = losses if per_sample else losses.mean()
    return ((kept - level).abs() + level).mean()


def backward(network: Any, batch: TrainingBatch, options: FloodingOptions, generator: torch.Generator) -> float:
    """One forward and one backward pass; returns the flooded loss, which is never below the level."""
    from torch.nn.functional import cross_entropy

    losses = cross_entropy(text_logits(network, batch), batch.labels, reduction="none")
    loss = flooded(losses, options.level, options.per_sample)
    loss.backward()
    return float(loss.detach())


FLOODING = Objective(
    name="flooding",
    backward=backward,
    options=FloodingOptions,
    changes=frozenset({"loss"}),
    about="cross-entropy that ascends again where the batch's loss is below a level",
    paper="Ishida et al., ICML 2020, arXiv 2002.08709; in NLP: Liu et al., ACL 2022 (Flooding-X)",
)

"""``label-smoothing``: cross-entropy against soft targets (Szegedy et al., CVPR 2016; ALS: arXiv 1906.11567).

With amount a, C classes and gold label y, the target q is

* standard, spread over all: (1 - a) onehot(y) + a / C on every class;
* standard, spread over the others: 1 - a on y, a / (C - 1) on each other class;
* adversarial: (1 - a) onehot(y) + a on the class that the network finds least likely now, shared between ties.

The loss is the mean over the batch of -sum_c q_c log softmax(z)_c; no gradient flows through q.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from benchmark import Objective, Options, TrainingBatch, text_logits

if TYPE_CHECKING:
    import torch


class LabelSmoothingOptions(Options):
    """Options of ``label-smoothing``."""

    amount: float = Field(
        default=0.1, ge=0, le=1, description="mass taken from the gold label (AdvBench4Text: 0.1). 0: plain"
    )
    kind: Literal["standard", "adversarial"] = Field(
        default="standard",
        description="standard: Szegedy et al. 2016; adversarial: all of the mass to the least likely class (ALS, arXiv "
        "1906.11567)",
    )
    spread: Literal["all", "others"] = Field(
        default="all",
        description="for kind standard. all: every class, the gold one too (Szegedy et al.; torch); others: not the "
        "gold one ('standard' in AdvBench4Text's ALS script)",
    )


def targets(logits: torch.Tensor, labels: torch.Tensor, options: LabelSmoothingOptions) -> torch.Tensor:
    """Soft targets ``[B, C]`` for ``logits [B, C]`` and ``labels [B]``; detached, each row sums to 1."""
    import torch
    from torch.nn.functional import one_hot

    gold = one_hot(labels, logits.shape[1]).to(logits.dtype)
    if options.kind == "adversarial":
        found = logits.detach()
        # On logits, not on probabilities: those underflow to ties.
        where = (found == found.amin(dim=-1, keepdim=True)).to(logits.dtype)
    else:
        where = torch.ones_like(gold) if options.spread == "all" else 1 - gold
    return (1 - options.amount) * gold + options.amount * where / where.sum(dim=-1, keepdim=True)


def soft_cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean over rows of -sum_c q_c log softmax(z)_c, in nats; for ``logits`` and ``target`` of shape ``[B, C]``."""
    return -(target * logits.log_softmax(dim=-1)).sum(dim=-1).mean()


def backward(network: Any, batch: TrainingBatch, options: LabelSmoothingOptions, generator: torch.Generator) -> float:
    """One forward and one backward pass. The loss is never below the entropy of the target."""
    logits = text_logits(network, batch)
    loss = soft_cross_entropy(logits, targets(logits, batch.labels, options))
    loss.backward()
    return float(loss.detach())


LABEL_SMOOTHING = Objective(
    name="label-smoothing",
    backward=backward,
    options=LabelSmoothingOptions,
    changes=frozenset({"loss"}),
    about="cross-entropy against targets that keep some mass off the gold label",
    paper="Szegedy et al., CVPR 2016; Goibert and Dohmatob, arXiv 1906.11567; in NLP: arXiv 2212.10258",
)

"""``clean``: cross-entropy on the texts as they are; what a defense trains with when its name gives no objective."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmark import NoOptions, Objective, TrainingBatch

if TYPE_CHECKING:
    import torch


def pool_rows(scores: torch.Tensor, owner: torch.Tensor, texts: int) -> torch.Tensor:
    """Logits ``[B, C]`` of ``texts`` texts: the mean over the rows that ``owner [R]`` gives each.

    This is the ensemble of MVP over templates (arXiv 2303.07320, section 3): a mean of raw logits.
    """
    sums = scores.new_zeros(texts, scores.shape[1]).index_add(0, owner, scores)
    counts = scores.new_zeros(texts).index_add(0, owner, scores.new_ones(len(owner)))
    return sums / counts[:, None]


def backward(network: Any, batch: TrainingBatch, options: NoOptions, generator: torch.Generator) -> float:
    """One forward and one backward pass; the loss is the mean over the texts of the batch."""
    import torch

    logits = pool_rows(network(batch.ids, batch.attention), batch.owner, len(batch.labels))
    loss = torch.nn.functional.cross_entropy(logits, batch.labels)
    loss.backward()  # type: ignore[no-untyped-call]
    return float(loss.detach())


CLEAN = Objective(
    name="clean",
    backward=backward,
    is_default=True,
    about="cross-entropy on the training texts as they are",
)

"""``clean``: cross-entropy on the texts as they are; what a defense trains with when its name gives no objective."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmark import NoOptions, Objective, TrainingBatch, text_logits

if TYPE_CHECKING:
    import torch


def backward(network: Any, batch: TrainingBatch, options: NoOptions, generator: torch.Generator) -> float:
    """One forward and one backward pass; the loss is the mean over the texts of the batch."""
    import torch

    loss = torch.nn.functional.cross_entropy(text_logits(network, batch), batch.labels)
    loss.backward()  # type: ignore[no-untyped-call]
    return float(loss.detach())


CLEAN = Objective(
    name="clean",
    backward=backward,
    version=2,
    is_default=True,
    about="cross-entropy on the training texts as they are",
    paper="fine-tuning as in Devlin et al., BERT, NAACL 2019, arXiv 1810.04805",
)

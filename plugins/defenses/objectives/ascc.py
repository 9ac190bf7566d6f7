"""``ascc``: training on the worst convex combination of synonyms (Dong et al., ICLR 2021, arXiv 2107.13541).

A word x_j with synonyms S(x_j), itself among them, may be any point e^_j = sum_k omega_jk Emb(S_jk) of their hull, with
omega = softmax(w). The inner problem finds, by Adam on w from near the centroid,

    max_w  KL(p(e) || p(e^)) - alpha * entropy(omega),

where the entropy pushes omega towards a vertex, that is towards a real substitution. The loss is then

    CE(z, y) + beta * KL(p || p^) + w_a * CE(z^, y),

with both distributions attached and the mean taken over texts. Prediction is the plain network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from benchmark import (
    Capability,
    Objective,
    ObjectiveContext,
    ObjectiveRun,
    Options,
    TrainingBatch,
    Uses,
    text_logits,
)
from benchmark_plugins.defenses.hulls import HullBatch, Hulls, simplex

if TYPE_CHECKING:
    import torch

WEIGHT_DECAY = 2e-5
"""Of the inner Adam, as in the published code."""


class AsccOptions(Options):
    """Options of ``ascc``."""

    synonyms: str = Field(default="counterfit-synonyms", description="registered synonym table")
    neighbours: int = Field(
        default=10, ge=1, description="most synonyms of a word beside itself (ASCC code: 10 for BERT, 20 for others)"
    )
    steps: int = Field(default=10, ge=0, description="K, updates of w (ASCC code: 10)")
    learning_rate: float = Field(default=1.0, gt=0, description="of Adam on w (ASCC code: 1 for BERT, 10 for others)")
    alpha: float = Field(
        default=10.0, ge=0, description="weight of the entropy (arXiv 2402.17509 and TextDefender: 10; ASCC code: 15)"
    )
    beta: float = Field(
        default=4.0, ge=0, description="weight of the KL term (ASCC code and TextDefender: 4; arXiv 2402.17509: 40)"
    )
    adversarial_weight: float = Field(
        default=0.0, ge=0, description="w_a, weight of the cross-entropy at the worst point (ASCC code: 0)"
    )
    entropy: Literal["batch", "text"] = Field(
        default="batch",
        description="batch: KL summed and entropy averaged over all tokens of the batch (ASCC code; alpha weighs less "
        "the larger the batch); text: entropy averaged over the tokens of each text, then summed",
    )


def entropies(logits: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Entropy in nats ``[W]`` of :func:`simplex` of ``logits [W, s]``; its gradient is finite at a vertex too."""
    logs = logits.masked_fill(~valid, float("-inf")).log_softmax(dim=-1)
    return -(logs.exp() * logs.masked_fill(~valid, 0.0)).sum(dim=-1)


def divergence(clean: torch.Tensor, other: torch.Tensor, reduction: str) -> torch.Tensor:
    """KL(softmax(clean) || softmax(other)) in nats over logits ``[B, C]``; "sum" or "batchmean"."""
    from torch.nn.functional import kl_div, log_softmax

    return kl_div(log_softmax(other, -1), log_softmax(clean, -1), log_target=True, reduction=reduction)


def worst_weights(
    network: Any, batch: TrainingBatch, hulls: HullBatch, options: AsccOptions, generator: torch.Generator
) -> torch.Tensor:
    """omega ``[W, s]`` after the inner problem, detached.

    The network runs in eval mode and is left in the mode it was in; no weight receives a gradient.
    """
    import torch

    # The published start: kaiming normal of a tensor [B, L, s, 1], whose fan-in is L * s.
    spread = (2.0 / (int(hulls.lengths.max()) * hulls.valid.shape[1])) ** 0.5
    w = torch.randn(hulls.valid.shape, generator=generator, device=hulls.valid.device) * spread
    if not len(w):
        return w
    w.requires_grad_()
    optimizer = torch.optim.Adam([w], lr=options.learning_rate, weight_decay=WEIGHT_DECAY)
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            clean = text_logits(network, batch)
            base, vertices = network.embed(batch.rows.ids), network.embed(hulls.ids)
        for _ in range(options.steps):
            embeddings = hulls.mixed(base, vertices, simplex(w, hulls.valid))
            gain = divergence(clean, text_logits(network, batch, embeddings), "sum")
            gain = gain - options.alpha * _penalty(entropies(w, hulls.valid), hulls, options.entropy)
            (w.grad,) = torch.autograd.grad(-gain, w)
            optimizer.step()
    finally:
        network.train(was_training)
    return simplex(w.detach(), hulls.valid)


def _penalty(found: torch.Tensor, hulls: HullBatch, kind: str) -> torch.Tensor:
    """Words that take no part count as entropy 0."""
    if kind == "batch":
        return found.sum() / hulls.lengths.sum()
    return (found / hulls.lengths[hulls.text]).sum()


class AsccRun(ObjectiveRun):
    """One training under ``ascc``."""

    def __init__(self, context: ObjectiveContext, options: AsccOptions) -> None:
        table = context.fit.resources.model(options.synonyms)
        self._context, self._options = context, options
        self._hulls = Hulls(context.fit.base.tokenizer, table, options.neighbours + 1)

    def backward(self, batch: TrainingBatch) -> float:
        """One pass without gradients, K forward and backward passes, then two forward and one backward pass."""
        from torch.nn.functional import cross_entropy

        network, options = self._context.network, self._options
        hulls = self._hulls.batch(batch.rows, batch.texts, batch.owner.tolist())
        weights = worst_weights(network, batch, hulls, options, self._context.generator)
        clean = text_logits(network, batch)
        other = text_logits(network, batch, hulls.embeddings(network, batch.rows, weights))
        loss = cross_entropy(clean, batch.labels) + options.beta * divergence(clean, other, "batchmean")
        if options.adversarial_weight:
            loss = loss + options.adversarial_weight * cross_entropy(other, batch.labels)
        loss.backward()
        return float(loss.detach())


def uses(options: Any) -> Uses:
    """The synonym table."""
    return Uses(models=(options.synonyms,))


ASCC = Objective(
    name="ascc",
    begin=AsccRun,
    options=AsccOptions,
    needs=frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS}),
    changes=frozenset({"embeddings"}),
    uses=uses,
    about="clean loss and KL to the worst point in the hull of each word's synonyms",
    paper="Dong et al., ICLR 2021, arXiv 2107.13541",
)

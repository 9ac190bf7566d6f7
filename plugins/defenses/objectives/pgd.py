"""``pgd``: training on the worst point of a ball around the word embeddings.

    min_theta  E l(theta, E + delta*),   delta* = K times  delta <- Proj(delta + a g / ||g||),   g = dl / d delta

(Madry et al., ICLR 2018, arXiv 1706.06083). Only the last point trains the weights. The defaults are those of MVP's
adversarial training (arXiv 2303.07320): one step of 1.5 in an L2 ball of radius 1, dropout off while delta is sought.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from benchmark import Capability, Objective, TrainingBatch
from benchmark_plugins.defenses.objectives.perturbation import (
    Dropout,
    Norm,
    Passes,
    Region,
    ScopeOptions,
    ascend,
    lengths,
    loss_at,
    project,
)

if TYPE_CHECKING:
    import torch


class PgdOptions(ScopeOptions):
    """Options of ``pgd``."""

    steps: int = Field(default=1, ge=0, description="K, updates of delta (MVP: 1; TextDefender: 5)")
    norm: Norm = Field(
        default="l2", description="the ball, and whether steps follow the normalised gradient or its sign (MVP: l2)"
    )
    epsilon: float = Field(
        default=1.0, ge=0, description="radius of the ball, per unit of `scope` (MVP: 1). 0: no bound"
    )
    step_size: float | None = Field(
        default=None, ge=0, description="a; None: 1.5 epsilon / steps, which is 1.5 at the defaults (MVP's code)"
    )
    start: Literal["random", "zero", "mvp-code"] = Field(
        default="random",
        description="random: uniform, see `start_size`; zero; mvp-code: with u uniform in (0, 1), entries u (2u - 1), "
        "of mean 1/6, scaled to norm epsilon (in linf uniform in the ball), as published",
    )
    start_size: float | None = Field(
        default=None,
        ge=0,
        description="sigma of the random start: entries U(-1, 1) sigma / sqrt(n d), or U(-1, 1) sigma in linf "
        "(TextDefender: 0.05). None: epsilon",
    )
    dropout: Dropout = Field(
        default="off",
        description="of the passes that seek delta: off (MVP's code), fresh masks (TextDefender), or shared by all "
        "passes of an update; the last pass always has dropout",
    )
    clean_weight: float = Field(
        default=0.0, ge=0, description="weight of the clean loss that is added (MVP, TextDefender, fairseq code: 0)"
    )
    inner_weight_gradients: bool = Field(
        default=False,
        description="add the weight gradients of the passes that seek delta, which MVP's code leaves behind by mistake",
    )

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.epsilon == 0 and self.steps and self.step_size is None:
            raise ValueError("without a bound (epsilon 0) step_size must be given")
        unsized = self.start == "random" and self.start_size is None
        if self.epsilon == 0 and (unsized or self.start == "mvp-code"):
            raise ValueError("without a bound (epsilon 0) start must be zero, or random with a start_size")
        return self


def first_point(region: Region, like: torch.Tensor, options: PgdOptions, generator: torch.Generator) -> torch.Tensor:
    """delta_0 ``[U, S, d]`` for embeddings ``like [R, L, d]``, inside the ball."""
    if options.start == "zero":
        return region.zeros(like)
    size = options.epsilon if options.start_size is None or options.start == "mvp-code" else options.start_size
    if options.start == "random" or options.norm == "linf":
        return project(region.uniform(like, size, options.norm, generator), options.epsilon, options.norm)
    unit = (region.draw(like, generator) + 1) / 2
    skewed = unit * (2 * unit - 1) * region.places[:, :, None]
    return skewed * (options.epsilon / lengths(skewed).clamp(min=1e-12))


def worst_point(
    network: Any,
    batch: TrainingBatch,
    region: Region,
    options: PgdOptions,
    generator: torch.Generator,
    passes: Passes,
) -> torch.Tensor:
    """delta_K ``[U, S, d]`` after K forward passes, each with a backward pass to delta.

    Leaves no gradient in the weights unless ``inner_weight_gradients`` asks for it.
    """
    import torch

    words = network.embed(batch.rows.ids).detach()
    size = 1.5 * options.epsilon / max(1, options.steps) if options.step_size is None else options.step_size
    delta = first_point(region, words, options, generator)
    for _ in range(options.steps):
        delta = delta.detach().requires_grad_()
        with passes.one():
            loss = loss_at(network, batch, words + region.to_rows(delta))
            if options.inner_weight_gradients:
                loss.backward()
                gradient = delta.grad
            else:
                (gradient,) = torch.autograd.grad(loss, delta)
        # The gradient of the sum over texts: how long a step is must not depend on the size of the batch.
        delta = ascend(delta.detach(), gradient * len(batch.labels), size, options.norm)
        delta = project(delta, options.epsilon, options.norm)
    return delta.detach()


def backward(network: Any, batch: TrainingBatch, options: PgdOptions, generator: torch.Generator) -> float:
    """K passes that seek delta and one that trains; with ``clean_weight`` one more. Returns the loss at delta_K."""
    region = Region(batch, options.scope)
    seeking = Passes(network, options.dropout)
    last = Passes(network, "fresh") if options.dropout == "off" else seeking
    delta = worst_point(network, batch, region, options, generator, seeking)
    with last.one():
        loss = loss_at(network, batch, network.embed(batch.rows.ids) + region.to_rows(delta))
        loss.backward()
    found = float(loss.detach())
    if options.clean_weight:
        with last.one():
            clean = options.clean_weight * loss_at(network, batch, network.embed(batch.rows.ids))
            clean.backward()
        found += float(clean.detach())
    return found


PGD = Objective(
    name="pgd",
    backward=backward,
    options=PgdOptions,
    needs=frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS}),
    changes=frozenset({"embeddings"}),
    about="cross-entropy at the worst point of a ball around the word embeddings",
    paper="Madry et al., ICLR 2018, arXiv 1706.06083; settings of Raman et al., EMNLP 2023, arXiv 2303.07320",
)

"""``freelb`` and ``freelb++``: the weights train at every point of an ascent on the word embeddings.

    min_theta  E (1/K) sum_{t=0}^{K-1} l(theta, E + delta_t),   delta_{t+1} = Proj(delta_t + a g_t / ||g_t||)

from a uniform start (Zhu et al., ICLR 2020, arXiv 1909.11764). Each pass yields both the gradient of the weights and
that of delta, so that K passes make K - 1 ascents. There is no clean term. ``freelb++`` (Li et al., EMNLP 2021, arXiv
2108.12777) is the same without a norm ball and with more passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from benchmark import Capability, Objective, TrainingBatch
from benchmark_plugins.defenses.objectives.perturbation import (
    Dropout,
    Norm,
    Passes,
    Region,
    ScopeOptions,
    ascend,
    loss_at,
    project,
)

if TYPE_CHECKING:
    import torch


class PathOptions(ScopeOptions):
    """How delta moves: shared by the objectives that train along the path."""

    steps: int = Field(
        default=3,
        ge=1,
        description="K, forward-backward passes, of which K - 1 are followed by a step (fairseq code, SST-2: 2 steps "
        "and so 3 passes)",
    )
    step_size: float = Field(default=0.1, ge=0, description="a (fairseq code, SST-2)")
    start_size: float = Field(
        default=1.0,
        ge=0,
        description="sigma of the start: entries U(-1, 1) sigma / sqrt(n d), of norm about 0.58 sigma; in linf U(-1, "
        "1) sigma (fairseq code, SST-2)",
    )
    epsilon: float = Field(
        default=0.6, ge=0, description="radius of the ball, per unit of `scope` (fairseq code, SST-2). 0: no bound"
    )
    norm: Norm = Field(default="l2", description="ball and steps (paper: l2)")
    dropout: Dropout = Field(
        default="shared",
        description="masks of the K passes: shared (paper, section 3.3), fresh (TextDefender), or no dropout at all",
    )


class FreeLbOptions(PathOptions):
    """Options of ``freelb``."""

    accumulate: Literal["average", "last"] = Field(
        default="average",
        description="average: every pass trains the weights (paper); last: only the last one does, which is PGD with "
        "K - 1 steps",
    )


class FreeLbPlusOptions(FreeLbOptions):
    """Options of ``freelb++``."""

    steps: int = Field(default=10, ge=1, description="K (arXiv 2108.12777 is quoted with 10 on IMDB; 30 on AG News)")
    step_size: float = Field(default=0.03, ge=0, description="a (TextDefender)")
    start_size: float = Field(default=0.05, ge=0, description="sigma of the start (TextDefender)")
    epsilon: float = Field(default=0.0, ge=0, description="0: no ball (arXiv 2108.12777)")


Visit = Callable[["torch.Tensor", float], "tuple[torch.Tensor, torch.Tensor]"]
"""``visit(delta, share)`` adds ``share`` of the weight gradient at ``delta`` (nothing for 0) and returns the loss and
its gradient in delta, both unweighted."""


def walk(
    region: Region,
    like: torch.Tensor,
    options: PathOptions,
    generator: torch.Generator,
    visit: Visit,
    shares: Sequence[float],
    texts: int,
) -> float:
    """Visit delta_0 .. delta_{K-1}, K the number of ``shares``; returns the loss weighted with them.

    ``like [R, L, d]`` are the word embeddings; the loss is a mean over ``texts`` texts.
    """
    delta = region.uniform(like, options.start_size, options.norm, generator)
    total = 0.0
    for number, share in enumerate(shares, 1):
        delta = project(delta, options.epsilon, options.norm).detach().requires_grad_()
        loss, gradient = visit(delta, share)
        total += share * float(loss.detach())
        if number < len(shares):
            # The gradient of the sum over texts: how long a step is must not depend on the size of the batch.
            delta = ascend(delta.detach(), gradient.detach() * texts, options.step_size, options.norm)
    return total


def backward(network: Any, batch: TrainingBatch, options: FreeLbOptions, generator: torch.Generator) -> float:
    """K forward-backward passes; the loss is their mean, or with ``accumulate`` last that of the last pass."""
    import torch

    region = Region(batch, options.scope)
    passes = Passes(network, options.dropout)

    def visit(delta: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
        with passes.one():
            # Looked up anew for each pass: the word embeddings are trained too, and the graph is freed after each.
            loss = loss_at(network, batch, network.embed(batch.rows.ids) + region.to_rows(delta))
            if share == 0:
                return loss, torch.autograd.grad(loss, delta)[0]
            (loss * share).backward()
        assert delta.grad is not None
        return loss, delta.grad / share

    if options.accumulate == "last":
        shares = [0.0] * (options.steps - 1) + [1.0]
    else:
        shares = [1 / options.steps] * options.steps
    like = network.embed(batch.rows.ids).detach()
    return walk(region, like, options, generator, visit, shares, len(batch.labels))


NEEDS = frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS})

FREELB = Objective(
    name="freelb",
    backward=backward,
    options=FreeLbOptions,
    needs=NEEDS,
    changes=frozenset({"embeddings"}),
    about="mean cross-entropy over the points of an ascent in a ball around the word embeddings",
    paper="Zhu et al., ICLR 2020, arXiv 1909.11764",
)

FREELB_PLUS = Objective(
    name="freelb++",
    backward=backward,
    options=FreeLbPlusOptions,
    needs=NEEDS,
    changes=frozenset({"embeddings"}),
    about="freelb without a norm ball and with more passes",
    paper="Li et al., EMNLP 2021, arXiv 2108.12777; Zhu et al., ICLR 2020, arXiv 1909.11764",
)

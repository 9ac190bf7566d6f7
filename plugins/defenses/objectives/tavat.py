"""``tavat``: token-aware perturbations (Li and Qiu, AAAI 2021, arXiv 2004.14543).

Beside delta, a token has a perturbation eta that starts from a table V over the vocabulary, kept through the training.
With K passes, at pass t the loss l(E + delta + eta) trains the weights; then, for t < K,

    delta <- delta + a g / ||g||_F                      per text
    eta_j <- eta_j + a g_j / ||g_j||_2                  per token
    eta_j <- eta_j ||eta_j|| / max_k ||eta_k||          k over the text's tokens
    both  <- both * eps / ||delta + eta||_F             where that is outside the ball

and after pass K the table takes over the etas of the tokens that occurred. ``g`` is the gradient of l in delta + eta.
The table is not saved: prediction is the plain network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from benchmark import Capability, Objective, ObjectiveContext, ObjectiveRun, TrainingBatch
from benchmark_plugins.defenses.objectives.perturbation import (
    SMALLEST,
    Dropout,
    Passes,
    Region,
    ScopeOptions,
    ascend,
    lengths,
    loss_at,
    shrink,
)

if TYPE_CHECKING:
    import torch


class TavatOptions(ScopeOptions):
    """Options of ``tavat``."""

    steps: int = Field(
        default=2, ge=1, description="K, forward-backward passes, of which K - 1 are followed by a step (code, SST-2)"
    )
    step_size: float = Field(default=0.05, ge=0, description="a, of delta and eta (code, SST-2)")
    start_size: float = Field(
        default=0.2,
        ge=0,
        description="sigma: delta starts with entries U(-1, 1) sigma / sqrt(n d), the table with entries U(-1, 1) "
        "sigma / sqrt(d) (code, SST-2)",
    )
    epsilon: float = Field(
        default=0.5, ge=0, description="radius of the ball of delta + eta, per unit (code, SST-2). 0: no bound"
    )
    dropout: Dropout = Field(default="fresh", description="masks of the K passes (code: fresh), shared, or off")
    tokens: bool = Field(default=True, description="false: without eta and table, which leaves FreeLB")
    token_start: Literal["unit", "batch"] = Field(
        default="unit",
        description="eta_0: unit: the tokens' rows of V scaled to norm sigma per unit; batch: to norm 1 over the whole "
        "batch (code), so that it depends on the texts beside it",
    )
    token_scope: Literal["scope", "everywhere"] = Field(
        default="scope",
        description="where eta may be: as `scope` says, or everywhere, special tokens and padding too (code; not with "
        "text-tied)",
    )
    update: Literal["assign", "add"] = Field(
        default="assign", description="V of a token becomes its eta, or grows by it without bound (code: add)"
    )
    occurrences: Literal["mean", "sum"] = Field(
        default="mean", description="what a token that occurs more than once passes to the table (code: sum)"
    )
    accumulate: Literal["average", "sum"] = Field(
        default="average", description="weight gradients of the K passes (code: sum, K times as large before clipping)"
    )

    @model_validator(mode="after")
    def _same_shape(self) -> Self:
        if self.token_scope == "everywhere" and self.scope == "text-tied":
            raise ValueError("token_scope everywhere needs a scope of rows: row, nonpad or text")
        return self


class TavatRun(ObjectiveRun):
    """One training under ``tavat``."""

    table: torch.Tensor | None = None
    """V ``[vocabulary, d]``; it grows to the largest id that has occurred."""

    def __init__(self, context: ObjectiveContext, options: TavatOptions) -> None:
        self._network, self._generator, self._options = context.network, context.generator, options

    def backward(self, batch: TrainingBatch) -> float:
        """K forward-backward passes; the loss is their mean, or their sum with ``accumulate`` sum."""
        options, network, ids = self._options, self._network, batch.rows.ids
        region = Region(batch, options.scope)
        spread = Region(batch, "row") if options.token_scope == "everywhere" else region
        passes = Passes(network, options.dropout)
        like = network.embed(ids).detach()
        delta = region.uniform(like, options.start_size, "l2", self._generator)
        eta = self._first(spread, ids, like) if options.tokens else spread.zeros(like)
        share = 1 / options.steps if options.accumulate == "average" else 1.0
        total = 0.0
        for number in range(1, options.steps + 1):
            delta, eta = delta.detach().requires_grad_(), eta.detach().requires_grad_()
            with passes.one():
                moved = network.embed(ids) + region.to_rows(delta) + spread.to_rows(eta)
                loss = share * loss_at(network, batch, moved)
                loss.backward()
            total += float(loss.detach())
            if number == options.steps:
                break
            # The gradient of the sum over texts: how long a step is must not depend on the size of the batch.
            scale = len(batch.labels) / share
            assert delta.grad is not None
            assert eta.grad is not None
            delta = ascend(delta.detach(), delta.grad * scale, options.step_size, "l2")
            if options.tokens:
                eta = balanced(ascend_tokens(eta.detach(), eta.grad * scale, options.step_size))
            if options.epsilon:
                factor = shrink(delta + eta, options.epsilon)
                delta, eta = delta * factor, eta * factor
        if options.tokens:
            self._remember(spread, ids, eta.detach())
        return total

    def _first(self, region: Region, ids: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """eta_0 ``[U, S, d]``."""
        found = region.from_rows(self._rows(ids, like)[ids])
        if self._options.token_start == "batch":
            return found / found.norm().clamp(min=1e-12)
        return self._options.start_size * found / lengths(found).clamp(min=1e-12)

    def _rows(self, ids: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """The table, with rows for all ``ids``."""
        import torch

        width = like.shape[-1]
        table = like.new_zeros(0, width) if self.table is None else self.table
        missing = int(ids.max()) + 1 - len(table)
        if missing > 0:
            source = self._generator
            drawn = torch.rand((missing, width), generator=source, device=source.device, dtype=like.dtype)
            new = (2 * drawn.to(like.device) - 1) * self._options.start_size / width**0.5
            table = torch.cat([table, new])
        self.table = table
        return table

    def _remember(self, region: Region, ids: torch.Tensor, eta: torch.Tensor) -> None:
        """Put ``eta [U, S, d]`` into the rows of the tokens that occurred."""
        assert self.table is not None
        found, which = ids[region.inside].unique(return_inverse=True)
        values = self.table.new_zeros(len(found), self.table.shape[1])
        values = values.index_add(0, which, region.to_rows(eta)[region.inside])
        if self._options.occurrences == "mean":
            values = values / which.bincount(minlength=len(found))[:, None]
        if self._options.update == "add":
            values = values + self.table[found]
        self.table[found] = values


def ascend_tokens(eta: torch.Tensor, gradient: torch.Tensor, size: float) -> torch.Tensor:
    """``eta [U, S, d]`` one step of length ``size`` uphill, every token along its own gradient."""
    return eta + size * gradient / gradient.norm(dim=-1, keepdim=True).clamp(min=SMALLEST)


def balanced(eta: torch.Tensor) -> torch.Tensor:
    """Every token of ``eta [U, S, d]`` times its share of the largest norm in its unit: small ones become smaller."""
    norms = eta.norm(dim=-1, keepdim=True)
    return eta * norms / norms.amax(dim=1, keepdim=True).clamp(min=1e-12)


TAVAT = Objective(
    name="tavat",
    begin=TavatRun,
    options=TavatOptions,
    needs=frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS}),
    changes=frozenset({"embeddings"}),
    about="freelb with a perturbation of every token that starts from a table over the vocabulary",
    paper="Li and Qiu, AAAI 2021, arXiv 2004.14543",
)

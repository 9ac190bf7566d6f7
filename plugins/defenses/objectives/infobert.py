"""``infobert``: FreeLB with two information terms (Wang et al., ICLR 2021, arXiv 2010.02329).

    (1/K) sum_t  l(theta, E + delta_t) + beta U_t - alpha I_t

* U compresses what enters the layers: mean_i 1/2 ||y_i - y_r(i)||^2 over the states y of all tokens, r drawn uniformly
  with replacement. Its expectation is the trace of the covariance of y.
* I ties some tokens ("anchored features") to the prediction: an InfoNCE bound on the information between the states y
  of those tokens and the last state g at their row's slot, with a trained critic F of two layers,

      I = mean_i F(y_i, g_i) - mean_i log sum_j exp F(y_j, g_i) + log n   <=   log n.

  Of each row's text tokens, ranked by the norm of the gradient in delta, those between two quantiles are taken.
  delta follows the gradient of l + beta U; I does not move it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from benchmark import Capability, Objective, ObjectiveContext, ObjectiveRun, RowBatch, TrainingBatch, pool_rows
from benchmark_plugins.defenses.objectives.freelb import PathOptions, walk
from benchmark_plugins.defenses.objectives.perturbation import Passes, Region

if TYPE_CHECKING:
    import torch

CRITIC_WIDTH = 300
"""Hidden units of the critic, as in the published code."""


class InfoBertOptions(PathOptions):
    """Options of ``infobert``."""

    steps: int = Field(
        default=3, ge=1, description="K, forward-backward passes, of which K - 1 are followed by a step (code)"
    )
    step_size: float = Field(default=0.04, ge=0, description="a (code)")
    start_size: float = Field(default=0.08, ge=0, description="sigma of the start (code)")
    epsilon: float = Field(default=0.0, ge=0, description="radius of the ball; 0: no bound (code)")
    alpha: float = Field(default=5e-3, ge=0, description="weight of I (code)")
    beta: float = Field(default=5e-3, ge=0, description="weight of U (code)")
    lowest: float = Field(default=0.5, ge=0, le=1, description="quantile of the gradient norm to start from (code)")
    highest: float = Field(default=0.9, ge=0, le=1, description="quantile of the gradient norm to stop before (code)")
    chunk: int = Field(
        default=32, ge=2, description="n, tokens that are told apart at a time (code: the batch size, 32)"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.lowest > self.highest:
            raise ValueError("lowest must not be above highest")
        return self


class InfoBertRun(ObjectiveRun):
    """One training under ``infobert``; ``critic`` is trained beside the network, and absent for alpha 0."""

    def __init__(self, context: ObjectiveContext, options: InfoBertOptions) -> None:
        self._network, self._generator, self._options = context.network, context.generator, options
        self.critic = make_critic(context.network, context.generator) if options.alpha else None

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """Those of the critic."""
        return () if self.critic is None else self.critic.parameters()

    def backward(self, batch: TrainingBatch) -> float:
        """K forward passes, each with a backward pass to delta and one to the weights; the loss is their mean."""
        import torch

        options, network = self._options, self._network
        region = Region(batch, options.scope)
        passes = Passes(network, options.dropout)

        def visit(delta: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
            with passes.one():
                embeddings = network.embed(batch.rows.ids) + region.to_rows(delta)
                first = network.states(batch.rows, embeddings)
                last = network.layers(first, batch.rows.attention, 0, network.num_layers)
                loss = self._compressed(batch, first, last)
                if self.critic is None:
                    (loss * share).backward()
                    assert delta.grad is not None
                    return loss, delta.grad / share
                (gradient,) = torch.autograd.grad(loss, delta, retain_graph=True)
                bound = self._anchored(self.critic, batch.rows, first, last, region.to_rows(gradient))
                loss = loss - options.alpha * bound
                (loss * share).backward()
            return loss, gradient

        like = network.embed(batch.rows.ids).detach()
        shares = [1 / options.steps] * options.steps
        return walk(region, like, options, self._generator, visit, shares, len(batch.labels))

    def _compressed(self, batch: TrainingBatch, first: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        """l + beta U."""
        from torch.nn.functional import cross_entropy

        scores = self._network.scores(last, batch.rows)
        loss = cross_entropy(pool_rows(scores, batch.owner, len(batch.labels)), batch.labels)
        if self._options.beta == 0:
            return loss
        return loss + self._options.beta * spread(first[batch.rows.attention.bool()], self._generator)

    def _anchored(
        self, critic: Any, rows: RowBatch, first: torch.Tensor, last: torch.Tensor, gradient: torch.Tensor
    ) -> torch.Tensor:
        """I, for the tokens that ``gradient [R, L, d]`` chooses; 0 where it chooses none."""
        options = self._options
        chosen = anchors(gradient.norm(dim=-1), rows.text >= 0, options.lowest, options.highest)
        row, place = chosen.nonzero().unbind(1)
        if len(row) == 0:
            return first.new_zeros(())
        return information(critic, first[row, place], last[row, rows.slot[row]], options.chunk, self._generator)


def make_critic(network: Any, generator: torch.Generator) -> Any:
    """F: two states side by side ``[..., 2h]`` to a positive number ``[..., 1]``, with weights from ``generator``."""
    import torch
    from torch import nn

    device = next(network.parameters()).device
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        width = _state_width(network, device)
        layers = nn.Linear(2 * width, CRITIC_WIDTH), nn.ReLU(), nn.Linear(CRITIC_WIDTH, 1), nn.Softplus()
        return nn.Sequential(*layers).to(device)


def _state_width(network: Any, device: torch.device) -> int:
    """h, read from the states of a short text: nothing in a network's interface names it."""
    import torch

    row = network.rows("a")[0]
    ids = torch.tensor([list(row.ids)], device=device)
    zeros = torch.zeros_like(ids)
    with torch.no_grad():
        states = network.states(RowBatch(ids, zeros + 1, zeros, zeros[:, 0], zeros))
    return int(states.shape[-1])


def spread(states: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """U of ``states [N, h]``: mean of 1/2 ||y_i - y_r(i)||^2, one partner drawn for each."""
    import torch

    number = len(states)
    partner = torch.randint(number, (number,), generator=generator, device=generator.device).to(states.device)
    return (states - states[partner]).square().sum(dim=-1).mean() / 2


def anchors(norms: torch.Tensor, text: torch.Tensor, lowest: float, highest: float) -> torch.Tensor:
    """Which positions ``[R, L]`` are anchored features: of a row's n positions in ``text [R, L]``, by ascending
    ``norms [R, L]``, those of the ranks ceil(n lowest) to ceil(n highest) - 1 (from 0). Ties: the earlier is lower.
    """
    import torch

    order = norms.masked_fill(~text, math.inf).argsort(dim=1, stable=True)
    ranks = torch.arange(norms.shape[1], device=norms.device).expand_as(order)
    rank = torch.empty_like(order).scatter(1, order, ranks)
    number = text.sum(dim=1, keepdim=True)

    def bound(quantile: float) -> torch.Tensor:
        # In whole millionths, so that 0.07 of 100 tokens are 7 and not 8.
        return (number * round(quantile * 1_000_000) + 999_999) // 1_000_000

    return text & (rank >= bound(lowest)) & (rank < bound(highest))


def information(
    critic: Any, local: torch.Tensor, whole: torch.Tensor, chunk: int, generator: torch.Generator
) -> torch.Tensor:
    """I between ``local [N, h]`` and ``whole [N, h]``: shuffled, in chunks, a mean weighted with their sizes."""
    import torch

    order = torch.randperm(len(local), generator=generator, device=generator.device).to(local.device)
    found = local.new_zeros(())
    for some in order.split(chunk):
        found = found + info_nce(critic, local[some], whole[some]) * (len(some) / len(local))
    return found


def info_nce(critic: Any, local: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    """The InfoNCE bound for n pairs ``local [n, h]``, ``whole [n, h]``; at most log n."""
    import torch

    number = len(local)
    pairs = torch.cat([local.expand(number, -1, -1), whole[:, None].expand(-1, number, -1)], dim=-1)
    scores = critic(pairs)[:, :, 0]
    return (scores.diagonal() - scores.logsumexp(dim=1)).mean() + math.log(number)


INFOBERT = Objective(
    name="infobert",
    begin=InfoBertRun,
    options=InfoBertOptions,
    needs=frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS, Capability.HIDDEN_STATES}),
    changes=frozenset({"embeddings"}),
    about="freelb with a term that compresses the states and one that ties stable tokens to the prediction",
    paper="Wang et al., ICLR 2021, arXiv 2010.02329",
)

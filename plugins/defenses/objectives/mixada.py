"""``mixada``: adversarial data augmentation and mixed hidden states (Si et al., ACL Findings 2021, arXiv 2012.15699).

The texts are those of ``ada``. Per batch, lambda ~ Beta(alpha, alpha), a random permutation gives every text a partner,
and a layer m is drawn. With h the states after layer m, h~ = lambda h + (1 - lambda) h[partner] goes on through the
remaining layers, and the loss is

    CE(z, y) + weight * KL(q || softmax(z~)),   q = lambda onehot(y) + (1 - lambda) onehot(y[partner]),

both means over the batch; z~ is pooled over the rows of a text as z is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from benchmark import Capability, Objective, ObjectiveContext, RowBatch, TrainingBatch, pool_rows
from benchmark_plugins.defenses.objectives.ada import AdaOptions, AdaRun, uses

if TYPE_CHECKING:
    import torch


class MixAdaOptions(AdaOptions):
    """Options of ``mixada``: those of ``ada`` and how states are mixed."""

    alpha: float = Field(
        default=0.4,
        gt=0,
        description="lambda ~ Beta(alpha, alpha) (code: 0.4 with TextFooler, 2.0 with PWWS, else 0.2)",
    )
    layers: tuple[int, ...] = Field(
        default=(7, 9, 12),
        min_length=1,
        description="layers after which states are mixed, one drawn for each batch (code: 7, 9 and 12 of BERT-base), "
        "counted in a model of `depth` layers and scaled to the one at hand; 0: its input",
    )
    depth: int = Field(default=12, ge=1, description="the depth that `layers` are counted in (code: BERT-base)")
    weight: float = Field(default=1.0, ge=0, description="weight of the mixed term beside the clean one (code: 1)")

    @model_validator(mode="after")
    def _within(self) -> Self:
        if any(not 0 <= layer <= self.depth for layer in self.layers):
            raise ValueError(f"every layer must be in 0..{self.depth}")
        return self


class MixAdaRun(AdaRun):
    """One training under ``mixada``."""

    def __init__(self, context: ObjectiveContext, options: MixAdaOptions) -> None:
        super().__init__(context, options)
        self._network, self._mix = context.network, options

    def backward(self, batch: TrainingBatch) -> float:
        """One backward pass through the whole network and a second through the layers above the mix."""
        layer = scaled_layer(self.rng.choice(self._mix.layers), self._mix.depth, self._network.num_layers)
        share = self.rng.betavariate(self._mix.alpha, self._mix.alpha)
        partner = list(range(len(batch.labels)))
        self.rng.shuffle(partner)
        clean, mixed = losses(self._network, batch, layer, share, partner)
        loss = clean + self._mix.weight * mixed
        loss.backward()
        return float(loss.detach())


def scaled_layer(layer: int, depth: int, layers: int) -> int:
    """``layer`` of a model of ``depth`` layers at the same share of a depth of ``layers``; halves round up."""
    return (2 * layer * layers + depth) // (2 * depth)


def losses(
    network: Any, batch: TrainingBatch, layer: int, share: float, partner: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The clean and the mixed term, in nats. ``partner[i]`` is the text that text i is mixed with.

    ``share`` is lambda in [0, 1]. Both terms come from one pass through the layers below the mix, so that they have
    the dropout of those layers in common.
    """
    import torch
    from torch.nn.functional import cross_entropy, kl_div, one_hot

    rows, texts = batch.rows, len(batch.labels)
    depth: int = network.num_layers
    layers, scores = network.layers, network.scores
    below = layers(network.states(rows), rows.attention, 0, layer)
    clean = scores(layers(below, rows.attention, layer, depth), rows)
    other = torch.tensor(partner_rows(batch.owner.tolist(), partner), device=rows.ids.device)
    mixed, attention = mix(below, rows, other, share)
    virtual = scores(layers(mixed, attention, layer, depth), rows)
    logits = pool_rows(clean, batch.owner, texts)
    gold = one_hot(batch.labels, logits.shape[1]).to(logits.dtype)
    target = share * gold + (1 - share) * gold[torch.tensor(list(partner), device=gold.device)]
    found = pool_rows(virtual, batch.owner, texts).log_softmax(dim=-1)
    return cross_entropy(logits, batch.labels), kl_div(found, target, reduction="batchmean")


def partner_rows(owner: Sequence[int], partner: Sequence[int]) -> list[int]:
    """For each row the row of its text's partner that has the same place among that text's rows.

    Rows of the same place are of the same template. A partner with fewer rows starts again from its first.
    """
    rows_of: dict[int, list[int]] = {}
    place: list[int] = []
    for row, text in enumerate(owner):
        place.append(len(rows_of.setdefault(text, [])))
        rows_of[text].append(row)
    return [rows_of[partner[text]][place[row] % len(rows_of[partner[text]])] for row, text in enumerate(owner)]


def mix(states: torch.Tensor, rows: RowBatch, other: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """``share * states + (1 - share) * states[other]`` ``[R, L, h]`` and the positions ``[R, L]`` that count after it.

    Where the partner's slot stands elsewhere, two positions of the partner change places, so that slot meets slot.
    Layers above the input treat positions alike but for the attention mask, which moves along: the exchange alone
    changes no score. A position counts when it counts in a stream of positive weight: in either of the two for a
    ``share`` strictly between 0 and 1.
    """
    import torch

    here, there = rows.slot[:, None], rows.slot[other][:, None]
    order = torch.arange(states.shape[1], device=states.device).repeat(len(states), 1)
    order = order.scatter(1, here, there).scatter(1, there, here)
    second = states[other].gather(1, order[:, :, None].expand_as(states))
    attention = rows.attention[other].gather(1, order)
    counted = (rows.attention * (share > 0)).maximum(attention * (share < 1))
    return share * states + (1 - share) * second, counted


MIXADA = Objective(
    name="mixada",
    begin=MixAdaRun,
    options=MixAdaOptions,
    changes=frozenset({"loss"}),
    needs=frozenset({Capability.HIDDEN_STATES}),
    uses=uses,
    about="adversarial data augmentation, and interpolated hidden states and labels of pairs of texts",
    paper="Si et al., Findings of ACL 2021, arXiv 2012.15699; mixing: MixText, ACL 2020, arXiv 2004.12239",
)

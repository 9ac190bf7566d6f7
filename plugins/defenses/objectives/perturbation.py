"""What the objectives in embedding space share: where a perturbation may be, its start, steps and ball, and dropout.

A perturbation delta ``[U, S, d]`` is added to the looked-up word embeddings, before positions, types and normalisation.
It has ``U`` units with ``S`` places each. All norms, steps and balls are per unit, over its ``S * d`` numbers; a place
outside the scope holds zeros at all times.

========== ============ ============ =====================================================================
scope      unit         places       which positions may move
========== ============ ============ =====================================================================
row        row          positions    all: text, template, slot, special tokens, padding
nonpad     row          positions    all but padding
text       row          positions    the text's own tokens, in each row by itself
text-tied  text         text tokens  the text's own tokens; a token moves alike in every row of its text
========== ============ ============ =====================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from benchmark import Options, TrainingBatch, text_logits

if TYPE_CHECKING:
    import torch

Scope = Literal["row", "nonpad", "text", "text-tied"]
Norm = Literal["l2", "linf"]
Dropout = Literal["fresh", "shared", "off"]

SMALLEST = 1e-8
"""Gradients shorter than this move delta by less than a full step (FreeLB's code and those that follow it)."""


class ScopeOptions(Options):
    """Where the perturbation may be."""

    scope: Scope = Field(
        default="text-tied",
        description="positions that move: row (MVP's code), nonpad (FreeLB's code), text, or text-tied: the text's "
        "tokens, alike in all templates, as an attacker's edit shows up in all of them",
    )


class Region:
    """The places of a batch's perturbation, and how they reach its rows.

    ``places [U, S]`` is true where delta may differ from zero; ``inside [R, L]`` is true at the positions it reaches.
    """

    def __init__(self, batch: TrainingBatch, scope: Scope) -> None:
        import torch

        rows = batch.rows
        self._index: torch.Tensor | None = None
        if scope == "text-tied":
            self.inside = rows.text >= 0
            width = max(1, int(rows.text.max()) + 1)
            self._index = batch.owner[:, None] * width + rows.text.clamp(min=0)
            places = torch.zeros(len(batch.labels) * width, dtype=torch.bool, device=rows.ids.device)
            places[self._index[self.inside]] = True
            self.places = places.view(len(batch.labels), width)
        else:
            if scope == "row":
                self.inside = torch.ones_like(rows.attention, dtype=torch.bool)
            else:
                self.inside = rows.attention.bool() if scope == "nonpad" else rows.text >= 0
            self.places = self.inside

    def zeros(self, like: torch.Tensor) -> torch.Tensor:
        """A perturbation of zeros ``[U, S, d]`` for embeddings ``like [R, L, d]``."""
        return like.new_zeros(*self.places.shape, like.shape[-1])

    def draw(self, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Numbers uniform in (-1, 1) at the places of the scope ``[U, S, d]``.

        One after the other for existing places only, so that more padding does not change them.
        """
        import torch

        shape = (int(self.places.sum()), like.shape[-1])
        drawn = torch.rand(shape, generator=generator, device=generator.device, dtype=like.dtype).to(like.device)
        delta = self.zeros(like)
        delta[self.places] = 2 * drawn - 1
        return delta

    def uniform(self, like: torch.Tensor, size: float, norm: Norm, generator: torch.Generator) -> torch.Tensor:
        """The uniform start: entries in (-1, 1) times ``size / sqrt(n d)`` (L2; n places of the unit) or ``size``.

        The L2 norm of a unit is then about ``size / sqrt(3)``. Nothing is drawn for ``size`` 0.
        """
        if size == 0:
            return self.zeros(like)
        delta = self.draw(like, generator) * size
        if norm == "linf":
            return delta
        entries = (self.places.sum(dim=1).clamp(min=1) * like.shape[-1]).to(like.dtype)
        return delta / entries.sqrt()[:, None, None]

    def to_rows(self, delta: torch.Tensor) -> torch.Tensor:
        """What ``delta [U, S, d]`` adds to the embeddings ``[R, L, d]``: zeros outside the scope."""
        if self._index is not None:
            from torch.nn.functional import embedding

            delta = embedding(self._index, delta.flatten(0, 1))
        return delta * self.inside[:, :, None]

    def from_rows(self, values: torch.Tensor) -> torch.Tensor:
        """``values [R, L, d]`` at the places ``[U, S, d]``: of a tied place the mean over the positions it reaches."""
        if self._index is None:
            return values * self.inside[:, :, None]
        index = self._index[self.inside]
        sums = values.new_zeros(self.places.numel(), values.shape[-1]).index_add(0, index, values[self.inside])
        counts = index.bincount(minlength=self.places.numel()).clamp(min=1)
        return (sums / counts[:, None]).view(*self.places.shape, -1)


def lengths(delta: torch.Tensor) -> torch.Tensor:
    """The L2 norm of every unit ``[U, 1, 1]`` of ``delta [U, S, d]``."""
    return delta.flatten(1).norm(dim=1)[:, None, None]


def ascend(delta: torch.Tensor, gradient: torch.Tensor, size: float, norm: Norm) -> torch.Tensor:
    """``delta`` one step uphill: by ``size`` along the normalised gradient of each unit (L2) or along its sign."""
    if norm == "linf":
        return delta + size * gradient.sign()
    return delta + size * gradient / lengths(gradient).clamp(min=SMALLEST)


def project(delta: torch.Tensor, epsilon: float, norm: Norm) -> torch.Tensor:
    """``delta`` moved into the ball of radius ``epsilon`` around zero, each unit by itself; 0 is no bound."""
    if epsilon == 0:
        return delta
    if norm == "linf":
        return delta.clamp(-epsilon, epsilon)
    return delta * shrink(delta, epsilon)


def shrink(delta: torch.Tensor, epsilon: float) -> torch.Tensor:
    """The factor ``[U, 1, 1]`` in (0, 1] that brings every unit of ``delta`` to an L2 norm of at most ``epsilon``."""
    return epsilon / lengths(delta).clamp(min=epsilon)


def loss_at(network: Any, batch: TrainingBatch, embeddings: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the batch's texts with these word embeddings ``[R, L, d]``: one forward pass."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(text_logits(network, batch, embeddings), batch.labels)


class Passes:
    """Dropout in the forward passes of one update.

    ``fresh``: every pass draws its masks. ``shared``: all passes have the same masks (torch's stream is set back before
    each, and is one pass further after the last; section 3.3 of the FreeLB paper). ``off``: the network is in
    evaluation mode during the passes and as before after them.
    """

    def __init__(self, network: Any, policy: Dropout) -> None:
        self._network, self._policy = network, policy
        self._device: torch.device = next(network.parameters()).device
        self._stream = _stream(self._device) if policy == "shared" else None

    @contextmanager
    def one(self) -> Iterator[None]:
        """Around one forward pass."""
        if self._stream is not None:
            _rewind(self._device, self._stream)
        if self._policy != "off":
            yield
            return
        training = [module for module in self._network.modules() if module.training]
        try:
            for module in training:
                module.training = False
            yield
        finally:
            for module in training:
                module.training = True


def _stream(device: torch.device) -> torch.Tensor:
    import torch

    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _rewind(device: torch.device, stream: torch.Tensor) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.set_rng_state(stream, device)
    else:
        torch.set_rng_state(stream)

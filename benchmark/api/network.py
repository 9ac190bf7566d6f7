"""The network that a head builds: rows in, class scores out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from benchmark.api.rows import Row, RowBatch, TrainingBatch

if TYPE_CHECKING:
    import random

    import torch


class Network(Protocol):
    """A ``torch.nn.Module`` made by a head.

    The prediction for a text is the mean of the scores of its rows (``mvp`` has a row per template, others one).

    An attribute ``fewest_rows`` is optional: the smallest number of rows of equal length from which on, without
    gradients, a row's scores are the same to the last bit however many there are. A smaller batch is filled up when a
    text is predicted. Without it that number is 4, as for a product of one vector a row with a matrix.
    """

    pad_id: int

    def rows(self, text: str, rng: random.Random | None = None) -> list[Row]:
        """The text's rows. With ``rng`` (training only) a head may draw fewer rows than at test time."""

    def __call__(self, rows: RowBatch, embeddings: torch.Tensor | None = None) -> torch.Tensor:
        """Scores ``[R, C]``; row r depends on row r only.

        ``embeddings [R, L, d]`` replaces the looked-up word embeddings (before position and type embeddings). A head
        that cannot take them does not offer ``Capability.EMBEDDINGS``.
        """

    def parameters(self) -> Any: ...

    def state_dict(self) -> Any: ...


class UnpaddedNetwork(Network, Protocol):
    """A network that predicts for rows of any lengths without padding. Optional: others get rows of equal length."""

    def unpadded(self, rows: Sequence[Row]) -> torch.Tensor | None:
        """Scores ``[R, C]``, in eval mode; row r depends on row r only, bit for bit. None: this network cannot.

        The same bits as those of a call on a batch of rows of the same length, four or more.
        """


class EmbeddingNetwork(Network, Protocol):
    """A network whose head offers ``Capability.EMBEDDINGS``.

    ``vocabulary_size`` and ``text_tokens`` are optional: only attacks that see the model's inside (access "gradient")
    ask for them, and without them such an attack does not apply to the head. ``word_embeddings`` is optional too: it is
    asked for where a suite sets ``training.frozen_embeddings``.
    """

    vocabulary_size: int
    """Ids ``embed`` knows: 0 to this, excluded."""

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Word embeddings ``[..., d]`` of ids ``[...]``, attached to the graph."""

    def word_embeddings(self) -> torch.nn.Parameter:
        """The table ``[vocabulary, d]`` that ``embed`` looks up in."""

    def text_tokens(self, text: str) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
        """Ids and spans of the text's own tokens; token i is the one that ``Row.text`` calls i.

        Without special and template tokens, but with those that the rows cut off. A span is the first character of the
        token in the text and the one after its last. Raises NotApplicable where none can be told.
        """


class LayeredNetwork(EmbeddingNetwork, Protocol):
    """A network whose head offers ``Capability.HIDDEN_STATES``: its forward pass in three steps."""

    num_layers: int

    def states(self, rows: RowBatch, embeddings: torch.Tensor | None = None) -> torch.Tensor:
        """What enters the first layer ``[R, L, h]``: embeddings with positions, normalised."""

    def layers(self, states: torch.Tensor, attention: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """``states [R, L, h]`` after layers ``start`` (included) to ``stop`` (not included)."""

    def scores(self, states: torch.Tensor, rows: RowBatch) -> torch.Tensor:
        """Scores ``[R, C]`` of the last layer's states; reads them at ``rows.slot``."""


def pool_rows(scores: torch.Tensor, owner: torch.Tensor, texts: int) -> torch.Tensor:
    """Logits ``[B, C]`` of ``texts`` texts: the mean over the rows ``[R, C]`` that ``owner [R]`` gives each.

    This is the ensemble of MVP over templates (arXiv 2303.07320, section 3): a mean of raw logits.
    """
    sums = scores.new_zeros(texts, scores.shape[1]).index_add(0, owner, scores)
    counts = scores.new_zeros(texts).index_add(0, owner, scores.new_ones(len(owner)))
    return sums / counts[:, None]


def text_logits(network: Any, batch: TrainingBatch, embeddings: torch.Tensor | None = None) -> torch.Tensor:
    """Logits ``[B, C]`` of a training batch: one forward pass, rows pooled."""
    scores = network(batch.rows) if embeddings is None else network(batch.rows, embeddings)
    return pool_rows(scores, batch.owner, len(batch.labels))

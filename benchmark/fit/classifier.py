"""A fitted network as a classifier: texts in, logits out, each row without padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from benchmark.api import Row, RowBatch, TokenGradients, pad_rows
from benchmark.devices import arithmetic
from benchmark.fit import whitebox

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from benchmark.suite import Precision

    Embed = Callable[[RowBatch, Sequence[str]], torch.Tensor]


FEWEST_ROWS = 4
"""A matrix product of one to three rows is summed in another order than that of any larger number of them
(docs/decisions/0006-speed.md), and a head multiplies one vector a row. A network may say ``fewest_rows`` itself."""


class NetworkClassifier:
    """Implements :class:`benchmark.api.Classifier` for a network of a head.

    Rows of exactly equal length share a batch (at most ``batch_rows`` rows), so there is no padding; a batch of fewer
    than four rows (or ``network.fewest_rows``) is filled up with its last one. A text's logits are then the same in
    every batch, to the last bit. The network runs in eval mode and inference mode and is left in the mode it was in.
    ``precision`` is the arithmetic of these forward passes; logits are float32 and gradients computed in float32 in any
    case. ``forwards_per_prediction`` is the number of rows of a text.
    """

    def __init__(self, network: Any, batch_rows: int = 32, precision: Precision = "fp32") -> None:
        if batch_rows < 1:
            raise ValueError(f"batch_rows must be at least 1, got {batch_rows}")
        self.network = network
        self.batch_rows = batch_rows
        self.precision: Precision = precision
        self.forwards_per_prediction: int = len(network.rows("a"))

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Logits ``[N, C]``: the mean over the rows of each text, in the order of ``texts``."""
        return self._logits(texts, None)

    def logits_with(self, texts: Sequence[str], embed: Embed) -> NDArray[np.float32]:
        """The same with word embeddings ``embed(rows, text of each row) [R, L, d]`` in place of the looked-up ones."""
        return self._logits(texts, embed)

    def gradients(self, text: str, label: int) -> TokenGradients:
        """Of the cross-entropy of the pooled logits, by word embedding; NotApplicable for a head without embeddings."""
        return whitebox.gradients(self.network, text, label)

    def token_ids(self, text: str) -> list[int]:
        """Ids of the text's own tokens; raises NotApplicable."""
        return list(whitebox.text_tokens(self.network, text)[0])

    def embedding_matrix(self) -> NDArray[np.float32]:
        """Word embeddings ``[V, d]``, a read-only copy; raises NotApplicable."""
        return whitebox.embedding_matrix(self.network)

    def _logits(self, texts: Sequence[str], embed: Embed | None) -> NDArray[np.float32]:
        import numpy as np
        import torch

        asked = list(texts) or ["a"]
        rows = [(number, row) for number, text in enumerate(asked) for row in self.network.rows(text)]
        order = sorted(range(len(rows)), key=lambda index: len(rows[index][1].ids))
        was_training = self.network.training
        self.network.eval()
        try:
            with torch.inference_mode():
                scores = self._scores([row for _, row in rows], [asked[n] for n, _ in rows], order, embed)
        finally:
            self.network.train(was_training)
        owner = np.array([number for number, _ in rows])
        sums = np.zeros((len(asked), scores.shape[1]), dtype=np.float64)
        np.add.at(sums, owner, scores)
        means = sums / np.bincount(owner, minlength=len(asked))[:, None]
        return np.asarray(means[: len(texts)], dtype=np.float32)

    def _scores(self, rows: list[Row], texts: list[str], order: list[int], embed: Embed | None) -> NDArray[np.float32]:
        """Scores ``[R, C]`` in the order of ``rows``; ``order`` sorts them by length."""
        import numpy as np

        device = next(self.network.parameters()).device
        found: list[Any] = [None] * len(rows)
        start = 0
        while start < len(order):
            width = len(rows[order[start]].ids)
            stop = start + 1
            while stop < min(len(order), start + self.batch_rows) and len(rows[order[stop]].ids) == width:
                stop += 1
            chosen = order[start:stop]
            filled = chosen + chosen[-1:] * (getattr(self.network, "fewest_rows", FEWEST_ROWS) - len(chosen))
            batch = pad_rows([rows[index] for index in filled], self.network.pad_id).to(device)
            given = () if embed is None else (embed(batch, [texts[index] for index in filled]),)
            with arithmetic(device, self.precision):
                scores = self.network(batch, *given)
            scores = scores.float().cpu().numpy()
            for index, row in zip(filled, scores, strict=True):
                found[index] = row
            start = stop
        return np.stack(found)

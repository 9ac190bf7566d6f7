"""A fitted network as a classifier: texts in, logits out, without padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from benchmark.api import Row, RowBatch, TokenGradients, pad_rows
from benchmark.devices import arithmetic, is_out_of_memory, release
from benchmark.devices import batch_rows as first_batch_rows
from benchmark.errors import BenchError
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

    A batch has at most ``batch_rows`` rows (None: what suits the device), halved whenever memory runs out. They are of
    any lengths for a network that takes them without padding (see :class:`benchmark.api.UnpaddedNetwork`), else of
    exactly equal length; of these a batch of fewer than four (or ``network.fewest_rows``) is filled up with its last
    one. A text's logits are then the same in every batch, to the last bit. The network runs in eval mode and inference
    mode and is left in the mode it was in. ``precision`` is the arithmetic of these forward passes; logits are float32
    and gradients computed in float32 in any case. ``forwards_per_prediction`` is the number of rows of a text.
    """

    def __init__(self, network: Any, batch_rows: int | None = None, precision: Precision = "fp32") -> None:
        self.network = network
        self.batch_rows = first_batch_rows(self._device) if batch_rows is None else batch_rows
        if self.batch_rows < 1:
            raise ValueError(f"batch_rows must be at least 1, got {batch_rows}")
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
        with whitebox.evaluating(self.network), torch.inference_mode():
            scores = self._scores([row for _, row in rows], [asked[n] for n, _ in rows], order, embed)
        owner = np.array([number for number, _ in rows])
        sums = np.zeros((len(asked), scores.shape[1]), dtype=np.float64)
        np.add.at(sums, owner, scores)
        means = sums / np.bincount(owner, minlength=len(asked))[:, None]
        return np.asarray(means[: len(texts)], dtype=np.float32)

    def _scores(self, rows: list[Row], texts: list[str], order: list[int], embed: Embed | None) -> NDArray[np.float32]:
        """Scores ``[R, C]`` in the order of ``rows``; ``order`` sorts them by length."""
        import numpy as np

        parts, start = [], 0
        while start < len(order):
            chosen = order[start : start + self.batch_rows]
            scores = self._batch([rows[index] for index in chosen], [texts[index] for index in chosen], embed)
            if scores is not None:
                parts.append(scores)
                start += len(scores)
        found = np.empty((len(rows), parts[0].shape[1]), np.float32)
        found[order] = np.concatenate(parts)
        return found

    def _batch(self, rows: list[Row], texts: list[str], embed: Embed | None) -> NDArray[np.float32] | None:
        """Scores of the first of ``rows``, as many as one pass takes; None after memory ran out and they became fewer.

        ``rows`` are sorted by length. Raises BenchError where the smallest batch does not fit.
        """
        computed, least, longest = len(rows), 1, len(rows[-1].ids)
        try:
            scores = None if embed else self._unpadded(rows)
            if scores is None:
                same = [row for row in rows if len(row.ids) == len(rows[0].ids)]
                computed, longest = len(same), len(rows[0].ids)
                least = getattr(self.network, "fewest_rows", FEWEST_ROWS)
                scores = self._equal(same, texts[: len(same)], embed)
            found: NDArray[np.float32] = scores.float().cpu().numpy()
        except Exception as problem:
            if not is_out_of_memory(problem):
                raise
            told = str(problem).partition("\n")[0]
        else:
            return found
        # Only here: the exception holds what the network had computed, and so its memory.
        self._shrink(computed, least, longest, told)
        return None

    def _shrink(self, computed: int, least: int, tokens: int, told: str) -> None:
        release(self._device)
        if computed <= least:
            raise BenchError(
                f"a batch of {least} x {tokens} tokens does not fit into the memory of {self._device} ({told})",
                "Use fewer workers (--jobs), a smaller training.max_length, or --device cpu",
            )
        self.batch_rows = max(1, computed // 2)

    def _unpadded(self, rows: list[Row]) -> torch.Tensor | None:
        """Scores ``[R, C]`` of rows of any lengths, or None where the network does not offer that."""
        unpadded = getattr(self.network, "unpadded", None)
        if unpadded is None:
            return None
        with arithmetic(self._device, self.precision):
            found: torch.Tensor | None = unpadded(rows)
        return found

    def _equal(self, rows: list[Row], texts: list[str], embed: Embed | None) -> torch.Tensor:
        """Scores ``[R, C]`` of rows of one length; ``texts[r]`` is the text of row r."""
        more = getattr(self.network, "fewest_rows", FEWEST_ROWS) - len(rows)
        filled, texts_filled = rows + rows[-1:] * more, texts + texts[-1:] * more
        batch = pad_rows(filled, self.network.pad_id).to(self._device)
        given = () if embed is None else (embed(batch, texts_filled),)
        with arithmetic(self._device, self.precision):
            found: torch.Tensor = self.network(batch, *given)
        return found[: len(rows)]

    @property
    def _device(self) -> torch.device:
        found: torch.device = next(self.network.parameters()).device
        return found

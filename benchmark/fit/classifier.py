"""A fitted network as a classifier: texts in, logits out, each row without padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NetworkClassifier:
    """Implements :class:`benchmark.api.Classifier` for a network of a head.

    Rows of exactly equal length share a batch (at most ``batch_rows`` rows), so there is no padding and a row's scores
    do not depend on the length of its neighbours. The network runs in eval mode and inference mode and is left in the
    mode it was in. ``forwards_per_prediction`` is the number of rows of a text.
    """

    def __init__(self, network: Any, batch_rows: int = 32) -> None:
        if batch_rows < 1:
            raise ValueError(f"batch_rows must be at least 1, got {batch_rows}")
        self.network = network
        self.batch_rows = batch_rows
        self.forwards_per_prediction: int = len(network.rows("a"))

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Logits ``[N, C]``: the mean over the rows of each text, in the order of ``texts``."""
        import numpy as np
        import torch

        rows_of = [self.network.rows(text) for text in (texts or ["a"])]
        rows = [(number, row) for number, rows in enumerate(rows_of) for row in rows]
        order = sorted(range(len(rows)), key=lambda index: len(rows[index][1]))
        was_training = self.network.training
        self.network.eval()
        try:
            with torch.inference_mode():
                scores = self._scores([row for _, row in rows], order)
        finally:
            self.network.train(was_training)
        owner = np.array([number for number, _ in rows])
        sums = np.zeros((len(rows_of), scores.shape[1]), dtype=np.float64)
        np.add.at(sums, owner, scores)
        means = sums / np.bincount(owner, minlength=len(rows_of))[:, None]
        return np.asarray(means[: len(texts)], dtype=np.float32)

    def _scores(self, rows: list[list[int]], order: list[int]) -> NDArray[np.float32]:
        """Scores ``[R, C]`` in the order of ``rows``; ``order`` sorts them by length."""
        import numpy as np
        import torch

        device = next(self.network.parameters()).device
        found: list[Any] = [None] * len(rows)
        start = 0
        while start < len(order):
            width = len(rows[order[start]])
            stop = start + 1
            while stop < min(len(order), start + self.batch_rows) and len(rows[order[stop]]) == width:
                stop += 1
            ids = torch.tensor([rows[index] for index in order[start:stop]], device=device)
            scores = self.network(ids, torch.ones_like(ids)).float().cpu().numpy()
            for index, row in zip(order[start:stop], scores, strict=True):
                found[index] = row
            start = stop
        return np.stack(found)

"""The forward pass of spaCy's tagger for one word in its context, in torch.

The pipeline's network reads a word through the four words on each side of it: four layers, each over a word and its
two neighbours. spaCy runs all layers over all words of a context; what decides one word's tag is a pyramid of 9, 7, 5,
3 and 1 of them. The vector of a word depends on its spelling alone, so spaCy's own embedding makes it once. A word's
scores do not depend on the other words of a batch, to the last bit (``benchmark_plugins.numerics``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark_plugins.numerics import one_thread, product

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

REACH = 4
"""Words on each side that a tag depends on: one for each layer."""
EPSILON = 1e-8
"""Of thinc's layer norm."""
BATCH = 256
WORDS = 20_000
"""Word vectors kept, 400 bytes each; then the table begins anew. It must hold the words of one batch."""

Window = tuple[str | None, ...]
"""A word with ``REACH`` words before and after it; None where the text has ended."""


class Layer(NamedTuple):
    """Maxout over ``pieces`` linear maps, then layer norm, around which the input is added."""

    weight: torch.Tensor
    bias: torch.Tensor
    pieces: int
    gain: torch.Tensor
    shift: torch.Tensor

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """``[N, L, D]`` to ``[N, L - 2, D]``: each inner word from itself and its neighbours."""
        import torch

        count, length, width = rows.shape
        joined = torch.cat([rows[:, :-2], rows[:, 1:-1], rows[:, 2:]], dim=2).view(-1, 3 * width)
        most = (product(joined, self.weight) + self.bias).view(-1, width, self.pieces).amax(dim=2)
        normal = torch.nn.functional.layer_norm(most, (width,), self.gain, self.shift, EPSILON)
        return normal.view(count, length - 2, width) + rows[:, 1:-1]


class TagNetwork:
    """Made from a spaCy pipeline with the components ``tok2vec`` and ``tagger``; for one thread."""

    def __init__(self, pipeline: Any, capacity: int = WORDS) -> None:
        import torch

        embed, encode = pipeline.get_pipe("tok2vec").model.layers
        self._vocab, self._embed = pipeline.vocab, embed
        self._layers = [_layer(residual) for residual in encode.layers[0].layers]
        if len(self._layers) != REACH:
            raise ValueError(f"the tagger has {len(self._layers)} layers, not {REACH}")
        tagger = pipeline.get_pipe("tagger")
        (softmax,) = (node for node in tagger.model.walk() if node.name == "softmax")
        self._weight = torch.tensor(softmax.get_param("W")).T.contiguous()
        self._bias = torch.tensor(softmax.get_param("b"))
        self._labels = tuple(tagger.labels)
        self._vectors = torch.zeros((1 + capacity, len(self._weight)))
        self._rows: dict[str, int] = {}

    def tags(self, windows: Sequence[Window]) -> list[str]:
        """The pipeline's own tag of the middle word of each window."""
        return [self._labels[i] for i in self.scores(windows).argmax(axis=1).tolist()]

    def scores(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """``[N, labels]``, before the softmax."""
        import numpy as np
        import torch

        found = np.empty((len(windows), len(self._labels)), dtype=np.float32)
        with torch.inference_mode(), one_thread():
            for start in range(0, len(windows), BATCH):
                part = windows[start : start + BATCH]
                found[start : start + BATCH] = self._scores(part).numpy()
        return found

    def _scores(self, windows: Sequence[Window]) -> torch.Tensor:
        import torch

        rows = self._vectors[torch.tensor(self._places(windows))]
        for layer in self._layers:
            rows = layer(rows)
        return product(rows[:, 0], self._weight) + self._bias

    def _places(self, windows: Sequence[Window]) -> list[list[int]]:
        """Rows of the table of vectors; row 0 is all zeros and stands for no word."""
        words = dict.fromkeys(word for window in windows for word in window if word is not None)
        new = [word for word in words if word not in self._rows]
        if len(self._rows) + len(new) >= len(self._vectors):
            self._rows.clear()
            new = list(words)
        if new:
            self._learn(new)
        rows = self._rows
        return [[0 if word is None else rows[word] for word in window] for window in windows]

    def _learn(self, words: Sequence[str]) -> None:
        import torch
        from spacy.tokens import Doc

        (vectors,) = self._embed.predict([Doc(self._vocab, words=list(words))])
        first = 1 + len(self._rows)
        self._vectors[first : first + len(words)] = torch.tensor(vectors)
        self._rows.update(zip(words, range(first, first + len(words)), strict=True))


def _layer(residual: Any) -> Layer:
    import torch

    nodes = {node.name: node for node in residual.walk()}
    maxout, norm = nodes["maxout"], nodes["layernorm"]
    weight = torch.tensor(maxout.get_param("W"))
    width, pieces, reads = weight.shape
    return Layer(
        weight.view(width * pieces, reads).T.contiguous(),
        torch.tensor(maxout.get_param("b")).flatten(),
        pieces,
        torch.tensor(norm.get_param("G")),
        torch.tensor(norm.get_param("b")),
    )

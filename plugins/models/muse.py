"""The network of ``muse-v3`` in torch: each vector is a function of its text alone, to the last bit.

A text's pieces get an embedding (512) and, from one projection with layer norm, 256 features for each of three
branches. A branch of order n has two convolutions over n neighbouring pieces, each with ReLU and a residual. The four
parts (1280) are normalised for each piece, summed over the text, divided by the square root of the number of pieces,
and go through four dense layers.

Three facts make it cheap. None of them is an approximation:

* what a convolution adds up is one product for each piece and place in the window. In the first convolution it depends
  on the piece alone, so it is computed once for each piece and kept;
* in the second it depends on the n pieces around it, and a piece's features depend on the nine pieces around it. The
  candidates of an attack differ in a word or two, so most of these contexts stand in many texts of a batch and are
  computed once;
* matrix products give a row the same bits whatever the other rows are (``benchmark_plugins.numerics``), and a sum over
  pieces runs from the first to the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark_plugins.numerics import ROWS, one_thread, product

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

BRANCHES = ((2, 0), (3, 1), (5, 2))
"""Order of a convolution, and how many of its pieces stand before the one that it is for."""
WIDTH = 256
EMBEDDING = 512
FEATURES = EMBEDDING + WIDTH * len(BRANCHES)
REACH = 4
"""Pieces on each side that a piece's features depend on: twice two, by the branch of order five."""
CHUNKS = 17
"""The embedding table is quantised in this many blocks; piece ``i`` is row ``i // CHUNKS`` of block ``i % CHUNKS``."""
TOKENS = 2048
"""Pieces in a batch, about 35 KB each while it is computed (70 MB). A longer text is a batch of its own, in runs."""
PIECES = 4096
"""Pieces whose part of the first convolution is kept, 15 KB each: 63 MB when full. Then the table begins anew.

It must hold the pieces of one batch."""
GAP = 0
"""Row of the table for "no piece here": all zeros, as the convolutions are padded."""


class Contexts(NamedTuple):
    """Distinct surroundings of the pieces of a batch."""

    places: NDArray[np.int64]
    """One place for each of them."""
    rows: NDArray[np.int64]
    """For each place of the batch the number of its surroundings; one more than the last where no piece stands."""


class PieceTable:
    """What depends on a piece alone, computed when a piece is first met: embedding, features, products."""

    def __init__(self, weights: Mapping[str, NDArray[Any]], capacity: int = PIECES) -> None:
        import numpy as np
        import torch

        blocks = [weights[f"q{i + 1}"] for i in range(CHUNKS)]
        self._codes = np.empty((CHUNKS * len(blocks[0]), EMBEDDING), dtype=np.uint8)
        for i, block in enumerate(blocks):
            self._codes[i::CHUNKS] = block
        self._scale, self._low = weights["scale"], weights["lo"]
        joined = [torch.from_numpy(np.concatenate([weights[f"{name}{n}"] for n, _ in BRANCHES], axis=-1))
                  for name in ("proj", "proj_b", "ln_g", "ln_b")]  # fmt: skip
        self._projection, self._bias, self._gain, self._shift = joined
        self._first = [_by_place(weights[f"w1_{n}"], n) for n, _ in BRANCHES]
        self._epsilon = float(weights["eps"])
        self._slots = np.full(len(self._codes), GAP, dtype=np.int64)
        self._used = 1
        # Memory that is not written to is not taken.
        self.features = torch.empty((1 + capacity, FEATURES))
        self.products = [torch.empty((1 + capacity, n * WIDTH)) for n, _ in BRANCHES]
        for part in (self.features, *self.products):
            part[GAP] = 0

    def slots(self, pieces: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each piece in ``features`` and ``products``; valid until the next call.

        Raises ValueError for more distinct pieces than the table holds.
        """
        import numpy as np

        found = self._slots[pieces]
        new = np.unique(pieces[found == GAP])
        if len(new):
            if self._used + len(new) > len(self.features):
                new = np.unique(pieces)
                self._slots[:] = GAP
                self._used = 1
                if len(new) >= len(self.features):
                    raise ValueError(f"{len(new)} distinct pieces in a table of {len(self.features) - 1}")
            self._fill(new)
            found = self._slots[pieces]
        return found

    def _fill(self, pieces: NDArray[np.int64]) -> None:
        import torch

        block = pieces % CHUNKS
        embedded = torch.from_numpy(self._codes[pieces] * self._scale[block, None] + self._low[block, None])
        projected = product(embedded, self._projection) + self._bias
        normal = torch.nn.functional.layer_norm(projected, self._gain.shape, self._gain, self._shift, self._epsilon)
        own = slice(self._used, self._used + len(pieces))
        self.features[own, :EMBEDDING] = embedded
        self.features[own, EMBEDDING:] = normal
        for products, first, part in zip(self.products, self._first, normal.split(WIDTH, dim=1), strict=True):
            products[own] = product(part.contiguous(), first)
        self._slots[pieces] = range(own.start, own.stop)
        self._used = own.stop


class MuseNetwork:
    """Lists of piece ids to vectors ``[N, 512]``, float32, not of unit length. For one thread: it keeps a table."""

    def __init__(self, weights: Mapping[str, NDArray[Any]], capacity: int = PIECES) -> None:
        """``weights`` are the arrays of the package's ``weights.npz``."""
        import torch

        self._table = PieceTable(weights, capacity)
        self._second = [_by_place(weights[f"w2_{n}"], n) for n, _ in BRANCHES]
        names = ("ln_g", "ln_b", "cnn_W", "cnn_b", "d0", "d1", "d2", "d3", "p1", "p3")
        self._weights = {
            name: torch.from_numpy(weights[name])
            for name in (*names, *(f"b{layer}_{n}" for layer in (1, 2) for n, _ in BRANCHES))
        }
        self._epsilon = float(weights["eps"])

    def encode(self, texts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """The vectors in the order of ``texts``, each of which has at least one piece."""
        import numpy as np
        import torch

        found = np.empty((len(texts), EMBEDDING), dtype=np.float32)
        with torch.inference_mode(), one_thread():
            for part in batches([len(text) for text in texts]):
                batch = texts[part]
                sums = self._summed(batch) if len(batch[0]) <= TOKENS else self._summed_in_runs(batch[0])
                lengths = torch.tensor([[len(text)] for text in batch], dtype=torch.float32)
                found[part] = self._head(sums, lengths).numpy()
        return found

    def _summed_in_runs(self, text: Sequence[int]) -> torch.Tensor:
        """``[1, 1280]``: a long text, ``TOKENS`` pieces at a time with their neighbours on both sides."""
        import torch

        total = torch.zeros((1, FEATURES))
        for start in range(0, len(text), TOKENS):
            before = min(start, REACH)
            total += self._summed([text[start - before : start + TOKENS + REACH]], slice(before, before + TOKENS))
        return total

    def _summed(self, texts: Sequence[Sequence[int]], part: slice = slice(None)) -> torch.Tensor:
        """Sums of normalised features over the pieces of each text ``[N, 1280]``; of one text, over a part of it."""
        import numpy as np
        import torch

        lengths = np.array([len(text) for text in texts], dtype=np.int64)
        pieces = np.concatenate([np.asarray(text, dtype=np.int64) for text in texts])
        before = np.cumsum(lengths) - lengths
        # A text stands REACH empty places after the one before, so that no context holds pieces of two texts.
        places = np.arange(len(pieces)) + np.repeat(REACH * np.arange(1, len(texts) + 1), lengths)
        slots = np.full(len(pieces) + REACH * (len(texts) + 1), GAP, dtype=np.int64)
        slots[places] = self._table.slots(pieces)
        *narrow, wide = contexts(slots)
        features = self._features(slots, narrow, wide)
        wanted = torch.from_numpy(wide.rows[places[part]])
        return torch.nn.functional.embedding_bag(wanted, features, torch.from_numpy(before), mode="sum")

    def _features(self, slots: NDArray[np.int64], narrow: Sequence[Contexts], wide: Contexts) -> torch.Tensor:
        """Normalised features ``[len(wide.places), 1280]`` of a piece in each of its contexts."""
        import torch

        weights = self._weights
        known = torch.from_numpy(slots)
        features = self._table.features[known[wide.places]]
        for branch, (order, left) in enumerate(BRANCHES):
            own = narrow[branch]
            column = slice(EMBEDDING + branch * WIDTH, EMBEDDING + (branch + 1) * WIDTH)
            hidden = torch.zeros((max(ROWS, len(own.places) + 1), WIDTH))  # the last row stays zero: no piece
            first = _sums(self._table.products[branch], slots, own.places, order, left) + weights[f"b1_{order}"]
            hidden[: len(own.places)] = first.relu_() + self._table.features[known[own.places], column]
            products = product(hidden, self._second[branch])
            second = _sums(products, own.rows, wide.places, order, left) + weights[f"b2_{order}"]
            features[:, column] = second.relu_() + hidden[torch.from_numpy(own.rows[wide.places])]
        return torch.nn.functional.layer_norm(features, (FEATURES,), weights["ln_g"], weights["ln_b"], self._epsilon)

    def _head(self, sums: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Sums over pieces ``[N, 1280]`` to vectors ``[N, 512]``. The sum commutes with the linear layer after it."""
        w = self._weights
        mean = (product(sums, w["cnn_W"]) + lengths * w["cnn_b"]) / lengths.sqrt()
        early = product(mean, w["d0"]).relu_()
        middle = (product(mean, w["p1"]) + product(early, w["d1"])).relu_()
        late = product(middle, w["d2"]).relu_()
        return (product(middle, w["p3"]) + product(late, w["d3"])).tanh_()


def batches(lengths: Sequence[int]) -> Iterator[slice]:
    """Neighbouring texts of at most ``TOKENS`` pieces together; a longer one alone."""
    first = total = 0
    for i, length in enumerate(lengths):
        if i > first and total + length > TOKENS:
            yield slice(first, i)
            first, total = i, 0
        total += length
    if lengths:
        yield slice(first, len(lengths))


def contexts(slots: NDArray[np.int64]) -> list[Contexts]:
    """The distinct contexts of each branch, of its order, and at last those of REACH pieces on either side.

    ``slots`` begins and ends with REACH gaps, so turning it around joins gap to gap.
    """
    import numpy as np

    real = slots != GAP
    two, second = _pairs(slots, np.roll(slots, -1))
    three, third = _pairs(np.roll(second, 1), second)
    five, fifth = _pairs(np.roll(third, 1), np.roll(third, -1))
    nine, ninth = _pairs(np.roll(fifth, 2), np.roll(fifth, -2))
    found = []
    for places, ranks in ((two, second), (three, third), (five, fifth), (nine, ninth)):
        kept = real[places]
        number = np.where(kept, np.cumsum(kept) - 1, kept.sum())
        found.append(Contexts(places[kept], number[ranks]))
    return found


def _pairs(left: NDArray[np.int64], right: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first place of each distinct pair, and for each place the number of its pair."""
    import numpy as np

    _, places, ranks = np.unique(left * (int(right.max()) + 1) + right, return_index=True, return_inverse=True)
    return places, ranks


def _by_place(weight: NDArray[np.float32], order: int) -> torch.Tensor:
    """A convolution ``[order * 256, 256]`` as one matrix ``[256, order * 256]``: a block for each place in it."""
    import torch

    blocks = torch.from_numpy(weight).view(order, WIDTH, WIDTH)
    return blocks.transpose(0, 1).reshape(WIDTH, order * WIDTH).contiguous()


def _sums(
    products: torch.Tensor, rows: NDArray[np.int64], places: NDArray[np.int64], order: int, left: int
) -> torch.Tensor:
    """For each place the sum ``[N, 256]`` of the products of the pieces around it, from the first to the last."""
    import numpy as np
    import torch

    step = np.arange(order)
    wanted = rows[places[:, None] + (step - left)] * order + step
    return torch.nn.functional.embedding_bag(torch.from_numpy(wanted), products.view(-1, WIDTH), mode="sum")

"""Counter-fitting of word vectors (Mrkšić et al. 2016, NAACL), vectorised.

The objective is the paper's: antonyms at least ``delta`` apart, synonyms at most ``gamma`` apart, and words that were
within ``rho`` of each other no further apart than before; distances are cosine distances of unit vectors. It is
minimised by full-batch steps: for each of the three kinds a word moves along the mean of its active terms, and is then
put back on the unit sphere (the paper takes stochastic steps; here the order of the pairs does not matter and the
result needs no random numbers).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

CHUNK = 2048
SPARE = 8


class Settings(NamedTuple):
    """Mrkšić et al. 2016, sections 2 and 3: delta 1, gamma 0, rho 0.2, three equal weights 0.1, 20 epochs.

    The weights are also the step: 20 of them bring nine antonyms in ten to a cosine below 0.05.
    """

    delta: float = 1.0
    gamma: float = 0.0
    rho: float = 0.2
    antonym_weight: float = 0.1
    synonym_weight: float = 0.1
    preserve_weight: float = 0.1
    epochs: int = 20


def counter_fit(
    vectors: NDArray[np.float32], synonyms: NDArray[np.int64], antonyms: NDArray[np.int64], settings: Settings
) -> NDArray[np.float32]:
    """Unit rows ``[V, D]`` after counter-fitting; ``synonyms`` and ``antonyms`` are index pairs ``[N, 2]``."""
    import numpy as np
    import torch

    start = torch.nn.functional.normalize(torch.from_numpy(vectors), dim=1)
    near = neighbourhood(start, np.unique(np.concatenate([synonyms.ravel(), antonyms.ravel()])), settings.rho)
    ants, syns = torch.from_numpy(antonyms), torch.from_numpy(synonyms)
    # An antonym that was near must not be held near by the third term.
    near = near[~torch.isin(_code(near, len(start)), _code(ants, len(start)))]
    before = _distance(start, near)
    current = start
    for _ in range(settings.epochs):
        move = -settings.antonym_weight * _pull(current, ants, _distance(current, ants) < settings.delta)
        move += settings.synonym_weight * _pull(current, syns, _distance(current, syns) > settings.gamma)
        move += settings.preserve_weight * _pull(current, near, _distance(current, near) > before + 1e-6)
        current = torch.nn.functional.normalize(current + move, dim=1)
    return current.numpy()


def neighbourhood(vectors: torch.Tensor, rows: NDArray[np.int64], radius: float) -> torch.Tensor:
    """Index pairs (i in rows, j) ``[N, 2]`` with cosine distance at most ``radius``, each unordered pair once."""
    import torch

    chosen = torch.zeros(len(vectors), dtype=torch.bool)
    wanted = torch.from_numpy(rows)
    chosen[wanted] = True
    pairs = []
    for part in wanted.split(CHUNK):
        i, j = (vectors[part] @ vectors.T >= 1 - radius).nonzero(as_tuple=True)
        i = part[i]
        keep = (i < j) | ((i > j) & ~chosen[j])
        pairs.append(torch.stack([i[keep], j[keep]], dim=1))
    return torch.cat(pairs) if pairs else torch.zeros((0, 2), dtype=torch.long)


def _code(pairs: torch.Tensor, size: int) -> torch.Tensor:
    """One number for each unordered pair."""
    low, high = pairs.sort(dim=1).values.T
    return low * size + high


def _distance(vectors: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
    return 1 - (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(dim=1)


def _pull(vectors: torch.Tensor, pairs: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
    """For each word ``[V, D]`` the mean, over its active pairs, of the direction on the sphere towards the other."""
    import torch

    left, right = pairs[active].T
    a, b = vectors[left], vectors[right]
    cosine = (a * b).sum(dim=1, keepdim=True)
    total, count = torch.zeros_like(vectors), torch.zeros(len(vectors), 1)
    for here, towards in ((left, b - cosine * a), (right, a - cosine * b)):
        total.index_add_(0, here, towards)
        count.index_add_(0, here, torch.ones(len(here), 1))
    return total / count.clamp(min=1)


def nearest(vectors: NDArray[np.float32], count: int) -> NDArray[np.int32]:
    """``[V, count + 1]``: the word itself in column 0, then its neighbours by falling cosine, ties by index.

    Cosines are compared to five decimals, so that the last bits of a matrix product do not decide the order.
    """
    import numpy as np
    import torch

    rows = torch.from_numpy(vectors)
    spare = min(count + SPARE, len(rows) - 1)
    table = np.empty((len(rows), min(count, len(rows) - 1) + 1), dtype=np.int32)
    for start in range(0, len(rows), CHUNK):
        own = torch.arange(start, min(start + CHUNK, len(rows)))
        cosines = rows[own] @ rows.T
        cosines[torch.arange(len(own)), own] = -2.0
        values, indices = (part.numpy() for part in cosines.topk(spare, dim=1))
        order = np.lexsort((indices, -np.round(values, 5)), axis=1)
        table[start : start + len(own), 0] = own.numpy()
        table[start : start + len(own), 1:] = np.take_along_axis(indices, order, axis=1)[:, : table.shape[1] - 1]
    return table

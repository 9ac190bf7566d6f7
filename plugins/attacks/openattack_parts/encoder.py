"""The sentence encoder as OpenAttack calls it: ``calc_score(a, b)``. Made anew for every example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.api import SentenceEncoder

DECIMALS = 5


class CosineEncoder:
    """Cosines in float64, rounded to 1e-5 so that the last bits of a batch decide no comparison."""

    def __init__(self, encoder: SentenceEncoder, tags: frozenset[Any]) -> None:
        self._encoder, self.TAGS = encoder, set(tags)
        self._vectors: dict[str, NDArray[np.float64]] = {}

    def calc_score(self, a: str, b: str) -> float:
        return float(self.scores(a, [b])[0])

    def scores(self, reference: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """The cosine of each text with the reference ``[N]``; only texts not met before are encoded."""
        import numpy as np

        new = [text for text in dict.fromkeys([reference, *texts]) if text not in self._vectors]
        if new:
            self._vectors.update(zip(new, self._encoder.encode(new).astype("float64"), strict=True))
        rows = np.stack([self._vectors[text] for text in texts])
        rounded: NDArray[np.float64] = np.round(rows @ self._vectors[reference], DECIMALS)
        return rounded

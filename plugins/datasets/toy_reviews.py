"""``toy-reviews``: 72 short sentences written for this project, so that the smoke suite needs no download.

It exercises the code and measures nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmark import Dataset, Example, Resources, Splits
from benchmark.data.parts import example_id, split_by_hash

LABELS = ("negative", "positive")


def load(resources: Resources) -> Splits:
    """The three parts by the same hash rule as the real datasets."""
    lines = Path(__file__).with_name("toy_reviews.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return split_by_hash([Example(example_id(r["text"]), r["text"], LABELS.index(r["label"])) for r in rows])


TOY_REVIEWS = Dataset(
    name="toy-reviews",
    label_names=LABELS,
    revision="1",
    load=load,
    licence="Apache-2.0",
    about="72 sentences for the smoke suite; measures nothing",
)

"""The attacked texts: single reviews (about 20 words), and reviews joined to the length of an IMDB review.

All lie in one local file, so that one victim is trained and attacked on both. The file's parts are cut by the hash of
the text; the rows of the dataset keep their parts, and of the joined texts only those are kept that fall into the test
part. So no joined text holds a sentence the victim was trained on.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmark.data.parts import TEST_PART, part_of
from benchmark.data.sample import stratified_ids

DATASET = "rotten_tomatoes"
NAME = "reviews"
LONG_WORDS = 170
SHORT_WORDS = 20


def joined(examples: Sequence[Any], words: int, number: int, seed: int = 0) -> Iterator[tuple[str, int]]:
    """``number`` texts of at least ``words`` words and their labels: reviews of one label, in a drawn order."""
    rng = random.Random(seed)
    by_label = {label: [e.text for e in examples if e.label == label] for label in sorted({e.label for e in examples})}
    labels = sorted(by_label)
    made = 0
    while made < number:
        label = labels[made % len(labels)]
        parts: list[str] = []
        while sum(len(part.split()) for part in parts) < words:
            parts.append(rng.choice(by_label[label]))
        text = " ".join(parts)
        if part_of(text) == TEST_PART:
            made += 1
            yield text, label


def spliced(examples: Sequence[Any], number: int, seed: int = 0) -> Iterator[tuple[str, int]]:
    """``number`` texts of usual length: the first half of one review and the second half of another of its label."""
    rng = random.Random(seed)
    made, seen = 0, set[str]()
    while made < number:
        first = rng.choice(examples)
        second = rng.choice([e for e in rng.choices(examples, k=8) if e.label == first.label] or [first])
        a, b = first.text.split(), second.text.split()
        text = " ".join(a[: len(a) // 2] + b[len(b) // 2 :])
        if text not in seen and part_of(text) == TEST_PART:
            seen.add(text)
            made += 1
            yield text, first.label


def write_rows(path: Path, rows: Sequence[tuple[str, int]]) -> None:
    """A local dataset file."""
    lines = (json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in rows)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def ids_by_length(test: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The test examples of the usual length, and the joined ones."""
    long = [e for e in test if len(e.text.split()) >= LONG_WORDS]
    short = [e for e in test if 10 <= len(e.text.split()) < 40]
    return short, long


def draw(examples: Sequence[Any], number: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids to attack, evenly over labels, and four others to warm up with."""
    every = stratified_ids(examples, number + 4)
    chosen = stratified_ids(examples, number)
    return chosen, tuple(i for i in every if i not in set(chosen))[:4]

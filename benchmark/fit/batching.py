"""Batches of token rows: texts of like length together, padded to the longest row of the batch and no further."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmark.api import Example, Row, TrainingBatch, pad_rows

if TYPE_CHECKING:
    import random


CHUNK = 32
"""Batches within which texts are sorted by length: large enough to save padding, small enough to stay shuffled."""


def bucketed(lengths: Sequence[int], batch_size: int, rng: random.Random) -> list[list[int]]:
    """Indices 0..N-1, each once, in batches of ``batch_size`` (the last of a chunk may be smaller).

    Shuffled, cut into chunks of ``CHUNK`` batches, sorted by length within a chunk; then the batches are shuffled.
    A function of ``lengths``, ``batch_size`` and the state of ``rng``.
    """
    order = list(range(len(lengths)))
    rng.shuffle(order)
    batches: list[list[int]] = []
    for start in range(0, len(order), batch_size * CHUNK):
        chunk = sorted(order[start : start + batch_size * CHUNK], key=lambda index: lengths[index])
        batches += [chunk[first : first + batch_size] for first in range(0, len(chunk), batch_size)]
    rng.shuffle(batches)
    return batches


def batches(
    rows_of: Sequence[Sequence[Row]], examples: Sequence[Example], batch_size: int, pad_id: int, rng: random.Random
) -> Iterator[TrainingBatch]:
    """One pass over ``examples`` (``rows_of[i]`` are the rows of example i) in batches of ``batch_size`` texts."""
    import torch

    for chosen in bucketed([max(len(row.ids) for row in rows) for rows in rows_of], batch_size, rng):
        rows = pad_rows([row for index in chosen for row in rows_of[index]], pad_id)
        owner = torch.tensor([place for place, index in enumerate(chosen) for _ in rows_of[index]])
        labels = torch.tensor([examples[index].label for index in chosen])
        yield TrainingBatch(rows, owner, labels, tuple(examples[index].text for index in chosen))


def steps_per_epoch(texts: int, batch_size: int) -> int:
    """How many batches :func:`bucketed` makes of ``texts`` texts."""
    full, rest = divmod(texts, batch_size * CHUNK)
    return full * CHUNK + -(-rest // batch_size)

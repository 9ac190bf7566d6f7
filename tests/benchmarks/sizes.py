"""How much is measured, from the environment: one command serves a quick trial and the real measurement."""

from __future__ import annotations

import os
from typing import NamedTuple

PREFIX = "BENCH_"


class Sizes(NamedTuple):
    """One field an environment variable ``BENCH_<FIELD>``; lists are separated by commas."""

    examples: int = 50
    """Attacked texts of about 20 words."""
    long_examples: int = 8
    """Attacked texts of about 170 words: the stock loop needs minutes for each."""
    rounds: int = 3
    """Measurements of every figure; the table shows their median."""
    jobs: int = 0
    """Workers of the engine; 0 means one a core, as ``bench run`` takes them."""
    concurrency: int = 16
    """Examples side by side in a worker."""
    scale: tuple[int, ...] = (20, 200, 2000)
    """Numbers of examples at which time and memory are measured."""
    train_rows: int = 2000
    records: int = 100_000
    """Stored records behind the published page."""
    plugins: int = 200
    explain: int = 5
    """Most differences of a recipe that are explained; each takes a few more attacks."""
    precision: str = ""
    """``bf16``: what the engine's victim computes in. Then outcomes are counted but need not be the stock loop's."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_sizes() -> Sizes:
    """The defaults, and what the environment says instead."""
    given: dict[str, object] = {}
    for name, default in Sizes._field_defaults.items():
        text = os.environ.get(PREFIX + name.upper())
        if text is None:
            continue
        given[name] = tuple(map(int, text.split(","))) if isinstance(default, tuple) else type(default)(text)
    sizes = Sizes(**given)  # type: ignore[arg-type]
    return sizes if sizes.jobs else sizes._replace(jobs=cores())

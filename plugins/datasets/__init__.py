"""The built-in datasets. Importing this package reads no data."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from benchmark import hookimpl

if TYPE_CHECKING:
    from benchmark import Dataset


@hookimpl
def register_datasets(register: Callable[[Dataset], None]) -> None:
    """rotten_tomatoes, trec and toy-reviews."""
    from benchmark_plugins.datasets.rotten_tomatoes import ROTTEN_TOMATOES
    from benchmark_plugins.datasets.toy_reviews import TOY_REVIEWS
    from benchmark_plugins.datasets.trec import TREC

    for dataset in (ROTTEN_TOMATOES, TREC, TOY_REVIEWS):
        register(dataset)

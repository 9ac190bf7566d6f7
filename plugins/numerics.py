"""Matrix products whose rows depend on nothing but themselves, to the last bit.

Measured for fp32 on one thread: from four rows up a row's result is the same for every number of rows and every place
among them; one to three rows take another kernel, and several threads share out a product by its shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

ROWS = 4
"""Fewest rows of a matrix product."""


def product(rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """``rows @ weight`` of two matrices, computed with at least ``ROWS`` rows. For use under :func:`one_thread`."""
    import torch

    count = len(rows)
    if count < ROWS:
        rows = torch.nn.functional.pad(rows, (0, 0, 0, ROWS - count))
    return (rows @ weight)[:count]


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch computes with one thread inside. Costs nothing where it does already, as in a worker."""
    import torch

    before = torch.get_num_threads()
    if before != 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if before != 1:
            torch.set_num_threads(before)

"""Where networks compute, and in which arithmetic."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from benchmark.suite import Precision


def arithmetic(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Inside it a network on ``device`` computes in ``precision``: for bf16 under autocast, for fp32 as it is.

    Autocast rounds what enters a matrix product to bfloat16; weights stay float32 where they are kept. What a network
    returns may be bfloat16.
    """
    import torch

    return nullcontext() if precision == "fp32" else torch.autocast(device.type, torch.bfloat16)

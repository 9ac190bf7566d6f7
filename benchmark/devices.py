"""Where networks compute, in which arithmetic, and what of it fits into memory. Nothing here is kept between calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from benchmark.errors import BenchError, UnknownName

if TYPE_CHECKING:
    import torch

    from benchmark.suite import Precision

PREFERRED = ("cuda", "mps", "cpu")
"""Kinds of device, the one that ``auto`` takes first."""
NAMES = ("auto", *sorted(PREFERRED))
BATCH_ROWS = {"cpu": 32}
"""Rows of a batch: on a CPU more gain nothing (docs/performance.md)."""
LARGE_BATCH_ROWS = 256
"""Rows of a batch elsewhere, to begin with: it is halved where memory runs out."""


def seen() -> dict[str, int]:
    """How many devices of each kind torch can use here; the CPU counts as one."""
    import torch

    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {"cuda": cards, "mps": int(torch.backends.mps.is_available()), "cpu": 1}


def check_name(name: str) -> None:
    """Raise UnknownName for what is no name of a device."""
    if name not in NAMES:
        raise UnknownName("device", name, NAMES)


def resolve(name: str, found: Mapping[str, int] | None = None) -> str:
    """The kind of device that ``name`` means: itself, or for ``auto`` the first of ``PREFERRED`` that is here.

    ``found`` are the counts of :func:`seen`. Raises UnknownName, and BenchError for a device that is not here.
    """
    check_name(name)
    if name == "cpu":  # without asking torch, which takes a while to load
        return name
    counts = seen() if found is None else found
    here = [kind for kind in PREFERRED if counts.get(kind)]
    if name == "auto":
        return here[0]
    if name not in here:
        raise BenchError(
            f"there is no device '{name}' that torch can use; available: {', '.join(here)}",
            "Choose one of these with --device, or leave it at auto",
        )
    return name


def place(name: str, number: int, found: Mapping[str, int] | None = None) -> str:
    """torch's name of the device of worker ``number`` (from 0): several cards are dealt out in turn."""
    if name == "cpu":
        return name
    counts = seen() if found is None else found
    kind = resolve(name, counts)
    return f"{kind}:{number % counts[kind]}" if kind == "cuda" else kind


def batch_rows(device: torch.device) -> int:
    """How many rows a batch holds at first."""
    return BATCH_ROWS.get(device.type, LARGE_BATCH_ROWS)


def arithmetic(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Inside it a network on ``device`` computes in ``precision``: for bf16 under autocast, for fp32 as it is.

    Autocast rounds what enters a matrix product to bfloat16; weights stay float32 where they are kept. What a network
    returns may be bfloat16. Raises BenchError on a device without bf16: another type would be other numbers.
    """
    import torch

    if precision == "fp32":
        return nullcontext()
    if not has_bf16(device):
        raise BenchError(
            f"the device {device} does not compute in bf16",
            "Use --device cpu, or a suite with precision fp32 (inference.precision, training.precision)",
        )
    return torch.autocast(device.type, torch.bfloat16)


def work_clock(kind: str) -> tuple[str, Callable[[], float]]:
    """What work on a kind of device is timed by, its name and itself, in seconds.

    On a CPU it is the time of this process on the cores ("processor"), which other programs do not change; elsewhere,
    where the process only waits for the device, the wall clock ("wall").
    """
    return ("processor", time.process_time) if kind == "cpu" else ("wall", time.perf_counter)


def has_bf16(device: torch.device) -> bool:
    """Whether autocast to bfloat16 works there; any CPU does, with or without instructions for it."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if device.type == "mps":
        return bool(torch.backends.mps.is_macos_or_newer(14, 0))
    return device.type == "cpu"


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether torch failed for want of memory. There is a class for it on some devices and only words on others."""
    words = str(problem).lower()
    known = ("out of memory", "can't allocate memory")
    return isinstance(problem, MemoryError) or (isinstance(problem, RuntimeError) and any(w in words for w in known))


def release(device: torch.device) -> None:
    """Give back memory that torch keeps for later on ``device``."""
    import torch

    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()

"""What libraries keep for a whole thread and a task must have for itself: generators, and torch's grad mode."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

State = tuple[Any, ...]


class States:
    """The states of ``random``, numpy's global generator, torch's CPU generator and torch's grad mode, by owner.

    Every owner starts from the states that this object was made in; its maker is the owner None.
    """

    def __init__(self) -> None:
        self._owner: Hashable = None
        self._kept: dict[Hashable, State] = {}
        self._first = _read()

    def use(self, owner: Hashable) -> None:
        """Put the states of ``owner`` in place, and keep those of the one before."""
        if owner == self._owner:
            return
        self._kept[self._owner] = _read()
        _write(self._kept.pop(owner, self._first))
        self._owner = owner

    def drop(self, owner: Hashable) -> None:
        """Forget what was kept for ``owner``."""
        self._kept.pop(owner, None)


def _read() -> State:
    import random

    import numpy as np
    import torch

    return random.getstate(), np.random.get_state(), torch.get_rng_state(), torch.is_grad_enabled()


def _write(state: State) -> None:
    import random

    import numpy as np
    import torch

    random.setstate(state[0])
    np.random.set_state(state[1])
    torch.set_rng_state(state[2])
    torch.set_grad_enabled(state[3])

"""Attacks: what they see of the victim and of the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from benchmark.api.base import Capability, NoOptions, Options
from benchmark.api.data import Asset, Example, Resources
from benchmark.api.defenses import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Victim(Protocol):
    """The attack's only way to the model. Counts every text asked as one logical query.

    ``logits`` raises BudgetExhausted at the query that would overshoot; an attack must not catch it.
    """

    num_labels: int
    mask_token: str
    unknown_token: str

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Logits ``[N, C]``, rounded to 1e-5 so that the last bits of a batch do not decide between candidates."""


class ContractCheck(Protocol):
    """The suite's threat model as a predicate, for attacks that search inside it."""

    candidates: int
    """K: the most substitutes an attack may consider for one word."""

    def admissible(self, original: str, candidates: Sequence[str]) -> list[bool]:
        """Whether each candidate text is within the contract with respect to the original text."""


class AttackRun(Protocol):
    """A built attack. Heavy, read-only assets are shared; the search state is made anew for every example."""

    def attack(self, victim: Victim, example: Example, seed: int) -> str | None:
        """An adversarial text or None. The harness re-scores and validates whatever comes back.

        ``seed`` derives from (cell, example id); the harness has also seeded ``random``, numpy and torch with it.
        """


@dataclass(frozen=True)
class Attack:
    """An attack. ``build(options, resources, contract, task)`` returns an AttackRun, once per cell and process.

    ``display`` is the name on pages: the method and the assets it runs with, such as
    ``textfooler[cf-glove50,muse,spacy]``. ``models`` are the registered models it loads.
    """

    name: str
    build: Callable[[Any, Resources, ContractCheck, Task], AttackRun]
    display: str
    options: type[Options] = NoOptions
    needs: frozenset[Capability] = frozenset()
    assets: tuple[Asset, ...] = ()
    models: tuple[str, ...] = ()
    version: int = 1
    about: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Fixed parameters and their source, for pages and records."""

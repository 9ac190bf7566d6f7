"""Differential evolution over edits of one text: one call of the victim a generation, and an end at the first success.

TextAttack asks one text at a time with scipy's defaults: it polishes the result with a gradient method, goes on after a
success, cannot leave a text unedited, and ends when all scores are alike. None of that is in the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from benchmark_plugins.attacks.imperceptible import Edit, Kind, edit_of
from benchmark_plugins.attacks.runner import probabilities

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.api import ContractCheck, Example, Victim

NEVER = -1.0
"""Absolute tolerance of the convergence test: the spread of a population is never below it."""


class Evolution(NamedTuple):
    """Settings of scipy's ``differential_evolution``."""

    perturbations: int
    population: int
    generations: int
    strategy: str
    mutation: tuple[float, float]
    recombination: float


class _Found(Exception):
    """Ends scipy's loop from inside the objective."""


class Objective:
    """The gold label's probability of each vector's text. A text is asked once; one outside the contract scores worst.

    ``found`` is the text of the lowest probability among the first ones that change the label.
    """

    def __init__(self, victim: Victim, contract: ContractCheck, example: Example, edit: Edit) -> None:
        self._victim, self._contract, self._example, self._edit = victim, contract, example, edit
        self._scores: dict[str, float] = {}
        self.found: str | None = None

    def start(self) -> bool:
        """Ask for the text itself; whether the victim is right about it."""
        self._ask([self._example.text])
        return self.found is None

    def __call__(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores ``[S]`` of the columns of ``[genes, S]``; raises _Found at a success, or BudgetExhausted."""
        import numpy as np

        texts = [self._edit.apply(column) for column in np.atleast_2d(vectors.T)]
        new = [text for text in dict.fromkeys(texts) if text not in self._scores]
        allowed = self._contract.admissible(self._example.text, new) if new else []
        self._ask([text for text, ok in zip(new, allowed, strict=True) if ok])
        if self.found is not None:
            raise _Found
        return np.array([self._scores.setdefault(text, np.inf) for text in texts])

    def _ask(self, texts: Sequence[str]) -> None:
        if not texts:
            return
        label = int(self._example.label)
        rows = probabilities(self._victim.logits(texts))
        self._scores.update((text, float(row[label])) for text, row in zip(texts, rows, strict=True))
        wrong = [text for text, row in zip(texts, rows, strict=True) if int(row.argmax()) != label]
        self.found = min(wrong, key=self._scores.__getitem__, default=None)


@dataclass(frozen=True)
class EvolutionRun:
    """An :class:`benchmark.api.AttackRun`."""

    kind: Kind
    settings: Evolution
    contract: ContractCheck

    def attack(self, victim: Victim, example: Example, seed: int) -> str | None:
        """The adversarial text, or None, also where the text has nothing to edit. BudgetExhausted passes through."""
        import numpy as np
        from scipy.optimize import differential_evolution

        edit = edit_of(self.kind, example.text)
        if not edit.bounds:
            return None
        objective = Objective(victim, self.contract, example, edit)
        if not objective.start():
            return None
        try:
            differential_evolution(
                objective,
                list(edit.bounds) * self.settings.perturbations,
                strategy=self.settings.strategy,
                maxiter=self.settings.generations,
                popsize=self.settings.population,
                mutation=self.settings.mutation,
                recombination=self.settings.recombination,
                init="latinhypercube",
                tol=0.0,
                atol=NEVER,
                updating="deferred",
                vectorized=True,
                polish=False,
                rng=np.random.default_rng(seed),
            )
        except _Found:
            return objective.found
        return None

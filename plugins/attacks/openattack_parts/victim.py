"""The victim as OpenAttack sees it, and the goal of an attack: the gold label, inside the contract.

The library's own classifiers, its metrics, its evaluation and its count of invocations are not used: the harness
counts, and its BudgetExhausted passes through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from benchmark_plugins.attacks.openattack_env import import_openattack
from benchmark_plugins.attacks.runner import probabilities

import_openattack()  # must come before the library's own import

from OpenAttack import Classifier  # noqa: E402
from OpenAttack.attack_assist.goal import ClassifierGoal  # noqa: E402
from OpenAttack.tags import TAG_English  # noqa: E402

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.api import Victim

ENGLISH = frozenset({TAG_English})


class VictimClassifier(Classifier):  # type: ignore[misc]
    """Probabilities in float64. The lower-cased original, which some attackers ask for, is the original.

    Without that a cased victim would be asked about a text that no candidate is an edit of.
    """

    def __init__(self, victim: Victim, original: str) -> None:
        self._victim = victim
        self._original, self._lowered = original, original.lower()

    def get_prob(self, texts: list[str]) -> NDArray[np.float64]:
        asked = [self._original if text == self._lowered else text for text in texts]
        return probabilities(self._victim.logits(asked))

    def get_pred(self, texts: list[str]) -> NDArray[np.int64]:
        chosen: NDArray[np.int64] = self.get_prob(texts).argmax(axis=1)
        return chosen


class ContractGoal(ClassifierGoal):  # type: ignore[misc]
    """Any label but the gold one, with a text inside the contract."""

    def __init__(self, label: int, inside: Callable[[Sequence[str]], list[bool]]) -> None:
        super().__init__(label, targeted=False)
        self._inside = inside

    def check(self, adversarial_sample: str, prediction: Any) -> bool:
        return int(prediction) != self.target and self._inside([adversarial_sample])[0]
